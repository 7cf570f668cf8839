"""`load`: smtpguard.yaml and lists/*.yaml in, settings, policy and directory out, and every mistake at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smtpguard.accounts import Directory
from smtpguard.config.agreement import Agreement
from smtpguard.config.binding import Binding, suggestion
from smtpguard.config.later import LATER_KEYS, LIST
from smtpguard.config.lists import FOLDER, ListDraft, ListFile, ListSettings, list_files
from smtpguard.config.places import Surroundings, surroundings_of
from smtpguard.config.problems import Problem, Source, in_order, quoted_value
from smtpguard.config.reader import Document, read_document
from smtpguard.config.settings import MODELS, Settings
from smtpguard.config.sources import LIST_FILE_OCTETS_MAX, SITE_FILE_OCTETS_MAX, read_source
from smtpguard.policy import Policy

# More names than this do not help whoever has mistyped one; README.md has them all.
NAMES_LISTED_MAX = 12
_LIST_KEYS = tuple(each.alias or name for name, each in ListSettings.model_fields.items())
_REQUIRED_OF_LISTS = {
    "list": "the list's posting address",
    "manager": "write one of mailman3, sympa, ezmlm, plain",
    "about": "one sentence for members, shown in notices",
    "contact": "the address that answers for this list",
}
_REQUIRED_OF_SITE = {
    "listen": 'where to listen, "HOST:PORT"',
    "certificate": "the PEM file with the certificate and its chain",
    "key_file": "the PEM file with the certificate's key",
    "mailbox": "the address that notices to this account go to, or null",
}


@dataclass(frozen=True)
class Loaded:
    """What the files say. `settings` is None if the site file has errors; `policy` and `directory` if any file has."""

    settings: Settings | None
    policy: Policy | None
    directory: Directory | None
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """True if nothing is wrong; there may be warnings."""
        return not any(each.is_error for each in self.problems)


def load(path: Path) -> Loaded:
    """Read the site file at `path` and the list files of `lists/` beside it.

    Never raises for what is in them: `problems` has every error and warning of every file, in order. Nothing is kept of
    a former load; a list file with an error makes `ok` false, since its list must not quietly disappear.
    """
    around = surroundings_of(path.parent.absolute())
    problems: list[Problem] = []
    document = _document(read_source(path, path.name, SITE_FILE_OCTETS_MAX), path.name, problems)
    bound = Binding(Settings, Settings, _unknown_to_site, _REQUIRED_OF_SITE).bind(document, around)
    problems += bound.problems
    files = _list_files(path.parent / FOLDER, around, problems)
    agreement = Agreement(bound.draft or Settings(), document, files)
    problems += agreement.problems()
    ordered = in_order(problems, path.name)
    site = None if any(each.is_error and each.file == path.name for each in ordered) else bound.whole
    if site is None or any(each.is_error for each in ordered):
        return Loaded(site, None, None, ordered)
    policy = agreement.policy()
    return Loaded(site, policy, directory_of(site, policy), ordered)


def directory_of(settings: Settings, policy: Policy) -> Directory:
    """The directory of accounts that `settings` describe."""
    return Directory(
        policy,
        entries={login: each.entry for login, each in settings.accounts.items()},
        account_domain=settings.account_domain,
        from_reverse_path=settings.mailbox_from_reverse_path,
    )


def _document(source: Source | Problem, name: str, problems: list[Problem]) -> Document:
    if isinstance(source, Problem):
        problems.append(source)
        return Document(Source(name, "", ()), None, ())
    document = read_document(source)
    problems += document.problems
    return document


def _list_files(folder: Path, around: Surroundings, problems: list[Problem]) -> tuple[ListFile, ...]:
    found, wrong = list_files(folder)
    problems += wrong
    binding = Binding(ListSettings, ListDraft, _unknown_to_list, _REQUIRED_OF_LISTS)
    files = []
    for list_id, path in found:
        name = f"{FOLDER}/{path.name}"
        document = _document(read_source(path, name, LIST_FILE_OCTETS_MAX, folder), name, problems)
        bound = binding.bind(document, around)
        problems += bound.problems
        files.append(ListFile(list_id, document, bound.whole, bound.draft or ListDraft()))
    return tuple(files)


def _unknown_to_site(place: str, name: str) -> str:
    if name in LATER_KEYS.get(place, ()):
        return f"{quoted_value(name)} is not available in this version."
    if place == "" and name in _LIST_KEYS:
        return f"{quoted_value(name)} belongs into a list's own file (lists/NAME.yaml)."
    home = next((each for each, model in MODELS.items() if each != place and name in model.model_fields), None)
    known = tuple(MODELS[place].model_fields) if place in MODELS else ()
    near = suggestion(name, known)
    if home is not None and not near:
        where = f'below "{home.partition(".")[0]}:"' if home else "at the left edge, not below another setting"
        return f"{quoted_value(name)} is not known here. It belongs {where}."
    return f"there is no setting {quoted_value(name)} here.{near or _all(known)}"


def _unknown_to_list(place: str, name: str) -> str:
    if name in LATER_KEYS[LIST]:
        return f"{quoted_value(name)} is not available in this version."
    if name in Settings.model_fields or name in LATER_KEYS[""]:
        return f"{quoted_value(name)} can only be set by the site admin (smtpguard.yaml)."
    return f"there is no setting {quoted_value(name)} for a list.{suggestion(name, _LIST_KEYS) or _all(_LIST_KEYS)}"


def _all(known: tuple[str, ...]) -> str:
    """The names that are known, where they fit into a sentence."""
    return f" Known are: {', '.join(known)}." if 0 < len(known) <= NAMES_LISTED_MAX else ""
