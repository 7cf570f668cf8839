"""The stores of held mail and of the memory: protocols, promised alike by every backend.

Every method that changes something has committed durably when it returns, unless it says otherwise. Moves between
states are atomic, by the store's own clock. A backend raises `StoreError` and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from smtpguard.held import HeldRow, State
from smtpguard.policy import Remember
from smtpguard.remembered import Poster, Question, Recollected, RememberedPost
from smtpguard.remembered_mail import Glance, KnownList, MailQuestion, Reader, RememberedMail

# Waiting mails of one account that a corrected copy is compared with: who has more has not come to read the notices.
FOUND_MAX = 20
# A row in `asking` counts for its account's quota for so long. Without a crash it is dropped or `held` by then: a hold
# takes half an hour at the most (timeouts.hold), and a node that holds is within 15 minutes of the database's time.
# After it the row only waits for an answer to a notice that may have arrived: no 250 was said for it.
ASKING_COUNTS = timedelta(hours=2)


class StoreError(Exception):
    """The database did not do what was asked: unreachable, full, read-only, locked, broken, or no longer the same."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to decide one held mail, until it lapses. `nonce` tells this claim from a later one.

    `interrupted` is true if the mail was found in `sending`: a former release died between dot and reply, so the mail
    may have gone out already. `answers` is what was written with that.
    """

    id: bytes
    nonce: bytes
    interrupted: bool
    answers: bytes = b""


@dataclass(frozen=True, slots=True)
class LifeSign:
    """When a sign of life was written, by the store's clock, and when the one before it was."""

    now: datetime
    before: datetime | None


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of one account may wait at a time: `holds` mails and `octets` of content, the new one included.

    `accounts` are the account's tags, one for each week key; `besides` is a row that the new one replaces. What a hold
    that was cut off has left in `asking` is counted for ASKING_COUNTS.
    """

    accounts: Sequence[bytes]
    holds: int
    octets: int
    besides: bytes | None = None


class HoldStore(Protocol):
    """Held mail and tombstones."""

    async def add(self, row: HeldRow, within: Quota | None = None) -> bool:
        """Store a new row in state `asking`; on return it survives a power cut. False, and nothing stored, if there
        would be more than `within` allows, however many come at once."""

    async def count_notice(self, asker: bytes, day: date) -> int:
        """Count one notice to the account with the mark `asker` on `day`; returns how many there were before."""

    async def take_back_notice(self, asker: bytes, day: date) -> None:
        """The notice that was counted last did not go out."""

    async def forget_notices(self, before: date) -> int:
        """Delete the counts of all days before `before`; returns how many."""

    async def mark_held(self, hold_id: bytes) -> bool:
        """asking -> held: the notice is known to be taken. May be lost in a crash (SEMANTICS c6). False if the row is
        not, or no more, in `asking`: answered by now, marked already, or gone."""

    async def drop(self, hold_id: bytes) -> None:
        """Remove a row whose notice was not taken; no tombstone remains."""

    async def find(self, hold_id: bytes) -> HeldRow | None:
        """The row or tombstone of `hold_id`, or None. A row past its expiry is reported as `expired`, with its day."""

    async def find_resend(self, tags: Sequence[bytes]) -> HeldRow | None:
        """The newest waiting row whose `resend` tag is one of `tags` (12-15)."""

    async def waiting_subjects(self) -> frozenset[tuple[str, bytes, bytes]]:
        """Week, account tag and subject tag of every waiting row that has a subject tag (12-14)."""

    async def find_of_account(self, account: bytes, subject: bytes) -> list[HeldRow]:
        """Waiting, unclaimed, unexpired rows with these tags, the newest first, box left out; at most FOUND_MAX."""

    async def claim(self, hold_id: bytes, lasts: timedelta) -> Claim | None:
        """Take the right to decide a waiting, unexpired mail; None if there is none or somebody else has it."""

    async def renew(self, claim: Claim, lasts: timedelta) -> bool:
        """Prolong a claim; False if it was lost."""

    async def give_back(self, claim: Claim) -> None:
        """End a claim without a decision; a mail in `sending` stays there (it may have gone out)."""

    async def mark_sending(self, claim: Claim, answers: bytes = b"") -> bool:
        """Write `sending` before the final dot, and for which answers; False if the claim was lost, and then nothing
        may be sent."""

    async def unmark_sending(self, claim: Claim) -> bool:
        """sending -> held: the upstream has refused after the dot. False if the claim was lost."""

    async def decide(self, claim: Claim, state: State) -> bool:
        """Make a tombstone of a claimed row: box, card and tags are gone in the same transaction. False if lost."""

    async def replace(self, hold_id: bytes) -> bool:
        """12-15: a waiting, unclaimed row becomes `replaced`. False if it is decided or being decided."""

    async def settle(self, hold_id: bytes, state: State, when: datetime) -> bool:
        """T-05: `state` was decided on this row at `when`, and a restored copy does not know. It becomes that tombstone
        whatever its claim and its time; who has a claim on it loses it. False if it does not wait."""

    async def count_help(self, hold_id: bytes) -> int:
        """Count one help answer for this hold and return how many there were before."""

    async def waiting_ids(self, accounts: Sequence[bytes] | None = None) -> list[bytes]:
        """The ids of all waiting rows, or of those with one of these account tags."""

    async def expire_now(self, hold_id: bytes) -> bool:
        """-> expired before its time, if it is waiting and unclaimed, as `expire` does it (T-32)."""

    async def due(self, limit: int, besides: Collection[date] = ()) -> list[HeldRow]:
        """Waiting, unclaimed rows past their expiry, but for those under the day keys `besides`; oldest first, box left
        out."""

    async def expire(self, hold_ids: Sequence[bytes]) -> frozenset[bytes]:
        """-> expired, those that are due, waiting and unclaimed, in one transaction, with which box, card and tags are
        gone. Returns which."""

    async def waiting_days(self) -> dict[date, int]:
        """How many rows wait under each day key."""

    async def release_claims(self) -> int:
        """At the start of the only node: claims of a former process lapse at once; at that of a worker, those of the
        one that had its place. Returns how many."""

    async def purge_tombstones(self, older_than: timedelta) -> int:
        """Remove tombstones; returns how many. A backlog goes in several calls."""

    async def sign_of_life(self) -> LifeSign:
        """Write that a node lives now. After more than a day without any, each that asks within an hour of the return
        is told of it: neither a restart nor another node ends the doubt."""

    async def tidy(self) -> None:
        """Make sure that nothing of decided mail is left in the files (T-03). At most 60 s after a decision."""

    async def close(self) -> None:
        """Finish what was begun and close."""


class MemoryStore(Protocol):
    """What the guard remembers of list posts. Less strict than held mail: the last posts may be lost at a power cut."""

    async def ask(self, question: Question) -> Recollected:
        """What is known, within bounds for each part."""

    async def remember(self, posts: Sequence[RememberedPost], posters: Sequence[Poster]) -> None:
        """Write all of them, or none."""

    async def forget(self, *, texts: datetime, posts: datetime, weeks: str, poster_weeks: str) -> int:
        """Delete fingerprints of posts before `texts`, posts before `posts` or of a week before `weeks`, and posters of
        a week before `poster_weeks`; returns how many rows it changed. A backlog goes in several calls."""

    async def tidy(self) -> None:
        """Make sure that nothing deleted is left in the files."""

    async def close(self) -> None:
        """Finish what was begun and close."""


class TextStore(Protocol):
    """Where texts come from: private mail by mailbox, list posts for everybody. The last may be lost at a power cut."""

    async def glances(self, question: MailQuestion) -> Sequence[Glance]:
        """What these mailboxes have, the newest of each first, within bounds."""

    async def mails(self, chosen: Sequence[Glance]) -> Sequence[RememberedMail]:
        """All that is kept of these mails, in their order; those that are gone by now are left out."""

    async def public_among(self, season: str, fingerprints: Collection[int]) -> frozenset[int]:
        """Those of `fingerprints`, made with the key of `season`, that a list post had."""

    async def readers(self, accounts: Sequence[bytes]) -> Sequence[Reader]:
        """The closed lists that an account, by its marks, is known to read."""

    async def note_readers(self, seen: Sequence[Reader]) -> None:
        """Write these; who is there already is left as he is."""

    async def known_lists(self) -> Sequence[KnownList]:
        """From when on all posts of each list are known, in every season's marks."""

    async def remember_texts(self, mails: Sequence[RememberedMail], public: Mapping[str, Collection[int]]) -> None:
        """Write private mail, and fingerprints of list posts by season: all of them, or none."""

    async def note_known(self, lists: Sequence[KnownList]) -> None:
        """Write these; of each list the earlier time stays."""

    async def forget_texts(self, *, mails: datetime, weeks: str, seasons: str, remember: Remember) -> int:
        """Delete mails before `mails` or of a week before `weeks`, texts of seasons before `seasons`, and what is not
        to be remembered any more; returns how many rows it changed. A backlog goes in several calls."""

    async def tidy(self) -> None:
        """Make sure that nothing deleted is left in the files."""


class FiguresStore(Protocol):
    """What the guard did, a sealed text for each ISO week. The last ones may be lost at a power cut."""

    async def figures(self, week: str) -> bytes | None:
        """The figures of `week` ("2026-W47"), None if there are none."""

    async def keep_figures(self, sealed: Mapping[str, bytes], instead_of: Mapping[str, bytes | None]) -> bool:
        """Write the figures of these weeks in place of `instead_of`, None where there was nothing: all of them, or
        none. False, and nothing written, if others have written any of them since."""

    async def all_figures(self) -> Mapping[str, bytes]:
        """The figures of every week that has any."""

    async def forget_figures(self, before: str) -> int:
        """Delete the figures of all weeks before `before`; returns how many."""


class Statements(Protocol):
    """A database that several nodes share, for whoever only asks it something."""

    async def run(self, statement: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of one statement."""


class Memory(MemoryStore, TextStore, FiguresStore, Protocol):
    """All that is remembered, in one database."""
