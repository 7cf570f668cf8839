"""The outbox does each thing wrong at each stage: one test for each cell, for notices, releases and short mails.

Notices: a 250 means that row and notice are there; after anything else the member's next try makes exactly one hold,
and a code works if its notice may have arrived. Releases: never sent twice without saying so, never stuck, and the
sender reads what has happened. Short mails: tried again some times, then given up with a line in the log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.certificates import Authority, authority
from tests.loopback.fake_upstream import FakeUpstream, Message
from tests.loopback.fault_cells import (
    ANNA,
    FILLING,
    LARGE_OCTETS,
    SUBJECT,
    WORDS,
    hurried,
    marked,
    place,
    played,
    quick_collections,
)
from tests.loopback.guarded import ALL, BERLIN, PASSWORDS, XCLIENT, House, Submitted, body, mail, parsed
from tests.loopback.misbehaving import FAULTS, REFUSING, SAYING_MORE, MisbehavingServer

pytestmark = pytest.mark.slow

__all__ = ["authority", "quick_collections"]

SMALL = mail("anna", [BERLIN, ALL], subject=SUBJECT, body=WORDS)
LARGE = SMALL + FILLING

# The ways to log in, and the stages that are theirs.
WAYS = {
    "xclient": ("greeting", "EHLO", "XCLIENT", "EHLO-2"),
    "plain": ("login",),
    "login": ("AUTH", "challenge", "login"),
    "starttls": ("STARTTLS", "handshake", "EHLO-2", "XCLIENT", "EHLO-3"),
}
TRANSACTION = ("MAIL", "RCPT", "DATA", "content", "dot", "QUIT")
MOST = (
    "4xx", "5xx", "421", "stall", "close", "reset", "garbage", "out-of-step", "two-replies", "half-close",
    "endless-reply",
)  # fmt: skip
FEW = ("4xx", "421", "close", "two-replies")
# What comes after the mail server may have begun to take the mail.
LATE = ("content", "dot")


def faults_of_release(stage: str) -> tuple[str, ...]:
    """A large mail takes its time to be held and released: fewer of them."""
    return (*FEW, "stall") if stage == "content" else MOST


def cells(transaction: tuple[str, ...], faults: Callable[[str], Sequence[str]], elsewhere: Any = ()) -> list[Any]:
    """Way, stage and fault of each cell: `faults` of the stage on the ordinary way, `elsewhere` on the others."""
    found = [("xclient", stage, fault) for stage in (*WAYS["xclient"], *transaction) for fault in faults(stage)]
    found += [(way, stage, fault) for way in WAYS if way != "xclient" for stage in WAYS[way] for fault in elsewhere]
    return [
        marked(*each, id="-".join(each[1:] if each[0] == "xclient" else each), slow=each[0] != "xclient")
        for each in found
    ]


def outbox(way: str, folder: Path, authority: Authority) -> tuple[MisbehavingServer, dict[str, Any]]:
    """A mail server for the outbox and the settings of the way to it."""
    if way == "xclient":
        return MisbehavingServer(xclient=True), {}
    if way == "starttls":
        server = MisbehavingServer(xclient=True, tls="starttls", context=authority.server_context())
        return server, place(server, authority.pem)
    (folder / "outbox-password").write_text("guard-password\n", "utf-8")
    server = MisbehavingServer(users={"mailcheck": "guard-password"}, mechanisms=way.upper())
    return server, {"login": "account", "user": "mailcheck", "password_file": "outbox-password"}


@asynccontextmanager
async def house_with(
    folder: Path, out: MisbehavingServer, fault: str, settings: dict[str, Any]
) -> AsyncIterator[House]:
    up = FakeUpstream(users=PASSWORDS, require_login=True)
    async with up, hurried(folder, up, out, fault, outbox_changes=settings) as application:
        yield House(folder, up, out, application)  # type: ignore[arg-type]


def taken(out: MisbehavingServer) -> list[Message]:
    """The releases that the mail server has taken."""
    return [each for each in out.messages if not each.mail.startswith(b"FROM:<>")]


def refused_for_good(stage: str, fault: str) -> bool:
    """True if the mail server has said no to this mail, and not only to us."""
    return fault == "5xx" and stage in ("MAIL", "RCPT", "RCPT-2", "DATA", "content", "dot")


def harmless(stage: str, fault: str) -> bool:
    """True if the mail has gone all the same."""
    return stage == "QUIT" or (stage == "dot" and fault in SAYING_MORE)


# ---------------------------------------------------------------- notices


@pytest.mark.parametrize(("way", "stage", "fault"), cells(TRANSACTION, lambda _: [*FAULTS], MOST))
def test_a_notice(tmp_path: Path, authority: Authority, way: str, stage: str, fault: str) -> None:
    out, settings = outbox(way, tmp_path, authority)

    async def holding() -> None:
        out.fail(stage, fault)
        async with house_with(tmp_path, out, fault, settings) as house:
            first = await house.submit("anna", [BERLIN, ALL], octets=SMALL)
            held_or_given_back(house, out, first, stage, fault)
            # The QUIT comes after the reply to the member.
            await out.wait_until(lambda: out.pending == [])

            out.behave()
            assert (await house.submit("anna", [BERLIN, ALL], octets=SMALL)).code == 250
            assert [each for each in house.states() if each != "replaced"] == ["held"]
            assert house.up.arrived == []
            await out.wait_for_close()
            if not house.own_mail():
                # Said 250 without end, and took nothing.
                assert (stage, fault) == ("content", "endless-replies")
                return
            discarded = await house.answer("anna", house.own_mail()[-1], "DISCARD")
            assert (discarded.code, "discarded" in house.states()) == (250, True)

    with out:
        played(holding)


def held_or_given_back(house: House, out: MisbehavingServer, reply: Submitted, stage: str, fault: str) -> None:
    """What the member has read, and what there is of the hold."""
    states, notices = house.states(), len(house.own_mail())
    if reply.code == 250:
        # An early 250 is believed if the dot was on its way already.
        assert harmless(stage, fault) or (stage == "content" and fault in SAYING_MORE)
        assert states == ["held"]
        assert len(out.arrived) == 1 or stage == "content"
    elif refused_for_good(stage, fault):
        assert (reply.code, states, notices) == (550, [], 0)
        assert "could not write to your mailbox" in reply.text
    else:
        assert reply.code == 451
        assert not harmless(stage, fault)
        if fault in REFUSING or stage not in LATE:
            assert (states, notices) == ([], 0)
        elif stage == "dot":
            assert (states, notices) == (["asking"], 1)
        else:
            assert states in ([], ["asking"])


@pytest.mark.parametrize("fault", [each for each in FAULTS if each not in SAYING_MORE])
def test_a_code_works_if_and_only_if_its_notice_may_have_arrived(
    tmp_path: Path, authority: Authority, fault: str
) -> None:
    out, settings = outbox("xclient", tmp_path, authority)

    async def asking() -> None:
        out.fail("dot", fault)
        async with house_with(tmp_path, out, fault, settings) as house:
            reply = await house.submit("anna", [BERLIN, ALL], octets=SMALL)
            assert reply.code == (550 if fault == "5xx" else 451)
            answer = await house.answer("anna", parsed(out.arrived[0]), "SEND")

            if fault in REFUSING:
                assert (answer.code, house.states(), taken(out)) == (550, [], [])
            else:
                assert (answer.code, house.states()) == (250, ["sent"])
                assert [each.content for each in taken(out)] == [SMALL]

    with out:
        played(asking)


@pytest.mark.parametrize("fault", ["refuse", "stall"])
def test_an_outbox_that_cannot_be_reached(tmp_path: Path, authority: Authority, fault: str) -> None:
    out, settings = outbox("xclient", tmp_path, authority)
    out.fail("connect", fault)

    async def away() -> None:
        async with house_with(tmp_path, out, fault, settings) as house:
            assert (await house.submit("anna", [BERLIN, ALL], octets=SMALL)).code == 451
            assert house.rows() == []
            out.behave()
            assert (await house.submit("anna", [BERLIN, ALL], octets=SMALL)).code == 250
            assert house.states() == ["held"]

    with out:
        played(away)


# ---------------------------------------------------------------- releases


@pytest.mark.parametrize(
    ("way", "stage", "fault"), cells(("MAIL", "RCPT", "RCPT-2", *TRANSACTION[2:]), faults_of_release, FEW)
)
def test_a_release(tmp_path: Path, authority: Authority, way: str, stage: str, fault: str) -> None:
    out, settings = outbox(way, tmp_path, authority)
    octets = LARGE if stage == "content" else SMALL

    async def releasing() -> None:
        async with house_with(tmp_path, out, fault, settings) as house:
            await house.submit("anna", [BERLIN, ALL], octets=octets)
            await out.wait_for_close()
            out.content_after = LARGE_OCTETS // 10
            out.fail(stage, fault)
            await released_in_the_end(house, out, out, octets, stage, fault)

    with out:
        played(releasing)


async def released_in_the_end(
    house: House, through: MisbehavingServer, out: Any, octets: bytes, stage: str, fault: str
) -> None:
    """The answer that meets the fault, and the next one, which meets none."""
    notice = await house.letter()
    first = await house.answer("anna", notice, "SEND")
    before, state = len(taken(through)), house.states()
    if harmless(stage, fault):
        assert (first.code, state, before) == (250, ["sent"], 1)
    elif refused_for_good(stage, fault):
        assert (first.code, state, before) == (250, ["held"], 0)
        assert "554 5.7.1 " in body(await house.letter(2))
    elif stage == "dot" and fault not in REFUSING:
        assert (first.code, state, before) == (451, ["sending"], 1)
        assert "may have gone out" in first.text
    else:
        assert (first.code, state, before) == (451, ["held"], 0)
        assert "still waiting" in first.text
    assert through.pending == []

    through.behave()
    second = await house.answer("anna", notice, "SEND")
    result = body(await house.letter(3 if first.code == 250 else 2)).replace("\n", " ")
    assert (second.code, house.states()) == (250, ["sent"])
    assert [each.content for each in taken(through)] == [octets] * (before if harmless(stage, fault) else before + 1)
    assert ("already done" if harmless(stage, fault) else f"has been sent to {BERLIN}, {ALL}") in result
    assert ("may have gone out twice" in result) == (state == ["sending"])


SESSION_STAGES = ("RSET", "MAIL-2", "RCPT", "RCPT-2", "DATA", "content", "dot")


@pytest.mark.parametrize(
    ("stage", "fault"),
    [marked(stage, fault, id=f"{stage}-{fault}") for stage in SESSION_STAGES for fault in faults_of_release(stage)],
)
def test_a_release_through_the_members_own_session(tmp_path: Path, stage: str, fault: str) -> None:
    """MAIL-2: the answer's own MAIL was the first one of its session."""
    octets = LARGE if stage == "content" else SMALL

    async def releasing() -> None:
        out = FakeUpstream(xclient=XCLIENT)
        settings = {"release": "session"}
        async with out, hurried(tmp_path, up, out, fault, outbox_changes=settings) as application:
            house = House(tmp_path, up, out, application)  # type: ignore[arg-type]
            await house.submit("anna", [BERLIN, ALL], octets=octets)
            await up.wait_for_close()
            up.content_after = LARGE_OCTETS // 10
            up.fail(stage, fault)
            await released_in_the_end(house, up, out, octets, stage.removesuffix("-2"), fault)
            assert {each.login for each in taken(up)} == {ANNA}
            assert [each for each in out.messages if not each.mail.startswith(b"FROM:<>")] == []

    with MisbehavingServer(users=PASSWORDS) as up:
        played(releasing)


