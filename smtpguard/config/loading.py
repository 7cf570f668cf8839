"""`load`: smtpguard.yaml and lists/*.yaml in, settings, policy and directory out, and every mistake at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from smtpguard.accounts import Directory
from smtpguard.config.agreement import Agreement
from smtpguard.config.binding import Binding
from smtpguard.config.keys_known import REQUIRED_OF_LISTS, REQUIRED_OF_SITE, unknown_to_list, unknown_to_site
from smtpguard.config.line_files import LineFile, line_file, read_lines, shown_name
from smtpguard.config.lists import FOLDER, ListDraft, ListFile, ListSettings, list_files
from smtpguard.config.places import Surroundings, surroundings_of
from smtpguard.config.problems import Problem, Source, in_order
from smtpguard.config.reader import Document, read_document
from smtpguard.config.settings import Settings
from smtpguard.config.site_texts import TextsFile, languages_problems, read_texts, texts_files, texts_of_site
from smtpguard.config.sources import LIST_FILE_OCTETS_MAX, SITE_FILE_OCTETS_MAX, read_source, source_of
from smtpguard.config.texts import shipped
from smtpguard.notices.languages import Texts
from smtpguard.policy import Policy


@dataclass(frozen=True)
class Loaded:
    """What the files say. `settings` is None if the site file has errors; `policy` and `directory` if any file has.

    `site` is the site file as read and `files` are the list files, for whoever wants to know where something is said.
    """

    settings: Settings | None
    policy: Policy | None
    directory: Directory | None
    problems: tuple[Problem, ...] = ()
    site: Document | None = field(default=None, repr=False)
    files: tuple[ListFile, ...] = field(default=(), repr=False)
    texts: Texts = field(default_factory=shipped, repr=False)

    @property
    def ok(self) -> bool:
        """True if nothing is wrong; there may be warnings."""
        return not any(each.is_error for each in self.problems)


@dataclass(frozen=True)
class SiteFile:
    """The site file read by itself. `settings` is None if it has errors; `draft` is what could be understood of it."""

    document: Document
    settings: Settings | None
    draft: Settings
    problems: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """The file's name as shown."""
        return self.document.source.name


def load(path: Path, instead: Mapping[str, str] | None = None) -> Loaded:
    """Read the site file at `path` and the list files of `lists/` beside it.

    Never raises for what is in them: `problems` has every error and warning of every file, in order. Nothing is kept of
    a former load; a list file with an error makes `ok` false, since its list must not quietly disappear. `instead` has
    texts, by list id, that are read as if they already stood in the list's file.
    """
    around = surroundings_of(path.parent.absolute())
    site = site_file(read_source(path, path.name, SITE_FILE_OCTETS_MAX), path.name, around)
    problems: list[Problem] = list(site.problems)
    files = _list_files(path.parent / FOLDER, around, problems, instead or {})
    lines = tuple(_line_files(site.settings or site.draft, path.parent.absolute(), problems))
    texts = tuple(_texts(path.parent.absolute(), problems))
    return together(site, files, problems, lines=lines, texts=texts)


def together(
    site: SiteFile,
    files: tuple[ListFile, ...],
    problems: Iterable[Problem],
    settings: Settings | None = None,
    lines: tuple[LineFile, ...] = (),
    texts: tuple[TextsFile, ...] = (),
) -> Loaded:
    """What the files say together; `problems` are those of each by itself, `lines` the files that the site file names,
    `texts` those beside it.

    `settings`: what counts of the site file, where that is not all that it says.
    """
    agreement = Agreement(settings or site.draft, site.document, files, lines)
    spoken = languages_problems(settings or site.draft, site.document, texts)
    ordered = in_order([*problems, *agreement.problems(), *spoken], site.name)
    said = texts_of_site(texts)
    whole = None if any(each.is_error and each.file == site.name for each in ordered) else settings or site.settings
    if whole is None or any(each.is_error for each in ordered):
        return Loaded(whole, None, None, ordered, site.document, files, said)
    policy = agreement.policy
    return Loaded(whole, policy, directory_of(whole, policy), ordered, site.document, files, said)


def directory_of(settings: Settings, policy: Policy) -> Directory:
    """The directory of accounts that `settings` describe."""
    return Directory(
        policy,
        entries={login: each.entry for login, each in settings.accounts.items()},
        account_domain=settings.account_domain,
        from_reverse_path=settings.mailbox_from_reverse_path,
    )


def site_file(source: Source | Problem, name: str, around: Surroundings) -> SiteFile:
    """The site file by itself."""
    document, problems = _document(source, name)
    bound = Binding(Settings, Settings, unknown_to_site, REQUIRED_OF_SITE).bind(document, around)
    return SiteFile(document, bound.whole, bound.draft or Settings(), (*problems, *bound.problems))


def list_file(
    list_id: str, source: Source | Problem, name: str, around: Surroundings
) -> tuple[ListFile, tuple[Problem, ...]]:
    """A list file by itself, and what is wrong with it."""
    document, problems = _document(source, name)
    bound = Binding(ListSettings, ListDraft, unknown_to_list, REQUIRED_OF_LISTS).bind(document, around)
    file = ListFile(list_id, document, bound.whole, bound.draft or ListDraft())
    return file, (*problems, *bound.problems)


def _line_files(settings: Settings, folder: Path, problems: list[Problem]) -> Iterator[LineFile]:
    for kind, path in settings.line_files:
        name = shown_name(path, folder)
        file, own = line_file(kind, path, read_lines(kind, path, name)[0], name)
        problems += own
        yield file


def _texts(folder: Path, problems: list[Problem]) -> Iterator[TextsFile]:
    found, odd = texts_files(folder)
    problems += odd
    for kind, path in found:
        name = shown_name(path, folder)
        file, own = read_texts(path, read_lines(kind, path, name)[0], name)
        problems += own
        yield file


def _document(source: Source | Problem, name: str) -> tuple[Document, tuple[Problem, ...]]:
    if isinstance(source, Problem):
        return Document(Source(name, "", ()), None, ()), (source,)
    document = read_document(source)
    return document, document.problems


def _list_files(
    folder: Path, around: Surroundings, problems: list[Problem], instead: Mapping[str, str]
) -> tuple[ListFile, ...]:
    found, wrong = list_files(folder)
    problems += wrong
    known = {list_id for list_id, _ in found}
    found += [(list_id, folder / f"{list_id}.yaml") for list_id in instead if list_id not in known]
    files = []
    for list_id, path in found:
        name = f"{FOLDER}/{path.name}"
        text = instead.get(list_id)
        source = read_source(path, name, LIST_FILE_OCTETS_MAX, folder) if text is None else source_of(name, text)
        file, own = list_file(list_id, source, name, around)
        problems += own
        files.append(file)
    return tuple(files)
