"""The log of the guard in this process, caught, and put back as it was afterwards."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from smtpguard import maillog

_NAMES = ("", "smtpguard", "asyncio", "mail", "mail.log", "mail.debug", "mail.anything")


@contextmanager
def restored_loggers() -> Iterator[None]:
    """Whatever is done to the loggers inside is undone."""
    loggers = [logging.getLogger(each) for each in _NAMES]
    before = [(each.handlers[:], each.level, each.propagate, each.disabled) for each in loggers]
    try:
        yield
    finally:
        for logger, (handlers, level, propagate, disabled) in zip(loggers, before, strict=True):
            logger.handlers[:] = handlers
            logger.setLevel(level)
            logger.propagate, logger.disabled = propagate, disabled


@contextmanager
def caught(level: str = "debug", form: str = "logfmt") -> Iterator[io.StringIO]:
    """Everything that the guard logs at `level`, and whatever any other library says at all."""
    stream = io.StringIO()
    with restored_loggers():
        maillog.set_up(level, form, stream)
        root = logging.getLogger()
        root.addHandler(logging.StreamHandler(stream))
        root.setLevel(logging.DEBUG)
        yield stream
