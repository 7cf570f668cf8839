"""The mail server behind a member's session does each thing wrong at each stage: one test for each cell.

Whatever happens, the member reads the mail server's verdict or a 4xx of ours; a 250 means that the mail server has
taken exactly this mail; nothing is sent twice; the session goes on, or ends with 421 at the next command; nothing waits
longer than the timeouts; no traceback and nothing private stands in the log; and the member's next try goes through.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from smtpguard import replies
from smtpguard.listener import reception
from tests.loopback.certificates import Authority, authority
from tests.loopback.door import Client
from tests.loopback.fault_cells import (
    ANNA,
    FILLING,
    LARGE_OCTETS,
    SUBJECT,
    WORDS,
    cells,
    hurried,
    place,
    played,
    quick_collections,
)
from tests.loopback.guarded import BERLIN, MEMBERS, PASSWORDS, mail
from tests.loopback.misbehaving import (
    FAREWELL,
    FAULTS,
    REFUSED_FOR_GOOD,
    REFUSED_FOR_NOW,
    SAYING_MORE,
    TOO_LARGE,
    MisbehavingServer,
)

pytestmark = pytest.mark.slow

__all__ = ["authority", "quick_collections"]

SMALL = mail("anna", [MEMBERS["ben"], BERLIN], subject=SUBJECT, body=WORDS)
LARGE = SMALL + FILLING

VERDICTS = {"4xx": REFUSED_FOR_NOW, "5xx": REFUSED_FOR_GOOD, "421": FAREWELL}
# What the loops do differently: pausing, closing, resetting, and several replies at once.
BOTH_LOOPS = ("4xx", "421", "close", "reset", "two-replies", "half-close", "endless-reply")
# A large mail on its way, and TLS, make a difference to these.
IN_STREAM = ("5xx", "421", "stall", "close", "reset", "two-replies", "half-close", "endless-reply")

DIALOGUE = (
    ("EHLO", b"EHLO me.example.test", b"250-"),
    ("AUTH", b"AUTH LOGIN", b"334 VXNlcm5hbWU6\r\n"),
    ("challenge", base64.b64encode(ANNA.encode()), b"334 UGFzc3dvcmQ6\r\n"),
    ("login", base64.b64encode(PASSWORDS[ANNA].encode()), b"235 2.7.0 Authentication successful\r\n"),
    ("MAIL", b"MAIL FROM:<anna@example.test>", b"250 2.1.0 Ok\r\n"),
    ("RCPT", b"RCPT TO:<ben@example.test>", b"250 2.1.5 Ok\r\n"),
    ("RCPT-2", b"RCPT TO:<berlin@lists.example.test>", b"250 2.1.5 Ok\r\n"),
    ("DATA", b"DATA", b"354 "),
    ("dot", SMALL + b".", b"250 2.0.0 Ok: queued as "),
)
STEPS = {step: number for number, (step, _, _) in enumerate(DIALOGUE)}
GOOD = {
    "greeting": b"220 mail.example.test ESMTP\r\n",
    "RSET": b"250 2.0.0 Ok\r\n",
    **{step: good for step, _, good in DIALOGUE},
    "EHLO-2": b"250-",
}
# What the mail server does at the stage on the left, the member reads at the step on the right.
READ_AT = {
    "implicit": "greeting",
    "STARTTLS": "EHLO", "handshake": "EHLO", "XCLIENT": "EHLO", "EHLO-2": "EHLO",
    "DATA": "dot", "content": "dot",
}  # fmt: skip
# A 250 where XCLIENT has a 220 is taken for one; EHLO comes next in any case.
MILD = ("XCLIENT", "out-of-step")


# ---------------------------------------------------------------- the scene


class Scene:
    """A guard before a misbehaving mail server."""

    def __init__(self, up: MisbehavingServer, port: int) -> None:
        self.up = up
        self._port = port

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        client = Client(*await asyncio.open_connection("127.0.0.1", self._port, limit=2**20))
        try:
            yield client
        finally:
            await client.close()

    async def sends(self) -> None:
        """A new session, all well: the mail is taken once."""
        self.up.behave()
        before = len(self.up.messages)
        async with self.client() as client:
            assert (await walk(client, "dot")).startswith(GOOD["dot"])
        assert [each.content for each in self.up.messages[before:]] == [SMALL]
        assert self.up.messages[-1].login == ANNA


@asynccontextmanager
async def scene(
    folder: Path, up: MisbehavingServer, fault: str, ca: Path | None, **changes: Any
) -> AsyncIterator[Scene]:
    upstream = {**place(up, ca), "client_address": "xclient" if up.xclient else "none"}
    async with hurried(folder, up, up, fault, upstream=upstream, **changes) as application:
        yield Scene(up, application.ports[0])


async def walk(client: Client, upto: str, *, content: bytes = SMALL) -> bytes:
    """Speak from the greeting on until a reply is no good one or `upto` is done; the last reply."""
    said = await client.reply()
    if upto == "greeting" or not said.startswith(GOOD["greeting"]):
        return said
    for step, line, good in DIALOGUE:
        said = await client.ask(content + b"." if step == "dot" else line)
        if step == upto or not said.startswith(good):
            break
    return said


# ---------------------------------------------------------------- what may be read, and what comes then


def expected(stage: str, fault: str) -> bytes:
    """How the reply begins that the member reads."""
    if stage in ("handshake", "STARTTLS") and (stage, fault) != ("STARTTLS", "421"):
        return replies.UPSTREAM_LOST.wire
    if stage == "implicit":
        return replies.UPSTREAM_AWAY.wire
    if (stage, fault) == MILD:
        return GOOD["EHLO-2"]
    if fault in VERDICTS:
        return VERDICTS[fault]
    if fault in SAYING_MORE and stage not in ("DATA", "content", "XCLIENT"):
        return GOOD[stage]
    return {"greeting": replies.UPSTREAM_AWAY, "dot": replies.UPSTREAM_UNSURE}.get(stage, replies.UPSTREAM_LOST).wire


def in_step(stage: str, fault: str) -> bool:
    """True if the session goes on: the mail server has refused in good order."""
    refused = fault in ("4xx", "5xx") and stage not in ("greeting", "implicit", "STARTTLS", "handshake", "content")
    return refused or (stage, fault) == MILD


def nothing_lost_or_doubled(up: MisbehavingServer, content: bytes, said: bytes, stage: str, fault: str) -> None:
    """A 250 is for content that was taken; taken without it only by a mail server that died before it could say so."""
    assert len(up.arrived) <= 1
    if stage == "dot" and fault not in VERDICTS:
        assert [each.content for each in up.messages] == [content]
    else:
        assert up.messages == []
        assert READ_AT.get(stage, stage) != "dot" or said[:1] in b"45"


async def session_afterwards(up: MisbehavingServer, client: Client, stage: str, fault: str, said: bytes) -> None:
    ended = READ_AT.get(stage, stage) == "greeting" and not said.startswith(b"220")
    if said.startswith(b"421") or ended:
        assert await client.rest() == b""
    elif in_step(stage, fault):
        await the_same_session_sends(up, client, stage)
    else:
        if said.startswith(b"334"):
            # The next line is the answer to the challenge, and finds the mail server lost.
            assert await client.ask(b"*") == replies.UPSTREAM_LOST.wire
        # A 421 in plain text where TLS is due may still be read as one.
        last = (replies.UPSTREAM_GONE.wire, FAREWELL) if fault == "421" else (replies.UPSTREAM_GONE.wire,)
        assert await client.ask(b"NOOP") in last
        assert await client.rest() == b""


async def the_same_session_sends(up: MisbehavingServer, client: Client, stage: str) -> None:
    begin = STEPS.get(READ_AT.get(stage, stage), STEPS["MAIL"])
    begin = STEPS["AUTH"] if STEPS["AUTH"] < begin < STEPS["MAIL"] else min(begin, STEPS["MAIL"])
    before = len(up.messages)
    assert await client.ask(b"RSET") == replies.OK.wire
    for _, line, good in DIALOGUE[begin:]:
        assert (await client.ask(line)).startswith(good)
    assert [each.content for each in up.messages[before:]] == [SMALL]


async def cell(
    folder: Path, up: MisbehavingServer, stage: str, fault: str, ca: Path | None = None, **changes: Any
) -> None:
    """One cell, from the greeting to the next try."""
    content = LARGE if stage == "content" or up.content_after > LARGE_OCTETS else SMALL
    up.fail(stage, fault)
    async with scene(folder, up, fault, ca, **changes) as house:
        async with house.client() as client:
            if stage == "RSET":
                await walk(client, "RCPT-2")
                said = await client.ask(b"RSET")
            else:
                said = await walk(client, READ_AT.get(stage, stage), content=content)

            assert said.startswith(expected(stage, fault))
            nothing_lost_or_doubled(up, content, said, stage, fault)
            await session_afterwards(up, client, stage, fault, said)
        assert up.pending == []
        await house.sends()
        await up.wait_for_close()


# ---------------------------------------------------------------- in plain text


STAGES = (
    "greeting", "EHLO", "AUTH", "challenge", "login", "MAIL", "RCPT", "RCPT-2", "RSET", "DATA", "content", "dot",
)  # fmt: skip


@pytest.mark.parametrize(("stage", "fault", "loop"), cells(STAGES, FAULTS, BOTH_LOOPS))
def test_a_fault_of_the_mail_server(tmp_path: Path, stage: str, fault: str, loop: str) -> None:
    with MisbehavingServer(users=PASSWORDS) as up:
        up.content_after = LARGE_OCTETS // 10
        played(lambda: cell(tmp_path, up, stage, fault), loop)


@pytest.mark.parametrize(
    ("stage", "fault", "loop"), cells(("DATA", "content", "dot"), IN_STREAM, ("421", "stall", "reset"))
)
def test_a_fault_while_a_large_mail_goes_up_as_it_comes_in(tmp_path: Path, stage: str, fault: str, loop: str) -> None:
    """A pure relay judges nothing, so the mail server has most of the content before the member has sent its end."""
    door = {"kind": "submission", "listen": "127.0.0.1:0", "tls": "none"}
    relay = {"address": None, "contact": None, "outbox": None, "listeners": [door]}
    with MisbehavingServer(users=PASSWORDS) as up:
        up.content_after = LARGE_OCTETS // 10 if stage == "content" else LARGE_OCTETS * 2
        played(lambda: cell(tmp_path, up, stage, fault, **relay), loop)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_midst_of_a_short_content(tmp_path: Path, fault: str) -> None:
    """The dot is on its way already: what the mail server says before it has read it may be taken for its verdict."""

    async def short() -> None:
        up.fail("content", fault)
        async with scene(tmp_path, up, fault, None) as house:
            async with house.client() as client:
                said = await walk(client, "dot")

                lost = (replies.UPSTREAM_LOST.wire, replies.UPSTREAM_UNSURE.wire)
                if fault in SAYING_MORE:
                    assert said.startswith((b"250 ", *lost))
                else:
                    assert said in ((VERDICTS[fault],) if fault in VERDICTS else lost)
                # Whoever says 250 without end before reading on has said it all the same.
                if said.startswith(b"250") and fault != "endless-replies":
                    await up.wait_until(lambda: [each.content for each in up.messages] == [SMALL])
            assert len(up.arrived) <= 1
            await up.wait_for_close()
            await house.sends()

    with MisbehavingServer(users=PASSWORDS) as up:
        played(short)


def test_a_dot_that_is_still_in_our_buffers_when_we_give_up_never_goes_out(tmp_path: Path) -> None:
    """Else a mail server that wakes up later would take what the member has sent once more by then."""
    content = SMALL + (b"x" * 998 + b"\r\n") * 300

    async def late() -> None:
        async with scene(tmp_path, up, "stall", None) as house:
            async with house.client() as client:
                assert await walk(client, "dot", content=content) == replies.UPSTREAM_UNSURE.wire
            up.go_on.set()
            await up.wait_for_close()
            assert up.arrived == []
            await house.sends()

    with MisbehavingServer(users=PASSWORDS) as up:
        up.fail("content", "pause")
        played(late)


# ---------------------------------------------------------------- TLS

TLS_STAGES = ("STARTTLS", "handshake", "EHLO-2")
INSIDE_TLS = ("MAIL", "DATA", "content", "dot")


@pytest.mark.parametrize(("stage", "fault", "loop"), cells(TLS_STAGES, FAULTS, BOTH_LOOPS))
def test_a_fault_on_the_way_into_tls(tmp_path: Path, authority: Authority, stage: str, fault: str, loop: str) -> None:
    with MisbehavingServer(users=PASSWORDS, tls="starttls", context=authority.server_context()) as up:
        played(lambda: cell(tmp_path, up, stage, fault, authority.pem), loop)
        assert up.commands[:2] == [b"EHLO me.example.test", b"STARTTLS"]


@pytest.mark.parametrize(("stage", "fault", "loop"), cells(("implicit",), FAULTS, BOTH_LOOPS))
def test_a_fault_where_tls_is_due_at_once(
    tmp_path: Path, authority: Authority, stage: str, fault: str, loop: str
) -> None:
    with MisbehavingServer(users=PASSWORDS, tls="implicit", context=authority.server_context()) as up:
        played(lambda: cell(tmp_path, up, stage, fault, authority.pem), loop)


@pytest.mark.parametrize(("stage", "fault", "loop"), cells(INSIDE_TLS, IN_STREAM, ("421", "stall", "reset")))
def test_a_fault_inside_tls(tmp_path: Path, authority: Authority, stage: str, fault: str, loop: str) -> None:
    with MisbehavingServer(users=PASSWORDS, tls="starttls", context=authority.server_context()) as up:
        up.content_after = LARGE_OCTETS // 10
        played(lambda: cell(tmp_path, up, stage, fault, authority.pem), loop)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("wrong", ["name", "expired", "authority"])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_certificate_that_is_wrong_means_nothing_is_said_to_it(
    tmp_path: Path, authority: Authority, tls: str, wrong: str, loop: str
) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed (extra `fast`)")
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    issuer = Authority(stranger) if wrong == "authority" else authority
    bad = issuer.server_context(*(["other.example.test"] if wrong == "name" else []), expired=wrong == "expired")

    async def refused() -> None:
        async with scene(tmp_path, up, "certificate", authority.pem) as house:
            async with house.client() as client:
                said = await walk(client, "dot")

                if tls == "implicit":
                    assert said == replies.UPSTREAM_AWAY.wire
                else:
                    assert said == replies.UPSTREAM_LOST.wire
                    assert await client.ask(b"NOOP") == replies.UPSTREAM_GONE.wire
                assert await client.rest() == b""
            assert set(up.commands) <= {b"EHLO me.example.test", b"STARTTLS"}
            up.context = authority.server_context()
            await house.sends()

    with MisbehavingServer(users=PASSWORDS, tls=tls, context=bad) as up:
        played(refused, loop)


# ---------------------------------------------------------------- before and beside the mail


@pytest.mark.parametrize(("stage", "fault", "loop"), cells(("XCLIENT", "EHLO-2"), FAULTS, BOTH_LOOPS))
def test_a_fault_where_the_mail_server_is_told_who_connects(tmp_path: Path, stage: str, fault: str, loop: str) -> None:
    with MisbehavingServer(users=PASSWORDS, xclient=True) as up:
        played(lambda: cell(tmp_path, up, stage, fault), loop)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("fault", ["refuse", "stall"])
def test_a_mail_server_that_cannot_be_reached(tmp_path: Path, fault: str, loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed (extra `fast`)")

    async def away() -> None:
        async with scene(tmp_path, up, fault, None) as house:
            async with house.client() as client:
                assert await client.rest() == replies.UPSTREAM_AWAY.wire
            await house.sends()

    up = MisbehavingServer(users=PASSWORDS)
    up.fail("connect", fault)
    with up:
        played(away, loop)


@pytest.mark.parametrize(("stage", "fault", "loop"), cells(("QUIT",), FAULTS, BOTH_LOOPS))
def test_a_fault_at_quit_keeps_nobody_waiting(tmp_path: Path, stage: str, fault: str, loop: str) -> None:
    async def leaving() -> None:
        up.fail(stage, fault)
        async with scene(tmp_path, up, fault, None) as house:
            async with house.client() as client:
                assert (await walk(client, "dot")).startswith(b"250 ")
                assert await client.ask(b"QUIT") == replies.BYE.wire
                assert await client.rest() == b""
            await up.wait_for_close()
            assert [each.content for each in up.messages] == [SMALL]

    with MisbehavingServer(users=PASSWORDS) as up:
        played(leaving, loop)


@pytest.mark.parametrize(("stage", "fault", "loop"), cells(("NOOP",), FAULTS, BOTH_LOOPS))
def test_a_fault_at_the_noop_that_keeps_the_mail_server_awake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, fault: str, loop: str
) -> None:
    monkeypatch.setattr(reception, "KEEP_AWAKE_SECONDS", 0.02)

    async def slowly() -> None:
        up.fail(stage, fault)
        async with scene(tmp_path, up, fault, None) as house:
            async with house.client() as client:
                await walk(client, "DATA")
                await client.send(SMALL[:20])
                await up.wait_until(lambda: b"NOOP" in up.commands)
                if fault not in ("4xx", "5xx", "out-of-step"):
                    await up.wait_for_close()
                said = await client.ask(SMALL[20:] + b".")

                if fault in ("4xx", "5xx", "out-of-step"):
                    assert said.startswith(b"250 ")
                    assert [each.content for each in up.messages] == [SMALL]
                else:
                    assert said == (FAREWELL if fault == "421" else replies.UPSTREAM_LOST.wire)
                    assert up.arrived == []
                    await session_afterwards(up, client, stage, fault, said)
            await house.sends()

    with MisbehavingServer(users=PASSWORDS) as up:
        played(slowly, loop)


# ---------------------------------------------------------------- lies about the size

OFFERS = {
    # What the mail server offers: what the member is offered.
    "SIZE 100": b"SIZE 100",
    "SIZE 1000000000000": b"SIZE 26214400",
    "SIZE 99999999999999999999999999": b"SIZE 26214400",
    "SIZE 0": b"SIZE 26214400",
    "SIZE": b"SIZE 26214400",
    "SIZE -5": b"SIZE 26214400",
    "SIZE banana": b"SIZE 26214400",
    "SIZE 1e3": b"SIZE 26214400",
    "SIZE \xb2": b"SIZE 26214400",
}


@pytest.mark.parametrize("offer", OFFERS)
def test_whatever_size_is_offered_the_member_is_offered_one_that_holds(tmp_path: Path, offer: str) -> None:
    async def offered() -> None:
        up.extensions = [each for each in up.extensions if not each.startswith("SIZE")] + [offer]
        async with scene(tmp_path, up, offer, None) as house, house.client() as client:
            await client.reply()
            assert OFFERS[offer] in [line[4:] for line in (await client.ask(b"EHLO me")).splitlines()]
            if offer == "SIZE 100":
                for _, line, good in DIALOGUE[1:-1]:
                    assert (await client.ask(line)).startswith(good)
                assert await client.ask(SMALL + b".") == replies.CONTENT_TOO_LARGE.wire
                assert up.arrived == []
                up.extensions[-1] = "SIZE 10000"
                assert (await client.ask(b"EHLO me")).startswith(b"250-")
            for step, line, good in DIALOGUE[1:]:
                if offer != "SIZE 100" or step not in ("AUTH", "challenge", "login"):
                    assert (await client.ask(line)).startswith(good)
            assert [each.content for each in up.messages] == [SMALL]

    with MisbehavingServer(users=PASSWORDS) as up:
        played(offered)


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "content", "dot"])
def test_a_mail_server_that_takes_less_than_it_offers_is_heard(tmp_path: Path, stage: str) -> None:
    async def smaller() -> None:
        up.extensions = ["SIZE 10485760"]
        async with scene(tmp_path, up, stage, None) as house:
            async with house.client() as client:
                assert await walk(client, READ_AT.get(stage, stage), content=LARGE) == TOO_LARGE
            assert up.messages == []
            await house.sends()

    with MisbehavingServer(users=PASSWORDS) as up:
        up.content_after = LARGE_OCTETS // 10
        up.fail(stage, "552")
        played(smaller)
