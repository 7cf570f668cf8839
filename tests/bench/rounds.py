"""The measuring: one cell at a time, all systems in turn, round after round."""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from tests.bench.load import GRACE_SECONDS, MESSAGES_PER_SESSION, Order, Outcome
from tests.bench.processes import TREE, System, python
from tests.bench.systems import SMTP_SOURCE
from tests.ports import HOST, wait_until

DRAIN = 30.0  # seconds for a queue to get empty
FIRST_COUNT = {"4 KB": 150, "100 KB": 30, "10 MB": 2}  # messages that tell smtp-source's first rate


@dataclass(frozen=True)
class Scenario:
    """What is sent in one cell."""

    title: str
    size: str
    sessions: int
    reuse: bool = True


SCENARIOS = (
    Scenario("4 KB, 10 sessions, reused", "4 KB", 10),
    Scenario("4 KB, 10 sessions, one message each", "4 KB", 10, reuse=False),
    Scenario("100 KB, 10 sessions, reused", "100 KB", 10),
    Scenario("10 MB, 1 session", "10 MB", 1),
)
ALONE = Scenario("4 KB, 1 session", "4 KB", 1)
BESIDE = "beside 10 MB"
HOLD = "hold"
ENDLESS = 120.0  # seconds; the stream is asked to end as soon as the others are done


@dataclass
class Cell:
    """What was measured of one system in one scenario, over all rounds."""

    rates: list[float] = field(default_factory=list)  # messages a second
    costs: list[float] = field(default_factory=list)  # CPU seconds of the system for 1,000 messages
    p50s: list[float] = field(default_factory=list)  # ms
    p99s: list[float] = field(default_factory=list)  # ms

    @property
    def rate(self) -> float:
        return median(self.rates) if self.rates else math.nan

    @property
    def cost(self) -> float:
        return median(self.costs) if self.costs else math.nan

    @property
    def p50(self) -> float:
        return median(self.p50s) if self.p50s else math.nan

    @property
    def p99(self) -> float:
        return median(self.p99s) if self.p99s else math.nan


