"""parse_message: what is read of a header, of MIME parts and of broken mail."""

import base64

import pytest

from smtpguard.answers.token import find_tokens
from smtpguard.mail.message import Automatic, ForwardKind, Message, Voice
from smtpguard.mail.parsing import parse_message


def read(header: str, body: str = "Hello.\r\n") -> Message:
    return parse_message(f"{header}\r\n\r\n{body}".encode("utf-8", "surrogateescape"))


def destinations(header: str) -> set[str]:
    return {each.normal for each in read(header).destinations}


def test_header_fields_are_read_and_decoded() -> None:
    message = read(
        "From: =?utf-8?q?Anna_M=C3=BCller?= <Anna@Example.ORG>\r\n"
        "To: ben@example.org,\r\n Carl <carl@example.net>\r\nCc: doris@example.org\r\nBcc: erich@example.org\r\n"
        "Subject: =?utf-8?b?R3LDvMOfZQ==?= aus\r\n Berlin\r\nMessage-ID: <a@example.org>\r\n"
        "In-Reply-To: <b@example.org> (of Monday)\r\nReferences: <c@example.org>\r\n <b@example.org>"
    )
    assert message.subject == "Grüße aus Berlin"
    assert [str(each) for each in message.authors] == ["Anna@Example.ORG"]
    assert message.author_name == "Anna Müller"
    assert [str(each) for each in message.destinations] == ["ben@example.org", "carl@example.net", "doris@example.org"]
    assert [str(each) for each in message.bcc] == ["erich@example.org"]
    assert message.message_id == "<a@example.org>"
    assert message.references == ("<b@example.org>", "<c@example.org>")
    assert message.defects == ()


def test_resent_fields_replace_to_and_cc_and_make_a_message_not_automatic() -> None:
    message = read(
        "To: a@example.org\r\nResent-To: b@example.org\r\nResent-Cc: c@example.org\r\nList-Id: <x.example.org>"
    )
    assert [str(each) for each in message.destinations] == ["b@example.org", "c@example.org"]
    assert message.resent
    assert message.automatic is None


@pytest.mark.parametrize("name", ["Resent-Date", "Resent-From", "Resent-Message-ID", "Resent-Sender", "Resent-X"])
def test_a_resent_field_without_a_recipient_does_not_hide_to_and_cc(name: str) -> None:
    message = read(f"To: a@example.org\r\nCc: b@example.org\r\nBcc: c@example.org\r\n{name}: x\r\nList-Id: <x.y>")
    assert [str(each) for each in (*message.destinations, *message.bcc)] == [
        "a@example.org",
        "b@example.org",
        "c@example.org",
    ]
    assert not message.resent
    assert message.automatic is None


def test_a_message_that_is_resent_to_hidden_recipients_only_has_no_destinations() -> None:
    message = read("To: a@example.org\r\nResent-Bcc: b@example.org")
    assert message.destinations == ()
    assert [str(each) for each in message.bcc] == ["b@example.org"]


@pytest.mark.parametrize(
    ("field", "mark"),
    [
        ("Auto-Submitted: auto-replied (vacation)", Automatic.AUTO_SUBMITTED),
        ("Auto-Submitted: auto-generated; owner-email=x@example.org", Automatic.AUTO_SUBMITTED),
        ("auto-submitted: NO", None),
        ("Auto-Submitted: no (typed by hand)", None),
        ("Precedence: Bulk", Automatic.PRECEDENCE),
        ("Precedence: junk", Automatic.PRECEDENCE),
        ("Precedence: list", Automatic.PRECEDENCE),
        ("Precedence: first-class", None),
        ("Precedence: auto_reply", Automatic.AUTO_REPLY),
        ("List-Id: Berlin <berlin.lists.example.org>", Automatic.LIST_ID),
        ("X-Autoreply: yes", Automatic.AUTO_REPLY),
        ("X-Autorespond: out of office", Automatic.AUTO_REPLY),
        ("X-Autoreply: no", None),
        ("X-Auto-Response-Suppress: All", None),
        ("Return-Path: <>", None),
    ],
)
def test_marks_of_automatic_mail(field: str, mark: Automatic | None) -> None:
    assert read(f"From: a@example.org\r\n{field}").automatic is mark


