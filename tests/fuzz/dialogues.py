"""Whole sessions of chance: what a client sends and when, and what by the model must come of it."""

from __future__ import annotations

import base64
import random
from dataclasses import dataclass, field

from smtpguard.listener.framing import BadCommand, Flaw
from tests.fuzz import mails, reading
from tests.fuzz.model import DIES, VERDICTS, Mail, Model
from tests.loopback.fake_upstream import FakeUpstream

SMUGGLED = b"MAIL FROM:<evil@example.test>\r\nRCPT TO:<victim@example.test>\r\nDATA\r\nevil\r\n.\r\n"
OTHER_ENDS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
]
ODD_LINES = [
    b"NO\rOP\r\n",
    b"NOOP\n",
    b"RSET\0\r\n",
    b"\n\r\n",
    b"NOOP\r\r\n",
    b"RCPT TO:<evil@example.test>\nRSET\r\n",
]
UNKNOWN = [
    b"",
    b"XYZZY",
    b"MAIL\tFROM:<a@b>",
    b"FROM:<a@b>",
    b"MAILFROM:<a@b>",
    b"\xff\xfe",
    b"etrn x",
    b"XCLIENT LOGIN=admin",
    b"EXPN all",
    b"  NOOP",
]
HARMLESS = [
    b"NOOP",
    b"noop \xc3\xbc \xff",
    b"HELP",
    b"vrfy anna",
    b"RSET",
    b"rset",
    b"RSET now",
    b"STARTTLS",
    b"DATA now",
    b"EHLO",
    b"EHLO  ",
    b"HELO",
]

# With a number in each, so that every mail is known by it.
REVERSE_PATHS = [
    b"MAIL FROM:<%s@example.test>",
    b"mail from:<%s@example.test> SIZE=10 BODY=8BITMIME",
    b"MAIL FROM:<> ENVID=%s RET=HDRS",
    b"Mail From:<\xc3\xbc.%s@example.test> SMTPUTF8  ",
]
ODD_REVERSE_PATHS = [
    b"MAIL FROM:<refused@%s.test>",
    b"MAIL FROM:<%s@example.test> size=9999999999",
    b"MAIL %s",
    b"MAIL FROM:<%s",
]
RECIPIENTS = [
    b"RCPT TO:<ben@example.test>",
    b"rcpt to:<clara@example.test> NOTIFY=NEVER ORCPT=rfc822;c+2Bx",
    b"RCPT TO:<kim@elsewhere.example>",
]
ODD_RECIPIENTS = [
    b'RCPT TO:<"a b\\"c"@example.test>',
    b"RCPT TO:<@r.example:a@example.test>",
    b"Rcpt To:<j\xc3\xbcrgen@\xc3\xbc.example>",
    b"RCPT TO:<\xff@example.test>",
]
REFUSED_RECIPIENTS = [
    b"RCPT TO:<no@example.test>",
    b"RCPT TO:<later@example.test>",
    b"RCPT %d",
    b"RCPT TO:<a",
    b"RCPT FROM:<a@b>",
]
FATAL_RECIPIENTS = [b"RCPT TO:<die@example.test>", b"RCPT TO:<bye@example.test>"]


@dataclass
class Step:
    """Octets that are sent as soon as `after` replies have been read. `ends` are mails and where in it they end."""

    after: int
    octets: bytes = b""
    ends: list[tuple[int, Mail]] = field(default_factory=list)


@dataclass
class Dialogue:
    """What is sent; `half_close` or `reset` at the end, where the guard does not hang up by itself."""

    steps: list[Step]
    model: Model
    ending: str
    typed: set[bytes]
    """Every line that may go up."""


def misbehaving(users: dict[str, str]) -> FakeUpstream:
    """A mail server with a mind of its own, as `model.VERDICTS` has it."""
    up = FakeUpstream(users=users, mechanisms="PLAIN")
    for mark, reply in VERDICTS.items():
        stage = "END" if mark.startswith(b"X-") else "MAIL" if mark == b"refused@" else "RCPT"
        up.on(stage, reply=reply, match=mark)
    up.on("RCPT", match=DIES[0], then="close")
    up.on("END", match=DIES[1], then="close")
    return up


