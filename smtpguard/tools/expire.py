"""`smtpguard expire`: drops mail that waits, unseen (THREAT-MODEL T-32). It works on the guard's store, beside it.

A mail that is dropped becomes a tombstone: its box, card and tags are gone in one transaction. Its day key goes with
the guard's next sweep that finds nobody waiting for it. In the figures it was counted as unanswered when it was held.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from smtpguard.accounts import Directory
from smtpguard.config.settings import Settings
from smtpguard.correspondence import Correspondence
from smtpguard.databases import HOLDS, Databases
from smtpguard.decisions import Decisions
from smtpguard.held import State
from smtpguard.housekeeping import Housekeeping
from smtpguard.keeper import site_of
from smtpguard.keys import KeyFolder
from smtpguard.notices.languages import Texts
from smtpguard.safe import Safe
from smtpguard.store import HoldStore, StoreError
from smtpguard.tags import account_tag
from smtpguard.tools.owner import Owner
from smtpguard.upstream import Outbox

# A mail that is being released cannot be dropped. Most releases take a second or two; a mail server may take minutes.
TRIES = 10
PAUSE_SECONDS = 1.0
# The one line to each sender; a mail server that takes none of them is given up after this.
LETTERS_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many mails are gone, and how many were being decided all the time."""

    gone: int
    busy: int


class Expire:
    """The store of a guard with these settings, open for dropping; made by `expiring`.

    Every method raises StoreError; those that need keys raise KeyFolderError.
    """

    def __init__(self, settings: Settings, store: HoldStore, keys: KeyFolder) -> None:
        self._settings = settings
        self._store = store
        self._keys = keys
        self._decisions = Decisions(store, keys)

    async def of_account(self, login: str, directory: Directory) -> Sequence[bytes]:
        """What waits for the account of this login or address, by the tags of all weeks."""
        account = directory.account(login)

        def tags() -> list[bytes]:
            found = [self._keys.week_key(week) for week in self._keys.weeks()]
            return [account_tag(key, account) for key in found if key is not None]

        return await self._store.waiting_ids(await asyncio.to_thread(tags))

    async def of_all(self) -> Sequence[bytes]:
        """Everything that waits."""
        return await self._store.waiting_ids()

    async def drop(self, ids: Sequence[bytes]) -> Dropped:
        """Drop these, and tell nobody. Those that are being decided are tried again for a while."""
        gone, busy = 0, list(ids)
        for number in range(TRIES):
            if number:
                await asyncio.sleep(PAUSE_SECONDS)
            still, dropped = [], []
            for each in busy:
                row = await self._store.find(each)
                if row is not None and await self._store.expire_now(each):
                    # Without its box: all of what waits may be more than there is memory.
                    dropped.append(replace(row, box=b"", card=b""))
                elif await self._waits(each):
                    still.append(each)
            # Beside the day key, too: a database that is put back must not bring them back (T-05).
            await self._decisions.note(State.EXPIRED, *dropped)
            gone += len(dropped)
            busy = still
            if not busy:
                break
        await self._tidy()
        return Dropped(gone, len(busy))

    async def drop_due(self, own_way: Outbox, texts: Texts) -> Dropped:
        """Drop what is due, as the sweep does: senders get their line, in the words of `texts`. Also while a set clock
        makes the sweep pause."""
        settings = self._settings
        assert settings.address and settings.contact  # noqa: S101, PT018 - missing_to_hold() was empty
        letters = Correspondence(own_way, settings.address, lambda: secrets.token_hex(16), retry_seconds=())
        safe = Safe(self._keys, secrets.token_bytes)
        site = site_of(settings, texts)
        housekeeping = Housekeeping(
            self._store, self._keys, safe, self._decisions, letters, lambda: site, settings.contact
        )
        gone = 0
        while number := await housekeeping.expire_due():
            gone += number
            await letters.settle(LETTERS_SECONDS)
        await self._tidy()
        housekeeping.tell_faults()
        return Dropped(gone, 0)

    async def close(self) -> None:
        """Finish what was begun."""
        await self._decisions.close()

    async def _waits(self, hold_id: bytes) -> bool:
        row = await self._store.find(hold_id)
        return row is not None and row.state.waiting

    async def _tidy(self) -> None:
        with suppress(StoreError):  # somebody else reads: the guard's sweep does it
            await self._store.tidy()


@asynccontextmanager
async def expiring(settings: Settings) -> AsyncIterator[Expire]:
    """The guard's store, as the guard's own user. Raises StoreError, also if there is none yet, KeyFolderError,
    OSError.
    """
    folder = settings.state_dir
    async with AsyncExitStack() as ends:
        # The file with the database's address may be root's alone. Only a guard that starts brings one up to date.
        databases = await Databases.open(settings, lambda: datetime.now(UTC), schemas=(), with_keys=True)
        ends.push_async_callback(databases.close)
        if databases.server is None and not await asyncio.to_thread((folder / HOLDS).exists):
            raise StoreError(
                f"{folder / HOLDS}: no such file; is this the state_dir of your guard? (--state-dir FOLDER)"
            )
        if await asyncio.to_thread(folder.is_dir):
            ends.enter_context(Owner(folder).acting())
        store = await databases.holds()
        ends.push_async_callback(store.close)
        keys = await asyncio.to_thread(KeyFolder, settings.key_folder, "week", databases.key_share)
        expire = Expire(settings, store, keys)
        ends.push_async_callback(expire.close)
        yield expire
