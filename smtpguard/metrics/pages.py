"""What answers on the port for monitoring: /metrics, /healthz, /readyz."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from smtpguard.metrics.exposition import CONTENT_TYPE, exposition
from smtpguard.metrics.readings import Reading
from smtpguard.web.headers import SecureAnswers

# However many ask, the text is made once in this time: it costs a millisecond or two of the loop that mail waits for.
FRESH_SECONDS = 1.0

_TEXT = b"text/plain; charset=utf-8"


class MonitoringPages:
    """The web application. `read` gives all metrics, `unready` why no mail can be taken."""

    # Whoever stands in between asks for itself.
    proxies = ()

    def __init__(self, read: Callable[[], Awaitable[Reading]], unready: Callable[[], Awaitable[Sequence[str]]]) -> None:
        self._read = read
        self._unready = unready
        self._made: tuple[float, bytes] | None = None
        self._making = asyncio.Lock()
        self.app: ASGIApp = SecureAnswers(self._answer, "http://")

    def prepare(self) -> None:
        """Nothing is to be made beforehand."""

    async def settle(self, _: float) -> None:
        """Nothing goes on behind an answer."""

    async def _answer(self, scope: Scope, _: Receive, send: Send) -> None:
        status, kind, text = await self._said(scope["method"], scope["path"])
        fields = [(b"content-type", kind), (b"content-length", b"%d" % len(text))]
        if status == 405:
            fields.append((b"allow", b"GET, HEAD"))
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": text})

    async def _said(self, method: str, path: str) -> tuple[int, bytes, bytes]:
        if method not in ("GET", "HEAD"):
            return 405, _TEXT, b"GET it\n"
        match path:
            case "/metrics":
                return 200, CONTENT_TYPE, await self._metrics()
            case "/healthz":
                # The loop has turned to say it; whether mail can be taken is another question.
                return 200, _TEXT, b"ok\n"
            case "/readyz":
                reasons = await self._unready()
                return (503 if reasons else 200), _TEXT, ("\n".join(reasons or ["ready"]) + "\n").encode("ascii")
            case _:
                return 404, _TEXT, b"/metrics, /healthz or /readyz\n"

    async def _metrics(self) -> bytes:
        async with self._making:
            now = time.monotonic()
            if self._made is None or now - self._made[0] >= FRESH_SECONDS:
                self._made = now, exposition(await self._read())
            return self._made[1]