def of_octets(octets: bytes, model: Model) -> Dialogue:
    """All that one client sends, then nothing; it waits for the reply to DATA, and half-closes in the end."""
    steps, typed = [Step(1)], {b"RSET", b"QUIT", b"DATA", b"NOOP", b"*"}
    while octets:
        if model.receiving:
            read = reading.content(octets)
            sent = octets[: len(octets) - len(read.behind or b"")]
            before = len(model.mails)
            if read.behind is not None:
                model.content(sent)
            steps[-1].octets += sent
            steps[-1].ends += [(len(steps[-1].octets), each) for each in model.mails[before:]]
            octets = read.behind or b""
            continue
        lines = reading.command_lines(octets)
        line = lines[0] if lines and not model.closed else None
        sent = line + b"\r\n" if isinstance(line, bytes) else octets
        steps[-1].octets += sent
        octets = octets[len(sent) :]
        if isinstance(line, bytes):
            verb, _, argument = line.partition(b" ")
            typed |= {line, verb.upper() + b" " + argument.strip()}
            model.command(line)
            if verb.upper() == b"DATA":
                steps.append(Step(1 + len(model.said)))
        elif isinstance(line, BadCommand):
            (model.too_long if line.flaw is Flaw.LENGTH else model.odd_octets)()
    return Dialogue(steps, model, "half-close" if model.lingers or not model.closed else "wait", typed)


