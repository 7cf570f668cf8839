"""`smtpguard status`: how the running guard fares, by what it writes down and by what it tells monitoring."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from smtpguard.config.places import Endpoint, PassedSocket, SocketFile, endpoint_of
from smtpguard.exits import DONE, FOUND_SOMETHING, UNAVAILABLE
from smtpguard.metrics import families
from smtpguard.metrics.families import Family
from smtpguard.status import live_findings
from smtpguard.tools.waiting_words import counted

# Nobody waits longer for a guard on the same machine.
ANSWER_SECONDS = 5.0
# All metrics have some 20 KB.
ANSWER_OCTETS_MAX = 1024 * 1024
# Who listens everywhere is asked here.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nobody listens there because of this


@dataclass(frozen=True, slots=True)
class Running:
    """A guard. `found` is what it, or we, have to complain of, `said` how it fares; lines for a person."""

    alive: bool
    found: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """What `smtpguard status` ends with."""
        if not self.alive:
            return UNAVAILABLE
        return FOUND_SOMETHING if self.found else DONE


def running(state_dir: Path, configured: Endpoint | SocketFile | PassedSocket | None, now: datetime) -> Running:
    """The guard with `state_dir`, or, if it keeps none, the one whose metrics are asked at `configured`."""
    live = live_findings(state_dir, now)
    at = configured if live.metrics is None else _place(live.metrics)
    if at is None or isinstance(at, PassedSocket):  # where that one is, the guard alone knows
        return Running(live.alive, live.found, [*live.said, *_waiting(live.waiting)] if live.alive else live.said)
    try:
        ready, metrics = _asked(at, "/readyz"), _asked(at, "/metrics")
        values = _values(metrics.text) if metrics.status == 200 else None
    except (OSError, HTTPException, ValueError) as error:
        values, why = None, f": {error}"
    else:
        why = "" if metrics.status == 200 else f": answers {metrics.status}"
    if values is None:
        return Running(live.alive, [*live.found, f"the metrics at {at} cannot be read{why}"], live.said)
    # Without a state_dir of its own (a pure relay) nothing is written down, and nothing is wrong with that.
    keeps = live.alive or (families.STORE_UP.name, frozenset()) in values
    found = [*live.found] if keeps else []
    if ready.status != 200:
        found += [f"it takes no mail at present: {each}" for each in ready.text.splitlines()]
    return Running(True, found, [*live.said, *(["It takes mail."] if ready.status == 200 else []), *_figures(values)])


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    text: str


def _asked(at: Endpoint | SocketFile, target: str) -> _Answer:
    """Raises OSError, HTTPException, ValueError."""
    host, port = ("localhost", 80) if isinstance(at, SocketFile) else (_EVERYWHERE.get(at.host, at.host), at.port)
    connection = HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    if isinstance(at, SocketFile):
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(ANSWER_SECONDS)
        connection.sock.connect(str(at.path))
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return _Answer(response.status, response.read(ANSWER_OCTETS_MAX).decode("utf-8"))
    finally:
        connection.close()


def _place(text: str) -> Endpoint | SocketFile | None:
    if text.startswith("/"):
        return SocketFile(Path(text))
    try:
        return endpoint_of(text)
    except ValueError:
        return None


Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


def _values(text: str) -> Values:
    """Each sample by its name and labels. Raises ValueError."""
    found: Values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, frozenset(sample.labels.items())] = sample.value
    return found


def _figures(values: Values) -> Iterator[str]:
    def of(family: Family, *labels: str) -> int:
        return int(values.get((family.name, frozenset(zip(family.labels, labels, strict=True))), 0))

    waiting = values.get((families.WAITING.name, frozenset()))
    yield from _waiting(None if waiting is None else int(waiting), of(families.OLDEST) // 86_400)
    mails = {each: of(families.MAILS, each) for each in families.MAILS.labels["outcome"]}
    yield (
        f"Since it started: {mails['passed']} mails passed, {mails['held']} held, {mails['refused']} refused,"
        f" {mails['deferred']} put off, {mails['not_taken']} not taken by the mail server."
    )
    taken, refused, failed = (of(families.NOTICES, each) for each in families.NOTICES.labels["result"])
    yield f"Notices: {taken} taken, {refused} refused, {failed} could not be handed over."
    errors = sum(of(families.UPSTREAM_ERRORS, *each) for each in families.UPSTREAM_ERRORS.series)
    stores = sum(of(families.STORE_ERRORS, *each) for each in families.STORE_ERRORS.series)
    yield f"Connections to the mail server that failed: {errors}. What the database did not do: {stores}."
    put_off, refused = (
        sum(of(families.UPSTREAM_REFUSALS, way, reply) for way in families.WAYS)
        for reply in families.UPSTREAM_REFUSALS.labels["reply"]
    )
    yield f"The mail server refused {put_off} commands or mails for now, {refused} for good (wrong passwords, too)."
    yield f"{of(families.SESSIONS_OPEN)} clients are connected; {of(families.SESSIONS)} have come so far."


def _waiting(number: int | None, days: int = 0) -> Iterator[str]:
    if number is not None:
        ago = "yesterday" if days == 1 else f"{days} days ago"
        yield counted(number) + (f"; the oldest came {ago}." if number and days else ".")
