"""Answers as mail programs write them: the choice is read, and the notice itself is never one."""

from __future__ import annotations

import base64
import quopri
import re
import textwrap
from collections.abc import Callable
from functools import cache

import pytest

from smtpguard.answers.choice import Choice, Word, Words, choice_in
from smtpguard.answers.token import tokens_in
from smtpguard.config.texts import shipped
from smtpguard.mail.parsing import parse_message
from smtpguard.notices import compose
from tests.notices.samples import CROSSPOST, HEAD, LETTER, SITE, TOKEN, crosspost, held, mail, notice, read, text

pytestmark = pytest.mark.slow

LISTS = {1: "berlin", 2: "all-members"}
NOTICE = text(notice(crosspost()))
QUOTED = "\n".join(f"> {line}" for line in NOTICE.split("\n"))
ADDRESS = "mailcheck@check.example.org"
SEND = Choice(Word.SEND)


def message(body: str, subject: str = 'Re: NOT SENT YET: "Minutes"', head: str = "") -> bytes:
    """A plain answer in UTF-8."""
    start = (
        f"From: Anna <anna@example.org>\nTo: {ADDRESS}\nSubject: {subject}\nIn-Reply-To: <n@check.example.org>\n{head}"
    )
    kind = "" if "Content-Type" in head else "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
    return f"{start}{kind}\n{body}\n".replace("\n", "\r\n").encode()


def page(html: str) -> bytes:
    """An answer in HTML alone."""
    return message(html, head="MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n")


def choice(octets: bytes) -> Choice | None:
    return choice_in(parse_message(octets), LISTS)


# ---------------------------------------------------------------- where programs put the quote

