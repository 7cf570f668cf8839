"""The mail server behind members' sessions: reachable, its certificate, what it offers, and what it takes unasked."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address

from cryptography import x509

from smtpguard.config.listeners import FilterListener, SubmissionListener
from smtpguard.config.settings import Settings, SettingsError
from smtpguard.doors import behind_filter, target
from smtpguard.listener.auth import READABLE
from smtpguard.mail.address import Address
from smtpguard.mail.reply import Reply
from smtpguard.tools.doctor.premises import DAYS_WARNING, Premises, days_left, names_in, patient
from smtpguard.tools.doctor.sheet import Sheet, words
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.connection import Connection
from smtpguard.upstream.origin import Origin
from smtpguard.upstream.relay_forms import try_forms
from smtpguard.upstream.target import Target

# Stands for a member on this machine; what is named then is the guard's own address (upstream/introduction).
_HERE = Origin(IPv4Address("127.0.0.1"), 25, IPv4Address("127.0.0.1"), 25)
# What connections and the DNS say when nobody is there.
_SILENCE = ("reached", "found in time", "answer in time", "no answer", "no address", "closed the connection")
# Forms in one line.
FORMS_MAX = 5


class RefusedError(Exception):
    """The mail server refused a command that everything else depends on."""


def ways(premises: Premises) -> Iterator[tuple[str, Target]]:
    """Each way that members' mail goes, with its setting's name. Raises SettingsError."""
    settings = premises.settings
    if settings.upstream is not None:
        yield "upstream", patient(target(settings.upstream, settings.timeouts, premises.certificates))
    for number, each in enumerate(settings.listeners):
        if isinstance(each, FilterListener) and each.upstream is not None:
            behind = behind_filter(each, settings)
            found = target(behind, settings.timeouts, premises.certificates)
            yield f"listeners.{number}.upstream", patient(replace(found, client_address="none"))


async def examine_upstream(premises: Premises, sheet: Sheet) -> None:
    """Each way that members' mail goes: up to EHLO inside TLS, and what is offered there."""
    try:
        found = list(ways(premises))
    except SettingsError as error:
        sheet.problem(str(error))
        return
    if not found:
        sheet.skipped('"upstream" is not in the settings')
    for name, each in found:
        async with said_on(sheet, f"{name}, {place(each)}"):
            await _examine_way(premises, sheet, name, each)


async def _examine_way(premises: Premises, sheet: Sheet, name: str, way: Target) -> None:
    async with session(way, premises.own_name, _HERE if way.client_address == "xclient" else None) as connection:
        sheet.ok(f"{name}, {place(way)}: answers: {words(connection.greeting.text)}")
        examine_certificate(premises, sheet, f"{name}, {place(way)}", connection)
        _what_members_get(premises.settings, sheet, name, connection.extensions)
        if connection.introduction is not None:
            failure = connection.introduction.failure
            if failure is None:
                sheet.ok(f'{name}: XCLIENT is taken, as "client_address: xclient" wants it')
            else:
                sheet.problem(f'{name}: {failure}, but the settings say "client_address: xclient" (deploy/README.md)')


def _what_members_get(settings: Settings, sheet: Sheet, name: str, offered: Mapping[str, str]) -> None:
    if name == "upstream" and any(isinstance(each, SubmissionListener) for each in settings.listeners):
        _logins(settings, sheet, offered)
    size = size_offered(offered)
    if size is not None and size < settings.limits.message_size:
        sheet.ok(f"{name}: takes mails up to {size} octets; members are offered that, not `message_size`")
    missing = [each for each in ("8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES") if each not in offered]
    if missing:
        sheet.ok(f"{name}: does not offer {', '.join(missing)}, so members are not offered it either")
    else:
        sheet.ok(f"{name}: offers 8BITMIME, SMTPUTF8, DSN and ENHANCEDSTATUSCODES")


def _logins(settings: Settings, sheet: Sheet, offered: Mapping[str, str]) -> None:
    mechanisms = offered.get("AUTH", "").upper().split()
    readable = [each for each in mechanisms if each in READABLE]
    hidden = [each for each in mechanisms if each not in READABLE]
    if readable:
        more = f" ({', '.join(hidden)} hide the account and are not passed on)" if hidden else ""
        sheet.ok(f"upstream: members can log in by {', '.join(readable)}{more}")
        return
    what = f"only {', '.join(hidden)}, which hide the account" if hidden else "no AUTH"
    required = any(isinstance(each, SubmissionListener) and each.auth == "required" for each in settings.listeners)
    if required:
        sheet.problem(f"upstream: offers {what}, so nobody can log in, and every listener wants a login")
    else:
        sheet.warning(f"upstream: offers {what}, so nobody can log in and nothing is judged")


