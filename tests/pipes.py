"""Named pipes where files belong: whoever opens one waits for its other end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

# Nobody needs as long; the thread of somebody who waits ends with the process.
SECONDS = 60.0


def a_pipe(path: Path) -> Path:
    """A pipe in place of the file `path`."""
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    return path


def told(call: Callable[[], object]) -> Exception | None:
    """What `call` raises, None if it comes back. TimeoutError if it does neither."""
    raised: list[Exception | None] = []

    def run() -> None:
        try:
            call()
        except Exception as error:
            raised.append(error)
        else:
            raised.append(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return raised[0] if raised else TimeoutError("it waits for the other end")
