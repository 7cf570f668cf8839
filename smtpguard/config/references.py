"""What a list file says about other lists, accounts and days: whether it can mean what it says (SEMANTICS e3).

A list file only tightens its own list, or opens what the other side has opened, too. So nothing here looks at what
another file says but to tell this file's admin what is missing there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from smtpguard.config.binding import Steps
from smtpguard.config.lists import ListFile
from smtpguard.config.places import address_of
from smtpguard.config.problems import Problem, Severity, quoted_value
from smtpguard.config.settings import Settings

# An exception is for an event; what lasts longer is a decision, and belongs into `crosspost_with`.
EXCEPTION_DAYS_MAX = 60


@dataclass(frozen=True, slots=True)
class References:
    """All list files, and how words in them are read.

    `id_of` gives the id of the list that a word means, `unknown` says that it means none. `today` is the day at the
    site.
    """

    site: Settings
    files: Mapping[str, ListFile]
    id_of: Callable[[str], str | None]
    unknown: Callable[[str], tuple[str, Severity]]
    today: date

    def problems(self, file: ListFile) -> Iterator[Problem]:
        """Everything in `file` that names what is not there, or is not as it says."""
        draft = file.draft
        for number, word in enumerate(draft.includes):
            yield from self._other(file, ("includes", number), word)
        yield from self._circle(file)
        for number, word in enumerate(draft.may_quote_to):
            yield from self._other(file, ("may_quote_to", number), word)
        if draft.discussion is not None:
            yield from self._other(file, ("discussion",), draft.discussion)
        for number, entry in enumerate(draft.wrong_if):
            yield from self._other(file, ("wrong_if", number, "use"), entry.use)
        for number, example in enumerate(draft.examples):
            for place, word in enumerate(example.to):
                if "@" not in word and self.id_of(word) is None:
                    yield file.problem(("examples", number, "to", place), *self.unknown(word))
        accounts_named = (("posters", draft.posters), ("automatic", draft.automatic), ("readers", draft.readers))
        for name, accounts in accounts_named:
            for number, word in enumerate(accounts):
                yield from self._account(file, (name, number), word)
        for number in range(len(draft.exceptions)):
            yield from self._exception(file, number)
        yield from self._former_id(file)
        yield from self._expires(file)

    def _other(self, file: ListFile, steps: Steps, word: str) -> Iterator[Problem]:
        """A word that must mean another list."""
        found = self.id_of(word)
        if found is None:
            yield file.problem(steps, *self.unknown(word))
        elif found == file.id:
            yield file.problem(steps, "this is the list itself. Name the other list.")

    def _account(self, file: ListFile, steps: Steps, word: str) -> Iterator[Problem]:
        """A word that must mean an account: From: of a mail counts for nothing, so a list's address never posts."""
        if "@" not in word:
            return
        found = self.id_of(word)
        if found is not None:
            text = f"this is the list {found}; nobody logs in with it. Write accounts or their mailboxes."
            yield file.problem(steps, text)
        elif address_of(word) is None:
            yield file.problem(steps, f"{quoted_value(word)} is no mail address like name@example.org.")

    def _included(self, list_id: str) -> Iterable[tuple[int, str]]:
        """Places and ids of the lists that a list includes directly."""
        for number, word in enumerate(self.files[list_id].draft.includes):
            if (found := self.id_of(word)) is not None:
                yield number, found

    def _circle(self, file: ListFile) -> Iterator[Problem]:
        """The shortest way by `includes` from the list back to itself."""
        came_from: dict[str, str] = {}
        first: dict[str, int] = {}
        waiting = [file.id]
        for current in waiting:
            for number, child in self._included(current):
                entry = first.get(current, number)
                if child == file.id and current != file.id:
                    yield file.problem(("includes", entry), _told(self._way(came_from, current, file.id)))
                    return
                if child not in came_from and child != file.id:
                    came_from[child], first[child] = current, entry
                    waiting.append(child)

    def _way(self, came_from: Mapping[str, str], last: str, start: str) -> list[str]:
        way = [last]
        while way[-1] != start:
            way.append(came_from[way[-1]])
        return [*reversed(way), start]

    def _exception(self, file: ListFile, number: int) -> Iterator[Problem]:
        entry = file.draft.exceptions[number]
        until: Steps = ("exceptions", number, "until")
        if entry.until < self.today:
            text = f"this exception ended on {entry.until.isoformat()}; please delete it."
            yield file.problem(until, text, Severity.WARNING)
        elif entry.until - self.today > timedelta(days=EXCEPTION_DAYS_MAX):
            text = (
                f"an exception lasts at most {EXCEPTION_DAYS_MAX} days from today. Write an earlier end date; what is"
            )
            yield file.problem(until, f'{text} meant for good belongs into "crosspost_with".')
        for place, word in enumerate(entry.crosspost_with):
            steps = ("exceptions", number, "crosspost_with", place)
            wrong = list(self._other(file, steps, word))
            yield from wrong
            if not wrong and entry.until >= self.today:
                yield from self._one_sided(file, steps, word)

    def _one_sided(self, file: ListFile, steps: Steps, word: str) -> Iterator[Problem]:
        other = self.files[self.id_of(word) or file.id]
        if other.settings is None or self._opens(other, file.id):
            return
        if any({self.id_of(each) for each in pair} == {file.id, other.id} for pair in self.site.crosspost_pairs):
            return
        text = f"only {other.id}'s admin can open {other.id} for this: its file has no exception for {file.id}."
        text += f" Ask {other.settings.contact.normal}. Until then mails to both are held."
        yield file.problem(steps, text, Severity.WARNING)

    def _opens(self, other: ListFile, partner: str) -> bool:
        """True if `other` lets mail go to `partner`, too: for good, or for the time of an exception that still runs."""
        running = [each.crosspost_with for each in other.draft.exceptions if each.until >= self.today]
        return any(self.id_of(word) == partner for words in (other.draft.crosspost_with, *running) for word in words)

    def _former_id(self, file: ListFile) -> Iterator[Problem]:
        was = file.draft.was
        if was is None:
            return
        if was.lower() == file.id:
            text = (
                f'"was" is the id that this list had before, and {file.id} is what it is called now. Delete this line.'
            )
            yield file.problem(("was",), text)
        elif was.lower() in self.files:
            text = (
                f"there still is a list {was.lower()} ({self.files[was.lower()].name}). Delete this line, or that file."
            )
            yield file.problem(("was",), text)
        else:
            heirs = [each for each in self.files.values() if (each.draft.was or "").lower() == was.lower()]
            if heirs[0] is not file:
                yield file.problem(("was",), f"{heirs[0].name} says the same: one list alone can have been {was}.")

    def _expires(self, file: ListFile) -> Iterator[Problem]:
        longest = self.site.defaults.expires_max
        if file.draft.expires is not None and file.draft.expires > longest:
            text = f"this is longer than the site allows: mail waits {_written(longest)} and no longer"
            yield file.problem(("expires",), f"{text} (smtpguard.yaml, expires_max).", Severity.WARNING)


def _told(way: list[str]) -> str:
    """`a includes b, and b includes a.`"""
    steps = [f"{one} includes {other}" for one, other in pairwise(way)]
    return f"{', '.join(steps[:-1])}, and {steps[-1]}. Delete one of them."


def _written(span: timedelta) -> str:
    """A duration as it is written in a settings file."""
    seconds = int(span.total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
