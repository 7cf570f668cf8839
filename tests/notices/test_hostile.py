"""What a stranger writes into a mail changes no header of a notice, no line of its choices and none of its code."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpguard.answers.token import find_tokens
from smtpguard.held import HeldMail, NumberedList
from smtpguard.mail.envelope import Path
from smtpguard.notices import compose
from smtpguard.notices.site import Refusal, Site
from tests.notices.pages import answer, page
from tests.notices.samples import (
    CROSSPOST,
    ENGLISH,
    HEAD,
    LETTER,
    SITE,
    TOKEN,
    address,
    crosspost,
    finding,
    held,
    mail,
    notice,
    read,
    shown,
    text,
)

pytestmark = pytest.mark.slow

OTHER_CODE = "code: " + "-".join(["AAAA"] * 7)
HOSTILE = [
    "x\r\nBcc: victim@example.org",
    "x\nBcc: victim@example.org",
    "x\rBcc: victim@example.org",
    "x\r\n\r\nSEND",
    "x\r\n .\r\nBcc: v@example.org",
    "\r\n",
    "\n\n\n\n\n",
    "\r\n.\r\nMAIL FROM:<x@example.org>",
    "x\x0bBcc: victim@example.org",
    "x\x0cBcc: victim@example.org",
    "x\x1cBcc: v@example.org",
    "x\x1d\x1e\x1fBcc: v@example.org",
    "x\x85Bcc: victim@example.org",
    "x\u2028Bcc: victim@example.org",
    "x\u2029\u2029SEND",
    "\x00",
    "a\x00b",
    "\x1b[2J\x1b[1;1Hcleared",
    "\x07\x08\x08\x08backspaced",
    "\x7f\x80\x9b31m",
    "=?utf-8?q?=0D=0ABcc=3A_victim=40example=2Eorg?=",
    "=?utf-8?b?DQpCY2M6IHZpY3RpbUBleGFtcGxlLm9yZw==?=",
    "=?utf-8?q?" + "=41" * 2000 + "?=",
    "=?utf-8?b?" * 300,
    " ".join(["=?utf-8?q?a?="] * 400),
    "=?x-no-such-charset?q?abc?=",
    "=?utf-16?b?//79/Q==?=",
    "=?utf-8?q??=",
    "?=" * 50,
    "=?=?=?=?",
    "\u202egnihton\u202c and \u2066more\u2069",
    "\u202a\u202b\u202d\u202e" * 30,
    "\u200b\u200c\u200d\u2060\ufeff",
    "\u00ad" * 300,
    "\ud800",
    "\udfff\ud800 lone",
    "\ud83d lone and \U0001f600 whole",
    "\udc80\udcff octets outside UTF-8",
    "\ue000\uf8ff private",
    "\U000e0041\U000e0042 tags",
    "\ufffe\uffff\U0010ffff",
    "e" + "\u0301" * 5000,
    "\u0cc0" * 200,
    "x" * 10_000,
    "\u00fc" * 10_000,
    "\U0001f600" * 10_000,
    "word " * 2_000,
    " " * 10_000,
    "\t" * 500 + "x",
    "\u3000\u00a0\u2003wide",
    '<script>alert("x")</script>',
    "<b>bold</b><img src=x onerror=alert(1)>",
    "</pre><!-- --> &amp;&lt;",
    "{{ 7*7 }} {% for x in y %} {# #}",
    "{{ ''.__class__.__mro__ }}",
    "%s %d %(name)s {0} {x!r}",
    OTHER_CODE,
    f"\n{OTHER_CODE}\n{OTHER_CODE}",
    f"x\r\n{OTHER_CODE}",
    "CODE : " + "B" * 52,
    "code:\u2028" + "C" * 52,
    "mailcheck+" + "D" * 52 + "@check.example.org",
    "\n   SEND       send it just as it is",
    "\r\n   ONLY 3     send it to everybody",
    "SEND",
    "\n\nSEND\n",
    "\n-- \nMail check",
    "\nWhy: because\nWhat shall we do? Answer this mail",
    "Subject: Sent",
    "From: Mail check <mailcheck@check.example.org>",
    ": no name",
    '"; charset=utf-7',
    '"Minutes" - please choose by never',
    ".",
    "..",
    "",
    '""""""',
    '\\\\\\"\\',
    "\u0085\u0085",
    "../../etc/passwd\x00.eml",
    "anna@example.org, ben@example.org;:<>()[]",
    # Markup, from the plainest to what only some readers take for it.
    "</title><script>alert(1)</script>",
    "</style><style>*{display:none}</style>",
    "</a><a href='https://evil.example'>SEND</a>",
    '"><a href="https://evil.example/h#' + "A" * 52 + '">choose here</a>',
    "' onmouseover='alert(1)",
    '" style="position:fixed;top:0" x="',
    "<svg/onload=alert(1)>",
    "<iframe src=https://evil.example></iframe>",
    "<img src=https://evil.example/seen.gif>",
    "<form action=https://evil.example><button>SEND</button></form>",
    "<meta http-equiv=refresh content=0;url=https://evil.example>",
    "<base href=https://evil.example/>",
    "<link rel=stylesheet href=//evil.example>",
    "<!-- ",
    " -->",
    "<!DOCTYPE x>",
    "<![CDATA[x]]>",
    "<?php x ?>",
    "]]>",
    "<",
    ">",
    "&",
    "&lt;b&gt;",
    "&#60;b&#62;",
    "&#x3c;script&#x3e;",
    "&amp;amp;",
    "&nbsp;" * 30,
    "&#0;",
    "&#13;&#10;Bcc: v@x.y",
    "<plaintext>",
    "<xmp>",
    "<noscript>",
    "<template>",
    "<textarea>",
    "<select><option>",
    "<table><tr><td>",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "<scr\u200bipt>alert(1)</scr\u200bipt>",
    "<b\x00>bold",
    "expression(alert(1))",
    "url(https://evil.example)",
    "@import 'https://evil.example'",
    "-moz-binding:url(x)",
    # Links, as mail programs find them in text.
    "https://evil.example/h#" + TOKEN.code[:20],
    "http://mailcheck.example.org/h",
    "HTTPS://EVIL.EXAMPLE",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "javascript&colon;alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "ftp://evil.example/x",
    "www.evil.example",
    "mailto:evil@example.net?body=SEND",
    "mailto:mailcheck%2B" + "E" * 52 + "@check.example.org?body=SEND",
    "tel:+4930123456",
    "xmpp://x",
    "sms://x",
    "intent://x#Intent;end",
    "//evil.example/x",
    "\\\\evil.example\\x",
    "https://evil.example\u2028https://evil.example",
    "<https://evil.example>",
    "[choose here](https://evil.example)",
    "https://a@b:c@evil.example/%2e%2e/",
    # Codes and choices.
    "F" * 52,
    "f" * 52,
    "-".join(["GGGG"] * 13),
    " ".join(["HHHH"] * 13),
    "mailcheck%2B" + "J" * 52 + "@check.example.org",
    "mailcheck%252b" + "K" * 52,
    "https://mailcheck.example.org/h#" + "L" * 52,
    "#" + "M" * 52,
    "+" + "N" * 52 + "@",
    "code:\ncode:",
    "code: " + "-".join(["PPPP"] * 7) + "\ncode: " + "-".join(["QQQQ"] * 6),
    "CoDe\u200b: " + "R" * 52,
    "c\u00adode: " + "S" * 52,
    "code : code : code :",
    "code:" * 30,
    "\u2060".join("T" * 52),
    "\u00a0".join(["UUUU"] * 13),
    "V" * 26 + "=\r\n" + "V" * 26,
    "=?utf-8?q?" + "W" * 52 + "?=",
    TOKEN.lines[1] + " " + TOKEN.lines[0],
    "SENDEN",
    "ENVIAR",
    "ENVOYER",
    "BACK.",
    "DISCARD!",
    "ONLY 1",
    "only 2",
    "> SEND",
    "*SEND*",
    "\n\n   DISCARD    throw it away   (suggested)",
    "SEND\u2028SEND",
    "\x0bSEND\x0b",
    "\u0085SEND\u0085",
    "\nIf you do nothing, it is sent",
    "\nOnly you have been told, and everybody is",
    # Direction, width and the rest of Unicode.
    "\u2067right to left\u2069",
    "\u061c\u200e\u200f",
    "\u202dDNES",
    "\u2028" * 40,
    "\u180e\u3164\uffa0\u2800",
    "\u0300" * 60,
    "Z" + "\u0316\u0317" * 40,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\ufdfd" * 20,
    "\U00012219" * 30,
    "\u0130\u0131\u017f\u212a",
    "\ufb01\ufb02",
    "\u1e9e",
    "\u05d0\u05d1 abc \u0645\u0631\u062d\u0628\u0627",
    "\ud83d\ude00",
    "\udcff\udcfe",
    "\ufffd" * 50,
    "\ufff9x\ufffa\ufffb",
    "\U000e0001",
    "\U000e0020\U000e007f",
    "\ufe0f" * 30,
    # Header and MIME.
    "--text-notice1checkexampleorg--",
    "\r\n--text-notice1checkexampleorg\r\nContent-Type: text/html\r\n\r\n<b>x</b>",
    "Content-Type: text/html",
    "\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    "=3Cscript=3E",
    "=\r\n=\r\n",
    "=0D=0A",
    "x; boundary=y",
    "\tfolded",
    "x\r\n\tfolded",
    "From anna Mon Nov 23",
    ">From",
    "begin 644 x",
    "=ybegin line=128",
    "(comment (nested",
    "a\\",
    "@",
    "<>",
    "<a@b>",
    "undisclosed-recipients:;",
    '"a" <b@c>',
    "a@[127.0.0.1]",
]
assert len(HOSTILE) >= 200
IDS = [f"{number:02}-{ascii(each)[:24]}" for number, each in enumerate(HOSTILE)]

# What mail programs make a link of; our own have their place in the HTML part.
LINK = re.compile(r"(?i)\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.|javascript:|data:|mailto:)[^\s\"“”„«»]")
CODE_LINE = re.compile(r"(?im)^[\s>|]*code\s*:.*$")
CHOICE_LINE = re.compile(r"(?m)^[\s>|]*(?:SEND|DISCARD|BACK|ONLY\b.*?)(?:\s{2,}.*|[.!]?\s*)$")


def with_subject(word: str) -> HeldMail:
    return crosspost(subject=word)


def with_greeting(word: str) -> HeldMail:
    return crosspost(greeting=word)


def with_about(word: str) -> HeldMail:
    lists = (NumberedList(1, "berlin", word), NumberedList(2, "all-members", word, suggested=True))
    return crosspost(lists=lists)


def with_facts(word: str) -> HeldMail:
    facts = {"author": word, "begins": word, "sent": word, "subject": word, "target": (word, "berlin")}
    return crosspost(findings=(finding("11-08", **facts),))


def with_facts_of_an_attached_mail(word: str) -> HeldMail:
    facts = {"author": word, "begins": word, "sent": word, "subject": word, "target": (word,)}
    return crosspost(findings=(finding("11-16", **facts), finding("12-02", lists=("a", "b"), header_only=(word,))))


def with_hidden_list(word: str) -> HeldMail:
    return crosspost(findings=(finding("12-10", lists=(word,)),))


def with_person(word: str) -> HeldMail:
    envelope = crosspost().envelope
    stranger = replace(envelope.recipients[0], typed=word, address=None)
    recipients = (*envelope.recipients, stranger)
    return crosspost(envelope=replace(envelope, recipients=recipients), recipient_lists=(1, 2, None))


PLACES: dict[str, Callable[[str], HeldMail]] = {
    each.__name__: each
    for each in (
        with_subject,
        with_greeting,
        with_about,
        with_facts,
        with_facts_of_an_attached_mail,
        with_hidden_list,
        with_person,
    )
}


def names(octets: bytes) -> list[str]:
    """The header fields of a mail, in order."""
    head = octets.partition(b"\r\n\r\n")[0]
    return [line.split(b":")[0].decode("ascii") for line in head.split(b"\r\n") if line[:1] not in b" \t"]


def assert_well_formed(octets: bytes) -> None:
    """ASCII, CRLF, header lines of at most 998 and text lines of at most 76 octets."""
    assert octets.isascii()
    assert b"\0" not in octets
    assert octets.count(b"\r\n") == octets.count(b"\r") == octets.count(b"\n")
    head, _, body = octets.partition(b"\r\n\r\n")
    assert all(0 < len(line) <= 998 for line in head.split(b"\r\n"))
    assert all(line.strip() for line in head.split(b"\r\n"))  # RFC 5322, 3.2.2: no line of blanks alone
    assert all(len(line) <= 76 for line in body.split(b"\r\n"))


def ordinary_lines(said: str) -> list[str]:
    return [line for line in said.split("\n") if not line.startswith("     ")]


def assert_same_shape(got: bytes, like: bytes) -> None:
    """Two mails have the same fields, as many lines of text, the same codes and the same choices."""
    assert_well_formed(got)
    assert names(like) == names(got)
    said, model = text(got), text(like)
    # A reason is wrapped, and what is wrapped is indented; nothing else may become a line.
    assert len(ordinary_lines(model)) == len(ordinary_lines(said))
    assert len(said.split("\n")) == len(said.splitlines()) + 1
    assert CODE_LINE.findall(model) == CODE_LINE.findall(said)
    words = [line.split("  ")[1] for line in CHOICE_LINE.findall(model)]
    assert len(words) == 5
    assert words == [line.split("  ")[1] for line in CHOICE_LINE.findall(said)]
    # But for tab and line feed no control, no bidi mark and no half character is left.
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", said)
    assert_page_alike(got, like)
    reply_to = [line for line in got.split(b"\r\n") if line.startswith(b"Reply-To:")]
    assert reply_to == [line for line in like.split(b"\r\n") if line.startswith(b"Reply-To:")]


def assert_page_alike(got: bytes, like: bytes) -> None:
    """The HTML parts of two mails have the same elements and links, and the same codes; so have their texts."""
    shown, model = page(got), page(like)
    assert model.elements == shown.elements
    assert len(model.links) == len(shown.links)
    assert all(answer(each)[0] == HEAD.reply_to for each in shown.links)
    assert [answer(each)[2] for each in model.links] == [answer(each)[2] for each in shown.links]
    assert find_tokens(text(like)) == find_tokens(text(got))
    assert find_tokens(shown.source) == find_tokens(model.source)
    assert find_tokens(" ".join(model.words)) == find_tokens(" ".join(shown.words))
    for said in (text(got), " ".join(shown.words), *map(str, read(got).values())):
        assert not LINK.search(said)


@cache
def plain_notice(place: str) -> bytes:
    """What stands beside the hostile ones."""
    return notice(PLACES[place]("something"))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("word", HOSTILE, ids=IDS)
def test_hostile_words_stay_within_their_line(word: str, place: str) -> None:
    plain = plain_notice(place)
    got = notice(PLACES[place](word))

    if not word.strip() and place in ("with_greeting", "with_facts", "with_facts_of_an_attached_mail"):
        assert_well_formed(got)  # "Hello," and a sentence without a name
        assert names(plain) == names(got)
    else:
        assert_same_shape(got, plain)
    assert "".join(TOKEN.lines).replace("-", "") == "".join(
        line.removeprefix("code: ").replace("-", "") for line in text(got).splitlines() if line.startswith("code: ")
    )


@pytest.mark.parametrize("word", HOSTILE, ids=IDS)
def test_the_subject_is_shown_once_decoded_and_never_decoded_twice(word: str) -> None:
    octets = notice(crosspost(subject=word))

    subject = str(read(octets)["Subject"])
    line = next(line for line in text(octets).splitlines() if line.startswith("your mail "))
    own = line.removeprefix('your mail "').removesuffix('" has not gone to anyone yet.')
    assert f'NOT SENT YET: "{own}" - please choose by Wed 25 Nov, 18:00' == subject
    assert len(own) <= 80
    assert own


@pytest.mark.parametrize("word", HOSTILE, ids=IDS)
def test_hostile_octets_on_the_way_through_the_whole_guard(word: str) -> None:
    """The same through a message's octets: parsing, judging and holding come before the notice."""
    to = "berlin@lists.example.org, all-members@lists.example.org"
    folded = re.sub(r"[\r\n]+", "\r\n ", word) or "x"
    octets = mail(to, f"{word}\n\n{LETTER}{word}", subject=folded, sender=f'"{folded}" <anna@example.org>')
    plain = notice(held(mail(to, LETTER, subject="x", sender='"x" <anna@example.org>'), CROSSPOST))

    got = notice(held(octets, CROSSPOST))

    assert_well_formed(got)
    assert names(plain) == names(got)
    assert CODE_LINE.findall(text(plain)) == CODE_LINE.findall(text(got))


