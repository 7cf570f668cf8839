"""From the octets of one mail to the values that judging looks at: its submission, and what looks like a code in it.

Small mail is read where it stands. Large mail is read in a thread, so that no other session waits for it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import TypeVar

from smtpguard.accounts import Directory
from smtpguard.answers.token import LABEL, Token, find_tokens
from smtpguard.mail.address import Address
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.bounds import BOUNDS, Bounds
from smtpguard.mail.content import Content, unstuffed
from smtpguard.mail.message import UNASKABLE, Message, Submission
from smtpguard.mail.parsing import Opened, open_message, read_message
from smtpguard.policy import Policy

# More than this is read in a thread, attached files that hold no notice not counted: 64 KB of letters take some 0.6 ms,
# hostile ones 100 times as long, and no session may wait for that.
INLINE_OCTETS_MAX = 64 * 1024
# Up to this, parts are found and files looked at where the mail stands: such content lies in memory, and it takes
# 0.4 ms, of hostile mail 70 ms.
OPENED_INLINE_OCTETS_MAX = 256 * 1024
# Above this a mail is large, and takes up to four times its size in memory while it is read. Those below it never wait
# for one above it.
LARGE_OCTETS_MIN = 1024 * 1024
# Mails read in threads at the same time: threads share one interpreter, and six of 9 MB at once made everybody wait for
# 3 s. Fifty that wait lie in their temporary files.
MEDIUM_AT_ONCE = 2
LARGE_AT_ONCE = 1
# A text of this size (a header field, a link) is searched for a code without a look before.
SHORT_CHARACTERS = 1024
_LABELLED = re.compile(rf"{LABEL}\s{{0,2}}:")
# &CounterClockwiseContourIntegral; is the longest character reference of HTML with a name.
REFERENCE_CHARACTERS_MAX = 33
_NUMBERED = re.compile(rb"&#[0-9xX]")
_PLAIN = re.compile("[a-z0-9]+")

Result = TypeVar("Result")


class Reading:
    """Reads the mails of all sessions of one process, within bounds of time and memory for all of them together."""

    def __init__(self) -> None:
        self._medium = asyncio.Semaphore(MEDIUM_AT_ONCE)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def read(
        self, arrival: Arrival, policy: Policy, directory: Directory
    ) -> tuple[Submission, tuple[Token, ...]]:
        """The values that judging looks at, and what looks like a code (90-17). Never raises for a mail's sake; raises
        OSError if a temporary file of the content cannot be read."""
        message, codes = await self._look_into(arrival.content, NoticeSigns(policy.guard_address), policy.bounds)
        envelope = arrival.envelope
        account = None
        if arrival.authenticated:
            account = directory.account(arrival.login or "", envelope.reverse_path.address)
        elif arrival.from_trusted_network:
            account = UNASKABLE
        submission = Submission(
            id=arrival.id,
            account=account,
            recipients=tuple(each.address for each in envelope.recipients if each.address is not None),
            message=message,
            arrived=arrival.arrived,
            size=arrival.content.size,
            null_sender=envelope.reverse_path.is_null,
        )
        return submission, codes

    async def in_turn(self, size: int, work: Callable[[], Result]) -> Result:
        """Do `work`, which reads a mail of `size` octets to its end, in a thread once there is room: no session shall
        wait for mail that nobody waits for. Raises what it raises."""
        async with self._large if size > LARGE_OCTETS_MIN else self._medium:
            return await asyncio.to_thread(work)

    async def _look_into(
        self, content: Content, signs: NoticeSigns, bounds: Bounds
    ) -> tuple[Message, tuple[Token, ...]]:
        """The message, and what looks like a code in it, wherever there is room to read it."""
        if content.size > OPENED_INLINE_OCTETS_MAX:
            lane = self._large if content.size > LARGE_OCTETS_MIN else self._medium
            async with lane:
                return await asyncio.to_thread(lambda: look_into(open_content(content, signs, bounds), signs))
        opened = open_content(content, signs, bounds)
        if opened.left <= INLINE_OCTETS_MAX:
            return look_into(opened, signs)
        async with self._medium:
            return await asyncio.to_thread(look_into, opened, signs)


def open_content(content: Content, signs: NoticeSigns, bounds: Bounds = BOUNDS) -> Opened:
    """Find the parts of the mail in `content`, within `bounds`. Raises OSError if a temporary file cannot be read."""
    return open_message(unstuffed(content.pieces()), signs.may_be_in_file, bounds)


def look_into(opened: Opened, signs: NoticeSigns) -> tuple[Message, tuple[Token, ...]]:
    """The message, and what looks like a code in it. Never raises for a mail's sake."""
    message = read_message(opened)
    texts = [message.subject, *(each.text for each in message.passages)]
    texts += [each for each in message.hidden_texts if signs.may_be_in(each)]
    return message, tuple(dict.fromkeys(token for text in texts for token in find_tokens(text)))


class NoticeSigns:
    """What a short look finds in a text that holds a notice: the label of a code, or the guard's address with one.

    Attachments and headers are long and mostly not for reading: searching all of them for the code alone, which may be
    broken anywhere, took ten times as long as reading the mail.
    """

    def __init__(self, guard: Address | None) -> None:
        name = guard.local_part if guard is not None else ""
        self._names = (f"{name}+", f"{name}+".replace("+", "%2b")) if name else ("",)
        # No character reference stands for a letter or a digit but those by number, and the ligature &fjlig;.
        piece = max(_PLAIN.findall(name.lower()), key=len, default="")
        self._in_file = (LABEL.encode(), piece.encode())

    def may_be_in(self, text: str) -> bool:
        """False where `text` is long and has no such sign."""
        if len(text) <= SHORT_CHARACTERS:
            return True
        lower = text.lower()
        return _LABELLED.search(lower) is not None or any(each in lower for each in self._names)

    def may_be_in_file(self, octets: bytes) -> bool:
        """False only where `may_be_in` says no of `octets` as Latin-1 text with its character references undone, which
        would take most of the time that an attachment takes."""
        shrinks = len(octets) <= SHORT_CHARACTERS * REFERENCE_CHARACTERS_MAX
        if shrinks and len(octets) - octets.count(b"&") * REFERENCE_CHARACTERS_MAX <= SHORT_CHARACTERS:
            return True
        lower = octets.lower()
        if any(each in lower for each in self._in_file) or b"&fjlig" in octets:
            return True
        return b"&#" in octets and _NUMBERED.search(octets) is not None
