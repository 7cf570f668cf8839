"""A mail server for tests that records everything and misbehaves on demand.

It is a real SMTP server over real sockets, with its own small asyncio protocol, so that it can do what no library lets
a server do: half a reply, garbage, a reset in mid-content, silence after the final dot.

    async with FakeUpstream(users={"anna": "secret"}) as up:
        up.on("RCPT", reply=b"550 5.1.1 no\\r\\n", match=rb"nobody@")
        up.on("END", then="close")              # dies after the final dot, without a reply
        ... connect to (up.host, up.port) ...
        await up.wait_for_messages(1)
        assert up.messages[0].content == b"..."

Stages for `on`: "greeting", every verb ("EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "NOOP",
"QUIT", "XCLIENT" ...), "handshake" (TLS), "RESPONSE" (a line that answers a scripted 334), "LOGIN" (the reply to a
complete AUTH), "CONTENT" (in mid-content, once `after` octets of it have come) and "END" (the final dot has come).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import socket
import ssl
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import sasl

EXTENSIONS = ("PIPELINING", "SIZE 20971520", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")
# A test that waits longer than this for an event is broken: loopback needs milliseconds, a busy machine some seconds.
PATIENCE_SECONDS = 60.0


@dataclass
class Message:
    """What one DATA brought: arguments as typed (`FROM:<a@b> SIZE=1`), accepted recipients only, content in wire form
    without the final dot, the login of the session, and the reply that was given (b"" if none was)."""

    mail: bytes
    rcpts: tuple[bytes, ...]
    content: bytes
    login: str | None
    reply: bytes = b""


@dataclass
class Script:
    """One piece of misbehaviour; see `FakeUpstream.on`."""

    stage: str
    reply: bytes | None
    match: re.Pattern[bytes] | None
    then: str | None
    after: int
    times: int | None


@dataclass(eq=False)
class Session:
    """One connection. `commands` are lines without CRLF, in order, answers to a 334 among them; `auth_lines` the AUTH
    dialogue alone; `accepted` the RCPT arguments of the open transaction; `received` counts the octets of content."""

    number: int
    commands: list[bytes] = field(default_factory=list)
    auth_lines: list[bytes] = field(default_factory=list)
    xclient: list[dict[str, str]] = field(default_factory=list)
    login: str | None = None
    secure: bool = False
    hello: bytes | None = None
    mail: bytes | None = None
    accepted: list[bytes] = field(default_factory=list)
    in_content: bool = False
    partial: bytes = b""
    received: int = 0
    open: bool = True
    _wire: _Wire | None = None

    def say(self, data: bytes) -> None:
        """Send octets nobody asked for."""
        assert self._wire is not None
        self._wire.write(data)

    def close(self) -> None:
        """Close in an orderly way, whatever stage it is at."""
        assert self._wire is not None
        self._wire.transport.close()

    def reset(self) -> None:
        """Close with a TCP reset."""
        assert self._wire is not None
        self._wire.reset()

    def verbs(self) -> list[bytes]:
        """The verbs of all commands, upper-case."""
        return [line.split(b" ")[0].split(b":")[0].upper() for line in self.commands]


class _GoneError(Exception):
    """The client left, or the script ended the connection."""


class _Wire(asyncio.Protocol):
    """Octets in, octets out; `transport` changes with STARTTLS."""

    transport: asyncio.Transport

    def __init__(self, server: FakeUpstream, session: Session) -> None:
        self._server = server
        self._session = session
        self._buffer = bytearray()
        self._eof = False
        self._more = asyncio.Event()
        self._plain: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        if self._task is not None:
            return
        self._session._wire = self
        self._server._joined(self._session)
        self._task = asyncio.ensure_future(self._server._serve(self, self._session))
        self._server._tasks.add(self._task)
        self._task.add_done_callback(self._server._tasks.discard)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._session.in_content:
            self._session.received += len(data)
            self._server._changed()
        self._more.set()

    def eof_received(self) -> bool:
        self._eof = True
        self._more.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._eof = True
        self._session.open = False
        self._more.set()
        self._server._changed()

    async def _wait(self) -> None:
        if self._eof:
            raise _GoneError
        self._more.clear()
        await self._more.wait()

    async def line(self) -> bytes:
        """The next line without its CRLF."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            await self._wait()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    async def content(self, script: Script | None) -> bytes:
        """Everything up to the final dot, in wire form. Raises _GoneError if the client leaves before."""
        searched = 0
        self._session.received = len(self._buffer)
        try:
            while True:
                if self._buffer.startswith(b".\r\n"):
                    end, skip = 0, 3
                    break
                end = self._buffer.find(b"\r\n.\r\n", max(0, searched - 4))
                if end >= 0:
                    end, skip = end + 2, 3
                    break
                searched = len(self._buffer)
                if script is not None and searched >= script.after:
                    await self._server._act(self, self._session, script)
                    script = None
                    continue
                await self._wait()
        finally:
            self._session.partial = bytes(self._buffer)
        content = bytes(self._buffer[:end])
        del self._buffer[: end + skip]
        return content

    def write(self, data: bytes) -> None:
        if data and not self.transport.is_closing():
            self.transport.write(data)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        self._buffer.clear()
        self._plain = self.transport
        secured = await loop.start_tls(self.transport, self, context, server_side=True)
        assert secured is not None
        self.transport = secured

    def reset(self) -> None:
        """RST instead of FIN: linger on, zero seconds."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        (self._plain or self.transport).abort()


class FakeUpstream:
    """See the module's text.

    `greeting` is the whole greeting; `ehlo` the keyword lines behind the first EHLO line (STARTTLS, AUTH and XCLIENT
    are added by `tls`, `users` and `xclient`); `users` are logins and passwords for AUTH; `mechanisms` what is offered;
    `require_login` refuses RCPT without a login, as Postfix does; `xclient` the attributes offered; `tls` is none,
    starttls or implicit, with `context` the server's.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        greeting: bytes = b"220 mail.example.test ESMTP\r\n",
        name: bytes = b"mail.example.test",
        ehlo: Iterable[str] = EXTENSIONS,
        users: Mapping[str, str] | None = None,
        mechanisms: str = "PLAIN LOGIN",
        require_login: bool = False,
        xclient: Iterable[str] = (),
        tls: str = "none",
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.host = host
        self.port = 0
        self.greeting = greeting
        self.name = name
        self.ehlo = list(ehlo)
        self.users = dict(users or {})
        self.mechanisms = mechanisms
        self.require_login = require_login
        self.xclient = tuple(xclient)
        self.tls = tls
        self.context = context
        self.sessions: list[Session] = []
        self.messages: list[Message] = []
        """Those answered with 2xx."""
        self.arrived: list[Message] = []
        """All whose final dot came, whatever was answered."""
        self._scripts: list[Script] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._go = asyncio.Event()
        self._server: asyncio.Server | None = None

    # ------------------------------------------------------------ for tests

    def on(
        self,
        stage: str,
        *,
        reply: bytes | None = None,
        match: bytes | None = None,
        then: str | None = None,
        after: int = 1,
        times: int | None = None,
    ) -> None:
        """Script what happens at `stage`; the newest script that fits wins.

        `reply`: octets sent instead of the ordinary reply (half a reply, garbage, several replies: anything). `match`:
        a regular expression searched in the command line, without regard to case. `then`: "close", "reset" or "stall"
        (no more reading or writing until `go_on()`). With `then` alone nothing is sent before it, except that after
        `go_on()` an unsent ordinary reply follows. `after`: octets of content before "CONTENT" acts. `times`: how often
        it acts.
        """
        pattern = re.compile(match, re.IGNORECASE) if match is not None else None
        self._scripts.insert(0, Script(stage, reply, pattern, then, after, times))

    def behave(self) -> None:
        """Forget all scripts."""
        self._scripts.clear()

    def go_on(self) -> None:
        """End every stall, now and later."""
        self._go.set()

    @property
    def connections(self) -> int:
        """How many connections there have been."""
        return len(self.sessions)

    @property
    def open_sessions(self) -> list[Session]:
        """Those that are open now."""
        return [each for each in self.sessions if each.open]

    @property
    def commands(self) -> list[bytes]:
        """All commands of all sessions, one session after the other."""
        return [line for each in self.sessions for line in each.commands]

    async def wait_until(self, true: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until `true()` holds; looked at after each event. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def wait_for_messages(self, number: int) -> list[Message]:
        """Wait until `number` messages were taken, and return them."""
        await self.wait_until(lambda: len(self.messages) >= number)
        return self.messages

    async def wait_for_command(self, verb: bytes) -> None:
        """Wait until some session got a command that begins with `verb`."""
        await self.wait_until(lambda: any(line.upper().startswith(verb) for line in self.commands))

    async def wait_for_close(self) -> None:
        """Wait until no connection is open."""
        await self.wait_until(lambda: not self.open_sessions)

    async def stop_listening(self) -> None:
        """From now on nobody can connect; open sessions stay."""
        assert self._server is not None
        self._server.close()

    async def __aenter__(self) -> FakeUpstream:
        loop = asyncio.get_running_loop()
        context = self.context if self.tls == "implicit" else None
        self._server = await loop.create_server(self._protocol, self.host, 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for session in self.open_sessions:
            if session._wire is not None:
                (session._wire._plain or session._wire.transport).abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)

    # ------------------------------------------------------------ the server

    def _protocol(self) -> _Wire:
        return _Wire(self, Session(len(self.sessions)))

    def _joined(self, session: Session) -> None:
        session.number = len(self.sessions)
        session.secure = self.tls == "implicit"
        self.sessions.append(session)
        self._changed()

    def _changed(self) -> None:
        self._news.set()

    def _script(self, stage: str, line: bytes = b"") -> Script | None:
        for script in self._scripts:
            if script.stage != stage or (script.match is not None and not script.match.search(line)):
                continue
            if script.times is not None:
                if script.times <= 0:
                    continue
                script.times -= 1
            return script
        return None

    async def _act(self, wire: _Wire, session: Session, script: Script) -> bool:
        """Play `script`; True if it sent a reply of its own."""
        if script.reply is not None:
            wire.write(script.reply)
        if script.then == "close":
            wire.transport.close()
            raise _GoneError
        if script.then == "reset":
            wire.reset()
            raise _GoneError
        if script.then == "stall":
            wire.transport.pause_reading()
            await self._go.wait()
            if wire.transport.is_closing():
                raise _GoneError
            wire.transport.resume_reading()
        return script.reply is not None

    async def _answer(self, wire: _Wire, session: Session, stage: str, line: bytes, reply: bytes) -> bytes:
        """Give `reply`, or what a script says instead; returns what was given."""
        script = self._script(stage, line)
        if script is not None and await self._act(wire, session, script):
            return script.reply or b""
        wire.write(reply)
        return reply

    async def _serve(self, wire: _Wire, session: Session) -> None:
        try:
            given = await self._answer(wire, session, "greeting", b"", self.greeting)
            while True:
                line = await wire.line()
                session.commands.append(line)
                self._changed()
                given = await self._command(wire, session, line)
                if given.startswith((b"221", b"421")):
                    wire.transport.close()
                    return
        except (_GoneError, OSError):
            pass
        finally:
            session.in_content = False
            self._changed()

    async def _command(self, wire: _Wire, session: Session, line: bytes) -> bytes:
        verb = line.split(b" ")[0].split(b":")[0].upper().decode("latin-1")
        if verb == "DATA":
            return await self._data(wire, session, line)
        if verb == "AUTH":
            return await self._auth(wire, session, line)
        if verb == "STARTTLS":
            return await self._starttls(wire, session, line)
        known = {
            "EHLO": self._hello, "HELO": self._hello, "MAIL": self._mail, "RCPT": self._rcpt, "RSET": self._rset,
            "XCLIENT": self._xclient,
        }  # fmt: skip
        simple = {"NOOP": b"250 2.0.0 Ok\r\n", "QUIT": b"221 2.0.0 Bye\r\n", "VRFY": b"252 2.0.0 maybe\r\n"}
        if verb in known:
            reply, done = known[verb](session, line)
        else:
            reply, done = simple.get(verb, b"502 5.5.2 Error: command not recognized\r\n"), None
        given = await self._answer(wire, session, verb, line, reply)
        if done is not None and given[:1] == b"2":
            done()
            self._changed()
        return given

    def _hello(self, session: Session, line: bytes) -> tuple[bytes, Callable[[], None]]:
        def done() -> None:
            session.hello, session.mail, session.accepted = line, None, []

        if not line.upper().startswith(b"EHLO"):
            return b"250 " + self.name + b"\r\n", done
        lines = [self.name, *(each.encode() for each in self.ehlo)]
        if self.tls == "starttls" and not session.secure:
            lines.append(b"STARTTLS")
        if self.users:
            lines.append(b"AUTH " + self.mechanisms.encode())
        if self.xclient:
            lines.append(b"XCLIENT " + " ".join(self.xclient).encode())
        return b"".join(b"250-" + each + b"\r\n" for each in lines[:-1]) + b"250 " + lines[-1] + b"\r\n", done

    def _mail(self, session: Session, line: bytes) -> tuple[bytes, Callable[[], None]]:
        def done() -> None:
            session.mail, session.accepted = line[5:], []

        if session.hello is None:
            return b"503 5.5.1 Error: send HELO/EHLO first\r\n", done
        if session.mail is not None:
            return b"503 5.5.1 Error: nested MAIL command\r\n", done
        return b"250 2.1.0 Ok\r\n", done

    def _rcpt(self, session: Session, line: bytes) -> tuple[bytes, Callable[[], None]]:
        if session.mail is None:
            return b"503 5.5.1 Error: need MAIL command\r\n", lambda: None
        if self.require_login and session.login is None:
            return b"554 5.7.1 Relay access denied\r\n", lambda: None
        return b"250 2.1.5 Ok\r\n", lambda: session.accepted.append(line[5:])

    def _rset(self, session: Session, line: bytes) -> tuple[bytes, Callable[[], None]]:
        def done() -> None:
            session.mail, session.accepted = None, []

        return b"250 2.0.0 Ok\r\n", done

    def _xclient(self, session: Session, line: bytes) -> tuple[bytes, Callable[[], None]]:
        if not self.xclient:
            return b"502 5.5.2 Error: command not recognized\r\n", lambda: None
        attributes = {}
        for item in line[8:].split():
            name, _, value = item.decode("utf-8", "surrogateescape").partition("=")
            attributes[name.upper()] = re.sub(r"\+([0-9A-F]{2})", lambda m: chr(int(m[1], 16)), value)

        def done() -> None:
            session.xclient.append(attributes)
            session.hello, session.mail, session.accepted = None, None, []
            if attributes.get("LOGIN", "[UNAVAILABLE]") != "[UNAVAILABLE]":
                session.login = attributes["LOGIN"]

        return self.greeting, done

    async def _starttls(self, wire: _Wire, session: Session, line: bytes) -> bytes:
        if self.tls != "starttls" or session.secure:
            return await self._answer(wire, session, "STARTTLS", line, b"502 5.5.1 Error: command not implemented\r\n")
        given = await self._answer(wire, session, "STARTTLS", line, b"220 2.0.0 Ready to start TLS\r\n")
        if not given.startswith(b"220"):
            return given
        script = self._script("handshake")
        if script is not None:
            await self._act(wire, session, script)
        assert self.context is not None
        try:
            await wire.start_tls(self.context)
        except (OSError, ssl.SSLError) as error:
            raise _GoneError from error
        session.secure, session.hello, session.mail, session.login = True, None, None, None
        return given

    async def _auth(self, wire: _Wire, session: Session, line: bytes) -> bytes:
        session.auth_lines.append(line)
        words = line.split()
        mechanism = words[1].upper() if len(words) > 1 else b""
        initial = words[2] if len(words) > 2 else None
        script = self._script("AUTH", line)
        if script is not None and await self._act(wire, session, script):
            reply = script.reply or b""
            while reply.startswith(b"334"):  # a scripted challenge: one more line, then the script of RESPONSE decides
                answer = await self._response(wire, session)
                reply = await self._answer(
                    wire, session, "RESPONSE", answer, b"235 2.7.0 Authentication successful\r\n"
                )
            return reply
        password: str | None
        try:
            if mechanism == b"PLAIN":
                token = initial if initial is not None else await self._challenge(wire, session, b"")
                _, login, password = base64.b64decode(token, validate=True).decode().split("\0")
            elif mechanism == b"LOGIN":
                token = initial if initial is not None else await self._challenge(wire, session, b"VXNlcm5hbWU6")
                login = base64.b64decode(token, validate=True).decode()
                token = await self._challenge(wire, session, b"UGFzc3dvcmQ6")
                password = base64.b64decode(token, validate=True).decode()
            elif mechanism.decode() in sasl.SERVERS:
                login, password = await self._exchange(wire, session, mechanism.decode(), initial), None
            else:
                reply = b"504 5.5.4 Unrecognized authentication type\r\n"
                wire.write(reply)
                return reply
        except (binascii.Error, ValueError, LookupError):
            reply = b"501 5.5.2 Invalid response\r\n"
            wire.write(reply)
            return reply
        if login and (password is None or self.users.get(login) == password):
            session.login = login
            reply = b"235 2.7.0 Authentication successful\r\n"
        else:
            reply = b"535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6\r\n"
        return await self._answer(wire, session, "LOGIN", line, reply)

    async def _exchange(self, wire: _Wire, session: Session, mechanism: str, initial: bytes | None) -> str:
        """The login, "" if the password is wrong. Raises ValueError for what cannot be read."""
        server = sasl.SERVERS[mechanism](self.users)
        challenge, token = next(server), initial
        if initial is not None and challenge:
            raise ValueError("an initial response, but the server speaks first")
        try:
            while True:
                if token is None:
                    token = await self._challenge(wire, session, base64.b64encode(challenge))
                challenge, token = server.send(base64.b64decode(token, validate=True)), None
        except StopIteration as end:
            return end.value or ""

    async def _challenge(self, wire: _Wire, session: Session, challenge: bytes) -> bytes:
        wire.write(b"334 " + challenge + b"\r\n")
        return await self._response(wire, session)

    async def _response(self, wire: _Wire, session: Session) -> bytes:
        line = await wire.line()
        session.commands.append(line)
        session.auth_lines.append(line)
        self._changed()
        return line

    async def _data(self, wire: _Wire, session: Session, line: bytes) -> bytes:
        if session.mail is None:
            ordinary = b"503 5.5.1 Error: need RCPT command\r\n"
        elif not session.accepted:
            ordinary = b"554 5.5.1 Error: no valid recipients\r\n"
        else:
            ordinary = b"354 End data with <CR><LF>.<CR><LF>\r\n"
        session.in_content = True
        given = await self._answer(wire, session, "DATA", line, ordinary)
        if not given.startswith(b"354"):
            session.in_content = False
            return given
        content = await wire.content(self._script("CONTENT"))
        session.in_content = False
        message = Message(session.mail or b"", tuple(session.accepted), content, session.login)
        session.mail, session.accepted = None, []
        self.arrived.append(message)
        self._changed()
        queued = b"250 2.0.0 Ok: queued as FAKE%d\r\n" % len(self.arrived)
        message.reply = await self._answer(wire, session, "END", content, queued)
        if message.reply[:1] == b"2" and message.reply.endswith(b"\r\n"):
            self.messages.append(message)
        self._changed()
        return message.reply
