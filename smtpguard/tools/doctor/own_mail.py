"""The outbox, by which the guard's own mail goes, and mail that is released."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from smtpguard.config.sections import OutboxSettings
from smtpguard.config.settings import SettingsError
from smtpguard.doors import outbox, target
from smtpguard.mail.address import Address
from smtpguard.tools.doctor.mail_server import (
    RefusedError,
    examine_certificate,
    last,
    place,
    said_on,
    session,
    size_offered,
    told,
    verdict,
    ways,
    written,
)
from smtpguard.tools.doctor.premises import PATIENCE, Premises, patient
from smtpguard.tools.doctor.sheet import Sheet
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.connection import Connection
from smtpguard.upstream.target import Target

# What a member's mail may have needed on its way up, and needs again when it is released.
CARRIED = ("8BITMIME", "SMTPUTF8", "DSN")


async def examine_outbox(premises: Premises, sheet: Sheet) -> None:
    """It logs in, and takes the guard's mail and all that it releases. MAIL, RCPT and RSET: nothing is sent."""
    settings = premises.settings
    said, contact = settings.outbox, settings.contact
    if said is None or contact is None or settings.address is None:
        sheet.skipped(f"no mail can be held: {' '.join(settings.missing_to_hold())}")
        return
    try:
        way = patient(target(said, settings.timeouts, premises.certificates))
        own = outbox(settings, premises.certificates)
    except SettingsError as error:
        sheet.problem(str(error))
        return
    own.wait(PATIENCE)
    async with said_on(sheet, place(way)):
        connection = await own.connect()
        try:
            sheet.ok(f"{place(way)}: answers{_logged_in(said)}")
            examine_certificate(premises, sheet, place(way), connection)
            _offers(premises, sheet, connection.extensions, await _members_extensions(premises))
            taken = told(sheet, f"a notice to {contact.normal}", await verdict(connection, "", written(contact)))
            await _releases(said, contact, sheet, connection)
            await connection.quit()
        finally:
            connection.abort()
        if said.login == "xclient" and taken:
            await _login_counts(premises, way, contact, sheet)


def _logged_in(said: OutboxSettings) -> str:
    return {"xclient": ", and takes XCLIENT with LOGIN", "account": ", and takes the login"}.get(said.login, "")


async def _members_extensions(premises: Premises) -> list[Mapping[str, str]]:
    """What is offered on each way of members' mail; nothing where the mail server does not say, which is another
    check's."""
    found: list[Mapping[str, str]] = []
    try:
        all_ways = list(ways(premises))
    except SettingsError:
        return found
    for _, way in all_ways:
        found.append({})
        try:
            async with session(replace(way, client_address=_header_only(way)), premises.own_name) as connection:
                found[-1] = dict(connection.extensions)
        except (UpstreamError, RefusedError):
            pass
    return found


def _header_only(way: Target) -> str:
    """XCLIENT changes nothing of what is offered; without a PROXY header such a port does not speak at all."""
    return "proxy" if way.client_address == "proxy" else "none"


def _offers(premises: Premises, sheet: Sheet, own: Mapping[str, str], members: Sequence[Mapping[str, str]]) -> None:
    """What was taken from a member must be taken at its release."""
    missing = [each for each in CARRIED if any(each in one for one in members) and each not in own]
    if missing:
        text = "mail that a member sends with that may be refused when it is released"
        sheet.warning(f"{', '.join(missing)}: members are offered it, the outbox is not: {text}")
    else:
        sheet.ok("offers all that members may need for a mail that is released")
    limits = premises.settings.limits
    largest, size = min(limits.hold_size, limits.message_size), size_offered(own)
    theirs = [size_offered(each) for each in members]
    known = [each for each in theirs if each is not None]
    if known and len(known) == len(theirs):
        largest = min(largest, max(known))
    if size is not None and size < largest:
        text = f"takes mails up to {size} octets only, and up to {largest} are held: these could not be released"
        sheet.problem(f"{text}. Raise it (Postfix: message_size_limit), or lower `hold_size`")
    else:
        sheet.ok(f"takes mails as large as those that are held (SIZE {size or 'without bound'})")


async def _releases(said: OutboxSettings, contact: Address, sheet: Sheet, connection: Connection) -> None:
    """Where the login says nothing about the member, the outbox must take any member's reverse-path."""
    if said.release == "session":
        sheet.ok("releases go by members' own sessions")
    elif said.login != "xclient":
        to = written(contact)
        told(sheet, f"a release for a member (tried as {contact.normal})", await verdict(connection, to, to))


async def _login_counts(premises: Premises, way: Target, contact: Address, sheet: Sheet) -> None:
    """XCLIENT was answered with 220; that it means something is seen by what the port does without it."""
    async with session(way, premises.own_name) as connection:
        reply = await last(connection, "", written(contact))
    if reply.permanent:
        sheet.ok("the login by XCLIENT counts: without it the port refuses the same mail")
    else:
        text = "the port takes the same mail without it"
        sheet.skipped(f"whether the login by XCLIENT counts cannot be seen: {text}")
