"""All checks in turn. What lies on the disk is looked at as the guard's own user; the rest goes on side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date

from smtpguard.tools.doctor.certificates import examine_files as examine_certificates
from smtpguard.tools.doctor.database import LOOK_SECONDS, examine_files, examine_server
from smtpguard.tools.doctor.folders import examine_guard, examine_keys, examine_state_dir
from smtpguard.tools.doctor.guard_domain import examine_guard_domain, examine_outside
from smtpguard.tools.doctor.mail_server import examine_relaying, examine_upstream
from smtpguard.tools.doctor.names import examine_names
from smtpguard.tools.doctor.own_mail import examine_outbox
from smtpguard.tools.doctor.page import examine_page
from smtpguard.tools.doctor.premises import Premises
from smtpguard.tools.doctor.senders import examine_senders
from smtpguard.tools.doctor.sheet import Line, Sheet, looked
from smtpguard.tools.owner import Owner

# Two databases, and a lock of each that is waited for.
DATABASE_SECONDS = 3 * LOOK_SECONDS
FOLDER_SECONDS = 20.0
# The longest talk with a mail server: a few connections, each with a handful of replies that take their time.
NETWORK_SECONDS = 120.0

Look = Callable[[Premises, Sheet], Awaitable[None]]

_NETWORK: tuple[tuple[str, Look], ...] = (
    ("certificates", examine_certificates),
    ("upstream", examine_upstream),
    ("relaying", examine_relaying),
    ("senders", examine_senders),
    ("outbox", examine_outbox),
    ("guard domain", examine_guard_domain),
    ("port 25", examine_outside),
    ("page", examine_page),
    ("dns", examine_names),
)


async def examine(premises: Premises) -> Sequence[Line]:
    """The lines of all checks, in an order that a person can read. Never raises for what it meets."""
    lines = list(await _on_disk(premises))
    found = await asyncio.gather(*(_looked(premises, part, look, NETWORK_SECONDS) for part, look in _NETWORK))
    for each in found:
        lines += each
    return lines


async def _looked(premises: Premises, part: str, look: Look, seconds: float) -> Sequence[Line]:
    return await looked(part, lambda sheet: look(premises, sheet), seconds)


async def _on_disk(premises: Premises) -> Sequence[Line]:
    settings = premises.settings
    waiting: dict[date, int] = {}

    async def server(sheet: Sheet) -> None:
        waiting.update(await examine_server(premises, sheet))

    async def files(sheet: Sheet) -> None:
        waiting.update(await examine_files(premises, sheet))

    lines: list[Line] = []
    if settings.store.kind == "postgresql":
        # The file with its address may be root's alone.
        lines += await looked("database", server, DATABASE_SECONDS)
    with _as_owner(premises):
        lines += await _looked(premises, "guard", examine_guard, FOLDER_SECONDS)
        lines += await _looked(premises, "state_dir", examine_state_dir, FOLDER_SECONDS)
        if settings.store.kind == "sqlite" and settings.state_dir.is_dir():
            lines += await looked("database", files, DATABASE_SECONDS)
        lines += await looked("keys", lambda sheet: examine_keys(premises, sheet, waiting), FOLDER_SECONDS)
    return lines


def _as_owner(premises: Premises) -> AbstractContextManager[None]:
    """SQLite leaves files beside a database, also for who only reads; the guard must be able to use them."""
    folder = premises.settings.state_dir
    return Owner(folder).acting() if folder.is_dir() else nullcontext()
