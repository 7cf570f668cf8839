"""What the settings say about listeners and mail servers, as the values that the doors and the upstream take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from smtpguard import maillog
from smtpguard.certificates import Certificates
from smtpguard.config.sections import AnswersListener, FilterListener, Listener, Timeouts, UpstreamSettings
from smtpguard.config.sections import Server as ServerSettings
from smtpguard.config.settings import Settings
from smtpguard.listener.options import AuthWithoutTls, Kind, ListenerOptions, Protocol, Tls
from smtpguard.upstream.location import DnsLocator
from smtpguard.upstream.resolution import Resolver
from smtpguard.upstream.target import Target
from smtpguard.upstream.target import Timeouts as UpstreamTimeouts


def target(server: ServerSettings, timeouts: Timeouts, certificates: Certificates) -> Target:
    """Where and how to connect to a mail server; with `domain` or `dane` the DNS is asked at each connection.

    Raises SettingsError for a `ca` that is none.
    """
    context = None if server.tls == "none" else certificates.towards(server.ca)
    bounds = UpstreamTimeouts(
        connect=timeouts.upstream_connect.total_seconds(),
        reply=timeouts.upstream_reply.total_seconds(),
        final=timeouts.upstream_final.total_seconds(),
    )
    client_address = server.client_address if isinstance(server, UpstreamSettings) else "none"
    locator = None
    if server.domain is not None or server.dane:
        locator = DnsLocator(Resolver(), domain=server.domain, dane=server.dane, tell=maillog.warning)
    if server.server is not None:
        host, port = server.server.host, server.server.port
    else:
        host, port = server.domain or "", 0  # the port stands in the DNS
    return Target(host, port, server.tls, context, bounds, locator=locator, client_address=client_address)


def doors(settings: Settings, certificates: Certificates) -> tuple[ListenerOptions, ...]:
    """The listeners of the settings as the doors that the server opens.

    Raises SettingsError for a certificate that cannot be used.
    """
    return tuple(_door(each, settings, certificates) for each in settings.listeners)


def _door(listener: Listener, settings: Settings, certificates: Certificates) -> ListenerOptions:
    tls = settings.tls if listener.tls != "none" else None
    shared = ListenerOptions(
        host=listener.listen.host,
        port=listener.listen.port,
        kind=Kind.ANSWERS,
        tls=Tls(listener.tls),
        context=certificates.of_doors(tls) if tls is not None else None,
        message_size=settings.limits.message_size,
        recipients=settings.limits.recipients,
        connections=settings.limits.connections,
        connections_per_address=settings.limits.connections_per_address,
        messages_per_session=settings.limits.messages_per_session,
        errors_per_session=settings.limits.errors_per_session,
        received_fields=settings.limits.received_fields,
        idle=settings.timeouts.idle.total_seconds(),
        data_idle=settings.timeouts.data_idle.total_seconds(),
        spool=_spool(settings),
        hostname=own_name(settings),
    )
    if isinstance(listener, AnswersListener):
        return replace(shared, protocol=Protocol(listener.protocol), trust=listener.trust)
    if isinstance(listener, FilterListener):
        behind = target(_behind(listener, settings), settings.timeouts, certificates)
        if behind.client_address == "xclient":
            # Our client is the front; whom it serves it tells the re-entry port itself, by XFORWARD.
            behind = replace(behind, client_address="none")
        received_by = listener.received_by
        return replace(shared, kind=Kind.FILTER, target=behind, trust=listener.trust, received_by=received_by)
    assert settings.upstream is not None  # noqa: S101 - missing_to_serve() was empty
    return replace(
        shared,
        kind=Kind.SUBMISSION,
        trusted_networks=settings.trusted_networks,
        target=target(settings.upstream, settings.timeouts, certificates),
        auth_required=listener.auth == "required",
        auth_without_tls=AuthWithoutTls(listener.auth_without_tls),
        proxy_protocol=listener.proxy_protocol,
    )


def _behind(listener: FilterListener, settings: Settings) -> ServerSettings:
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
