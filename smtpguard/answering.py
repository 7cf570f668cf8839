"""A member's answer to a notice, told once: who answers > which mail > which choice > the effect > the reply.

A 250 comes after the effect is durable. Whoever does not hold the code, or is another account, learns nothing: one and
the same reply for each such case in a submission, and a silent 250 where answers come in through the mail server,
since a refusal there would become a bounce to a forged sender (T-27).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from smtpguard import maillog, outcomes
from smtpguard.accounts import Directory
from smtpguard.answers.automatic import is_automatic
from smtpguard.answers.choice import Words, choice_in
from smtpguard.answers.token import Token, parse_token, tokens_in
from smtpguard.correspondence import Correspondence
from smtpguard.deciding import Closed, Deciding, Done, Gone, Waiting
from smtpguard.frequency import Rows
from smtpguard.held import HeldMail
from smtpguard.key_file import KeyFolderError
from smtpguard.mail.address import Address
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.content import unstuffed
from smtpguard.mail.message import Account, Message
from smtpguard.mail.parsing import parse_message
from smtpguard.mail.reply import Reply
from smtpguard.notices import compose
from smtpguard.notices.site import Site
from smtpguard.outcomes import Reader
from smtpguard.reading import LARGE_OCTETS_MIN
from smtpguard.release import Opener
from smtpguard.seal import answer_tag
from smtpguard.store import HoldStore, StoreError
from smtpguard.upstream import Carrier, Outbox, Transmission, Upstream, UpstreamError

# An answer is a line of text above a quoted notice. What is larger is read only so far.
ANSWER_OCTETS_MAX = 1024 * 1024
# Codes tried for one answer: the address gives one, the quoted notice the same once more.
CODES_MAX = 4
# Large held mails that are decided at the same time, each as long as the mail server takes: opened they take three
# times their size in memory. Answers to others do not wait for them.
LARGE_AT_ONCE = 4
# Answers whose mail is looked for at the same time, which takes a moment: how large it is shows only then.
LOOKED_FOR_AT_ONCE = 2
# So long an answer waits for its turn. Mail programs wait for minutes, and are told then to send it again.
TURN_SECONDS = 60.0
# Accounts and addresses whose unknown codes are counted at one time: bounds the memory of T-25.
COUNTED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who has sent an answer. `account` is None where it came in through the mail server; then `mailbox` is the
    reverse-path.
    """

    mailbox: Address | None
    account: Account | None
    open_session: Opener | None

    def may_decide(self, held: HeldMail) -> bool:
        """Only the account whose mail is held (SEMANTICS c6, "Who may answer by mail")."""
        if self.account is not None:
            return self.account.same_as(held.account)
        return self.mailbox is not None and self.mailbox == held.account.mailbox


@dataclass(frozen=True, slots=True)
class _Found:
    """What the codes of an answer name: the first mail that waits for this answerer, with its code, or what has become
    of it. `alone` is false if more than one waits."""

    waiting: tuple[Waiting, Token] | None = field(default=None, repr=False)
    alone: bool = True
    closed: Gone | Closed | None = None

    @property
    def is_large(self) -> bool:
        return self.waiting is not None and self.waiting[0].row.size > LARGE_OCTETS_MIN


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """How many texts of help one hold is worth, and how many unknown codes an account may send in a minute."""

    helps: int = 2
    wrong_codes_per_minute: int = 60


