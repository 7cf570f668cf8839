"""smtpguard.yaml as typed values, and what the command line changes in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from smtpguard.accounts import is_guard_address
from smtpguard.config.line_files import LineKind
from smtpguard.config.listeners import (
    AnswersListener,
    FilterListener,
    Listener,
    MetricsSettings,
    SubmissionListener,
    TapListener,
    WebSettings,
    refuse_sockets_taken_twice,
)
from smtpguard.config.places import (
    Domain,
    Endpoint,
    FilePath,
    GroupName,
    Mailbox,
    PageUrl,
    PathBelow,
    SecretPath,
)
from smtpguard.config.reader import Scalar, Table
from smtpguard.config.sections import (
    AccountSettings,
    BurstSettings,
    Defaults,
    GroupSettings,
    Limits,
    LogSettings,
    MemorySettings,
    OutboxSettings,
    OwnNetworks,
    Section,
    StoreSettings,
    Timeouts,
    TlsMode,
    TlsSettings,
    UpstreamSettings,
)
from smtpguard.config.values import (
    Between,
    Day,
    Flag,
    Language,
    Line,
    ListName,
    Login,
    Mark,
    Number,
    Rule,
    Zone,
    mistake,
    one_or_many,
)
from smtpguard.mail.address import Address

# RFC 5321, 4.5.3.1.1: a local part has at most 64 octets; "+" and a code of 52 letters stand behind the guard's name.
GUARD_NAME_OCTETS_MAX = 64 - 1 - 52
# Some for each language; more are a text corpus, which list archives give better.
STOCK_FILES_MAX = 20
# Each is a whole process, and more than there are processors serve nobody sooner.
WORKERS_MAX = 64
# All of them are looked for in each private mail.
MARKS_MAX = 50
# RFC 5321, 4.5.1 and RFC 2142: names of the guard domain whose mail goes on to `contact`.
GUARD_DOMAIN_NAMES = frozenset({"postmaster", "abuse"})


class SettingsError(Exception):
    """What the command line or a file that the settings name asks for cannot be; the text says why."""


def default_state_dir() -> Path:
    """$STATE_DIRECTORY (systemd.exec(5); the first, if there are several), else ./state."""
    return Path(os.environ.get("STATE_DIRECTORY", "").partition(":")[0] or "state")


def _long_form(value: object) -> object:
    """`anna: anna@example.org` is `anna: {mailbox: anna@example.org}`."""
    if not isinstance(value, Table):
        return value
    long = Table(value.mark)
    for login, entry in value.items():
        long[login] = entry
        if isinstance(entry, Scalar):
            long[login] = inner = Table(entry.mark)
            inner[Scalar("mailbox", entry.mark)] = entry
    return long


def _addressed(value: object) -> object:
    """One pair, written without the outer brackets, is a list of one pair."""
    if isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value):
        return [value]
    return value


def _few_files(files: tuple[Path, ...]) -> tuple[Path, ...]:
    if len(files) > STOCK_FILES_MAX:
        raise mistake(f"{len(files)} files are too many: write {STOCK_FILES_MAX} at most.")
    return files


def _few_marks(marks: tuple[str, ...]) -> tuple[str, ...]:
    if len(marks) > MARKS_MAX:
        raise mistake(f"{len(marks)} marks are too many: write {MARKS_MAX} at most.")
    return marks


Marks = Annotated[tuple[Mark, ...], AfterValidator(_few_marks), BeforeValidator(one_or_many)]


class Settings(Section):
    """Everything in smtpguard.yaml. What is None has no default and is not there."""

    organisation: Line | None = None
    address: Mailbox | None = None
    contact: Mailbox | None = None
    call: Line | None = None
    public_url: PageUrl | None = None
    languages: Annotated[tuple[Language, ...], BeforeValidator(one_or_many), Field(min_length=1)] = ("en",)
    timezone: Zone | None = None
    rules: dict[Rule, Line] = Field(default_factory=dict)
    listeners: tuple[Listener, ...] = ()
    tls: TlsSettings | None = None
    upstream: UpstreamSettings | None = None
    outbox: OutboxSettings | None = None
    list_domains: Annotated[tuple[Domain, ...], BeforeValidator(one_or_many)] = ()
    desks: Annotated[tuple[Mailbox, ...], BeforeValidator(one_or_many)] = ()
    account_domain: Domain | None = None
    accounts: Annotated[dict[Login, AccountSettings], BeforeValidator(_long_form)] = Field(default_factory=dict)
    mailbox_from_reverse_path: Flag = False
    member_domains: Annotated[tuple[Domain, ...], BeforeValidator(one_or_many)] = ()
    roster: FilePath | None = None
    list_addresses: Annotated[tuple[Mailbox, ...], BeforeValidator(one_or_many)] = ()
    trusted_networks: OwnNetworks = ()
    groups: dict[GroupName, GroupSettings] = Field(default_factory=dict)
    plus_addresses: Flag = False
    crosspost_pairs: Annotated[
        tuple[Annotated[tuple[ListName, ...], BeforeValidator(one_or_many)], ...], BeforeValidator(_addressed)
    ] = ()
    max_lists: Annotated[Number, AfterValidator(Between(1, 100))] = 2
    defaults: Defaults = Defaults()
    consent_marks: Marks = ("[may be forwarded]",)
    private_marks: Marks = ("[please do not forward]",)
    state_dir: FilePath = Field(default_factory=default_state_dir)
    keys: PathBelow = Path("keys")
    secret_file: SecretPath | None = None
    store: StoreSettings = StoreSettings()
    remember: Literal["none", "lists", "threads", "all"] = "lists"
    members_informed: Day | None = None
    memory: MemorySettings = MemorySettings()
    stock: Annotated[tuple[FilePath, ...], AfterValidator(_few_files), BeforeValidator(one_or_many)] = ()
    web: WebSettings | None = None
    metrics: MetricsSettings | None = None
    log: LogSettings = LogSettings()
    workers: Annotated[Number, AfterValidator(Between(1, WORKERS_MAX))] = 1
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()

    @model_validator(mode="after")
    def _guard_is_nobody_else(self) -> Settings:
        if self.address is None:
            return self
        name = self.address.local_part
        if len(name.encode()) > GUARD_NAME_OCTETS_MAX or "+" in name:
            text = f"the part before the @ may have at most {GUARD_NAME_OCTETS_MAX} letters and no plus sign:"
            raise mistake(f'{text} "+" and a code of 52 letters come behind it.', "address")
        if self.contact is not None and self._comes_back(self.contact):
            raise mistake("mail to this address would come back to the guard, for ever. Name a person.", "contact")
        for number, desk in enumerate(self.desks):
            if is_guard_address(desk, self.address):
                raise mistake("this is the guard's own address; it cannot be a desk.", "desks", number)
        return self

    @model_validator(mode="after")
    def _marks_mean_one_thing(self) -> Settings:
        consents = {each.casefold() for each in self.consent_marks}
        for number, each in enumerate(self.private_marks):
            if each.casefold() in consents:
                text = '"consent_marks" has these words, too: they cannot say that a mail may be passed on and may not.'
                raise mistake(f"{text} Delete them here or there.", "private_marks", number)
        return self

    @model_validator(mode="after")
    def _sockets_are_one_door_s(self) -> Settings:
        refuse_sockets_taken_twice(self.listeners, self.web)
        return self

    @model_validator(mode="after")
    def _filters_fit(self) -> Settings:
        filters = [(number, each) for number, each in enumerate(self.listeners) if isinstance(each, FilterListener)]
        allowed = self.upstream is not None and self.upstream.allow_plaintext
        for number, each in filters:
            behind = each.upstream
            if behind is not None and each.upstream_tls == "none" and not behind.is_loopback and not allowed:
                text = 'mail would cross the network in the open. Write "upstream_tls: starttls" or implicit, or, if'
                raise mistake(
                    f'{text} that is really meant, "allow_plaintext: true" in "upstream".',
                    "listeners",
                    number,
                    "upstream",
                )
        answers_count = any(isinstance(each, SubmissionListener) for each in self.listeners)
        if filters and not answers_count and self.outbox is not None and self.outbox.release == "session":
            text = "held mail could never be sent: there is no listener of kind submission, by which its sender could"
            raise mistake(f'{text} answer while logged in. Write "release: outbox".', "outbox", "release")
        return self

    @model_validator(mode="after")
    def _outbox_needs_no_header(self) -> Settings:
        upstream, outbox = self.upstream, self.outbox
        if upstream is None or outbox is None or upstream.client_address != "proxy":
            return self
        if (outbox.server, outbox.domain) == (upstream.server, upstream.domain):
            text = 'the outbox sends no PROXY header, but with "client_address: proxy" this port of the mail server'
            raise mistake(f"{text} needs one. Give the outbox another port.", "outbox", "server")
        return self

    @model_validator(mode="after")
    def _page_can_be_reached(self) -> Settings:
        if self.public_url is not None and self.web is None:
            text = 'there is no page, since "web" is missing. Add it, or delete this line.'
            raise mistake(text, "public_url")
        if self.web is not None and self.public_url is None:
            text = '"public_url" is missing: where members reach the page, like "https://mailcheck.example.org".'
            raise mistake(f"{text} Without it no answer by the page can be told from a forged one.", "web")
        return self

    @model_validator(mode="after")
    def _metrics_have_their_own_place(self) -> Settings:
        others = (*self.listeners, *([self.web] if self.web is not None else []))
        place = None if self.metrics is None else self.metrics.listen
        any_port = isinstance(place, Endpoint) and place.port == 0
        if place is not None and not any_port and any(each.listen == place for each in others):
            raise mistake("something else listens here already. Take another port.", "metrics", "listen")
        return self

    @model_validator(mode="after")
    def _nodes_share(self) -> Settings:
        if self.secret_file is not None and self.store.kind == "sqlite":
            text = "it wraps keys that nodes share by the database, and SQLite serves one node alone. Delete this line."
            raise mistake(text, "secret_file")
        return self

    def _comes_back(self, address: Address) -> bool:
        guard = self.address
        if guard is None or address.domain != guard.domain:
            return False
        return is_guard_address(address, guard) or address.key[0] in GUARD_DOMAIN_NAMES

    @property
    def key_folder(self) -> Path:
        """The folder of day keys: `keys`, which starts at `state_dir` if it is relative."""
        return self.state_dir / self.keys

    @property
    def line_files(self) -> tuple[tuple[LineKind, Path], ...]:
        """The files with one entry a line that are named here, each once."""
        rosters = [] if self.roster is None else [(LineKind.ROSTER, self.roster)]
        return tuple(dict.fromkeys([*rosters, *((LineKind.STOCK, each) for each in self.stock)]))

    @property
    def guard_domain(self) -> str | None:
        """The domain of the guard's own address."""
        return None if self.address is None else self.address.domain

    def missing_to_serve(self) -> list[str]:
        """What must be there before mail can be relayed, each a sentence; empty if nothing is missing."""
        missing = []
        senders = [each for each in self.listeners if not isinstance(each, AnswersListener | TapListener)]
        if not senders:
            text = '"listeners" has no entry of kind submission or filter: nobody could send (or use --listen).'
            missing.append(text)
        if self.upstream is None and not (senders and all(_has_own_upstream(each) for each in senders)):
            missing.append('"upstream" is missing: there is no mail server to pass mail to (or use --upstream).')
        needs_tls = any(each.tls != "none" for each in self.listeners)
        if needs_tls and self.tls is None:
            missing.append('"tls" is missing: a listener with starttls or implicit needs a certificate and a key_file.')
        if any(isinstance(each, AnswersListener) for each in self.listeners) and self.address is None:
            missing.append('"address" is missing: a listener of kind answers takes mail for its domain.')
        if any(isinstance(each, TapListener) for each in self.listeners) and self.missing_to_hold():
            text = "a listener of kind tap teaches a guard that holds mail, and something is missing for that:"
            missing.append(f'{text} "address", "contact" or "outbox".')
        return missing

    def missing_to_hold(self) -> list[str]:
        """What must be there before mail can be held, each a sentence; empty if nothing is missing."""
        missing = []
        if self.address is None:
            missing.append('"address" is missing: notices come from it, and answers go to it.')
        if self.contact is None:
            missing.append('"contact" is missing: it gets mail to postmaster@ and abuse@ of the guard domain.')
        if self.outbox is None:
            missing.append('"outbox" is missing: notices are sent by it, and released mail.')
        return missing

    @classmethod
    def from_command_line(cls, listen: Endpoint, upstream: Endpoint, state_dir: Path | None = None) -> Settings:
        """The run without a file: a pure relay, `auth: optional`, no list, no hold.

        The listener has no certificate, so it offers AUTH on loopback only. The link to the mail server is plain to
        loopback, and STARTTLS with a checked certificate to anywhere else. One client may take all connections: who
        tries or measures the relay comes from one address, and there is no file in which that could be allowed.
        """
        door = SubmissionListener(kind="submission", listen=listen, tls="none", auth="optional")
        limits = Limits(connections_per_address=Limits().connections, messages_per_session=1_000_000)
        made = cls(listeners=(door,), upstream=_server_at(upstream), limits=limits)
        return made if state_dir is None else made.model_copy(update={"state_dir": state_dir})

    def overridden(
        self, listen: Endpoint | None = None, upstream: Endpoint | None = None, state_dir: Path | None = None
    ) -> Settings:
        """These settings with the command line's words put first.

        `listen` replaces all submission listeners by one, with the manners of the first; other doors stay.
        `upstream` replaces the server alone. Raises SettingsError if that makes a plain link over the network.
        """
        changes: dict[str, object] = {}
        if listen is not None:
            changes["listeners"] = self._listening_at(listen)
        if upstream is not None:
            changes["upstream"] = self._relaying_to(upstream)
        if state_dir is not None:
            changes["state_dir"] = state_dir
        return self.model_copy(update=changes)

    def _listening_at(self, listen: Endpoint) -> tuple[Listener, ...]:
        doors = [each for each in self.listeners if isinstance(each, SubmissionListener)]
        if doors:
            first = doors[0].model_copy(update={"listen": listen})
        else:
            first = SubmissionListener(kind="submission", listen=listen, tls="none" if self.tls is None else "starttls")
        return (first, *(each for each in self.listeners if not isinstance(each, SubmissionListener)))

    def _relaying_to(self, server: Endpoint) -> UpstreamSettings:
        if self.upstream is None:
            return _server_at(server)
        try:
            return UpstreamSettings(
                server=server,
                tls=self.upstream.tls,
                ca=self.upstream.ca,
                dane=self.upstream.dane,
                allow_plaintext=self.upstream.allow_plaintext,
                client_address=self.upstream.client_address,
            )
        except ValidationError as error:
            raise SettingsError(f"--upstream {server}: {error.errors()[0]['msg']}") from None


def _has_own_upstream(listener: Listener) -> bool:
    return isinstance(listener, FilterListener) and listener.upstream is not None


def _server_at(server: Endpoint) -> UpstreamSettings:
    tls: TlsMode = "none" if server.is_loopback else "starttls"
    return UpstreamSettings(server=server, tls=tls)


MODELS: dict[str, type[Section]] = {
    "": Settings,
    "listeners.submission": SubmissionListener,
    "listeners.filter": FilterListener,
    "listeners.answers": AnswersListener,
    "listeners.tap": TapListener,
    "tls": TlsSettings,
    "upstream": UpstreamSettings,
    "outbox": OutboxSettings,
    "accounts": AccountSettings,
    "groups": GroupSettings,
    "defaults": Defaults,
    "defaults.burst": BurstSettings,
    "store": StoreSettings,
    "web": WebSettings,
    "metrics": MetricsSettings,
    "memory": MemorySettings,
    "log": LogSettings,
    "limits": Limits,
    "timeouts": Timeouts,
}
"""Every place of smtpguard.yaml, by the keys that lead there, and the model that knows its keys."""