class Bench:
    """Sends, and keeps what came of it by client, scenario and system."""

    def __init__(self, bodies: dict[str, Path], seconds: float) -> None:
        self.cells: dict[tuple[str, str, str], Cell] = {}
        self._bodies = bodies
        self._seconds = seconds

    def cell(self, client: str, title: str, system: str) -> Cell:
        """The cell, empty if it was not measured."""
        return self.cells.setdefault((client, title, system), Cell())

    def by_smtp_source(self, scenario: Scenario, system: System) -> None:
        """One sample with Postfix's smtp-source. The count follows the rate seen before. Raises RuntimeError."""
        cell = self.cell("smtp-source", scenario.title, system.name)
        rate = cell.rate
        if not cell.rates:
            first = FIRST_COUNT[scenario.size]
            rate = self._timed(system, Cell(), lambda: self._smtp_source(scenario, system, first))
        count = max(scenario.sessions, 2, int(rate * self._seconds))
        count = min(count, scenario.sessions * MESSAGES_PER_SESSION)
        self._timed(system, cell, lambda: self._smtp_source(scenario, system, count))

    def _smtp_source(self, scenario: Scenario, system: System, count: int) -> int:
        assert SMTP_SOURCE is not None
        reuse = ["-d"] if scenario.reuse else []
        subprocess.run(
            [
                SMTP_SOURCE, *reuse, "-s", str(scenario.sessions), "-m", str(count), "-F",
                str(self._bodies[scenario.size]), "-f", "robin@example.test", "-t", "berlin@lists.example.test",
                f"{HOST}:{system.port}",
            ],
            check=True, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return count

    def by_own_client(self, scenario: Scenario, system: System, *, key: str = "") -> None:
        """One sample with a client that logs in where a login is wanted. Raises RuntimeError if anything fails."""
        cell = self.cell("own", key or scenario.title, system.name)
        order = self.order(scenario, system)

        before = system.cpu_seconds()
        outcome = send_by(order)
        wait_until(f"{system.name} has an empty queue", system.idle, DRAIN)
        # By the client's own clock: the start of its interpreter does not count.
        cell.rates.append(outcome.messages / outcome.seconds)
        cell.costs.append((system.cpu_seconds() - before) * 1000 / max(1, outcome.messages))
        cell.p50s.append(outcome.p50)
        cell.p99s.append(outcome.p99)

    def order(self, scenario: Scenario, system: System) -> Order:
        """What the client is told."""
        return Order(
            system.port, str(self._bodies[scenario.size]), scenario.sessions, self._seconds,
            reuse=scenario.reuse, login=system.login,
        )  # fmt: skip

    def beside_large_mail(self, system: System) -> None:
        """Latencies of ten sessions with 4 KB, while another sends 10 MB after 10 MB. Raises RuntimeError."""
        large = Order(system.port, str(self._bodies["10 MB"]), 1, ENDLESS, login=system.login)
        with subprocess.Popen(_command(large), cwd=TREE, stdout=subprocess.PIPE) as beside:
            try:
                time.sleep(0.4)  # the other client's start
                self.by_own_client(SCENARIOS[0], system, key=BESIDE)
            finally:
                beside.terminate()  # after the mail under way
            printed, _ = beside.communicate(timeout=GRACE_SECONDS * 2)
        outcome = Outcome(**json.loads(printed))
        if outcome.failures or not outcome.messages:
            raise RuntimeError(f"{system.name}: {outcome.messages} large mails: {outcome.failures}")

    def hold(self, system: System) -> None:
        """Mails to two lists: each is sealed, committed, and its notice taken. Raises RuntimeError if one passes."""
        order = Order(
            system.port, str(self._bodies["held"]), 1, self._seconds, login=True,
            recipients=("berlin@lists.example.test", "press@lists.example.test"),
        )  # fmt: skip
        outcome = send_by(order)
        if "taken by the sink" in outcome.last_reply:
            raise RuntimeError(f"{system.name}: a mail to two lists was not held: nothing was judged")
        cell = self.cell("own", HOLD, system.name)
        cell.p50s.append(outcome.p50)
        cell.p99s.append(outcome.p99)

    def peak_pss(self, system: System) -> float:
        """The largest PSS seen, in MB, while 50 sessions send 10 MB each at the same time."""
        order = Order(system.port, str(self._bodies["10 MB"]), 50, 15.0, messages=50, login=system.login)
        peak = 0
        with subprocess.Popen(_command(order), cwd=TREE, stdout=subprocess.PIPE) as client:
            while client.poll() is None:
                peak = max(peak, system.pss_octets())
                time.sleep(0.05)
            assert client.stdout is not None
            outcome = Outcome(**json.loads(client.stdout.read()))
        if outcome.failures or outcome.messages != 50:
            raise RuntimeError(f"{system.name}: {outcome.messages} of 50 large mails: {outcome.failures}")
        return peak / 1e6

    def _timed(self, system: System, cell: Cell, send: Callable[[], int]) -> float:
        before = system.cpu_seconds()
        start = time.perf_counter()
        count = send()
        wait_until(f"{system.name} has an empty queue", system.idle, DRAIN)
        rate = count / (time.perf_counter() - start)
        cell.rates.append(rate)
        cell.costs.append((system.cpu_seconds() - before) * 1000 / count)
        return rate


def send_by(order: Order) -> Outcome:
    """Run the client. Raises RuntimeError if a reply was not the one expected."""
    done = subprocess.run(
        _command(order),
        cwd=TREE,
        capture_output=True,
        text=True,
        timeout=order.seconds + GRACE_SECONDS + 10,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the client failed: {done.stderr[-2000:]}")
    outcome = Outcome(**json.loads(done.stdout))
    if outcome.failures:
        raise RuntimeError(f"port {order.port}: {outcome.failures}")
    return outcome


def _command(order: Order) -> list[str]:
    return python("-m", "tests.bench.load", json.dumps(asdict(order)))