class Writer:
    """Makes one dialogue. `plain` keeps to recipients that a judging guard passes on."""

    def __init__(self, chance: random.Random, name: str, model: Model, *, plain: bool = False) -> None:
        self._chance = chance
        self._name = name.encode()
        self._model = model
        self._plain = plain
        self._mails = 0
        self._steps = [Step(1)]
        self._typed = {b"RSET", b"QUIT", b"DATA", b"NOOP", b"*"}

    def dialogue(self) -> Dialogue:
        """Some commands, and an end."""
        chance, model = self._chance, self._model
        habit = chance.random()
        for _ in range(chance.choice([1, 3, 8, 15, 40])):
            if model.closed:
                break
            if habit < 0.75 and chance.random() < 0.7:
                self._mail()
            else:
                self._anything()
        if not model.closed and chance.random() < 0.6:
            self._line(chance.choice([b"QUIT", b"quit", b"Quit x"]))
        if model.closed and model.lingers:
            self._steps[-1].octets += chance.choice([b"", SMUGGLED, b"x" * 3000, b"\r\n.\r\n"])
        ending = "wait" if model.closed and not model.lingers else chance.choice(["half-close", "half-close", "reset"])
        if not model.closed and ending == "half-close":
            self._steps[-1].octets += chance.choice([b"", b"NOO", b"QUIT", b"QUIT\r"])
        return Dialogue(self._steps, model, ending, self._typed)

    def _send(self, octets: bytes) -> None:
        if self._chance.random() < 0.35:
            self._wait()
        self._steps[-1].octets += octets

    def _wait(self) -> None:
        # The greeting is the first reply.
        self._steps.append(Step(1 + len(self._model.said)))

    def _line(self, line: bytes) -> None:
        self._send(line + b"\r\n")
        verb, _, argument = line.partition(b" ")
        self._typed |= {line, verb.upper() + b" " + argument.strip()}
        self._model.command(line)
        if verb.upper() == b"DATA":
            # Nothing may stand behind it, not even if it will be refused.
            self._wait()

    def _anything(self) -> None:
        chance = self._chance
        what = chance.random()
        if what < 0.55:
            self._line(chance.choice(HARMLESS))
        elif what < 0.75:
            self._line(chance.choice(UNKNOWN))
        elif what < 0.85:
            self._log_in()
        elif what < 0.90:
            self._line(b"EHLO " + chance.choice([self._name, b"[127.0.0.1]", b"\xc3\xbc", b" x "]))
        elif what < 0.94:
            self._line(chance.choice([b"GET / HTTP/1.1", b"POST /", b"BDAT 10 LAST"]))
        elif what < 0.97:
            self._send(chance.choice(ODD_LINES))
            self._model.odd_octets()
        else:
            self._send(b"x" * 2000 + chance.choice([b"", b"\r\n", b"\n"]))
            self._model.too_long()

    def _log_in(self) -> None:
        chance, model = self._chance, self._model
        good = base64.b64encode(b"\0" + model.login + b"\0" + model.password)
        bad = chance.choice([base64.b64encode(b"\0" + model.login + b"\0wrong"), b"AAA", b"!!", b"QUJD"])
        response = good if chance.random() < 0.8 else bad
        form = chance.random()
        if form < 0.6:
            self._line(b"AUTH PLAIN " + response)
        elif form < 0.9:
            self._line(b"auth plain")
            if model.challenged:
                self._line(response if chance.random() < 0.9 else b"*")
        else:
            self._line(chance.choice([b"AUTH", b"AUTH LOGIN", b"AUTH PLAIN x y", b"AUTH CRAM-MD5"]))

    def _mail(self) -> None:
        """A mail in good order; now and then a step of it is left out or done twice."""
        chance, model = self._chance, self._model
        if chance.random() < 0.9 and not model.said:
            self._line(b"EHLO " + self._name)
        if model.auth_required and not model.logged_in and chance.random() < 0.9:
            self._log_in()
        if chance.random() < 0.95 and not model.closed:
            self._line(self._mail_line())
        for _ in range(chance.choice([0, 1, 1, 1, 2, 5])):
            if not model.closed:
                self._line(self._recipient_line())
        if chance.random() < 0.05 and not model.closed:
            self._line(b"RSET")
        if chance.random() < 0.95 and not model.closed:
            self._line(chance.choice([b"DATA", b"data", b"DaTa"]))
        if model.receiving:
            self._content()

    def _mail_line(self) -> bytes:
        chance = self._chance
        self._mails += 1
        lines = REVERSE_PATHS if chance.random() < 0.8 else ODD_REVERSE_PATHS
        return chance.choice(lines) % (b"%s-%d" % (self._name, self._mails))

    def _recipient_line(self) -> bytes:
        groups = [RECIPIENTS, RECIPIENTS if self._plain else ODD_RECIPIENTS, REFUSED_RECIPIENTS, FATAL_RECIPIENTS]
        return self._chance.choice(self._chance.choices(groups, [60, 20, 15, 2])[0])

    def _content(self) -> None:
        chance, model = self._chance, self._model
        octets = self._wire() + b".\r\n"
        if chance.random() < 0.08:
            octets = octets[:-3] + b"x" + chance.choice(OTHER_ENDS) + SMUGGLED
        read = reading.content(octets)
        octets = octets[: len(octets) - len(read.behind or b"")]
        step = self._steps[-1]
        before = len(model.mails)
        step.octets += octets
        model.content(octets)
        step.ends += [(len(step.octets), each) for each in model.mails[before:]]

    def _wire(self) -> bytes:
        chance = self._chance
        kind = chance.random()
        if kind < 0.05:
            return b""
        if kind < 0.08:
            return b"Received: from a by b\r\n" * chance.choice([100, 101, 150]) + b"\r\n"
        if kind < 0.10:
            return b"x" * chance.choice([998, 40_000]) + b"\r\n" + b"y\r\n" * chance.choice([0, 20_000])
        lines = [
            chance.choice(
                [
                    b"",
                    b"..",
                    b"...",
                    b"..x",
                    b"QUIT",
                    b"\xff\xfe",
                    b"MAIL FROM:<a@b>",
                    mails.words(chance, 8).encode(),
                    chance.randbytes(9),
                ]
            )
            for _ in range(chance.randint(0, 12))
        ]
        mark = chance.choice([b""] * 16 + [b"X-Refuse: x", b"X-Later: x", b"X-Die: x", b"X-Bye: x"])
        wire = mails.clean(b"\r\n".join([mark or b"Subject: x", b"", *lines]))
        # Chance may have written a line that begins with a dot.
        return b"".join(
            b"." + line + b"\r\n" if line.startswith(b".") and not line.startswith(b"..") else line + b"\r\n"
            for line in wire.split(b"\r\n")[:-1]
        )
