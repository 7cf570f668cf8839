"""What one session with the door for members must be: every reply in its order, and every mail that goes through.

Said a second time, as simply as can be, for the mail server that `dialogues.misbehaving` makes.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from smtpguard import replies
from smtpguard.mail.reply import Reply
from tests.fuzz import reading

ERRORS_MAX = 20
RECEIVED_MAX = 100

# What the mail server says to which recipient, and to which content.
VERDICTS = {
    b"no@": b"550 5.1.1 <no@example.test>: nobody here\r\n",
    b"later@": b"451-4.2.0 two lines\r\n451 4.2.0 of patience\r\n",
    b"bye@": b"421 4.3.2 closing\r\n",
    b"refused@": b"550 5.7.1 not you\r\n",
    b"X-Refuse:": b"554 5.7.1 not this\r\n",
    b"X-Later:": b"452-4.3.1 full\r\n452 4.3.1 up\r\n",
    b"X-Bye:": b"421 4.3.2 closing after the dot\r\n",
}
DIES = (b"die@", b"X-Die:")
CHALLENGE = b"334 \r\n"
LOGGED_IN = b"235 2.7.0 Authentication successful\r\n"
WRONG_PASSWORD = b"535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6\r\n"
BROKEN_OFF = b"501 5.5.2 Invalid response\r\n"
UPSTREAM_OK = b"250 2.0.0 Ok\r\n"


@dataclass
class Mail:
    """One mail that reaches the mail server, with the arguments as typed; `reply` None: the mail server's own 250."""

    reverse_path: bytes
    recipients: tuple[bytes, ...]
    wire: bytes
    reply: bytes | None


