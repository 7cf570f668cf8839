"""What is to be written for one list: a new file, or lines at the end of a file that is there.

Each value stands on a line of its own, so that what `check` says of a line says what is to be left out.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from smtpguard.config.lists import FOLDER, LIST_ID, ListFile
from smtpguard.config.problems import Problem
from smtpguard.config.values import other_meaning
from smtpguard.lists import ListKind, Manager
from smtpguard.tools.importing.comparison import Comparison, Pair
from smtpguard.tools.importing.described import Source
from smtpguard.tools.new_list import default_contact, file_text

# In this order they stand in a file that is added to.
_KEYS = ("aliases", "includes", "kind", "posters", "discussion", "audience")
_SEVERAL = frozenset({"aliases", "includes", "posters"})
# Without its posters a list cannot be one of announcements, and without being one it names no discussion.
_OF_ANNOUNCEMENTS = frozenset({"kind", "posters", "discussion"})
# Anything else is put in quotes; most of it needs none.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._+-]*(?:@[A-Za-z0-9.-]+)?")

_ABOUT = "about"


class Proposal:
    """`said` has the values by their keys; `file` is the one that is there, None for a new one."""

    def __init__(
        self, list_id: str, folder: Path, pair: Pair, source: Source, said: dict[str, list[str]], today: date,
        *, editor_line: bool,
    ) -> None:  # fmt: skip
        self.list_id = list_id
        self.file = pair.file
        self.pair = pair
        self.path = folder / f"{list_id}.yaml" if pair.file is None else folder / Path(pair.file.name).name
        self.name = f"{FOLDER}/{self.path.name}"
        self.said = said
        self.left_out: list[str] = []
        self._manager = source.manager
        self._source = source.name
        self._today = today
        self._editor_line = editor_line

    @property
    def lines(self) -> list[tuple[str, str, int | None]]:
        """The lines of all keys: each with its key, and its number where there are several values."""
        found: list[tuple[str, str, int | None]] = []
        for key in (each for each in _KEYS if each in self.said):
            values = self.said[key]
            if key in _SEVERAL:
                found.append((f"{key}:", key, None))
                found += [(f"  - {_written(value)}", key, number) for number, value in enumerate(values)]
            else:
                found.append((f"{key}: {_written(values[0])}", key, None))
        return found

    @property
    def addition(self) -> str:
        """What is put behind the text of the file that is there."""
        assert self.file is not None  # noqa: S101 - asked for such files only
        text = self.file.document.source.text
        end = "\r\n" if "\r\n" in text else "\n"
        head = "" if text.endswith(("\n", "\r")) or not text else end
        lines = [f"# {self._source} said so on {self._today.isoformat()} (smtpguard import):"]
        return head + "".join(f"{each}{end}" for each in (*lines, *(line for line, _, _ in self.lines)))

    @property
    def text(self) -> str:
        """The whole file as it would be."""
        return "".join(f"{line}\n" for line, _, _ in self._new()) if self.file is None else self._added()

    def refuse(self, problem: Problem) -> bool:
        """Leave out what stands on the problem's line; False if that is nothing that could be left out."""
        key, number = self._at(problem.line)
        if key == _ABOUT and self.said.pop(_ABOUT, None) is not None:
            self.left_out.append(f"{_ABOUT}: {problem.text}")
            return True
        if key not in self.said:
            return False
        # A key's own line is wrong where all that it says is.
        gone = [*self.said[key]] if number is None else [self.said[key][number]]
        self.left_out += [f"{key}: {each}: {problem.text}" for each in gone]
        self.said[key] = [each for each in self.said[key] if each not in gone]
        if not self.said[key]:
            for each in _OF_ANNOUNCEMENTS if key in ("kind", "posters") else {key}:
                self.said.pop(each, None)
        return True

    def _at(self, line: int) -> tuple[str, int | None]:
        if self.file is None:
            lines = self._new()
        else:
            # Counted from the end: all that the admin has written stands in front.
            total = len(self.text.splitlines())
            lines = [("", "", None)] * (total - len(self.lines)) + self.lines
        return lines[line - 1][1:] if 0 < line <= len(lines) else ("", None)

    def _new(self) -> list[tuple[str, str, int | None]]:
        """The lines of `new-list`, with ours in the place of its remarks."""
        address = self.pair.described.address
        about = self.said.get(_ABOUT, [f"The list {self.list_id}"])[0]
        contact = default_contact(address, self._manager)
        base = file_text(
            self.list_id, address, self._manager, about, contact, self._today, editor_line=self._editor_line
        )
        ours: dict[str, list[tuple[str, str, int | None]]] = {}
        for line in self.lines:
            ours.setdefault(line[1], []).append(line)
        found: list[tuple[str, str, int | None]] = []
        for text in base.splitlines():
            key = text.removeprefix("# ").partition(":")[0]
            if text.startswith("# ") and key in ours:
                found += ours.pop(key)
            else:
                found.append((text, _ABOUT if text.startswith("about:") else "", None))
        return found

    def _added(self) -> str:
        assert self.file is not None  # noqa: S101
        return self.file.document.source.text + self.addition


