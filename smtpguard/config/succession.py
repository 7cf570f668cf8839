"""Which new versions of files count, and which have to wait because they are broken or contradict others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from smtpguard.config.last_good import SITE
from smtpguard.config.line_files import of_key
from smtpguard.config.problems import Problem, Severity
from smtpguard.config.versions import Files, Offered, Version

# Contradicting changes are tried in halves; with a thousand lists one try takes some 50 ms.
TRIES_MAX = 200
# What was refused is tried again after something else was taken: one admin gives an alias away, another takes it.
ROUNDS_MAX = 5

# By key; None takes the list away.
Change = tuple[str, Version | None]
Refused = dict[str, tuple[Problem, ...]]


@dataclass(slots=True)
class _Choice:
    """The search for what can be taken. `objections` says what is wrong with a set of files, taken together."""

    taken: dict[str, Version]
    objections: Callable[[Files], tuple[Problem, ...]]
    borne: int = 0
    tries: int = 0
    refused: Refused = field(default_factory=dict)

    def take(self, changes: Sequence[Change]) -> list[Change]:
        """Take all of `changes` if that is possible, else as many as can be found; the others are returned."""
        if not changes:
            return []
        attempt = _changed(self.taken, changes)
        found = self.objections(attempt)
        self.tries += 1
        if len(found) <= self.borne:
            self.taken = attempt
            return []
        if len(changes) == 1 or self.tries >= TRIES_MAX:
            self.refused |= {key: found for key, _ in changes}
            return list(changes)
        half = len(changes) // 2
        return self.take(changes[:half]) + self.take(changes[half:])


def succeed(
    base: Files, offered: Offered, objections: Callable[[Files], tuple[Problem, ...]]
) -> tuple[dict[str, Version], Refused]:
    """The versions that count after `base`, and why others do not, by key.

    All changes count together if they agree. If not, older ones go first and a newer one that contradicts keeps its
    former version; the result is the same whenever the files are the same.
    """
    refused: Refused = {key: each.errors for key, each in offered.files.items() if each.errors}
    usable = {key: each for key, each in offered.files.items() if key not in refused}
    unchanged = {key: each for key, each in usable.items() if key in base and base[key].text == each.text}
    new = [(key, each) for key, each in usable.items() if key not in unchanged]
    changes: list[Change] = [*sorted(new, key=lambda each: (each[1].changed, each[0]))]
    gone = sorted(base.keys() - offered.files.keys())
    why = _not_gone(base, offered, refused)
    if why is None:
        changes += [(key, None) for key in gone]
    else:
        refused |= dict.fromkeys(gone, (why,))
    choice = _Choice({**base, **unchanged}, objections)
    if not changes:
        return choice.taken, refused
    whole = _changed(choice.taken, changes)
    if not objections(whole):
        return whole, refused
    choice.borne = len(objections(choice.taken))
    left = changes
    for _ in range(ROUNDS_MAX):
        before = len(left)
        left = choice.take(left)
        if not left or len(left) == before or choice.tries >= TRIES_MAX:
            break
    return choice.taken, refused | {key: choice.refused[key] for key, _ in left}


def _changed(files: Files, changes: Sequence[Change]) -> dict[str, Version]:
    after = dict(files)
    for key, version in changes:
        if version is None:
            after.pop(key, None)
        else:
            after[key] = version
    # In the order of a folder, whatever came first: it decides whom two claims of one address are told to.
    return dict(sorted(after.items(), key=lambda each: (each[0] != SITE, each[1].name)))


def _not_gone(base: Files, offered: Offered, refused: Refused) -> Problem | None:
    """Why files that are not there count all the same; None if they were deleted on purpose."""
    if offered.absent is not None:
        return offered.absent
    lists = [key for key in sorted(refused) if key != SITE and of_key(key) is None]
    new = [offered.files[key].name for key in lists if key not in base]
    new += [each.file for each in offered.nameless_errors]
    if not new:
        return None
    text = f"this file is gone, and {new[0]} is new and cannot be used: it stays in force until that is mended,"
    return Problem("", 0, 0, Severity.ERROR, f"{text} for it may be the same list.")
