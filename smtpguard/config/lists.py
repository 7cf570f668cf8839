"""One list's file as typed values, and the lists' folder: which files in it are list files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from smtpguard.config.places import Mailbox
from smtpguard.config.problems import Problem, Severity, Source
from smtpguard.config.reader import Document
from smtpguard.config.sections import Section
from smtpguard.config.values import Line, ListName, one_or_many
from smtpguard.lists import MailingList, Manager
from smtpguard.mail.address import Address

FOLDER = "lists"
# The largest list servers known to us have some thousand lists; a folder with more is not a folder of lists.
LIST_FILES_MAX = 5000

# Ids stand in SMTP replies, which are ASCII (RFC 5321, 4.2), and in notices as one word.
_ID = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}")
# What editors, mail programs and desktops call a second copy.
_COPY = re.compile(
    r"(?i)~$|^[.#]|\.(?:bak|orig|old|save|sav|swp|swo|tmp|rej|dpkg-\w+|rpm\w+|ucf-\w+|txt)$|\(\d+\)"
    r"|^(?:copy|kopie|copie|copia) | (?:copy|kopie|copie|copia)\b"
)


class ListSettings(Section):
    """What a list's admin may say."""

    address: Mailbox = Field(alias="list")
    manager: Literal["mailman3", "sympa", "ezmlm", "plain"]
    about: Line
    contact: Mailbox
    aliases: Annotated[tuple[Mailbox, ...], BeforeValidator(one_or_many)] = ()
    crosspost_with: Annotated[tuple[ListName, ...], BeforeValidator(one_or_many)] = ()


class ListDraft(Section):
    """What can be understood of a list file, be it right or wrong."""

    model_config = ConfigDict(extra="ignore")

    address: Mailbox | None = Field(None, alias="list")
    manager: Literal["mailman3", "sympa", "ezmlm", "plain"] | None = None
    contact: Mailbox | None = None
    aliases: Annotated[tuple[Mailbox, ...], BeforeValidator(one_or_many)] = ()
    crosspost_with: Annotated[tuple[ListName, ...], BeforeValidator(one_or_many)] = ()


@dataclass(frozen=True, slots=True)
class ListFile:
    """A file of the lists' folder. `settings` is None if it is broken; its `id` and `draft` are there all the same."""

    id: str
    document: Document
    settings: ListSettings | None
    draft: ListDraft

    @property
    def name(self) -> str:
        """The file's name as shown."""
        return self.document.source.name

    @property
    def addresses(self) -> Iterator[tuple[Address, tuple[int | str, ...]]]:
        """Posting address and aliases, each with the way to its place in the file."""
        if self.draft.address is not None:
            yield self.draft.address, ("list",)
        for number, alias in enumerate(self.draft.aliases):
            yield alias, ("aliases", number)

    def problem(self, steps: tuple[int | str, ...], text: str, severity: Severity = Severity.ERROR) -> Problem:
        """A problem of the value that `steps` lead to."""
        return self.document.source.problem(self.document.mark(steps), text, severity)

    def mailing_list(self, partners: frozenset[str]) -> MailingList | None:
        """The list for judging; `partners` are the ids that `crosspost_with` means. None if the file is broken."""
        if self.settings is None:
            return None
        return MailingList(
            id=self.id,
            address=self.settings.address,
            manager=Manager(self.settings.manager),
            about=self.settings.about,
            contact=self.settings.contact.normal,
            aliases=self.settings.aliases,
            crosspost_with=partners,
        )


def list_files(folder: Path) -> tuple[list[tuple[str, Path]], list[Problem]]:
    """Ids and paths of the list files in `folder`, by name, and what is wrong with names in it.

    Nothing is passed over in silence: a list that is not loaded is a rule switched off. A folder that is not there
    has no lists.
    """
    found: list[tuple[str, Path]] = []
    problems: list[Problem] = []
    try:
        paths = sorted(folder.iterdir()) if folder.exists() else []
    except OSError as error:
        return [], [_whole(folder.name, f"this folder cannot be read: {error.strerror}.")]
    if len(paths) > LIST_FILES_MAX:
        return [], [_whole(folder.name, f"there are more than {LIST_FILES_MAX} files in this folder.")]
    ids: dict[str, str] = {}
    for path in paths:
        problem = _not_read(path)
        if problem is not None:
            problems.append(problem)
        elif not _is_silent(path):
            found_id, problem = _identify(path, ids)
            problems += [] if problem is None else [problem]
            if found_id is not None:
                found.append((found_id, path))
    return found, problems


def _is_silent(path: Path) -> bool:
    """Folders beginning with a dot (git, Kubernetes), files that keep a folder in git, and a page of explanations."""
    return path.name.startswith(("README", ".git")) or (path.name.startswith(".") and path.is_dir())


def _not_read(path: Path) -> Problem | None:
    if _is_silent(path):
        return None
    if path.is_dir():
        return _whole(_shown(path), "this is a folder; list files are read from the folder above it only.", warn=True)
    if _COPY.search(path.name):
        return _whole(
            _shown(path), "ignored: this looks like a backup copy. Delete it, or give it a plain name.", warn=True
        )
    if path.suffix.lower() not in (".yaml", ".yml"):
        return _whole(_shown(path), "ignored: the name of a list file ends in .yaml.", warn=True)
    return None


def _identify(path: Path, ids: dict[str, str]) -> tuple[str | None, Problem | None]:
    """The id of a list file, and what is to be said about its name."""
    name, shown = path.stem.lower(), _shown(path)
    if not _ID.fullmatch(name):
        text = "the name of a list file is made of letters a-z, digits, dot, dash and underscore: it is the list's id."
        return None, _whole(shown, f"{text} Rename the file.")
    if name in ids:
        return None, _whole(shown, f"{ids[name]} is a file of the same list. Keep one of them.")
    ids[name] = shown
    if path.suffix != ".yaml":
        return name, _whole(shown, f"loaded, but please call it {name}.yaml.", warn=True)
    return name, None


def _shown(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _whole(name: str, text: str, *, warn: bool = False) -> Problem:
    return Source(name, "", ()).problem(None, text, Severity.WARNING if warn else Severity.ERROR)
