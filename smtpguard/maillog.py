"""The log's vocabulary: one function for each event, one line each, beginning with the mail's id.

No line names an address, a login, a subject, a text, a code or a password; lines for hold, release, discard and expiry
carry no account, list, rule or row either (THREAT-MODEL T-53). The upstream's last reply is kept word for word, so
that an admin can follow the mail in the mail server's own log by its queue id; only what looks like an address in it
is masked.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from smtpguard.mail.reply import Reply

LOGGER = logging.getLogger("smtpguard")

# A mail server's words can be long; a log line should not be.
REPLY_CHARACTERS_MAX = 300
# So much of a reply is looked at (it may have 2 MB), and an address is at most so long (RFC 5321, 4.5.3.1).
_READ_MAX = 4096
_ADDRESS_MAX = 320
# What stands in angle brackets, whatever has an @ in it (a quoted local part may have blanks, RFC 5321, 4.1.2), and a
# code (52 characters of base32). Every alternative begins at one place only, so that reading stays linear.
_PRIVATE = re.compile(
    r"""<[^<>]*>|"(?>(?:\\.|[^"\\]){0,130})"@[^\s<>"]*|(?<![^\s<>"])(?>(?:\\.|[^\s<>"@\\])*)@[^\s<>"]*|[A-Za-z2-7]{52}"""
)
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_.:/\-\[\]]+")

# Event, what it is about ("mail", where nothing else is said), and how many times.
Observer = Callable[[str, str, int], None]
# The log is the process's own, and so is who counts what stands in it.
_observers: list[Observer] = []


@contextmanager
def observed_by(observer: Observer) -> Iterator[None]:
    """Tell `observer` of every event, also of those below `log.level`, and maybe from another thread. It must be quick,
    and hears neither ids nor words."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)


def passed(mail_id: str, reply: Reply, octets: int) -> None:
    """A mail went to the upstream, which gave `reply`: taken, or refused in its own words."""
    _event("passed" if reply.ok else "not-taken", mail_id, upstream=_words(reply), size=octets)


def held(mail_id: str) -> None:
    """A mail waits for its sender's answer."""
    _event("held", mail_id)


def resent(mail_id: str) -> None:
    """A mail that waits already came again and was answered without a second notice."""
    _event("held-again", mail_id)


def refused(mail_id: str, code: int, *, of: str = "mail") -> None:
    """A mail was refused by the guard with `code`; `of` is for observers: "notice" if that was refused for good."""
    _event("refused", mail_id, of, code=code)


def deferred(mail_id: str, why: str, reply: Reply | None = None, *, of: str = "mail") -> None:
    """A mail was put off with a 4xx; `why` is one of our own words, never a text of the mail.

    `of` is for observers: "notice" if that could not be handed over; "answer", "release", "copy" or "letter" if it was
    one of these and no member's mail.
    """
    _event("deferred", mail_id, of, level=logging.WARNING, why=why, upstream=_words(reply))


def copy_taken(mail_id: str) -> None:
    """A copy came in by a tap. Whether it was learnt is not said: that would tell private mail from other mail."""
    _event("copy-taken", mail_id)


def answered(mail_id: str, effect: str) -> None:
    """An answer came in; `effect` is done, later, unknown, help, gone or ignored."""
    _event("answered", mail_id, effect, effect=effect)


def released(mail_id: str, reply: Reply) -> None:
    """A held mail went to the upstream."""
    _event("released", mail_id, upstream=_words(reply))


def release_refused(mail_id: str, reply: Reply) -> None:
    """The upstream did not take a release; the mail waits on."""
    _event("release-refused", mail_id, upstream=_words(reply))


def discarded(mail_id: str) -> None:
    """A held mail was thrown away or given back by its sender's answer."""
    _event("discarded", mail_id)


def corrected() -> None:
    """A held mail was thrown away because its sender has sent a corrected copy; its id lies sealed."""
    _event("discarded", "-", note="corrected by its sender")


def expired(count: int) -> None:
    """Held mails were deleted unsent."""
    _event("expired", "-", "mail", count, count=count)


def letter_lost(why: str, reply: Reply | None = None) -> None:
    """A mail of the guard's own (result, expiry line) could not be handed over in any try."""
    _event("letter-lost", "-", level=logging.ERROR, why=why, upstream=_words(reply))


def started(listeners: str, version: str) -> None:
    """The guard takes connections."""
    _event("started", "-", listeners=listeners, version=version)


