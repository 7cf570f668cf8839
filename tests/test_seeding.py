"""Posts of an archive are known like posts that the guard has passed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from smtpguard.keys import KeyFolder
from smtpguard.mail.message import Passage, Voice
from smtpguard.seeding import SeededPost, Seeding
from tests.test_origins import BERLIN, DAY, OTHER, PLAN, POLICY, House, house

__all__ = ["house"]


def seeding(house: House) -> Seeding:
    names = ("memory", "private", "public")
    folders = [KeyFolder(house.folder, each) for each in names]
    return Seeding(house.store, house.store, *folders, POLICY, clock=lambda: house.now)


async def test_a_seeded_post_is_public_and_known_since_then(house: House, tmp_path: Path) -> None:
    old = SeededPost(house.submission("anna", BERLIN, PLAN).message, house.now - 200 * DAY)
    too_old = SeededPost(house.submission("anna", BERLIN, OTHER).message, house.now - 500 * DAY)
    made = seeding(house)
    assert await made.add(POLICY.by_id["berlin"], [old, too_old]) == 1
    await made.note_known(POLICY.by_id["berlin"], old.when)
    found = await house.look("ben", BERLIN, "Yes.", Passage(Voice.QUOTED, PLAN), Passage(Voice.QUOTED, OTHER))
    assert found.public == {1}
    assert found.known_since["berlin"] == old.when
    assert found.known_since["press"] == house.now


async def test_serve_learns_of_it_while_it_runs(house: House) -> None:
    await house.send("anna", BERLIN, "Good morning to all of you in the town")
    assert (await house.look("ben", BERLIN, "Hello")).known_since["berlin"] == house.now
    old = SeededPost(house.submission("anna", BERLIN, PLAN).message, house.now - 200 * DAY)
    made = seeding(house)
    await made.add(POLICY.by_id["berlin"], [old])
    await made.note_known(POLICY.by_id["berlin"], old.when)
    house.origins._refresh_next = 0.0
    await house.origins.sweep()
    found = await house.look("ben", BERLIN, "Yes.", Passage(Voice.QUOTED, PLAN))
    assert found.public == {1}
    assert found.known_since["berlin"] == old.when


async def test_T_13_posts_of_a_closed_list_are_for_its_readers_and_not_for_long(house: House) -> None:
    council = POLICY.by_id["council"]
    fresh = SeededPost(house.submission("anna", BERLIN, PLAN).message, house.now - 20 * DAY)
    stale = SeededPost(house.submission("anna", BERLIN, OTHER).message, house.now - 40 * DAY)
    assert await seeding(house).add(council, [fresh, stale]) == 1
    (known,) = (await house.look("ben", BERLIN, PLAN, OTHER)).known
    assert known.mail.list_id == "council"
    assert known.mail.when == fresh.when
    assert (await house.look("carla", BERLIN, PLAN)).known == ()


async def test_the_authors_of_closed_posts_keep_their_own_words(house: House) -> None:
    post = SeededPost(house.submission("ben", BERLIN, PLAN).message, house.now - timedelta(days=2))
    await seeding(house).add(POLICY.by_id["council"], [post])
    (known,) = (await house.look("ben", BERLIN, PLAN)).known
    assert known.mail.own
    other = replace(POLICY, lists=POLICY.lists[:2])
    house.policy = other
    assert (await house.look("ben", BERLIN, PLAN)).known == ()