class Answering:
    """Reads answers by mail and has them decided. `limits` are those in force."""

    def __init__(
        self,
        deciding: Deciding,
        store: HoldStore,
        outbox: Outbox,
        correspondence: Correspondence,
        site: Callable[[], Site],
        contact: Callable[[], Address],
        *,
        limits: Callable[[], AnswerLimits] = AnswerLimits,
        wrong_codes: Rows | None = None,
    ) -> None:
        self._deciding = deciding
        self._store = store
        self._outbox = outbox
        self._correspondence = correspondence
        self._site = site
        self._contact = contact
        self._limits = limits
        self._wrong_codes = WrongCodes(wrong_codes)
        self._told: dict[bytes, int] = {}
        self._looking = asyncio.Semaphore(LOOKED_FOR_AT_ONCE)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def by_member(self, arrival: Arrival, upstream: Upstream, directory: Directory) -> Reply:
        """An answer submitted by a logged-in member."""
        if arrival.login is None:
            return self._unknown(arrival, None)
        account = directory.account(arrival.login, arrival.envelope.reverse_path.address)

        async def session() -> Carrier:
            return upstream.carrier()

        # Behind a front the session upstream is nobody's own.
        answerer = Answerer(account.mailbox, account, None if arrival.behind_front else session)
        try:
            known = await self._answer(arrival, answerer)
        except (StoreError, UpstreamError, KeyFolderError, OSError) as error:
            maillog.deferred(arrival.id, type(error).__name__, of="answer")
            return outcomes.ANSWER_LATER.to(self._reader(account))
        return known if known is not None else self._unknown(arrival, account)

    def not_alone(self, login: str | None, mailbox: Address | None, directory: Directory) -> Reply:
        """What is said to a mail that goes to the guard and to others, too (90-16); `mailbox` is its reverse-path."""
        account = None if login is None else directory.account(login, mailbox)
        return outcomes.GUARD_NOT_ALONE.to(self._reader(account))

    async def by_mail_server(self, arrival: Arrival) -> Reply:
        """An answer that the mail server handed on; what is not understood is dropped in silence (T-27)."""
        answerer = Answerer(arrival.envelope.reverse_path.address, None, None)
        try:
            known = await self._answer(arrival, answerer)
        except (StoreError, UpstreamError, KeyFolderError, OSError) as error:
            maillog.deferred(arrival.id, type(error).__name__, of="answer")
            return outcomes.ANSWER_LATER.to(self._reader(None))
        return known if known is not None else outcomes.IGNORED

    async def letter_to_contact(self, arrival: Arrival) -> Reply:
        """Mail to postmaster@ and abuse@ of the guard domain goes on to `contact`, content and reverse-path
        unchanged.
        """
        content = arrival.content
        wants_utf8 = arrival.envelope.reverse_path.parameter("SMTPUTF8") is not None
        try:
            carrier = await self._outbox.open()
            try:
                suffix = " SMTPUTF8" if wants_utf8 and "SMTPUTF8" in carrier.extensions else ""
                # The null reverse-path: the contact's server may refuse others' addresses from us, and no bounce of a
                # letter may go to whom its reverse-path only claims to be.
                mail = Transmission(f"FROM:<>{suffix}", (f"TO:<{self._contact()}>",), content.pieces)
                outcome = await carrier.transmit(mail)
            finally:
                await carrier.close()
        except UpstreamError as error:
            maillog.deferred(arrival.id, "letter", error.reply, of="letter")
            return outcomes.NOT_NOW.to(self._reader(None))
        return outcomes.LETTER_TAKEN if outcome.sent else outcome.final

    async def _answer(self, arrival: Arrival, answerer: Answerer) -> Reply | None:
        """The effect of an answer, or None if no mail is waiting for this answerer under its code."""
        octets = unstuffed(arrival.content.pieces())[:ANSWER_OCTETS_MAX]
        message, automatic, tokens = await asyncio.to_thread(_read, arrival, octets)
        if automatic:
            maillog.answered(arrival.id, "ignored")
            return outcomes.IGNORED
        async with self._looking:
            found = await self._find(tokens, answerer)
        if not found.is_large:
            return await self._act(arrival, found, message, octets, answerer)
        del found  # whoever waits has nothing in memory
        async with self._turn():
            found = await self._find(tokens, answerer)
            return await self._act(arrival, found, message, octets, answerer)

    async def _find(self, tokens: Sequence[Token], answerer: Answerer) -> _Found:
        """What the codes of an answer name; only one mail is kept of it. Raises StoreError, KeyFolderError."""
        waiting: tuple[Waiting, Token] | None = None
        closed: Gone | Closed | None = None
        for token in tokens:
            match await self._deciding.find(token):
                case Closed.NOT_NOW:
                    return _Found(closed=Closed.NOT_NOW)
                case Waiting() as found:
                    if answerer.may_decide(found.held):
                        if waiting is not None:
                            return _Found(waiting, alone=False)
                        waiting = found, token
                case found:
                    closed = closed or found
        return _Found(waiting, closed=closed)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One of the places for large mail. Raises TimeoutError if none gets free in time."""
        async with asyncio.timeout(TURN_SECONDS):
            await self._large.acquire()
        try:
            yield
        finally:
            self._large.release()

    async def _act(
        self, arrival: Arrival, found: _Found, message: Message, octets: bytes, answerer: Answerer
    ) -> Reply | None:
        """What is done about what was found, or None."""
        if found.closed is Closed.NOT_NOW:
            return outcomes.ANSWER_LATER.to(self._reader(answerer.account))
        if found.waiting is not None:
            first, token = found.waiting
            # A member's client says what became of an answer; a mail server brings it again, and nobody has said it.
            tag = b"" if answerer.account is not None else await asyncio.to_thread(answer_tag, token.octets, octets)
            return await self._decide(arrival, first, message, answerer, tag, alone=found.alone)
        if isinstance(found.closed, Gone):
            return self._gone(arrival, found.closed, answerer)
        return self._lost(arrival, answerer) if found.closed is not None else None

    async def _decide(
        self, arrival: Arrival, waiting: Waiting, message: Message, answerer: Answerer, tag: bytes, *, alone: bool
    ) -> Reply:
        """What the answer says of the mail it names. A choice below two notices might be meant for either."""
        lists = waiting.held.lists
        numbered = {each.number: each.id for each in lists} if len(lists) > 1 else {}
        choice = choice_in(message, numbered, self._words(waiting.held))
        if choice is None or not alone:
            return await self._help(arrival, waiting, answerer)
        effect = await self._deciding.decide(waiting, choice, answerer.open_session, tag)
        match effect.done:
            case Done.LATER:
                phrase = outcomes.ANSWER_LATER
            case Done.UNSURE if answerer.account is not None:
                phrase = outcomes.ANSWER_UNSURE
            case Done.UNSURE:
                # A mail server would bring the same answer again and again, which is no further word of hers. It may,
                # as long as she could not be told.
                phrase = outcomes.ANSWERED if await self._tell_unsure(waiting.held) else outcomes.ANSWER_LATER
            case _:
                phrase = outcomes.ANSWERED
        reply = phrase.to(self._reader(answerer.account))
        maillog.answered(arrival.id, "done" if reply.ok else "later")
        return reply

    async def _tell_unsure(self, held: HeldMail) -> bool:
        """False if the letter was not taken now, but may be later. Raises UpstreamError, which is the same."""
        mailbox = held.account.mailbox
        if mailbox is None:
            return True
        language = self._site().texts.of(held.account.language)
        letter = compose.compose_unsure(self._correspondence.letterhead(mailbox), held, language=language)
        reply = await self._correspondence.send(mailbox, letter, requires_tls=held.requires_tls)
        if reply.permanent:
            maillog.letter_lost("refused", reply)
        return not reply.transient

    def _words(self, held: HeldMail) -> Words:
        """The words that are understood: those of the member's notice first, then those of the site's languages."""
        texts = self._site().texts
        own = texts.of(held.account.language)
        return Words.of(own.words, *(texts.of(code).words for code in texts.codes if code != own.code))

    def _reader(self, account: Account | None) -> Reader:
        """Who reads the reply to an answer; where the mail server handed it on, nobody who is known."""
        return Reader.of(self._site(), account)

    async def _help(self, arrival: Arrival, waiting: Waiting, answerer: Answerer) -> Reply:
        held, mailbox = waiting.held, waiting.held.account.mailbox
        if await self._store.count_help(waiting.row.id) < self._limits().helps and mailbox is not None:
            head = self._correspondence.letterhead(mailbox)
            letter = compose.compose_help(head, held, language=self._site().texts.of(held.account.language))
            self._correspondence.send_later(mailbox, letter, requires_tls=held.requires_tls)
        maillog.answered(arrival.id, "help")
        return outcomes.ANSWERED.to(self._reader(answerer.account))

    def _gone(self, arrival: Arrival, gone: Gone, answerer: Answerer) -> Reply:
        """Whoever has the right code is told what became of the mail, and when.

        By mail that is the account that has logged in: a reverse-path is anybody's word, and used codes lie in mail
        logs, so behind the mail server nobody is told (T-27, T-30).
        """
        maillog.answered(arrival.id, "gone")
        account = answerer.account
        if account is None or account.mailbox is None or gone.when is None:
            return outcomes.ANSWERED.to(self._reader(account))
        told = self._told.pop(gone.hold_id, 0)
        self._told[gone.hold_id] = told + 1
        if len(self._told) > COUNTED_MAX:
            del self._told[next(iter(self._told))]
        if told < self._limits().helps:
            head, site = self._correspondence.letterhead(account.mailbox), self._site()
            letter = compose.compose_gone(head, site, gone.state, gone.when, language=site.texts.of(account.language))
            self._correspondence.send_later(account.mailbox, letter)
        return outcomes.ANSWERED.to(self._reader(account))

    def _lost(self, arrival: Arrival, answerer: Answerer) -> Reply:
        """The code is right, but the day key is gone: the mail cannot be opened any more, by nobody."""
        maillog.answered(arrival.id, "lost")
        if answerer.account is None:
            return outcomes.IGNORED
        return outcomes.CANNOT_OPEN.to(self._reader(answerer.account))

    def _unknown(self, arrival: Arrival, account: Account | None) -> Reply:
        maillog.answered(arrival.id, "unknown")
        who = "-" if account is None else account.login
        too_many = self._wrong_codes.too_many(who, self._limits().wrong_codes_per_minute)
        return (outcomes.TOO_MANY_CODES if too_many else outcomes.UNKNOWN_CODE).to(self._reader(account))


class WrongCodes:
    """Counts unknown codes per account within a minute (T-25: for load only; a right code never comes here). `shared`
    counts them for all workers of a guard."""

    def __init__(self, shared: Rows | None = None) -> None:
        self._shared = shared
        self._times: dict[str, deque[float]] = {}

    def too_many(self, who: str, per_minute: int) -> bool:
        """Count one more for `who`; True if there were more than `per_minute` within the last minute."""
        if self._shared is not None:
            name = who.encode("utf-8", "surrogateescape")
            self._shared.add(name)
            return self._shared.count(name) > per_minute
        now = asyncio.get_running_loop().time()
        # Only as many are kept as it takes to know.
        times = deque(self._times.pop(who, ()), maxlen=per_minute + 1)
        self._times[who] = times
        times.append(now)
        if len(self._times) > COUNTED_MAX:
            del self._times[next(iter(self._times))]
        return len(times) > per_minute and now - times[0] < 60


def _read(arrival: Arrival, octets: bytes) -> tuple[Message, bool, list[Token]]:
    """An answer, whether no person wrote it, and the codes it names."""
    message = parse_message(octets)
    automatic = arrival.envelope.reverse_path.is_null or is_automatic(message, octets)
    return message, automatic, [] if automatic else _tokens(arrival, message)


def _tokens(arrival: Arrival, message: Message) -> list[Token]:
    """The codes of an answer: that of the address it was sent to, else those in the quoted notice (the second carrier),
    else those in its links and in what is attached.
    """
    for path in arrival.envelope.recipients:
        if path.address is not None and "+" in path.address.local_part:
            token = parse_token(path.address.local_part.partition("+")[2])
            if token is not None:
                return [token]
    return list(tokens_in(message))[:CODES_MAX]
