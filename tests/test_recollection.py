"""The memory over weeks: keys made and erased, windows, threads that outlive a week, bounds, trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smtpguard.held import HeldMail
from smtpguard.keys import KeyFolder
from smtpguard.lists import Audience, Burst, MailingList, Manager
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.bounds import Bounds
from smtpguard.mail.envelope import Envelope, parse_path
from smtpguard.mail.message import UNASKABLE, Account, Message, Passage, Submission, Voice
from smtpguard.origins import Origins
from smtpguard.past import Past
from smtpguard.policy import Policy
from smtpguard.recollection import PENDING_MAX, Recalled, Recollection
from smtpguard.store import StoreError
from smtpguard.store.memory import SQLiteMemory

MONDAY = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
TEXT = " ".join(f"word{number}" for number in range(50))


def address(text: str) -> Address:
    found = parse_address(text)
    assert found is not None
    return found


def a_list(name: str) -> MailingList:
    return MailingList(name, address(f"{name}@lists.example.test"), Manager.MAILMAN3, name, "x@example.test")


POLICY = Policy(tuple(map(a_list, ("berlin", "press", "all"))), desks=frozenset({address("commission@example.test")}))
ANNA = Account("anna", address("anna@example.test"))
BEN = Account("ben", address("ben@example.test"))


class House:
    """A recollection with a clock and a policy that tests set."""

    def __init__(self, folder: Path, store: SQLiteMemory) -> None:
        self.now = MONDAY
        self.policy = POLICY
        self.remembers = True
        self.folder = folder / "keys"
        self.store = store
        self.recollection = Recollection(
            store, KeyFolder(self.folder, "memory"), KeyFolder(self.folder, "posted"), lambda: self.policy,
            remembers=lambda: self.remembers, clock=lambda: self.now, write_seconds=0.01,
        )  # fmt: skip

    async def recall(
        self, to: Iterable[str], text: str = TEXT, account: Account | None = ANNA, message_id: str | None = None,
        references: tuple[str, ...] = (), header: Iterable[str] = (),
    ) -> Recalled:  # fmt: skip
        recipients = tuple(address(each if "@" in each else f"{each}@lists.example.test") for each in to)
        message = Message(
            message_id=message_id, references=references, passages=(Passage(Voice.OWN, text),),
            destinations=tuple(map(address, header)),
        )  # fmt: skip
        submission = Submission("1", account, recipients, message, self.now, 1000)
        return await self.recollection.recall(submission, self.policy)

    async def post(self, *to: str, **parts: object) -> Recalled:
        recalled = await self.recall(to, **parts)  # type: ignore[arg-type]
        self.recollection.keep(recalled)
        await self.recollection.settle()
        return recalled

    def key_names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = await SQLiteMemory.open(tmp_path / "state" / "memory.sqlite3", lambda: MONDAY)
    made = House(tmp_path, store)
    yield made
    await made.recollection.close()


async def test_12_12_a_post_is_alike_for_the_window_and_its_own_account_only(house: House) -> None:
    await house.post("berlin")
    house.now += 6 * DAY + 23 * timedelta(hours=1)  # the next week, under another key

    (earlier,) = (await house.recall(["press"])).evidence.earlier
    assert (earlier.lists, earlier.similarity, earlier.own_words, earlier.when, earlier.taken) == (
        ("berlin",), 1.0, 50, MONDAY, True
    )  # fmt: skip
    assert (await house.recall(["press"], account=BEN)).evidence.earlier == ()
    assert (await house.recall(["berlin"])).evidence.earlier == ()
    assert (await house.recall(["press"], text="something else " * 30)).evidence.earlier == ()
    house.now += timedelta(hours=2)
    assert (await house.recall(["press"])).evidence.earlier == ()


async def test_threads_keep_home_and_decisions_over_weeks(house: House) -> None:
    await house.post("berlin", message_id="<root@x>")
    house.now += 20 * DAY
    first = await house.post("berlin", text="yes", message_id="<a@x>", references=("<root@x>",), account=BEN)
    assert first.evidence.thread is not None
    assert first.evidence.thread.home == "berlin"
    house.now += 20 * DAY  # the root is forgotten, its answer is not
    later = await house.recall(["press", "berlin"], references=("<a@x>", "<root@x>"))
    assert later.evidence.thread is not None
    assert later.evidence.thread.home == "berlin"
    assert (await house.recall(["berlin"], references=("<nobody@x>",))).evidence.thread is None


async def test_an_unknown_thread_has_no_home(house: House) -> None:
    await house.post("press", message_id="<a@x>", references=("<unseen@x>",))
    thread = (await house.recall(["press"], references=("<a@x>",))).evidence.thread
    assert thread is not None
    assert thread.home is None


async def test_12_21_a_set_that_went_together_is_known_in_its_thread(house: House) -> None:
    await house.post("berlin", "press", message_id="<root@x>")
    thread = (await house.recall(["press"], references=("<root@x>",))).evidence.thread
    assert thread is not None
    assert thread.together == (frozenset({"berlin", "press"}),)
    assert thread.home is None


async def test_12_27_an_accounts_mails_to_a_thread_are_counted(house: House) -> None:
    house.policy = replace(POLICY, burst=Burst(5, timedelta(hours=1)))
    await house.post("berlin", message_id="<root@x>")
    for number in range(3):
        house.now += timedelta(minutes=10)
        await house.post("berlin", message_id=f"<{number}@x>", references=("<root@x>",))
    await house.post("berlin", account=BEN, references=("<root@x>",))
    for minutes, count in ((0, 4), (31, 3), (60, 0)):
        house.now += timedelta(minutes=minutes)
        thread = (await house.recall(["berlin"], references=("<root@x>",))).evidence.thread
        assert thread is not None
        assert thread.recent == count


async def test_12_25_is_counted_only_where_it_is_asked(house: House) -> None:
    await house.post("berlin")
    house.now += 200 * DAY
    assert (await house.recall(["press"])).evidence.posted_to is None
    house.policy = replace(POLICY, first_post_asks=True)
    assert (await house.recall(["press"])).evidence.posted_to == frozenset({"berlin"})
    assert (await house.recall(["press"], account=BEN)).evidence.posted_to == frozenset()


async def test_T_13_who_has_posted_to_a_closed_list_is_known_as_its_reader(house: House) -> None:
    closed = replace(a_list("all"), audience=Audience.CLOSED)
    house.policy = replace(POLICY, lists=(a_list("berlin"), a_list("press"), closed))
    assert closed.id not in ((await house.recall(["berlin"])).evidence.posted_to or ())
    await house.post("all")
    assert closed.id in ((await house.recall(["berlin"])).evidence.posted_to or ())
    assert closed.id not in ((await house.recall(["berlin"], account=BEN)).evidence.posted_to or ())


async def test_a_list_that_was_renamed_is_known_under_its_new_name(house: House) -> None:
    await house.post("berlin")
    renamed = replace(a_list("city"), was="berlin")
    house.policy = replace(POLICY, lists=(renamed, a_list("press")))
    (earlier,) = (await house.recall(["press"])).evidence.earlier
    assert earlier.lists == ("city",)


async def test_keys_and_rows_go_when_their_time_is_over(house: House) -> None:
    await house.post("berlin", message_id="<root@x>")
    assert house.key_names() == ["memory-2026-W47.key", "posted-2026-W47.key"]
    house.now = MONDAY + 29 * DAY
    await house.recollection.forget()
    assert "memory-2026-W47.key" in house.key_names()
    assert (await house.recall(["press"], references=("<root@x>",))).evidence.thread is not None

    house.now = MONDAY + 38 * DAY  # thread_memory beyond the Sunday of that week
    await house.recollection.forget()
    assert "memory-2026-W47.key" not in house.key_names()
    assert "posted-2026-W47.key" in house.key_names()
    assert (await house.recall(["press"], references=("<root@x>",))).evidence.thread is None

    house.now = MONDAY + 375 * DAY
    await house.recollection.forget()
    assert "posted-2026-W47.key" not in house.key_names()
    house.policy = replace(POLICY, first_post_asks=True)
    assert (await house.recall(["press"])).evidence.posted_to == frozenset()


async def test_without_its_key_a_week_is_unreadable_at_once(house: House) -> None:
    await house.post("berlin", message_id="<root@x>")
    house.policy = replace(POLICY, window=60 * DAY, first_post_asks=True)
    house.now += 7 * DAY
    KeyFolder(house.folder, "memory").erase_weeks("2026-W48")
    KeyFolder(house.folder, "posted").erase_weeks("2026-W48")
    found = (await house.recall(["press"], references=("<root@x>",))).evidence
    assert (found.earlier, found.thread, found.posted_to) == ((), None, frozenset())


async def test_mail_to_persons_desks_and_of_nobody_is_neither_asked_about_nor_kept(house: House) -> None:
    desk = Account("commission", address("commission@example.test"))
    for to, account in (
        (["ben@example.test"], ANNA), (["berlin", "commission@example.test"], ANNA), (["berlin"], desk),
        (["berlin"], UNASKABLE), (["berlin"], None),
    ):  # fmt: skip
        recalled = await house.recall(to, account=account)
        assert (recalled.mail, recalled.complete) == (None, True)
    split = await house.recall(["berlin"], header=["berlin@lists.example.test", "commission@example.test"])
    assert (split.mail, split.complete) == (None, True)
    assert not house.folder.exists() or house.key_names() == []


async def test_forgetting_everything_leaves_neither_rows_nor_keys_and_it_can_begin_anew(house: House) -> None:
    await house.post("berlin")
    house.remembers = False
    await house.recollection.sweep()
    assert house.key_names() == []
    assert (await house.post("press")).mail is None
    house.remembers = True
    assert (await house.post("press")).evidence.earlier == ()
    assert len((await house.recall(["all"])).evidence.earlier) == 1


async def test_90_09_a_store_that_does_not_answer_is_said_and_nothing_is_known(house: House) -> None:
    await house.store.close()
    recalled = await house.recall(["berlin"])
    assert not recalled.complete
    assert recalled.evidence.earlier == ()


async def test_90_09_a_folder_of_keys_that_cannot_be_used_is_said(house: House) -> None:
    house.folder.rmdir()
    assert not (await house.recall(["berlin"])).complete


class Refusing:
    """A store that refuses to write until it is told otherwise."""

    def __init__(self, store: SQLiteMemory) -> None:
        self._store = store
        self.refuses = True
        self.refused = asyncio.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def remember(self, posts: object, posters: object) -> None:
        if self.refuses:
            self.refused.set()
            raise StoreError("full")
        await self._store.remember(posts, posters)  # type: ignore[arg-type]


async def test_90_09_what_cannot_be_written_waits_counts_and_is_bounded(house: House) -> None:
    refusing = Refusing(house.store)
    house.recollection._store = refusing  # type: ignore[assignment]
    recalled = await house.recall(["berlin"])
    for _ in range(PENDING_MAX + 10):
        house.recollection.keep(recalled)
    await refusing.refused.wait()
    assert len(house.recollection._waiting) == PENDING_MAX
    assert len((await house.recall(["press"])).evidence.earlier) >= 1
    refusing.refuses = False
    await house.recollection.settle()
    assert len(house.recollection._waiting) == 0
    assert len((await house.recall(["press"])).evidence.earlier) >= 1


async def test_at_most_some_fingerprints_are_kept_of_a_huge_text(house: House) -> None:
    recalled = await house.recall(["berlin"], text=" ".join(f"w{number}" for number in range(200_000)))
    assert recalled.mail is not None
    post = recalled.mail.to_keep(None).post
    assert 7_000 < len(post.fingerprints) <= 8_000
    long = ("x" * 200,) * 1 + tuple(f"<{number}@x>" for number in range(500))
    answer = await house.recall(["berlin"], references=long)
    assert answer.mail is not None
    assert len(answer.mail.to_keep(None).marks.links) <= 5


@pytest.mark.parametrize(("bounds", "known"), [(Bounds(), 1), (Bounds(text=100), 0)])
async def test_what_was_released_is_kept_as_far_as_it_is_looked_into(house: House, bounds: Bounds, known: int) -> None:
    house.policy = replace(POLICY, bounds=bounds)
    path, recipient = parse_path("FROM:<anna@example.test>"), parse_path("TO:<berlin@lists.example.test>")
    assert path is not None
    assert recipient is not None
    held = HeldMail(
        "1", ANNA, Envelope(path, (recipient,)), "x", None, (), (), (1,), MONDAY, MONDAY + DAY,
        wire=f"Subject: x\r\n\r\n{TEXT}\r\n".encode(),
    )  # fmt: skip
    origins = Origins(
        house.store, KeyFolder(house.folder, "private"), KeyFolder(house.folder, "public"), lambda: house.policy,
        is_post=house.recollection.is_post, clock=lambda: house.now, write_seconds=0.01,
    )  # fmt: skip
    past = Past(house.recollection, origins, lambda: house.policy, lambda: house.now)
    past.released(held, (0,), None)
    await past.settle()
    assert len((await house.recall(["press"])).evidence.earlier) == known
