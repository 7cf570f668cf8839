"""What came after DATA, in wire form.

Wire form is what the client sent between 354 and the final dot: lines end in CRLF, a leading dot is doubled (RFC 5321,
4.5.2). It goes to the upstream as it is; only judging looks at the unstuffed octets. The line with the final dot is not
part of it. Content is empty, or ends in CRLF.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

END_OF_DATA = b".\r\n"


class Content(Protocol):
    """The content of one message, in memory or in an encrypted temporary file."""

    @property
    def size(self) -> int:
        """Octets of the wire form."""

    def pieces(self) -> Iterator[bytes]:
        """The wire form, piece by piece, from the beginning; may be called again."""

    def close(self) -> None:
        """Forget the octets; a temporary file is gone afterwards."""


class WireContent:
    """Content held in memory."""

    __slots__ = ("_wire",)

    def __init__(self, wire: bytes) -> None:
        self._wire = wire

    @property
    def size(self) -> int:
        return len(self._wire)

    def pieces(self) -> Iterator[bytes]:
        if self._wire:
            yield self._wire

    def close(self) -> None:
        self._wire = b""


def unstuffed(pieces: Iterable[bytes]) -> bytes:
    """The message itself: each leading dot that the transport added is taken away (RFC 5321, 4.5.2)."""
    wire = b"".join(pieces).replace(b"\r\n.", b"\r\n")
    return wire[1:] if wire.startswith(b".") else wire


def stuffed(message: bytes) -> bytes:
    """Wire form of `message`, whose lines must end in CRLF; a missing CRLF at the end is added."""
    wire = message.replace(b"\r\n.", b"\r\n..")
    wire = b"." + wire if wire.startswith(b".") else wire
    return wire if not wire or wire.endswith(b"\r\n") else wire + b"\r\n"
