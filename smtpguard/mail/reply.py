"""An SMTP reply (RFC 5321, 4.2) and the parser that reads replies from a byte stream.

A reply read from the upstream keeps its octets in `wire`, so that it can be passed on unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# RFC 5321, 4.5.3.1.5 says 512 octets a reply line; servers in the field exceed it, none known by this much.
REPLY_LINE_OCTETS_MAX = 4096
# An EHLO answer has some 20 lines; a server that sends thousands is broken or hostile.
REPLY_LINES_MAX = 512


@dataclass(frozen=True, slots=True)
class Reply:
    """Code, text lines (without code and separator) and the very octets, each line ended by CRLF."""

    code: int
    lines: tuple[str, ...]
    wire: bytes = field(repr=False)

    @classmethod
    def of(cls, code: int, *lines: str) -> Reply:
        """Make a reply of our own; an enhanced status code (RFC 3463), if any, stands at the front of each line."""
        last = len(lines) - 1
        wire = "".join(f"{code}{' ' if n == last else '-'}{line}\r\n" for n, line in enumerate(lines))
        return cls(code, lines, wire.encode("utf-8", "surrogateescape"))

    @property
    def ok(self) -> bool:
        """True for 2xx."""
        return 200 <= self.code < 300

    @property
    def transient(self) -> bool:
        """True for 4xx: the same command may succeed later (RFC 5321, 4.2.1)."""
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        """True for 5xx."""
        return 500 <= self.code < 600

    @property
    def text(self) -> str:
        """Code and text in one line, for logs and for the sender's result mail."""
        return f"{self.code} {' / '.join(self.lines)}".strip()


class ReplyError(Exception):
    """The peer sent something that is no SMTP reply, or too much of it. `replies` are the good ones before it."""

    def __init__(self, what: str, replies: tuple[Reply, ...] = ()) -> None:
        super().__init__(what)
        self.replies = replies


class ReplyParser:
    """Fed with octets, gives replies; bounded in memory. What comes out does not depend on how the octets are cut into
    segments. Bare LF and CR CR LF as line end are taken (servers in the field use them)."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[bytes] = []

    @property
    def pending(self) -> bool:
        """True if octets of an unfinished reply are waiting (used to refuse plain-text leftovers before TLS)."""
        return bool(self._buffer or self._lines)

    def feed(self, data: bytes) -> list[Reply]:
        """Take `data` and return the replies that are now complete.

        Raises ReplyError for a line without a three-digit code, with CR or NUL inside, a code that changes within a
        reply, a line over REPLY_LINE_OCTETS_MAX or a reply over REPLY_LINES_MAX lines. After that the parser is of no
        more use.
        """
        self._buffer += data
        replies: list[Reply] = []
        start = 0
        try:
            while (end := self._buffer.find(b"\n", start)) >= 0:
                line = bytes(self._buffer[start:end])
                start = end + 1
                reply = self._take(line)
                if reply is not None:
                    replies.append(reply)
            if len(self._buffer) - start > REPLY_LINE_OCTETS_MAX:
                raise ReplyError("reply line too long")
        except ReplyError as error:
            raise ReplyError(str(error), tuple(replies)) from None
        del self._buffer[:start]
        return replies

    def _take(self, line: bytes) -> Reply | None:
        if len(line) > REPLY_LINE_OCTETS_MAX:
            raise ReplyError("reply line too long")
        line = line.rstrip(b"\r")
        code = line[:3]
        separator = line[3:4]
        # RFC 5321, 4.2: %x32-35 %x30-35 %x30-39, then "-" or SP; the text may be left out altogether.
        if len(code) != 3 or not code.isdigit() or not b"2" <= code[:1] <= b"5" or separator not in (b"", b" ", b"-"):
            raise ReplyError("not an SMTP reply")
        # A client that takes a bare CR for a line end would read a second reply that we never saw.
        if b"\r" in line or b"\0" in line:
            raise ReplyError("control character in a reply")
        if self._lines and self._lines[0][:3] != code:
            raise ReplyError("reply code changed within a reply")
        self._lines.append(line)
        if len(self._lines) > REPLY_LINES_MAX:
            raise ReplyError("too many reply lines")
        if separator == b"-":
            return None
        lines, self._lines = self._lines, []
        texts = tuple(each[4:].decode("utf-8", "surrogateescape") for each in lines)
        return Reply(int(code), texts, b"".join(each + b"\r\n" for each in lines))