@pytest.mark.parametrize(
    ("kind", "report"),
    [
        ("multipart/report; report-type=delivery-status; boundary=b", True),
        ("message/disposition-notification", True),
        ("multipart/mixed; boundary=b", False),
    ],
)
def test_reports_are_known_by_their_type(kind: str, report: bool) -> None:
    assert read(f"Content-Type: {kind}").report is report


class TestDestinations:
    def test_a_group_gives_its_members(self) -> None:
        assert destinations("To: board: a@example.org, b@example.org;") == {"a@example.org", "b@example.org"}

    def test_comments_routes_and_quotes_do_not_hide_an_address(self) -> None:
        assert "a@example.org" in destinations("To: a(x)@example.org (nested (comment))")
        assert "a@example.org" in destinations('To: "Doe, Jane" <a@example.org>')

    def test_an_address_in_a_display_name_is_none(self) -> None:
        header = 'To: "berlin@lists.example.org (is what I mean)" <a@example.org>'
        assert destinations(header) == {"a@example.org"}

    @pytest.mark.parametrize(
        ("value", "addresses"),
        [
            ("alice@example.org <bob@example.net>", {"alice@example.org", "bob@example.net"}),
            ("alice@example.org> , <bob@example.net>", {"alice@example.org", "bob@example.net"}),
            ("alice@example.org;bob@example.net", {"alice@example.org", "bob@example.net"}),
            ("alice@example.org (home) s", {"alice@example.org", "alice@example.orgs"}),
        ],
    )
    def test_a_field_with_two_readings_gives_the_addresses_of_both(self, value: str, addresses: set[str]) -> None:
        assert destinations(f"To: {value}") == addresses

    def test_several_fields_of_one_name_all_count(self) -> None:
        assert destinations("To: a@example.org\r\nTo: b@example.org") == {"a@example.org", "b@example.org"}

    def test_a_field_that_breaks_the_email_package_is_a_defect_and_its_addresses_are_found(self) -> None:
        message = read("To: " + "(" * 20_000 + " a@example.org")
        assert "address field unreadable" in message.defects
        assert {each.normal for each in message.destinations} == {"a@example.org"}

    @pytest.mark.parametrize(
        "value",
        [
            "{} <a@example.org>",
            "{}, a@example.org",
            "{} g: a@example.org, b@example.org;",
            '{} "a"@example.org',
            "{} <@relay.example.org:a@example.org>",
            "{} a(home)@example.org (work)",
            "{} <mailto:a@example.org>",
        ],
    )
    @pytest.mark.parametrize("torn", ['"' * 5_001, ".," * 2_000, "g: " * 2_000, '\\"' * 3_000, "<" * 40_000])
    def test_torn_text_around_an_address_does_not_hide_it(self, value: str, torn: str) -> None:
        message = read(f"To: {value.format(torn)}\r\nCc: {torn} c@example.org")
        found = {each.normal for each in message.destinations}
        assert any(each.endswith("a@example.org") for each in found)
        assert "c@example.org" in found
        assert "address field unreadable" in message.defects

    def test_a_long_field_of_ordinary_mailboxes_is_read_by_all_its_addresses_and_names(self) -> None:
        names = "".join(
            f'"u{n}@example.org" <u{n}@example.org>, "Doe, J." <v{n}@example.org>,\r\n ' for n in range(400)
        )
        message = read(f"To: {names}x@example.org")
        assert len(message.destinations) == 801
        assert message.defects == ()

    @pytest.mark.parametrize("value", ['"<b@example.org>', '""b <b@example.org>', 'x"y" "<b@example.org>'])
    def test_an_open_quote_is_read_both_ways(self, value: str) -> None:
        assert "b@example.org" in {each.normal.lstrip('"<') for each in read(f"To: {value}").destinations}


