"""The port for monitoring, as the settings have it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from smtpguard.config.listeners import MetricsSettings
from smtpguard.config.places import SocketFile
from smtpguard.metrics.pages import MonitoringPages
from smtpguard.metrics.readings import Reading
from smtpguard.web.door import WebDoor


def monitoring_door(
    said: MetricsSettings, read: Callable[[], Awaitable[Reading]], unready: Callable[[], Awaitable[Sequence[str]]]
) -> WebDoor:
    """The door for monitoring, still shut."""
    listen = said.listen.path if isinstance(said.listen, SocketFile) else (said.listen.host, said.listen.port)
    return WebDoor(MonitoringPages(read, unready), listen, "http://")
