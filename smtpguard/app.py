"""Puts the parts together, starts them and ends them in good order. The only place that names concrete classes."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Protocol

from smtpguard import __version__, maillog
from smtpguard.certificates import Certificates
from smtpguard.config.in_force import Standing
from smtpguard.config.listeners import SubmissionListener
from smtpguard.config.places import PassedSocket
from smtpguard.config.settings import Settings
from smtpguard.databases import Databases
from smtpguard.doors import bounded, doors, own_name, target
from smtpguard.guard import Guard, Statutes
from smtpguard.housekeeping import SWEEP_SECONDS
from smtpguard.keeper import Charge, Keeper, site_of
from smtpguard.learning import Learning
from smtpguard.listener.options import ListenerOptions
from smtpguard.listener.server import Server, keep_tracebacks_out
from smtpguard.metrics.meters import Meters, measured
from smtpguard.metrics.readings import Reading
from smtpguard.metrics.vitals import Keeping, Vitals, of_certificates, of_settings
from smtpguard.notices import layouts
from smtpguard.notices.languages import Texts
from smtpguard.process import allow_descriptors, descriptors_for
from smtpguard.reload import Record, Reload
from smtpguard.state import LOCK, lock_state
from smtpguard.store.claimant import ALONE
from smtpguard.systemd import ServiceManager
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.relay_probe import relays_without_login
from smtpguard.workplace import Workplace

# What an answer causes at the very end (the result mail) still gets so long, when sessions have used up
# `timeouts.shutdown`.
LETTERS_SECONDS = 2.0
# A sweep that is under way at the end finishes what it is at: an expiry, and what belongs to it.
SWEEP_END_SECONDS = 2.0


class Page(Protocol):
    """The page's door (web/door)."""

    @property
    def address(self) -> str: ...
    async def start(self) -> None: ...
    async def stop(self, seconds: float) -> None: ...


class Watcher(Protocol):
    """What counts, and the port where it is asked (metrics/monitoring)."""

    @property
    def address(self) -> str | None: ...
    async def start(self, vitals: Vitals, settings: Callable[[], Reading]) -> None: ...
    async def stop(self) -> None: ...


