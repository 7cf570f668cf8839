"""Addresses that a list manager keeps beside each list: `<name><suffix>@`, read by a machine or by people.

The same suffix means opposite things for two managers. Mailman: handlers in mailman.runners.lmtp; Sympa: alias template
(list_aliases.tt2); ezmlm: ezmlm(5).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from smtpguard.lists import Manager


class Role(Enum):
    """Who reads what is sent to such an address."""

    MACHINE = "machine"
    PEOPLE = "people"


_MACHINE_SUFFIXES: Mapping[Manager, tuple[str, ...]] = {
    Manager.MAILMAN3: ("-bounces", "-confirm", "-join", "-leave", "-request", "-subscribe", "-unsubscribe"),
    Manager.SYMPA: ("-owner", "-subscribe", "-unsubscribe"),
    Manager.EZMLM: (
        "-help", "-get", "-index", "-thread", "-accept", "-reject", "-confirm", "-return",
        "-subscribe", "-unsubscribe", "-sc", "-uc", "-tc", "-vc",
    ),
    Manager.PLAIN: (),
}  # fmt: skip
_PEOPLE_SUFFIXES: Mapping[Manager, tuple[str, ...]] = {
    Manager.MAILMAN3: ("-owner",),
    Manager.SYMPA: ("-request", "-editor"),
    Manager.EZMLM: ("-owner",),
    Manager.PLAIN: (),
}
# ezmlm puts arguments behind its commands: list-get.12, list-accept-1234.abc, list-return-12-anna=example.org.
_ARGUMENT_SEPARATORS = ("-", ".", "_")


def role_of_suffix(rest: str, manager: Manager) -> Role | None:
    """What `rest`, the local part behind the name of a list of `manager`, stands for."""
    if _is_one_of(rest, _MACHINE_SUFFIXES[manager], manager):
        return Role.MACHINE
    return Role.PEOPLE if _is_one_of(rest, _PEOPLE_SUFFIXES[manager], manager) else None


def role_of_robot(name: str) -> Role | None:
    """Sympa's own addresses, which belong to the robot of a domain and not to one list."""
    if name in ("sympa", "bounce") or name.startswith("bounce-"):
        return Role.MACHINE
    return Role.PEOPLE if name == "listmaster" else None


def _is_one_of(rest: str, suffixes: tuple[str, ...], manager: Manager) -> bool:
    if rest in suffixes:
        return True
    if manager is not Manager.EZMLM:
        return False
    return any(rest.startswith(each + separator) for each in suffixes for separator in _ARGUMENT_SEPARATORS)