@pytest.mark.parametrize("word", HOSTILE, ids=IDS)
def test_hostile_words_of_recipients_and_mail_server_in_the_short_mails(word: str) -> None:
    head = replace(HEAD, reply_to=None)
    subject = crosspost(subject=word)
    model = crosspost(subject="s")
    letters: dict[str, Callable[[HeldMail, str], bytes]] = {
        "sent": lambda of, w: compose.compose_sent(
            head, SITE, of, [w, "b@example.org"], [w], [Refusal(w, w)], language=ENGLISH
        ),
        "refused": lambda of, w: compose.compose_refused(head, SITE, of, [Refusal(w, w)], language=ENGLISH),
        "discarded": lambda of, w: compose.compose_discarded(head, of, language=ENGLISH),
        "no session": lambda of, w: compose.compose_no_session(head, of, language=ENGLISH),
        "unsure": lambda of, w: compose.compose_unsure(head, of, language=ENGLISH),
        "back": lambda of, w: compose.compose_back(head, of, b"Subject: x\r\n\r\nx\r\n", language=ENGLISH),
    }
    for name, letter in letters.items():
        got, like = letter(subject, word), letter(model, "r")
        assert names(like) == names(got), name
        assert len(text(like).splitlines()) == len(text(got).splitlines()), name
        assert not any(line.startswith("code:") for line in text(got).splitlines()), name
        assert_well_formed(got)
        assert page(like).elements == page(got).elements, name
        assert () == find_tokens(text(got)) == find_tokens(page(got).source), name


