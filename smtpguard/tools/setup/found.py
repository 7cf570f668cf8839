"""What was found on the machine, as values: from here on nothing is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from smtpguard.lists import Manager


@dataclass(frozen=True, slots=True)
class Service:
    """A line of master.cf. `options` are those behind `-o`, as postconf prints them."""

    name: str
    kind: str
    command: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What postconf calls it: "submission/inet"."""
        return f"{self.name}/{self.kind}"

    def has(self, other: Service) -> bool:
        """True if this is the same sort of service, and every option of `other` is set here, too."""
        same = (self.kind, self.command) == (other.kind, other.command)
        return same and other.options.items() <= self.options.items()


@dataclass(frozen=True, slots=True)
class Postfix:
    """A Postfix as postconf describes it. `written` are parameters as they stand there, `meant` what they come to.

    `files` are the names of files in its folder, `tables` the texts of those that the guard's lines name. `pair` are
    the files of the first certificate of smtpd_tls_chain_files and of its key, None if they cannot be told.
    """

    folder: str
    written: Mapping[str, str]
    meant: Mapping[str, str]
    services: tuple[Service, ...]
    files: frozenset[str] = frozenset()
    tables: Mapping[str, str] = field(default_factory=dict)
    pair: tuple[str, str] | None = None

    def words(self, name: str) -> tuple[str, ...]:
        """A parameter's value as words: Postfix divides at blanks and commas."""
        return tuple(self.meant.get(name, "").replace(",", " ").split())

    @property
    def submissions(self) -> tuple[Service, ...]:
        """The services at which mail programs log in, on the ports of RFC 6409 and RFC 8314."""
        return tuple(each for each in self.services if each.kind == "inet" and _port(each.name) in _SUBMISSION)

    @property
    def port_25(self) -> Service | None:
        """The smtpd that mail from outside comes to; behind postscreen it is the one that postscreen passes it to."""
        for each in self.services:
            if each.kind == "inet" and _port(each.name) in ("smtp", "25"):
                if each.command != "postscreen":
                    return each
                return next((one for one in self.services if (one.name, one.kind) == ("smtpd", "pass")), None)
        return None


_SUBMISSION = ("submission", "submissions", "smtps", "587", "465")


def _port(name: str) -> str:
    return name.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class ListServer:
    """A list manager's settings file, and the domains of its lists. `url` and `user`: Mailman's REST interface."""

    manager: Manager
    file: str
    domains: tuple[str, ...] = ()
    url: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """All that was looked at. `remarks` are what could not be, and why; `has_unit`: systemd knows the guard."""

    postfix: Postfix | None = None
    list_servers: tuple[ListServer, ...] = ()
    timezone: str | None = None
    language: str | None = None
    has_unit: bool = False
    remarks: tuple[str, ...] = ()
