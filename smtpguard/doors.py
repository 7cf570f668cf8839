"""What the settings say about listeners and mail servers, as the values that the doors and the upstream take."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from smtpguard import maillog
from smtpguard.certificates import Certificates
from smtpguard.config.listeners import AnswersListener, FilterListener, Listener, TapListener
from smtpguard.config.named_files import read_password
from smtpguard.config.places import PassedSocket
from smtpguard.config.sections import Server as ServerSettings
from smtpguard.config.sections import Timeouts, UpstreamSettings
from smtpguard.config.settings import Settings, SettingsError
from smtpguard.config.sources import FileError
from smtpguard.listener.options import AuthWithoutTls, Kind, ListenerOptions, Protocol, Tls
from smtpguard.upstream.outbox import Credentials, OutboxLogin, SubmissionOutbox
from smtpguard.upstream.target import Locator, Meter, Target
from smtpguard.upstream.target import Timeouts as UpstreamTimeouts


def target(
    server: ServerSettings, timeouts: Timeouts, certificates: Certificates, meter: Meter | None = None
) -> Target:
    """Where and how to connect to a mail server; with `domain` or `dane` the DNS is asked at each connection.

    Raises SettingsError for a `ca` that is none.
    """
    context = None if server.tls == "none" else certificates.towards(server.ca)
    bounds = patience(timeouts)
    client_address = server.client_address if isinstance(server, UpstreamSettings) else "none"
    locator = _locator(server) if server.domain is not None or server.dane else None
    if server.server is not None:
        host, port = server.server.host, server.server.port
    else:
        host, port = server.domain or "", 0  # the port stands in the DNS
    return Target(host, port, server.tls, context, bounds, locator=locator, client_address=client_address, meter=meter)


def _locator(server: ServerSettings) -> Locator:
    from smtpguard.upstream.location import DnsLocator  # noqa: PLC0415 - 3 MB of DNS that others do without
    from smtpguard.upstream.resolution import Resolver  # noqa: PLC0415

    return DnsLocator(Resolver(), domain=server.domain, dane=server.dane, tell=maillog.warning)


def patience(timeouts: Timeouts) -> UpstreamTimeouts:
    """How long a mail server is waited for."""
    return UpstreamTimeouts(
        connect=timeouts.upstream_connect.total_seconds(),
        reply=timeouts.upstream_reply.total_seconds(),
        final=timeouts.upstream_final.total_seconds(),
    )


def longest_release(timeouts: Timeouts) -> timedelta:
    """All timeouts of one release together: connect, some replies before the content, the content's reply (SEMANTICS
    c6).
    """
    replies_before_content = 6  # greeting, EHLO, XCLIENT or AUTH, EHLO, MAIL, DATA; RCPTs renew the claim as they go
    return timeouts.upstream_connect + replies_before_content * timeouts.upstream_reply + timeouts.upstream_final


def outbox(settings: Settings, certificates: Certificates, meter: Meter | None = None) -> SubmissionOutbox:
    """The guard's own way to the mail server. Raises SettingsError for a password or a `ca` that cannot be read."""
    said = settings.outbox
    assert said is not None  # noqa: S101 - missing_to_hold() was empty
    credentials = None
    if said.user is not None:
        password = ""
        if said.password_file is not None:
            try:
                password = read_password(said.password_file)
            except FileError as error:
                raise SettingsError(f"{said.password_file}: {error}") from error
        credentials = Credentials(said.user, password)
    return SubmissionOutbox(
        target(said, settings.timeouts, certificates, meter),
        login=OutboxLogin(said.login),
        hello_name=own_name(settings),
        credentials=credentials,
    )


def doors(settings: Settings, certificates: Certificates, meter: Meter | None = None) -> tuple[ListenerOptions, ...]:
    """The listeners of the settings as the doors that the server opens; `meter` is for the mail servers behind them.

    Raises SettingsError for a certificate that cannot be used.
    """
    opened = (_door(each, settings, certificates) for each in settings.listeners)
    return tuple(
        each if each.target is None else replace(each, target=replace(each.target, meter=meter)) for each in opened
    )


