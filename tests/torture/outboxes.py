"""A notice that cannot be sent: the mail has no 250, and if the notice may have arrived, its code works."""

from __future__ import annotations

from typing import Any

from tests.torture.ledger import Account, answer_address, row_id
from tests.torture.site import Site, Sites, site

# What the outbox does, and whether the notice may have arrived for all that the guard knows; None: who is quicker?
FAULTS: dict[str, tuple[dict[str, Any], bool | None]] = {
    "4xx to RCPT": ({"stage": "RCPT", "reply": b"451 4.3.0 later\r\n"}, False),
    "5xx to RCPT": ({"stage": "RCPT", "reply": b"550 5.1.1 never\r\n"}, False),
    "4xx to the dot": ({"stage": "END", "reply": b"451 4.3.0 later\r\n"}, False),
    "5xx to the dot": ({"stage": "END", "reply": b"554 5.7.1 never\r\n"}, False),
    "down": ({"stage": "greeting", "then": "reset"}, False),
    "421": ({"stage": "greeting", "reply": b"421 4.3.2 going down\r\n", "then": "close"}, False),
    "dies in mid-content": ({"stage": "DATA", "reply": b"354 go on\r\n", "then": "reset"}, None),
    "dies after the dot": ({"stage": "END", "then": "close"}, True),
    "resets after the dot": ({"stage": "END", "then": "reset"}, True),
    "half a reply to the dot": ({"stage": "END", "reply": b"25", "then": "close"}, True),
}
SESSIONS = 5


async def notice_not_sent(tries: int, sites: Sites = site) -> Account:
    """Each of FAULTS, so often."""
    account = Account(f"notice cannot be sent, {len(FAULTS)} ways")
    async with sites() as here:
        await here.start()
        for name, (script, may_arrive) in FAULTS.items():
            for _ in range(tries):
                await _one_try(here, account, name, script, may_arrive=may_arrive)
                account.tries += 1
        await here.answer_all(account)
        await here.end()
        await here.judge(account)
    return account


async def _one_try(here: Site, account: Account, name: str, script: dict[str, Any], *, may_arrive: bool | None) -> None:
    arrived = len(here.out.arrived)
    rows = set(here.rows(account))
    here.out.on(**script)
    mails = [await here.submit_one(holds=True) for _ in range(SESSIONS)]
    here.out.behave()
    if any(not 400 <= each.code < 600 or (each.code >= 500) != name.startswith("5xx") for each in mails):
        account.wrong.append(f"{name}: {[each.code for each in mails]}")
    left = set(here.rows(account)) - rows
    came = {row_id(address) for each in here.out.arrived[arrived:] if (address := answer_address(each))}
    # A row without a notice is nobody's; a notice without a row has a code that does not work.
    if may_arrive is not None and left != (came if may_arrive else set()):
        account.wrong.append(f"{name}: {len(left)} rows for {len(came)} notices that may have arrived")
    if may_arrive:
        for each in here.out.arrived[arrived:]:
            here.ledger.take_notice(each)
    if (await here.submit_one(holds=True)).code != 250:
        account.wrong.append(f"{name}: does not hold again")