@given(st.text(max_size=200))
@settings(max_examples=3 * settings().max_examples)
def test_any_text_at_all_stays_within_its_line(word: str) -> None:
    assert_same_shape(notice(with_subject(word)), plain_notice("with_subject"))


@pytest.mark.parametrize(
    "message_id",
    [
        "<a@b>\r\nBcc: <v@example.org>",
        "<a b@c>",
        "a@b",
        "<a@b>, <c@d>",
        "<" + "x" * 1000 + "@b>",
        "<\u00fc@b>",
        "<a@b>x",
        "",
        "<a@b\x00>",
        "<>",
    ],
)
def test_a_strange_message_id_is_left_out(message_id: str) -> None:
    octets = notice(crosspost(), head=replace(HEAD, in_reply_to=message_id))

    assert_well_formed(octets)
    assert "In-Reply-To" not in names(octets)
    assert "References" not in names(octets)


def test_the_longest_message_id_still_fits_its_line() -> None:
    long = "<" + "x" * (998 - len("In-Reply-To: <@b>")) + "@b>"
    octets = notice(crosspost(), head=replace(HEAD, in_reply_to=long))

    assert_well_formed(octets)
    assert long.encode() in octets


def test_reply_to_with_the_code_is_one_line_and_never_encoded() -> None:
    guard = address("mailcheck12@" + "a" * 60 + ".check.example.org")
    reply_to = f"mailcheck12+{TOKEN.code}@{guard.domain}"
    octets = notice(crosspost(), head=replace(HEAD, guard=guard, reply_to=reply_to))

    assert f"\r\nReply-To: <{reply_to}>\r\n".encode() in octets
    assert reply_to == read(octets)["Reply-To"].addresses[0].addr_spec


