"""How well the choice in an answer is read, measured on real replies (README.md).

Run: SMTPGUARD_CORPORA=DIR python tests/corpus/answers.py [--misses]
Prints figures only; with --misses also the ids of samples that came out wrong. No text of a mail is printed.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from email import message_from_bytes
from email.message import Message
from pathlib import Path

from smtpguard.answers.choice import Choice, Word, choice_in
from smtpguard.mail.parsing import parse_message
from tests.corpus.forwards import Label, labels, members, message_of, missed, row, share
from tests.notices.samples import crosspost, notice, text

LISTS = {1: "berlin", 2: "all-members"}
WORD = "ONLY 2"
CHOSEN = Choice(Word.ONLY, 2)
_QUOTED = re.compile(r"[ \t]?(?:>[> \t]{0,40}|\|[ \t])")
_RULE = re.compile(r"[ \t>*]*(?:-{3,}.*-{3,}|_{10,}|={10,}|-{5,}[^-]{0,60})[ \t*]*")
_LABEL = re.compile(r"[ \t*]*([^\W\d_][\w ./-]{0,24}?)[ \t*]*[:\uff1a](?:[ \t*]|$)")
_BREAK = re.compile(r"</?(?:p|div|br|tr|table|blockquote|li|ul|ol|h\d|hr|body|pre|td|center)\b", re.IGNORECASE)
# How attributions begin that name a day: "On Tue, 2011-03-01", "Am 22.11.2026", "2026-11-22".
_BEGINS = re.compile(r"(?:On|Am|Le|El|Den|Il|Op|W|Em|\d{1,4}[-/.])\b.*\d")
_UNSEEN = ("style", "script", "title", "head")
_ENTITY = re.compile(r"&[#\w]+;")


def notice_lines() -> list[str]:
    """The lines of a notice, as they are quoted."""
    return text(notice(crosspost())).splitlines()


def block_at(lines: Sequence[str]) -> tuple[int, int] | None:
    """Where a block of header lines stands that no quote mark goes before: its first line, and the line behind it.

    Told by its form alone: three lines in a row that begin with a label, one of which holds an address or a time.
    """
    for first, line in enumerate(lines):
        if not _LABEL.match(line):
            continue
        end = first
        labelled = 0
        while end < len(lines) and lines[end].strip() and end < first + 12:
            labelled += _LABEL.match(lines[end]) is not None
            end += 1
        if labelled >= 3 and any("@" in each or re.search(r"\d\d:\d\d", each) for each in lines[first:end]):
            above = next((n for n in range(first - 1, max(-1, first - 3), -1) if lines[n].strip()), None)
            if above is not None and _RULE.fullmatch(lines[above]):
                first = above
            return first, end
    return None


def answered(lines: list[str], bare: bool) -> list[str] | None:
    """The reply `lines` made an answer to a notice: WORD for its first own line, the notice for what it quotes.

    `bare`: with nothing of its own but what stands right above a quote. None where nothing is quoted as far as can be
    told without the program that is measured.
    """
    quoted = [n for n, each in enumerate(lines) if _QUOTED.match(each)]
    block = block_at(lines)
    if block is not None and (not quoted or block[0] < quoted[0]):
        above = [n for n in range(block[0]) if lines[n].strip()]
        head = [] if bare else lines[: block[0]]
        if not bare:
            head = _with_word(head, above[0]) if above else [WORD, ""]
        return [*head, *lines[block[0] : block[1]], "", *notice_lines()]
    if not quoted:
        return None
    first = quoted[0]
    named = _named_above(lines, first)
    own = [n for n in range(named) if lines[n].strip()]
    if not own:
        own = [
            n for n in range(first, len(lines)) if lines[n].strip() and n not in set(quoted) and not _wrapped(lines, n)
        ]
    if not own and not bare:
        return None
    if bare:
        return _retold([each for n, each in enumerate(lines) if n in set(quoted) or named <= n < first])
    return _retold(_with_word(lines, own[0]))


def _with_word(lines: list[str], at: int) -> list[str]:
    return [*lines[:at], WORD, *lines[at + 1 :]]


def _named_above(lines: Sequence[str], first: int) -> int:
    """Where the attribution above line `first` begins: the paragraph that ends with a colon."""
    last = next((n for n in range(first - 1, max(-1, first - 4), -1) if lines[n].strip()), None)
    if last is None or not lines[last].rstrip(" *_").endswith((":", "\uff1a", "...", "\u2026")):
        return first
    begin = last
    while begin and lines[begin - 1].strip() and last - begin < 3 and not _BEGINS.match(lines[begin]):
        begin -= 1
    return begin


def _wrapped(lines: Sequence[str], at: int) -> bool:
    """A line between two that are quoted: the rest of one that was broken."""
    return 0 < at < len(lines) - 1 and all(_QUOTED.match(lines[n]) for n in (at - 1, at + 1))


def _retold(lines: Sequence[str]) -> list[str]:
    """`lines` with those of the notice, over and over, behind the quote marks; ends of broken lines go."""
    told = notice_lines()
    result = []
    number = 0
    for n, each in enumerate(lines):
        mark = _QUOTED.match(each)
        if mark is not None:
            result.append(mark[0] + told[number % len(told)])
            number += 1
        elif each == WORD or not _wrapped(lines, n):
            result.append(each)
    return result


def answered_page(html: str) -> str | None:
    """The same for a page: WORD for its first line, the notice for the text in what it quotes."""
    pieces = re.split(r"(<[^>]*>)", html)
    told = notice_lines()
    unseen = depth = number = 0
    own = done = False
    for n, piece in enumerate(pieces):
        if piece.startswith("<"):
            name = piece.strip("</> \n").split(None, 1)[0].lower() if piece.strip("</> \n") else ""
            if name in _UNSEEN:
                unseen = max(0, unseen + (-1 if piece.startswith("</") else 1))
            if name == "blockquote":
                depth = max(0, depth + (-1 if piece.startswith("</") else 1))
            done = done or (own and _BREAK.match(piece) is not None)
        elif not unseen and piece.replace("&nbsp;", "").strip():
            if depth:
                pieces[n] = told[number % len(told)] or "&nbsp;"
                number += 1
            elif not own:
                pieces[n], own = WORD, True
            elif not done:
                pieces[n] = ""
    return "".join(pieces) if own and number else None


def texts(octets: bytes) -> tuple[str | None, str | None, Message]:
    """The plain and the HTML text of a mail, None where there is none or it cannot be read; and its header."""
    whole = message_from_bytes(octets)
    found: dict[str, str] = {}
    for part in whole.walk():
        kind = part.get_content_type()
        if kind in ("text/plain", "text/html") and kind not in found and part.get_filename() is None:
            try:
                found[kind] = bytes(part.get_payload(decode=True)).decode(str(part.get_content_charset() or "latin-1"))
            except (LookupError, UnicodeDecodeError, TypeError):
                continue
    return found.get("text/plain"), found.get("text/html"), whole


def rebuilt(whole: Message, plain: list[str] | None, page: str | None) -> bytes:
    """An answer with the header of `whole` as far as it says what the mail is."""
    head = "".join(
        f"{name}: {' '.join(str(whole[name]).split())}\r\n"
        for name in ("From", "To", "Cc", "Subject", "In-Reply-To", "References")
        if whole[name] is not None
    )
    text = "\n".join(plain) if plain else None
    parts = [(kind, each) for kind, each in (("plain", text), ("html", page)) if each is not None]
    made = [f"Content-Type: text/{kind}; charset=utf-8\r\n\r\n{each}" for kind, each in parts]
    if len(made) == 1:
        return f"{head}{made[0]}".encode("utf-8", "replace")
    alternative = "".join(f"--part\r\n{each}\r\n" for each in made)
    head += 'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="part"\r\n'
    return f"{head}\r\n{alternative}--part--\r\n".encode("utf-8", "replace")


def samples(root: Path) -> Iterator[tuple[str, Label, bytes]]:
    """(set, label, octets) of every mail that is a reply or neither reply nor forward."""
    for label in labels(root / "forward"):
        yield "forward", label, message_of(label, (root / "forward" / label["file"]).read_bytes())
    for name in ("enron", "lists"):
        files = members(root / name)
        for label in labels(root / name):
            octets = files.get(label["file"]) or files[label["file"].partition("/")[2]]
            yield name, label, octets


def measure(name: str, label: Label, octets: bytes, counts: Counter[str]) -> None:
    """One mail as it is, and, if it is a reply, as answers to a notice."""
    counts[f"{name} all"] += 1
    if choice_in(parse_message(octets), LISTS) is not None:
        counts[f"{name} all false"] += 1
        missed("a choice in the mail as it is", label)
    if label["kind"] != "reply-quote":
        return
    plain, page, whole = texts(octets)
    lines = plain.replace("\r\n", "\n").split("\n") if plain is not None else []
    told, bare = answered(lines, bare=False), answered(lines, bare=True)
    html = answered_page(page) if page is not None else None
    forms: dict[str, tuple[list[str] | None, str | None]] = {
        "plain": (told, None),
        "bare": (bare, None),
        "page": (None, html),
        "both": (told, html) if told and html else (None, None),
    }
    for form, made in forms.items():
        if not any(made):
            continue
        counts[f"{name} {form}"] += 1
        right = choice_in(parse_message(rebuilt(whole, *made)), LISTS) == (None if form == "bare" else CHOSEN)
        counts[f"{name} {form} right"] += right
        if not right:
            missed(form, label)


def main() -> int:
    """Print the figures; 0 also where there is nothing to measure, 1 where a mail was taken for a choice."""
    place = os.environ.get("SMTPGUARD_CORPORA", "")
    if not place:
        print("skipped: SMTPGUARD_CORPORA is not set (see tests/corpus/README.md)")
        return 0
    counts: Counter[str] = Counter()
    for name, label, octets in samples(Path(place)):
        measure(name, label, octets, counts)
    wrong = 0
    forms = {"plain": "in plain text", "page": "in HTML alone", "both": "in both"}
    for name in ("forward", "enron", "lists"):
        print(name)
        for form, words in forms.items():
            if counts[f"{name} {form}"]:
                row(f"choices read, {words}", share(counts[f"{name} {form} right"], counts[f"{name} {form}"]))
        bare = counts[f"{name} bare"] - counts[f"{name} bare right"]
        row("bare replies taken for a choice", share(bare, counts[f"{name} bare"]))
        row("mails as they are, taken for a choice", share(counts[f"{name} all false"], counts[f"{name} all"]))
        wrong += bare + counts[f"{name} all false"]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
