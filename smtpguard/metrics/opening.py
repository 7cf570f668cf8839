"""The port for monitoring, as the settings have it."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence

from smtpguard.config.listeners import MetricsSettings
from smtpguard.metrics.pages import MonitoringPages
from smtpguard.metrics.readings import Reading
from smtpguard.web.door import WebDoor, place_of


def monitoring_door(
    said: MetricsSettings,
    read: Callable[[], Awaitable[Reading]],
    unready: Callable[[], Awaitable[Sequence[str]]],
    take: Callable[[str], socket.socket],
) -> WebDoor:
    """The door for monitoring, still shut; `take` gives the socket that systemd passes by a name."""
    return WebDoor(MonitoringPages(read, unready), place_of(said.listen, take), "http://")