ABOVE = {
    "Gmail": f"On Sun, Nov 22, 2026 at 6:00 PM Mail check <{ADDRESS}> wrote:\n\n{QUOTED}",
    "Gmail, broken": f"On Sun, Nov 22, 2026 at 6:00 PM Mail check <\n{ADDRESS}> wrote:\n\n{QUOTED}",
    "Gmail, German": f"Am So., 22. Nov. 2026 um 18:00 Uhr schrieb Mail check <{ADDRESS}>:\n\n{QUOTED}",
    "Gmail, French": f"Le dim. 22 nov. 2026 à 18:00, Mail check <{ADDRESS}> a écrit :\n\n{QUOTED}",
    "Gmail, Spanish": f"El dom, 22 nov 2026 a las 18:00, Mail check (<{ADDRESS}>)\nescribió:\n\n{QUOTED}",
    "Gmail, Polish": f"niedz., 22 lis 2026 o 18:00 Mail check <{ADDRESS}> napisał(a):\n\n{QUOTED}",
    "Gmail, Japanese": f"2026年11月22日(日) 18:00 Mail check <{ADDRESS}>:\n\n{QUOTED}",
    "Apple Mail": f"> On 22. Nov 2026, at 18:00, Mail check <{ADDRESS}> wrote:\n> \n{QUOTED}",
    "Apple Mail, German": f"> Am 22.11.2026 um 18:00 schrieb Mail check <{ADDRESS}>:\n> \n{QUOTED}",
    "iPhone": f"Sent from my iPhone\n\n> On 22 Nov 2026, at 18:00, Mail check <{ADDRESS}> wrote:\n> \n{QUOTED}",
    "iPhone, German": f"Von meinem iPhone gesendet\n\n> Am 22.11.2026 um 18:00 schrieb Mail check:\n> \n{QUOTED}",
    "Thunderbird": f"On 22.11.26 18:00, Mail check wrote:\n{QUOTED}",
    "Thunderbird, German": f"Am 22.11.26 um 18:00 schrieb Mail check:\n{QUOTED}",
    "Thunderbird, French": f"Le 22/11/2026 à 18:00, Mail check a écrit :\n{QUOTED}",
    "K-9": f"-------- Original Message --------\nFrom: Mail check <{ADDRESS}>\nSent: 22 November 2026 18:00:05 CET\n"
    f"To: anna@example.org\nSubject: NOT SENT YET\n\n{NOTICE}",
    "K-9, quoting": f"-- \nSent from my Android device with K-9 Mail. Please excuse my brevity.\n\n"
    f"On 22 November 2026 18:00:05 CET, Mail check <{ADDRESS}> wrote:\n{QUOTED}",
    "mutt": f"On Sun, Nov 22, 2026 at 06:00:05PM +0100, Mail check wrote:\n{QUOTED}",
    "Claws": f"On Sun, 22 Nov 2026 18:00:05 +0100\nMail check <{ADDRESS}> wrote:\n\n{QUOTED}",
    "Roundcube": f"Am 2026-11-22 18:00, schrieb Mail check:\n{QUOTED}",
    "Horde": f"Zitat von Mail check <{ADDRESS}>:\n\n{QUOTED}",
    "Outlook": f"-----Original Message-----\nFrom: Mail check <{ADDRESS}> \nSent: Sunday, November 22, 2026 6:00 PM\n"
    f"To: anna@example.org\nSubject: NOT SENT YET\n\n{NOTICE}",
    "Outlook, rule": f"________________________________\nFrom: Mail check <{ADDRESS}>\nSent: Sunday, 22 November\n"
    f"To: anna@example.org\nSubject: NOT SENT YET\n\n{NOTICE}",
    "Outlook, German": f"Von: Mail check <{ADDRESS}> \nGesendet: Sonntag, 22. November 2026 18:00\n"
    f"An: anna@example.org\nBetreff: NOT SENT YET\n\n{NOTICE}",
    "Outlook, French": f"De : Mail check <{ADDRESS}>\nEnvoyé : dimanche 22 novembre 2026 18:00\n"
    f"À : anna@example.org\nObjet : NOT SENT YET\n\n{NOTICE}",
    "Outlook, Spanish": f"De: Mail check <{ADDRESS}>\nEnviado: domingo, 22 de noviembre de 2026 18:00\n"
    f"Para: anna@example.org\nAsunto: NOT SENT YET\n\n{NOTICE}",
    "Outlook, Italian": f"Da: Mail check <{ADDRESS}>\nInviato: domenica 22 novembre 2026 18:00\n"
    f"A: anna@example.org\nOggetto: NOT SENT YET\n\n{NOTICE}",
    "Outlook, Dutch": f"Van: Mail check <{ADDRESS}>\nVerzonden: zondag 22 november 2026 18:00\n"
    f"Aan: anna@example.org\nOnderwerp: NOT SENT YET\n\n{NOTICE}",
    "Outlook, Polish": f"Od: Mail check <{ADDRESS}>\nWysłano: niedziela, 22 listopada 2026 18:00\n"
    f"Do: anna@example.org\nTemat: NOT SENT YET\n\n{NOTICE}",
    "Outlook, Russian": f"От: Mail check <{ADDRESS}>\nОтправлено: 22 ноября 2026 г. 18:00\n"
    f"Кому: anna@example.org\nТема: NOT SENT YET\n\n{NOTICE}",
    "GMX": f"Gesendet: Sonntag, 22. November 2026 um 18:00 Uhr\nVon: \"Mail check\" <{ADDRESS}>\n"
    f"An: anna@example.org\nBetreff: NOT SENT YET\n{NOTICE}",
    "Notes": f"Mail check <{ADDRESS}>\n22.11.2026 18:00\n\n        To:     anna@example.org\n        cc: \n"
    f"        Subject:        NOT SENT YET\n\n{NOTICE}",
    "nothing above it": QUOTED,
    "an own attribution": f"Mail check mentioned:\n{QUOTED}",
    "an own attribution in two lines": f"Sunday, 18:00, on my screen\nMail check mentioned:\n\n{QUOTED}",
    "an unknown language": f"Mail check <{ADDRESS}>, 22-11-2026 18:00 itt zuchdo:\n{QUOTED}",
}  # fmt: skip


@pytest.mark.parametrize("name", ABOVE)
def test_the_word_above_the_quote_is_read_and_without_it_there_is_no_choice(name: str) -> None:
    quote = ABOVE[name]

    assert SEND == choice(message(f"SEND\n\n{quote}"))
    assert SEND == choice(message(f"\n\u00a0\n  send!  \n\nThanks, Anna\n\n-- \nAnna Example\n\n{quote}"))
    assert SEND == choice(message(f"SEND\n\nAnna Example\n{quote}"))
    assert choice(message(quote)) is None
    assert choice(message(f"\n\n{quote}\n\n")) is None
    assert choice(message(f"Hello,\n\nSEND\n\n{quote}")) is None
    assert choice(message(f"SEND please\n\n{quote}")) is None