# ---------------------------------------------------------------- short mails


@asynccontextmanager
async def waiting_mail(
    folder: Path, out: MisbehavingServer, fault: str, settings: dict[str, Any]
) -> AsyncIterator[House]:
    """A mail is held, and short mails are tried three times more at once. At the end they are through or given up."""
    async with house_with(folder, out, fault, settings) as house:
        keeper = house.application._keeper
        assert keeper is not None
        keeper.correspondence._retry_seconds = (0.01, 0.01, 0.01)
        await house.submit("anna", [BERLIN, ALL], octets=SMALL)
        await out.wait_for_close()
        yield house


@pytest.mark.parametrize(("way", "stage", "fault"), cells(TRANSACTION, lambda _: MOST))
def test_a_short_mail(tmp_path: Path, authority: Authority, way: str, stage: str, fault: str) -> None:
    out, settings = outbox(way, tmp_path, authority)

    async def telling() -> None:
        async with waiting_mail(tmp_path, out, fault, settings) as house:
            out.fail(stage, fault)
            notice = await house.letter()
            assert (await house.answer("anna", notice, "DISCARD")).code == 250
            assert house.states() == ["discarded"]

    with out:
        lost = played(telling).count("event=letter-lost")
        told = len([each for each in out.messages if each.mail.startswith(b"FROM:<>")]) - 1
        assert out.pending == []
        if refused_for_good(stage, fault):
            assert (told, lost) == (0, 1)
        elif stage == "dot" and fault not in (*REFUSING, *SAYING_MORE):
            # It has arrived, and is not sent once more only because nobody has said so.
            assert (told, lost) == (1, 1)
        elif stage == "content" and fault not in REFUSING:
            assert (told, lost) in ((1, 0), (0, 1))
        else:
            assert (told, lost) == (1, 0)


@pytest.mark.parametrize("word", ["DISCARD", "what?"])
@pytest.mark.parametrize("fault", ["4xx", "5xx", "421", "close"])
@pytest.mark.parametrize("stage", ["greeting", "XCLIENT", "MAIL"])
def test_a_short_mail_that_never_gets_through_is_given_up_with_a_line(
    tmp_path: Path, authority: Authority, stage: str, fault: str, word: str
) -> None:
    out, settings = outbox("xclient", tmp_path, authority)

    async def telling() -> None:
        async with waiting_mail(tmp_path, out, fault, settings) as house:
            out.fail(stage, fault, times=1000)
            assert (await house.answer("anna", await house.letter(), word)).code == 250

    with out:
        log = played(telling)
        tries = len(out.conversations) - 1
        assert tries == (1 if refused_for_good(stage, fault) else 4)
        assert log.count("event=letter-lost") == 1
        assert len(out.messages) == 1