def test_a_mailbox_beyond_ascii_needs_no_8_bit_header() -> None:
    octets = notice(crosspost(), head=replace(HEAD, to=address("zo\u00eb@example.org")))

    assert_well_formed(octets)
    assert "undisclosed@example.org" == read(octets)["To"].addresses[0].addr_spec


def test_many_reasons_are_counted_and_none_of_a_row_hides_behind_another() -> None:
    facts = {"begins": "So ...", "sent": "", "subject": "", "target": ("berlin",)}
    findings = [finding("11-08", author=f"Author {n}", **facts) for n in range(9)]
    findings.append(finding("12-02", lists=("berlin", "all-members"), header_only=()))
    said = text(notice(crosspost(findings=tuple(findings))))

    assert "Why: 1. It would take a private mail of Author 0 to berlin (rule 11)." in said
    assert "     2. It is addressed to two lists, and most mails belong on one (rule 12)." in said
    assert "     And 6 more of the same kind." in said
    assert "Author 3" not in said


def test_the_same_reason_is_said_once() -> None:
    facts = {"author": "Clara", "begins": "So ...", "sent": "", "subject": "", "target": ("berlin",)}
    said = text(notice(crosspost(findings=(finding("11-08", **facts), finding("11-08", **facts)))))

    assert "Why: it would take a private mail of Clara to berlin (rule 11)." in said