@pytest.mark.parametrize("name", [name for name, quote in ABOVE.items() if QUOTED in quote and "K-9" not in name])
def test_the_word_below_and_within_the_quote_is_read(name: str) -> None:
    quote = ABOVE[name]
    top, bottom = quote[: quote.index("> What shall")], quote[quote.index("> What shall") :]

    assert SEND == choice(message(f"{quote}\n\nSEND\n"))
    assert SEND == choice(message(f"{quote}\nSEND\n\n-- \nAnna\n"))
    assert SEND == choice(message(f"{top}\n\nSEND\n\n{bottom}"))
    assert SEND == choice(message(f"{top}\n[...]\n\nSEND\n"))


@pytest.mark.parametrize(
    "signature",
    [
        "Sent from my iPhone", "Von meinem iPhone gesendet", "Envoyé de mon iPhone", "Enviado desde mi iPhone",
        "Get Outlook for Android", "Sent from my Galaxy", "Von meinem/meiner Galaxy gesendet", "Inviato da iPhone",
        "Sent with Proton Mail secure email.", "-- \nAnna Example",
    ],
)  # fmt: skip
def test_a_signature_that_the_program_puts_above_or_below_is_no_answer(signature: str) -> None:
    quote = ABOVE["Thunderbird"]

    assert SEND == choice(message(f"SEND\n\n{signature}\n\n{quote}"))
    assert SEND == choice(message(f"{quote}\n\nSEND\n\n{signature}"))
    assert choice(message(f"{signature}\n\n{quote}")) is None
    if not signature.startswith("-- "):
        assert SEND == choice(message(f"{signature}\n\nSEND\n\n{quote}"))


# ---------------------------------------------------------------- how it is written


@pytest.mark.parametrize(
    "word",
    [
        "\u200bSEND",
        "\ufeffSEND",
        "\u00a0SEND\u00a0",
        "\u200e\u202aSEND\u202c",
        "\u2060SEND\u00ad",
        "\u3000SEND",
        "\tSEND",
    ],
)
def test_what_cannot_be_seen_around_the_word_does_not_count(word: str) -> None:
    assert SEND == choice(message(f"{word}\n\n{QUOTED}"))


CHARSETS = (
    "us-ascii", "utf-8", "utf-16", "utf-16le", "utf-32", "windows-1252", "iso-8859-15", "iso-2022-jp", "shift_jis",
    "gb18030", "koi8-r", "utf-7", "utf-8-sig", "mac-roman",
)  # fmt: skip
ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "base64": base64.encodebytes,
    "quoted-printable": lambda octets: quopri.encodestring(octets.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n"),
}


# Quoted-printable has line ends of its own, which are no characters in these.
WIDE = ("utf-16", "utf-16le", "utf-32")


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [(charset, each) for charset in CHARSETS for each in ENCODINGS if each == "base64" or charset not in WIDE],
)
def test_the_word_is_read_in_any_charset(charset: str, encoding: str) -> None:
    label = charset.removesuffix("-sig")
    head = f"MIME-Version: 1.0\nContent-Type: text/plain; charset={label}\nContent-Transfer-Encoding: {encoding}\n"
    body = f"SEND\r\n\r\n{QUOTED}\r\n".encode(charset)
    octets = message("", head=head).rstrip(b"\r\n") + b"\r\n\r\n" + ENCODINGS[encoding](body)

    assert SEND == choice(octets)


@pytest.mark.parametrize("delsp", ["", "; delsp=yes"])
def test_the_word_is_read_in_flowed_text(delsp: str) -> None:
    flowed = "\n".join(f">{line[:40]} \n>{line[40:]}" if len(line) > 60 else f"> {line}" for line in NOTICE.split("\n"))
    head = f"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8; format=flowed{delsp}\n"

    assert SEND == choice(message(f"SEND\n\nOn 22.11.26 18:00, Mail check wrote:\n{flowed}", head=head))
    assert SEND == choice(message(f"On 22.11.26 18:00, Mail check wrote:\n{flowed}\n\nSEND\n", head=head))
    assert choice(message(f"On 22.11.26 18:00, Mail check wrote:\n{flowed}\n", head=head)) is None


