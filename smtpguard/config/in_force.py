"""Which version of each settings file counts: the newest that can be used, else its last good one (SEMANTICS e1).

A file that is broken, or that contradicts others, keeps its former version; all others change together, in one step. A
list never disappears but by its file being deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from smtpguard.accounts import Directory
from smtpguard.config.last_good import LAST_GOOD, SITE, LastGood, state_dir_in
from smtpguard.config.line_files import LineFile, LineKind, key_of, of_key
from smtpguard.config.lists import ListFile
from smtpguard.config.loading import Loaded, SiteFile, together
from smtpguard.config.problems import Problem, Severity, in_order
from smtpguard.config.settings import Settings, SettingsError
from smtpguard.config.site_texts import TextsFile
from smtpguard.config.succession import Refused, succeed
from smtpguard.config.texts import shipped
from smtpguard.config.versions import Files, Offered, SettingsFolder, Version, named_by
from smtpguard.mail.address import Address
from smtpguard.notices.languages import Texts
from smtpguard.policy import Policy

# Read when the guard starts, and not again: what is listened at, connected to and lain down in. The guard's address
# stands in notices that are still to be answered.
START_ONLY = frozenset(
    (
        *("address", "keys", "listeners", "metrics", "outbox", "secret_file", "state_dir", "store", "tls", "upstream"),
        *("web", "workers"),
    )
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that cannot be used as it is. Its last good version counts, or, `is_new`, nothing of it yet."""

    name: str
    problems: tuple[Problem, ...]
    contact: Address | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """An entry of `exceptions` in the file `name`, which counts to the end of the day `until`; `lists` as written."""

    name: str
    contact: Address
    until: date
    lists: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What counts from now on, and what does not and why.

    `contacts`: who looks after each file that is in force; `changed` and `removed`: what is new about that;
    `needs_restart`: keys that the site file says otherwise now than when the guard started; `endings`: what ends, or
    has ended, by itself.
    """

    settings: Settings
    policy: Policy
    directory: Directory
    contacts: Mapping[str, Address | None]
    kept: tuple[Kept, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()
    endings: tuple[Ending, ...] = ()
    texts: Texts = field(default_factory=shipped)

    @property
    def names(self) -> tuple[str, ...]:
        """The files that are in force, the site file first."""
        return tuple(self.contacts)


class UnusableSettingsError(Exception):
    """The files cannot be used and there is no last good copy; `problems` say why, warnings among them."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