def bounded(door: ListenerOptions, settings: Settings) -> ListenerOptions:
    """`door` with the limits, times and trusted networks of `settings`: what may change while it is open."""
    limits, timeouts = settings.limits, settings.timeouts
    behind = door.target
    return replace(
        door,
        target=None if behind is None else replace(behind, timeouts=patience(timeouts)),
        # Who comes by another door logs in elsewhere, or not at all.
        trusted_networks=settings.trusted_networks if door.kind is Kind.SUBMISSION else (),
        message_size=limits.message_size,
        recipients=limits.recipients,
        connections=limits.connections,
        connections_per_address=limits.connections_per_address,
        messages_per_session=limits.messages_per_session,
        errors_per_session=limits.errors_per_session,
        received_fields=limits.received_fields,
        idle=timeouts.idle.total_seconds(),
        data_idle=timeouts.data_idle.total_seconds(),
    )


def _door(listener: Listener, settings: Settings, certificates: Certificates) -> ListenerOptions:
    return bounded(_unbounded(listener, settings, certificates), settings)


def _unbounded(listener: Listener, settings: Settings, certificates: Certificates) -> ListenerOptions:
    """A door as it stays: where it is, whom it lets in, what lies behind it."""
    tls = settings.tls if listener.tls != "none" else None
    at = listener.listen
    passed = at.name if isinstance(at, PassedSocket) else None
    shared = ListenerOptions(
        host="" if isinstance(at, PassedSocket) else at.host,
        port=0 if isinstance(at, PassedSocket) else at.port,
        passed=passed,
        kind=Kind.ANSWERS,
        tls=Tls(listener.tls),
        context=certificates.of_doors(tls) if tls is not None else None,
        spool=_spool(settings),
        hostname=own_name(settings),
    )
    if isinstance(listener, AnswersListener):
        return replace(shared, protocol=Protocol(listener.protocol), trust=listener.trust)
    if isinstance(listener, TapListener):
        return replace(
            shared,
            kind=Kind.TAP,
            protocol=Protocol(listener.protocol),
            trust=listener.trust,
            list_server=listener.list_server,
        )
    if isinstance(listener, FilterListener):
        behind = target(behind_filter(listener, settings), settings.timeouts, certificates)
        if behind.client_address == "xclient":
            # Our client is the front; whom it serves it tells the re-entry port itself, by XFORWARD.
            behind = replace(behind, client_address="none")
        received_by = listener.received_by
        return replace(shared, kind=Kind.FILTER, target=behind, trust=listener.trust, received_by=received_by)
    assert settings.upstream is not None  # noqa: S101 - missing_to_serve() was empty
    return replace(
        shared,
        kind=Kind.SUBMISSION,
        target=target(settings.upstream, settings.timeouts, certificates),
        auth_required=listener.auth == "required",
        auth_without_tls=AuthWithoutTls(listener.auth_without_tls),
        proxy_protocol=listener.proxy_protocol,
    )


def behind_filter(listener: FilterListener, settings: Settings) -> ServerSettings:
    """The re-entry port of a filter listener."""
    upstream = settings.upstream
    if listener.upstream is not None:
        ca = None if upstream is None else upstream.ca
        # Whether a plain link may leave the machine was looked at when the settings were read.
        return ServerSettings(server=listener.upstream, tls=listener.upstream_tls, ca=ca, allow_plaintext=True)
    assert upstream is not None  # noqa: S101 - missing_to_serve() was empty
    return upstream


def _spool(settings: Settings) -> Path | None:
    """Where large content waits, encrypted; a pure relay keeps no state and uses the system's temporary folder."""
    if settings.missing_to_hold():
        return None
    folder = settings.state_dir / "spool"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def own_name(settings: Settings) -> str:
    """The name that the guard greets and says EHLO with."""
    return settings.guard_domain or "localhost"