# ---------------------------------------------------------------- HTML

LINES = NOTICE.replace("<", "&lt;").split("\n")
DIVS = "".join(f"<div>{line or '<br>'}</div>" for line in LINES)
BREAKS = "<br>\n".join(LINES)
TABLE = "".join(f"<tr><td>{line or '&nbsp;'}</td></tr>" for line in LINES)
BLOCK = (
    f"<b>From:</b> Mail check &lt;{ADDRESS}&gt;<br><b>Sent:</b> Sunday, November 22, 2026 6:00 PM<br>"
    "<b>To:</b> anna@example.org<br><b>Subject:</b> NOT SENT YET"
)
OWN_PAGE = read(notice(crosspost())).get_body(("html",))
# As the notice itself is laid out, once it has an HTML part: what is between its body tags.
LAID_OUT = re.sub(r"(?is).*<body[^>]*>|</body>.*", "", str(OWN_PAGE.get_content())) if OWN_PAGE is not None else DIVS
SEEN = "Sun, Nov 22, 2026 at 6:00 PM"
SAYS = f"Mail check &lt;{ADDRESS}&gt; wrote:"
PAGES = {
    "Gmail": '<div class="gmail_quote"><div dir="ltr" class="gmail_attr">'
    f'On {SEEN} Mail check &lt;<a href="mailto:{ADDRESS}">{ADDRESS}</a>&gt; wrote:<br></div>'
    f'<blockquote class="gmail_quote">{DIVS}</blockquote></div>',
    "Apple Mail": f'<br><blockquote type="cite"><div>On 22. Nov 2026, at 18:00, {SAYS}</div><br>{DIVS}</blockquote>',
    "Thunderbird": '<div class="moz-cite-prefix">Am 22.11.26 um 18:00 schrieb Mail check:<br></div>'
    f'<blockquote type="cite">{BREAKS}</blockquote>',
    "Outlook": '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm">'
    f'<p class="MsoNormal">{BLOCK}<o:p></o:p></p></div>{DIVS}',
    "Outlook on the web": f'<hr tabindex="-1"><div id="divRplyFwdMsg">{BLOCK}<div>&nbsp;</div></div>{DIVS}',
    "Outlook, as it is laid out": f'<hr><div id="divRplyFwdMsg">{BLOCK}</div>{LAID_OUT}',
    "Apple Mail, as it is laid out": f'<blockquote type="cite">On {SEEN}, {SAYS}<br>{LAID_OUT}</blockquote>',
    "Gmail, as it is laid out": f'<div class="gmail_quote">On {SEEN}, {SAYS}<br>'
    f'<blockquote class="gmail_quote">{LAID_OUT}</blockquote></div>',
    "Outlook, table": f'<hr><div id="divRplyFwdMsg">{BLOCK}</div><table>{TABLE}</table>',
    "Yahoo": f'<div class="yahoo_quoted"><div>On {SEEN}, {SAYS} </div><div><br></div>{DIVS}</div>',
    "GMX": '<div style="border-left: 2px solid #C3D9E5;"><div><b>Gesendet:</b>&nbsp;Sonntag, 22. November 2026 um 18:00'
    f'<br/><b>Von:</b>&nbsp;"Mail check" &lt;{ADDRESS}&gt;<br/><b>An:</b>&nbsp;anna@example.org<br/>'
    f"<b>Betreff:</b>&nbsp;NOT SENT YET</div><div>{DIVS}</div></div>",
    "Proton": f'<div class="protonmail_quote">On Sunday, November 22nd, 2026 at 18:00, {SAYS}<br>'
    f'<blockquote class="protonmail_quote">{DIVS}</blockquote></div>',
}  # fmt: skip
WORDS = {
    "div": "<div>SEND</div><div><br></div>",
    "Gmail": '<div dir="ltr">SEND</div><br>',
    "Word": '<p class="MsoNormal"><span lang="EN-US">SEND<o:p></o:p></span></p><p><o:p>&nbsp;</o:p></p>',
    "bold": "<p><b>SEND</b></p>",
    "bare": "SEND<br><br>",
    "signature": '<div>SEND</div><div id="ms-outlook-mobile-signature">Get <a href="x">Outlook for iOS</a></div>',
    "iPhone": '<div dir="ltr"></div><div dir="ltr">SEND<br><br>Sent from my iPhone</div>',
    "spaces": "<p>&nbsp;</p><div>&nbsp;&#8203;SEND&nbsp;</div><p>&nbsp;</p>",
    "head": "<html><head><title>Re: BACK</title><style>p {}</style></head><body><!-- BACK --><p>SEND</p>",
}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("name", PAGES)
def test_the_word_of_a_page_is_read(name: str, word: str) -> None:
    assert SEND == choice(page(f"{WORDS[word]}{PAGES[name]}"))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_without_a_word_is_no_choice(name: str) -> None:
    assert choice(page(PAGES[name])) is None
    assert choice(page(f"<div><br></div>{PAGES[name]}")) is None
    assert choice(page(f"<p>Hello,</p><p>SEND</p>{PAGES[name]}")) is None


