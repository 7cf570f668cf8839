"""Files with one entry a line that the site file names: the members' addresses, and the site's own stock phrases.

They are no YAML: what a member database or an editor writes is taken as it is. A line that is empty or begins with `#`
says nothing. Lines of the roster are never quoted, neither by `check` nor in the log nor in a mail: who is a member is
nobody's business there, and the number of the line is enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from smtpguard.config.places import address_of
from smtpguard.config.problems import PROBLEMS_PER_FILE_MAX, Mark, Problem, Severity, Source
from smtpguard.config.sources import read_dated, source_of
from smtpguard.config.unseen import unseen_in_name
from smtpguard.mail.address import ADDRESS_CHARACTERS_MAX
from smtpguard.turns import Turns

# The largest organisations that we know of with one mail server; 100,000 addresses take some 20 MB of memory.
ROSTER_ADDRESSES_MAX = 100_000
# So many of 80 octets.
ROSTER_OCTETS_MAX = 8 * 1024 * 1024
# A site has some dozen phrases for each language.
PHRASES_MAX = 2_000
STOCK_OCTETS_MAX = 512 * 1024
# The longest disclaimer is a paragraph.
PHRASE_CHARACTERS_MAX = 2_000
# Copied text is known by four words in a row; a shorter phrase takes nothing away.
PHRASE_WORDS_MIN = 4

# What nearly every line of a roster looks like. Anything else is looked at with more care, which takes much longer.
_PLAIN = re.compile(
    r"([A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*)@((?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,24})"
)
_LOCAL_PART_MAX, _ADDRESS_MAX = 64, 254
_SEPARATORS = re.compile(r"[\s,;]+")
_REMARK = re.compile(r"\s+#.*")
_LIST_OF_YAML = re.compile(r"-\s|[\"'\[]")
# Thai, Chinese and Japanese put no blanks between words: there we cannot count them.
_WITHOUT_BLANKS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")

Folded = tuple[str, str]


class LineKind(Enum):
    """What such a file holds, by the key that names it."""

    ROSTER = "roster"
    STOCK = "stock"
    # Found beside the site file, not named in it; YAML, and read by `texts`.
    TEXTS = "texts"


# Of texts, ours have some 20 KiB.
_OCTETS_MAX = {
    LineKind.ROSTER: ROSTER_OCTETS_MAX,
    LineKind.STOCK: STOCK_OCTETS_MAX,
    LineKind.TEXTS: 128 * 1024,
}


@dataclass(frozen=True, slots=True)
class LineFile:
    """One such file. `addresses` are those of a roster (`Address.folded`), `phrases` those of a stock file.

    If it cannot be used, `is_usable` is false and both are empty.
    """

    kind: LineKind
    path: Path
    source: Source = field(repr=False)
    addresses: frozenset[Folded] = field(default=frozenset(), repr=False)
    phrases: tuple[str, ...] = field(default=(), repr=False)
    is_usable: bool = True

    @property
    def key(self) -> str:
        """What it is known by among settings files, which are known by their list's id: none begins with a slash."""
        return key_of(self.kind, self.path)

    def problem(self, address: Folded, text: str, severity: Severity) -> Problem:
        """A problem of the line on which `address` stands first."""
        found = (number for number, line in _entries(self.source) if _folded(line) == address)
        return _unquoted(self.source.problem(Mark(next(found, 0), 1), text, severity))


def key_of(kind: LineKind, path: Path) -> str:
    """The key of the file at `path`."""
    return f"/{kind.value} {path}"


def of_key(key: str) -> tuple[LineKind, Path] | None:
    """What `key_of` made the key of; None if it is that of a list or of the site file."""
    name, _, path = key.removeprefix("/").partition(" ")
    if not key.startswith("/") or not path or name not in {each.value for each in LineKind}:
        return None
    return LineKind(name), Path(path)


def shown_name(path: Path, folder: Path) -> str:
    """How the file at `path` is named in messages: from the site file's `folder`, if it lies below it."""
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def read_lines(kind: LineKind, path: Path, name: str, folder: Path | None = None) -> tuple[Source | Problem, int]:
    """The text of the file at `path`, shown as `name`, or why there is none; and its mtime in ns."""
    source, changed = read_dated(path, name, _OCTETS_MAX[kind], folder)
    if not isinstance(source, Problem):
        return source, changed
    where = "" if source.line or kind is LineKind.TEXTS else f' (it is named by "{kind.value}" in the site file)'
    return replace(_unquoted(source), text=f"{source.text.removesuffix('.')}{where}."), changed