def test_a_thousand_recipients_are_not_all_named() -> None:
    to = [f"person{n}@elsewhere.example" for n in range(1000)]
    octets = notice(held(mail("x@elsewhere.example", LETTER, "Fwd: our talk"), to))

    assert "person0@elsewhere.example, person1@elsewhere.example," in " ".join(text(octets).split())
    assert "and 996 others" in text(octets)
    assert len(octets) < 10_000


def test_without_call_desk_and_name_nothing_gapes() -> None:
    site = Site("Example Union", SITE.zone, texts=SITE.texts)
    said = shown(notice(crosspost(greeting=None, subject=""), site=site))

    assert "\n\nHello,\n\nyour mail" in said
    assert '"(no subject)"' in said
    assert "Rather talk?" not in said
    assert "None" not in said
    assert "\n\n\n" not in said.rstrip()


def test_thirty_lists_leave_the_choices_on_the_screen_and_can_all_be_chosen() -> None:
    numbers = range(1, 31)
    model = crosspost()
    recipients = tuple(
        Path(f"<list{number}@lists.example.org>", address(f"list{number}@lists.example.org")) for number in numbers
    )
    made = replace(
        model,
        envelope=replace(model.envelope, recipients=recipients),
        lists=tuple(NumberedList(number, f"list{number}", "about") for number in numbers),
        recipient_lists=tuple(numbers),
    )
    said = text(notice(made))

    assert "   ONLY 10 " in said
    assert 10 + 1 == said.count("   ONLY ")
    assert "   ONLY 11 to ONLY 30 stand for the others, in the order of your mail.\n" in said
