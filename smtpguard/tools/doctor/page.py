"""The page: reached where members reach it, its certificate, its headers, and Origin as browsers send it (T-23).

It is asked as by a browser, through whatever web server stands in front. No code is sent, so nothing can be answered.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography import x509

from smtpguard.tools.doctor.premises import DAYS_WARNING, Premises, days_left
from smtpguard.tools.doctor.sheet import Sheet, in_a_thread, words

REQUEST_SECONDS = 10.0
# Nothing of the body is needed but that it comes to an end.
BODY_OCTETS_MAX = 64 * 1024
# Where members come in, where a page without answers begins, where the first form goes, and what lives beside them.
ENTRY, RULES, FORM, HEALTH = "/h", "/rules", "/show", "/healthz"
# T-23, T-24 and RELIABILITY: the header, and what must stand in it.
HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"),
    "Referrer-Policy": ("same-origin",),
    "Cache-Control": ("no-store",),
    "X-Content-Type-Options": ("nosniff",),
    "X-Robots-Tag": ("noindex",),
}
# A page on another site, which must not be able to answer for a member.
FOREIGN_ORIGIN = "https://probe.invalid"
_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    certificate: bytes | None


async def examine_page(premises: Premises, sheet: Sheet) -> None:
    """Skipped where there is no page."""
    url, web = premises.settings.public_url, premises.settings.web
    if web is None or url is None:
        sheet.skipped('"web" is not in the settings: there is no page')
        return
    entry = RULES if web.show == "off" else ENTRY
    page = await _asked(sheet, url, "GET", entry)
    if page is None:
        return
    if page.status != http.HTTPStatus.OK:
        sheet.problem(f"{url}{entry}: answers {page.status}; does a guard run, and does the web server lead to it?")
        return
    sheet.ok(f"{url}{entry}: answers")
    _certificate(premises, sheet, url, page)
    _headers(sheet, url, page.headers)
    health = await _asked(sheet, url, "GET", HEALTH)
    if health is not None and health.status == http.HTTPStatus.OK:
        sheet.ok(f"{url}{HEALTH}: the guard says that it is well")
    elif health is not None:
        sheet.skipped(f"{url}{HEALTH}: answers {health.status}; perhaps it is not open to the public")
    if entry == ENTRY:
        await _origin(sheet, url)


def _certificate(premises: Premises, sheet: Sheet, url: str, page: _Answer) -> None:
    if page.certificate is None:
        host = urlsplit(url).hostname or ""
        if host in ("localhost", "127.0.0.1", "::1"):
            sheet.skipped(f"{url}: without TLS, on this machine")
        else:
            sheet.problem(f"{url}: without TLS everybody on the way reads held mail")
        return
    days = days_left(x509.load_der_x509_certificate(page.certificate), premises.now)
    text = f"{url}: its certificate is right and good for {days} days"
    if days < DAYS_WARNING:
        sheet.warning(text)
    else:
        sheet.ok(text)


def _headers(sheet: Sheet, url: str, headers: Mapping[str, str]) -> None:
    wrong = [
        name for name, parts in HEADERS.items() if not all(each in headers.get(name.lower(), "") for each in parts)
    ]
    if wrong:
        sheet.problem(
            f"{url}: {', '.join(wrong)} did not arrive as the guard sends it; the web server must not change it"
        )
    else:
        sheet.ok(f"{url}: {', '.join(HEADERS)} arrive as the guard sends them")


async def _origin(sheet: Sheet, url: str) -> None:
    """A form of ours is taken, a form of another site is not: by Origin, which the web server must hand on."""
    ours = await _asked(sheet, url, "POST", FORM, {"Origin": url})
    theirs = await _asked(sheet, url, "POST", FORM, {"Origin": FOREIGN_ORIGIN, "Sec-Fetch-Site": "same-origin"})
    if ours is None or theirs is None:
        return
    if ours.status == _FORBIDDEN:
        sheet.problem(f"{url}: the page's own form is refused (403): the web server takes Origin out, or changes it")
    elif theirs.status != _FORBIDDEN:
        sheet.problem(
            f"{url}: a form of another site is not refused ({theirs.status}): the web server takes Origin out"
        )
    else:
        sheet.ok(f"{url}: the web server hands Origin on: forms of other sites are refused")


async def _asked(
    sheet: Sheet, url: str, method: str, path: str, headers: Mapping[str, str] | None = None
) -> _Answer | None:
    """The answer; None, and a line, if there is none."""
    try:
        return await in_a_thread(lambda: _request(url, method, path, headers or {}))
    except ssl.SSLCertVerificationError as error:
        sheet.problem(f"{url}: its certificate is not accepted ({error.verify_message})")
    except TimeoutError:
        sheet.problem(f"{url}: does not answer within {REQUEST_SECONDS:.0f} s")
    except (OSError, http.client.HTTPException) as error:
        sheet.problem(f"{url}: cannot be reached: {words(getattr(error, 'strerror', None) or type(error).__name__)}")
    return None


def _request(url: str, method: str, path: str, headers: Mapping[str, str]) -> _Answer:
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(parts.netloc, timeout=REQUEST_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=REQUEST_SECONDS)
    try:
        connection.connect()
        certificate = (
            connection.sock.getpeercert(binary_form=True) if isinstance(connection.sock, ssl.SSLSocket) else None
        )
        body = b"" if method == "POST" else None
        form = {"Content-Type": "application/x-www-form-urlencoded"} if method == "POST" else {}
        connection.request(method, path, body, {**form, **headers})
        response = connection.getresponse()
        response.read(BODY_OCTETS_MAX)
        return _Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, certificate)
    finally:
        connection.close()
