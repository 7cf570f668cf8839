"""parse_message: what is read of a header, of MIME parts and of broken mail."""

import base64

import pytest

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

    def test_a_field_that_breaks_the_email_package_is_a_defect(self) -> None:
        message = read("To: " + "(" * 20_000 + " a@example.org")
        assert "address field unreadable" in message.defects


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

    def test_an_attached_mail_carries_the_text_of_what_hangs_on_it(self) -> None:
        inner = "From: c@example.net\r\nContent-Type: message/rfc822\r\n\r\nFrom: d@example.net\r\n\r\ninnermost"
        message = read(
            "Content-Type: multipart/mixed; boundary=b", f"--b\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--b--"
        )
        (passage,) = message.passages
        assert (passage.voice, passage.kind) == (Voice.FORWARDED, ForwardKind.ATTACHED)
        assert str(passage.author) == "c@example.net"
        assert passage.text == "innermost"

    def test_a_mail_that_cannot_be_read_as_mime_is_read_as_text(self) -> None:
        message = read("Content-Type: multipart/mixed", "only text")
        assert message.own_text == "only text"
        assert message.defects == ("multipart without parts",)


def test_nothing_and_noise_are_messages_without_anything() -> None:
    assert parse_message(b"") == Message()
    assert parse_message(b"\r\n\r\n") == Message()
    assert parse_message(b"no header at all").own_text == "no header at all"


def test_private_text_does_not_show_in_repr() -> None:
    message = read("From: anna@example.org\r\nSubject: secret", "secret words")
    assert "secret" not in repr(message)
    assert "anna" not in repr(message)
