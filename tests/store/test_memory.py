"""What the memory promises, whichever backend keeps it: asked within bounds, filled as a whole, forgotten in time."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from smtpguard.remembered import Poster, Question, Recollected
from smtpguard.store import StoreError
from smtpguard.store.memory import COMPARED_MAX, EXAMINED_MAX, INSERTED_AT_ONCE, THREAD_POSTS_MAX, THREAD_TOLD_MAX
from tests.memories import Memory, Place
from tests.store.conftest import HOUR, NOW
from tests.store.remembered import ALL, ANNA, BEN, BERLIN, DAY, PRESS, asks, of_text, post


async def test_a_post_comes_back_without_its_links(memory: Memory) -> None:
    kept = post(together=(BERLIN, PRESS), narrowed_to=PRESS)
    await memory.remember([kept], [])

    assert await memory.ask(asks()) == Recollected(earlier=(of_text(kept),))
    assert await memory.ask(asks(accounts=(BEN,))) == Recollected()
    assert await memory.ask(asks(since=None)) == Recollected()
    assert await memory.ask(Question()) == Recollected()


async def test_posts_outside_the_window_or_to_the_same_lists_alone_are_not_compared(memory: Memory) -> None:
    old, same, other = post(when=NOW - 8 * DAY), post(), post(lists=(BERLIN, PRESS))
    await memory.remember([old, same, other], [])

    found = await memory.ask(asks(same_lists=((BERLIN,), (ALL,))))

    assert found.earlier == (of_text(other),)


async def test_a_thread_is_found_by_any_of_its_links_the_oldest_first(memory: Memory) -> None:
    root = post(links=(b"root", b"other"), when=NOW - DAY)
    answer = post(account=BEN, links=(b"answer", b"root"))
    await memory.remember([root, answer, post(links=(b"elsewhere",))], [])

    found = await memory.ask(asks(links=(b"unknown", b"root", b"answer")))

    assert [each.account for each in found.thread] == [ANNA, BEN]
    assert {each.fingerprints for each in found.thread} == {b""}
    assert (await memory.ask(asks(links=(b"root",), thread_since=NOW - HOUR))).thread[0].account == BEN


async def test_of_a_thread_the_beginning_the_decisions_and_the_own_recent_mails_are_told(memory: Memory) -> None:
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


async def test_every_part_of_an_answer_is_bounded(memory: Memory) -> None:
    many = [post(when=NOW + timedelta(seconds=number), lists=(PRESS,)) for number in range(EXAMINED_MAX + 50)]
    await memory.remember(many, [])

    found = await memory.ask(asks(links=(b"message-1---",)))

    assert found.earlier == tuple(map(of_text, many[: -COMPARED_MAX - 1 : -1]))
    assert len(found.thread) == 1 + THREAD_TOLD_MAX


async def test_who_posted_where_is_kept_once(memory: Memory) -> None:
    await memory.remember([], [Poster("2026-W47", ANNA, (BERLIN, PRESS)), Poster("2026-W47", ANNA, (BERLIN,))])

    found = await memory.ask(Question(posters=(ANNA, BEN)))

    assert sorted(each.lists for each in found.posted_to) == [(BERLIN,), (PRESS,)]


async def test_what_is_too_old_is_forgotten_text_first(memory: Memory, place: Place) -> None:
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
    if place.url is None:  # a server keeps what is deleted in its log (T-04)
        assert not any(text in path.read_bytes() for path in place.file.parent.iterdir())


async def test_a_backlog_of_who_posted_where_is_forgotten_in_several_calls(memory: Memory) -> None:
    many = [Poster("2025-W40", b"%016d" % number, (BERLIN,)) for number in range(11_000)]
    await memory.remember([], [*many, Poster("2026-W47", ANNA, (PRESS,))])
    times = {"texts": NOW - DAY, "posts": NOW - DAY, "weeks": "2026-W41", "poster_weeks": "2026-W41"}

    gone = [await memory.forget(**times)]  # type: ignore[arg-type]
    assert 0 < gone[0] < 11_000
    while gone[-1]:
        gone.append(await memory.forget(**times))  # type: ignore[arg-type]

    assert sum(gone) == 11_000
    found = await memory.ask(Question(posters=(many[0].account, many[-1].account, ANNA)))
    assert [each.lists for each in found.posted_to] == [(PRESS,)]


async def test_a_batch_is_written_whole_or_not_at_all(memory: Memory) -> None:
    broken = post(fingerprints="no octets")
    with pytest.raises(StoreError):
        await memory.remember([post(), broken], [])
    assert await memory.ask(asks()) == Recollected()


async def test_a_batch_of_any_size_is_written(memory: Memory) -> None:
    posts = [post(links=(b"%012d" % number, b"thread------")) for number in range(INSERTED_AT_ONCE + 7)]
    await memory.remember(posts, [Poster("2026-W47", ANNA, (BERLIN, PRESS))] * (INSERTED_AT_ONCE + 7))
    answer = await memory.ask(asks(links=(b"%012d" % (INSERTED_AT_ONCE + 6),), posters=(ANNA,)))
    assert [each.lists for each in answer.thread] == [(BERLIN,)]
    assert {each.lists for each in answer.posted_to} == {(BERLIN,), (PRESS,)}


async def test_rows_of_a_week_without_key_go_with_their_links_whatever_their_time(memory: Memory, place: Place) -> None:
    await memory.remember([post(week="2026-W40"), post(links=(b"other-------",))], [])
    await memory.forget(texts=NOW - DAY, posts=NOW - DAY, weeks="2026-W41", poster_weeks="2026-W41")
    assert await memory.ask(asks(links=(b"message-1---",), since=None)) == Recollected()
    assert [bytes(mark) for (mark,) in await place.rows("SELECT mark FROM links")] == [b"other-------"]


async def test_what_was_written_at_the_very_moment_from_which_on_mails_are_recent_is_not(memory: Memory) -> None:
    posts = [post(when=NOW - DAY), post(when=NOW - HOUR), post(when=NOW - HOUR + timedelta(microseconds=1))]
    await memory.remember(posts, [])

    thread = (await memory.ask(asks(links=(b"message-1---",), recent_since=NOW - HOUR))).thread

    assert [each.when for each in thread] == [posts[0].when, posts[2].when]


async def test_posts_of_one_moment_keep_their_order(memory: Memory) -> None:
    posts = [post(fingerprints=bytes([number])) for number in range(20)]
    await memory.remember(posts, [])

    found = (await memory.ask(asks(accounts=(ANNA,), since=NOW))).earlier

    assert sorted(each.fingerprints for each in found) == [each.fingerprints for each in posts]
    assert found == (await memory.ask(asks(accounts=(ANNA,), since=NOW))).earlier
    assert not (await memory.ask(asks(since=NOW + timedelta(microseconds=1)))).earlier


async def test_12_18_a_thread_longer_than_what_is_told_keeps_its_beginning(memory: Memory) -> None:
    posts = [
        post(account=BEN, together=(BERLIN, PRESS), when=NOW - DAY + timedelta(seconds=number))
        for number in range(THREAD_POSTS_MAX + 20)
    ]
    await memory.remember(posts, [])

    thread = (await memory.ask(asks(links=(b"message-1---",)))).thread

    assert [each.when for each in thread] == [each.when for each in (posts[0], *posts[-THREAD_TOLD_MAX:])]


async def test_what_one_writes_the_other_finds_at_its_next_question(memory: Memory, second: Memory) -> None:
    assert await second.ask(asks(accounts=(ANNA,), links=(b"root",), posters=(ANNA,))) == Recollected()

    await memory.remember([post(links=(b"root",))], [Poster("2026-W47", ANNA, (PRESS,))])

    found = await second.ask(asks(accounts=(ANNA,), links=(b"root",), posters=(ANNA,)))
    assert (len(found.thread), [each.lists for each in found.posted_to]) == (1, [(PRESS,)])


async def test_after_its_end_it_says_so(memory: Memory) -> None:
    await memory.close()
    await memory.close()
    with pytest.raises(StoreError, match="closed"):
        await memory.ask(asks())
    with pytest.raises(StoreError, match="closed"):
        await memory.remember([post()], [])


async def test_nothing_can_be_written_and_asked(memory: Memory) -> None:
    await memory.remember([], [])
    await memory.remember_texts([], {})
    await memory.note_readers([])
    await memory.note_known([])
    assert await memory.mails([]) in ([], ())
    assert await memory.readers([]) in ([], ())
    assert await memory.public_among("2026-W40", []) == frozenset()


# ---------------------------------------------------------------- figures


async def test_figures_are_written_in_place_of_what_is_known_of_them_and_no_others(
    memory: Memory, second: Memory
) -> None:
    assert await memory.figures("2026-W47") is None
    assert await memory.keep_figures({"2026-W47": b"first"}, {"2026-W47": None})

    assert not await second.keep_figures({"2026-W47": b"mine", "2026-W48": b"mine"}, {"2026-W47": None})
    assert (await second.figures("2026-W47"), await second.figures("2026-W48")) == (b"first", None)

    both = {"2026-W47": b"second", "2026-W48": b"new"}
    assert await second.keep_figures(both, {"2026-W47": b"first", "2026-W48": None})
    assert not await memory.keep_figures({"2026-W47": b"third"}, {"2026-W47": b"first"})
    assert await memory.all_figures() == both


async def test_figures_of_weeks_that_are_too_old_go(memory: Memory) -> None:
    await memory.keep_figures({"2025-W40": b"old", "2026-W01": b"new"}, {})
    assert await memory.forget_figures("2026-W01") == 1
    assert await memory.forget_figures("2026-W01") == 0
    assert await memory.all_figures() == {"2026-W01": b"new"}