class Application:
    """One running guard, or one worker of it, at its `workplace`."""

    def __init__(
        self,
        charge: Charge,
        *,
        sweep_seconds: float = SWEEP_SECONDS,
        workplace: Workplace | None = None,
        manager: ServiceManager | None = None,
    ) -> None:
        self._workplace = workplace
        self._leads = workplace is None or workplace.leads
        self._charge = charge
        self._manager = manager or ServiceManager()
        self._is_stopping = False
        self._settings = charge.settings
        self._texts = charge.texts
        self._sweep_seconds = sweep_seconds
        self._keeper: Keeper | None = None
        self._server: Server | None = None
        self._sweeps: asyncio.Task[None] | None = None
        self._lock: int | None = None
        self._databases: Databases | None = None
        self._page: Page | None = None
        self._monitoring: Watcher | None = None
        self._certificates = Certificates()
        self._reloading = asyncio.Lock()
        self._statutes = Statutes(charge.policy, charge.directory)
        self._reload: Reload | None = None
        self.ports: tuple[int, ...] = ()

    async def start(self) -> None:
        """Open the store, look at the upstream, and take connections.

        Raises SettingsError, also for a socket that systemd does not pass, StateFolderError, StoreError,
        KeyFolderError, or OSError for an address that cannot be listened at.
        """
        settings, keeping = self._settings, None
        meters = self._begin_to_count()
        guard, learning = Guard(lambda: self._statutes), Learning(lambda: self._statutes.policy)
        if self._charge.can_hold:
            at = self._workplace
            if at is None:
                self._lock = lock_state(settings.state_dir)
            self._databases = await Databases.open(settings, lambda: datetime.now(UTC), with_keys=True)
            claimant = ALONE if at is None else at.claimant
            store = await self._databases.holds(beside=(settings.state_dir / LOCK,), claimant=claimant)
            memory = await self._databases.memory(shared=at is not None)
            if meters is not None:
                store, memory = measured(store, meters.stores["holds"]), measured(memory, meters.stores["memory"])
            self._keeper = keeper = Keeper(
                self._charge,
                store,
                memory,
                self._certificates,
                lambda: self._statutes.policy,
                self._sweep_seconds,
                self._databases.key_share,
                None if meters is None else meters.outbox,
                at,
            )
            await keeper.housekeeping.start()
            self._sweeps = asyncio.create_task(keeper.housekeeping.run())
            guard, learning = keeper.guard(lambda: self._statutes), keeper.learning
            keeping = Keeping(store, self._sweeps, keeper.housekeeping.swept_at)
        if self._charge.can_hold or settings.web is not None:
            await asyncio.to_thread(_prepare, self._texts, settings.languages)
        keep_tracebacks_out(asyncio.get_running_loop())
        opened = doors(settings, self._certificates, None if meters is None else meters.members)
        shutdown = settings.timeouts.shutdown.total_seconds()
        self._server = Server(guard, opened, shutdown=shutdown, copies=learning, **self._open_doors(opened))
        await self._server.start()
        self.ports = tuple(self._server.ports)
        # The store and the sweep are looked at once for all.
        vitals = Vitals(self._server, keeping if self._leads else None)
        await self._open_page(None if settings.metrics is not None else vitals.unready)
        if self._monitoring is not None:
            await self._monitoring.start(vitals, self._in_force)
        for each in self._manager.left if self._leads else ():
            maillog.warning("systemd passes a socket that no listener takes: nobody is answered there", socket=each)
        _warn_of_open_doors(settings)
        maillog.started(" ".join(_spoken_endpoints(settings, self.ports, self.page, self.metrics)), __version__)
        if self._charge.in_force is not None and self._charge.standing is not None:
            record = None
            if self._keeper is not None and self._leads:
                pid = os.getpid() if self._workplace is None else os.getppid()
                record = Record(settings.state_dir, self._keeper.letters, self._keeper.waiting, self.metrics, pid)
            self._reload = Reload(self._charge.in_force, self._charge.standing, self._take, record)
            await self._reload.start()
            if self._workplace is not None:
                # The supervisor has read the files, a moment ago, or long ago.
                await self._reload.now(is_asked_for=False)

    def _open_doors(self, doors: Sequence[ListenerOptions]) -> dict[str, Any]:
        """Sockets that are open before the server is: by systemd, or by the supervisor for all workers."""
        at = self._workplace
        if at is not None:
            return {"sockets": at.sockets, "headcount": at.headcount}
        return {"passed": {each.passed: self._manager.take(each.passed) for each in doors if each.passed is not None}}

    def _begin_to_count(self) -> Meters | None:
        if self._settings.metrics is None:
            return None
        from smtpguard.metrics.monitoring import Monitoring  # noqa: PLC0415 - 2 MB that others do without

        at, workers = self._workplace, None
        if at is not None:
            from smtpguard.metrics.worker_readings import WorkerReadings  # noqa: PLC0415

            workers = WorkerReadings(at.shared.readings, at.number)
        self._monitoring = Monitoring(self._settings.metrics, self._take_socket, workers, leads=self._leads)
        return self._monitoring.meters

    def _in_force(self) -> Reading:
        """What counts of the settings, and of the certificates."""
        reload = self._reload
        files = {} if reload is None else of_settings(reload.files, len(reload.standing.needs_restart))
        return {**files, **of_certificates(self._certificates.doors_end)}

    async def _open_page(self, unready: Callable[[], Awaitable[Sequence[str]]] | None) -> None:
        if self._settings.web is None or not self._leads:
            return
        from smtpguard.web.opening import page_door  # noqa: PLC0415 - a web server of 5 MB that others do without

        self._page = page_door(
            lambda: self._settings,
            lambda: self._statutes.policy,
            lambda: site_of(self._settings, self._texts),
            None if self._keeper is None else self._keeper.deciding,
            self._take_socket,
            unready,
        )
        if self._page is not None:
            await self._page.start()

    def _take_socket(self, name: str) -> socket.socket:
        return self._manager.take(name, of_files=True)

    @property
    def status(self) -> str:
        """One line for `systemctl status`: figures alone, no name of anything."""
        sessions = 0 if self._server is None else self._server.sessions
        if self._is_stopping:
            return f"ending: {sessions} sessions under way"
        kept = 0 if self._reload is None else len(self._reload.standing.kept)
        broken = f"; {kept} settings files cannot be used, see the log" if kept else ""
        return f"taking mail at {len(self.ports)} listeners: {sessions} sessions{broken}"

    @property
    def page(self) -> str | None:
        """Where the page is served, "127.0.0.1:8025" or the path of a socket; None without one."""
        return None if self._page is None else self._page.address

    @property
    def metrics(self) -> str | None:
        """Where monitoring asks; None if there is no port for it."""
        return None if self._monitoring is None else self._monitoring.address

    def _take(self, standing: Standing) -> None:
        """From the next submission on `standing` counts, and from the next session on its limits and times; one that
        has them already keeps them."""
        former, self._settings = self._settings, standing.settings
        self._texts = standing.texts
        self._statutes = Statutes(standing.policy, standing.directory)
        maillog.set_up(standing.settings.log.level, standing.settings.log.format)
        if self._server is not None:
            shutdown = standing.settings.timeouts.shutdown.total_seconds()
            self._server.change([bounded(each, standing.settings) for each in self._server.doors], shutdown=shutdown)
        if self._keeper is not None:
            self._keeper.take(standing.settings, standing.texts)
        if standing.settings.limits.connections > former.limits.connections:
            allow_connections(standing.settings.limits.connections)

    async def probe(self) -> None:
        """Try whether the upstream relays for this machine without a login, and warn: then anybody who reaches us can
        send.
        """
        settings = self._settings
        await self._try_outbox()
        if not self._leads:
            return
        if settings.upstream is None or not any(isinstance(each, SubmissionListener) for each in settings.listeners):
            return  # a front is asked for logins, and nobody else reaches its re-entry port by us
        upstream = target(settings.upstream, settings.timeouts, self._certificates)
        relays = await relays_without_login(upstream, own_name(settings))
        if relays:
            maillog.warning(
                "OPEN RELAY: the mail server relays for this machine without a login",
                remedy="take this machine out of mynetworks (Postfix), or keep auth: required on every listener",
            )
        elif relays is None:
            maillog.warning("the mail server could not be tried; mail is put off until it answers")

    async def _try_outbox(self) -> None:
        """What the outbox offers decides what members are offered (RFC 8689), so it is asked at start if it has TLS."""
        said = self._settings.outbox
        if self._keeper is None or said is None or said.tls == "none":
            return
        try:
            await self._keeper.correspondence.try_outbox()
        except UpstreamError as error:
            maillog.warning("the outbox could not be tried; no mail can be held until it answers", why=str(error))

    async def reload(self) -> None:
        """Read certificates, keys and authorities again, for all handshakes from now on, and the settings, for all
        submissions from now on; what cannot be used is logged, and the former one stays in force. Sessions go on. Never
        raises for what is in a file.
        """
        async with self._reloading:
            # In a thread: a file may lie on a disk that does not answer.
            reread = await asyncio.to_thread(self._certificates.reread, self._settings, datetime.now(UTC))
        for each in reread.kept:
            maillog.certificate_kept(each)
        for each in reread.doubtful:
            maillog.warning(each)
        if self._reload is not None:
            await self._reload.now()
        maillog.reloaded(reread.renewed)

    async def stop(self) -> None:
        """Take nothing new, let open transactions finish within timeouts.shutdown, close everything."""
        self._is_stopping = True
        seconds = self._settings.timeouts.shutdown.total_seconds()
        loop = asyncio.get_running_loop()
        latest = loop.time() + seconds
        if self._reload is not None:
            await self._reload.stop()
        await asyncio.gather(
            *([self._server.stop()] if self._server is not None else []),
            *([self._page.stop(seconds)] if self._page is not None else []),
        )
        if self._monitoring is not None:
            await self._monitoring.stop()
        if self._sweeps is not None and self._keeper is not None:
            self._keeper.housekeeping.end()
            await asyncio.wait([self._sweeps], timeout=max(latest - loop.time(), SWEEP_END_SECONDS))
            self._sweeps.cancel()
        if self._keeper is not None:
            await self._keeper.close(max(latest - loop.time(), min(LETTERS_SECONDS, seconds)))
        if self._databases is not None:
            await self._databases.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)
        maillog.stopped()


