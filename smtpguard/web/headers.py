"""The header fields of every answer of the page, errors included (THREAT-MODEL T-23, T-24)."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smtpguard import maillog

# T-24, tried: our own script and style, our own forms, nothing else, and in nobody's frame.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# A year, as browsers' own lists ask for (hstspreload.org).
STRICT_TRANSPORT = "max-age=31536000"

# The rules page, too: it names an organisation's lists and desks, for its members, and changes with the settings.
_ALWAYS = {
    "Content-Security-Policy": CONTENT_POLICY,
    # Not no-referrer: with that browsers send "Origin: null" with our own forms (T-23).
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def header_fields(origin: str) -> tuple[tuple[bytes, bytes], ...]:
    """The fields as ASGI and HTTP/1.1 have them; `origin` is scheme, host and port of the page."""
    fields = dict(_ALWAYS)
    if origin.startswith("https://"):
        fields["Strict-Transport-Security"] = STRICT_TRANSPORT
    return tuple((name.lower().encode("ascii"), value.encode("ascii")) for name, value in fields.items())


class SecureAnswers:
    """Puts the fields on whatever `app` answers, and keeps its faults: a web server would log them with their values
    (T-06)."""

    def __init__(self, app: ASGIApp, origin: str) -> None:
        self._app = app
        self._fields = header_fields(origin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *self._fields]}
            await send(message)

        if _has_two_lengths(scope):
            start = {"type": "http.response.start", "status": 400, "headers": [(b"connection", b"close")]}
            await send_with_fields(start)
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            await self._app(scope, receive, send_with_fields)
        except Exception as error:  # a bug; Starlette has answered already
            maillog.fault("a page failed", error)


def _has_two_lengths(scope: Scope) -> bool:
    """True for a request that a proxy may have ended elsewhere than we do (RFC 9112, 6.1): what is left of it would be
    read as another member's."""
    names = {name for name, _ in scope["headers"]}
    return {b"content-length", b"transfer-encoding"} <= names
