"""Responders of all kinds answer a running guard: nothing is sent, nobody answers them, and no loop lasts."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest

from smtpguard.mail.content import unstuffed
from tests.answers.responders import MARKED, UNMARKED, responder, reverse_path
from tests.loopback.guarded import ALL, BERLIN, MEMBERS, House, Submitted, guarded, parsed
from tests.loopback.test_answering import by_mail_server
from tests.notices.samples import read

pytestmark = pytest.mark.slow

HELPS_MAX = 2


async def noticed(house: House) -> tuple[bytes, EmailMessage]:
    """One held mail; the notice, as octets and read."""
    await house.submit("anna", [BERLIN, ALL])
    await house.letter()
    octets = unstuffed((house.out.messages[0].content,))
    return octets, parsed(house.out.messages[0])


async def submitted(house: House, octets: bytes, to: str, sender: str) -> Submitted:
    return await house.submit("anna", [to], octets=octets, sender=sender)


async def handed_on(house: House, octets: bytes, to: str, sender: str) -> Submitted:
    return await by_mail_server(house, octets, [to], sender)


async def settled(house: House) -> None:
    """Wait until the guard has written all that it means to write."""
    keeper = house.application._keeper
    assert keeper is not None
    await keeper.correspondence.settle(30)


WAYS = pytest.mark.parametrize("way", [submitted, handed_on], ids=["submission", "mail server"])


@WAYS
async def test_marked_responders_decide_nothing_and_get_no_letter(tmp_path: Path, way: Callable[..., object]) -> None:
    async with guarded(tmp_path) as house:
        octets, notice = await noticed(house)
        address = str(notice["Reply-To"]).strip("<>")
        for path in MARKED:
            answer = responder(path, octets)
            # As its mail server sends it, and as one that leaves the null reverse-path out.
            for sender in {reverse_path(answer), MEMBERS["anna"]}:
                for to in (address, "mailcheck@check.example.test"):
                    reply = await way(house, answer, to, sender)  # type: ignore[misc]
                    assert isinstance(reply, Submitted)
                    assert (reply.code, house.states()) == (250, ["held"]), path.stem
        await settled(house)

        assert 1 == len(house.out.messages)
        assert 250 == (await house.answer("anna", notice, "DISCARD")).code
        assert ["discarded"] == house.states()


@WAYS
async def test_unmarked_responders_decide_nothing_and_get_help_twice_at_most(
    tmp_path: Path, way: Callable[..., object]
) -> None:
    async with guarded(tmp_path) as house:
        octets, notice = await noticed(house)
        for path in UNMARKED:
            answer = responder(path, octets)
            reply = await way(house, answer, str(notice["Reply-To"]).strip("<>"), reverse_path(answer))  # type: ignore[misc]
            assert isinstance(reply, Submitted)
            assert (reply.code, house.states()) == (250, ["held"]), path.stem
        await settled(house)

        subjects = [str(each["Subject"]) for each in house.own_mail()]
        assert HELPS_MAX == subjects.count("Your mail is still waiting")
        assert 1 + HELPS_MAX == len(house.out.messages)


# An hour in which the other side answers each letter at once, and writes once more every ten seconds.
EXCHANGES = 360


@pytest.mark.slow
@WAYS
@pytest.mark.parametrize("name", ["away-quoting", "echo-whole-mail"])
@pytest.mark.parametrize("decided", [False, True], ids=["waiting", "decided"])
async def test_two_responders_against_each_other_come_to_rest(
    tmp_path: Path, way: Callable[..., object], name: str, decided: bool
) -> None:
    path = next(each for each in UNMARKED if each.stem == name)
    async with guarded(tmp_path) as house:
        _, notice = await noticed(house)
        if decided:
            await house.answer("anna", notice, "DISCARD")
            await settled(house)
        before = len(house.out.messages)
        answered = 0
        for _ in range(EXCHANGES):
            letters = [unstuffed((each.content,)) for each in house.out.messages]
            for letter in letters[answered:] or letters[:1]:
                answer = responder(path, letter)
                to = str(read(letter)["Reply-To"] or "mailcheck@check.example.test").strip("<>")
                reply = await way(house, answer, to, reverse_path(answer))  # type: ignore[misc]
                assert isinstance(reply, Submitted)
                assert reply.code in (250, 450, 550)
            answered = len(letters)
            await settled(house)

        assert len(house.out.messages) <= before + HELPS_MAX
        assert ["discarded" if decided else "held"] == house.states()
        assert [] == house.released()
