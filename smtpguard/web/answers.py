"""The page on which senders answer (SEMANTICS c6, "By web page"), told once: code > find > show > choose > effect.

GET and HEAD change nothing. The code comes in the body of a form and stands nowhere else; a mail is opened for the one
request that shows it. Whoever has a right code is told what became of the mail; all others get one and the same answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum

from starlette.requests import Request
from starlette.responses import Response

from smtpguard import maillog
from smtpguard.answering import WrongCodes
from smtpguard.answers.choice import Choice, Word, Words, parse_choice
from smtpguard.answers.token import CODE_TEXT_MAX, Token, find_tokens, parse_token
from smtpguard.deciding import Closed, Deciding, Done, Gone, Waiting
from smtpguard.held import State
from smtpguard.key_file import KeyFolderError
from smtpguard.notices.languages import Language
from smtpguard.notices.site import Site
from smtpguard.store import StoreError
from smtpguard.upstream import UpstreamError
from smtpguard.web.asking import Network, client_of, is_own_form
from smtpguard.web.contents import contents_of
from smtpguard.web.form import FormError, read_form
from smtpguard.web.seen import is_seen
from smtpguard.web.shown import numbers_of
from smtpguard.web.speaking import Speaker

# Mails opened and read for a view at one time. Each takes a thread and some 100 MB for a moment, and members' mail
# needs both.
SHOWN_AT_ONCE = 2
# Mails that are being decided at one time: each is held in memory until the mail server has answered.
DECIDED_AT_ONCE = 8
# Forms that have come and wait for one of these places; more are told to come again. A member sends one. Those on their
# way do not count: whoever sends drop by drop would shut everybody else out (T-25).
FORMS_MAX = 100
# So long a browser waits for a release: proxies give up after 60 s. The release goes on without anybody looking.
EFFECT_SECONDS = 40.0

# Choices that release nothing: they have a button.
UNSENT = (Word.DISCARD, Word.BACK)

_FAILURES = (StoreError, UpstreamError, KeyFolderError, OSError)
_BUTTONS = {each.value: each for each in UNSENT}


class Show(Enum):
    """What the page does (settings web.show, THREAT-MODEL T-20)."""

    FULL = "full"
    VIEW = "view"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class PageOptions:
    """`origin` is the scheme, host and port under which members reach the page (settings public_url); `forwarded_from`
    are the proxies whose X-Forwarded-For is believed."""

    origin: str
    show: Show = Show.FULL
    forwarded_from: tuple[Network, ...] = ()
    wrong_codes_per_minute: int = 60


class Answers:
    """The forms of the page. `site` and `options` are asked at each request, so that they may change."""

    def __init__(
        self,
        deciding: Deciding,
        site: Callable[[], Site],
        options: Callable[[], PageOptions],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._deciding = deciding
        self._site = site
        self._options = options
        self._now = now
        self._wrong_codes = WrongCodes()
        self._views = asyncio.Semaphore(SHOWN_AT_ONCE)
        self._decisions = asyncio.Semaphore(DECIDED_AT_ONCE)
        self._forms = 0
        self._tasks: set[asyncio.Task[Response]] = set()

    def speaker(self, language: Language) -> Speaker:
        """Whoever answers in `language`."""
        show = self._options().show
        return Speaker(
            language,
            self._site(),
            answers=show is not Show.OFF,
            acts=show is Show.FULL,
            sends=not self._deciding.releases_by_session,
        )

    async def show(self, request: Request) -> Response:
        """POST /show: the held mail, opened for this request alone."""
        return await self._taken(request, self._shown)

    async def choose(self, request: Request) -> Response:
        """POST /choose: a choice of a view, and its effect. What is begun is finished, whoever has gone away."""
        return await self._taken(request, self._begun)

    async def settle(self, seconds: float) -> None:
        """Give choices that are being worked on `seconds` to end; a mail whose release is cut short waits on."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for each in self._tasks:
            each.cancel()

    async def _taken(
        self, request: Request, answer: Callable[[Request, Mapping[str, str]], Awaitable[Response]]
    ) -> Response:
        """What `answer` says to the form of a request, if it is one of ours."""
        speaker = self.speaker(preferred(request, self._site()))
        if not is_own_form(request, self._options().origin):
            return _last(speaker.told("foreign", 403))
        try:
            form = await read_form(request)
        except FormError as error:
            return _last(speaker.told("unreadable", error.status))
        if self._forms >= FORMS_MAX:
            return speaker.told("trouble", 503)
        self._forms += 1
        try:
            return await answer(request, form)
        except _FAILURES as error:
            maillog.deferred("-", type(error).__name__, of="answer")
            return speaker.told("trouble", 503)
        finally:
            self._forms -= 1

    async def _shown(self, request: Request, form: Mapping[str, str]) -> Response:
        token = token_in(form.get("code", ""))
        async with self._views:
            found = None if token is None else await self._deciding.find(token)
            if token is None or not isinstance(found, Waiting):
                return self._nothing(request, found)
            return await self._view(token, found)

    async def _begun(self, request: Request, form: Mapping[str, str]) -> Response:
        task = asyncio.create_task(self._chosen(request, form))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        # Not wait_for: a disk that gave up is a TimeoutError, too, and then nothing is being worked on.
        await asyncio.wait((task,), timeout=EFFECT_SECONDS)
        if not task.done():
            return self.speaker(preferred(request, self._site())).told("working", 202)
        return task.result()

    def _ended(self, task: asyncio.Task[Response]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever waits for it; asyncio would log it, if nobody does

    async def _chosen(self, request: Request, form: Mapping[str, str]) -> Response:
        token = token_in(form.get("code", ""))
        async with self._decisions:
            found = None if token is None else await self._deciding.find(token)
            if token is None or not isinstance(found, Waiting):
                return self._nothing(request, found)
            if not is_seen(form.get("seen", ""), token, found.row, self._now()):
                return await self._unseen(token, found, form.get("seen", ""))
            choice = _choice_in(form, found, self._words(found))
            if isinstance(choice, Choice) and choice.word not in UNSENT and self._deciding.releases_by_session:
                choice = "session_only"
            if not isinstance(choice, Choice):
                return await self._view(token, found, choice)
            return await self._decided(token, found, choice)

    async def _unseen(self, token: Token, found: Waiting, value: str) -> Response:
        """What is said to a choice of another view than this one."""
        before = replace(found.row, state=State.HELD)
        if found.row.state is State.SENDING and is_seen(value, token, before, self._now()):
            # The other of two presses, or a release that was cut off meanwhile: the next view will tell.
            return self.speaker(self._speaks(found)).told("later", 503, code=token.code)
        return await self._view(token, found, "too_old")

    async def _decided(self, token: Token, found: Waiting, choice: Choice) -> Response:
        speaker = self.speaker(self._speaks(found))
        try:
            effect = await self._deciding.decide(found, choice)
        except _FAILURES as error:
            maillog.deferred(found.held.submission_id, type(error).__name__, of="answer")
            return speaker.told("later", 503, code=token.code)
        maillog.answered(found.held.submission_id, "later" if effect.done is Done.LATER else "done")
        if effect.done is Done.LATER:
            # Of two presses at once one decides: the other is told what it did.
            gone = await self._deciding.find(token)
            if isinstance(gone, Gone):
                return speaker.gone(gone)
        return speaker.effect(effect, found.held, token.code)

    async def _view(self, token: Token, found: Waiting, alert: str | None = None) -> Response:
        contents = await asyncio.to_thread(contents_of, found.held.wire)
        return self.speaker(self._speaks(found)).view(token, found, contents, self._now(), alert)

    def _nothing(self, request: Request, found: Gone | Closed | Waiting | None) -> Response:
        """What is said where no mail can be shown. Codes that are none, and codes that are nobody's, look alike."""
        speaker = self.speaker(preferred(request, self._site()))
        if isinstance(found, Gone):
            return speaker.gone(found)
        if found is Closed.NOT_NOW:
            return speaker.told("trouble", 503)
        if found is Closed.KEY_LOST:
            return speaker.told("lost", 410)
        options = self._options()
        client = str(client_of(request, options.forwarded_from))
        if self._wrong_codes.too_many(client, options.wrong_codes_per_minute):
            return speaker.told("too_many", 429)
        return speaker.told("unknown", 404)

    def _words(self, found: Waiting) -> Words:
        """What is understood, as in answers by mail: the words of the view first, then those of the other languages."""
        texts, own = self._site().texts, self._speaks(found)
        return Words.of(own.words, *(texts.of(code).words for code in texts.codes if code != own.code))

    def _speaks(self, found: Waiting) -> Language:
        return self._site().texts.of(found.held.account.language)


def preferred(request: Request, site: Site) -> Language:
    """The language for whoever we do not know."""
    return site.texts.best(request.headers.get("accept-language"))


def token_in(text: str) -> Token | None:
    """The code that somebody pasted, also with what stands around it in the notice; None if there is none."""
    token = parse_token(text)
    if token is None and len(text) <= CODE_TEXT_MAX:
        token = next(iter(find_tokens(text)), None)
    return token


def _choice_in(form: Mapping[str, str], found: Waiting, words: Words) -> Choice | str:
    """What is chosen, or why it is not: the name of a text.

    Programs press buttons and send forms as they are (T-21): so a button needs a box ticked, and all that releases is
    typed.
    """
    if "press" in form:
        word = _BUTTONS.get(form["press"])
        if word is None:
            return "not_understood"
        return Choice(word) if form.get("sure") == "yes" else "not_sure"
    choice = parse_choice(form.get("word", ""), numbers_of(found.held), words)
    return "not_understood" if choice is None else choice


def _last(response: Response) -> Response:
    """A refusal before the form was read: what is still under way is not waited for."""
    response.headers["Connection"] = "close"
    return response
