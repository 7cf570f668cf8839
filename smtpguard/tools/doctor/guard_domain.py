"""The guard domain: answers must come back by it, and nobody may write to it from outside (THREAT-MODEL T-27)."""

from __future__ import annotations

from enum import Enum, auto

from smtpguard.answers.token import TOKEN_OCTETS, Token
from smtpguard.config.listeners import AnswersListener
from smtpguard.config.places import Endpoint, PassedSocket
from smtpguard.config.settings import SettingsError
from smtpguard.doors import outbox
from smtpguard.mail.address import Address
from smtpguard.tools.doctor.mail_server import RefusedError, last, place, said_on, session, told, verdict, written
from smtpguard.tools.doctor.premises import PATIENCE, Premises, is_public_name
from smtpguard.tools.doctor.sheet import Sheet, words
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.connection import Connection
from smtpguard.upstream.location import SMTP_PORT
from smtpguard.upstream.target import Target

# Nobody has this name at the guard domain.
NOBODY = "smtpguard-nobody-here"
# Of a domain with many MX hosts, so many are asked.
MX_MAX = 4


class _Port(Enum):
    """How a port at which mail comes in took a recipient of the guard domain."""

    TAKEN = auto()
    REFUSED = auto()
    PUT_OFF = auto()


async def examine_guard_domain(premises: Premises, sheet: Sheet) -> None:
    """Answers go to the guard's address, with a code behind it: the mail server must know the way."""
    settings = premises.settings
    guard = settings.address
    if guard is None or settings.outbox is None:
        sheet.skipped("no mail can be held, so nobody answers")
        return
    try:
        own = outbox(settings, premises.certificates)
    except SettingsError:
        sheet.skipped("the outbox cannot be used")
        return
    own.wait(PATIENCE)
    # No code of a held mail: 32 zeros. Nothing is sent to it.
    code = Token(bytes(TOKEN_OCTETS)).code
    async with said_on(sheet, "by the outbox"):
        connection = await own.connect()
        try:
            for what in (guard.local_part, f"{guard.local_part}+{code}"):
                shown = f"{guard.local_part}+CODE@{guard.domain}" if "+" in what else guard.normal
                told(sheet, f"mail to {shown}", await verdict(connection, "", f"{what}@{guard.domain}"))
            nobody = await last(connection, "", f"{NOBODY}@{guard.domain}")
            await connection.quit()
        finally:
            connection.abort()
        if nobody.ok:
            text = "refuse them there (Postfix: relay_recipient_maps), or the mail server sends reports back"
            sheet.ok(f"other names at {guard.domain} are taken by the mail server as well; better: {text}")
        else:
            sheet.ok(f"other names at {guard.domain} are refused by the mail server")
    await _answers_listeners(premises, sheet, guard)


async def _answers_listeners(premises: Premises, sheet: Sheet, guard: Address) -> None:
    found = [each for each in premises.settings.listeners if isinstance(each, AnswersListener)]
    if not found:
        text = "so answers count only from members who send through the guard"
        sheet.skipped(f"no listener of kind answers, {text}")
    for each in found:
        await _answers_listener(premises, sheet, guard, each)
    if found:
        text = "that the mail server hands this mail to the listener is seen when a notice is answered"
        sheet.skipped(f"{text} by somebody who does not send through the guard")


async def _answers_listener(premises: Premises, sheet: Sheet, guard: Address, door: AnswersListener) -> None:
    if isinstance(door.listen, PassedSocket):
        sheet.skipped(f"the listener at {door.listen} was not asked: its port stands in a socket unit of systemd")
        return
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(door.listen.host, door.listen.host)  # noqa: S104 - compared, not bound
    way = Target(host, door.listen.port, "none", timeouts=PATIENCE)
    what = f"the listener at {place(way)}"
    if door.tls == "implicit":
        sheet.skipped(f"{what} begins with TLS and was not asked")
        return
    try:
        connection = await Connection.open(way)
    except UpstreamError as error:
        why = "this machine is not in its `trust`" if error.reply is not None else "no guard runs there"
        sheet.skipped(f"{what} was not asked: {why}")
        return
    try:
        verb = b"LHLO" if door.protocol == "lmtp" else b"EHLO"
        await connection.hello(premises.own_name.encode("ascii", "replace"), verb)
        ours = await last(connection, "", written(guard))
        nobody = await last(connection, "", f"{NOBODY}@{guard.domain}")
        await connection.quit()
    except UpstreamError as error:
        sheet.problem(f"{what}: {words(str(error))}")
        return
    finally:
        connection.abort()
    if ours.ok and nobody.permanent:
        sheet.ok(f"{what} takes {guard.normal} and no other name")
    else:
        sheet.problem(f"{what}: is this the guard's? It says {words(ours.text)} and {words(nobody.text)}")


# ---------------------------------------------------------------- from outside


async def examine_outside(premises: Premises, sheet: Sheet) -> None:
    """T-27: from outside nobody may write to the guard domain, or mail with a code could be guessed at and bounced."""
    settings = premises.settings
    guard = settings.address
    if guard is None:
        sheet.skipped('"address" is not in the settings')
        return
    for place_outside in await _places_outside(premises, guard.domain, sheet):
        await _examine_port(place_outside, premises, guard, sheet)


async def _examine_port(at: Endpoint, premises: Premises, guard: Address, sheet: Sheet) -> None:
    what = f"port {at.port} of {at.host}"
    try:
        found = await _asked_at(at, premises, guard)
    except (UpstreamError, RefusedError) as error:
        reply = getattr(error, "reply", None)
        sheet.skipped(f"{what} does not let us ask: {words(str(error) if reply is None else reply.text)}")
        return
    if found is _Port.REFUSED:
        sheet.ok(f"{what} refuses mail to {guard.domain} (as far as this machine is a stranger to it)")
    elif found is _Port.TAKEN:
        text = "close it there (deploy/postfix), or strangers try codes and cause bounces"
        sheet.warning(f"{what} takes mail to {guard.normal} from outside, or from this machine: {text}")
    else:
        sheet.skipped(f"{what} put us off (4xx): not known")


async def _places_outside(premises: Premises, domain: str, sheet: Sheet) -> list[Endpoint]:
    """Where mail for the guard domain from outside would go: its MX, else the mail server itself."""
    if premises.outside is not None:
        return [premises.outside]
    upstream = premises.settings.upstream
    if is_public_name(domain):
        try:
            found = await premises.resolver.look_up(domain, "MX")
        except UpstreamError as error:
            sheet.skipped(words(str(error)))
            return []
        if found.records is not None:
            hosts = [str(getattr(each, "exchange", "")).rstrip(".") for each in found.records]
            if not any(hosts):
                sheet.ok(f"{domain} says in the DNS that it takes no mail from outside (RFC 7505)")
            return [Endpoint(each, SMTP_PORT) for each in hosts if each][:MX_MAX]
    if upstream is None or upstream.server is None:
        sheet.skipped(f"{domain} has no MX record, and no mail server is named in the settings")
        return []
    return [Endpoint(upstream.server.host, SMTP_PORT)]


async def _asked_at(at: Endpoint, premises: Premises, guard: Address) -> _Port:
    way = Target(at.host, at.port, "none", timeouts=PATIENCE)
    async with session(way, premises.own_name) as connection:
        reply = await last(connection, "", written(guard))
    if reply.ok:
        return _Port.TAKEN
    return _Port.PUT_OFF if reply.transient else _Port.REFUSED
