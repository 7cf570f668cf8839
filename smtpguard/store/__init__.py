"""The store of held mail: one protocol, promised alike by every backend.

Every method that changes something has committed durably when it returns, unless it says otherwise. Moves between
states are atomic, by the store's own clock. A backend raises `StoreError` and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from smtpguard.held import HeldRow, State


class StoreError(Exception):
    """The database did not do what was asked: unreachable, full, read-only, locked, broken, or no longer the same."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to decide one held mail, until it lapses. `nonce` tells this claim from a later one.

    `interrupted` is true if the mail was found in `sending`: a former release died between dot and reply, so the mail
    may have gone out already.
    """

    id: bytes
    nonce: bytes
    interrupted: bool


class HoldStore(Protocol):
    """Held mail and tombstones."""

    async def add(self, row: HeldRow) -> None:
        """Store a new row in state `asking`; on return it survives a power cut."""

    async def mark_held(self, hold_id: bytes) -> None:
        """asking -> held: the notice is known to be taken. May be lost in a crash (SEMANTICS c6)."""

    async def drop(self, hold_id: bytes) -> None:
        """Remove a row whose notice was not taken; no tombstone remains."""

    async def find(self, hold_id: bytes) -> HeldRow | None:
        """The row or tombstone of `hold_id`, or None. A row past its expiry is reported as `expired`."""

    async def find_resend(self, tags: Sequence[bytes]) -> HeldRow | None:
        """The newest waiting row whose `resend` tag is one of `tags` (12-15)."""

    async def claim(self, hold_id: bytes, lasts: timedelta) -> Claim | None:
        """Take the right to decide a waiting, unexpired mail; None if there is none or somebody else has it."""

    async def renew(self, claim: Claim, lasts: timedelta) -> bool:
        """Prolong a claim; False if it was lost."""

    async def give_back(self, claim: Claim) -> None:
        """End a claim without a decision; a mail in `sending` stays there (it may have gone out)."""

    async def mark_sending(self, claim: Claim) -> bool:
        """Write `sending` before the final dot; False if the claim was lost, and then nothing may be sent."""

    async def unmark_sending(self, claim: Claim) -> bool:
        """sending -> held: the upstream has refused after the dot. False if the claim was lost."""

    async def decide(self, claim: Claim, state: State) -> bool:
        """Make a tombstone of a claimed row: box, card and tags are gone in the same transaction. False if lost."""

    async def replace(self, hold_id: bytes) -> bool:
        """12-15: a waiting, unclaimed row becomes `replaced`. False if it is decided or being decided."""

    async def count_help(self, hold_id: bytes) -> int:
        """Count one help answer for this hold and return how many there were before."""

    async def due(self, limit: int) -> list[HeldRow]:
        """Waiting, unclaimed rows past their expiry, oldest first, box left out."""

    async def expire(self, hold_id: bytes) -> bool:
        """-> expired, if it is due, waiting and unclaimed; box, card and tags are gone in the same transaction."""

    async def waiting_days(self) -> dict[date, int]:
        """How many rows wait under each day key."""

    async def release_claims(self) -> int:
        """At the start of the only node: claims of a former process lapse at once. Returns how many."""

    async def purge_tombstones(self, older_than: timedelta) -> int:
        """Remove tombstones; returns how many."""

    async def sign_of_life(self) -> datetime | None:
        """Write that this node lives now, and return the time written before."""

    async def tidy(self) -> None:
        """Make sure that nothing of decided mail is left in the files (T-03). At most 60 s after a decision."""

    async def close(self) -> None:
        """Finish what was begun and close."""
