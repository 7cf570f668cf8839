"""Codes that come again, and codes that are not quite right: a hundred answers have one effect at most."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from smtpguard.answers.token import find_tokens
from tests.loopback.guarded import ALL, BERLIN, MEMBERS, House, body, guarded, mail
from tests.loopback.test_answering import by_mail_server
from tests.loopback.test_seal_proved import backup, the_row_in, until_erased

pytestmark = pytest.mark.slow

TIMES = 100
HOST = "check.example.test"


async def code_of(house: House, letter: int) -> str:
    """The code in the `letter`th mail of the guard's own, in one word."""
    return find_tokens(str((await house.letter(letter))["Reply-To"]))[0].code


async def replay(house: House, codes: Iterator[str], name: str = "anna", word: str = "SEND") -> set[int]:
    """Send TIMES answers under `codes`, in turn through the mail server and submitted; the replies' numbers."""
    said = set()
    for number in range(TIMES):
        address = f"mailcheck+{next(codes)}@{HOST}"
        if number % 2:
            reply = await house.submit(name, [address], body=word, subject=f"Re: {number}")
        else:
            octets = mail(name, [address], body=word)
            reply = await by_mail_server(house, octets, [address], MEMBERS[name])
        said.add(reply.code)
    return said


def always(code: str) -> Iterator[str]:
    while True:
        yield code


def spelled(code: str) -> Iterator[str]:
    """The same code in capitals and small letters, anew each time."""
    pick = random.Random(7)
    while True:
        yield "".join(pick.choice((each.lower(), each)) for each in code)


def dashed(code: str) -> Iterator[str]:
    """The same code with one or two dashes somewhere: more of them make too long an address (RFC 5321, 4.5.3.1.1)."""
    pick = random.Random(8)
    while True:
        places = sorted(pick.sample(range(1, 52), pick.randint(1, 2)))
        yield "-".join(code[start:end] for start, end in zip([0, *places], [*places, 52], strict=True))


def cut(code: str) -> Iterator[str]:
    """What is left of the code if some of it is lost, or something is added."""
    pick = random.Random(9)
    while True:
        start, end = sorted(pick.sample(range(53), 2))
        yield pick.choice([each for each in (code[:end], code[start:], code[start:end], code + "A") if each != code])


def changed(code: str) -> Iterator[str]:
    """The code with another sign somewhere."""
    pick = random.Random(10)
    while True:
        at = pick.randrange(51)
        yield (
            code[:at]
            + pick.choice([each for each in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" if each != code[at]])
            + code[at + 1 :]
        )


@pytest.mark.slow
@pytest.mark.parametrize("first", ["SEND", "DISCARD", "BACK"])
async def test_a_used_code_has_no_second_effect(tmp_path: Path, first: str) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        code = await code_of(house, 1)
        await house.answer("anna", await house.letter(), first)
        await house.letter(2)
        state = house.states()
        released = len(house.released())

        assert {250} == await replay(house, always(code))
        assert state == house.states()
        assert released == len(house.released()) == (first == "SEND")
        assert len(house.own_mail()) <= 2 + 2


@pytest.mark.slow
async def test_an_expired_code_has_no_effect(tmp_path: Path) -> None:
    async with guarded(tmp_path, defaults={"expires": "1s"}) as house:
        await house.submit("anna", [BERLIN, ALL])
        code = await code_of(house, 1)
        await house.letter(2)

        assert {250} == await replay(house, always(code))
        assert ["expired"] == house.states()
        assert [] == house.released()


@pytest.mark.slow
@pytest.mark.parametrize("form", [always, spelled, dashed])
async def test_a_right_code_in_any_spelling_has_one_effect(tmp_path: Path, form: object) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        code = await code_of(house, 1)

        assert {250} == await replay(house, form(code))  # type: ignore[operator]
        assert ["sent"] == house.states()
        assert 1 == len(house.released())


@pytest.mark.slow
@pytest.mark.parametrize("form", [cut, changed])
async def test_a_code_that_is_not_quite_right_has_no_effect(tmp_path: Path, form: object) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        code = await code_of(house, 1)

        assert {250, 550} == await replay(house, form(code))  # type: ignore[operator]
        assert ["held"] == house.states()
        assert 1 == len(house.out.messages)


@pytest.mark.slow
async def test_T_20_another_members_code_has_no_effect_and_is_as_unknown_as_any(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        code = await code_of(house, 1)

        assert {250, 550} == await replay(house, always(code), name="ben")
        assert ["held"] == house.states()
        assert 1 == len(house.out.messages)


@pytest.mark.slow
async def test_the_code_of_another_mail_decides_that_one_alone(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL], subject="one")
        await house.submit("anna", [BERLIN, ALL], subject="other")
        one, other = await house.letter(1), await code_of(house, 2)
        quoted = body(one).replace("\n", "\n> ")

        assert {250} == await replay(house, always(other), word=f"SEND\n\n> {quoted}")
        assert ["held", "sent"] == house.states()
        assert 1 == len(house.released())
        assert b"Subject: other" in house.released()[0].content


async def test_a_choice_below_two_notices_decides_neither(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL], subject="one")
        await house.submit("anna", [BERLIN, ALL], subject="other")
        letters = [await house.letter(number) for number in (1, 2)]
        quoted = "".join(f"> {line}\n" for each in letters for line in body(each).splitlines())
        reply = await house.submit("anna", [f"mailcheck@{HOST}"], body=f"SEND\n\n{quoted}")
        letter = await house.letter(3)

        assert 250 == reply.code
        assert "Your mail is still waiting" == letter["Subject"]
        assert ["held", "held"] == house.states()


async def test_T_28_a_code_from_a_mail_log_is_worth_something_until_the_mail_is_decided(tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        # What a mail server writes down that hands answers on: the recipient of an answer, code and all.
        logged = str((await house.letter())["Reply-To"]).strip("<>")
        token = find_tokens(logged)[0]
        backup(house, copy)
        row, safe = await the_row_in(copy, token, house)

        # After a help answer it still is the key to the waiting mail, and may decide for its account alone.
        await by_mail_server(house, mail("anna", [logged], body="what?"), [logged])
        await house.letter(2)
        assert await safe.open(row, token) is not None
        await by_mail_server(house, mail("ben", [logged], body="SEND"), [logged], MEMBERS["ben"])
        assert ["held"] == house.states()

        # Once it is decided and the day key gone, it opens nothing any more, nor does an older copy with it.
        await by_mail_server(house, mail("anna", [logged], body="DISCARD"), [logged])
        await until_erased(house)
        assert ["discarded"] == house.states()
        assert await safe.open(row, token) is None
        assert 250 == (await by_mail_server(house, mail("anna", [logged], body="SEND"), [logged])).code
        assert [] == house.released()
        assert 3 == len(house.own_mail())