def reloaded(renewed: int) -> None:
    """SIGHUP was obeyed; `renewed` counts the TLS contexts that were made anew."""
    _event("reloaded", "-", certificates=renewed)


def settings_read(changed: int, removed: int, kept: int, files: int) -> None:
    """Settings were read again: so many files are new or gone, so many cannot be used, so many are in force."""
    _event("settings-read", "-", changed=changed, removed=removed, not_used=kept, in_force=files)


def file_kept(name: str, why: str, more: int, is_new: bool) -> None:
    """A settings file cannot be used; `why` is its first problem, of `more` besides. Words in it are an admin's."""
    note = "nothing in it counts yet" if is_new else "its last good version stays in force"
    _event(
        "file-not-used", "-", level=logging.ERROR, file=_masked(name), why=_masked(why), more=more or None, note=note
    )


def file_mended(name: str) -> None:
    """A settings file that could not be used is in order again, or gone."""
    _event("file-mended", "-", file=_masked(name))


def certificate_kept(why: str) -> None:
    """A new certificate, key or authority cannot be used, and the former one stays in force; `why` names the file."""
    _event("certificate-kept", "-", level=logging.ERROR, why=why, note="the former one stays in force")


def stopped() -> None:
    """The guard has ended in good order."""
    _event("stopped", "-")


def warning(what: str, **values: object) -> None:
    """Something the mail admin should know; `what` and `values` are ours, never a mail's.

    A value may quote the mail server (why a session was lost), so addresses are masked in all of them.
    """
    masked = {name: _masked(value) if isinstance(value, str) else value for name, value in values.items()}
    _event("warning", "-", level=logging.WARNING, what=what, **masked)


def fault(what: str, error: BaseException, mail_id: str = "-") -> None:
    """A bug: class and places in the code, without the message of the exception, which may quote a mail."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames[-8:]))
    _event("fault", mail_id, level=logging.ERROR, what=what, error=type(error).__name__, at=places)


def _event(
    name: str, mail_id: str, of: str = "mail", times: int = 1, /, *, level: int = logging.INFO, **values: object
) -> None:
    for observer in _observers:
        observer(name, of, times)
    if LOGGER.isEnabledFor(level):
        fields = {"id": mail_id, "event": name, **{key: value for key, value in values.items() if value is not None}}
        # Not LOGGER.log: it looks for its caller's file and line, which nobody prints, for half of what a line costs.
        record = logging.LogRecord(LOGGER.name, level, "", 0, name, None, None)
        record.fields = fields
        LOGGER.handle(record)


def _words(reply: Reply | None) -> str | None:
    return None if reply is None else _masked(reply.text)


def _masked(text: str) -> str:
    masked = _PRIVATE.sub("(address)", text[:_READ_MAX])
    if len(text) > _READ_MAX:
        # An address may have been cut in two, and the half of it is not recognised.
        masked = masked[:-_ADDRESS_MAX]
    return masked[:REPLY_CHARACTERS_MAX]


class LineFormatter(logging.Formatter):
    """Writes the fields of an event as logfmt or JSON, one line each, time in UTC first."""

    def __init__(self, form: str = "logfmt") -> None:
        super().__init__()
        self._json = form == "json"

    def format(self, record: logging.LogRecord) -> str:
        """One line without line breaks; a record of another logger gives its level and name only."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        fields: dict[str, object] = getattr(record, "fields", None) or {"id": "-", "event": record.name}
        line = {"time": moment, "level": record.levelname.lower(), **fields}
        if self._json:
            return json.dumps(line, ensure_ascii=True, default=str)
        return " ".join(f"{key}={_logfmt(value)}" for key, value in line.items())


def _logfmt(value: object) -> str:
    text = str(value)
    return text if _PLAIN_VALUE.fullmatch(text) else json.dumps(text, ensure_ascii=True)


def set_up(level: str = "info", form: str = "logfmt", stream: TextIO | None = None) -> None:
    """Send the log to `stream` (default stderr). Every other library is kept quiet: aiosmtpd's own logger writes
    addresses at INFO and content at DEBUG.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter(form))
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(level.upper())
    LOGGER.propagate = False
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    quiet = logging.getLogger("mail")
    quiet.handlers[:] = [logging.NullHandler()]
    quiet.propagate = False
    quiet.disabled = True
    logging.getLogger("mail.log").disabled = True
