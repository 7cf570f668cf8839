"""What the memory promises: asked within bounds, filled as a whole, forgotten in time."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from smtpguard.remembered import Poster, Question, Recollected, RememberedPost
from smtpguard.store import StoreError
from smtpguard.store.memory import (
    COMPARED_MAX,
    EXAMINED_MAX,
    INSERTED_AT_ONCE,
    THREAD_TOLD_MAX,
    SQLiteMemory,
)
from tests.store.conftest import HOUR, NOW, SetClock

DAY = 24 * HOUR
ANNA, BEN = b"anna-mark---", b"ben-mark----"
BERLIN, PRESS, ALL = b"berlin--", b"press---", b"all-----"


def post(**changes: object) -> RememberedPost:
    fields: dict[str, object] = {
        "week": "2026-W47", "when": NOW, "account": ANNA, "lists": (BERLIN,), "links": (b"message-1---",), "words": 40,
        "fingerprints": os.urandom(80), "home": BERLIN,
    }  # fmt: skip
    return RememberedPost(**(fields | changes))  # type: ignore[arg-type]


def of_text(each: RememberedPost) -> RememberedPost:
    return RememberedPost(each.week, each.when, each.account, each.lists, each.together, each.home, each.narrowed_to,
                          (), each.words, each.fingerprints)  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "memory.sqlite3"


@pytest.fixture
async def memory(file: Path, clock: SetClock) -> AsyncIterator[SQLiteMemory]:
    opened = await SQLiteMemory.open(file, clock)
    yield opened
    await opened.close()


def asks(**parts: object) -> Question:
    fields: dict[str, object] = {
        "accounts": (ANNA, BEN), "since": NOW - 7 * DAY, "thread_since": NOW - 30 * DAY, "recent_since": NOW - HOUR,
    }  # fmt: skip
    return Question(**(fields | parts))  # type: ignore[arg-type]


async def test_a_post_comes_back_without_its_links(memory: SQLiteMemory) -> None:
    kept = post(together=(BERLIN, PRESS), narrowed_to=PRESS)
    await memory.remember([kept], [])

    assert await memory.ask(asks()) == Recollected(earlier=(of_text(kept),))
    assert await memory.ask(asks(accounts=(BEN,))) == Recollected()
    assert await memory.ask(asks(since=None)) == Recollected()
    assert await memory.ask(Question()) == Recollected()


async def test_posts_outside_the_window_or_to_the_same_lists_alone_are_not_compared(memory: SQLiteMemory) -> None:
    old, same, other = post(when=NOW - 8 * DAY), post(), post(lists=(BERLIN, PRESS))
    await memory.remember([old, same, other], [])

    found = await memory.ask(asks(same_lists=((BERLIN,), (ALL,))))

    assert found.earlier == (of_text(other),)


async def test_a_thread_is_found_by_any_of_its_links_the_oldest_first(memory: SQLiteMemory) -> None:
    root = post(links=(b"root", b"other"), when=NOW - DAY)
    answer = post(account=BEN, links=(b"answer", b"root"))
    await memory.remember([root, answer, post(links=(b"elsewhere",))], [])

    found = await memory.ask(asks(links=(b"unknown", b"root", b"answer")))

    assert [each.account for each in found.thread] == [ANNA, BEN]
    assert {each.fingerprints for each in found.thread} == {b""}
    assert (await memory.ask(asks(links=(b"root",), thread_since=NOW - HOUR))).thread[0].account == BEN


async def test_of_a_thread_the_beginning_the_decisions_and_the_own_recent_mails_are_told(memory: SQLiteMemory) -> None:
    posts = [
        post(when=NOW - 5 * HOUR),
        post(account=BEN, when=NOW - 4 * HOUR),
        post(account=BEN, together=(BERLIN, PRESS), when=NOW - 3 * HOUR),
        post(account=BEN, narrowed_to=PRESS, when=NOW - 2 * HOUR),
        post(when=NOW - 2 * HOUR),
        post(when=NOW - HOUR / 2),
    ]
    # What an archive has of the beginning may come when answers are there already.
    await memory.remember(posts[1:], [])
    await memory.remember(posts[:1], [])

    found = await memory.ask(asks(accounts=(ANNA,), links=(b"message-1---",)))

    told = [posts[0], posts[2], posts[3], posts[5]]
    assert [(each.when, each.together, each.narrowed_to) for each in found.thread] == [
        (each.when, each.together, each.narrowed_to) for each in told
    ]


async def test_every_part_of_an_answer_is_bounded(memory: SQLiteMemory) -> None:
    many = [post(when=NOW + timedelta(seconds=number), lists=(PRESS,)) for number in range(EXAMINED_MAX + 50)]
    await memory.remember(many, [])

    found = await memory.ask(asks(links=(b"message-1---",)))

    assert found.earlier == tuple(map(of_text, many[: -COMPARED_MAX - 1 : -1]))
    assert len(found.thread) == 1 + THREAD_TOLD_MAX


async def test_who_posted_where_is_kept_once(memory: SQLiteMemory) -> None:
    await memory.remember([], [Poster("2026-W47", ANNA, (BERLIN, PRESS)), Poster("2026-W47", ANNA, (BERLIN,))])

    found = await memory.ask(Question(posters=(ANNA, BEN)))

    assert sorted(each.lists for each in found.posted_to) == [(BERLIN,), (PRESS,)]


async def test_what_is_too_old_is_forgotten_text_first(memory: SQLiteMemory, file: Path) -> None:
    text = os.urandom(400)
    old, aged, fresh = post(when=NOW - 40 * DAY, week="2026-W41"), post(when=NOW - 10 * DAY, fingerprints=text), post()
    await memory.remember([old, aged, fresh], [Poster("2025-W40", ANNA, (ALL,)), Poster("2026-W47", ANNA, (PRESS,))])

    times = {"texts": NOW - 7 * DAY, "posts": NOW - 30 * DAY, "weeks": "2026-W43", "poster_weeks": "2025-W47"}
    assert await memory.forget(**times) == 3  # type: ignore[arg-type]
    assert await memory.forget(**times) == 0  # type: ignore[arg-type]
    await memory.tidy()

    question = asks(accounts=(ANNA,), since=NOW - 60 * DAY, posters=(ANNA,), links=(b"message-1---",))
    found = await memory.ask(question)
    assert [(each.words, each.fingerprints) for each in found.earlier] == [(40, fresh.fingerprints), (0, b"")]
    assert len(found.thread) == 2
    assert [each.lists for each in found.posted_to] == [(PRESS,)]
    assert not any(text in path.read_bytes() for path in file.parent.iterdir())


async def test_rows_of_a_week_without_key_go_with_their_links_whatever_their_time(
    memory: SQLiteMemory, file: Path
) -> None:
    await memory.remember([post(week="2026-W40")], [])
    await memory.forget(texts=NOW - DAY, posts=NOW - DAY, weeks="2026-W41", poster_weeks="2026-W41")
    assert (await memory.ask(asks(links=(b"message-1---",)))) == Recollected()
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT count(*) FROM links").fetchone() == (0,)
    connection.close()


async def test_a_batch_is_written_whole_or_not_at_all(memory: SQLiteMemory) -> None:
    broken = post(fingerprints="no octets")
    with pytest.raises(StoreError):
        await memory.remember([post(), broken], [])
    assert await memory.ask(asks()) == Recollected()


async def test_it_is_there_after_a_restart_and_only_for_its_owner(file: Path, clock: SetClock) -> None:
    for _ in range(2):
        opened = await SQLiteMemory.open(file, clock)
        await opened.remember([post()], [])
        await opened.close()
        await opened.close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT count(*) FROM posts").fetchone() == (2,)
    connection.close()
    with pytest.raises(StoreError, match="closed"):
        await opened.ask(asks())


async def test_a_file_that_was_taken_away_is_noticed(memory: SQLiteMemory, file: Path) -> None:
    file.unlink()
    with pytest.raises(StoreError, match="removed"):
        await memory.remember([post()], [])


async def test_a_file_of_a_newer_smtpguard_is_left_alone(file: Path, clock: SetClock) -> None:
    await (await SQLiteMemory.open(file, clock)).close()
    connection = sqlite3.connect(file)
    connection.execute("INSERT INTO schema_version VALUES (9999, 0)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="newer"):
        await SQLiteMemory.open(file, clock)


async def test_12_12_what_is_at_hand_of_accounts_is_right_after_writing_forgetting_and_a_restart(
    file: Path, clock: SetClock
) -> None:
    memory = await SQLiteMemory.open(file, clock)
    to_berlin = asks(same_lists=((BERLIN,),))
    await memory.remember([post(), post(account=BEN, lists=(PRESS,))], [])
    assert (await memory.ask(asks(accounts=(ANNA,), same_lists=((BERLIN,),)))).earlier == ()
    assert [each.account for each in (await memory.ask(to_berlin)).earlier] == [BEN]
    await memory.close()

    again = await SQLiteMemory.open(file, clock)
    assert [each.account for each in (await again.ask(to_berlin)).earlier] == [BEN]
    await again.remember([post(lists=(ALL,), when=NOW + HOUR)], [])
    assert [each.lists for each in (await again.ask(to_berlin)).earlier] == [(ALL,), (PRESS,)]
    await again.forget(texts=NOW, posts=NOW + HOUR, weeks="2026-W01", poster_weeks="2026-W01")
    assert [each.lists for each in (await again.ask(to_berlin)).earlier] == [(ALL,)]
    await again.close()


async def test_where_very_many_have_posted_all_questions_are_asked(
    memory: SQLiteMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smtpguard.store.lists_of_accounts.PAIRS_MAX", 3)
    await memory.remember([post(account=b"member-%05d" % number) for number in range(5)], [])
    await memory.remember([post(lists=(PRESS,))], [])
    assert [each.lists for each in (await memory.ask(asks(same_lists=((BERLIN,),)))).earlier] == [(PRESS,)]


async def test_a_batch_of_any_size_is_written(memory: SQLiteMemory) -> None:
    posts = [post(links=(b"%012d" % number, b"thread------")) for number in range(INSERTED_AT_ONCE + 7)]
    await memory.remember(posts, [Poster("2026-W47", ANNA, (BERLIN, PRESS))] * (INSERTED_AT_ONCE + 7))
    answer = await memory.ask(asks(links=(b"%012d" % (INSERTED_AT_ONCE + 6),), posters=(ANNA,)))
    assert [each.lists for each in answer.thread] == [(BERLIN,)]
    assert {each.lists for each in answer.posted_to} == {(BERLIN,), (PRESS,)}


async def test_who_is_forgotten_is_not_at_hand_either(memory: SQLiteMemory) -> None:
    await memory.remember([post(account=BEN, lists=(PRESS,))], [])
    assert memory._posted.knows_others((BEN,), frozenset((BERLIN,)))
    await memory.forget(texts=NOW + HOUR, posts=NOW + HOUR, weeks="2026-W01", poster_weeks="2026-W01")
    assert not memory._posted.knows_others((BEN,), frozenset((BERLIN,)))
