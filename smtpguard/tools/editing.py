"""`smtpguard edit`: change a list's file without ever leaving a broken one behind, as visudo(8) does for sudoers.

The editor gets a copy. What is saved is checked together with all other files, its examples are tried, and only a copy
without errors takes the file's place, in one step.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from smtpguard.config.lists import FOLDER, ListFile
from smtpguard.config.loading import Loaded, load
from smtpguard.config.problems import Problem, format_problem
from smtpguard.config.sources import LIST_FILE_OCTETS_MAX, FileError, read_source, regular_octets
from smtpguard.tools.installation import install, workshop
from smtpguard.tools.new_list import new_errors
from smtpguard.tools.rehearsal import Scene, failures, rehearse

# sensible-editor(1) and editor(1) are what Debian's admin chose; nano says on its screen how to leave it.
_EDITORS = ("sensible-editor", "editor", "nano", "vi")

Say = Callable[[str], None]
Ask = Callable[[], str]
"""Asks whether to edit again, drop or quit; the answer's first letter."""


class EditError(Exception):
    """The file cannot be edited, or was left as it is; the text says why."""


def editor_command(environment: Mapping[str, str]) -> list[str]:
    """The editor's words: $VISUAL, $EDITOR, else the first of the usual ones. Raises EditError if there is none."""
    for name in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(environment.get(name, ""))
        except ValueError as error:
            raise EditError(f"${name} cannot be read: {error}") from error
        if words:
            return words
    found = next((each for each in _EDITORS if shutil.which(each)), None)
    if found is None:
        raise EditError("no editor was found. Name one in $EDITOR.")
    return [found]


class Edit:
    """One list's file on the bench. `say` and `ask` talk with the admin; examples are tried as of `now`."""

    def __init__(self, config: Path, file: ListFile, now: datetime, say: Say, ask: Ask) -> None:
        self._config = config
        self._id = file.id
        self._name = file.name
        # A link within the folder stays one: the file behind it is replaced.
        self._path = (config.parent / file.name).resolve()
        self._now = now
        self._say = say
        self._ask = ask

    def run(self, editor: list[str]) -> bool:
        """Edit until the file is right or given up; False if a change was given up. Raises EditError, OSError."""
        if not self._path.is_relative_to((self._config.parent / FOLDER).resolve()):
            raise EditError(f"{self._name} is a link to a place outside its folder.")
        with locked(self._path, self._name), workshop(self._path.parent) as folder:
            before = _octets(self._path)
            if before is None:
                raise EditError(f"{self._name} cannot be read, or is larger than a list file may be.")
            copy = folder / self._path.name
            copy.write_bytes(before)
            while True:
                _edit(editor, copy)
                is_changed = _octets(copy) != before
                wrong = self._check(copy, tell=is_changed)
                if not is_changed:
                    self._say(f"{self._name}: nothing was changed.")
                    if not wrong:
                        return True
                elif not wrong and _octets(self._path) != before:
                    self._say(f"{self._name}: somebody else has changed this file meanwhile, without smtpguard edit.")
                elif not wrong:
                    break
                answer = self._ask()
                if answer == "e":
                    continue
                if answer == "q":
                    self._keep(copy)
                self._say(f"{self._name}: left as it was.")
                return False
            if not install(copy, self._path):
                self._say(f"{self._name}: the file now belongs to you; its former owner could not be kept.")
        self._say(f"{self._name}: saved.")
        return True

    def _check(self, copy: Path, *, tell: bool) -> bool:
        """Say what is wrong with the copy, or, with `tell`, what it changes; True if it cannot take the file's place.

        An example of another file that fares otherwise now is shown and no reason to refuse: else its admin could keep
        this one from changing his own list.
        """
        if copy.is_symlink():
            self._say(f"{self._name}: the editor has left a link instead of a file.")
            return True
        source = read_source(copy, self._name, LIST_FILE_OCTETS_MAX)
        if isinstance(source, Problem):
            self._say(format_problem(source))
            return True
        before, after = load(self._config), load(self._config, {self._id: source.text})
        errors = new_errors(before, after, self._name)
        scenes = rehearse(after, self._now)
        errors += tuple(each for each in failures(after, scenes) if each.file == self._name)
        warnings = (each for each in after.problems if not each.is_error and each.file == self._name)
        for problem in (*errors, *(warnings if tell else ())):
            self._say(format_problem(problem))
        if tell and not errors:
            for line in changes(before, after, rehearse(before, self._now), scenes, self._id):
                self._say(line)
        return bool(errors)

    def _keep(self, copy: Path) -> None:
        """What was typed is not thrown away: a dot in front keeps the loader from taking it for a list."""
        kept = self._path.with_name(f".{self._path.name}.rejected")
        copy.replace(kept)
        self._say(f"What you wrote is kept in {kept}.")


def changes(before: Loaded, after: Loaded, old: list[Scene], new: list[Scene], list_id: str) -> Iterator[str]:
    """What the change does to the examples: of the edited list all, of the others those that fare differently."""
    if after.policy is None:
        yield "Another file has errors, so the examples were not tried."
        return
    former = {(each.list_id, each.title): each.fate for each in old}
    for each in new:
        fate = former.get((each.list_id, each.title))
        if fate is not None and fate != each.fate:
            otherwise = "" if each.as_expected else f'; its file expects "{each.expect}"'
            yield f"  {each.list_id}: {each.title}: {fate} before, now {each.fate}{otherwise}"
        elif each.list_id == list_id:
            yield f"  {each.list_id}: {each.title}: {each.fate}{'' if fate == each.fate else ' (new example)'}"
    if not any(each.list_id == list_id for each in new):
        yield f'{list_id} has no "examples" to show what a change means.'


def _octets(path: Path) -> bytes | None:
    """What is in the file; None if it is no list file by its sort or size."""
    try:
        return regular_octets(path, LIST_FILE_OCTETS_MAX)
    except FileError:
        return None


def _edit(editor: list[str], copy: Path) -> None:
    try:
        code = subprocess.run([*editor, str(copy)], check=False).returncode  # noqa: S603 - the admin's own editor
    except OSError as error:
        raise EditError(f"the editor {editor[0]} cannot be started: {error.strerror}. Name one in $EDITOR.") from error
    if code:
        raise EditError(f"the editor {editor[0]} ended with code {code}. The file was left as it is.")


@contextmanager
def locked(path: Path, name: str) -> Iterator[None]:
    """Nobody else edits this file with us (flock(2)). Raises EditError if somebody does."""
    busy = EditError(f"{name} is being edited by somebody else. Try again when they are done.")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        # Whoever had the lock a moment ago has put another file here; this lock holds nobody off.
        if os.fstat(descriptor).st_ino != path.stat().st_ino:
            raise busy
        yield
    finally:
        os.close(descriptor)
