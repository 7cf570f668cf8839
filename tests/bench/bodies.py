"""The mails that are sent: prose of made words, since a body of one letter makes judging look free."""

from __future__ import annotations

import base64
import random
from pathlib import Path

PROSE_OCTETS = 4 * 1024
ATTACHED_OCTETS = 70 * 1024  # 96 KB in base64: with the prose, a mail of 100 KB
HUGE_OCTETS = 10 * 1000 * 1000

_SYLLABLES = [consonant + vowel for consonant in "bdklmnprstv" for vowel in "aeio"]
_HEADER = (
    "From: Robin Miller <robin@example.test>\n"
    "To: Berlin <berlin@lists.example.test>\n"
    "Subject: Minutes of the meeting\n"
    "Date: Mon, 05 Jan 2026 12:00:00 +0100\n"
    "User-Agent: bench\n"
    "MIME-Version: 1.0\n"
)


def write_bodies(folder: Path) -> dict[str, Path]:
    """Write the three mails, lines ending in LF as smtp-source wants them; their files by size.

    "held" is the 4 KB under another Subject: else the next mail would be taken for its correction (12-14).
    """
    held = _prose_mail().replace("Subject: Minutes", "Subject: Draft minutes")
    mails = {"4 KB": _prose_mail(), "held": held, "100 KB": _mail_with_attachment(), "10 MB": _huge_mail()}
    files = {}
    for size, text in mails.items():
        files[size] = folder / f"{size.replace(' ', '')}.eml"
        files[size].write_text(text, "ascii")
    return files


def _prose(octets: int) -> str:
    """Sentences of made words in lines below 76 characters, the same in each run."""
    chance = random.Random(12)
    lines: list[str] = []
    line = ""
    size = 0
    while size < octets:
        word = "".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4)))
        word += chance.choices(["", ",", "."], weights=[12, 1, 1])[0]
        if len(line) + len(word) > 72:
            lines.append(line)
            size += len(line) + 2
            line = ""
        line = f"{line} {word}".strip()
    return "\n".join(lines) + "\n"


def _prose_mail() -> str:
    return f"{_HEADER}Content-Type: text/plain; charset=utf-8\n\n{_prose(PROSE_OCTETS)}"


def _mail_with_attachment() -> str:
    attached = base64.encodebytes(random.Random(13).randbytes(ATTACHED_OCTETS)).decode()
    return (
        f'{_HEADER}Content-Type: multipart/mixed; boundary="bench-part"\n\n'
        f"--bench-part\nContent-Type: text/plain; charset=utf-8\n\n{_prose(PROSE_OCTETS)}"
        "--bench-part\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n"
        f'Content-Disposition: attachment; filename="plan.bin"\n\n{attached}--bench-part--\n'
    )


def _huge_mail() -> str:
    line = "X" * 76 + "\n"
    return f"{_HEADER}Content-Type: text/plain; charset=utf-8\n\n{line * (HUGE_OCTETS // (len(line) + 1))}"
