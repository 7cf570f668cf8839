"""A mail server on raw sockets that does one thing wrong at one stage, once, and everything else right.

It is written with blocking sockets and a thread for each connection, so that it owes nothing to the event loop under
test, and so that a half reply, a flood or a reset is what the code says and nothing else.

    with MisbehavingServer(users={"anna": "secret"}) as up:
        up.fail("RCPT-2", "half-reset")
        ... connect to (up.host, up.port): the second RCPT gets half a reply and a reset, all else is answered well ...
        assert up.messages == []

Stages: "connect" (with the fault refuse or stall), "implicit" (before the handshake of implicit TLS), "greeting", every
command ("EHLO", "MAIL" ...; the second one of a connection is "EHLO-2", and so on), "handshake" (the TLS handshake
after STARTTLS), "AUTH" (the first challenge of AUTH LOGIN), "challenge" (its second), "login" (the verdict of an AUTH),
"content" (in mid-content, when `content_after` octets of it have come) and "dot" (the final dot has come). `FAULTS`
names what can go wrong; beside that there is "552", and "pause", which takes nothing until `go_on` is set.
"""

from __future__ import annotations

import asyncio
import base64
import select
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from tests.loopback.fake_upstream import EXTENSIONS, Message

NAME = b"mail.example.test"
PATIENCE_SECONDS = 60.0
# Between two lines of a reply that never ends: each comes long before any timeout.
DRIP_SECONDS = 0.05
# Postfix names the recipient in its refusals, so nothing of them may be logged as it is.
REFUSED_FOR_NOW = b"451 4.7.1 <ben@example.test>: not now\r\n"
REFUSED_FOR_GOOD = b"554 5.7.1 <ben@example.test>: never\r\n"
TOO_LARGE = b"552 5.3.4 Message size exceeds fixed limit\r\n"
FAREWELL = b"421 4.3.2 <ben@example.test>: going home\r\n"


class GoneError(Exception):
    """The conversation is over."""


