"""Several workers on the same ports (`workers`), and the process that keeps them running.

The supervisor takes the lock of `state_dir`, binds the sockets, and forks the workers, the first one alone: it brings
the databases up to date and sees in what state they are. A worker that dies is forked anew, at the same sockets, so
that clients who wait to be let in find its successor; one that dies again and again rests in between, its sockets
closed, so that clients go to the others. Signals are handed on. When the supervisor dies, the system kills the workers.

It has one thread and no event loop: only such a process may fork. It waits for signals and for what workers report.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from smtpguard import maillog
from smtpguard.config.places import Endpoint, PassedSocket
from smtpguard.exits import UNAVAILABLE
from smtpguard.keeper import Charge
from smtpguard.listener.sockets import bound, bound_like
from smtpguard.process import end_with
from smtpguard.state import lock_state
from smtpguard.systemd import SIGNS_IN_TIME, ServiceManager
from smtpguard.workplace import ALIVE, READY, RELOADED, Shared, Workplace

# A worker that has served for so long is sound: its end begins a new count.
SOUND_SECONDS = 60.0
# The first time it is forked anew at once; then it rests, twice as long each time, up to this.
REST_SECONDS = 1.0
REST_SECONDS_MAX = 60.0
# So many times in a row, while nobody else serves: the supervisor ends, and whoever started it sees that.
DEATHS_MAX = 4
# A worker that reads its settings for longer does so while the next one begins.
RELOAD_SECONDS = 30.0
_READ_OCTETS = 4096

Work = Callable[[Workplace, Charge], None]
Tell = Callable[[tuple[int, ...], str | None, str | None], None]


@dataclass(slots=True)
class _Worker:
    """One worker, now or to be. `reports` is what it says is read from; `since`, `heard` (its last sign of life)
    and `rests_until` by the monotonic clock."""

    number: int
    pid: int = 0
    reports: int = -1
    unread: bytes = b""
    since: float = 0.0
    heard: float = 0.0
    is_ready: bool = False
    deaths: int = 0
    rests_until: float | None = None
    hangs_up: bool = False


class Supervisor:
    """Runs `charge` in `workers` processes. Each does `work`, in a process of its own; `tell` gets the ports, and where
    the page and the metrics are, once all of them serve; `manager` hears of all this, and passes sockets."""

    def __init__(self, charge: Charge, work: Work, tell: Tell, manager: ServiceManager | None = None) -> None:
        self._charge = charge
        self._manager = manager or ServiceManager()
        self._life_due = 0.0
        self._work = work
        self._tell = tell
        count = charge.settings.workers
        self._shared = Shared(count)
        self._workers = [_Worker(number) for number in range(count)]
        self._sockets = [self._opened(each.listen, count) for each in charge.settings.listeners]
        self._ports: tuple[int, ...] = ()
        self._page: str | None = None
        self._metrics: str | None = None
        self._told = False
        self._stopping = False
        self._ended_with = 0
        self._reloading: list[_Worker] = []
        self._reloading_until = 0.0
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def _opened(self, listen: Endpoint | PassedSocket, count: int) -> tuple[tuple[socket.socket, ...], ...]:
        """For each worker; a socket of systemd's is the same for all, and whoever is free takes the next client."""
        if isinstance(listen, PassedSocket):
            return ((self._manager.take(listen.name),),) * count
        return bound(listen.host, listen.port, count)

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit code. Raises StateFolderError, and OSError as the system does."""
        if self._charge.can_hold:
            # Inherited by the workers: no other guard begins before the last of them has ended.
            lock_state(self._charge.settings.state_dir)
        signal.set_wakeup_fd(self._wake_write)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, _noted)
        self._fork(self._workers[0])
        while any(each.pid or each.rests_until is not None for each in self._workers):
            self._look(self._wait())
        return self._ended_with

    # ------------------------------------------------------------ what happens

    def _wait(self) -> list[int]:
        """The descriptors that have something to read, at the latest when something is to be done by the clock."""
        due = [each.rests_until for each in self._workers if each.rests_until is not None]
        if self._reloading:
            due.append(self._reloading_until)
        if self._manager.watchdog_seconds is not None:
            due.append(self._life_due)
        watched = select.poll()
        watched.register(self._wake_read, select.POLLIN)
        for each in self._workers:
            if each.reports >= 0:
                watched.register(each.reports, select.POLLIN)
        patience = None if not due else max(0.0, min(due) - time.monotonic()) * 1000 + 1
        return [number for number, _ in watched.poll(patience)]

    def _look(self, readable: list[int]) -> None:
        signals = _read(self._wake_read) if self._wake_read in readable else b""
        if signal.SIGTERM in signals or signal.SIGINT in signals:
            self._stop(0)
        for each in self._workers:
            if each.reports in readable:
                self._listen_to(each)
        self._reap()
        if signal.SIGHUP in signals:
            self._reload()
        now = time.monotonic()
        if self._reloading and now >= self._reloading_until:
            self._reload_next()
        for each in self._workers:
            if each.rests_until is not None and now >= each.rests_until:
                self._fork_again(each)
        self._show_life(now)

    def _show_life(self, now: float) -> None:
        """This process gets on, and so do its workers: one that is silent for the watchdog's time is ended."""
        seconds = self._manager.watchdog_seconds
        if seconds is None or now < self._life_due:
            return
        for each in self._workers:
            if each.is_ready and now - each.heard > seconds:
                maillog.warning("a worker stands still and is ended", worker=each.number)
                os.kill(each.pid, signal.SIGKILL)
        self._life_due = now + seconds / SIGNS_IN_TIME
        self._manager.tell("WATCHDOG=1", f"STATUS={self._status}")

    @property
    def _status(self) -> str:
        ready = sum(each.is_ready for each in self._workers)
        return f"{'ending' if self._stopping else 'taking mail'}: {ready} of {len(self._workers)} workers"

    def _listen_to(self, worker: _Worker) -> None:
        octets = _read(worker.reports)
        if not octets:  # it has closed its end: it has died, or is about to
            os.close(worker.reports)
            worker.reports = -1
        *lines, worker.unread = (worker.unread + octets).split(b"\n")
        for line in lines:
            word, _, text = line.decode().partition(" ")
            if word == READY:
                self._is_ready(worker, text)
            elif word == ALIVE:
                worker.heard = time.monotonic()
            elif word == RELOADED and self._reloading[:1] == [worker]:
                self._reload_next()

    def _is_ready(self, worker: _Worker, text: str) -> None:
        worker.is_ready, worker.since = True, time.monotonic()
        worker.heard = worker.since
        ports, page, metrics = text.split("|")
        self._ports = tuple(map(int, ports.split()))
        self._page, self._metrics = page or self._page, metrics or self._metrics
        if worker.hangs_up:
            self._hang_up(worker)
        for each in self._workers:
            if not each.pid and each.rests_until is None and not self._stopping:
                self._fork(each)
        if not self._told and all(each.is_ready for each in self._workers):
            self._told = True
            self._tell(self._ports, self._page, self._metrics)
            self._manager.tell("READY=1", f"STATUS={self._status}")

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            # As the first process of a container, others' orphans are ours as well.
            for each in self._workers:
                if each.pid == pid:
                    self._has_died(each, os.waitstatus_to_exitcode(status))

    def _has_died(self, worker: _Worker, code: int) -> None:
        served = worker.is_ready and time.monotonic() - worker.since >= SOUND_SECONDS
        worker.pid, worker.is_ready, worker.hangs_up = 0, False, False
        if worker.reports >= 0:
            os.close(worker.reports)
            worker.reports = -1
        worker.unread = b""
        self._shared.headcount.clear(worker.number)
        if worker in self._reloading:
            # Whoever takes its place reads everything anew.
            was_first = self._reloading[0] is worker
            self._reloading = [each for each in self._reloading if each is not worker]
            if was_first:
                self._begin_reload()
        if self._stopping:
            # By our SIGTERM before it could say how it wants to be ended.
            self._ended_with = self._ended_with or (0 if code in (0, -signal.SIGTERM) else _exit_code(code))
            return
        maillog.warning("a worker has ended", worker=worker.number, code=code)
        worker.deaths = 1 if served else worker.deaths + 1
        alone = not any(each.is_ready for each in self._workers)
        if not self._told or (alone and worker.deaths >= DEATHS_MAX):
            self._stop(_exit_code(code))
            return
        rest = 0.0 if worker.deaths == 1 else min(REST_SECONDS * 2 ** (worker.deaths - 2), REST_SECONDS_MAX)
        if rest:
            self._turn_clients_to_others(worker)
        worker.rests_until = time.monotonic() + rest

    def _turn_clients_to_others(self, worker: _Worker) -> None:
        """Its sockets are closed, for nobody would come to the clients in them, and bound anew."""
        for number, door in enumerate(self._sockets):
            if isinstance(self._charge.settings.listeners[number].listen, PassedSocket):
                continue  # the others take them from the same one
            try:
                new = bound_like(door[worker.number])
            except OSError as error:
                maillog.warning("clients may wait for a worker that rests", worker=worker.number, why=error.strerror)
                continue
            for each in door[worker.number]:
                each.close()
            self._sockets[number] = (*door[: worker.number], new, *door[worker.number + 1 :])

    def _stop(self, code: int) -> None:
        """Let everybody in no more, and have all workers end; each has `timeouts.shutdown` for that."""
        self._stopping = True
        self._manager.tell("STOPPING=1", f"STATUS={self._status}")
        self._ended_with = self._ended_with or code
        for door in self._sockets:
            for sockets in door:
                for each in sockets:
                    each.close()
        self._sockets = []
        self._reloading = []
        for worker in self._workers:
            worker.rests_until = None
            if worker.pid:
                os.kill(worker.pid, signal.SIGTERM)

    # ------------------------------------------------------------ SIGHUP

    def _reload(self) -> None:
        """One after the other, so that some serve at full speed meanwhile."""
        if self._stopping:
            return
        begins = not self._reloading
        for each in self._workers:
            if not each.is_ready:
                each.hangs_up = True
            elif each not in self._reloading[1:]:  # the first of them is at it, and begins anew afterwards
                self._reloading.append(each)
        if begins and self._reloading:
            if self._told:
                self._manager.tell_reloading()
            self._begin_reload()

    def _reload_next(self) -> None:
        del self._reloading[:1]
        self._begin_reload()

    def _begin_reload(self) -> None:
        if self._reloading:
            self._reloading_until = time.monotonic() + RELOAD_SECONDS
            self._hang_up(self._reloading[0])
        elif self._told:
            self._manager.tell("READY=1", f"STATUS={self._status}")

    def _hang_up(self, worker: _Worker) -> None:
        worker.hangs_up = False
        os.kill(worker.pid, signal.SIGHUP)

    # ------------------------------------------------------------ a new worker

    def _fork_again(self, worker: _Worker) -> None:
        try:
            self._fork(worker)
        except OSError as error:  # too many processes, or no memory
            maillog.warning("no process can be forked", worker=worker.number, why=error.strerror)
            worker.rests_until = time.monotonic() + REST_SECONDS_MAX

    def _fork(self, worker: _Worker) -> None:
        """Begin `worker`. In the new process this never returns. Raises OSError."""
        assert threading.active_count() == 1  # noqa: S101 - another thread's locks would stay locked for ever
        sys.stdout.flush()
        sys.stderr.flush()
        read, write = os.pipe2(os.O_CLOEXEC)
        again, parent = worker.deaths > 0, os.getpid()
        # Whatever is signalled in between waits until the new process has its own handlers.
        signals = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                self._become(worker, write, parent, again, signals)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, signals)
            os.close(write)
        worker.pid, worker.reports, worker.rests_until = pid, read, None

    def _become(
        self, worker: _Worker, reports: int, parent: int, again: bool, signals: set[signal.Signals | int]
    ) -> None:
        code = UNAVAILABLE
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it is asked for; the settings are read after this
            signal.pthread_sigmask(signal.SIG_SETMASK, signals)
            end_with(parent)
            workplace = Workplace(worker.number, self._shared, self._keep_own(worker.number), reports)
            self._work(workplace, self._charge.again() if again else self._charge)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else UNAVAILABLE
        except BaseException as error:  # what was in hand shall not be quoted (process.tell_faults)
            sys.excepthook(type(error), error, error.__traceback__)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _keep_own(self, own: int) -> tuple[tuple[socket.socket, ...], ...]:
        """The sockets of the worker that this process is now; what else the supervisor had open is closed."""
        kept = tuple(door[own] for door in self._sockets)
        mine = {each for sockets in kept for each in sockets}
        for each in [each for door in self._sockets for sockets in door for each in sockets]:
            if each not in mine:
                each.close()
        for number in (self._wake_read, self._wake_write, *(each.reports for each in self._workers)):
            if number >= 0:
                os.close(number)
        return kept


def _noted(number: int, frame: FrameType | None) -> None:
    """The signal's number has been written to the pipe that the supervisor reads."""


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _READ_OCTETS)
    except BlockingIOError:
        return b""


def _exit_code(code: int) -> int:
    """That of the guard, if a worker ended with `code`: killed is no code, and 0 is not what it should have ended
    with."""
    return code if code > 0 else UNAVAILABLE
