"""How far a mail has come: every mail server that it passed has put a Received field on top (RFC 5321, 4.4)."""

from __future__ import annotations

import re

from smtpguard.mail.header import HEADER_OCTETS_MAX

# The name of a field, with blanks and its colon, ends within so many octets; RFC 5322, 2.1.1 has lines of 998.
_LINE_OCTETS = 1000
# In wire form a line that begins with a dot has one too many (RFC 5321, 4.5.2).
_RECEIVED = re.compile(rb"\r\n\.?received[ \t]{0,90}:", re.IGNORECASE)
# The header ends at the first line that is neither a field nor a continuation; usually that is the empty one.
_HEADER_END = re.compile(rb"\r\n(?!\.?(?:[ \t]|[\x21-\x39\x3b-\x7e]{1,900}[ \t]{0,90}:))")
_ENVELOPE_LINES = (b"\r\nFrom ", b"\r\n>From ")


class ReceivedCount:
    """Counts the Received fields in the header of a content that comes in pieces of wire form.

    The header ends where `header` ends it. Of one of any size the first HEADER_OCTETS_MAX are looked at: Received
    fields stand on top. What is counted does not depend on how the octets were cut.
    """

    __slots__ = ("_ended", "_first", "_octets", "_rest", "number")

    def __init__(self) -> None:
        self.number = 0
        # The end of the line before, and what has come of the next one.
        self._rest = b"\r\n"
        self._octets = 0
        self._first = True
        self._ended = False

    def take(self, piece: bytes) -> int:
        """One more piece; how many fields there are so far."""
        if self._ended:
            return self.number
        piece = piece[: HEADER_OCTETS_MAX - self._octets]
        self._octets += len(piece)
        octets = self._rest + piece
        last = octets.rfind(b"\r\n")
        begin = 0
        if self._first and last > 0:
            self._first = False
            if octets.startswith(_ENVELOPE_LINES):
                begin = octets.index(b"\r\n", 2)
        end = _HEADER_END.search(octets, begin, last)
        self.number += len(_RECEIVED.findall(octets, begin, last if end is None else end.start()))
        self._rest = octets[last : last + _LINE_OCTETS]
        if len(octets) - last > _LINE_OCTETS and octets.endswith(b"\r"):
            self._rest += b"\r"
        if end is not None or self._octets >= HEADER_OCTETS_MAX:
            self._ended, self._rest = True, b""
        return self.number