class Conversation:
    """One connection; `number` counts them from 0. `login` is who has logged in, by AUTH or XCLIENT."""

    def __init__(self, server: MisbehavingServer, connection: socket.socket, number: int) -> None:
        self.server = server
        self.connection = connection
        self.number = number
        self.commands: list[bytes] = []
        self.login: str | None = None
        self.open = True
        self._buffer = b""
        self._secure = False
        self._seen: Counter[str] = Counter()
        self._mail: bytes | None = None
        self._rcpts: list[bytes] = []

    # ------------------------------------------------------------ what faults are made of

    def say(self, octets: bytes) -> None:
        self.connection.sendall(octets)

    def finish(self) -> None:
        """FIN, and wait until the peer closes, too. What it still sends is thrown away: unread octets would make an RST
        of the close."""
        self.connection.shutdown(socket.SHUT_WR)
        while self.connection.recv(65536):
            pass
        raise GoneError

    def reset(self) -> None:
        """RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise GoneError

    def stall(self) -> None:
        """Neither read nor write until the peer has gone."""
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLRDHUP)
        while not self.server.stopping and not poll.poll(50):
            pass
        raise GoneError

    def pause(self) -> None:
        """Neither read nor write until `go_on` is set, and then go on as if nothing had been."""
        self.server.go_on.wait(PATIENCE_SECONDS)

    # ------------------------------------------------------------ reading

    def _more(self) -> None:
        octets = self.connection.recv(65536)
        if not octets:
            raise GoneError
        self._buffer += octets

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._more()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        self.commands.append(line)
        return line

    def _content(self) -> tuple[bytes, str | None]:
        """Content in wire form, and the fault that has answered it before its end."""
        answered = None
        # A line end before the content makes its first line like any other.
        self._buffer, searched = b"\r\n" + self._buffer, 0
        while (end := self._buffer.find(b"\r\n.\r\n", max(0, searched - 4))) < 0:
            searched = len(self._buffer)
            if searched - 2 >= self.server.content_after:
                answered = self._misbehaves("content", b"250 2.0.0 Ok: queued\r\n") or answered
            self._more()
        if end - 2 >= self.server.content_after:
            answered = self._misbehaves("content", b"250 2.0.0 Ok: queued\r\n") or answered
        content, self._buffer = self._buffer[2 : end + 2], self._buffer[end + 5 :]
        return content, answered

    # ------------------------------------------------------------ the conversation

    def run(self) -> None:
        """All of it, in the connection's own thread."""
        try:
            if self.server.tls == "implicit":
                self._misbehaves("implicit", b"220 plain text where TLS is due\r\n")
                self._start_tls()
            self._answer("greeting", b"220 " + NAME + b" ESMTP\r\n")
            while True:
                self._obey(self._line())
        except (GoneError, OSError):
            pass
        finally:
            self.connection.close()
            self.open = False
            self.server.changed()

    def _misbehaves(self, stage: str, reply: bytes) -> str | None:
        """Play the fault of `stage`, if there is one; which one, if the conversation goes on and has had its answer."""
        fault = self.server.take_fault(stage)
        if fault is not None:
            (FAULTS.get(fault) or MORE_FAULTS[fault])(self, reply)
        return None if fault == "pause" else fault

    def _answer(self, stage: str, reply: bytes) -> bool:
        """The `reply`, or the fault of `stage`; True if it was the reply."""
        if self._misbehaves(stage, reply):
            return False
        self.say(reply)
        return True

    def _obey(self, line: bytes) -> None:
        verb = line.split(b" ")[0].upper().decode("latin-1")
        self._seen[verb] += 1
        stage = verb if self._seen[verb] == 1 else f"{verb}-{self._seen[verb]}"
        self.server.changed()
        obey: Callable[[str, bytes], None] | None = getattr(self, f"_{verb}", None)
        if obey is None:
            self._answer(stage, b"502 5.5.2 Error: command not recognized\r\n")
        else:
            obey(stage, line)

    def _EHLO(self, stage: str, line: bytes) -> None:
        words = [*self.server.extensions]
        if self.server.tls == "starttls" and not self._secure:
            words.append("STARTTLS")
        if self.server.users:
            words.append(f"AUTH {self.server.mechanisms}")
        if self.server.xclient:
            words.append("XCLIENT NAME ADDR LOGIN")
        lines = [NAME, *(word.encode() for word in words)]
        self._mail, self._rcpts = None, []
        self._answer(stage, b"".join(b"250-%b\r\n" % each for each in lines[:-1]) + b"250 %b\r\n" % lines[-1])

    def _STARTTLS(self, stage: str, line: bytes) -> None:
        if self._answer(stage, b"220 2.0.0 Ready to start TLS\r\n"):
            self._misbehaves("handshake", b"220 2.0.0 Ready to start TLS\r\n")
            self._start_tls()

    def _start_tls(self) -> None:
        assert self.server.context is not None
        self._buffer = b""
        self.connection = secured = self.server.context.wrap_socket(
            self.connection, server_side=True, do_handshake_on_connect=False
        )
        secured.do_handshake()
        self._secure = True

    def _AUTH(self, stage: str, line: bytes) -> None:
        words = line.split()
        if words[1].upper() == b"PLAIN":
            _, login, password = base64.b64decode(words[2]).decode().split("\0")
        else:
            if not self._answer("AUTH", b"334 VXNlcm5hbWU6\r\n"):
                return
            login = base64.b64decode(self._line()).decode()
            if not self._answer("challenge", b"334 UGFzc3dvcmQ6\r\n"):
                return
            password = base64.b64decode(self._line()).decode()
        if self.server.users.get(login) != password:
            self._answer("login", b"535 5.7.8 Error: authentication failed\r\n")
        elif self._answer("login", b"235 2.7.0 Authentication successful\r\n"):
            self.login = login

    def _XCLIENT(self, stage: str, line: bytes) -> None:
        if self._answer(stage, b"220 " + NAME + b" ESMTP\r\n"):
            self.login = line.partition(b"LOGIN=")[2].decode()

    def _MAIL(self, stage: str, line: bytes) -> None:
        if self._mail is not None:
            self._answer(stage, b"503 5.5.1 Error: nested MAIL command\r\n")
        elif self._answer(stage, b"250 2.1.0 Ok\r\n"):
            self._mail = line[5:]

    def _RCPT(self, stage: str, line: bytes) -> None:
        if self._mail is None:
            self._answer(stage, b"503 5.5.1 Error: need MAIL command\r\n")
        elif self._answer(stage, b"250 2.1.5 Ok\r\n"):
            self._rcpts.append(line[5:])

    def _RSET(self, stage: str, line: bytes) -> None:
        if self._answer(stage, b"250 2.0.0 Ok\r\n"):
            self._mail, self._rcpts = None, []

    def _NOOP(self, stage: str, line: bytes) -> None:
        self._answer(stage, b"250 2.0.0 Ok\r\n")

    def _QUIT(self, stage: str, line: bytes) -> None:
        self._answer(stage, b"221 2.0.0 Bye\r\n")
        raise GoneError

    def _DATA(self, stage: str, line: bytes) -> None:
        if not self._rcpts:
            self._answer(stage, b"554 5.5.1 Error: no valid recipients\r\n")
            return
        if not self._answer(stage, b"354 End data with <CR><LF>.<CR><LF>\r\n"):
            return
        content, answered = self._content()
        message = Message(self._mail or b"", tuple(self._rcpts), content, self.login)
        self._mail, self._rcpts = None, []
        self.server.arrived.append(message)
        self.server.changed()
        queued = b"250 2.0.0 Ok: queued as %d\r\n" % len(self.server.arrived)
        # Noted first: whoever reads the reply may look at once. What went wrong at the dot went wrong after the taking.
        if answered in SAYING_MORE or (answered is None and self.server.fault_of("dot") not in REFUSING):
            self.server.messages.append(message)
        if answered is None:
            self._answer("dot", queued)
        self.server.changed()


