"""One content on its way in, as long as it takes: who waits for it, for how long, and what becomes of the octets.

Content that has to be judged is collected (`receipt`) and handed on whole. Content that nobody judges goes up while it
still comes in, with the final dot withheld until the client has sent its own: a large mail is then never stored, and
the mail server is not slower than without us. What breaks off on the way never gets its dot.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from smtpguard import replies
from smtpguard.listener.framing import ContentFraming
from smtpguard.listener.receipt import Receipt
from smtpguard.mail.content import Content
from smtpguard.mail.reply import Reply
from smtpguard.upstream import BrokenOffError

# 25 MiB over a line of 32 kbit/s take less than two hours; who is slower than that does not want to be done.
CONTENT_SECONDS_MAX = 2 * 3600.0
# Postfix gives up after 300 s of silence and calls the 110th NOOP junk: every 100 s is early enough and seldom enough.
KEEP_AWAKE_SECONDS = 100.0


class Sender(Protocol):
    """The line that content comes from."""

    loop: asyncio.AbstractEventLoop

    def begin_content(self, take: Callable[[bytes], None]) -> ContentFraming:
        """From now on octets are content, whose pieces go to `take`. Raises ValueError if octets wait already."""

    async def wait_for_content(self) -> bool:
        """Until something happens on the line; False if no more will come (the last word has been said then)."""

    def queued(self, octets: int) -> None:
        """So many octets of content wait to be taken away; the line stops reading while they are many."""

    def wake(self) -> None:
        """Something has come that is waited for."""

    def last_word(self, reply: Reply) -> None:
        """Say `reply` and hang up."""


class Reception:
    """One content. `keep_awake` is awaited now and then while it is collected."""

    def __init__(
        self,
        sender: Sender,
        receipt_of: Callable[[Callable[[], None] | None], Receipt],
        keep_awake: Callable[[], Awaitable[None]] | None = None,
        *,
        live: bool = False,
    ) -> None:
        self._sender = sender
        self._live = live
        self._receipt = receipt_of(self._arrived if live else None)
        # Raises ValueError where octets wait already (improper pipelining); the door has looked for them.
        self._framing = sender.begin_content(self._receipt.take)
        self._keep_awake = keep_awake
        self._latest = sender.loop.time() + CONTENT_SECONDS_MAX
        self._drowsy: asyncio.TimerHandle | None = None
        self._dozing = False

    @property
    def size(self) -> int:
        """Octets that have come so far, in wire form."""
        return self._receipt.size

    @property
    def ended(self) -> bool:
        """True if the client has sent its final dot."""
        return self._framing.ended

    async def collect(self) -> bool:
        """Take all of it, or, if it is live, the beginning of what grows large (`pieces` goes on then).

        False if the client is gone or was too slow.
        """
        while not self._framing.ended and not (self._live and self._receipt.is_large and self._good):
            if not await self._more():
                return False
        return True

    def finish(self) -> Content | Reply:
        """The content, or the reply that refuses it."""
        return self._receipt.finish(bad=self._framing.bad)

    @property
    def _good(self) -> bool:
        return self._receipt.refusal is None and not self._framing.bad

    async def pieces(self) -> AsyncIterator[bytes]:
        """What came so far, and then what comes, to be read once. Raises BrokenOffError if its end is not reached."""
        while True:
            for piece in self._receipt.taken():
                yield piece
            self._sender.queued(self._receipt.queued)
            if not self._good:
                raise BrokenOffError(await self.rest())
            if self._receipt.queued:
                continue
            if self._framing.ended:
                return
            if not await self._more():
                raise BrokenOffError(None)

    async def rest(self, reply: Reply | None = None) -> Reply | None:
        """Swallow what is still to come: a client that is sending reads no reply.

        What the client gets: what is wrong with its content, else `reply`. None if the client is gone.
        """
        self._receipt.swallow()
        self._sender.queued(0)
        while not self._framing.ended:
            if not await self._more():
                return None
        return replies.CONTENT_BAD_OCTETS if self._framing.bad else self._receipt.refusal or reply

    def close(self) -> None:
        """Forget what was taken and stop waiting."""
        if self._drowsy is not None:
            self._drowsy.cancel()
        self._receipt.close()

    def _arrived(self) -> None:
        self._sender.queued(self._receipt.queued)
        self._sender.wake()

    async def _more(self) -> bool:
        """Wait until something has come. False if nothing will: the client is gone, or slower than anybody may be."""
        loop = self._sender.loop
        if loop.time() > self._latest:
            self._sender.last_word(replies.IDLE)
            return False
        if self._keep_awake is not None and self._drowsy is None:
            self._drowsy = loop.call_later(KEEP_AWAKE_SECONDS, self._doze)
        if not await self._sender.wait_for_content():
            return False
        if self._keep_awake is not None and self._dozing:
            self._drowsy, self._dozing = None, False
            await self._keep_awake()
        return True

    def _doze(self) -> None:
        # Not told by the clock: uvloop's timers go off up to a millisecond before their time.
        self._dozing = True
        self._sender.wake()
