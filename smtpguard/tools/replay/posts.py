"""An archived post as its author's program sent it: what list manager and archive have changed is taken back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from hashlib import blake2b

from smtpguard.mail.address import Address
from smtpguard.mail.header import Header, read_header
from smtpguard.mail.mailboxes import MailboxReader

# What a list manager puts into the header; what marks a mail as automatic would be refused instead of held (90-01).
_ADDED = re.compile(rb"(?:list-[a-z-]+|precedence|mailing-list|x-mailing-list|x-beenthere|received):", re.IGNORECASE)
_LINE = re.compile(rb"\r?\n")
_WHOLE_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_HEADER_END = re.compile(rb"(?:\A|\r?\n)\r?\n")
# What it puts below the text: a rule, and some lines about the list or of advertising.
_RULE = re.compile(rb"[-_]{40,}|-{8,} Yahoo! Groups Sponsor -+~-->")
FOOTER_LINES_MAX = 15
# Public archives hide addresses from robots: "anna at example.org (Anna)" (Mailman 2, Pipermail).
_HIDDEN = re.compile(
    rb"From:[ \t]*([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}) at ([A-Za-z0-9.-]{1,253})[ \t]*(\([^\r\n]*\))?", re.IGNORECASE
)
# Where list managers leave the author whose From they have replaced because of DMARC.
_AUTHORS = ("from", "x-original-from", "reply-to", "cc")


def as_submitted(octets: bytes) -> bytes:
    """`octets` with CRLF, without what the list manager added, the author's address as it was.

    A footer in an attached part, or in base64, stays.
    """
    octets = octets.rstrip()
    end = _HEADER_END.search(octets)
    lines = _LINE.split(octets if end is None else octets[: end.start()])
    header = b"".join(each + b"\r\n" for each in _header_lines(lines if lines != [b""] else []))
    if end is None:
        return header
    # The text is not taken apart: as many small lines it would need twenty times its size.
    begin = _footer(octets, end.end())
    text = octets[end.end() : len(octets) if begin is None else begin]
    text = text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return header + b"\r\n" + text + (b"\r\n" if begin is None else b"")


def _footer(octets: bytes, text: int) -> int | None:
    """Where the footer begins, if there is one in the last lines; the text begins at `text`."""
    begin = len(octets)
    for _ in range(FOOTER_LINES_MAX):
        begin = octets.rfind(b"\n", text, begin)
        if begin < 0:
            break
    begin = max(begin + 1, text)
    for line in _WHOLE_LINE.findall(octets[begin:]):
        if _RULE.fullmatch(line.strip()) is not None:
            return begin
        begin += len(line)
    return None


def _header_lines(lines: list[bytes]) -> Iterator[bytes]:
    drop = False
    for line in lines:
        drop = drop if line[:1] in (b" ", b"\t") else _ADDED.match(line) is not None
        if drop:
            continue
        hidden = _HIDDEN.fullmatch(line)
        yield line if hidden is None else b"From: " + hidden[1] + b"@" + hidden[2] + b" " + (hidden[3] or b"")


def author_of(octets: bytes, is_list: Callable[[Address], bool]) -> str:
    """The login of whoever wrote a post: its From; where a list stands there, whom the list manager has put elsewhere;
    a login of its own for each unknown author."""
    header, _ = read_header(octets)
    for _, address in _authors(header):
        if address.domain and not is_list(address):
            return address.normal
    unknown = blake2b(header.first("from").encode("utf-8", "replace"), digest_size=8).hexdigest()
    return f"{unknown}@author.invalid"


def _authors(header: Header) -> Iterator[tuple[str, Address]]:
    """What can be the author's address, the best first. Cc counts only where the list manager has taken From."""
    for name in _AUTHORS:
        yield from MailboxReader().mailboxes(header.every(name))