# ---------------------------------------------------------------- what can go wrong

Fault = Callable[[Conversation, bytes], None]


def _says(octets: bytes) -> Fault:
    return lambda talk, reply: talk.say(octets)


def _farewell(talk: Conversation, reply: bytes) -> None:
    talk.say(FAREWELL)
    talk.finish()


def _out_of_step(talk: Conversation, reply: bytes) -> None:
    talk.say(b"250 2.0.0 Ok\r\n" if reply.startswith((b"354", b"220")) else b"354 Go ahead\r\n")


def _half(ending: Callable[[Conversation], None]) -> Fault:
    """Half of the good reply, cut within its last line and behind its code, and then `ending`."""

    def act(talk: Conversation, reply: bytes) -> None:
        *lines, last = reply.splitlines(keepends=True)
        talk.say(b"".join(lines) + last[:5])
        ending(talk)

    return act


def _flood(octets: Callable[[bytes], bytes]) -> Fault:
    def act(talk: Conversation, reply: bytes) -> None:
        piece = octets(reply)
        while True:
            talk.say(piece)

    return act


def _drip(talk: Conversation, reply: bytes) -> None:
    while not talk.server.stopping:
        talk.say(reply[:3] + b"-and\r\n")
        time.sleep(DRIP_SECONDS)


FAULTS: dict[str, Fault] = {
    "4xx": _says(REFUSED_FOR_NOW),
    "5xx": _says(REFUSED_FOR_GOOD),
    "421": _farewell,
    "stall": lambda talk, reply: talk.stall(),
    "close": lambda talk, reply: talk.finish(),
    "reset": lambda talk, reply: talk.reset(),
    "garbage": _says(b"\x00\xff\x16\x03 what?\r\n"),
    "out-of-step": _out_of_step,
    "two-replies": lambda talk, reply: talk.say(reply * 2),
    "half-close": _half(Conversation.finish),
    "half-reset": _half(Conversation.reset),
    "half-stall": _half(Conversation.stall),
    "endless-line": _flood(lambda reply: reply[:3] + b" " + b"x" * 65536),
    "endless-reply": _flood(lambda reply: (reply[:3] + b"-more\r\n") * 4096),
    "endless-replies": _flood(lambda reply: reply * 1024),
    "drip": _drip,
}
MORE_FAULTS: dict[str, Fault] = {"552": _says(TOO_LARGE), "pause": lambda talk, reply: talk.pause()}
REFUSING = frozenset({"4xx", "5xx", "421", "552"})
"""Faults that are an answer: the client reads it, and nobody has taken anything."""
SAYING_MORE = frozenset({"two-replies", "endless-replies"})
"""Faults that begin with the good reply."""
WAITING = frozenset({"stall", "half-stall", "drip"})
"""Faults that only a timeout ends."""


