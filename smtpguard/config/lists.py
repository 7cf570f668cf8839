"""One list's file as typed values, and the lists' folder: which files in it are list files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from smtpguard.config.list_parts import ExampleSettings, ExceptionSettings, WrongIfSettings, entries
from smtpguard.config.places import Mailbox
from smtpguard.config.problems import Problem, Severity, Source
from smtpguard.config.reader import Document
from smtpguard.config.sections import BurstSettings, Section
from smtpguard.config.values import AccountName, Duration, Flag, Line, ListName, Tag, Word, mistake, one_or_many
from smtpguard.lists import Audience, Exemption, ListKind, MailingList, Manager, OnAlarm, WrongIf, WrongTopic
from smtpguard.mail.address import Address

FOLDER = "lists"
# What editors read beside the list files (`smtpguard schema list`).
SCHEMA_FILE = "list.schema.json"
# The largest list servers known to us have some thousand lists; a folder with more is not a folder of lists.
LIST_FILES_MAX = 5000

# Twenty words tell a list from others; hundreds of them stand in everybody's mail, and draw it from all neighbours.
TOPICS_MAX = 100

# Ids stand in SMTP replies, which are ASCII (RFC 5321, 4.2), and in notices as one word.
LIST_ID = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}")
# What editors, mail programs and desktops call a second copy.
_COPY = re.compile(
    r"(?i)~$|^[.#]|^~\$|\.(?:bak|orig|old|save|sav|swp|swo|tmp|rej|dpkg-\w+|rpm\w+|ucf-\w+|txt)$|\(\d+\)"
    r"|^(?:copy|kopie|copie|copia) | (?:copy|kopie|copie|copia)\b"
)
_GIT_FILES = frozenset({".gitkeep", ".gitignore", ".gitattributes"})

# One for all: a thousand lists without posters need no thousand sets that Python looks at when it clears up.
_NONE: frozenset[str] = frozenset()

ListNames = Annotated[tuple[ListName, ...], BeforeValidator(one_or_many)]
Logins = Annotated[tuple[AccountName, ...], BeforeValidator(one_or_many)]


def _few(topics: tuple[str, ...]) -> tuple[str, ...]:
    if len(topics) > TOPICS_MAX:
        raise mistake(f"{len(topics)} topics are too many: write {TOPICS_MAX} at most. Some twenty tell a list best.")
    return topics


class ListSettings(Section):
    """What a list's admin may say."""

    address: Mailbox = Field(alias="list")
    manager: Literal["mailman3", "sympa", "ezmlm", "plain"]
    about: Line
    contact: Mailbox
    aliases: Annotated[tuple[Mailbox, ...], BeforeValidator(one_or_many)] = ()
    crosspost_with: ListNames = ()
    kind: Literal["discussion", "announce"] = "discussion"
    posters: Logins = ()
    discussion: ListName | None = None
    includes: ListNames = ()
    topics: Annotated[tuple[Word, ...], AfterValidator(_few), BeforeValidator(one_or_many)] = ()
    tag: Tag | None = None
    wrong_if: Annotated[tuple[WrongIfSettings, ...], BeforeValidator(entries)] = ()
    exceptions: Annotated[tuple[ExceptionSettings, ...], BeforeValidator(entries)] = ()
    examples: Annotated[tuple[ExampleSettings, ...], BeforeValidator(entries)] = ()
    automatic: Logins = ()
    audience: Literal["public", "members", "closed"] = "members"
    readers: Logins = ()
    may_quote_to: ListNames = ()
    was: ListName | None = None
    say: Line | None = None
    call: Line | None = None
    on_alarm: Literal["hold", "refuse", "observe"] | None = None
    expires: Duration | None = None
    first_post: Literal["pass", "ask"] | None = None
    burst: BurstSettings | None = None
    wrong_topic: Literal["hold", "suggest", "off"] | None = None
    strict: Flag | None = None
    adding_people: Literal["pass", "ask"] | None = None
    encrypted: Flag = False

    @model_validator(mode="after")
    def _announces_fully(self) -> ListSettings:
        if self.kind == "announce" and not self.posters:
            raise mistake('"posters" is missing: with "kind: announce" it names the accounts that may post.', "kind")
        for name in ("posters", "discussion"):
            if self.kind == "discussion" and name in self.model_fields_set:
                text = f'"{name}" is for a list with "kind: announce" only. Write that as well, or delete this line.'
                raise mistake(text, name)
        return self


