"""The parts of smtpguard.yaml as typed values: every key below the first level, with its default."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from smtpguard.accounts import AccountEntry
from smtpguard.config.places import (
    CertificateAuthority,
    Domain,
    HostPort,
    MailboxOrNone,
    Network,
    SecretPath,
)
from smtpguard.config.values import (
    Between,
    Duration,
    Flag,
    Language,
    Line,
    ListName,
    Number,
    Size,
    mistake,
    one_or_many,
    read_text,
)
from smtpguard.lists import Burst
from smtpguard.mail.bounds import BOUNDS

TlsMode = Literal["none", "starttls", "implicit"]


class Section(BaseModel):
    """A part of the settings: frozen, and no key goes unnoticed."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)


# Below it, ordinary letters would not be read to their end.
INSPECT_TEXT_MIN = 64 * 1024
# Reading takes some 4 ms of the one thread for each MiB; what is larger is no letter.
INSPECT_TEXT_MAX = 64 * 1024 * 1024


def _worth_reading(octets: int) -> int:
    if not INSPECT_TEXT_MIN <= octets <= INSPECT_TEXT_MAX:
        least, most = INSPECT_TEXT_MIN // 1024, INSPECT_TEXT_MAX // 1024**2
        raise mistake(f"write a size from {least}KiB to {most}MiB.")
    return octets


# Below it, long threads would not be read to their end; above it, one mail keeps a reader from all others.
INSPECT_SECONDS_MIN = 1
INSPECT_SECONDS_MAX = 10


def _patient(time: timedelta) -> timedelta:
    if not INSPECT_SECONDS_MIN <= time.total_seconds() <= INSPECT_SECONDS_MAX:
        raise mistake(f"write a time from {INSPECT_SECONDS_MIN}s to {INSPECT_SECONDS_MAX}s.")
    return time


# A hold takes its day key at its beginning and commits at its end; the key waits for it an hour (housekeeping).
HOLD_MAX = timedelta(minutes=30)


def _not_for_long(time: timedelta) -> timedelta:
    if time > HOLD_MAX:
        raise mistake(f"write a time of at most {HOLD_MAX // timedelta(minutes=1)}m.")
    return time


# 10.0.0.0/8 and fc00::/7 are the largest networks that anybody has to himself (RFC 1918, RFC 4193).
_PREFIX_MIN = {4: 8, 6: 7}


def _not_everybody(networks: tuple[Network, ...]) -> tuple[Network, ...]:
    for number, each in enumerate(networks):
        if each.prefixlen < _PREFIX_MIN[each.version]:
            raise mistake("this is everybody. Name your own machines or networks.", number)
    return networks


OwnNetworks = Annotated[tuple[Network, ...], BeforeValidator(one_or_many), AfterValidator(_not_everybody)]


class TlsSettings(Section):
    """Certificate and key of the listeners."""

    certificate: SecretPath
    key_file: SecretPath
    minimum: Annotated[Literal["1.2", "1.3"], BeforeValidator(read_text)] = "1.2"


class Server(Section):
    """A mail server that the guard connects to: `server`, or what the DNS says of `domain`; one of both is there.

    `ca` None: the authorities that the system trusts.
    """

    server: HostPort | None = None
    domain: Domain | None = None
    tls: TlsMode = "starttls"
    ca: CertificateAuthority = None
    dane: Flag = False
    allow_plaintext: Flag = False

    @model_validator(mode="after")
    def _is_somewhere(self) -> Server:
        if self.server is None and self.domain is None:
            raise mistake('"server" is missing: the mail server, "HOST:PORT" (or "domain", to find it by the DNS).')
        if self.server is not None and self.domain is not None:
            text = 'write "server" or "domain", not both: the domain is for finding the server by the DNS.'
            raise mistake(text, "domain")
        if self.domain is not None and self.tls == "none":
            text = 'a server found by "domain" is always spoken to with TLS. Write starttls or implicit.'
            raise mistake(text, "tls")
        if self.dane and self.tls == "none":
            text = '"dane" says which certificate is right, and without TLS there is none. Write starttls or implicit.'
            raise mistake(text, "tls")
        if self.dane and self.server is not None and self.server.is_address:
            raise mistake('"dane" needs a name: an IP address has no TLSA records.', "server")
        return self

    @model_validator(mode="after")
    def _no_passwords_in_the_open(self) -> Server:
        here = self.server is not None and self.server.is_loopback
        if self.tls == "none" and not here and not self.allow_plaintext:
            text = "passwords and mail would cross the network in the open. Write starttls or implicit, or, if that is"
            raise mistake(f'{text} really meant, "allow_plaintext: true".', "tls")
        return self


class UpstreamSettings(Server):
    """The mail server behind the guard. `client_address` is how it learns where a member's connection comes from."""

    client_address: Literal["none", "xclient", "proxy"] = "none"


class OutboxSettings(Server):
    """The guard's own way to the mail server, for notices, results and releases."""

    tls: TlsMode = "none"
    login: Literal["xclient", "account", "none"] = "xclient"
    user: Line | None = None
    password_file: SecretPath | None = None
    release: Literal["outbox", "session"] = "outbox"

    @model_validator(mode="after")
    def _has_login(self) -> OutboxSettings:
        if self.login != "none" and self.user is None:
            raise mistake(
                f'"user" is missing: with "login: {self.login}" the guard\'s own mail is sent as this account.'
            )
        if self.login == "account" and self.password_file is None:
            raise mistake(
                '"password_file" is missing: with "login: account" it names the file with the password of "user".'
            )
        if self.login != "account" and self.password_file is not None:
            raise mistake(f'no password is sent with "login: {self.login}". Delete this line.', "password_file")
        return self


