"""What systemd hands this process: sockets (sd_listen_fds(3)). And what it wants to hear: the state of the service, and
signs of life (sd_notify(3), sd_watchdog_enabled(3)). Without systemd all of it does nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, MutableMapping

from smtpguard import maillog
from smtpguard.config.settings import SettingsError

# SD_LISTEN_FDS_START: the first of the sockets; the others follow without a gap.
FIRST_PASSED = 3
# systemd names each socket unit once; who passes more has made a mistake, and each number is looked at.
PASSED_MAX = 100
# PID 1 reads within microseconds. If it does not, sessions must not wait for it.
TELL_SECONDS = 0.1
# sd_watchdog_enabled(3): ask for a sign of life to be sent twice in the time.
SIGNS_IN_TIME = 2

_IN_THE_NETWORK = (socket.AF_INET, socket.AF_INET6)
# sd_listen_fds_with_names(3): what sockets are called where nobody has named them.
_UNNAMED = "unknown"


class ServiceManager:
    """systemd as this process sees it. Without arguments: there is none."""

    def __init__(
        self,
        passed: tuple[tuple[str, int], ...] = (),
        *,
        notify_socket: str | None = None,
        watchdog_seconds: float | None = None,
    ) -> None:
        self._passed = passed
        self._taken: set[str] = set()
        self._notify_socket = notify_socket
        self._watchdog_seconds = watchdog_seconds
        self._is_heard = True

    @property
    def watchdog_seconds(self) -> float | None:
        """Within which time a sign of life is wanted; None if nobody waits for one."""
        return self._watchdog_seconds

    @property
    def of_worker(self) -> ServiceManager:
        """For a process that was forked: the same sockets, but it is the supervisor that systemd listens to."""
        mine = ServiceManager(self._passed, watchdog_seconds=self._watchdog_seconds)
        mine._taken = self._taken.copy()
        return mine

    @classmethod
    def of(cls, environment: MutableMapping[str, str], process: int) -> ServiceManager:
        """What `environment` says to the process with this number, and to nobody else: it is taken out of there.

        Raises SettingsError if it cannot be understood.
        """
        said = {name: environment.pop(name, "") for name in _NAMES}
        passed: tuple[tuple[str, int], ...] = ()
        if said["LISTEN_PID"] == str(process):
            passed = _passed(said["LISTEN_FDS"], said["LISTEN_FDNAMES"])
        seconds = None
        if said["WATCHDOG_USEC"].isdecimal() and said["WATCHDOG_PID"] in ("", str(process)):
            seconds = int(said["WATCHDOG_USEC"]) / 1e6 or None
        return cls(passed, notify_socket=said["NOTIFY_SOCKET"] or None, watchdog_seconds=seconds)

    def take(self, name: str, *, of_files: bool = False) -> socket.socket:
        """The listening socket of this name; `of_files` allows one of the file system, too.

        Raises SettingsError if there is none, more than one, or one that nobody can connect to.
        """
        found = [number for each, number in self._passed if each == name]
        if len(found) != 1:
            raise SettingsError(f'"fd:{name}": {self._why_not(name, len(found))}')
        self._taken.add(name)
        try:
            taken = socket.socket(fileno=found[0])
        except OSError as error:
            raise SettingsError(f'"fd:{name}": what systemd passes is no socket ({error.strerror})') from error
        families = (*_IN_THE_NETWORK, socket.AF_UNIX) if of_files else _IN_THE_NETWORK
        listens = taken.type == socket.SOCK_STREAM and taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if taken.family not in families or not listens:
            taken.close()
            what = "ListenStream= with a port" + (" or a path" if of_files else "") + ", and Accept=no"
            raise SettingsError(f'"fd:{name}": nobody can connect to this socket. Its socket unit needs {what}')
        return taken

    def _why_not(self, name: str, count: int) -> str:
        if count:
            return f"systemd passes {count} sockets of this name. Write one ListenStream= in each socket unit"
        others = ", ".join(sorted({each for each, _ in self._passed})) or "none"
        unit = f"is its socket unit started, with FileDescriptorName={name} and Service= naming this service?"
        return f"systemd passes no socket of this name (passed: {others}); {unit}"

    @property
    def left(self) -> list[str]:
        """Names of sockets that nobody took: who connects there waits for ever."""
        return sorted({each for each, _ in self._passed} - self._taken)

    def tell(self, *lines: str) -> None:
        """Send `lines` like "READY=1" to systemd. Never raises; what cannot be sent is logged once."""
        address = self._notify_socket
        if address is None:
            return
        if address.startswith("@"):
            address = "\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
                way.settimeout(TELL_SECONDS)
                way.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            if self._is_heard:
                maillog.warning("systemd cannot be told how the service is", why=error.strerror or str(error))
            self._is_heard = False
        else:
            self._is_heard = True

    def tell_reloading(self) -> None:
        """Settings are being read again; READY=1 is to follow. The time tells systemd which signal it was."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.tell("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=reading settings and certificates again")

    async def show_life(self, say: Callable[[], None]) -> None:
        """`say` from the event loop, twice in the watchdog's time, for as long as this runs, that the loop turns.

        It proves that callbacks get their turn: sessions are served. It says nothing of the store and the mail server,
        which have timeouts of their own, nor of a thread that is busy. Ends at once if no watchdog was asked for.
        """
        if self._watchdog_seconds is None:
            return
        while True:
            say()
            await asyncio.sleep(self._watchdog_seconds / SIGNS_IN_TIME)


_NAMES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


def _passed(count: str, names: str) -> tuple[tuple[str, int], ...]:
    """Name and number of each socket; those that are open are closed to programs that we might start."""
    if not count.isdecimal() or int(count) > PASSED_MAX:
        raise SettingsError(
            f"LISTEN_FDS is no number from 0 to {PASSED_MAX}: systemd, or what stands in for it, is wrong"
        )
    numbers = range(FIRST_PASSED, FIRST_PASSED + int(count))
    called = names.split(":") if names else [_UNNAMED] * len(numbers)
    if len(called) != len(numbers):
        raise SettingsError(f"LISTEN_FDNAMES has {len(called)} names for {count} sockets")
    for each in numbers:
        try:
            os.set_inheritable(each, False)
        except OSError as error:
            raise SettingsError(f"LISTEN_FDS says {count}, but number {each} is not open") from error
    return tuple(zip(called, numbers, strict=True))
