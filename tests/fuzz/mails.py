"""Mails as they are written, and as they are torn: made of chance, the same for the same `random.Random`.

Everything that judging looks into is there: charsets and transfer codings, alternatives, mails within mails, quotes,
forwards of many programs, addresses in odd spellings. `torn` then damages the octets as no program would.
"""

from __future__ import annotations

import base64
import quopri
import random
import re
from collections.abc import Callable

from tests.bench.bodies import _SYLLABLES

CHARSETS = ["utf-8", "iso-8859-1", "iso-8859-15", "windows-1252", "koi8-r", "shift_jis", "utf-16", "utf-7", "gb18030"]
ODD_CHARSETS = ["x-unknown", "unicode_escape", "idna", "hex", "", "utf-8\xff", "*''%", "cp-850", "us-ascii"]
CODINGS = ["7bit", "8bit", "base64", "quoted-printable", "binary", "x-uuencode", "BASE64 (x)", '"quoted-printable"', ""]
BANNERS = [
    "---------- Forwarded message ----------", "-----Original Message-----",
    "-------- Weitergeleitete Nachricht --------", "-----Urspr\u00fcngliche Nachricht-----", "Begin forwarded message:",
    "Anfang der weitergeleiteten Nachricht:", "---------- Message transf\u00e9r\u00e9 ---------",
    "________________________________",
]  # fmt: skip
HEADINGS = [
    ("From", "Date", "Subject", "To"),
    ("Von", "Gesendet", "An", "Betreff"),
    ("De", "Date", "Objet", "\u00c0"),
    ("From", "Sent", "To", "Cc"),
]
ATTRIBUTIONS = [
    "On Mon, 5 Jan 2026 at 10:00, {} wrote:",
    "Am 05.01.26 um 10:00 schrieb {}:",
    "Le lun. 5 janv. 2026, {} a \u00e9crit :",
    "{} writes:",
]
PERSONS = [
    "ben@example.test",
    "clara@example.test",
    "kim@elsewhere.example",
    "robin.o'neil@example.org",
    '"a b"@example.org',
    "j\u00fcrgen@b\u00fccher.example",
]
SPELLINGS: list[Callable[[str], str]] = [
    str, lambda each: f"<{each}>", lambda each: f"Name <{each}>", lambda each: f'"Miller, Robin" <{each}>',
    lambda each: f"{each} (Robin)", lambda each: f"friends: {each}, x@example.org;",
    lambda each: f"=?utf-8?q?R=C3=BCbe?= <{each}>", lambda each: f'"{each}" <{each}>', lambda each: f"Robin <{each}",
    lambda each: f"Robin <<{each}>>", lambda each: f"(x) {each} (y)", lambda each: f"a@b@c, {each}",
]  # fmt: skip


def words(chance: random.Random, count: int) -> str:
    """Made words, now and then with letters that not every charset has."""
    made = ["".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4))) for _ in range(count)]
    if made and chance.random() < 0.3:
        made[chance.randrange(count)] = chance.choice(
            [
                "Gr\u00fc\u00dfe",
                "\u041f\u0440\u0438\u0432\u0435\u0442",
                "\u65e5\u672c",
                "\u20ac",
                "na\u00efve",
                "\U0001f600",
            ]
        )
    return " ".join(made)


def prose(chance: random.Random, lines: int = 6) -> str:
    """Lines of text; dots, quote marks and long lines are among them."""
    text = [words(chance, chance.randint(1, 11)) for _ in range(chance.randint(0, lines))]
    odd = [
        "",
        ".",
        "..",
        ".dot first",
        "> quoted",
        ">> quoted twice",
        "-- ",
        "From here on",
        "--",
        "   ",
        "x" * chance.choice([80, 998, 2500]),
        "SEND",
    ]
    for _ in range(chance.randint(0, 3)):
        text.insert(chance.randint(0, len(text)), chance.choice(odd))
    return "\n".join(text) + "\n"


def forward(chance: random.Random) -> str:
    """A mail carried on as text, under the heading of some program; or quoted."""
    person = chance.choice(PERSONS)
    said = prose(chance, 12)
    if chance.random() < 0.3:
        return chance.choice(ATTRIBUTIONS).format(person) + "\n" + "".join(f"> {each}\n" for each in said.splitlines())
    values = {
        "Date": "Mon, 5 Jan 2026 10:00:00 +0100",
        "Sent": "Monday",
        "Gesendet": "Montag",
        "Subject": words(chance, 3),
    }
    heading = "".join(f"{each}: {values.get(each, person)}\n" for each in chance.choice(HEADINGS))
    return f"{chance.choice(BANNERS)}\n{heading}\n{said}"


def text(chance: random.Random) -> str:
    """What a member writes."""
    return (
        prose(chance)
        + (forward(chance) if chance.random() < 0.35 else "")
        + (f"-- \n{words(chance, 3)}\n" if chance.random() < 0.2 else "")
    )


def page(chance: random.Random) -> str:
    """The same in HTML, some of it hidden or never closed."""
    wrap = [
        "<p>{}</p>",
        "<div>{}",
        "<blockquote type=cite>{}</blockquote>",
        '<div class="gmail_quote">{}</div>',
        "<span style='display:none'>{}</span>",
        "<pre>{}</pre>",
        "<a href='x'>{}",
    ]
    return (
        "<html><body>"
        + "".join(chance.choice(wrap).format(each) + "<br>\n" for each in text(chance).splitlines())
        + chance.choice(["</body></html>", "", "<", "&#x;"])
    )


