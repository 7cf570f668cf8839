"""A member's program that says NOOP all the time, in a process of its own: `python -m tests.torture.pulse PORT`.

Whoever measures the guard from the process in which its mail servers stand measures those as well. It ends when its
standard input does, and prints how long each reply took, in ms.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time

from tests.torture.site import MEMBERS, Session

PAUSE = 0.005
# A session may say only so much that brings no mail on (listener/allowance.py).
NOOPS = 50


async def _beat(port: int) -> list[float]:
    felt: list[float] = []
    over = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    while not over.done():
        session = await Session.open(port, MEMBERS[0])
        try:
            for _ in range(NOOPS):
                begun = time.perf_counter()
                await session.ask(b"NOOP")
                felt.append((time.perf_counter() - begun) * 1000)
                await asyncio.sleep(PAUSE)
        finally:
            session.close()
    return felt


if __name__ == "__main__":
    gc.disable()  # pauses of ours are not the guard's
    print(*asyncio.run(_beat(int(sys.argv[1]))))
