"""All that exists only where mail can be held: stores, keys, outbox, and the flows over them, put together."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from smtpguard.accounts import Directory
from smtpguard.alarms import Alarms
from smtpguard.answering import Answering, AnswerLimits
from smtpguard.answers.token import TOKEN_OCTETS, Token
from smtpguard.certificates import Certificates
from smtpguard.claims import Claims
from smtpguard.config.in_force import InForce, Standing, UnusableSettingsError
from smtpguard.config.settings import Settings
from smtpguard.config.texts import shipped
from smtpguard.corrections import Corrections
from smtpguard.correspondence import Correspondence
from smtpguard.counting import Counting
from smtpguard.deciding import Deciding
from smtpguard.decisions import Decisions
from smtpguard.doors import longest_release, outbox, patience
from smtpguard.file_letters import FileLetters
from smtpguard.guard import Guard, Statutes
from smtpguard.holding import HoldBounds, Holding
from smtpguard.housekeeping import SWEEP_SECONDS, Housekeeping
from smtpguard.keys import KeyFolder
from smtpguard.keyshare import KeyShare
from smtpguard.learning import Learning
from smtpguard.notices.languages import Texts
from smtpguard.notices.site import Site
from smtpguard.origins import Origins
from smtpguard.past import Past
from smtpguard.policy import Policy
from smtpguard.recollection import Recollection
from smtpguard.safe import Safe
from smtpguard.store import HoldStore, Memory, StoreError
from smtpguard.upstream.target import Meter
from smtpguard.workplace import Workplace
from smtpguard.writer import WRITE_SECONDS

# What one worker has not written yet the others do not know: a second post by another one within this time, to other
# lists or into the same thread, is a question that is not asked. More transactions are what that costs.
WORKER_WRITE_SECONDS = 0.1


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
    texts: Texts = field(default_factory=shipped)

    @property
    def can_hold(self) -> bool:
        """True if the settings name all that a hold needs; without it the guard is a pure relay."""
        return not self.settings.missing_to_hold()

    def again(self) -> Charge:
        """What a worker is given that takes a dead one's place: what is in force now, but as it was then what is read
        at start only. Blocks."""
        if self.in_force is None:
            return self
        try:
            standing = self.in_force.start()
        except UnusableSettingsError:
            standing = self.in_force.renew()  # nothing is kept of later versions: those of the start count
        return replace(
            self,
            settings=standing.settings,
            policy=standing.policy,
            directory=standing.directory,
            standing=standing,
            texts=standing.texts,
        )


class Keeper:
    """Everything that exists only where mail can be held: store, keys, outbox, and the flows over them."""

    def __init__(
        self,
        charge: Charge,
        store: HoldStore,
        memory: Memory,
        certificates: Certificates,
        policy: Callable[[], Policy],
        sweep_seconds: float = SWEEP_SECONDS,
        shared: KeyShare | None = None,
        meter: Meter | None = None,
        workplace: Workplace | None = None,
    ) -> None:
        self._shared = shared
        self._workplace = workplace
        self.settings = settings = charge.settings
        self._texts = charge.texts
        assert settings.address and settings.contact and settings.outbox  # noqa: S101, PT018 - Charge.can_hold
        self._store = store
        keys = KeyFolder(settings.key_folder, shared=shared)
        safe = Safe(keys, secrets.token_bytes)
        self._outbox = own_way = outbox(settings, certificates, meter)
        self.correspondence = Correspondence(own_way, settings.address, lambda: secrets.token_hex(16))

        def site() -> Site:
            return site_of(self.settings, self._texts)

        first_contact = settings.contact
        self._decisions = decisions = Decisions(store, keys)
        self._claims = Claims(store, decisions, lambda: longest_release(self.settings.timeouts))
        self.corrections = Corrections(store, safe, self._claims, self.correspondence, site, self._remembers)
        self.past, self.learning = self._past(memory, policy)
        self.counting = Counting(memory, KeyFolder(settings.key_folder, "counted", shared), secrets.token_bytes)
        self.letters = FileLetters(self.correspondence, settings.state_dir, site)
        self.holding = Holding(
            store,
            safe,
            decisions,
            self.correspondence,
            site,
            lambda: Token(secrets.token_bytes(TOKEN_OCTETS)),
            checks_outbox=settings.outbox.release == "outbox",
            bounds=self._hold_bounds,
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
            wrong_codes=None if workplace is None else workplace.wrong_codes,
        )
        leads = workplace is None or workplace.leads
        self.housekeeping = Housekeeping(
            store,
            keys,
            safe,
            decisions,
            self.correspondence,
            site,
            settings.contact,
            longest_wait=settings.defaults.expires_max,
            sweep_seconds=sweep_seconds,
            beside=(
                self.holding.undo_again,
                self.corrections.refresh,
                *((self.past.sweep, self.counting.sweep) if leads else (self.past.refresh,)),
            ),
            bulletin=None if workplace is None else workplace.shared.bulletin,
            leads=leads,
        )

    def _answer_limits(self) -> AnswerLimits:
        limits = self.settings.limits
        return AnswerLimits(limits.help_answers_per_hold, limits.wrong_codes_per_minute)

    def _hold_bounds(self) -> HoldBounds:
        limits = self.settings.limits
        return HoldBounds(
            self.settings.timeouts.hold.total_seconds(),
            limits.holds_per_account,
            limits.held_bytes_per_account,
            limits.notices_per_account_and_day,
        )

    def _remembers(self) -> bool:
        return self.settings.remember != "none"

    def _past(self, memory: Memory, policy: Callable[[], Policy]) -> tuple[Past, Learning]:
        """The two memories for the flow, and what taps teach one of them."""
        folder = self.settings.key_folder
        write_seconds = WRITE_SECONDS if self._workplace is None else WORKER_WRITE_SECONDS
        recollection = Recollection(
            memory,
            KeyFolder(folder, "memory", self._shared),
            KeyFolder(folder, "posted", self._shared),
            policy,
            remembers=self._remembers,
            posters_kept=lambda: self.settings.memory.posts,
            write_seconds=write_seconds,
        )
        origins = Origins(
            memory,
            KeyFolder(folder, "private", self._shared),
            KeyFolder(folder, "public", self._shared),
            policy,
            is_post=recollection.is_post,
            mails_kept=lambda: self.settings.memory.private,
            posts_kept=lambda: self.settings.memory.posts,
            write_seconds=write_seconds,
        )
        return Past(recollection, origins, policy), Learning(policy, origins)

    def guard(self, statutes: Callable[[], Statutes]) -> Guard:
        """The guard that judges by `statutes`."""
        alarms = None if self._workplace is None else Alarms(shared=self._workplace.alarms)
        return Guard(statutes, self.holding, self.answering, self.past, self.corrections, self.counting, alarms)

    def take(self, settings: Settings, texts: Texts) -> None:
        """Speak in notices, and to whom, as `settings` and `texts` say now; what is read at start only is in them as it
        was."""
        self.settings = settings
        self._texts = texts
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
        await self._decisions.close()
        await self.counting.settle()
        await self.past.close()
        await self._store.close()


def site_of(settings: Settings, texts: Texts) -> Site:
    """What all mails of the guard's say of the site, in the words of `texts`."""
    # With `show: off` the page takes no codes, and serves the rules all the same.
    served = settings.public_url if settings.web is not None else None
    return Site(
        organisation=settings.organisation or (settings.guard_domain or ""),
        zone=settings.timezone,
        call=settings.call,
        desk=str(settings.desks[0]) if settings.desks else None,
        texts=texts.starting_with(settings.languages[0]),
        rules=settings.rules,
        page=served if settings.web is not None and settings.web.show != "off" else None,
        rules_page=None if served is None else f"{served}/rules",
    )
