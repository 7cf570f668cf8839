"""Words that are planted into held mail, and the search for them in whatever a guard leaves behind.

Every planted word holds one short mark that no text and no key holds by itself, so that one search finds any of them:
as it is, in UTF-16, base64 at each of its three offsets, quoted-printable, hexadecimal, and in capitals.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from smtpguard.answers.token import Token
from tests.loopback.guarded import ALL, BERLIN, mail

MARK = "qzxjwvk"
_LETTERS = "abcdefghilmnoprstu"
# More octets in a row do not agree by chance.
_BEGINNING = 12


@dataclass(frozen=True)
class Planted:
    """A mail full of planted words: `words` are those of its text, in their order."""

    recipients: tuple[str, ...]
    octets: bytes
    words: tuple[str, ...]


def planted(number: int, words: int = 60) -> Planted:
    """Mail `number` to two lists and a person: planted words in Subject, text, address, Message-ID and a file name."""
    chosen = random.Random(number)

    def word() -> str:
        return "".join(chosen.choices(_LETTERS, k=4)) + MARK + "".join(chosen.choices(_LETTERS, k=3))

    text = tuple(word() for _ in range(words))
    recipients = (BERLIN, ALL, f"{word()}@elsewhere.example.test")
    octets = mail(
        "anna",
        recipients,
        subject=f"About {word()} and {word()}",
        body=" ".join(text) + f"\n\n-- \n{word()}\n",
        message_id=f"<{word()}@example.test>",
        X_File=f"{word()}.pdf",
    )
    return Planted(recipients, octets, text)


def forms_of(secret: bytes) -> Iterator[bytes]:
    """The forms in which `secret` could lie somewhere."""
    text = secret.decode("latin-1")
    for each in (text, text.upper(), text.capitalize()):
        yield each.encode("latin-1")
        yield each.encode("utf-16-le")
        yield each.encode("utf-16-be")
        yield each.encode("latin-1").hex().encode()
        yield each.encode("latin-1").hex().upper().encode()
        yield "".join(f"={ord(letter):02X}" for letter in each).encode()
        for offset in range(3):
            coded = base64.b64encode(bytes(offset) + each.encode("latin-1"))
            # What the neighbours have no share in.
            yield coded[(offset * 8 + 5) // 6 : (offset + len(secret)) * 8 // 6]


def forms_of_code(token: Token) -> Iterator[bytes]:
    """The forms of a code: its octets, its letters, its printed lines."""
    yield token.octets
    yield token.octets.hex().encode()
    yield from forms_of(token.code.encode())
    for line in token.lines:
        yield from forms_of(line.encode())
    for offset in range(3):
        coded = base64.b64encode(bytes(offset) + token.octets)
        yield coded[(offset * 8 + 5) // 6 : (offset + len(token.octets)) * 8 // 6]


def found(places: dict[str, bytes], forms: Iterator[bytes]) -> list[tuple[str, bytes]]:
    """Where one of `forms` stands: the place, and some octets around it. Of many long forms the beginnings are looked
    for all at once, at each octet."""
    wanted = set(forms)
    short = {each for each in wanted if len(each) < _BEGINNING}
    beginnings = {each[:_BEGINNING] for each in wanted - short}
    hits = []
    for name, octets in places.items():
        at = next((octets.find(each) for each in short if each in octets), None)
        if at is None and beginnings:
            ends = range(len(octets) - _BEGINNING + 1)
            at = next((n for n in ends if octets[n : n + _BEGINNING] in beginnings), None)
        if at is not None:
            hits.append((name, octets[max(at - 30, 0) : at + 60]))
    return hits


def left_by(pid: int | None, *folders: Path) -> dict[str, bytes]:
    """All that a process and its folders show to whoever may read everything: files, with those that are open and have
    no name any more, arguments, environment.
    """
    places = {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}
    if pid is not None:
        process = Path("/proc") / str(pid)
        for name in ("cmdline", "environ", "comm"):
            places[f"/proc/{name}"] = (process / name).read_bytes()
        for each in (process / "fd").iterdir():
            try:
                if each.is_file():
                    places[f"{each} -> {each.readlink()}"] = each.read_bytes()
            except OSError:
                continue  # closed in the meantime
    return places