class TestBodies:
    @pytest.mark.parametrize(
        ("charset", "octets"),
        [
            ("utf-8", "Grüße".encode()),
            ("iso-8859-15", "Grüße".encode("iso-8859-15")),
            ('"UTF-8"', "Grüße".encode()),
            ("us-ascii", "Grüße".encode()),
            ("us-ascii", "Grüße".encode("cp1252")),
        ],
    )
    def test_charsets_are_read_leniently(self, charset: str, octets: bytes) -> None:
        message = parse_message(b"Content-Type: text/plain; charset=" + charset.encode() + b"\r\n\r\n" + octets)
        assert message.own_text == "Grüße"

    @pytest.mark.parametrize("charset", ["x-unknown", "zip", "idna", "unicode_escape", "../os"])
    def test_what_is_no_charset_is_a_defect_and_the_text_is_read_all_the_same(self, charset: str) -> None:
        message = parse_message(f"Content-Type: text/plain; charset={charset}\r\n\r\nGrüße".encode())
        assert message.own_text == "Grüße"
        assert message.defects == ("unknown charset",)

    def test_transfer_encodings_are_undone(self) -> None:
        octets = base64.encodebytes("Grüße\r\n".encode())
        head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
        assert parse_message(head + b"BASE64\r\n\r\n" + octets).own_text == "Grüße"
        assert parse_message(head + b"quoted-printable\r\n\r\nGr=C3=BC=\r\n=C3=9Fe").own_text == "Grüße"

    @pytest.mark.parametrize(
        "coding",
        ["base64 (x)", "base64;", '"base64"', "'base64'", "(x) base64", "base64; x=y", "BASE64\t", "base64, 7bit"],
    )
    def test_the_transfer_encoding_is_its_word_whatever_stands_around_it(self, coding: str) -> None:
        octets = base64.encodebytes("Grüße\r\n".encode())
        message = parse_message(b"Content-Transfer-Encoding: " + coding.encode() + b"\r\n\r\n" + octets)
        assert message.own_text == "Grüße"
        message = parse_message(b"Content-Transfer-Encoding: quoted-printable;\r\n\r\nGr=C3=BC=C3=9Fe")
        assert message.own_text == "Grüße"

    @pytest.mark.parametrize("codings", [("7bit", "base64"), ("base64", "8bit"), ("quoted-printable", "base64")])
    def test_of_two_transfer_encodings_each_is_undone(self, codings: tuple[str, str]) -> None:
        octets = base64.encodebytes(b"---------- Forwarded message ---------\nFrom: C <c@example.org>\n\nx")
        head = "".join(f"Content-Transfer-Encoding: {each}\r\n" for each in codings)
        message = parse_message(head.encode() + b"\r\n" + octets)
        assert Voice.FORWARDED in {each.voice for each in message.passages}
        outer = f"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n{head}\r\n"
        inner = base64.encodebytes(b"From: c@example.org\r\n\r\nx")
        authors = [each.author for each in parse_message(outer.encode() + inner + b"\r\n--b--").passages]
        assert "c@example.org" in {str(each) for each in authors}

    def test_a_list_footer_below_base64_does_not_spoil_it(self) -> None:
        octets = base64.b64encode(b"Hello.") + b"==\r\n-- \r\nberlin mailing list\r\n"
        message = parse_message(b"Content-Transfer-Encoding: base64\r\n\r\n" + octets)
        assert message.own_text == "Hello."

    def test_of_two_versions_the_plain_one_is_read(self) -> None:
        body = (
            "--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>page\r\n--b--\r\n"
        )
        assert read("Content-Type: multipart/alternative; boundary=b", body).own_text == "plain"

    def test_an_empty_plain_version_gives_way_to_html(self) -> None:
        body = "--b\r\nContent-Type: text/plain\r\n\r\n \r\n--b\r\nContent-Type: text/html\r\n\r\n<p>page\r\n--b--\r\n"
        assert read("Content-Type: multipart/alternative; boundary=b", body).own_text == "page"

    def test_all_texts_of_a_mixed_message_are_read_and_attachments_of_other_kinds_are_not(self) -> None:
        body = (
            "preamble\r\n--b\r\n\r\none\r\n--b \r\nContent-Type: application/pdf\r\n\r\nnot this\r\n"
            "--bc\r\nnor this\r\n--b\r\nContent-Type: text/plain\r\n\r\ntwo\r\n--b--\r\nepilogue"
        )
        assert read("Content-Type: multipart/mixed; boundary=b", body).own_text.split() == ["one", "two"]

    def test_a_multipart_without_its_end_is_read_to_the_end(self) -> None:
        message = read("Content-Type: multipart/mixed; boundary=b", "--b\r\n\r\none\r\ntwo")
        assert message.own_text.split() == ["one", "two"]
        assert message.defects == ("multipart not closed",)

    def test_a_mail_that_hangs_on_an_attached_mail_speaks_for_itself(self) -> None:
        inner = "From: c@example.net\r\nContent-Type: message/rfc822\r\n\r\nFrom: d@example.net\r\n\r\ninnermost"
        message = read(
            "Content-Type: multipart/mixed; boundary=b", f"--b\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--b--"
        )
        outer, innermost = message.passages
        for each in (outer, innermost):
            assert (each.voice, each.kind) == (Voice.FORWARDED, ForwardKind.ATTACHED)
        assert (str(outer.author), outer.text) == ("c@example.net", "")
        assert (str(innermost.author), innermost.text) == ("d@example.net", "innermost")

    def test_a_mail_that_cannot_be_read_as_mime_is_read_as_text(self) -> None:
        message = read("Content-Type: multipart/mixed", "only text")
        assert message.own_text == "only text"
        assert message.defects == ("multipart without parts",)