def line_file(kind: LineKind, path: Path, source: Source | Problem, name: str) -> tuple[LineFile, tuple[Problem, ...]]:
    """The file by itself, and what is wrong with it."""
    if isinstance(source, Problem):
        return LineFile(kind, path, Source(name, "", ()), is_usable=False), (source,)
    return _roster(path, source) if kind is LineKind.ROSTER else _stock(path, source)


def _roster(path: Path, source: Source) -> tuple[LineFile, tuple[Problem, ...]]:
    turns = Turns()
    found: set[Folded] = set()
    problems: list[Problem] = []
    for number, line in _entries(source):
        address = _folded(line)
        if address is None:
            problems.append(_unquoted(source.problem(Mark(number, 1), _not_an_address(line))))
        else:
            found.add(address)
        if len(problems) >= PROBLEMS_PER_FILE_MAX or len(found) > ROSTER_ADDRESSES_MAX:
            break
        turns.give()
    if len(found) > ROSTER_ADDRESSES_MAX:
        problems.append(source.problem(None, f"there are more than {ROSTER_ADDRESSES_MAX} addresses in this file."))
    elif not found and not problems:
        text = "there is no address in this file, so everybody would be an outsider. Write one in each line, or take"
        problems.append(source.problem(None, f'{text} "roster" out of the site file.'))
    if problems:
        return LineFile(LineKind.ROSTER, path, source, is_usable=False), tuple(problems)
    # The lines are not kept: with a hundred thousand of them, Python looks at each whenever it clears up (gc).
    return LineFile(LineKind.ROSTER, path, Source(source.name, source.text, ()), frozenset(found)), ()


def _not_an_address(line: str) -> str:
    """What is wrong with a line of the roster, without a word of it."""
    if (code := unseen_in_name(line[:ADDRESS_CHARACTERS_MAX])) is not None:
        return f"there is an invisible character ({code}) in this line. Delete it."
    if _LIST_OF_YAML.match(line):
        return "write the address alone, without a dash, quotes or brackets: this file is no YAML."
    if sum("@" in each for each in _SEPARATORS.split(line)) > 1:
        return "there are two addresses in this line. Write one in each line."
    if "@" in line:
        return "this is no mail address like name@example.org. Write the address alone, one in each line."
    return "this is no mail address: write it in full, like name@example.org."


def _folded(line: str) -> Folded | None:
    """The address that a line is, as it is compared; None if it is none."""
    plain = _PLAIN.fullmatch(line)
    if plain is not None and len(plain[1]) <= _LOCAL_PART_MAX and len(line) <= _ADDRESS_MAX:
        return plain[1].lower(), plain[2].lower()
    if len(line) > ADDRESS_CHARACTERS_MAX or unseen_in_name(line) is not None:
        return None
    address = address_of(line)
    return None if address is None else address.folded


def _stock(path: Path, source: Source) -> tuple[LineFile, tuple[Problem, ...]]:
    phrases: list[str] = []
    problems: list[Problem] = []
    for number, line in _entries(source, remarks=False):
        if len(line) > PHRASE_CHARACTERS_MAX:
            text = f"this phrase has {len(line)} characters; at most {PHRASE_CHARACTERS_MAX} are read. Cut it up."
            problems.append(source.problem(Mark(number, 1), text))
        elif len(line.split()) < PHRASE_WORDS_MIN and not _WITHOUT_BLANKS.search(line):
            text = f"a phrase of less than {PHRASE_WORDS_MIN} words changes nothing: nobody is asked about so few."
            problems.append(source.problem(Mark(number, 1), text, Severity.WARNING))
        phrases.append(line)
        if len(phrases) > PHRASES_MAX:
            problems.append(source.problem(None, f"there are more than {PHRASES_MAX} phrases in this file."))
            break
    if not phrases:
        problems.append(source.problem(None, "there is no phrase in this file.", Severity.WARNING))
    if any(each.is_error for each in problems):
        return LineFile(LineKind.STOCK, path, source, is_usable=False), tuple(problems)
    return LineFile(LineKind.STOCK, path, source, phrases=tuple(phrases)), tuple(problems)


def _entries(source: Source, *, remarks: bool = True) -> Iterator[tuple[int, str]]:
    """Numbers and texts of the lines that say something; `remarks` may stand behind an entry as well."""
    for number, line in enumerate(source.lines or source_of(source.name, source.text).lines, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield number, (_REMARK.sub("", text) if remarks and "#" in text else text)


def _unquoted(problem: Problem) -> Problem:
    return replace(problem, quoted="")