def test_a_notice_without_any_mark_of_a_quote_is_never_a_choice() -> None:
    for quote in (LAID_OUT, DIVS, BREAKS, f"<table>{TABLE}</table>", f"<pre>{BREAKS}</pre>"):
        assert choice(page(quote)) is None
        assert choice(page(f"<div>Sent from my iPhone</div>{quote}")) is None
        assert SEND == choice(page(f"<div>SEND</div>{quote}"))


# ---------------------------------------------------------------- parts


def parts(kind: str, *made: tuple[str, str]) -> bytes:
    """An answer of several parts: (header lines, text) of each."""
    body = "".join(f"--part\n{head}\n\n{text}\n" for head, text in made)
    return message(f"{body}--part--", head=f'MIME-Version: 1.0\nContent-Type: {kind}; boundary="part"\n')


PLAIN, HTML = "Content-Type: text/plain; charset=utf-8", "Content-Type: text/html; charset=utf-8"
FILE = 'Content-Type: text/plain; name="a.txt"\nContent-Disposition: ATTACHMENT; filename="a.txt"'


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("multipart/alternative", [(PLAIN, f"SEND\n\n{QUOTED}"), (HTML, f"<p>SEND</p>{PAGES['Gmail']}")]),
        ("multipart/alternative", [(PLAIN, ""), (HTML, f"<p>SEND</p>{PAGES['Gmail']}")]),
        ("multipart/alternative", [(PLAIN, " \n"), (HTML, "<p>SEND</p>")]),
        ("multipart/mixed", [(PLAIN, "SEND"), (FILE, "BACK")]),
        ("multipart/mixed", [("Content-Type: image/png\nContent-Disposition: inline", "x"), (PLAIN, "SEND")]),
        ("multipart/mixed", [(FILE, "BACK"), (PLAIN, "SEND")]),
        ("multipart/signed", [(PLAIN, "SEND"), ("Content-Type: application/pgp-signature", "x")]),
    ],
)
def test_the_word_is_read_in_the_part_that_was_written(kind: str, made: list[tuple[str, str]]) -> None:
    assert SEND == choice(parts(kind, *made))


@pytest.mark.parametrize(
    "made",
    [
        (FILE, "SEND"),
        ("Content-Type: message/rfc822", "From: ben@example.org\nSubject: SEND\n\nSEND"),
        (
            "Content-Type: text/calendar; method=REPLY",
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:SEND\nEND:VEVENT\nEND:VCALENDAR",
        ),
    ],
)  # fmt: skip
def test_what_goes_along_is_no_answer(made: tuple[str, str]) -> None:
    assert choice(parts("multipart/mixed", (PLAIN, QUOTED), made)) is None
    assert choice(parts("multipart/mixed", made)) is None


def test_a_signed_text_is_read_behind_its_armour() -> None:
    signature = "-----BEGIN PGP SIGNATURE-----\n\niQIzBAEB\n-----END PGP SIGNATURE-----"
    armour = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"

    assert SEND == choice(message(f"{armour}SEND\n\n{QUOTED}\n{signature}"))
    assert SEND == choice(message(f"{armour}SEND\n{signature}"))
    assert choice(message(f"{armour}{QUOTED}\n{signature}")) is None


