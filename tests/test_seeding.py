"""Posts of an archive are known like posts that the guard has passed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from smtpguard.keys import KeyFolder
from smtpguard.mail.message import Passage, Voice
from smtpguard.seeding import SeededPost, Seeding
from tests.test_origins import BERLIN, DAY, OTHER, PLAN, POLICY, House, house, memory_database, postgresql_cluster

__all__ = ["house", "memory_database", "postgresql_cluster"]


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


async def count(house: House, table: str) -> int:
    ((found,),) = await house.place.rows(f"SELECT count(*) FROM {table}")
    return int(found)


async def test_what_is_there_is_not_kept_twice(house: House) -> None:
    first = house.submission("anna", BERLIN, PLAN).message
    answer = replace(house.submission("ben", BERLIN, OTHER).message, references=(first.message_id or "",))
    posts = [SeededPost(first, house.now - 2 * DAY), SeededPost(answer, house.now - DAY)]
    for of, kept in (("council", 2), ("berlin", 4)):
        for _ in range(2):
            assert await seeding(house).add(POLICY.by_id[of], [*posts, posts[0]]) == 3
        assert (await count(house, "mails"), await count(house, "posts")) == (2, kept)
    await house.origins.learn_post("press", first, house.now - 2 * DAY)
    await seeding(house).add(POLICY.by_id["press"], posts)
    assert (await count(house, "mails"), await count(house, "posts")) == (2, 6)


async def test_an_answer_on_a_closed_list_that_quotes_does_not_set_words_free(house: House) -> None:
    first = house.submission("anna", BERLIN, PLAN).message
    quote = Passage(Voice.QUOTED, PLAN, author=first.authors[0])
    answer = house.submission("carla", BERLIN, OTHER, quote).message
    answer = replace(answer, references=(first.message_id or "",))
    posts = [SeededPost(first, house.now - 2 * DAY), SeededPost(answer, house.now - DAY)]
    await seeding(house).add(POLICY.by_id["council"], posts)
    (known,) = (await house.look("ben", BERLIN, PLAN)).known
    assert known.mail.when == house.now - 2 * DAY


async def test_what_the_guard_has_passed_to_a_closed_list_stays_known_when_its_archive_is_read(house: House) -> None:
    first = house.submission("anna", BERLIN, PLAN).message
    answer = replace(house.submission("ben", BERLIN, OTHER).message, references=(first.message_id or "",))
    await house.origins.learn_post("council", first, house.now - 2 * DAY)
    await house.origins.learn_post("council", answer, house.now - DAY)
    await seeding(house).add(POLICY.by_id["council"], [SeededPost(answer, house.now - DAY)])
    assert await count(house, "mails") == 2
    (known,) = (await house.look("ben", BERLIN, OTHER)).known
    assert known.words >= 8


async def test_T_15_posts_of_a_desk_or_to_one_are_not_kept(house: House) -> None:
    of = house.submission("commission", BERLIN, PLAN).message
    to = house.submission("anna", [*BERLIN, "commission"], OTHER).message
    berlin = POLICY.by_id["berlin"]
    assert await seeding(house).add(berlin, [SeededPost(of, house.now), SeededPost(to, house.now)]) == 0
    assert await count(house, "public_texts") == 0


async def test_the_oldest_that_is_kept_is_told_to_the_day(house: House) -> None:
    made, berlin = seeding(house), POLICY.by_id["berlin"]
    oldest = made.oldest(berlin)
    assert house.now - 365 * DAY <= oldest <= house.now - 270 * DAY
    message = house.submission("anna", BERLIN, PLAN).message
    assert await made.add(berlin, [SeededPost(message, oldest), SeededPost(message, oldest - DAY / 24)]) == 1
    house.origins._forget_next = 0.0
    await house.origins.sweep()
    assert (await house.look("ben", BERLIN, "Yes.", Passage(Voice.QUOTED, PLAN))).public == {1}
