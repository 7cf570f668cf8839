"""A guard, or one worker of it, from its start until a signal ends it; systemd and the supervisor hear how it is."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from functools import partial

from smtpguard import maillog
from smtpguard.app import Application
from smtpguard.keeper import Charge
from smtpguard.systemd import ServiceManager
from smtpguard.workplace import ALIVE, READY, RELOADED, Workplace


async def run_until_signal(
    charge: Charge,
    ready: Callable[[Application], None] | None = None,
    workplace: Workplace | None = None,
    manager: ServiceManager | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, and reload at SIGHUP. `ready` is called once connections are taken, and `manager`
    hears of all this; a worker reports it from its `workplace`."""
    manager = manager or ServiceManager()
    application = Application(charge, workplace=workplace, manager=manager)
    stop, hangup = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    # SIGHUP from the beginning on: whoever did not ask for it would be ended by it.
    for number, event in ((signal.SIGTERM, stop), (signal.SIGINT, stop), (signal.SIGHUP, hangup)):
        loop.add_signal_handler(number, event.set)
    await application.start()
    if ready is not None:
        ready(application)
    manager.tell("READY=1", f"STATUS={application.status}")
    reloaded, alive = None, lambda: manager.tell("WATCHDOG=1", f"STATUS={application.status}")
    if workplace is not None:
        ports = " ".join(map(str, application.ports))
        workplace.report(READY, f"{ports}|{application.page or ''}|{application.metrics or ''}")
        reloaded, alive = partial(workplace.report, RELOADED), partial(workplace.report, ALIVE)
    life = asyncio.create_task(manager.show_life(alive))
    reloads = _reload_at(hangup, application, manager, reloaded)
    beside = [asyncio.create_task(application.probe()), asyncio.create_task(reloads)]
    await stop.wait()
    manager.tell("STOPPING=1")
    for task in beside:
        task.cancel()
    await application.stop()
    life.cancel()
    # The event loop gives the signal back when it closes, and its next one would end us before our exit code is out.
    loop.remove_signal_handler(signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


async def _reload_at(
    hangup: asyncio.Event, application: Application, manager: ServiceManager, done: Callable[[], None] | None
) -> None:
    """Reload at each SIGHUP; those that come meanwhile are one. `done` is called after each."""
    while True:
        await hangup.wait()
        hangup.clear()
        manager.tell_reloading()
        try:
            await application.reload()
        except Exception as error:  # a bug, or a file that went while it was looked at: the next SIGHUP is obeyed again
            maillog.fault("a reload failed", error)
        manager.tell("READY=1", f"STATUS={application.status}")
        if done is not None:
            done()
