"""THREAT-MODEL T-30: that the mail server refuses others' addresses as senders. To see it, somebody must log in."""

from __future__ import annotations

from dataclasses import replace

from smtpguard.config.settings import Settings, SettingsError
from smtpguard.doors import target
from smtpguard.mail.address import Address, parse_address
from smtpguard.tools.doctor.mail_server import last, place, said_on, written
from smtpguard.tools.doctor.premises import Premises, ProofAccount, patient
from smtpguard.tools.doctor.sheet import Sheet, words
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.connection import Connection
from smtpguard.upstream.outbox import Credentials, OutboxLogin, SubmissionOutbox


async def examine_senders(premises: Premises, sheet: Sheet) -> None:
    """Log in as the account that was named, and try to write as somebody else. MAIL, RCPT and RSET: nothing is sent."""
    settings, account = premises.settings, premises.account
    if settings.upstream is None:
        sheet.skipped('"upstream" is not in the settings')
        return
    if account is None:
        _not_proved(settings, sheet, "give the login of a test account (--login NAME)")
        return
    own = premises.directory.account(account.login).mailbox
    other = _other(settings, account, own)
    if own is None or other is None:
        _not_proved(settings, sheet, "this login has no mailbox" if own is None else "name another's address (--other)")
        return
    try:
        way = patient(target(settings.upstream, settings.timeouts, premises.certificates))
    except SettingsError as error:
        sheet.problem(str(error))
        return
    login = SubmissionOutbox(
        replace(way, client_address="none"),
        login=OutboxLogin.ACCOUNT,
        hello_name=premises.own_name,
        credentials=Credentials(account.login, account.password),
    )
    async with said_on(sheet, place(way)):
        try:
            connection = await login.connect()
        except UpstreamError as error:
            if "login" not in str(error):
                raise
            _not_proved(settings, sheet, f"the login is refused: {words(str(error).partition(': ')[2])}")
            return
        try:
            await _try(settings, sheet, connection, own, other)
            await connection.quit()
        finally:
            connection.abort()


async def _try(settings: Settings, sheet: Sheet, connection: Connection, own: Address, other: Address) -> None:
    control = await last(connection, written(own), written(own))
    if not control.ok:
        _not_proved(settings, sheet, f"this login cannot even write as itself: {words(control.text)}")
        return
    reply = await last(connection, written(other), written(own))
    if reply.permanent:
        sheet.ok("the mail server refuses this login another's address, and takes its own")
    elif reply.transient:
        _not_proved(settings, sheet, f"the mail server put it off: {words(reply.text)}")
    elif settings.mailbox_from_reverse_path:
        text = "any login may write as anybody, so any member can make the guard write to strangers"
        sheet.problem(f'{text}: take "mailbox_from_reverse_path" out, or see to it (Postfix: {_REMEDY})')
    else:
        sheet.warning(f"any login may write as anybody: a false sender is not stopped (Postfix: {_REMEDY})")


_REMEDY = "reject_sender_login_mismatch"


def _not_proved(settings: Settings, sheet: Sheet, why: str) -> None:
    text = "that the mail server refuses others' addresses is not proved"
    if settings.mailbox_from_reverse_path:
        sheet.problem(f'{text}, and "mailbox_from_reverse_path: true" rests on it: {why}')
    else:
        sheet.skipped(f"{text}: {why}")


def _other(settings: Settings, account: ProofAccount, own: Address | None) -> Address | None:
    """Somebody else's address: the one that was named, or one that the settings name."""
    if account.other is not None:
        return parse_address(account.other)
    mailboxes = [each.mailbox for each in settings.accounts.values()]
    named = (settings.contact, *mailboxes, *settings.desks)
    return next((each for each in named if each is not None and (own is None or each.normal != own.normal)), None)
