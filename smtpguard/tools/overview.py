"""`smtpguard lists`: every list in one line, as its file and the files of the others have it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from smtpguard.config.loading import Loaded
from smtpguard.lists import MailingList
from smtpguard.policy import Policy
from smtpguard.rules_page.exceptions import exceptions

_HEADINGS = ("id", "address", "kind", "pairs", "on_alarm", "exceptions", "contact")


@dataclass(frozen=True, slots=True)
class Row:
    """One list. `pairs` are the ids that it may be written to together with; `asked` those whose file does not agree
    yet; `exceptions` are (id, last day, agreed), those that have not ended."""

    id: str
    address: str
    kind: str
    pairs: tuple[str, ...]
    asked: tuple[str, ...]
    on_alarm: str
    exceptions: tuple[tuple[str, str, bool], ...]
    contact: str

    def as_json(self) -> dict[str, object]:
        """The object that `--json` prints."""
        exceptions = [{"with": one, "until": until, "agreed": agreed} for one, until, agreed in self.exceptions]
        return {**asdict(self), "pairs": [*self.pairs], "asked": [*self.asked], "exceptions": exceptions}

    def cells(self) -> tuple[str, ...]:
        """The same as words, one for each heading."""
        pairs = [*self.pairs, *(f"{each} (?)" for each in self.asked)]
        exceptions = [f"{one}{'' if agreed else ' (?)'} until {until}" for one, until, agreed in self.exceptions]
        return (
            self.id,
            self.address,
            self.kind,
            ", ".join(pairs) or "-",
            self.on_alarm,
            ", ".join(exceptions) or "-",
            self.contact,
        )


def overview(loaded: Loaded, now: datetime) -> list[Row]:
    """A row for each list, by id; empty where the files have errors."""
    policy = loaded.policy
    if policy is None:
        return []
    asked = {each.id: _asked(each.draft.crosspost_with, policy) for each in loaded.files}
    return [_row(each, policy, asked.get(each.id, ()), now) for each in sorted(policy.lists, key=lambda one: one.id)]


def table(rows: Sequence[Row]) -> Iterator[str]:
    """The rows as lines for a terminal, and what the marks in them mean."""
    cells = [_HEADINGS, *(each.cells() for each in rows)]
    widths = [max(len(line[number]) for line in cells) for number in range(len(_HEADINGS))]
    for line in cells:
        yield "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
    if any("(?)" in word for line in cells for word in line):
        yield "(?) the other list's file does not agree yet, so mails to both are held."


def partners(one: MailingList, policy: Policy) -> tuple[str, ...]:
    """The ids of the lists that may be written to together with `one` at any time."""
    return tuple(sorted(each.id for each in policy.lists if each.id != one.id and _pair(one, each, policy)))


def _row(one: MailingList, policy: Policy, asked: tuple[str, ...], now: datetime) -> Row:
    agreed = partners(one, policy)
    return Row(
        id=one.id,
        address=one.address.normal,
        kind=one.kind.value,
        pairs=agreed,
        asked=tuple(each for each in asked if each not in agreed),
        on_alarm=(one.on_alarm or policy.on_alarm).value,
        exceptions=exceptions(one, policy, now),
        contact=one.contact,
    )


def _asked(words: Sequence[str], policy: Policy) -> tuple[str, ...]:
    ids = {address.normal: each.id for each in policy.lists for address in each.addresses}
    found = (ids.get(word.lower(), word.lower()) for word in words)
    return tuple(dict.fromkeys(each for each in found if each in policy.by_id))


def _pair(one: MailingList, other: MailingList, policy: Policy) -> bool:
    return policy.allowed((one, other))
