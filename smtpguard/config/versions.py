"""Settings files as they stand at one time, each read and understood by itself, and only where its text has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from smtpguard.config.last_good import SITE, Copy
from smtpguard.config.line_files import LineFile, LineKind, key_of, line_file, of_key, read_lines, shown_name
from smtpguard.config.lists import FOLDER, ListFile, list_files
from smtpguard.config.loading import SiteFile, list_file, site_file
from smtpguard.config.places import surroundings_of
from smtpguard.config.problems import Problem, Severity, Source
from smtpguard.config.reader import ClosedDocument
from smtpguard.config.site_texts import TextsFile, read_texts, texts_files
from smtpguard.config.sources import LIST_FILE_OCTETS_MAX, SITE_FILE_OCTETS_MAX, read_dated
from smtpguard.mail.address import Address
from smtpguard.turns import Turns


@dataclass(frozen=True, slots=True)
class Version:
    """One file as it stood once. `source` None: it could not be read; `changed` is its mtime in ns."""

    name: str
    source: Source | None
    content: SiteFile | ListFile | LineFile | TextsFile
    problems: tuple[Problem, ...]
    changed: int = 0

    @property
    def text(self) -> str | None:
        """What stood in it."""
        return None if self.source is None else self.source.text

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Why it cannot be used, as far as it says itself."""
        return tuple(each for each in self.problems if each.is_error)

    @property
    def contact(self) -> Address | None:
        """Who looks after it, if that can be read; a file that the site file names has nobody of its own."""
        if isinstance(self.content, LineFile | TextsFile):
            return None
        return (self.content.settings or self.content.draft).contact


# By list id; SITE is the site file, and the files that it names have keys of `line_files.key_of`.
Files = Mapping[str, Version]


@dataclass(frozen=True, slots=True)
class Offered:
    """What lies in the folder. `nameless`: what is wrong with names of files, so that they belong to no list.

    `absent`: the folder of list files is gone or empty, and nobody can tell whether that is meant.
    """

    files: Files
    nameless: tuple[Problem, ...]
    absent: Problem | None

    @property
    def nameless_errors(self) -> tuple[Problem, ...]:
        """Files that would be list files, were it not for their names."""
        return tuple(each for each in self.nameless if each.is_error)


class SettingsFolder:
    """The site file at `path` and the list files beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._around = surroundings_of(path.parent)
        self._known: dict[str, Version] = {}

    def read(self, named: Iterable[tuple[LineKind, Path]] = ()) -> Offered:
        """All files as they stand now, those that the site file names and those `named` among them.

        Never raises for what is in them.
        """
        folder = self._path.parent / FOLDER
        files = {SITE: self._version(SITE, self._path, self._path.name, None)}
        found, nameless = list_files(folder)
        turns = Turns()
        for list_id, path in found:
            files[list_id] = self._version(list_id, path, f"{FOLDER}/{path.name}", folder)
            turns.give()
        texts, odd = texts_files(self._path.parent)
        for kind, line_path in dict.fromkeys([*named_by(files), *texts, *named]):
            name = shown_name(line_path, self._path.parent)
            if kind is LineKind.TEXTS and (kind, line_path) not in texts:
                continue
            source, changed = read_lines(kind, line_path, name)
            key = key_of(kind, line_path)
            files[key] = self._understood(key, source, name, changed)
        self._known = files
        absent = next((each for each in nameless if each.file == FOLDER and each.is_error), None)
        return Offered(files, (*nameless, *odd), absent or _absence(folder))

    def of_copy(self, key: str, copy: Copy) -> Version:
        """The version of a last good copy."""
        return self._understood(key, copy.source, copy.name, 0)

    def _version(self, key: str, path: Path, name: str, folder: Path | None) -> Version:
        most = SITE_FILE_OCTETS_MAX if key == SITE else LIST_FILE_OCTETS_MAX
        source, changed = read_dated(path, name, most, folder)
        return self._understood(key, source, name, changed)

    def _understood(self, key: str, source: Source | Problem, name: str, changed: int) -> Version:
        known = self._known.get(key)
        text = source.text if isinstance(source, Source) else None
        if known is not None and text is not None and (known.text, known.name) == (text, name):
            return Version(name, known.source, known.content, known.problems, changed)
        content: SiteFile | ListFile | LineFile | TextsFile
        line = of_key(key)
        if line is not None and line[0] is LineKind.TEXTS:
            content, problems = read_texts(line[1], source, name)
        elif line is not None:
            content, problems = line_file(*line, source, name)
            source = source if isinstance(source, Problem) else content.source
        elif key == SITE:
            content = site_file(source, name, self._around)
            problems = content.problems
        else:
            content, problems = list_file(key, source, name, self._around)
            if content.settings is not None and not problems:
                content = replace(content, document=ClosedDocument(content.document.source, None, ()))
        return Version(name, source if isinstance(source, Source) else None, content, problems, changed)


def named_by(files: Files) -> tuple[tuple[LineKind, Path], ...]:
    """The files that the site file among `files` names, if it can be used."""
    content = files[SITE].content
    said = content.settings if isinstance(content, SiteFile) else None
    return () if said is None else said.line_files


def _absence(folder: Path) -> Problem | None:
    """Said of a folder without a single entry: that is how a disk looks which is not mounted."""
    try:
        if any(folder.iterdir()):
            return None
    except OSError:
        pass
    text = "this folder is gone or empty; its lists stay in force. If all of them shall go, put a file README into it."
    return Problem(FOLDER, 0, 0, Severity.ERROR, text)
