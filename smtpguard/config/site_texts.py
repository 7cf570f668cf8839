"""The site's own words: texts files in `texts/` beside the site file, each called like its language (`de.yaml`).

A file for a language that is shipped puts single texts otherwise; any other makes a new language.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from smtpguard.config.binding import suggestion
from smtpguard.config.line_files import LineKind
from smtpguard.config.problems import Problem, Severity, Source
from smtpguard.config.reader import Document
from smtpguard.config.settings import Settings
from smtpguard.config.texts import shipped_wordings, texts_file
from smtpguard.config.values import LANGUAGE
from smtpguard.notices.languages import DEFAULT_LANGUAGE, Texts, Wording, languages_of

# Beside the site file.
TEXTS_FOLDER = "texts"
# More than the official languages of any organisation that we know of.
TEXTS_FILES_MAX = 50


@dataclass(frozen=True, slots=True)
class TextsFile:
    """One such file. If it cannot be used, `is_usable` is false and `wording` is empty."""

    wording: Wording
    source: Source = field(repr=False)
    is_usable: bool = True


def texts_files(folder: Path) -> tuple[list[tuple[LineKind, Path]], list[Problem]]:
    """The texts files beside the site file in `folder`, by name, and what is odd about names there."""
    try:
        paths = sorted(each for each in (folder / TEXTS_FOLDER).iterdir() if not each.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return [], []
    except OSError as error:
        return [], [Problem(TEXTS_FOLDER, 0, 0, Severity.WARNING, f"this folder cannot be read: {error.strerror}.")]
    found: list[tuple[LineKind, Path]] = []
    odd: list[Problem] = []
    for path in paths[:TEXTS_FILES_MAX]:
        if path.suffix == ".yaml" and LANGUAGE.fullmatch(path.stem):
            found.append((LineKind.TEXTS, path))
        elif path.suffix in (".yaml", ".yml"):
            text = "this file is not read: call it like its language, de.yaml or pt-BR.yaml."
            odd.append(Problem(f"{TEXTS_FOLDER}/{path.name}", 0, 0, Severity.WARNING, text))
    if len(paths) > TEXTS_FILES_MAX:
        text = f"there are more than {TEXTS_FILES_MAX} files in this folder; the others are not read."
        odd.append(Problem(TEXTS_FOLDER, 0, 0, Severity.WARNING, text))
    return found, odd


def read_texts(path: Path, source: Source | Problem, name: str) -> tuple[TextsFile, tuple[Problem, ...]]:
    """The file at `path`, and what is wrong with it."""
    code = path.stem
    if isinstance(source, Problem):
        return TextsFile(Wording(code), Source(name, "", ()), is_usable=False), (source,)
    known = shipped_wordings()
    wording, problems = texts_file(code, source, known[DEFAULT_LANGUAGE], known.get(code))
    if any(each.is_error for each in problems):
        return TextsFile(Wording(code), source, is_usable=False), problems
    return TextsFile(wording, source), problems


def texts_of_site(files: Iterable[TextsFile]) -> Texts:
    """The shipped languages with those of the site over them and beside them."""
    usable = (each.wording for each in files if each.is_usable)
    return Texts(languages_of([*shipped_wordings().values(), *usable]))


def languages_problems(site: Settings, document: Document, files: Iterable[TextsFile]) -> Iterator[Problem]:
    """Languages that the site file names and that have no texts. A file with mistakes has been told of as such."""
    known = sorted({*shipped_wordings(), *(each.wording.code for each in files)})
    named = [(each, ("languages", number)) for number, each in enumerate(site.languages)]
    accounts = [(each.language, ("accounts", login, "language")) for login, each in site.accounts.items()]
    for code, steps in (*named, *accounts):
        if code is not None and not _is_known(code, known):
            text = f'there are no texts for "{code}". Known: {", ".join(known)}; others by a file'
            text = f"{text} {TEXTS_FOLDER}/{code}.yaml.{suggestion(code, known)}"
            yield document.source.problem(document.mark(steps), text)


def _is_known(code: str, known: Iterable[str]) -> bool:
    """`de-AT` is served by `de`."""
    parts = code.lower().split("-")
    return any("-".join(parts[:end]) in {each.lower() for each in known} for end in range(len(parts), 0, -1))