CODE = "mailcheck+" + "ABCD" * 12 + "EFGA@check.example.org"


def coded(text: str) -> str:
    return base64.encodebytes(text.encode()).decode().replace("\n", "\r\n")


def part(kind: str, content: str, coding: str = "base64") -> str:
    content = coded(content) if coding == "base64" else content
    return f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {coding}\r\n\r\n{content}\r\n"


def parts(kind: str, *each: str) -> str:
    return f"Content-Type: {kind}; boundary=b\r\n\r\n" + "".join(f"--b\r\n{part}" for part in each) + "--b--\r\n"


PLAIN = part("text/plain", "Have a look.", "7bit")
LINK = f'<a href="mailto:{CODE.replace("+", "%2B")}">answer</a>'


@pytest.mark.parametrize(
    "mail",
    [
        f"Subject: =?utf-8?b?{coded(CODE).replace(chr(13) + chr(10), '')}?=\r\n\r\nx",
        part("text/html", f"<p>x</p>{LINK}"),
        part("text/html", f"<p>x</p>{LINK.replace('%2B', '&#43;')}"),
        parts("multipart/alternative", PLAIN, part("text/html", f"<p>{CODE}</p>")),
        parts("multipart/alternative", PLAIN, part("text/html", LINK)),
        parts("multipart/mixed", PLAIN, part("message/rfc822", f"Reply-To: <{CODE}>\r\n\r\nx")),
        parts(
            "multipart/mixed",
            PLAIN,
            part("text/plain", "x" * 70_000, "7bit"),
            part("message/rfc822", f"To: {CODE}\r\n\r\nx"),
        ),
        parts("multipart/mixed", PLAIN, part("message/rfc822", part("message/rfc822", f"To: {CODE}\r\n\r\nx"))),
        parts("multipart/mixed", PLAIN, part("message/rfc822", part("text/html", LINK))),
        parts("multipart/mixed", PLAIN, part("application/octet-stream", f"Reply-To: <{CODE}>\r\n\r\nx")),
        parts("multipart/mixed", PLAIN, part("application/vnd.ms-outlook", "\0".join(CODE))),
        parts("multipart/mixed", PLAIN, part("text/calendar; name=x.ics", CODE)),
        parts("multipart/report", PLAIN, part("text/rfc822-headers; name=x", f"Reply-To: {CODE}")),
    ],
)
def test_a_code_is_found_wherever_it_stands(mail: str) -> None:
    message = parse_message(f"From: a@example.org\r\n{mail}".encode())
    texts = (message.subject, *message.hidden_texts, *(each.text for each in message.passages))
    assert [token for each in texts for token in find_tokens(each)]


def test_what_is_searched_for_codes_is_bounded_and_no_passage() -> None:
    octets = b"--b\r\nContent-Type: application/octet-stream\r\n\r\n" + b"x" * 300_000 + b"\r\n"
    message = parse_message(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + octets * 40)
    assert sum(map(len, message.hidden_texts)) < 1_200_000
    assert message.passages == ()
    page = parse_message(b"Content-Type: text/html\r\n\r\n" + b"<!-- xxxx -->" * 600_000)
    assert sum(map(len, page.hidden_texts)) < 4_400_000


def test_nothing_and_noise_are_messages_without_anything() -> None:
    assert parse_message(b"") == Message()
    assert parse_message(b"\r\n\r\n") == Message()
    assert parse_message(b"no header at all").own_text == "no header at all"


def test_private_text_does_not_show_in_repr() -> None:
    message = read("From: anna@example.org\r\nSubject: secret", "secret words")
    assert "secret" not in repr(message)
    assert "anna" not in repr(message)