def load_for_workers(charge: Charge) -> None:
    """Load and compile what each worker would for itself: done before they are forked, it lies in memory once."""
    settings = charge.settings
    if settings.metrics is not None:
        import_module("smtpguard.metrics.monitoring")
        import_module("smtpguard.metrics.worker_readings")
    if charge.can_hold or settings.web is not None:
        _prepare(charge.texts, settings.languages)


def _prepare(texts: Texts, languages: Iterable[str]) -> None:
    """Compile what notices are made of: nobody's session shall wait for that when the first is written."""
    layouts.prepare()
    texts.prepare(languages)


def allow_connections(connections: int) -> None:
    """Let this process have the open files that so many clients need; warn if the system does not allow it."""
    wanted = descriptors_for(connections)
    allowed = allow_descriptors(wanted)
    if allowed < wanted:
        maillog.warning(
            "too few open files are allowed for limits.connections; clients will be kept waiting",
            connections=connections,
            wanted=wanted,
            allowed=allowed,
            remedy=f"LimitNOFILE={wanted} in the systemd unit, a higher hard limit (ulimit -Hn), or fewer connections",
        )


def _warn_of_open_doors(settings: Settings) -> None:
    for each in settings.listeners:
        if isinstance(each, SubmissionListener) and each.auth == "optional":
            maillog.warning(
                "auth: optional: mail without a login passes unjudged, the mail server alone decides",
                listener=str(each.listen),
            )


def _spoken_endpoints(settings: Settings, ports: tuple[int, ...], page: str | None, metrics: str | None) -> list[str]:
    spoken = []
    for each, port in zip(settings.listeners, ports, strict=True):
        place = each.listen if isinstance(each.listen, PassedSocket) else each.listen.host
        spoken.append(f"{each.kind}={place}:{port}")
    return [*spoken, *(f"{name}={at}" for name, at in (("web", page), ("metrics", metrics)) if at is not None)]
