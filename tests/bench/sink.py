"""A mail server that takes everything, logins and XCLIENT included, and keeps nothing: smtp-sink knows no AUTH.

A program of its own: `python -m tests.bench.sink PORT`. It listens on loopback and runs until it is ended.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, cast

GREETING = b"220 sink.example.test ESMTP\r\n"
OFFER = (
    b"250-sink.example.test\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n"
    b"250-AUTH PLAIN LOGIN\r\n250 XCLIENT NAME ADDR LOGIN\r\n"
)
TAKEN = b"250 2.0.0 Ok: taken by the sink\r\n"
END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    """One client."""

    def __init__(self) -> None:
        self._buffer = b""
        self._in_content = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is no subclass
        self._say(GREETING)

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        self._buffer += data
        while self._in_content or b"\n" in self._buffer:
            if not self._in_content:
                line, _, self._buffer = self._buffer.partition(b"\n")
                self._command(line)
                continue
            head, end, rest = self._buffer.partition(END)
            if not end:
                # The end may have come in part.
                self._buffer = head[-(len(END) - 1) :]
                return
            self._buffer = rest
            self._in_content = False
            self._say(TAKEN)

    def _command(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"EHLO":
            self._say(OFFER)
        elif verb == b"DATA":
            self._in_content = True
            # An empty mail is a line with a dot right after DATA.
            self._buffer = b"\r\n" + self._buffer
            self._say(b"354 go ahead\r\n")
        elif verb == b"AUTH":
            self._say(b"235 2.7.0 welcome\r\n")
        elif verb == b"XCLI":
            self._say(GREETING)
        elif verb == b"QUIT":
            self._say(b"221 2.0.0 bye\r\n")
            self._transport.close()
        else:
            self._say(b"250 2.0.0 Ok\r\n")

    def _say(self, reply: bytes) -> None:
        self._transport.write(reply)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def run(work: Coroutine[Any, Any, None]) -> None:
    """On uvloop if it is there: what measures should cost little."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


if __name__ == "__main__":
    run(_serve(int(sys.argv[1])))