class ListDraft(Section):
    """What can be understood of a list file, be it right or wrong."""

    model_config = ConfigDict(extra="ignore")

    address: Mailbox | None = Field(None, alias="list")
    manager: Literal["mailman3", "sympa", "ezmlm", "plain"] | None = None
    contact: Mailbox | None = None
    aliases: Annotated[tuple[Mailbox, ...], BeforeValidator(one_or_many)] = ()
    crosspost_with: ListNames = ()
    posters: Logins = ()
    discussion: ListName | None = None
    includes: ListNames = ()
    wrong_if: Annotated[tuple[WrongIfSettings, ...], BeforeValidator(entries)] = ()
    exceptions: Annotated[tuple[ExceptionSettings, ...], BeforeValidator(entries)] = ()
    examples: Annotated[tuple[ExampleSettings, ...], BeforeValidator(entries)] = ()
    automatic: Logins = ()
    readers: Logins = ()
    may_quote_to: ListNames = ()
    was: ListName | None = None
    expires: Duration | None = None


LIST_MODELS: dict[str, type[Section]] = {
    "": ListSettings,
    "wrong_if": WrongIfSettings,
    "exceptions": ExceptionSettings,
    "examples": ExampleSettings,
    "burst": BurstSettings,
}
"""Every place of a list file, by the keys that lead there, and the model that knows its keys."""


@dataclass(frozen=True, slots=True)
class ListFile:
    """A file of the lists' folder. `settings` is None if it is broken; its `id` and `draft` are there all the same."""

    id: str
    document: Document
    settings: ListSettings | None
    draft: ListSettings | ListDraft

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

    def mailing_list(
        self, id_of: Callable[[str], str | None], names_of: Callable[[str], Iterable[str]]
    ) -> MailingList | None:
        """The list for judging; None if the file is broken.

        `id_of` gives the id of the list that a word means, `names_of` the spellings by which an account is known.
        """
        said = self.settings
        if said is None:
            return None

        def ids(words: Iterable[str]) -> frozenset[str]:
            return frozenset(found for each in words if (found := id_of(each)) is not None) or _NONE

        def accounts(words: Iterable[str]) -> frozenset[str]:
            return frozenset(name for each in words for name in names_of(each)) or _NONE

        return MailingList(
            id=self.id,
            address=said.address,
            manager=Manager(said.manager),
            about=said.about,
            contact=said.contact.normal,
            aliases=said.aliases,
            crosspost_with=ids(said.crosspost_with),
            kind=ListKind(said.kind),
            posters=accounts(said.posters),
            discussion=None if said.discussion is None else id_of(said.discussion),
            includes=ids(said.includes),
            topics=said.topics,
            tag=said.tag,
            wrong_if=tuple(
                WrongIf(each.subject_has, found, each.say)
                for each in said.wrong_if
                if (found := id_of(each.use)) is not None
            ),
            exemptions=tuple(Exemption(each.until, ids(each.crosspost_with), each.reason) for each in said.exceptions),
            automatic=accounts(said.automatic),
            audience=Audience(said.audience),
            readers=accounts(said.readers),
            may_quote_to=ids(said.may_quote_to),
            say=said.say,
            call=said.call,
            was=said.was,
            on_alarm=None if said.on_alarm is None else OnAlarm(said.on_alarm),
            expires=said.expires,
            first_post_asks=None if said.first_post is None else said.first_post == "ask",
            burst=None if said.burst is None else said.burst.burst,
            wrong_topic=None if said.wrong_topic is None else WrongTopic(said.wrong_topic),
            strict=said.strict,
            adding_people_asks=None if said.adding_people is None else said.adding_people == "ask",
            encrypted=said.encrypted,
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
    """Folders beginning with a dot (git, Kubernetes), files that keep a folder in git, an explanation, the schema."""
    if path.name.startswith("."):
        return path.name in _GIT_FILES or path.is_dir()
    return path.name == SCHEMA_FILE or (path.name.startswith("README") and not _is_yaml(path))


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in (".yaml", ".yml")


def _not_read(path: Path) -> Problem | None:
    if _is_silent(path):
        return None
    # A folder that is called like a list file has taken the place of one: the reader says what is wrong with it.
    if not _is_yaml(path) and path.is_dir():
        return _whole(_shown(path), "this is a folder; list files are read from the folder above it only.", warn=True)
    if _COPY.search(path.name):
        return _whole(
            _shown(path), "ignored: this looks like a backup copy. Delete it, or give it a plain name.", warn=True
        )
    if not _is_yaml(path):
        return _whole(_shown(path), "ignored: the name of a list file ends in .yaml.", warn=True)
    return None


def _identify(path: Path, ids: dict[str, str]) -> tuple[str | None, Problem | None]:
    """The id of a list file, and what is to be said about its name."""
    name, shown = path.stem.lower(), _shown(path)
    if not LIST_ID.fullmatch(name):
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
