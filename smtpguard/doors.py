"""What the settings say about listeners and mail servers, as the values that the doors and the upstream take."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path

from smtpguard.config.sections import AnswersListener, SubmissionListener, Timeouts
from smtpguard.config.sections import Server as ServerSettings
from smtpguard.config.settings import Settings, SettingsError
from smtpguard.listener.options import AuthWithoutTls, Kind, ListenerOptions, Protocol, Tls
from smtpguard.listener.server import server_context
from smtpguard.upstream import connection as upstream_connection
from smtpguard.upstream.connection import Target
from smtpguard.upstream.tls import client_context


def target(server: ServerSettings, timeouts: Timeouts) -> Target:
    """Where and how to connect to a mail server. Raises SettingsError for a `ca` that is none."""
    try:
        context = None if server.tls == "none" else client_context(server.ca or "system")
    except OSError as error:
        raise SettingsError(f"{server.ca}: no certificates can be read from it ({error.strerror})") from error
    bounds = upstream_connection.Timeouts(
        connect=timeouts.upstream_connect.total_seconds(),
        reply=timeouts.upstream_reply.total_seconds(),
        final=timeouts.upstream_final.total_seconds(),
    )
    return Target(server.server.host, server.server.port, server.tls, context, bounds)


def doors(settings: Settings) -> tuple[ListenerOptions, ...]:
    """The listeners of the settings as the doors that the server opens.

    Raises SettingsError for a certificate that cannot be used.
    """
    context = None
    if settings.tls is not None and any(each.tls != "none" for each in settings.listeners):
        certificate, key = settings.tls.certificate, settings.tls.key_file
        try:
            context = server_context(certificate, key, settings.tls.minimum)
        except OSError as error:
            raise SettingsError(f"{certificate}, {key}: no certificate and its key ({error.strerror})") from error
    return tuple(_door(each, settings, context) for each in settings.listeners)


def _door(
    listener: SubmissionListener | AnswersListener, settings: Settings, context: ssl.SSLContext | None
) -> ListenerOptions:
    shared = ListenerOptions(
        host=listener.listen.host,
        port=listener.listen.port,
        kind=Kind.ANSWERS,
        tls=Tls(listener.tls),
        context=context,
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
    assert settings.upstream is not None  # noqa: S101 - missing_to_serve() was empty
    return replace(
        shared,
        kind=Kind.SUBMISSION,
        target=target(settings.upstream, settings.timeouts),
        auth_required=listener.auth == "required",
        auth_without_tls=AuthWithoutTls(listener.auth_without_tls),
    )


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