class AccountSettings(Section):
    """One exception of the account map."""

    mailbox: MailboxOrNone
    language: Language | None = None
    automatic: Flag = False

    @property
    def entry(self) -> AccountEntry:
        """The same for the directory."""
        return AccountEntry(self.mailbox, self.language, self.automatic)

    @model_validator(mode="after")
    def _is_never_asked(self) -> AccountSettings:
        if self.automatic and self.mailbox is not None:
            text = 'a program cannot answer a notice: write "mailbox: null", and its alarmed mail is refused;'
            raise mistake(f'{text} or delete "automatic", if a person reads this mailbox.', "automatic")
        return self


class GroupSettings(Section):
    """An address that is no list and reaches several persons or lists."""

    expands: Annotated[tuple[ListName, ...], BeforeValidator(one_or_many), Field(min_length=1)]


class BurstSettings(Section):
    """12-27: how many posts to one thread in which time are many, and whether their sender is asked."""

    posts: Annotated[Number, AfterValidator(Between(1, 1_000))] = 5
    within: Duration = timedelta(minutes=60)
    do: Literal["pass", "ask"] = "pass"

    @property
    def burst(self) -> Burst:
        """The same for judging."""
        return Burst(self.posts, self.within, self.do == "ask")


class Defaults(Section):
    """What is decided where no list says otherwise."""

    on_alarm: Literal["hold", "refuse", "observe"] = "hold"
    expires: Duration = timedelta(hours=72)
    expires_max: Duration = timedelta(days=7)
    wrong_topic: Literal["hold", "suggest", "off"] = "suggest"
    first_post: Literal["pass", "ask"] = "pass"
    burst: BurstSettings = BurstSettings()
    visible_max: Annotated[Number, AfterValidator(Between(1, 10_000))] = 20
    window: Duration = timedelta(days=7)
    thread_memory: Duration = timedelta(days=30)
    adding_people: Literal["pass", "ask"] = "pass"
    private_max_recipients: Annotated[Number, AfterValidator(Between(1, 1_000))] = 10
    strict: Flag = False

    @model_validator(mode="after")
    def _within_bounds(self) -> Defaults:
        if self.expires > self.expires_max:
            raise mistake('"expires" is longer than "expires_max".', "expires")
        return self


class StoreSettings(Section):
    """Where held mail and the memory lie: in files of one node, or in a database that several share.

    `url_file` holds the database's address with its password (libpq's URI), in one line.
    """

    kind: Literal["sqlite", "postgresql"] = "sqlite"
    url_file: SecretPath | None = None

    @model_validator(mode="after")
    def _is_somewhere(self) -> StoreSettings:
        if self.kind == "postgresql" and self.url_file is None:
            text = (
                'it names the file with the address of the database, like "postgresql://smtpguard@db.example.org/mail".'
            )
            raise mistake(f'"url_file" is missing: {text}')
        if self.kind == "sqlite" and self.url_file is not None:
            raise mistake('SQLite lies in "state_dir" and has no address. Delete this line.', "url_file")
        return self


class MemorySettings(Section):
    """How long what was remembered is kept; posts of closed lists as long as private mail."""

    private: Duration = timedelta(days=30)
    posts: Duration = timedelta(days=365)


class LogSettings(Section):
    """What is logged, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["logfmt", "json"] = "logfmt"


class Limits(Section):
    """Bounds; sizes in octets."""

    message_size: Size = 25 * 1024 * 1024
    recipients: Annotated[Number, AfterValidator(Between(1, 10_000))] = 1_000
    connections: Annotated[Number, AfterValidator(Between(1, 100_000))] = 2_000
    connections_per_address: Annotated[Number, AfterValidator(Between(1, 100_000))] = 50
    messages_per_session: Annotated[Number, AfterValidator(Between(1, 1_000_000))] = 1_000
    errors_per_session: Annotated[Number, AfterValidator(Between(1, 1_000))] = 20
    received_fields: Annotated[Number, AfterValidator(Between(1, 1_000))] = 100
    inspect_text: Annotated[Size, AfterValidator(_worth_reading)] = BOUNDS.text
    inspect_parts: Annotated[Number, AfterValidator(Between(10, 5_000))] = BOUNDS.parts
    inspect_depth: Annotated[Number, AfterValidator(Between(5, 50))] = BOUNDS.depth
    inspect_time: Annotated[Duration, AfterValidator(_patient)] = timedelta(seconds=BOUNDS.seconds)
    hold_size: Size = 25 * 1024 * 1024
    holds_per_account: Annotated[Number, AfterValidator(Between(1, 10_000))] = 20
    held_bytes_per_account: Size = 100 * 1024 * 1024
    notices_per_account_and_day: Annotated[Number, AfterValidator(Between(1, 10_000))] = 30
    wrong_codes_per_minute: Annotated[Number, AfterValidator(Between(1, 1_000_000))] = 60
    alarms_per_account_and_hour: Annotated[Number, AfterValidator(Between(1, 1_000))] = 10
    help_answers_per_hold: Annotated[Number, AfterValidator(Between(0, 1_000))] = 2


class Timeouts(Section):
    """How long is waited, and for what."""

    idle: Duration = timedelta(minutes=5)
    data_idle: Duration = timedelta(minutes=3)
    upstream_connect: Duration = timedelta(seconds=30)
    upstream_reply: Duration = timedelta(minutes=5)
    upstream_final: Duration = timedelta(minutes=10)
    hold: Annotated[Duration, AfterValidator(_not_for_long)] = timedelta(seconds=60)
    shutdown: Duration = timedelta(seconds=30)
