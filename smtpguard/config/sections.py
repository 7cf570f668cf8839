"""The parts of smtpguard.yaml as typed values: every key below the first level, with its default."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from smtpguard.accounts import AccountEntry
from smtpguard.config.places import CertificateAuthority, FilePath, HostPort, MailboxOrNone, Network, SecretPath
from smtpguard.config.values import Duration, Flag, Language, Line, Number, Size, between, mistake, one_or_many

# Languages with notice texts.
LANGUAGES_KNOWN = ("en",)


def _known(language: str) -> str:
    if language not in LANGUAGES_KNOWN:
        raise mistake(f'"{language}" is not available in this version. Known: {", ".join(LANGUAGES_KNOWN)}.')
    return language


KnownLanguage = Annotated[Language, AfterValidator(_known)]
TlsMode = Literal["none", "starttls", "implicit"]


class Section(BaseModel):
    """A part of the settings: frozen, and no key goes unnoticed."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)


class SubmissionListener(Section):
    """A door for members' mail programs (RFC 6409)."""

    kind: Literal["submission"]
    listen: HostPort
    tls: TlsMode = "starttls"
    auth: Literal["required", "optional"] = "required"
    auth_without_tls: Literal["never", "loopback", "always"] = "loopback"

    @model_validator(mode="after")
    def _can_log_in(self) -> SubmissionListener:
        if self.tls == "none" and self.auth == "required" and self.auth_without_tls == "never":
            raise mistake("nobody can log in here: without TLS, AUTH is never offered.", "auth_without_tls")
        return self


class AnswersListener(Section):
    """The door by which the mail server hands on mail for the guard domain."""

    kind: Literal["answers"]
    listen: HostPort
    protocol: Literal["smtp", "lmtp"] = "smtp"
    tls: TlsMode = "none"
    trust: Annotated[tuple[Network, ...], BeforeValidator(one_or_many)] = (IPv4Network("127.0.0.1/32"),)


Listener = Annotated[SubmissionListener | AnswersListener, Field(discriminator="kind")]


class TlsSettings(Section):
    """Certificate and key of the listeners."""

    certificate: FilePath
    key_file: SecretPath
    minimum: Literal["1.2", "1.3"] = "1.2"


class Server(Section):
    """A mail server that the guard connects to. `ca` None: the authorities that the system trusts."""

    server: HostPort
    tls: TlsMode = "starttls"
    ca: CertificateAuthority = None
    allow_plaintext: Flag = False

    @model_validator(mode="after")
    def _no_passwords_in_the_open(self) -> Server:
        if self.tls == "none" and not self.server.is_loopback and not self.allow_plaintext:
            text = "passwords and mail would cross the network in the open. Write starttls or implicit, or, if that is"
            raise mistake(f'{text} really meant, "allow_plaintext: true".', "tls")
        return self


class UpstreamSettings(Server):
    """The mail server behind the guard."""


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
    language: KnownLanguage | None = None

    @property
    def entry(self) -> AccountEntry:
        """The same for the directory."""
        return AccountEntry(self.mailbox, self.language)


class Defaults(Section):
    """What is decided where no list says otherwise."""

    on_alarm: Literal["hold"] = "hold"
    expires: Duration = timedelta(hours=72)
    expires_max: Duration = timedelta(days=7)

    @model_validator(mode="after")
    def _within_bounds(self) -> Defaults:
        if self.expires > self.expires_max:
            raise mistake('"expires" is longer than "expires_max".', "expires")
        return self


class StoreSettings(Section):
    """Where held mail lies."""

    kind: Literal["sqlite"] = "sqlite"


class LogSettings(Section):
    """What is logged, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["logfmt", "json"] = "logfmt"


class Limits(Section):
    """Bounds; sizes in octets."""

    message_size: Size = 25 * 1024 * 1024
    recipients: Annotated[Number, AfterValidator(between(1, 10_000))] = 1_000
    connections: Annotated[Number, AfterValidator(between(1, 100_000))] = 2_000
    connections_per_address: Annotated[Number, AfterValidator(between(1, 100_000))] = 50
    messages_per_session: Annotated[Number, AfterValidator(between(1, 1_000_000))] = 1_000
    errors_per_session: Annotated[Number, AfterValidator(between(1, 1_000))] = 20
    received_fields: Annotated[Number, AfterValidator(between(1, 1_000))] = 100
    hold_size: Size = 25 * 1024 * 1024
    wrong_codes_per_minute: Annotated[Number, AfterValidator(between(1, 1_000_000))] = 60
    help_answers_per_hold: Annotated[Number, AfterValidator(between(0, 1_000))] = 2


class Timeouts(Section):
    """How long is waited, and for what."""

    idle: Duration = timedelta(minutes=5)
    data_idle: Duration = timedelta(minutes=3)
    upstream_connect: Duration = timedelta(seconds=30)
    upstream_reply: Duration = timedelta(minutes=5)
    upstream_final: Duration = timedelta(minutes=10)
    hold: Duration = timedelta(seconds=60)
    shutdown: Duration = timedelta(seconds=30)
