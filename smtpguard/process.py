"""What the operating system gives this process, and what it may do with it.

Passwords, tokens and plain mail pass through this process. It leaves no core file behind, no other process of the same
user may attach to it or read its memory, and no traceback quotes what it had in hand (THREAT-MODEL T-06). Each session
needs file descriptors.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# prctl(2), from linux/prctl.h.
_PR_SET_DUMPABLE = 4
_PR_SET_PDEATHSIG = 1
# mallopt(3), from glibc's malloc.h.
_M_ARENA_MAX = -8
# The client, the mail server behind it, and the temporary file of a large mail.
DESCRIPTORS_PER_SESSION = 3
# Shorter turns cost more in changing over; measured with one mail of 10 MB after the other, 0.1 ms gained nothing more.
TURN_SECONDS = 0.0005
# Reading thousands of lists makes a tenth as many objects. If a disk does not answer meanwhile, this is still some day.
RARER_LOOKS = 100
# Listeners, store, keys, log and what the interpreter has open; notices and releases on their way. Some dozens in use.
DESCRIPTORS_BESIDE = 200


def harden() -> None:
    """Switch off core dumps and debugging of this process. Raises OSError if the system refuses."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)


def end_with(parent: int) -> None:
    """Have the system kill this process when the one that forked it, `parent`, ends, however that comes; prctl(2).

    Raises OSError, also if it has ended already.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise ProcessLookupError(errno.ESRCH, "the process that has begun this one is gone")


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def use_one_heap() -> None:
    """Let all threads take memory from one heap, where the C library has one for each (glibc; mallopt(3)).

    What a thread has freed stays in its own heap, where the next thread does not find it: while fifty mails of 10 MB
    came at once, three such heaps held 99 MB. There is nothing to win by them, as threads take turns. To be called
    before there are any.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 1)


def tell_faults(tell: Callable[[str, BaseException], None]) -> None:
    """Give `tell` what nobody catches, in whatever thread or finalizer, in place of Python's traceback: that ends with
    the words of the exception, and those may quote a mail (THREAT-MODEL T-06).
    """

    def uncaught(kind: type[BaseException], error: BaseException, places: object) -> None:
        if not isinstance(error, KeyboardInterrupt):
            tell("ended by an exception", error)

    def in_thread(said: threading.ExceptHookArgs) -> None:
        if said.exc_value is not None and said.exc_type is not SystemExit:
            tell("a thread was ended by an exception", said.exc_value)

    def unraisable(said: sys.UnraisableHookArgs) -> None:
        if said.exc_value is not None:
            tell("an exception where none can be raised", said.exc_value)

    sys.excepthook = uncaught
    threading.excepthook = in_thread
    sys.unraisablehook = unraisable


def keep_what_is_loaded() -> None:
    """Never look again, when Python clears up, through what was loaded until now: the program itself and its settings.

    Such a look takes all turns for itself, 50 ms of them with a thousand lists.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def clearing_up_later() -> Iterator[None]:
    """Let Python look through all that is there (gc, the oldest generation) hardly ever, for a time.

    Whoever makes many objects in place of many others has old and new looked through together. The look takes all turns
    for itself: with a thousand lists 40 ms, and 10 ms later, when the old ones are gone.
    """
    youngest, middle, oldest = gc.get_threshold()
    gc.set_threshold(youngest, middle, oldest * RARER_LOOKS)
    try:
        yield
    finally:
        gc.set_threshold(youngest, middle, oldest)


def take_short_turns() -> None:
    """Let no thread that reads or seals a large mail keep the interpreter from the sessions for 5 ms, Python's default.

    A session waits for its turn several times in each mail.
    """
    sys.setswitchinterval(TURN_SECONDS)


def descriptors_for(connections: int) -> int:
    """How many file descriptors the guard may need with so many sessions."""
    return connections * DESCRIPTORS_PER_SESSION + DESCRIPTORS_BESIDE


def allow_descriptors(wanted: int) -> int:
    """Raise this process's own limit of open files to `wanted`, as far as it may; gives the limit in force.

    systemd and most shells give 1,024 and allow far more (RLIMIT_NOFILE, setrlimit(2)). Never lowers it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= wanted:
        return wanted if soft == unlimited else soft
    reachable = wanted if hard == unlimited else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
    return reachable