async def examine_relaying(premises: Premises, sheet: Sheet) -> None:
    """Whether the mail server relays for this machine without a login: then whoever reaches the guard might, too."""
    settings = premises.settings
    if settings.upstream is None or not any(isinstance(each, SubmissionListener) for each in settings.listeners):
        sheet.skipped("no listener of kind submission leads to `upstream`")
        return
    domain = settings.account_domain or next(iter(settings.list_domains), settings.guard_domain)
    if domain is None:
        sheet.skipped("the settings name no domain of the mail server's own (account_domain, list_domains)")
        return
    try:
        way = patient(target(settings.upstream, settings.timeouts, premises.certificates))
    except SettingsError as error:
        sheet.problem(str(error))
        return
    async with said_on(sheet, place(way)):
        found = await try_forms(replace(way, client_address="none"), premises.own_name, domain)
        if found.taken:
            shown = ", ".join(found.taken[:FORMS_MAX])
            text = (
                f"OPEN RELAY: {len(found.taken)} of {found.tried} foreign recipients are taken without a login: {shown}"
            )
            remedy = "take this machine out of mynetworks (Postfix)"
            if any(isinstance(each, SubmissionListener) and each.auth == "optional" for each in settings.listeners):
                sheet.problem(f'{text}. A listener has "auth: optional": anybody can send. {remedy}')
            else:
                sheet.warning(f'{text}. Only "auth: required" keeps strangers out; {remedy}')
        if found.put_off:
            sheet.skipped(f"{found.put_off} of {found.tried} foreign recipients were put off (4xx): not known")
        if found.doubtful:
            text = f"{len(found.doubtful)} odd forms were taken, but so is any name at {domain}"
            sheet.skipped(f"{text}: whether they are sent on cannot be seen from here")
        if not (found.taken or found.put_off or found.doubtful):
            sheet.ok(f"{found.tried} forms of foreign recipients are refused without a login")


# ---------------------------------------------------------------- what other checks use


@asynccontextmanager
async def session(way: Target, own_name: str, origin: Origin | None = None) -> AsyncIterator[Connection]:
    """A connection that has said EHLO. Raises UpstreamError, RefusedError."""
    connection = await Connection.open(way, origin=origin)
    try:
        hello = await connection.hello(own_name.encode("ascii", "replace"))
        if not hello.ok:
            raise RefusedError(f"EHLO is refused: {words(hello.text)}")
        yield connection
        await connection.quit()
    finally:
        connection.abort()


@asynccontextmanager
async def said_on(sheet: Sheet, what: str) -> AsyncIterator[None]:
    """Whatever ends the talk with a mail server is a line on the sheet."""
    try:
        yield
    except RefusedError as error:
        sheet.problem(f"{what}: {error}")
    except UpstreamError as error:
        said = "" if error.reply is None else f" ({words(error.reply.text)})"
        sheet.problem(f"{what}: {words(str(error))}{said}", unreachable=_is_unreachable(error))


def _is_unreachable(error: UpstreamError) -> bool:
    """False if somebody is there: one whose certificate is wrong, or who says no."""
    if error.reply is not None:
        return error.reply.transient
    return not isinstance(error.__cause__, ssl.SSLError) and any(each in str(error) for each in _SILENCE)


def examine_certificate(premises: Premises, sheet: Sheet, what: str, connection: Connection) -> None:
    """How long the certificate that was shown (and checked) is still good."""
    octets = connection.certificate
    if octets is None:
        sheet.ok(f"{what}: without TLS, as the settings say")
        return
    certificate = x509.load_der_x509_certificate(octets)
    days = days_left(certificate, premises.now)
    text = f"{what}: its certificate is right ({words(', '.join(names_in(certificate)))}) and good for {days} days"
    if days < DAYS_WARNING:
        sheet.warning(text)
    else:
        sheet.ok(text)


def size_offered(offered: Mapping[str, str]) -> int | None:
    """The largest mail that is taken, in octets; None if the server says no bound (RFC 1870, 4)."""
    size = offered.get("SIZE", "")
    return int(size) if size.isascii() and size.isdigit() and len(size) < 20 and int(size) else None


def place(way: Target) -> str:
    """Where a mail server is, as in the settings."""
    if way.port == 0:
        return way.host
    return f"[{way.host}]:{way.port}" if ":" in way.host else f"{way.host}:{way.port}"


async def verdict(connection: Connection, sender: str, recipient: str) -> tuple[Reply, Reply | None]:
    """The replies to MAIL and, if that was taken, RCPT; then RSET. Raises UpstreamError."""
    first = await connection.command(f"MAIL FROM:<{sender}>".encode())
    if not first.ok:
        return first, None
    second = await connection.command(f"RCPT TO:<{recipient}>".encode())
    if await connection.reset() is None:
        raise UpstreamError("the mail server closed the connection", reply=connection.farewell)
    return first, second


def told(sheet: Sheet, what: str, said: tuple[Reply, Reply | None]) -> bool:
    """Write down whether a mail was taken, by the replies to MAIL and RCPT."""
    reply = said[1] or said[0]
    if reply.ok:
        sheet.ok(f"{what} is taken")
    else:
        sheet.problem(f"{what} is {'put off' if reply.transient else 'refused'}: {words(reply.text)}")
    return reply.ok


async def last(connection: Connection, sender: str, recipient: str) -> Reply:
    """The reply that decides. Raises UpstreamError."""
    first, second = await verdict(connection, sender, recipient)
    return second or first


def written(address: Address) -> str:
    """An address as it stands in a command."""
    return f"{address.local_part}@{address.domain}"
