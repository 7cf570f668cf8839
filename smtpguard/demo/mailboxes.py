"""The demo's mailboxes for a mail program: POP3 (RFC 1939) on loopback, enough of it for every program to read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP

# RFC 2449, 4: a command line has at most 255 octets.
LINE_OCTETS_MAX = 1024
# RFC 1939, 3: at least ten minutes.
IDLE_SECONDS = 600.0
# One program opens a few.
SESSIONS_MAX = 20


class Mailboxes:
    """Serves `mailboxes` (by login) to whoever knows the password. What a program deletes is deleted."""

    def __init__(self, passwords: Mapping[str, str], mailboxes: Mapping[str, list[EmailMessage]]) -> None:
        self.port = 0
        self._passwords = passwords
        self._mailboxes = mailboxes
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=LINE_OCTETS_MAX)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and all sessions."""
        if self._server is not None:
            self._server.close()
        for each in self._sessions:
            each.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this in a task
        self._sessions.add(task)
        try:
            if len(self._sessions) > SESSIONS_MAX:
                writer.write(b"-ERR too many sessions\r\n")
                return
            await _Session(self._passwords, self._mailboxes, writer).run(reader)
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # gone, asleep, a line too long, or the end of the demo
        finally:
            self._sessions.discard(task)
            writer.close()


class _Session:
    def __init__(
        self, passwords: Mapping[str, str], mailboxes: Mapping[str, list[EmailMessage]], writer: asyncio.StreamWriter
    ) -> None:
        self._passwords = passwords
        self._mailboxes = mailboxes
        self._writer = writer
        self._user = ""
        self._login: str | None = None
        self._mails: list[tuple[EmailMessage, bytes]] = []
        self._deleted: set[int] = set()

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Answer commands until QUIT. Raises what ends a connection otherwise."""
        self._say("+OK smtpguard demo")
        while True:
            line = await asyncio.wait_for(reader.readuntil(b"\n"), IDLE_SECONDS)
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            if verb.upper() == "QUIT":
                self._keep_the_others()
                self._say("+OK")
                await self._writer.drain()
                return
            self._answer(verb.upper(), rest.strip())
            await self._writer.drain()

    def _answer(self, verb: str, rest: str) -> None:
        open_to_all: dict[str, Callable[[str], None]] = {"USER": self._take_user, "PASS": self._take_password}
        open_to_all["CAPA"] = lambda _: self._lines("+OK", ["USER", "UIDL", "TOP"])
        members: dict[str, Callable[[str], None]] = {
            "STAT": lambda _: self._say(
                f"+OK {len(self._there())} {sum(len(self._mails[n][1]) for n in self._there())}"
            ),
            "LIST": lambda text: self._list(text, lambda number: str(len(self._mails[number][1]))),
            "UIDL": lambda text: self._list(text, lambda number: str(id(self._mails[number][0]))),
            "RETR": lambda text: self._retrieve(text.split()[:1], None),
            "TOP": lambda text: self._retrieve(text.split()[:1], text.split()[1:]),
            "DELE": self._delete,
            "RSET": lambda _: self._undelete(),
            "NOOP": lambda _: self._say("+OK"),
        }
        known = open_to_all if self._login is None else {**open_to_all, **members}
        command = known.get(verb)
        if command is None:
            self._say("-ERR log in first" if verb in members else "-ERR unknown command")
        else:
            command(rest)

    def _take_user(self, name: str) -> None:
        self._user = name
        self._say("+OK")

    def _take_password(self, password: str) -> None:
        if self._login is not None or self._passwords.get(self._user) != password:
            self._say("-ERR wrong name or password")
            return
        self._login = self._user
        self._mails = [(each, _octets(each)) for each in self._mailboxes.get(self._user, ())]
        self._say("+OK")

    def _there(self) -> list[int]:
        return [number for number in range(len(self._mails)) if number not in self._deleted]

    def _number(self, words: Sequence[str]) -> int | None:
        """The index that the first word means; None, and an error, if there is no such mail."""
        number = int(words[0]) - 1 if words and words[0].isascii() and words[0].isdigit() else -1
        if number in self._there():
            return number
        self._say("-ERR no such mail")
        return None

    def _list(self, text: str, what: Callable[[int], str]) -> None:
        if not text:
            self._lines("+OK", [f"{number + 1} {what(number)}" for number in self._there()])
            return
        number = self._number(text.split())
        if number is not None:
            self._say(f"+OK {number + 1} {what(number)}")

    def _retrieve(self, words: Sequence[str], top: Sequence[str] | None) -> None:
        number = self._number(words)
        if number is None:
            return
        head, _, body = self._mails[number][1].partition(b"\r\n\r\n")
        lines = body.split(b"\r\n")
        if top is not None:
            lines = lines[: int(top[0]) if top and top[0].isascii() and top[0].isdigit() else 0]
        octets = b"\r\n".join([*head.split(b"\r\n"), b"", *lines])
        stuffed = octets.replace(b"\r\n.", b"\r\n..")
        self._writer.write(b"+OK\r\n" + stuffed + (b"" if stuffed.endswith(b"\r\n") else b"\r\n") + b".\r\n")

    def _delete(self, text: str) -> None:
        number = self._number(text.split())
        if number is not None:
            self._deleted.add(number)
            self._say("+OK")

    def _undelete(self) -> None:
        self._deleted.clear()
        self._say("+OK")

    def _keep_the_others(self) -> None:
        gone = {id(self._mails[number][0]) for number in self._deleted}
        mailbox = self._mailboxes.get(self._login or "")
        if mailbox is not None and gone:
            mailbox[:] = [each for each in mailbox if id(each) not in gone]

    def _say(self, line: str) -> None:
        self._writer.write(line.encode() + b"\r\n")

    def _lines(self, first: str, lines: Sequence[str]) -> None:
        self._writer.write("\r\n".join([first, *lines, ".", ""]).encode())


def _octets(message: EmailMessage) -> bytes:
    return message.as_bytes(policy=SMTP)
