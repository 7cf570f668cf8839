"""What an answer does to a held mail, told once for answers by mail and by web page: find > open > choice > effect.

Who may decide is the business of the door: whoever has the code on the page, the same account by mail. Whatever the
choice did is durable when `decide` returns, and its sender gets a result mail, so that he learns of a decision that
was not his (THREAT-MODEL T-20).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from smtpguard import maillog
from smtpguard.answers.choice import Choice, Word
from smtpguard.answers.token import Token
from smtpguard.claims import Claims
from smtpguard.correspondence import Correspondence
from smtpguard.counting import Counting
from smtpguard.figures import Outcome
from smtpguard.held import HeldMail, HeldRow, State
from smtpguard.mail.content import unstuffed
from smtpguard.notices import compose
from smtpguard.notices.languages import Language
from smtpguard.notices.letter import Letterhead
from smtpguard.notices.site import Refusal, Site
from smtpguard.past import Past
from smtpguard.release import Ending, Opener, Release, ReleaseResult, chosen_recipients
from smtpguard.safe import Safe
from smtpguard.store import HoldStore
from smtpguard.upstream import Carrier, Outbox


@dataclass(frozen=True, slots=True)
class Waiting:
    """A held mail that can be decided, opened."""

    row: HeldRow
    held: HeldMail = field(repr=False)


@dataclass(frozen=True, slots=True)
class Gone:
    """A mail that is decided already: what became of it, and when."""

    hold_id: bytes
    state: State
    when: datetime | None


class Closed(Enum):
    """Why a known code opens nothing."""

    KEY_LOST = "key lost"  # the day key is gone, so nobody can open it any more
    NOT_NOW = "not now"  # the clock is not to be believed: whether it has expired will be seen


class Done(Enum):
    """What a choice came to."""

    SENT = "sent"
    DISCARDED = "discarded"
    BACK = "back"
    REFUSED = "refused"  # by the mail server, for good; the mail waits on
    LATER = "later"  # refused for now, or somebody else is deciding it
    UNSURE = "unsure"  # the final dot was sent, and there is no word or no mark of what became of it
    NO_SESSION = "no session"  # only the member's own session can release (settings outbox.release: session)


@dataclass(frozen=True, slots=True)
class Effect:
    """`done`, and for a release or a refusal to whom it went and what the mail server said."""

    done: Done
    sent_to: tuple[str, ...] = field(default=(), repr=False)
    not_sent_to: tuple[str, ...] = field(default=(), repr=False)
    refused: tuple[Refusal, ...] = field(default=(), repr=False)
    interrupted: bool = False


class Deciding:
    """Finds held mail by its code and gives choices their effect.

    `releases_by_session` is settings outbox.release: session; `expiry_pauses` tells whether the clock is not to be
    believed at present.
    """

    def __init__(
        self,
        store: HoldStore,
        safe: Safe,
        claims: Claims,
        outbox: Outbox,
        correspondence: Correspondence,
        site: Callable[[], Site],
        *,
        releases_by_session: bool = False,
        expiry_pauses: Callable[[], bool] = lambda: False,
        past: Past | None = None,
        counting: Counting | None = None,
    ) -> None:
        self._store = store
        self._safe = safe
        self._claims = claims
        self._release = Release(claims)
        self._outbox = outbox
        self._correspondence = correspondence
        self._site = site
        self.releases_by_session = releases_by_session
        self._expiry_pauses = expiry_pauses
        self._past = past
        self._counting = counting

    async def find(self, token: Token) -> Waiting | Gone | Closed | None:
        """What waits, or waited, under this code; None if no mail ever did, as far as is known. Changes nothing.

        Raises StoreError, KeyFolderError.
        """
        row = await self._store.find(self._safe.hold_id(token))
        if row is None:
            return None
        if row.state is State.EXPIRED and self._expiry_pauses():
            return Closed.NOT_NOW
        if not row.state.waiting:
            return Gone(row.id, row.state, row.decided)
        former = await self._claims.decided_before(row)
        if former is not None:
            return Gone(row.id, former.state, former.when)
        held = await self._safe.open(row, token)
        return Closed.KEY_LOST if held is None else Waiting(row, held)

    async def decide(
        self, waiting: Waiting, choice: Choice, open_session: Opener | None = None, answer: bytes = b""
    ) -> Effect:
        """Give `choice` its effect; `open_session` is the answering member's own session at the mail server, `answer`
        the tag of an answer that may come again by itself.

        Raises StoreError, UpstreamError, KeyFolderError if nothing has been decided.
        """
        match choice.word:
            case Word.DISCARD:
                return await self._discard(waiting)
            case Word.BACK:
                return await self._give_back(waiting)
            case _:
                return await self._send(waiting, choice, open_session, answer)

    async def _send(self, waiting: Waiting, choice: Choice, open_session: Opener | None, answer: bytes) -> Effect:
        held = waiting.held
        if self.releases_by_session:
            if open_session is None:
                self._tell(held, compose.compose_no_session(self._head(held), held, language=self._speaks(held)))
                return Effect(Done.NO_SESSION)
            opener = open_session
        else:

            async def opener() -> Carrier:
                return await self._outbox.open(held.account.login)

        result = await self._release.send(waiting.row, held, choice, opener, answer)
        match result.ending:
            case Ending.LATER:
                return Effect(Done.LATER, interrupted=result.interrupted)
            case Ending.UNSURE:
                return Effect(Done.UNSURE)
            case Ending.REFUSED:
                effect = Effect(Done.REFUSED, refused=result.refused, interrupted=result.interrupted)
                self._tell_refused(held, effect)
            case Ending.SENT:
                effect = _sent(held, choice, result)
                self._note_sent(waiting, choice, result)
                self._tell_sent(held, effect)
        return effect

    def _note_sent(self, waiting: Waiting, choice: Choice, result: ReleaseResult) -> None:
        """A released mail counts, and is remembered like one that passed."""
        held, only = waiting.held, choice.word is Word.ONLY
        self._count(waiting, Outcome.ONE_LIST if only else Outcome.CONFIRMED)
        if self._past is not None:
            chosen = {each.number: each.id for each in held.lists}.get(choice.number or 0)
            self._past.released(held, result.sent, chosen if only else None)

    async def _discard(self, waiting: Waiting) -> Effect:
        held = waiting.held
        async with self._claims.taken(waiting.row) as claimed:
            if claimed is None or not await claimed.decide(State.DISCARDED):
                return Effect(Done.LATER)
        maillog.discarded(held.submission_id)
        self._count(waiting, Outcome.DISCARDED)
        interrupted = claimed.interrupted
        head = self._head(held)
        self._tell(held, compose.compose_discarded(head, held, language=self._speaks(held), interrupted=interrupted))
        return Effect(Done.DISCARDED, interrupted=interrupted)

    async def _give_back(self, waiting: Waiting) -> Effect:
        """BACK: the sealed original goes to its sender, and is forgotten after the outbox's 250."""
        held = waiting.held
        mailbox = held.account.mailbox
        async with self._claims.taken(waiting.row) as claimed:
            if claimed is None or mailbox is None:
                return Effect(Done.LATER)
            interrupted = claimed.interrupted
            head, language = self._head(held), self._speaks(held)

            def letter_back() -> bytes:
                original = unstuffed((held.wire,))
                return compose.compose_back(head, held, original, language=language, interrupted=interrupted)

            # A large one takes more than a second.
            letter = await asyncio.to_thread(letter_back)
            reply = await self._correspondence.send(mailbox, letter, requires_tls=held.requires_tls)
            if reply.ok:
                await claimed.decide(State.DISCARDED)
        if reply.ok:
            maillog.discarded(held.submission_id)
            self._count(waiting, Outcome.BACK)
            return Effect(Done.BACK, interrupted=interrupted)
        if not reply.permanent:
            return Effect(Done.LATER, interrupted=interrupted)
        effect = Effect(Done.REFUSED, refused=(Refusal(str(mailbox), reply.text),))
        self._tell_refused(held, effect)
        return effect

    def _tell_sent(self, held: HeldMail, effect: Effect) -> None:
        letter = compose.compose_sent(
            self._head(held),
            self._site(),
            held,
            effect.sent_to,
            effect.not_sent_to,
            effect.refused,
            language=self._speaks(held),
            interrupted=effect.interrupted,
        )
        self._tell(held, letter)

    def _tell_refused(self, held: HeldMail, effect: Effect) -> None:
        letter = compose.compose_refused(
            self._head(held),
            self._site(),
            held,
            effect.refused,
            language=self._speaks(held),
            interrupted=effect.interrupted,
        )
        self._tell(held, letter)

    def _count(self, waiting: Waiting, outcome: Outcome) -> None:
        if self._counting is not None:
            self._counting.answered(waiting.row, waiting.held, outcome)

    def _head(self, held: HeldMail) -> Letterhead:
        assert held.account.mailbox is not None  # noqa: S101 - only accounts with a mailbox are asked
        return self._correspondence.letterhead(held.account.mailbox)

    def _tell(self, held: HeldMail, letter: bytes) -> None:
        if held.account.mailbox is not None:
            self._correspondence.send_later(held.account.mailbox, letter, requires_tls=held.requires_tls)

    def _speaks(self, held: HeldMail) -> Language:
        return self._site().texts.of(held.account.language)


def _sent(held: HeldMail, choice: Choice, result: ReleaseResult) -> Effect:
    """To whom a release went, and to whom it was not even tried."""
    recipients = held.envelope.recipients
    kept = set(chosen_recipients(held, choice))
    return Effect(
        Done.SENT,
        sent_to=tuple(str(recipients[index].address or recipients[index].typed) for index in result.sent),
        not_sent_to=tuple(
            str(each.address or each.typed) for index, each in enumerate(recipients) if index not in kept
        ),
        refused=result.refused,
        interrupted=result.interrupted,
    )
