"""A few tries of each fault; `make torture` has many. Also: the judge of all of them sees what it is there to see."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from smtpguard.failpoints import POINTS
from tests.loopback.fake_upstream import FakeUpstream, Message
from tests.torture import kills
from tests.torture.broken_stores import broken_store
from tests.torture.ledger import Account, Ledger, row_id
from tests.torture.outboxes import notice_not_sent
from tests.torture.report import as_markdown, as_text
from tests.torture.signals import ended_under_load, reloaded_under_load
from tests.torture.synced import synced_before_the_250, unsynced
from tests.torture.workers import killed_in_releases, killed_under_load

CODE = "mailcheck+" + "A" * 52 + "@check.example.test"


async def good(played: Awaitable[Account]) -> None:
    account = await played
    if account.note.startswith("skipped: "):
        pytest.skip(account.note.removeprefix("skipped: "))
    print(as_text([account], 0))
    assert account.good, as_text([account], 0)
    assert account.tries


@pytest.mark.slow
async def test_killed_at_random_moments_under_load() -> None:
    await good(kills.at_random_moments(2))


@pytest.mark.slow
async def test_workers_killed_under_load() -> None:
    await good(killed_under_load(3))


@pytest.mark.slow
async def test_workers_killed_at_each_step_of_a_release() -> None:
    await good(killed_in_releases(1))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["disk full", "database and folder read-only", "input/output errors"])
async def test_a_store_that_fails_for_a_while(name: str) -> None:
    await good(broken_store(name, 1, seconds=1))


@pytest.mark.slow
async def test_a_database_that_is_locked_for_a_while() -> None:
    await good(broken_store("database locked by another process", 1, seconds=3))


@pytest.mark.slow
async def test_signals_under_load() -> None:
    await good(ended_under_load(1))
    await good(reloaded_under_load(1))


@pytest.mark.slow
async def test_notices_that_cannot_be_sent() -> None:
    await good(notice_not_sent(1))


@pytest.mark.slow
async def test_holds_are_on_the_disk_before_their_250() -> None:
    await good(synced_before_the_250(5))


def test_every_step_is_among_the_steps() -> None:
    assert {each for each in POINTS if not each.startswith("remember.")} == set(kills.STEPS)


# ------------------------------------------------------------ the judge


def message(content: bytes, *, own: bool = False) -> Message:
    return Message(
        b"FROM:<>" if own else b"FROM:<a@example.test>", (b"TO:<b@example.test>",), content, None, b"250 ok\r\n"
    )


def judged(
    *, holds: bool, code: int = 250, word: str = "", up: int = 0, out: int = 0, row: str | None = None
) -> Account:
    """The account of one mail of which so many copies have come."""
    ledger, servers = Ledger(), (FakeUpstream(), FakeUpstream())
    mail = ledger.new("anna@example.test", ["berlin@lists.example.test"], holds=holds)
    mail.code, mail.word = code, word
    for server, copies in zip(servers, (up, out), strict=True):
        server.messages += [message(mail.content)] * copies
    if row is not None:
        servers[1].messages.append(message(f"Reply-To: <{CODE}>\r\nSubject: Paper 000000\r\n".encode(), own=True))
    for server in servers:
        server.arrived += server.messages
    account = Account("one mail")
    ledger.judge(account, *servers, {} if row is None else {row_id(CODE): row})
    return account


@pytest.mark.parametrize(
    "found",
    [
        {"holds": False, "up": 1},
        {"holds": False, "code": 451},
        {"holds": False, "code": 0, "up": 1},
        {"holds": True, "row": "held"},
        {"holds": True, "row": "sent", "word": "SEND", "out": 1},
        {"holds": True, "row": "discarded", "word": "DISCARD"},
        {"holds": True, "code": 451},
    ],
)
def test_the_judge_finds_nothing_where_all_is_well(found: dict[str, object]) -> None:
    assert judged(**found).good  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("lost", {"holds": False}),
        ("lost", {"holds": True}),
        ("lost", {"holds": True, "row": "expired"}),
        ("duplicated", {"holds": False, "up": 2}),
        ("duplicated", {"holds": False, "code": 451, "up": 1}),
        ("duplicated", {"holds": True, "row": "sent", "word": "SEND", "out": 2}),
        ("leaked", {"holds": True, "row": "held", "up": 1}),
        ("leaked", {"holds": True, "row": "held", "out": 1}),
        ("leaked", {"holds": True, "row": "discarded", "word": "DISCARD", "out": 1}),
        ("leaked", {"holds": False, "up": 1, "out": 1}),
    ],
)
def test_the_judge_sees_what_is_lost_doubled_and_leaked(how: str, found: dict[str, object]) -> None:
    account = judged(**found)  # type: ignore[arg-type]

    assert 1 == getattr(account, how)
    assert not account.good
    assert "1 WRONG" in as_text([account], 0)
    assert f"{how}: Mail(" in as_text([account], 0)


# A copy, and letters: the one that asks for another word, the result of another release, and one that says nothing.
TOLD, TWICE, RESULT = "it may have gone\r\nout. If not, answer", "it may have gone out twice", "has been sent"


def told(*came: str, deaths: int, words: int, row: str = "sent") -> tuple[Account, list[int]]:
    """The account of one released mail of which copies ("copy") and letters have come in this order, and what would
    be untold while the guard is at work."""
    ledger, out = Ledger(), FakeUpstream()
    mail = ledger.new("anna@example.test", ["berlin@lists.example.test", "all@lists.example.test"], holds=True)
    out.messages.append(message(f"Reply-To: <{CODE}>\r\nSubject: Paper 000000\r\n".encode(), own=True))
    out.messages += [
        message(mail.content) if each == "copy" else message(f"Subject: Paper 000000\r\n\r\n{each}".encode(), own=True)
        for each in came
    ]
    out.arrived += out.messages
    mail.code = mail.answered = 250
    for _ in range(words):
        ledger.new_answer(mail, CODE, "SEND")
    for _ in range(deaths):
        ledger.allow_copies_of({row_id(CODE), bytes(32)}, out)
    account, rows = Account("one mail"), {row_id(CODE): row}
    ledger.judge(account, FakeUpstream(), out, rows)
    return account, ledger.untold(out, rows)


def test_the_judge_allows_a_second_copy_after_a_death_by_another_word_that_she_is_told_of() -> None:
    for came in (["copy", "copy", TWICE], ["copy", TOLD, "copy", RESULT], ["copy", TOLD, "copy", TWICE]):
        assert told(*came, deaths=1, words=2)[0].good
    assert told("copy", "copy", "copy", TWICE, deaths=2, words=3)[0].good


@pytest.mark.parametrize(
    ("came", "deaths", "words"),
    [
        (["copy", "copy", TWICE], 0, 2),
        (["copy", TOLD, "copy", TWICE], 1, 1),
        (["copy", "copy", RESULT], 1, 2),
        ([TOLD, "copy", "copy"], 1, 2),
        (["copy", TOLD, "copy", "copy"], 2, 3),
        (["copy", "copy", "copy", TWICE], 1, 3),
    ],
    ids=["no death", "no word", "not told", "told before", "told of the second only", "more than deaths"],
)
def test_the_judge_allows_no_other(came: list[str], deaths: int, words: int) -> None:
    assert 1 == told(*came, deaths=deaths, words=words)[0].duplicated


def test_she_may_yet_be_told_of_what_is_not_decided() -> None:
    assert [] == told("copy", "copy", deaths=1, words=2, row="sending")[1]
    assert [0] == told("copy", "copy", deaths=1, words=2)[1]
    assert [] == told("copy", "copy", TWICE, deaths=1, words=2)[1]


def test_a_log_that_is_written_after_its_last_sync_is_seen() -> None:
    write = '7 pwrite64(5</s/holds.sqlite3-wal>, "...", 4096, 0) = 4096'
    synced = ["7 fdatasync(5</s/holds.sqlite3-wal> <unfinished ...>", "7 <... fdatasync resumed>) = 0"]
    notice, reply = '7 write(9<socket:[1]>, "Reply-To: ..."', '7 write(8<socket:[2]>, "250 2.0.0 NOT SENT YET: please'

    assert [False] == list(unsynced([write, *synced, notice, write, *synced, reply]))
    assert [True] == list(unsynced([write, *synced, notice, write, reply]))
    assert [True] == list(unsynced([write, notice, *synced, reply]))
    assert [True] == list(unsynced([notice, reply]))


def test_the_table_for_a_readme_has_a_row_for_each_fault() -> None:
    table = as_markdown([Account("one", tries=2), Account("two", lost=1, wrong=["lost"])], 1)

    assert "| one | 2 | 0 | 0 | 0 | 0 | ok |" in table
    assert "| two | 0 | 0 | 1 |" in table
    assert "1 WRONG" in table
