"""What the stores of held mail say alike: the columns of a row, what is left of it, and rows as values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Protocol

from smtpguard.held import HeldRow, State, Tags
from smtpguard.store import Claim

# In the order of the schemas. `decided` comes with the tombstone, `claim` and `claimed_until` with a claim, `answers`
# with `sending`.
COLUMNS = (
    "id", "state", "day", "created", "expires", "size", "box", "card",
    "week", "tag_resend", "tag_account", "tag_message", "tag_subject", "sketch", "helps",
)  # fmt: skip
WAITING = "state IN ('asking', 'held', 'sending')"
# What becomes of a row when it is decided, behind its state and time: everything else goes in the same transaction.
FORGOTTEN = (
    "size = 0, helps = 0, day = NULL, created = NULL, expires = NULL, box = NULL, card = NULL, week = NULL, "
    "tag_resend = NULL, tag_account = NULL, tag_message = NULL, tag_subject = NULL, sketch = NULL, "
    "claim = NULL, claimed_until = NULL, answers = NULL"
)


class Stored(Protocol):
    """A row as the database gives it."""

    def __getitem__(self, name: str, /) -> Any:
        """The value of a column."""


def values_of(row: HeldRow) -> dict[str, Any]:
    """The columns of a new row. Raises ValueError if it is none."""
    if row.state is not State.ASKING or row.day is None or row.created is None or row.expires is None:
        raise ValueError("a new row is in state asking and has its day and times")
    tags = row.tags
    return {
        "id": row.id,
        "state": row.state.value,
        "day": row.day,
        "created": row.created,
        "expires": row.expires,
        "size": row.size,
        "box": row.box,
        "card": row.card,
        "week": tags.week if tags else None,
        "tag_resend": tags.resend if tags else None,
        "tag_account": tags.account if tags else None,
        "tag_message": tags.message_id if tags else None,
        "tag_subject": tags.subject if tags else None,
        "sketch": tags.sketch if tags else None,
        "helps": row.helps,
    }


def claim_of(hold_id: bytes, nonce: bytes, stored: Stored) -> Claim:
    """The claim `nonce` on a row, by its `state` and `answers`."""
    return Claim(hold_id, nonce, stored["state"] == State.SENDING.value, stored["answers"] or b"")


def row_of(stored: Stored, day: Callable[[Any], date], time: Callable[[Any], datetime | None]) -> HeldRow:
    """A row or tombstone; `day` and `time` read what this database has for them."""
    tags = None
    if stored["week"] is not None:
        tags = Tags(
            stored["week"],
            stored["tag_resend"],
            stored["tag_account"],
            stored["tag_message"],
            stored["tag_subject"],
            stored["sketch"],
        )
    return HeldRow(
        id=stored["id"],
        state=State(stored["state"]),
        day=day(stored["day"]) if stored["day"] is not None else None,
        created=time(stored["created"]),
        expires=time(stored["expires"]),
        decided=time(stored["decided"]),
        size=stored["size"],
        box=stored["box"] or b"",
        card=stored["card"] or b"",
        tags=tags,
        helps=stored["helps"],
    )
