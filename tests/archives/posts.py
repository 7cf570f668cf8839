"""Posts and the archives that programs make of them. The text is the project's own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from pathlib import Path

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
DAY = timedelta(days=1)

_SYLLABLES = ["ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te"]
_BETWEEN = ["and", "the", "with", "that", "from", "this", "when", "all", "of", "because"]


def text(number: int) -> str:
    """Prose, of which no other number has four words in a row."""
    words = []
    for place in range(24):
        word = f"{_BETWEEN[place % 10]} {_word(number * 24 + place)}"
        words.append(word if place % 8 else f"\n{word}")
    return "We have met again" + " ".join(words) + "."


def _word(number: int) -> str:
    word = "k"
    for _ in range(6):
        number, part = divmod(number, len(_SYLLABLES))
        word += _SYLLABLES[part]
    return word


def post(
    number: int = 0, when: datetime | str = NOW - DAY, body: str | None = None, *more: str, sender: str = "anna",
    to: str = "berlin@lists.example.org",
) -> bytes:  # fmt: skip
    """One post as a list server files it, LF between its lines."""
    lines = (
        f"From: {sender}@example.org",
        f"To: {to}",
        f"Subject: Meeting {number}",
        f"Message-ID: <{number}@example.org>",
        f"Date: {when if isinstance(when, str) else format_datetime(when)}",
        "List-Id: <berlin.lists.example.org>",
        *more,
    )
    return "\n".join((*lines, "", text(number) if body is None else body, "")).encode()


def posts(how_many: int, first: datetime = NOW - 20 * DAY, step: timedelta = timedelta(hours=1)) -> list[bytes]:
    return [post(number, first + number * step) for number in range(how_many)]


def from_line(when: datetime = NOW) -> bytes:
    """RFC 4155, appendix A."""
    return f"From anna@example.org {when:%a %b %e %H:%M:%S %Y}\n".encode()


def mboxrd(mails: Iterable[bytes]) -> bytes:
    return b"".join(from_line() + re.sub(rb"(?m)^(>*From )", rb">\1", each) + b"\n" for each in mails)


def mboxo(mails: Iterable[bytes]) -> bytes:
    return b"".join(from_line() + re.sub(rb"(?m)^From ", rb">From ", each) + b"\n" for each in mails)


def without_blanks(mails: Iterable[bytes]) -> bytes:
    """No empty line in front of the next mail."""
    return b"".join(from_line() + each for each in mails)


def maildir(folder: Path, mails: Iterable[bytes], *, into: str = "new", first: int = 0) -> Path:
    for each in ("cur", "new", "tmp"):
        (folder / each).mkdir(parents=True, exist_ok=True)
    for number, mail in zip(count(first), mails, strict=False):
        seconds = int((NOW - 2 * DAY).timestamp()) + number
        (folder / into / f"{seconds}.M{number}P1.host{':2,S' if into == 'cur' else ''}").write_bytes(mail)
    return folder
