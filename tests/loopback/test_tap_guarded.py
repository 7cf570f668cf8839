"""A guard with a tap beside its other doors, as the settings say it."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from smtpguard import replies
from tests.letters import LETTERS
from tests.logs import caught
from tests.loopback.guarded import ALL, BERLIN, House, guarded
from tests.loopback.tapping import TapClient, letter, post

SETTINGS: dict[str, Any] = {
    "listeners": [
        {"kind": "submission", "listen": "127.0.0.1:0", "tls": "none"},
        {"kind": "answers", "listen": "127.0.0.1:0"},
        {"kind": "tap", "listen": "127.0.0.1:0", "list_server": "127.0.0.1"},
    ],
    "remember": "threads",
    "members_informed": "2026-10-01",
}


async def client_of(house: House) -> TapClient:
    client = TapClient(*await asyncio.open_connection("127.0.0.1", house.application.ports[2]))
    assert (await client.reply()).startswith(b"220 check.example.test")
    assert (await client.ask(client.hello)).startswith(b"250")
    return client


def remembered(house: House) -> tuple[int, int]:
    """How many private mails lie in mailboxes, and how many fingerprints of public texts."""
    connection = sqlite3.connect(f"file:{house.folder}/state/memory.sqlite3?mode=ro", uri=True)
    try:
        counts = [
            connection.execute(f"SELECT count(*) FROM {each}").fetchone()[0] for each in ("mails", "public_texts")
        ]
    finally:
        connection.close()
    return counts[0], counts[1]


async def test_what_the_tap_answers_250_to_lies_in_the_memory_and_desk_mail_does_not(tmp_path: Path) -> None:
    async with guarded(tmp_path, **{**SETTINGS, "remember": "all"}) as house:
        client = await client_of(house)
        assert [replies.TAKEN.wire] == await client.hand_over(letter(body=LETTERS["en"]), "commission@example.test")
        assert [replies.TAKEN.wire] == await client.hand_over(letter(body=LETTERS["de"]), "berlin@lists.example.test")
        assert (0, 0) == remembered(house)
        assert [replies.TAKEN.wire] == await client.hand_over(letter(body=LETTERS["en"]), "ben@example.test")
        # Carla's and ben's, and nobody else's.
        assert (2, 0) == remembered(house)
        assert [replies.TAKEN.wire] == await client.hand_over(post(body=LETTERS["fr"]), "ben@example.test")
        mails, public = remembered(house)
        assert 2 == mails
        assert public > 10
        await client.close()


@pytest.mark.slow  # SQLite waits ten seconds for a lock
async def test_while_the_memory_does_not_answer_copies_are_put_off(tmp_path: Path) -> None:
    async with guarded(tmp_path, **SETTINGS) as house:
        client = await client_of(house)
        blocker = sqlite3.connect(tmp_path / "state" / "memory.sqlite3", isolation_level=None)
        blocker.execute("BEGIN EXCLUSIVE")
        assert [replies.COPY_LATER.wire] == await client.hand_over(letter(), "ben@example.test")
        blocker.close()
        assert [replies.TAKEN.wire] == await client.hand_over(letter(), "ben@example.test")
        assert 2 == remembered(house)[0]
        await client.close()


async def test_a_copy_goes_nowhere_and_the_log_says_no_more_than_that_it_came(tmp_path: Path) -> None:
    with caught("debug") as log:
        async with guarded(tmp_path, **SETTINGS) as house:
            client = await client_of(house)
            for octets, recipient in (
                (letter(body="Textplanted"), "ben@example.test"),
                (letter(body="Textplanted"), "commission@example.test"),
                (post(), "ben@example.test"),
            ):
                assert [replies.TAKEN.wire] == await client.hand_over(octets, recipient)
            await client.close()
            assert "NOT SENT YET" in (await house.submit("anna", [BERLIN, ALL])).text
            await house.letter()
            assert [] == house.up.messages
            assert 1 == len(house.out.messages)
    text = log.getvalue()
    for word in ("Textplanted", "carla", "ben@", "commission", "elsewhere"):
        assert word not in text
    # Desk mail is like any other there.
    assert 3 == text.count("event=copy-taken\n")


async def test_the_end_of_the_guard_waits_for_a_copy_that_is_on_its_way(tmp_path: Path) -> None:
    async with guarded(tmp_path, **SETTINGS) as house:
        client, idle = await client_of(house), await client_of(house)
        await client.begin_copy("carla@elsewhere.example", "ben@example.test")
        assert (await client.ask(b"DATA")).startswith(b"354")
        ending = asyncio.create_task(house.application.stop())
        assert replies.SHUTTING_DOWN.wire == await idle.rest()
        assert replies.TAKEN.wire == await client.ask(letter().removesuffix(b"\r\n") + b"\r\n.")
        assert replies.SHUTTING_DOWN.wire == await client.rest()
        await ending
        for each in (client, idle):
            await each.close()
