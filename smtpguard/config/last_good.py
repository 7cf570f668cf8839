"""`state_dir/last-good`: a copy of each settings file as it was last accepted, for a start with a broken one.

`index.json` says for which site file the copies were made and which lists were in force. It is written last, so a copy
that is not in it counts for nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from smtpguard.config.line_files import of_key, read_lines
from smtpguard.config.lists import FOLDER, LIST_FILES_MAX
from smtpguard.config.problems import Problem, Source
from smtpguard.config.sources import (
    LIST_FILE_OCTETS_MAX,
    SITE_FILE_OCTETS_MAX,
    FileError,
    read_source,
    regular_octets,
)
from smtpguard.turns import Turns
from smtpguard.whole_file import replace_file, sync_folder

# In state_dir.
LAST_GOOD = "last-good"
# The key of the site file among files that are known by their list's id; no list has an empty one.
SITE = ""
_SITE_COPY = "smtpguard.yaml"
_INDEX = "index.json"
# Copies of the files that the site file names.
_NAMED = "named"
# Three names of 64 letters for each list.
_INDEX_OCTETS_MAX = LIST_FILES_MAX * 256
_STATE_DIR = re.compile(r"""(?m)^state_dir[ ]*:[ ]+(?:"([^"\n]+)"|'([^'\n]+)'|([^\s#"'][^\n#]*?))[ ]*(?:\s#.*)?$""")


@dataclass(frozen=True, slots=True)
class Copy:
    """What lies there of one file: its `name` as shown, and its text, or why that cannot be read."""

    name: str
    source: Source | Problem


def state_dir_in(text: str, folder: Path) -> Path | None:
    """What a site file says of `state_dir`, though the file as a whole cannot be read; relative to `folder`.

    The copies that are found there must name the same folder, so a wrong guess finds nothing.
    """
    found = _STATE_DIR.search(text)
    return None if found is None else folder / (found[1] or found[2] or found[3])


class LastGood:
    """The copies in `folder` of the settings whose site file is `site`. All methods block."""

    def __init__(self, folder: Path, site: Path) -> None:
        self._folder = folder
        self._site = site
        self._saved: dict[str, str] = {}
        self._index: bytes | None = None

    def read(self) -> dict[str, Copy]:
        """The copies by key, under SITE that of the site file; empty if none were made for this site file."""
        index = self._read_index()
        if index is None:
            return {}
        copies = {SITE: self._copy(SITE, self._site.name, SITE_FILE_OCTETS_MAX)}
        for list_id, name in index.items():
            copies[list_id] = self._copy(list_id, name, LIST_FILE_OCTETS_MAX)
        self._saved = {key: each.source.text for key, each in copies.items() if isinstance(each.source, Source)}
        return copies

    def save(self, files: Mapping[str, Source]) -> None:
        """Make the copies those of `files`; only what has changed is written. Raises OSError."""
        if not all((self._folder / each).exists() for each in (FOLDER, _NAMED)):
            self._saved, self._index = {}, None
        for name in (FOLDER, _NAMED):
            (self._folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        new = {key: source.text for key, source in files.items() if self._saved.get(key) != source.text}
        turns = Turns()
        for key, text in new.items():
            replace_file(self._path(key), text.encode("utf-8"), syncs_name=False)
            turns.give()
        for folder in {self._path(key).parent for key in new}:
            sync_folder(folder)
        self._saved |= new
        names = {key: source.name for key, source in files.items() if key != SITE}
        index = json.dumps({"config": str(self._site), "lists": names}, indent=1).encode("ascii")
        if index != self._index:
            replace_file(self._folder / _INDEX, index)
            self._index = index
        for key in self._saved.keys() - files.keys():
            self._path(key).unlink(missing_ok=True)
            del self._saved[key]

    def _path(self, key: str) -> Path:
        if of_key(key) is not None:
            return self._folder / _NAMED / f"{sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()}.txt"
        return self._folder / _SITE_COPY if key == SITE else self._folder / FOLDER / f"{key}.yaml"

    def _copy(self, key: str, name: str, octets_max: int) -> Copy:
        if (line := of_key(key)) is not None:
            return Copy(name, read_lines(line[0], self._path(key), name, self._folder)[0])
        return Copy(name, read_source(self._path(key), name, octets_max, self._folder))

    def _read_index(self) -> dict[str, str] | None:
        try:
            octets = regular_octets(self._folder / _INDEX, _INDEX_OCTETS_MAX, os.O_NOFOLLOW)
            read = json.loads(octets)
            lists = read["lists"]
            if read["config"] != str(self._site) or not all(isinstance(each, str) for each in lists.values()):
                return None
        except (FileError, ValueError, TypeError, KeyError, AttributeError):
            return None
        self._index = octets
        return {key: name for key, name in lists.items() if of_key(key) or _is_plain(key)}


def _is_plain(key: str) -> bool:
    return "/" not in key and key not in ("", ".", "..")
