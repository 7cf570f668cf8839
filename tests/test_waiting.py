"""Posts that wait to be written are known at once, and each is found by its account, its thread and who posted it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from smtpguard.fingerprints import Fingerprinter, to_octets, words_of
from smtpguard.remembered import Poster, Question, Recollected, RememberedPost
from smtpguard.waiting import LOOKED_AT_MAX, UNREAD_MAX, Waiting, WaitingPost

NOW = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ANNA, BEN = b"anna", b"ben"
BERLIN, PRESS = b"berlin", b"press"
NOTHING = Recollected()


TEXT = "The meeting on Thursday begins at seven and not at eight"
FINGERPRINTER = Fingerprinter(b"k" * 32)


def post(minute: int, account: bytes = ANNA, *lists: bytes, links: tuple[bytes, ...] = ()) -> RememberedPost:
    """As it is found once its text has been read."""
    words = words_of(TEXT)
    fingerprints = to_octets(FINGERPRINTER.windows(words))
    when = NOW + minute * MINUTE
    return RememberedPost(
        "2026-W47", when, account, lists or (BERLIN,), links=links, words=len(words), fingerprints=fingerprints
    )


def unread(each: RememberedPost) -> RememberedPost:
    return replace(each, words=0, fingerprints=b"")


def asks(*same_lists: tuple[bytes, ...], links: tuple[bytes, ...] = (), posters: tuple[bytes, ...] = ()) -> Question:
    return Question((ANNA,), NOW, same_lists, links, NOW, NOW, posters)


def waiting_for(*posts: RememberedPost) -> Waiting:
    waiting = Waiting()
    for each in posts:
        poster = Poster(each.week, each.account, each.lists)
        waiting.add(WaitingPost(unread(each), poster, TEXT, FINGERPRINTER))
    return waiting


def test_12_12_only_posts_of_the_account_to_other_lists_are_compared() -> None:
    mine = post(1, ANNA, PRESS)
    waiting = waiting_for(post(0), mine, post(2, BEN, PRESS))
    assert waiting.joined(asks((BERLIN,)), NOTHING).earlier == (mine,)


def test_nothing_is_compared_where_no_text_is_asked_about() -> None:
    assert waiting_for(post(0)).joined(Question((ANNA,)), NOTHING) == NOTHING


def test_12_18_a_post_with_several_links_of_a_thread_is_told_once_and_the_oldest_first() -> None:
    first, second = post(0, BEN, links=(b"1", b"2")), post(1, BEN, links=(b"2", b"3"))
    answer = waiting_for(first, second).joined(asks(links=(b"3", b"2", b"1")), NOTHING)
    assert tuple(map(unread, answer.thread)) == (unread(first), unread(second))


def test_what_was_written_a_moment_ago_is_not_told_twice() -> None:
    both = post(0, links=(b"1",))
    found = Recollected(earlier=(both,), thread=(both,))
    assert waiting_for(both).joined(asks(links=(b"1",)), found) == found


def test_12_25_who_posted_where_is_known() -> None:
    waiting = waiting_for(post(0, ANNA, PRESS), post(1, BEN))
    assert waiting.joined(asks(posters=(ANNA,)), NOTHING).posted_to == (Poster("2026-W47", ANNA, (PRESS,)),)


def test_what_is_written_waits_no_longer_and_the_rest_does() -> None:
    posts = [post(each, links=(b"1",)) for each in range(3)]
    waiting = waiting_for(*posts)
    assert [each for each, _ in waiting.first(2)] == posts[:2]
    waiting.drop(2)
    assert len(waiting) == 1
    assert waiting.first(5) == ((posts[2], Poster("2026-W47", ANNA, (BERLIN,))),)
    assert waiting.joined(asks(links=(b"1",)), NOTHING) == Recollected((posts[2],), (posts[2],))
    waiting.drop(5)
    assert len(waiting) == 0
    assert waiting.joined(asks(links=(b"1",), posters=(ANNA,)), NOTHING) == NOTHING


def test_of_very_many_the_newest_are_looked_at() -> None:
    posts = [post(each, ANNA, PRESS, links=(b"1",)) for each in range(LOOKED_AT_MAX + 5)]
    answer = waiting_for(*posts).joined(asks(links=(b"1",)), NOTHING)
    assert answer.earlier == tuple(posts[5:])
    assert tuple(map(unread, answer.thread)) == tuple(map(unread, posts[5:]))


def test_a_text_is_read_the_same_whether_it_is_wanted_at_once_later_or_to_be_written() -> None:
    posts = [post(each, ANNA, PRESS) for each in range(UNREAD_MAX + 2)]
    waiting = waiting_for(*posts)
    assert waiting.joined(asks(), NOTHING).earlier == tuple(posts)
    assert [each for each, _ in waiting.first(len(posts))] == posts
    assert [each for each, _ in waiting_for(*posts).first(len(posts))] == posts


def test_too_short_a_text_leaves_no_fingerprints() -> None:
    waiting = Waiting()
    waiting.add(WaitingPost(unread(post(0)), Poster("2026-W47", ANNA, (BERLIN,)), "See you", FINGERPRINTER))
    assert [(each.words, each.fingerprints) for each, _ in waiting.first(1)] == [(0, b"")]


def test_no_more_than_some_texts_wait_to_be_read() -> None:
    waiting = Waiting()
    added = [
        WaitingPost(unread(post(each)), Poster("2026-W47", ANNA, (BERLIN,)), TEXT, FINGERPRINTER)
        for each in range(3 * UNREAD_MAX)
    ]
    for each in added:
        waiting.add(each)
        assert sum(not one.marks.words for one in added[: len(waiting)]) < UNREAD_MAX
