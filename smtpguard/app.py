"""Puts the parts together, starts them and ends them in good order. The only place that names concrete classes."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from smtpguard import __version__, maillog
from smtpguard.accounts import Directory
from smtpguard.answering import Answering, AnswerLimits
from smtpguard.answers.token import TOKEN_OCTETS, Token
from smtpguard.certificates import Certificates
from smtpguard.claims import Claims
from smtpguard.config.in_force import InForce, Standing
from smtpguard.config.listeners import SubmissionListener
from smtpguard.config.settings import Settings
from smtpguard.corrections import Corrections
from smtpguard.correspondence import Correspondence
from smtpguard.counting import Counting
from smtpguard.deciding import Deciding
from smtpguard.doors import bounded, doors, longest_release, outbox, own_name, patience, target
from smtpguard.file_letters import FileLetters
from smtpguard.guard import Guard, Statutes
from smtpguard.holding import Holding, HoldTimes
from smtpguard.housekeeping import SWEEP_SECONDS, Housekeeping
from smtpguard.keys import KeyFolder
from smtpguard.learning import Learning
from smtpguard.listener.server import Server, keep_tracebacks_out
from smtpguard.notices.compose import Site
from smtpguard.origins import Origins
from smtpguard.past import Past
from smtpguard.policy import Policy
from smtpguard.process import allow_descriptors, descriptors_for
from smtpguard.recollection import Recollection
from smtpguard.reload import Record, Reload
from smtpguard.safe import Safe
from smtpguard.state import LOCK, lock_state
from smtpguard.store import StoreError
from smtpguard.store.memory import SQLiteMemory
from smtpguard.store.sqlite import SQLiteStore
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.relay_probe import relays_without_login

# What an answer causes at the very end (the result mail) still gets so long, when sessions have used up
# `timeouts.shutdown`.
LETTERS_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Charge:
    """What one guard is given to run: its settings, and what they say about lists and accounts.

    `in_force` reads them again when they change; None: they stay as they are.
    """

    settings: Settings
    policy: Policy
    directory: Directory
    in_force: InForce | None = None
    standing: Standing | None = None

    @property
    def can_hold(self) -> bool:
        """True if the settings name all that a hold needs; without it the guard is a pure relay."""
        return not self.settings.missing_to_hold()


class Keeper:
    """Everything that exists only where mail can be held: store, keys, outbox, and the flows over them."""

    def __init__(
        self,
        charge: Charge,
        store: SQLiteStore,
        memory: SQLiteMemory,
        certificates: Certificates,
        policy: Callable[[], Policy],
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self.settings = settings = charge.settings
        assert settings.address and settings.contact and settings.outbox  # noqa: S101, PT018 - Charge.can_hold
        self._store = store
        keys = KeyFolder(settings.key_folder)
        safe = Safe(keys, secrets.token_bytes)
        self._outbox = own_way = outbox(settings, certificates)
        self.correspondence = Correspondence(own_way, settings.address, lambda: secrets.token_hex(16))

        def site() -> Site:
            return _site(self.settings)

        first_contact = settings.contact
        self._claims = Claims(store, lambda: longest_release(self.settings.timeouts))
        self.corrections = Corrections(store, safe, self._claims, self.correspondence, site, self._remembers)
        self.past, self.learning = self._past(memory, policy)
        self.counting = Counting(memory, KeyFolder(settings.key_folder, "counted"), secrets.token_bytes)
        self.letters = FileLetters(self.correspondence, settings.state_dir, site)
        self.holding = Holding(
            store,
            safe,
            self.correspondence,
            site,
            lambda: Token(secrets.token_bytes(TOKEN_OCTETS)),
            checks_outbox=settings.outbox.release == "outbox",
            times=lambda: HoldTimes(self.settings.timeouts.hold.total_seconds()),
            corrections=self.corrections,
            counting=self.counting,
        )
        self.deciding = Deciding(
            store,
            safe,
            self._claims,
            own_way,
            self.correspondence,
            site,
            releases_by_session=settings.outbox.release == "session",
            expiry_pauses=lambda: self.housekeeping.pauses,
            past=self.past,
            counting=self.counting,
        )
        self.answering = Answering(
            self.deciding,
            store,
            own_way,
            self.correspondence,
            site,
            lambda: self.settings.contact or first_contact,
            limits=self._answer_limits,
        )
        self.housekeeping = Housekeeping(
            store,
            keys,
            safe,
            self.correspondence,
            site,
            settings.contact,
            longest_wait=settings.defaults.expires_max,
            sweep_seconds=sweep_seconds,
            beside=(self.corrections.refresh, self.past.sweep, self.counting.sweep),
        )

    def _answer_limits(self) -> AnswerLimits:
        limits = self.settings.limits
        return AnswerLimits(limits.help_answers_per_hold, limits.wrong_codes_per_minute)

    def _remembers(self) -> bool:
        return self.settings.remember != "none"

    def _past(self, memory: SQLiteMemory, policy: Callable[[], Policy]) -> tuple[Past, Learning]:
        """The two memories for the flow, and what taps teach one of them."""
        folder = self.settings.key_folder
        recollection = Recollection(
            memory,
            KeyFolder(folder, "memory"),
            KeyFolder(folder, "posted"),
            policy,
            remembers=self._remembers,
            posters_kept=lambda: self.settings.memory.posts,
        )
        origins = Origins(
            memory,
            KeyFolder(folder, "private"),
            KeyFolder(folder, "public"),
            policy,
            is_post=recollection.is_post,
            mails_kept=lambda: self.settings.memory.private,
            posts_kept=lambda: self.settings.memory.posts,
        )
        return Past(recollection, origins, policy), Learning(policy, origins)

    def guard(self, statutes: Callable[[], Statutes]) -> Guard:
        """The guard that judges by `statutes`."""
        return Guard(statutes, self.holding, self.answering, self.past, self.corrections, self.counting)

    def take(self, settings: Settings) -> None:
        """Speak in notices, and to whom, as `settings` say now; what is read at start only is in them as it was."""
        self.settings = settings
        self._outbox.wait(patience(settings.timeouts))
        self.housekeeping.expect_waits_of(settings.defaults.expires_max)

    async def waiting(self) -> int | None:
        """How many mails wait; None if the store does not answer."""
        try:
            return sum((await self._store.waiting_days()).values())
        except StoreError:
            return None

    async def close(self, seconds: float) -> None:
        """Give short mails that are on their way `seconds`, then close the stores."""
        await self.corrections.settle()
        await self.correspondence.settle(seconds)
        await self._claims.close()
        await self.counting.settle()
        await self.past.close()
        await self._store.close()


class Application:
    """One running guard."""

    def __init__(self, charge: Charge, *, sweep_seconds: float = SWEEP_SECONDS) -> None:
        self._charge = charge
        self._settings = charge.settings
        self._sweep_seconds = sweep_seconds
        self._keeper: Keeper | None = None
        self._server: Server | None = None
        self._sweeps: asyncio.Task[None] | None = None
        self._lock: int | None = None
        self._certificates = Certificates()
        self._reloading = asyncio.Lock()
        self._statutes = Statutes(charge.policy, charge.directory)
        self._reload: Reload | None = None
        self.ports: tuple[int, ...] = ()

    async def start(self) -> None:
        """Open the store, look at the upstream, and take connections.

        Raises SettingsError, StateFolderError, StoreError, KeyFolderError, or OSError for an address that cannot be
        listened at.
        """
        settings = self._settings
        guard, learning = Guard(lambda: self._statutes), Learning(lambda: self._statutes.policy)
        if self._charge.can_hold:
            self._lock = lock_state(settings.state_dir)
            database, lock = settings.state_dir / "holds.sqlite3", settings.state_dir / LOCK
            store = await SQLiteStore.open(database, lambda: datetime.now(UTC), beside=(lock,))
            memory = await SQLiteMemory.open(settings.state_dir / "memory.sqlite3", lambda: datetime.now(UTC))
            self._keeper = keeper = Keeper(
                self._charge, store, memory, self._certificates, lambda: self._statutes.policy, self._sweep_seconds
            )
            await keeper.housekeeping.start()
            self._sweeps = asyncio.create_task(keeper.housekeeping.run())
            guard, learning = keeper.guard(lambda: self._statutes), keeper.learning
        keep_tracebacks_out(asyncio.get_running_loop())
        opened = doors(settings, self._certificates)
        shutdown = settings.timeouts.shutdown.total_seconds()
        self._server = Server(guard, opened, shutdown=shutdown, copies=learning)
        await self._server.start()
        self.ports = tuple(self._server.ports)
        _warn_of_open_doors(settings)
        maillog.started(" ".join(_spoken_endpoints(settings, self.ports)), __version__)
        if self._charge.in_force is not None and self._charge.standing is not None:
            record = None
            if self._keeper is not None:
                record = Record(settings.state_dir, self._keeper.letters, self._keeper.waiting)
            self._reload = Reload(self._charge.in_force, self._charge.standing, self._take, record)
            await self._reload.start()

    def _take(self, standing: Standing) -> None:
        """From the next submission on `standing` counts, and from the next session on its limits and times; one that
        has them already keeps them."""
        former, self._settings = self._settings, standing.settings
        self._statutes = Statutes(standing.policy, standing.directory)
        maillog.set_up(standing.settings.log.level, standing.settings.log.format)
        if self._server is not None:
            shutdown = standing.settings.timeouts.shutdown.total_seconds()
            self._server.change([bounded(each, standing.settings) for each in self._server.doors], shutdown=shutdown)
        if self._keeper is not None:
            self._keeper.take(standing.settings)
        if standing.settings.limits.connections > former.limits.connections:
            allow_connections(standing.settings.limits.connections)

    async def probe(self) -> None:
        """Try whether the upstream relays for this machine without a login, and warn: then anybody who reaches us can
        send.
        """
        settings = self._settings
        await self._try_outbox()
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
        seconds = self._settings.timeouts.shutdown.total_seconds()
        loop = asyncio.get_running_loop()
        latest = loop.time() + seconds
        if self._reload is not None:
            await self._reload.stop()
        if self._server is not None:
            await self._server.stop()
        if self._sweeps is not None:
            self._sweeps.cancel()
        if self._keeper is not None:
            await self._keeper.close(max(latest - loop.time(), min(LETTERS_SECONDS, seconds)))
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)
        maillog.stopped()


async def run_until_signal(charge: Charge, ready: Callable[[Application], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, and reload at SIGHUP. `ready` is called once connections are taken."""
    application = Application(charge)
    stop, hangup = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    # SIGHUP from the beginning on: whoever did not ask for it would be ended by it.
    for number, event in ((signal.SIGTERM, stop), (signal.SIGINT, stop), (signal.SIGHUP, hangup)):
        loop.add_signal_handler(number, event.set)
    await application.start()
    if ready is not None:
        ready(application)
    beside = [asyncio.create_task(application.probe()), asyncio.create_task(_reload_at(hangup, application))]
    await stop.wait()
    for task in beside:
        task.cancel()
    await application.stop()
    # The event loop gives the signal back when it closes, and its next one would end us before our exit code is out.
    loop.remove_signal_handler(signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


async def _reload_at(hangup: asyncio.Event, application: Application) -> None:
    """Reload at each SIGHUP; those that come meanwhile are one."""
    while True:
        await hangup.wait()
        hangup.clear()
        try:
            await application.reload()
        except Exception as error:  # a bug, or a file that went while it was looked at: the next SIGHUP is obeyed again
            maillog.fault("a reload failed", error)


def _site(settings: Settings) -> Site:
    return Site(
        organisation=settings.organisation or (settings.guard_domain or ""),
        zone=settings.timezone,
        call=settings.call,
        desk=str(settings.desks[0]) if settings.desks else None,
        language=settings.languages[0],
    )


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
                listener=f"{each.listen.host}:{each.listen.port}",
            )


def _spoken_endpoints(settings: Settings, ports: tuple[int, ...]) -> list[str]:
    return [f"{each.kind}={each.listen.host}:{port}" for each, port in zip(settings.listeners, ports, strict=True)]
