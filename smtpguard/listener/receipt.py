"""One content on its way in: stored, counted, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

from smtpguard import maillog, replies
from smtpguard.mail.content import Content
from smtpguard.mail.reply import Reply
from smtpguard.mail.trace import ReceivedCount
from smtpguard.spool import Intake


class Receipt:
    """Takes pieces of content; what cannot be kept is swallowed, for the client reads no reply before its final dot.

    `octets_max` bounds the wire form, `received_max` the Received fields: a mail with more goes round (RFC 5321, 6.3).
    """

    def __init__(self, folder: Path | None, octets_max: int, received_max: int) -> None:
        self._intake = Intake(folder)
        self._octets_max = octets_max
        self._octets = 0
        self._received = ReceivedCount()
        self._received_max = received_max
        self._refusal: Reply | None = None

    def take(self, piece: bytes) -> None:
        """One more piece. Never raises: a full disk becomes the reply."""
        if self._refusal is not None:
            return
        self._octets += len(piece)
        if self._octets > self._octets_max:
            self._refuse(replies.CONTENT_TOO_LARGE)
            return
        if self._received.take(piece) > self._received_max:
            self._refuse(replies.MAIL_LOOP)
            return
        try:
            self._intake.write(piece)
        except OSError as error:
            self._no_space(error)

    def finish(self, *, bad: bool) -> Content | Reply:
        """The content, or why there is none; `bad` is what the framing says of it."""
        if bad:
            self._refuse(replies.CONTENT_BAD_OCTETS)
        if self._refusal is None:
            try:
                return self._intake.finish()
            except OSError as error:
                self._no_space(error)
        return self._refusal or replies.INTERNAL

    def close(self) -> None:
        """Forget what was taken."""
        self._intake.close()

    def _no_space(self, error: OSError) -> None:
        maillog.warning("a temporary file could not be written", errno=error.errno)
        self._refuse(replies.STORAGE_FULL)

    def _refuse(self, reply: Reply) -> None:
        self._refusal = reply
        self._intake.close()