@dataclass
class Model:
    """The state of a session. `said` are the replies so far: octets, or the mail whose own 250 it is.

    `lingers` is true where the guard reads on after its last word, so that more may be sent.
    """

    hello: bytes
    login: bytes
    password: bytes
    auth_required: bool = False
    message_size: int = 25 * 1024 * 1024
    said: list[bytes | Mail] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    closed: bool = False
    lingers: bool = False
    receiving: bool = False
    challenged: bool = False
    _errors: int = 0
    _greeted: bool = False
    _extended: bool = False
    logged_in: bool = False
    _lost: bool = False
    _envelope: bytes | None = None
    _recipients: list[bytes] = field(default_factory=list)

    def command(self, line: bytes) -> None:
        """One line without its end."""
        if self.challenged:
            self.challenged = False
            self._response(line)
            return
        verb, _, argument = line.partition(b" ")
        verb, argument = verb.upper(), argument.strip()
        if verb in (b"GET", b"POST", b"BDAT", b"CONNECT"):
            self._last_word(replies.NOT_IMPLEMENTED, lingers=True)
        elif verb == b"QUIT":
            self._last_word(replies.BYE)
        elif self._lost:
            self._last_word(replies.UPSTREAM_GONE)
        else:
            simple = {b"NOOP": replies.OK, b"HELP": replies.HELP, b"VRFY": replies.CANNOT_VERIFY}
            if verb in simple:
                self._say(simple[verb].wire)
            elif verb in (b"EHLO", b"HELO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"AUTH", b"STARTTLS"):
                getattr(self, f"_do_{verb.decode().lower()}")(argument, line)
            else:
                known = (b"ETRN", b"XCLIENT", b"EXPN", b"TURN")
                self._refuse(replies.NOT_IMPLEMENTED if verb in known else replies.BAD_COMMAND)

    def odd_octets(self) -> None:
        """Bare CR, bare LF or NUL in a command."""
        self._last_word(replies.BAD_OCTETS, lingers=True)

    def too_long(self) -> None:
        """A command line over its bound."""
        self._last_word(replies.COMMAND_TOO_LONG, lingers=True)

    def content(self, octets: bytes) -> None:
        """What comes after 354, the final dot included."""
        read = reading.content(octets)
        assert read.behind == b""
        envelope, self._envelope = self._envelope, None
        assert envelope is not None
        self.receiving = False
        if read.wire is None:
            self._last_word(replies.CONTENT_BAD_OCTETS, lingers=True)
        elif len(read.wire) > self.message_size:
            self._say(replies.CONTENT_TOO_LARGE.wire)
        elif read.wire.startswith(b"Received: ") and read.wire.count(b"Received: ") > RECEIVED_MAX:
            self._say(replies.MAIL_LOOP.wire)
        else:
            self._arrives(envelope, read.wire)

    def _arrives(self, envelope: bytes, wire: bytes) -> None:
        verdict = next((reply for mark, reply in VERDICTS.items() if mark.startswith(b"X-") and mark in wire), None)
        mail = Mail(envelope, tuple(self._recipients), wire, verdict)
        self.mails.append(mail)
        if b"X-Die:" in wire:
            mail.reply = b""
            self._lost = True
            self._say(replies.UPSTREAM_UNSURE.wire)
        elif verdict is not None:
            self._upstream_said(verdict)
        else:
            self.said.append(mail)

    def _do_ehlo(self, argument: bytes, line: bytes, *, extended: bool = True) -> None:
        if not argument:
            self._refuse(replies.BAD_ARGUMENT)
            return
        self._greeted, self._extended, self._envelope = True, extended, None
        # AUTH stands in the offer whether or not somebody has logged in.
        self._say(self.hello if extended else b"250 mail.example.test\r\n")

    def _do_helo(self, argument: bytes, line: bytes) -> None:
        self._do_ehlo(argument, line, extended=False)

    def _mail_refusal(self, argument: bytes) -> Reply | None:
        if not self._greeted:
            return replies.HELLO_FIRST
        if self._envelope is not None:
            return replies.NESTED_MAIL
        if self.auth_required and not self.logged_in:
            return replies.LOGIN_FIRST
        if not argument.upper().startswith(b"FROM:<") or b">" not in argument:
            return replies.BAD_ARGUMENT
        return replies.CONTENT_TOO_LARGE if b"SIZE=9999999999" in argument.upper() else None

    def _do_mail(self, argument: bytes, line: bytes) -> None:
        refusal = self._mail_refusal(argument)
        if refusal is not None:
            self._refuse(refusal)
        elif b"refused@" in argument:
            self._upstream_said(VERDICTS[b"refused@"])
        else:
            self._envelope, self._recipients = line[5:], []
            self._upstream_said(b"250 2.1.0 Ok\r\n")

    def _do_rcpt(self, argument: bytes, line: bytes) -> None:
        if self._envelope is None:
            self._refuse(replies.MAIL_FIRST if self._greeted else replies.HELLO_FIRST)
        elif not argument.upper().startswith(b"TO:<") or b">" not in argument:
            self._refuse(replies.BAD_ARGUMENT)
        elif b"die@" in argument:
            self._die()
        else:
            verdict = next((reply for mark, reply in VERDICTS.items() if mark in argument), None)
            if verdict is None:
                self._recipients.append(line[5:])
            self._upstream_said(verdict or b"250 2.1.5 Ok\r\n")

    def _do_data(self, argument: bytes, line: bytes) -> None:
        if argument:
            self._refuse(replies.BAD_ARGUMENT)
        elif self._envelope is None:
            self._refuse(replies.MAIL_FIRST if self._greeted else replies.HELLO_FIRST)
        elif not self._recipients:
            self._refuse(replies.NO_RECIPIENTS)
        else:
            self.receiving = True
            self._say(replies.GO_AHEAD.wire)

    def _do_rset(self, argument: bytes, line: bytes) -> None:
        if argument:
            self._refuse(replies.BAD_ARGUMENT)
        else:
            self._envelope = None
            self._say(UPSTREAM_OK)

    def _do_starttls(self, argument: bytes, line: bytes) -> None:
        self._refuse(replies.NO_TLS_HERE)

    def _do_auth(self, argument: bytes, line: bytes) -> None:
        words = argument.split()
        if not self._extended:
            self._refuse(replies.HELLO_FIRST)
        elif self.logged_in:
            self._refuse(replies.LOGIN_TWICE)
        elif self._envelope is not None:
            self._refuse(replies.LOGIN_NOT_NOW)
        elif not words or len(words) > 2:
            self._refuse(replies.BAD_ARGUMENT)
        elif words[0].upper() != b"PLAIN":
            self._refuse(replies.MECHANISM_UNKNOWN)
        elif len(words) == 2:
            self._response(words[1], initial=True)
        else:
            self.challenged = True
            self._say(CHALLENGE)

    def _response(self, response: bytes, *, initial: bool = False) -> None:
        try:
            parts = base64.b64decode(response, validate=True).split(b"\0")
        except ValueError:
            parts = []
        if response == b"*" and not initial:
            self._say(BROKEN_OFF)
        elif len(parts) != 3:
            self._say(replies.LOGIN_UNREADABLE.wire)
        else:
            self.logged_in = parts[1:] == [self.login, self.password]
            self._say(LOGGED_IN if self.logged_in else WRONG_PASSWORD)

    def _say(self, reply: bytes) -> None:
        self.said.append(reply)

    def _upstream_said(self, reply: bytes) -> None:
        self._say(reply)
        if reply.startswith(b"421"):
            self.closed = True

    def _die(self) -> None:
        self._lost, self._envelope = True, None
        self._say(replies.UPSTREAM_LOST.wire)

    def _refuse(self, reply: Reply) -> None:
        self._say(reply.wire)
        self._errors += 1
        if self._errors > ERRORS_MAX:
            self._last_word(replies.TOO_MANY_ERRORS)

    def _last_word(self, reply: Reply, *, lingers: bool = False) -> None:
        self._say(reply.wire)
        self.closed, self.lingers = True, lingers
