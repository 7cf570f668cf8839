"""The files of a first configuration put in their places: all of them or none, and never over another file."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from smtpguard.config.lists import FOLDER
from smtpguard.config.loading import Loaded, load
from smtpguard.tools.installation import workshop
from smtpguard.tools.schema import FILE_NAMES, schema

_FILE_MODE = 0o644
_FOLDER_MODE = 0o755


class OccupiedError(Exception):
    """A file that would be written is there already; `name` is the file."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def schemas(folder: Path) -> dict[str, str]:
    """What lets editors check the files of `folder` while they are typed, as far as it is not there already."""
    kinds: dict[str, str] = {FILE_NAMES["site"]: "site", f"{FOLDER}/{FILE_NAMES['list']}": "list"}
    made = {name: schema("site" if kind == "site" else "list") for name, kind in kinds.items()}
    return {
        name: json.dumps(each, indent=2, ensure_ascii=False) + "\n"
        for name, each in made.items()
        if not os.path.lexists(folder / name)
    }


def occupied(config: Path, names: list[str]) -> str | None:
    """The first of these names, as seen from the folder of `config`, that is taken; None if all are free."""
    return next((each for each in names if os.path.lexists(config.parent / each)), None)


def place(config: Path, files: Mapping[str, str]) -> Loaded:
    """Write `files`, by their names as seen from the folder of `config`, which is one of them; what was loaded of them.

    They are made in a folder aside and loaded there, together with the lists that are there already; with errors
    nothing takes its place, and the caller looks at `ok`. Raises OccupiedError, and OSError after taking back what was
    written.
    """
    if (name := occupied(config, list(files))) is not None:
        raise OccupiedError(name)
    with ExitStack() as undoing:
        _make_folder(config.parent, undoing, parents=True)
        with workshop(config.parent) as aside:
            _write(aside, files)
            loaded = _loaded(config, aside)
            if not loaded.ok:
                return loaded
            for name in files:
                _link(aside / name, config.parent / name, name, undoing)
            _flush({(config.parent / name).parent for name in files})
        undoing.pop_all()
    return loaded


def _loaded(config: Path, aside: Path) -> Loaded:
    before = config.parent / FOLDER
    if before.is_dir():
        (aside / FOLDER).mkdir(exist_ok=True)
        for each in before.glob("*.y*ml"):
            if each.is_file():
                shutil.copy(each, aside / FOLDER / each.name)
    return load(aside / config.name)


def _write(aside: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = aside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(_FILE_MODE)
        _flush({path})


def _link(copy: Path, path: Path, name: str, undoing: ExitStack) -> None:
    _make_folder(path.parent, undoing)
    try:
        # A link to a name that exists is refused by the system; a rename would overwrite.
        path.hardlink_to(copy)
    except FileExistsError:
        raise OccupiedError(name) from None
    undoing.callback(path.unlink, missing_ok=True)


def _make_folder(path: Path, undoing: ExitStack, *, parents: bool = False) -> None:
    """Make it if it is not there, and take it away again in the end, unless somebody has put something into it."""
    if path.is_dir():
        return
    if parents and path.parent != path:
        _make_folder(path.parent, undoing, parents=True)
    path.mkdir()
    path.chmod(_FOLDER_MODE)
    undoing.callback(_remove, path)


def _remove(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        pass  # not empty: somebody else's by now


def _flush(paths: set[Path]) -> None:
    """A power cut must not leave an empty file in the place of a good one."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
