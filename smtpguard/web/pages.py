"""All addresses of the page, and what answers there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from smtpguard.notices.site import Site
from smtpguard.rules_page import pages as rules_pages
from smtpguard.web import rendering
from smtpguard.web.answers import Answers, Show, preferred
from smtpguard.web.asking import Network
from smtpguard.web.headers import SecureAnswers
from smtpguard.web.rendering import SERVED, language_fields, rules, served
from smtpguard.web.rules import RulesPages, wished
from smtpguard.web.shares import Shares
from smtpguard.web.speaking import Speaker

Unready = Callable[[], Awaitable[Sequence[str]]]


class Pages:
    """The web application. `answers` is None where no mail can be held: then there are only the rules.

    `origin` is scheme, host and port under which members reach it; `proxies` ask for others. `unready` says why no mail
    can be taken; None where there is a port for monitoring, which is asked instead.
    """

    def __init__(
        self,
        answers: Answers | None,
        rules: RulesPages,
        site: Callable[[], Site],
        show: Show,
        origin: str,
        proxies: Sequence[Network] = (),
        unready: Unready | None = None,
    ) -> None:
        self.proxies = proxies
        self._answers = answers if show is not Show.OFF else None
        self._rules = rules
        self._site = site
        routes = [
            Route("/", self._rules_page),
            Route("/rules", self._rules_page),
            Route("/rules.txt", self._rules_text),
            Route("/healthz", _health),
            *(Route(f"/{name}", partial(_file, name)) for name in SERVED),
        ]
        if unready is not None:
            routes.append(Route("/readyz", partial(_readiness, unready)))
        if self._answers is not None:
            routes += [Route("/h", self._enter), Route("/show", self._answers.show, methods=["POST"])]
            if show is Show.FULL:
                routes.append(Route("/choose", self._answers.choose, methods=["POST"]))
        starlette = Starlette(
            routes=routes, exception_handlers={404: self._missing, 405: self._missing, Exception: self._fault}
        )
        # A redirect would repeat the address, and take Host at its word.
        starlette.router.redirect_slashes = False
        self.app: ASGIApp = SecureAnswers(Shares(starlette, proxies, self._crowded), origin)

    def prepare(self) -> None:
        """Compile all that is said here, which takes up to a second: no visitor, and no session, shall wait for it."""
        rendering.prepare()
        rules_pages.prepare()

    async def settle(self, seconds: float) -> None:
        """Give choices that are being worked on `seconds` to end."""
        if self._answers is not None:
            await self._answers.settle(seconds)

    def _speaker(self, request: Request) -> Speaker:
        language = preferred(request, self._site())
        if self._answers is not None:
            return self._answers.speaker(language)
        return Speaker(language, self._site(), answers=False)

    async def _enter(self, request: Request) -> Response:
        return self._speaker(request).enter()

    async def _rules_page(self, request: Request) -> Response:
        site = self._site()
        language = wished(request, site) or preferred(request, site)
        told = await self._rules.page(language)
        others = [each for each in self._rules.languages(site) if each is not language]
        return rules(told, language, site, answers=self._answers is not None, others=others)

    async def _rules_text(self, request: Request) -> Response:
        site = self._site()
        language = wished(request, site) or preferred(request, site)
        told = await self._rules.page(language)
        return PlainTextResponse(told.text, headers=language_fields(language))

    async def _missing(self, request: Request, error: Exception) -> Response:
        """An unknown address, or another method than it takes. Nothing of the address is repeated."""
        assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for 404 and 405
        response = self._speaker(request).told("missing", error.status_code)
        response.headers.update(error.headers or {})
        return response

    async def _crowded(self, request: Request) -> Response:
        """For one client too many at once."""
        return self._speaker(request).told("trouble", 503)

    async def _fault(self, request: Request, _: Exception) -> Response:
        return self._speaker(request).told("trouble", 500)


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _readiness(unready: Unready, _: Request) -> Response:
    """Strangers may ask, too, so no reason is given."""
    return PlainTextResponse("not ready\n", 503) if await unready() else PlainTextResponse("ready\n")


async def _file(name: str, _: Request) -> Response:
    return Response(served(name), media_type=SERVED[name])
