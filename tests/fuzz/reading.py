"""What the octets of a client mean, said a second time and as simply as can be: the fuzzers compare."""

from __future__ import annotations

from dataclasses import dataclass

from smtpguard.listener.framing import BadCommand, Flaw

COMMAND_OCTETS = 2_000
AUTH_OCTETS = 12_288


def command_lines(octets: bytes) -> list[bytes | BadCommand]:
    """One octet after the other: lines end in CRLF, and the first thing that is odd is the last that is seen."""
    found: list[bytes | BadCommand] = []
    line = b""
    for octet in octets:
        after_cr = line.endswith(b"\r")
        line += bytes([octet])
        if after_cr and octet == 0x0A:
            found.append(line[:-2])
            line = b""
        elif after_cr or octet in (0x00, 0x0A):
            return [*found, BadCommand(Flaw.OCTETS)]
        elif len(line) == (AUTH_OCTETS if line[:4].upper() == b"AUTH" else COMMAND_OCTETS):
            return [*found, BadCommand(Flaw.LENGTH)]
    return found


@dataclass(frozen=True)
class Read:
    """`wire` is None if the content is bad; `behind` are the octets behind its end, None if it has none yet."""

    wire: bytes | None
    behind: bytes | None


def content(octets: bytes) -> Read:
    """Line by line, where a line ends in CRLF and nowhere else; the first line that is one dot is the end."""
    lines = octets.split(b"\r\n")
    ends = [number for number, line in enumerate(lines[:-1]) if line == b"."]
    before = lines[: ends[0]] if ends else lines[:-1]
    clean = not any(odd in line for line in before for odd in (b"\r", b"\n", b"\0"))
    wire = b"".join(line + b"\r\n" for line in before)
    return Read(wire if clean else None, b"\r\n".join(lines[ends[0] + 1 :]) if ends else None)
