"""One content on its way in: stored or queued, counted, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from smtpguard import maillog, replies
from smtpguard.mail.content import Content, WireContent
from smtpguard.mail.reply import Reply
from smtpguard.mail.trace import ReceivedCount
from smtpguard.spool import Intake

# Content above this goes up while it comes in, if nobody judges it; most mail is smaller and goes up in one piece.
LIVE_OCTETS = 256 * 1024


class Receipt:
    """Takes pieces of content; what cannot be kept is swallowed, for the client reads no reply before its final dot.

    `octets_max` bounds the wire form, `received_max` the Received fields: a mail with more goes round (RFC 5321, 6.3).
    With `arrived` pieces are queued instead of stored: it is called at each once there are more than LIVE_OCTETS, and
    whoever is called must see to it that not much more comes before they are `taken`.
    """

    def __init__(
        self, folder: Path | None, octets_max: int, received_max: int, arrived: Callable[[], None] | None = None
    ) -> None:
        self.size = 0
        self.queued = 0
        """Octets that wait to be taken."""
        self.refusal: Reply | None = None
        """What the client will get, whatever comes."""
        self._intake = Intake(folder) if arrived is None else None
        self._arrived = arrived
        self._queue: list[bytes] = []
        self._octets_max = octets_max
        self._received = ReceivedCount()
        self._received_max = received_max
        self._swallows = False

    def take(self, piece: bytes) -> None:
        """One more piece. Never raises: a full disk becomes the reply."""
        self.size += len(piece)
        if self.refusal is not None or self._swallows:
            return
        if self.size > self._octets_max:
            self._refuse(replies.CONTENT_TOO_LARGE)
        elif self._received.take(piece) > self._received_max:
            self._refuse(replies.MAIL_LOOP)
        elif self._intake is not None:
            try:
                self._intake.write(piece)
            except OSError as error:
                self._no_space(error)
        else:
            self._queue.append(piece)
            self.queued += len(piece)
        if self._arrived is not None and self.is_large:
            self._arrived()

    @property
    def is_large(self) -> bool:
        """True if this is content for which nobody should wait until it is whole."""
        return self.size > LIVE_OCTETS

    def taken(self) -> list[bytes]:
        """The pieces that are queued; they are forgotten here."""
        queue, self._queue, self.queued = self._queue, [], 0
        return queue

    def finish(self, *, bad: bool) -> Content | Reply:
        """The content, or why there is none; `bad` is what the framing says of it."""
        if bad:
            self._refuse(replies.CONTENT_BAD_OCTETS)
        if self.refusal is not None:
            return self.refusal
        if self._intake is None:
            return WireContent(b"".join(self.taken()))
        try:
            return self._intake.finish()
        except OSError as error:
            self._no_space(error)
            return replies.STORAGE_FULL

    def swallow(self) -> None:
        """Keep nothing more."""
        self._swallows = True
        self.close()

    def close(self) -> None:
        """Forget what was taken."""
        self.taken()
        if self._intake is not None:
            self._intake.close()

    def _no_space(self, error: OSError) -> None:
        maillog.warning("a temporary file could not be written", errno=error.errno)
        self._refuse(replies.STORAGE_FULL)

    def _refuse(self, reply: Reply) -> None:
        self.refusal = reply
        self.close()