# ---------------------------------------------------------------- a bare reply never sends


LANGUAGES = [shipped().of(code) for code in shipped().codes]
WORDS_OF_ALL = Words.of(*(each.words for each in LANGUAGES))
TALK = held(mail(", ".join(CROSSPOST), LETTER, "Fwd: talk"), CROSSPOST)


@cache
def letters() -> tuple[str, ...]:
    """Letters of the guard's that may be answered, as text, in every language."""
    found = []
    for each in LANGUAGES:
        for waiting in (crosspost(), TALK):
            found.append(text(compose.compose_notice(HEAD, SITE, waiting, TOKEN.lines, language=each)))
            found.append(text(compose.compose_help(HEAD, waiting, language=each)))
        found.append(text(compose.compose_no_session(HEAD, TALK, language=each)))
        found.append(text(compose.compose_unsure(HEAD, TALK, language=each)))
        found.append(text(compose.compose_refused(HEAD, SITE, TALK, (), language=each)))
    return tuple(found)


def broken(line: str, width: int) -> list[str]:
    """A quoted line as a program leaves it that breaks it again and does not mark the rest."""
    return textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [line]


@pytest.mark.parametrize("width", range(20, 81))
def test_no_line_of_ours_becomes_a_choice_where_a_program_breaks_it(width: int) -> None:
    says = f"On Sun, Nov 22, 2026 at 6:00 PM Mail check <{ADDRESS}> wrote:\n"
    for letter in letters():
        for mark in ("> ", ""):
            lines = [each for line in letter.split("\n") for each in broken(mark + line, width)]
            for head in ("", says):
                answer = parse_message(message(head + "\n".join(lines)))
                assert choice_in(answer, LISTS, WORDS_OF_ALL) is None, (letter[:20], mark, head)


@pytest.mark.parametrize("width", range(50, 81, 3))
@pytest.mark.parametrize("word", ["SEND", "DISCARD.", "ONLY 1"])
def test_words_that_a_stranger_put_into_the_notice_are_none_where_a_program_breaks_it(width: int, word: str) -> None:
    for before in range(0, 80, 3):
        waiting = crosspost(subject=f"{'x' * (before % 40)} {'y' * (before // 2)} {word} {'z' * 70}")
        lines = [each for line in text(notice(waiting)).split("\n") for each in broken(f"> {line}", width)]

        assert choice(message("\n".join(lines))) is None


@pytest.mark.parametrize("width", [44, 60, 72])
def test_the_rest_of_a_broken_line_is_no_answer_though_it_is_a_word(width: int) -> None:
    line = "Write ONLY 1, ONLY 2, SEND, DISCARD or, if you like to have it again yourself, "[: width - 2].rstrip()
    quote = f"> {line}\nSEND\n> there."

    assert choice(message(f"On Sun, Nov 22, 2026 at 6:00 PM Mail check <{ADDRESS}> wrote:\n{quote}")) is None
    assert SEND == choice(message("> Write SEND\nSEND\n> there."))


# ---------------------------------------------------------------- the second carrier


@pytest.mark.parametrize("name", ABOVE)
def test_the_code_is_found_in_every_quote(name: str) -> None:
    assert tokens_in(parse_message(message(f"SEND\n\n{ABOVE[name]}"))) == (TOKEN,)


@pytest.mark.parametrize("name", PAGES)
def test_the_code_is_found_in_every_page(name: str) -> None:
    assert tokens_in(parse_message(page(f"SEND{PAGES[name]}"))) == (TOKEN,)


@pytest.mark.parametrize("width", range(24, 81, 4))
def test_the_code_is_found_however_the_quote_is_broken(width: int) -> None:
    lines = [each for line in QUOTED.split("\n") for each in textwrap.wrap(line, width) or [line]]
    marked = [
        each
        for line in NOTICE.split("\n")
        for each in textwrap.wrap(line, width, initial_indent="> ", subsequent_indent="> ")
    ]
    for quote in (lines, marked):
        assert tokens_in(parse_message(message("SEND\n\n" + "\n".join(quote)))) == (TOKEN,)