class InForce:
    """The settings at `path`, looked at as often as `renew` is called. `override` puts the command line's words first.

    Blocks, so it is used in a thread, one call at a time.
    """

    def __init__(self, path: Path, override: Callable[[Settings], Settings] = lambda settings: settings) -> None:
        self.path = path.absolute()
        self._override = override
        self._folder = SettingsFolder(self.path)
        self._files: dict[str, Version] = {}
        self._running: Settings | None = None
        self._at_start: Settings | None = None
        self._standing: Standing | None = None
        self._last_good: LastGood | None = None
        self._looked_at: tuple[Files, Loaded] | None = None
        self._named: tuple[Path, ...] = ()

    def start(self) -> Standing:
        """What counts from the start on: the files, or where one is broken its last good copy. Called once more, in a
        process that takes another's place, it looks at all anew, but what is read at start only stays as it was.

        Raises UnusableSettingsError, and SettingsError as `override` does.
        """
        self._looked_at = None
        offered = self._folder.read()
        base = self._recovered(offered.files[SITE])
        if base:
            if not set(named_by(base)) <= set(named_by(offered.files)):
                offered = self._folder.read(named_by(base))
            files, refused = self._succeed(base, offered)
        else:
            files, refused = dict(offered.files), {}
            self._needed(files, offered)
        loaded = self._together(files)
        own = [problem for each in files.values() for problem in each.problems]
        if any(each.is_error for each in own) or not loaded.ok or (offered.nameless_errors and not base):
            told = [problem for each in offered.files.values() for problem in each.problems]
            raise UnusableSettingsError(in_order([*told, *offered.nameless, *loaded.problems], self.path.name))
        site = files[SITE].content
        assert isinstance(site, SiteFile)  # noqa: S101 - the key says so
        assert site.settings is not None  # noqa: S101 - it has no error
        if self._running is None:
            self._at_start, self._running = site.settings, self._override(site.settings)
        self._files = files
        self._last_good = self._last_good or LastGood(self._running.state_dir / LAST_GOOD, self.path)
        self._standing = self._stand(loaded, offered, refused, base or files)
        return self._standing

    def renew(self) -> Standing:
        """Read all files again. Never raises for what is in them."""
        self._looked_at = None
        former = self._files
        offered = self._folder.read(named_by(former))
        self._files, refused = self._succeed(former, offered)
        same = self._files.keys() == former.keys() and all(
            each.text == former[key].text and each.name == former[key].name for key, each in self._files.items()
        )
        standing = self._standing
        assert standing is not None  # noqa: S101 - start() came first
        if same:
            return replace(standing, kept=self._kept(offered, refused), changed=(), removed=())
        loaded = self._together(self._files)
        if not loaded.ok:
            # What was good by itself is so no more, and changes do not mend it: everything stays as it is.
            self._files = former
            errors = tuple(each for each in loaded.problems if each.is_error)
            whole = Kept(self.path.name, errors, standing.settings.contact, is_new=False)
            return replace(standing, kept=(whole, *self._kept(offered, refused)), changed=(), removed=())
        self._standing = self._stand(loaded, offered, refused, former)
        return self._standing

    @property
    def named(self) -> tuple[Path, ...]:
        """The files beside list files that a change of is a change of the settings."""
        return self._named

    def state_dir(self) -> Path:
        """The guard's folder, as far as the site file can be read."""
        return self._state_dir(self._folder.read().files[SITE])

    def save(self) -> None:
        """Make the last good copies those of the files that are in force; `renew` may run meanwhile. Raises OSError."""
        assert self._last_good is not None  # noqa: S101 - start() came first
        files = self._files
        self._last_good.save({key: each.source for key, each in files.items() if each.source is not None})

    def _succeed(self, base: Files, offered: Offered) -> tuple[dict[str, Version], Refused]:
        """What counts after `base`, without files that no site file names any more."""
        files, refused = succeed(base, offered, self._objections)
        needed = self._needed(files, offered)
        for key in [each for each in files if of_key(each) is not None and each not in needed]:
            del files[key]
        return files, {key: each for key, each in refused.items() if of_key(key) is None or key in needed}

    def _needed(self, files: Files, offered: Offered) -> frozenset[str]:
        """The keys of what the site file names, as it is in force and as it is now, and of texts beside it."""
        texts = (each for key in offered.files if (each := of_key(key)) is not None and each[0] is LineKind.TEXTS)
        named = dict.fromkeys((*named_by(files), *named_by(offered.files), *texts))
        self._named = tuple(path for _, path in named)
        return frozenset(key_of(*each) for each in named)

    def _recovered(self, site: Version) -> dict[str, Version]:
        """The last good copies, if they were made for this site file; empty if not."""
        folder = self._state_dir(site)
        last_good = LastGood(folder / LAST_GOOD, self.path)
        base = {key: self._folder.of_copy(key, each) for key, each in last_good.read().items()}
        content = base[SITE].content if base else None
        if not isinstance(content, SiteFile) or content.settings is None:
            return {}
        if self._overridden(content.settings).state_dir.absolute() != folder.absolute():
            if site.errors:
                return {}  # not this guard's: where to look was a guess
            base[SITE] = site  # the folder was moved
        self._last_good = last_good
        return base

    def _state_dir(self, site: Version) -> Path:
        """Where the copies may lie, as far as a site file that may be broken says."""
        if self._running is not None:
            return self._running.state_dir
        content = site.content
        assert isinstance(content, SiteFile)  # noqa: S101 - as in start
        if content.settings is None and site.source is not None:
            written = state_dir_in(site.source.text, self.path.parent)
            draft = content.draft if written is None else content.draft.model_copy(update={"state_dir": written})
            return self._overridden(draft).state_dir
        return self._overridden(content.settings or content.draft).state_dir

    def _overridden(self, said: Settings) -> Settings:
        """`said` with the command line's words first, as far as both fit together; `start` tells if they do not."""
        try:
            return self._override(said)
        except SettingsError:
            return said

    def _effective(self, site: SiteFile) -> Settings:
        """What `site` says, with that which is read at start only as it was then."""
        said = site.settings or site.draft
        if self._running is None:
            return self._overridden(said)
        old = {key: getattr(self._running, key) for key in START_ONLY if key in Settings.model_fields}
        return said.model_copy(update=old)

    def _together(self, files: Files) -> Loaded:
        """What `files` say; the last answer is kept, because what has just been found good is taken next."""
        if self._looked_at is None or self._looked_at[0] is not files:
            self._looked_at = files, self._read_together(files)
        return self._looked_at[1]

    def _read_together(self, files: Files) -> Loaded:
        site = files[SITE].content
        assert isinstance(site, SiteFile)  # noqa: S101 - as in start
        lists = tuple(each.content for each in files.values() if isinstance(each.content, ListFile))
        lines = tuple(each.content for each in files.values() if isinstance(each.content, LineFile))
        texts = tuple(each.content for each in files.values() if isinstance(each.content, TextsFile))
        own = [problem for each in files.values() for problem in each.problems]
        lacking = list(self._lacking(site, lists))
        return together(site, lists, [*own, *lacking], self._effective(site), lines, texts)

    def _lacking(self, site: SiteFile, lists: tuple[ListFile, ...]) -> Iterator[Problem]:
        """What the guard would miss: now, or when it is started with this file."""
        if site.settings is None:
            return
        next_start = self._overridden(site.settings)
        missing = next_start.missing_to_serve()
        if lists:
            missing += next_start.missing_to_hold()
            if not missing and self._effective(site).missing_to_hold():
                missing.append("there are lists now, and what it takes to hold mail is read at start only: restart.")
        for text in missing:
            yield Problem(site.name, 0, 0, Severity.ERROR, text)

    def _objections(self, files: Files) -> tuple[Problem, ...]:
        return tuple(each for each in self._together(files).problems if each.is_error)

    def _stand(self, loaded: Loaded, offered: Offered, refused: Refused, former: Files) -> Standing:
        assert loaded.settings is not None  # noqa: S101 - only sets without errors are taken
        assert loaded.policy is not None  # noqa: S101
        assert loaded.directory is not None  # noqa: S101
        files = self._files
        removed = {each for each in former.keys() - files.keys() if of_key(each) is None}
        return Standing(
            loaded.settings,
            loaded.policy,
            loaded.directory,
            {each.name: each.contact for each in files.values()},
            self._kept(offered, refused),
            tuple(each.name for key, each in files.items() if key not in former or former[key].text != each.text),
            tuple(former[key].name for key in sorted(removed)),
            self._needs_restart(),
            tuple(each for each in (*loaded.problems, *offered.nameless) if not each.is_error),
            tuple(_endings(files)),
            loaded.texts,
        )

    def _needs_restart(self) -> tuple[str, ...]:
        site = self._files[SITE].content
        now = site.settings if isinstance(site, SiteFile) else None
        fields = sorted(START_ONLY & Settings.model_fields.keys())
        return tuple(each for each in fields if getattr(now, each) != getattr(self._at_start, each))

    def _kept(self, offered: Offered, refused: Refused) -> tuple[Kept, ...]:
        kept = []
        for key in sorted(refused):
            former, new = self._files.get(key), offered.files.get(key)
            known = former or new
            if known is not None:
                problems = tuple(replace(each, file=each.file or known.name) for each in refused[key])
                kept.append(Kept(known.name, problems, known.contact, former is None))
        kept += [Kept(each.file, (each,), None, is_new=True) for each in offered.nameless_errors if each.file]
        return tuple(kept)


def _endings(files: Files) -> Iterator[Ending]:
    for file in files.values():
        said = file.content.settings if isinstance(file.content, ListFile) else None
        if said is not None:
            for each in said.exceptions:
                yield Ending(file.name, said.contact, each.until, each.crosspost_with, each.reason)