def proposals(
    comparison: Comparison, source: Source, folder: Path, today: date, *, editor_line: bool
) -> tuple[list[Proposal], list[str]]:
    """What the files lack, and a line for each list that can have no file."""
    taken = set(comparison.ids)
    names: dict[tuple[str, str], str] = {}
    impossible = []
    for pair in comparison.pairs:
        if pair.file is not None:
            names[pair.described.address.folded] = pair.file.id
        elif pair.rival is not None:
            impossible.append(comparison.rivalry(pair))
        elif (list_id := _new_id(pair, taken)) is None:
            text = "its name can be no list's id (letters a-z, digits, dot, dash and underscore)"
            impossible.append(f"{pair.described.address}: {text}. Write its file by hand.")
        else:
            names[pair.described.address.folded] = list_id
            taken.add(list_id)
    found = []
    for pair in comparison.pairs:
        list_id = names.get(pair.described.address.folded)
        if list_id is None:
            continue
        said = _new_said(pair, names) if pair.file is None else _missing(comparison, pair, pair.file, source.manager)
        if said or pair.file is None:
            found.append(Proposal(list_id, folder, pair, source, said, today, editor_line=editor_line))
    return found, impossible


def _new_id(pair: Pair, taken: set[str]) -> str | None:
    """The local part; where another domain has a list of this name, with the domain behind it."""
    local, domain = pair.described.address.key
    return next((each for each in (local, f"{local}-{domain}") if LIST_ID.fullmatch(each) and each not in taken), None)


def _new_said(pair: Pair, names: dict[tuple[str, str], str]) -> dict[str, list[str]]:
    described = pair.described
    said = {_ABOUT: [described.about]} if described.about else {}
    aliases = [each.normal for each in described.aliases if each.folded not in names]
    parts = [names[each.folded] for each in described.includes if each.folded in names]
    if aliases:
        said["aliases"] = aliases
    if parts:
        said["includes"] = parts
    return said | _announcing(pair, names) | ({"audience": ["closed"]} if described.is_hidden else {})


def _announcing(pair: Pair, names: dict[tuple[str, str], str]) -> dict[str, list[str]]:
    described = pair.described
    if described.kind is not ListKind.ANNOUNCE or not described.posters:
        return {}
    said = {"kind": [ListKind.ANNOUNCE.value], "posters": list(described.posters)}
    if described.discussion is not None and described.discussion.folded in names:
        said["discussion"] = [names[described.discussion.folded]]
    return said


def _missing(comparison: Comparison, pair: Pair, file: ListFile, manager: Manager) -> dict[str, list[str]]:
    """What a file without errors does not say at all. A key that its admin has written is his, whatever it says."""
    root = file.document.root
    if root is None or file.settings is None or file.settings.manager != manager.value:
        return {}
    if any(each.is_error for each in file.document.problems):
        return {}  # two documents, or a key twice: nobody knows to what a line behind them belongs
    if next(iter(root)).mark != root.mark:
        return {}  # written in {}: no line can be put behind that
    said: dict[str, list[str]] = {}
    if "aliases" not in root and (aliases := comparison.missing_aliases(pair)):
        said["aliases"] = [each.normal for each in aliases]
    if "includes" not in root and (parts := comparison.missing_parts(pair)):
        said["includes"] = parts
    if not _OF_ANNOUNCEMENTS & set(map(str, root)):
        to = pair.described.discussion
        known = None if to is None else comparison.id_of(to)
        said |= _announcing(pair, {to.folded: known} if to is not None and known is not None else {})
    if "audience" not in root and pair.described.is_hidden:
        said["audience"] = ["closed"]
    return said


def _written(value: str) -> str:
    if _PLAIN.fullmatch(value) and other_meaning(value) is None and value.lower() != "null":
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
