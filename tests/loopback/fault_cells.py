"""What all cells of the fault matrix share: a guard in a hurry, and what must hold after each of them.

A cell is one fault of the mail server at one stage of its conversation (`misbehaving`). Most cells are through in some
milliseconds under timeouts that never strike. Only where nothing but a timeout can end the fault is it short.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from smtpguard.app import Application
from tests.logs import caught
from tests.loopback.guarded import MEMBERS, PASSWORDS, charge, write_config
from tests.loopback.misbehaving import WAITING, MisbehavingServer

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment]

ANNA = MEMBERS["anna"]
SUBJECT = "Confidential subject"
WORDS = "Confidential words."
# Nothing of these may be logged, whatever the mail server says of them.
PRIVATE = ("anna", "ben@", "berlin", "onfidential", PASSWORDS[ANNA])

# More than both sockets' buffers, TLS and the event loop hold (Linux lets a socket keep 4 MiB unsent), so that the mail
# server speaks before the dot is sent.
LARGE_OCTETS = 5_500_000
FILLING = (b"x" * 998 + b"\r\n") * (LARGE_OCTETS // 1000)

# The quick tests play these alone, without large content and on asyncio; the other cells are marked slow.
TELLING = frozenset({"close"})

QUICK_SECONDS = 1.0
# The mail server may still have megabytes to read when the dot is on its way.
QUICK_FINAL_SECONDS = 3.0
PATIENT_SECONDS = 20.0
# A cell that is not through by now hangs.
CELL_SECONDS = 120.0


@pytest.fixture(scope="module", autouse=True)
def quick_collections() -> Iterator[None]:
    """Each cell ends with a garbage collection; what is there before the first need not be looked at each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def cells(stages: tuple[str, ...], faults: Any, on_uvloop: tuple[str, ...] = ()) -> list[Any]:
    """Stage, fault and loop of each cell; those in `on_uvloop` are played there, too."""
    found = [(stage, fault, "asyncio") for stage in stages for fault in faults]
    if uvloop is not None:
        found += [(stage, fault, "uvloop") for stage in stages for fault in on_uvloop if fault in faults]
    return [marked(*each, id="-".join(each).removesuffix("-asyncio")) for each in found]


def marked(*values: str, id: str, slow: bool = False) -> Any:  # noqa: A002 - as pytest.param has it
    """The parameters of one cell."""
    quick = not slow and "uvloop" not in values and "content" not in values and not TELLING.isdisjoint(values)
    return pytest.param(*values, id=id, marks=() if quick else pytest.mark.slow)


def played(cell: Callable[[], Awaitable[None]], loop: str = "asyncio") -> str:
    """Run one cell: not too long, nothing for the event loop to report, nothing private and no bug in the log, which is
    returned."""
    factory = asyncio.new_event_loop if loop == "asyncio" else uvloop.new_event_loop
    reports: list[dict[str, Any]] = []

    async def run() -> None:
        async with asyncio.timeout(CELL_SECONDS):
            await cell()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
        gc.collect()
        gc.freeze()  # what is left need not be looked through again
        await asyncio.sleep(0)

    with caught() as log, asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run())
    written = log.getvalue()
    assert reports == []
    assert "Traceback" not in written
    assert "event=fault" not in written
    assert [each for each in PRIVATE if each in written] == []
    return written


@asynccontextmanager
async def hurried(folder: Path, up: Any, out: Any, fault: str, **changes: Any) -> AsyncIterator[Application]:
    """A guard between `up` and `out`, whose timeouts towards them are short if only they can end `fault`."""
    given = charge(write_config(folder, up, out, **changes))
    quick, final = (QUICK_SECONDS, QUICK_FINAL_SECONDS) if fault in WAITING else (PATIENT_SECONDS, PATIENT_SECONDS)
    seconds, final_seconds = timedelta(seconds=quick), timedelta(seconds=final)
    times = given.settings.timeouts.model_copy(
        update={"upstream_connect": seconds, "upstream_reply": seconds, "upstream_final": final_seconds}
    )
    application = Application(replace(given, settings=given.settings.model_copy(update={"timeouts": times})))
    await application.start()
    try:
        yield application
    finally:
        await application.stop()


def place(server: MisbehavingServer, authority: Path | None = None) -> dict[str, Any]:
    """The settings that name `server`; `authority` is the file of whom to trust."""
    named = {"server": f"{server.host}:{server.port}", "tls": server.tls}
    return named if authority is None else {**named, "ca": str(authority)}