def encoded(written: str, coding: str, charset: str) -> bytes:
    """`written` in charset and transfer coding; what does not fit is written in UTF-8 all the same."""
    try:
        octets = written.replace("\n", "\r\n").encode(charset or "utf-8", "replace")
    except LookupError:
        octets = written.replace("\n", "\r\n").encode()
    if "base64" in coding.lower():
        return base64.encodebytes(octets).replace(b"\n", b"\r\n")
    if "quoted" in coding:
        return re.sub(rb"\r?\n", b"\r\n", quopri.encodestring(octets))
    return octets if charset not in ("utf-16", "utf-7") else base64.encodebytes(octets).replace(b"\n", b"\r\n")


def leaf(chance: random.Random) -> bytes:
    """A part with text in it, or an attached file."""
    charset = chance.choice(CHARSETS) if chance.random() < 0.85 else chance.choice(ODD_CHARSETS)
    coding = chance.choice(CODINGS)
    kind = chance.choices(
        ["text/plain", "text/html", "text/calendar", "application/pdf", "message/delivery-status"], [6, 3, 1, 1, 1]
    )[0]
    shown = chance.choice(["", "", "; format=flowed", "; format=flowed; delsp=yes", '; name="a;b"', "; name*0*=x"])
    fields = f"Content-Type: {kind}; charset={charset}{shown}\r\nContent-Transfer-Encoding: {coding}\r\n"
    if chance.random() < 0.15:
        fields += 'Content-Disposition: attachment; filename="plan.txt"\r\n'
    body = page(chance) if kind == "text/html" else text(chance)
    safe = "utf-8" if charset in ODD_CHARSETS else charset
    return fields.encode("utf-8") + b"\r\n" + encoded(body, coding, safe)


def part(chance: random.Random, depth: int = 0) -> bytes:
    """A tree of parts, header first."""
    if depth > 5 or chance.random() < 0.45:
        return leaf(chance)
    if chance.random() < 0.25:
        return b"Content-Type: message/rfc822\r\n\r\n" + mail(chance, [chance.choice(PERSONS)], depth=depth + 1)
    boundary = chance.choice(["b1", f"=_{chance.randrange(10**6)}", "b1 ", "----", 'x"y'])
    kind = chance.choice(["mixed", "alternative", "related", "signed", "report", "digest", "odd"])
    parts = [part(chance, depth + 1) for _ in range(chance.randint(0, 3))]
    line = b"--" + boundary.encode()
    inner = b"".join(line + b"\r\n" + each + b"\r\n" for each in parts)
    end = line + chance.choice([b"--\r\n", b"\r\n", b"-\r\n", b"--epilogue\r\n"])
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode() + inner + end


def fields(chance: random.Random, to: list[str]) -> bytes:
    """The header without the MIME fields, in any order."""
    shown = ", ".join(chance.choice(SPELLINGS)(each) for each in to)
    lines = [
        f"From: {chance.choice(SPELLINGS)('anna@example.test')}",
        f"{chance.choice(['To', 'to', 'TO', 'Cc', 'To '])}: {shown}",
        f"Subject: {chance.choice(['', 'Fwd: ', 'Re: ', 'WG: ', '=?utf-8?b?4pyT?= ', '=?x?q?'])}{words(chance, 4)}",
        f"Message-ID: <{chance.randrange(10**9)}@example.test>", "MIME-Version: 1.0",
        "Date: Mon, 05 Jan 2026 12:00:00 +0100",
    ]  # fmt: skip
    odd = [
        "X-Odd : blank", "X-Long: " + "x" * 3000, "X-8bit: \u00fc\u00df", "References: " + "<a@b> " * 40,
        "Received: from a by b", "no colon here", "X:", ": y", " folded first", "In-Reply-To: <x@example.test>",
        "Resent-To: kim@elsewhere.example", "Received: x\r\n by y\r\n\tfor z", "List-Id: <x.example.org>",
        "Bcc: dora@example.test", "To: " + ", " * 400,
    ]  # fmt: skip
    for _ in range(chance.choice([0, 0, 1, 2, 4])):
        lines.insert(chance.randint(0, len(lines)), chance.choice(odd))
    return "".join(f"{each}\r\n" for each in lines).encode("utf-8")


def mail(chance: random.Random, to: list[str], depth: int = 0) -> bytes:
    """One mail to the addresses `to`; lines end in CRLF, and there is no bare CR or LF and no NUL."""
    body = part(chance, depth) if chance.random() < 0.8 else b"\r\n" + text(chance).replace("\n", "\r\n").encode()
    return clean(fields(chance, to) + body)


def torn(chance: random.Random, octets: bytes) -> bytes:
    """Damaged at some places: pieces cut out, doubled, moved, put in."""
    for _ in range(chance.choice([0, 0, 0, 1, 2, 5, 10])):
        start = chance.randint(0, len(octets))
        end = min(len(octets), start + chance.choice([1, 3, 20, 400]))
        at = chance.randint(0, len(octets))
        piece = chance.choice(
            [
                b"",
                octets[start:end],
                octets[start:end] * 3,
                b"\r\n\r\n",
                b"--",
                b"=?utf-8?q?",
                b'"',
                b"(",
                b"<",
                chance.randbytes(3),
            ]
        )
        octets = octets[:start] + octets[end:] if chance.random() < 0.4 else octets[:at] + piece + octets[at:]
    return clean(octets)


def clean(octets: bytes) -> bytes:
    """Without what no submission may have (bare CR, bare LF, NUL), and ended by CRLF."""
    octets = octets.replace(b"\0", b"?")
    octets = re.sub(rb"\r(?!\n)|(?<!\r)\n", b"\r\n", octets)
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"
