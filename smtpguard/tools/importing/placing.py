"""From proposals to files: what `check` would refuse is left out, and files take their place as a whole."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from smtpguard.config.loading import load
from smtpguard.config.problems import Problem, Severity
from smtpguard.config.sources import LIST_FILE_OCTETS_MAX, FileError, regular_octets
from smtpguard.tools.editing import EditError, locked
from smtpguard.tools.importing.proposal import Proposal
from smtpguard.tools.installation import create, install, workshop
from smtpguard.tools.rehearsal import failures, rehearse

# Each round leaves out all that is wrong by itself; what refers to that is found by the next one.
ROUNDS_MAX = 20

_MAY_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH

_Key = tuple[str, int, str]


class Settlement:
    """The proposals that make no mistake, together with all other files; why others do, in `problems`."""

    def __init__(self, config: Path, proposals: Iterable[Proposal]) -> None:
        self._config = config
        self._known = {_key(each) for each in load(config).problems}
        self.accepted = list(proposals)
        self.rejected: list[Proposal] = []
        self.problems: dict[Problem, None] = {}
        for each in (one for one in self.accepted if len(one.text.encode()) > LIST_FILE_OCTETS_MAX):
            text = f"this file would be larger than {LIST_FILE_OCTETS_MAX // 1024} KiB. Write it by hand."
            self._reject([each], [Problem(each.name, 0, 0, Severity.ERROR, text)])
        for _ in range(ROUNDS_MAX):
            if not self._round():
                return
        self._reject(self.accepted, [])

    def unfit_examples(self, now: datetime) -> list[Problem]:
        """Examples of list files that would fare otherwise than they say, and did not before."""
        before, after = load(self._config), load(self._config, _texts(self.accepted))
        known = {(each.file, each.line) for each in failures(before, rehearse(before, now))}
        return [each for each in failures(after, rehearse(after, now)) if (each.file, each.line) not in known]

    def _round(self) -> bool:
        """One look at all files; False if nothing is wrong any more."""
        fresh = self._errors(self.accepted)
        if not fresh:
            return False
        by_name = {each.name: each for each in self.accepted}
        own: dict[str, list[Problem]] = {}
        for each in fresh:
            own.setdefault(each.file, []).append(each)
        mine = own.keys() & by_name.keys()
        for name in mine:
            # From the last line up, so that those above stay where they are.
            lasts = {each.line: each for each in own[name]}
            refused = [by_name[name].refuse(lasts[line]) for line in sorted(lasts, reverse=True)]
            if not any(refused):
                self._reject([by_name[name]], own[name])
        if not mine:
            self._reject(self._culprits(self.accepted), fresh)
        return True

    def _culprits(self, some: Sequence[Proposal]) -> list[Proposal]:
        """Those of `some` that make a mistake of what another file says."""
        names = {each.name for each in some}
        if all(each.file in names for each in self._errors(some)):
            return []
        if len(some) == 1:
            return list(some)
        half = len(some) // 2
        # Where neither half does it alone, nobody knows which one it is.
        return [*self._culprits(some[:half]), *self._culprits(some[half:])] or list(some)

    def _reject(self, some: Sequence[Proposal], problems: Iterable[Problem]) -> None:
        self.rejected += some
        self.problems |= dict.fromkeys(problems)
        self.accepted = [each for each in self.accepted if each not in some]

    def _errors(self, some: Sequence[Proposal]) -> list[Problem]:
        after = load(self._config, _texts(some))
        return [each for each in after.problems if each.is_error and _key(each) not in self._known]


def place(proposal: Proposal) -> str:
    """Write one proposal; what was done, in a word or two. Raises EditError if the file is not as it was, OSError."""
    if proposal.file is None:
        try:
            create(proposal.path, proposal.text)
        except FileExistsError:
            raise EditError(f"{proposal.name} has come up meanwhile. It was left as it is.") from None
        return "written"
    path = proposal.path.resolve()
    if not path.is_relative_to(proposal.path.parent.resolve()):
        raise EditError(f"{proposal.name} is a link to a place outside its folder.")
    if not path.stat().st_mode & _MAY_WRITE:
        # Root could, and a folder that is one's own would let anybody: but its admin has said not to.
        raise EditError(f"{proposal.name} is write-protected. It was left as it is.")
    with locked(path, proposal.name), workshop(path.parent) as folder:
        try:
            before = regular_octets(path, LIST_FILE_OCTETS_MAX)
        except FileError as error:
            raise EditError(f"{proposal.name} {error}.") from error
        if before.decode("utf-8-sig", "replace") != proposal.file.document.source.text:
            raise EditError(f"{proposal.name}: somebody has changed this file meanwhile. It was left as it is.")
        copy = folder / path.name
        copy.write_bytes(before + proposal.addition.encode())
        kept = install(copy, path)
    return "added to" if kept else "added to; it belongs to you now, its former owner could not be kept"


def _texts(some: Iterable[Proposal]) -> dict[str, str]:
    return {each.list_id: each.text for each in some}


def _key(problem: Problem) -> _Key:
    return problem.file, problem.line, problem.text
