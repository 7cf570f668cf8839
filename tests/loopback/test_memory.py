"""Rule 12 remembers what was posted where: asked before a mail is judged, filled after the mail server's 250."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loopback.guarded import ALL, BERLIN, BRANDENBURG, MEMBERS, PRESS, House, body, guarded, mail

TEXT = (
    "the meeting of members in winter has shown that we need another room for the children and that nobody wants to "
    "pay for it before the council has answered our letter about rent and heating so please read the minutes below "
    "and tell us until friday whether you can help with tools paint or some hours of your time on the weekend"
)
WORDS = TEXT.split()


def edited(words: list[str] = WORDS, seed: int = 1) -> str:
    """The text with every tenth word changed."""
    chosen = random.Random(seed)
    return " ".join(chosen.choice(["garden", "spring", "lorry", "wood", "bread"]) if n % 10 == 4 else each
                    for n, each in enumerate(words))  # fmt: skip


async def settled(house: House) -> None:
    """Wait until what was taken is remembered, and what it corrects is gone."""
    keeper = house.application._keeper
    assert keeper is not None
    await keeper.past.settle()
    await keeper.corrections.settle()


def rows(house: House) -> list[sqlite3.Row]:
    connection = sqlite3.connect(f"file:{house.folder}/state/memory.sqlite3?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        return connection.execute("SELECT * FROM posts ORDER BY id").fetchall()
    finally:
        connection.close()


def kept(house: House) -> Iterator[bytes]:
    """Everything that lies in the files of the memory."""
    for path in (house.folder / "state").glob("memory.sqlite3*"):
        yield path.read_bytes()


def keys(house: House) -> list[str]:
    return sorted(path.name for path in (house.folder / "state" / "keys").iterdir() if not path.name.startswith("day-"))


async def test_12_12_an_edited_text_to_another_list_is_held_even_after_a_restart(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        assert (await house.submit("anna", [BERLIN], body=TEXT)).code == 250
        assert len(house.up.messages) == 1
    async with guarded(tmp_path) as house:
        reply = await house.submit("anna", [PRESS], subject="For the press", body=edited())
        assert "NOT SENT YET" in reply.text
        assert "berlin" in body(await house.letter())
        assert house.up.messages == []
        # Everybody else may write the same: only the account's own posts are compared.
        assert (await house.submit("ben", [PRESS], subject="Ben too", body=TEXT)).text != reply.text
        assert len(house.up.messages) == 1


async def test_12_12_counts_before_it_is_written(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        keeper = house.application._keeper
        assert keeper is not None
        keeper.past._recollection._writer.seconds = 3600
        assert (await house.submit("anna", [BERLIN], body=TEXT)).code == 250
        assert rows(house) == []
        assert "NOT SENT YET" in (await house.submit("anna", [PRESS], subject="Again", body=edited())).text


async def test_12_12_one_text_to_three_lists_over_three_connections_at_once_goes_to_one(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        house.up.on("END", then="stall", times=1)
        first = asyncio.create_task(house.submit("anna", [BERLIN], body=TEXT))
        await house.up.wait_until(lambda: house.up.sessions and house.up.sessions[-1].partial)
        others = [
            asyncio.create_task(house.submit("anna", [each], subject=each, body=edited())) for each in (PRESS, ALL)
        ]
        # The others wait for the first; whoever says something else, or is somebody else, does not.
        assert (await house.submit("anna", [PRESS], subject="2", body=" ".join(sorted(WORDS)))).code == 250
        assert (await house.submit("anna", [BERLIN], subject="3", body=TEXT)).code == 250
        assert (await house.submit("ben", [ALL], subject="4", body=TEXT)).code == 250
        assert not any(each.done() for each in others)
        assert house.rows() == []

        house.up.go_on()

        assert (await first).code == 250
        assert all("NOT SENT YET" in each.text for each in await asyncio.gather(*others))
        assert ["held", "held"] == house.states()


async def test_12_13_of_texts_that_come_at_once_the_next_may_go_if_the_first_is_refused(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        house.up.on("END", reply=b"554 5.7.1 Not here\r\n", times=1)
        house.up.on("CONTENT", then="stall", times=1)
        first = asyncio.create_task(house.submit("anna", [BERLIN], body=TEXT))
        await house.up.wait_until(lambda: house.up.sessions and house.up.sessions[-1].partial)
        others = [asyncio.create_task(house.submit("anna", [each], subject=each, body=TEXT)) for each in (PRESS, ALL)]
        house.up.go_on()

        assert (await first).code == 554
        assert ["250", "NOT SENT YET"] == sorted(
            "NOT SENT YET" if "NOT SENT YET" in each.text else str(each.code) for each in await asyncio.gather(*others)
        )
        assert ["held"] == house.states()


async def test_12_12_a_text_whose_like_does_not_arrive_is_put_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smtpguard.guard.WAIT_SECONDS", 0.2)
    async with guarded(tmp_path) as house:
        house.up.on("END", then="stall", times=1)
        first = asyncio.create_task(house.submit("anna", [BERLIN], body=TEXT))
        await house.up.wait_until(lambda: house.up.sessions and house.up.sessions[-1].partial)
        try:
            assert (await house.submit("anna", [PRESS], subject="2", body=TEXT)).code == 451
        finally:
            house.up.go_on()
        assert (await first).code == 250


async def test_12_12_look_alikes_pass(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        assert (await house.submit("anna", [BERLIN], body=TEXT)).code == 250
        await settled(house)
        # An allowed pair, the same list again, a few words, another text, a person.
        await house.submit("anna", [BRANDENBURG], subject="2", body=TEXT)
        await house.submit("anna", [BERLIN], subject="3", body=TEXT)
        await house.submit("anna", [PRESS], subject="4", body="See you there, everybody.")
        await house.submit("anna", [PRESS], subject="5", body=" ".join(sorted(WORDS)))
        await house.submit("anna", [MEMBERS["ben"]], subject="6", body=TEXT)
        assert len(house.up.messages) == 6
        assert house.rows() == []


async def test_12_13_what_never_went_out_is_no_obstacle(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, PRESS], body=TEXT)
        await house.answer("anna", await house.letter(), "DISCARD")
        await settled(house)
        assert rows(house) == []
        assert (await house.submit("anna", [ALL], subject="Now right", body=TEXT)).code == 250
        assert len(house.up.messages) == 1


async def test_12_14_a_corrected_copy_ends_the_held_one_after_it_was_taken(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, PRESS], body=TEXT)
        assert house.states() == ["held"]
        assert (await house.submit("anna", [BERLIN], subject="Re: Minutes", body=edited())).code == 250
        await settled(house)

        assert house.states() == ["discarded"]
        told = await house.letter(2)
        assert told["Subject"] == "Not sent: the earlier copy of your mail"
        assert "corrected copy" in body(told)
        assert len(house.up.messages) == 1
        assert house.released() == []


async def test_12_14_another_text_subject_or_account_ends_nothing(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, PRESS], body=TEXT)
        await house.submit("anna", [BERLIN], body=" ".join(sorted(WORDS)), message_id="<other@example.test>")
        await house.submit("anna", [BERLIN], subject="Something else", body=TEXT)
        await house.submit("ben", [BERLIN], body=TEXT)
        await house.submit("anna", [MEMBERS["ben"]], body=TEXT)
        await settled(house)

        assert house.states() == ["held"]
        assert len(house.own_mail()) == 1


async def test_12_14_the_upstream_must_take_the_copy_first(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, PRESS], body=TEXT)
        house.up.on("END", reply=b"451 4.3.0 not now\r\n")
        assert (await house.submit("anna", [BERLIN], body=TEXT)).code == 451
        await settled(house)
        assert house.states() == ["held"]
        assert rows(house) == []


async def test_12_14_mail_held_before_a_restart_is_known_after_it(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, PRESS], body=TEXT)
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN], body=edited())
        await settled(house)
        assert house.states() == ["discarded"]


async def test_12_19_an_answer_that_takes_the_thread_to_a_further_list_names_its_home(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN], message_id="<root@example.test>", body=TEXT)
        await house.submit("clara", [BERLIN], subject="Re: Minutes", body="Good.", message_id="<second@example.test>",
                           References="<root@example.test>")  # fmt: skip
        # The root is not named any more: the answer to it carries the home on.
        await house.submit("ben", [PRESS, BERLIN], subject="Re: Minutes", body="Yes.",
                           message_id="<third@example.test>", References="<second@example.test>")  # fmt: skip
        notice = body(await house.letter())
        assert "began on the list berlin" in " ".join(notice.split())
        assert notice.index("ONLY 2") < notice.index("ONLY 1")


async def test_12_21_a_confirmed_cross_post_is_not_asked_about_again(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, PRESS], message_id="<root@example.test>", body=TEXT)
        await house.answer("anna", await house.letter(), "SEND")
        await settled(house)
        reply = await house.submit("ben", [PRESS, BERLIN], subject="Re: Minutes", body="I shall come.",
                                   message_id="<answer@example.test>", In_Reply_To="<root@example.test>")  # fmt: skip
        assert "NOT SENT YET" not in reply.text
        assert len(house.up.messages) == 1
        # Another set was never confirmed.
        reply = await house.submit("ben", [PRESS, ALL], subject="Re: Minutes", body="And all?",
                                   message_id="<more@example.test>", In_Reply_To="<root@example.test>")  # fmt: skip
        assert "NOT SENT YET" in reply.text


async def test_12_22_after_only_the_thread_stays_narrowed(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [PRESS, BERLIN], message_id="<root@example.test>", body=TEXT)
        await house.answer("anna", await house.letter(), "ONLY 2")
        await settled(house)
        await house.submit("ben", [PRESS, BERLIN], subject="Re: Minutes", body="I shall come.",
                           message_id="<answer@example.test>", In_Reply_To="<root@example.test>")  # fmt: skip
        await house.out.wait_until(lambda: any("ben@" in str(each["To"]) for each in house.own_mail()))
        notice = next(body(each) for each in house.own_mail() if "ben@" in str(each["To"]))
        assert notice.index("ONLY 2") < notice.index("ONLY 1")
        assert "berlin" in notice


async def test_nothing_can_be_read_in_the_memory(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN], message_id="<root@example.test>", subject="Heating", body=TEXT)
        await house.submit("anna", [BERLIN, PRESS], message_id="<held@example.test>", subject="Roof", body=edited())
        await house.submit("ben", [BERLIN], message_id="<next@example.test>", subject="Re: Heating", body=edited(),
                           In_Reply_To="<root@example.test>")  # fmt: skip
        await settled(house)
        assert len(rows(house)) == 2  # of the held one nothing
        stored = b"".join(kept(house)).lower()
        names = ("anna", "ben", "berlin", "press", "example", "root", "held@", "heating", "roof", "subject")
        for word in {*names, *(each for each in WORDS if len(each) > 4)}:
            assert word.encode() not in stored.replace(b"reading", b""), word
        key = next(each for each in keys(house) if each.startswith("memory-"))
        assert (house.folder / "state" / "keys" / key).read_bytes() not in stored


async def test_desk_mail_never_enters_the_memory_T_15(tmp_path: Path) -> None:
    async with guarded(tmp_path, desks=["commission@example.test", MEMBERS["clara"]]) as house:
        await house.submit("anna", ["commission@example.test"], body=TEXT)
        await house.submit("anna", ["commission@example.test", BERLIN], body=TEXT)
        await house.answer("anna", await house.letter(), "SEND")
        await house.submit("clara", [BERLIN], body=TEXT)
        await settled(house)
        assert rows(house) == []
        assert len(house.up.messages) == 2
        assert len(house.released()) == 1


async def test_remember_none_remembers_nothing_and_forgets_what_was_known(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN], body=TEXT)
        await settled(house)
        assert len(rows(house)) == 1
        assert len(keys(house)) >= 2
    async with guarded(tmp_path, remember="none") as house:
        assert rows(house) == []
        assert [each for each in keys(house) if not each.startswith(("week-", "counted-"))] == []
        await house.submit("anna", [BERLIN], body=TEXT)
        await house.submit("anna", [PRESS], subject="Again", body=TEXT)
        assert len(house.up.messages) == 2
        await house.submit("anna", [BERLIN, PRESS], subject="Both", body=TEXT)
        assert [row["sketch"] for row in house.rows()] == [None]
        await settled(house)
        assert rows(house) == []


async def test_90_09_without_the_memory_the_envelope_still_counts_and_list_posts_wait(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN], subject="Before", body=TEXT)
        await settled(house)
        (house.folder / "state" / "memory.sqlite3").unlink()
        assert (await house.submit("anna", [BERLIN], body=TEXT)).code == 451
        assert "NOT SENT YET" in (await house.submit("anna", [BERLIN, PRESS], body=TEXT)).text
        assert (await house.submit("anna", [MEMBERS["ben"]], body=TEXT)).code == 250
        assert len(house.up.messages) == 2


async def test_a_release_of_an_old_mail_is_remembered_as_a_post(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, PRESS], octets=mail("anna", [BERLIN, PRESS], body=TEXT))
        await house.answer("anna", await house.letter(), "ONLY 1")
        await settled(house)
        assert len(rows(house)) == 1
        assert "NOT SENT YET" in (await house.submit("anna", [ALL], subject="All", body=edited())).text