class MisbehavingServer:
    """See the module's text.

    `tls` is none, starttls or implicit, with `context` the server's; `users` are logins and passwords for AUTH PLAIN
    and LOGIN, `mechanisms` what is offered of them; `xclient` offers XCLIENT.
    """

    def __init__(
        self,
        *,
        tls: str = "none",
        context: ssl.SSLContext | None = None,
        users: Mapping[str, str] | None = None,
        mechanisms: str = "PLAIN LOGIN",
        xclient: bool = False,
    ) -> None:
        self.tls = tls
        self.context = context
        self.users = dict(users or {})
        self.mechanisms = mechanisms
        self.xclient = xclient
        self.extensions = list(EXTENSIONS)
        self.content_after = 1
        self.host = "127.0.0.1"
        self.conversations: list[Conversation] = []
        self.arrived: list[Message] = []
        """All whose final dot came, whatever was answered."""
        self.messages: list[Message] = []
        """Those that were taken, whether the 250 got through or not."""
        self.stopping = False
        self.go_on = threading.Event()
        self._faults: dict[str, list[str]] = {}
        self._connect: str | None = None
        self._fillers: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._news = threading.Condition()
        self._listener = socket.socket()
        # A small window, so that in mid-content a sender cannot have put all of it into buffers.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self._listener.bind((self.host, 0))
        self.port: int = self._listener.getsockname()[1]

    # ------------------------------------------------------------ for tests

    def fail(self, stage: str, fault: str, times: int = 1) -> None:
        """Let `fault` happen at `stage`, `times` times. Before the block for "connect": refuse or stall."""
        if stage == "connect":
            self._connect = fault
        else:
            self._faults[stage] = [fault] * times

    def behave(self) -> None:
        """No faults any more; connections are taken from now on."""
        self._faults.clear()
        if self._connect is not None:
            for each in self._fillers:
                each.close()
            self._connect = None
            self._take_connections()

    @property
    def commands(self) -> list[bytes]:
        """All command lines of all connections, one connection after the other."""
        return [line for each in self.conversations for line in each.commands]

    @property
    def pending(self) -> list[str]:
        """Stages whose fault has not happened."""
        return [stage for stage, faults in self._faults.items() if faults]

    async def wait_until(self, true: Callable[[], Any]) -> None:
        """Wait until `true()` holds; looked at after each event. Raises TimeoutError."""

        def wait() -> bool:
            with self._news:
                return bool(self._news.wait_for(true, PATIENCE_SECONDS))

        if not await asyncio.to_thread(wait):
            raise TimeoutError

    async def wait_for_close(self) -> None:
        """Wait until no connection is open."""
        await self.wait_until(lambda: not any(each.open for each in self.conversations))

    # ------------------------------------------------------------ for conversations

    def fault_of(self, stage: str) -> str | None:
        """What will go wrong at `stage`."""
        return next(iter(self._faults.get(stage, ())), None)

    def take_fault(self, stage: str) -> str | None:
        """The same; it has happened then."""
        faults = self._faults.get(stage)
        fault = faults.pop() if faults else None
        self.changed()
        return fault

    def changed(self) -> None:
        """Something has happened."""
        with self._news:
            self._news.notify_all()

    # ------------------------------------------------------------ the server

    def __enter__(self) -> MisbehavingServer:
        match self._connect:
            case None:
                self._take_connections()
            case "stall":
                # A full backlog: further SYNs are dropped.
                self._listener.listen(0)
                for _ in range(2):
                    filler = socket.socket()
                    filler.setblocking(False)
                    filler.connect_ex((self.host, self.port))
                    self._fillers.append(filler)
            case "refuse":
                # Bound, but not listening.
                pass
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stopping = True
        self.go_on.set()
        for each in [self._listener, *self._fillers, *(talk.connection for talk in self.conversations)]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        for each in (self._listener, *self._fillers):
            each.close()

    def _take_connections(self) -> None:
        self._listener.listen(128)
        self._start(self._accept)

    def _accept(self) -> None:
        while not self.stopping:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            talk = Conversation(self, connection, len(self.conversations))
            self.conversations.append(talk)
            self._start(talk.run)

    def _start(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()
