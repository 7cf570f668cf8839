"""What the files of the addressed lists, and the site's groups, change about a hold."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.loopback.guarded import ALL, BERLIN, MEMBERS, PRESS, body, guarded

STAFF = "staff@example.test"
GROUPS = {STAFF: {"expands": ["berlin", "brandenburg", MEMBERS["ben"]]}}


async def test_a_group_that_reaches_lists_is_one_choice(tmp_path: Path) -> None:
    async with guarded(tmp_path, groups=GROUPS) as house:
        await house.submit("anna", [STAFF, PRESS, MEMBERS["clara"]], subject="Tea")
        notice = await house.letter()
        await house.answer("anna", notice, "ONLY 2")
        await house.letter(2)

        assert "   1  staff@example.test berlin, brandenburg\n   2  press         About press\n" in body(notice)
        assert "ONLY 1     send it to staff@example.test and clara@example.test, not to press\n" in body(notice)
        (released,) = house.released()
        assert (f"TO:<{PRESS}>".encode(), b"TO:<clara@example.test>") == released.rcpts


async def test_a_group_of_several_lists_is_held_even_alone(tmp_path: Path) -> None:
    async with guarded(tmp_path, groups=GROUPS, list_changes={"berlin": {"crosspost_with": []}}) as house:
        reply = await house.submit("anna", [STAFF])
        text = body(await house.letter())

        assert reply.code == 250
        assert "it is addressed to two lists" in text
        assert "ONLY" not in text
        assert [] == house.up.messages


async def test_a_group_of_persons_and_of_lists_that_agree_passes(tmp_path: Path) -> None:
    async with guarded(tmp_path, groups=GROUPS | {"pals@example.test": {"expands": [MEMBERS["ben"]]}}) as house:
        await house.submit("anna", [STAFF])
        await house.submit("anna", ["pals@example.test", BERLIN])

        assert 2 == len(house.up.messages)
        assert [] == house.out.messages


async def test_the_most_patient_list_and_the_suggested_list_s_telephone_stand_in_the_notice(tmp_path: Path) -> None:
    changes = {
        "all-members": {"includes": ["berlin"], "call": "Kim, news team, 030 555", "expires": "1h"},
        "berlin": {"expires": "30h", "call": "Berlin office"},
    }
    async with guarded(tmp_path, list_changes=changes) as house:
        await house.submit("anna", [BERLIN, ALL])
        text = body(await house.letter())
        (row,) = house.rows()

        waits = timedelta(microseconds=row["expires"] - row["created"])
        assert abs(waits - timedelta(hours=30)) < timedelta(minutes=5)
        assert "Rather talk? Kim, news team, 030 555" in text
        assert "Berlin office" not in text
        assert "Sam, office" not in text


async def test_without_a_suggestion_the_site_s_telephone_stands_in_the_notice(tmp_path: Path) -> None:
    async with guarded(tmp_path, list_changes={"berlin": {"call": "Berlin office"}}) as house:
        await house.submit("anna", [BERLIN, ALL])

        assert "Sam, office, 030 123 45 67" in body(await house.letter())
