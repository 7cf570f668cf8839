"""Rule 11 over sockets: a private mail is known again in whatever form it is passed on, by whoever got it and by nobody
else.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from smtpguard.mail.content import unstuffed
from smtpguard.tracing import Tracing
from tests.loopback.guarded import ALL, BERLIN, MEMBERS, PRESS, House, body, guarded
from tests.passing_on import (
    ANSWER,
    PARAGRAPHS,
    POSTED,
    PRIVATE,
    Draft,
    answer,
    attached,
    inline,
    pasted,
    pasted_in_html,
)

ANNA, BEN, CLARA = MEMBERS["anna"], MEMBERS["ben"], MEMBERS["clara"]
COMMISSION = "commission@example.test"
STRANGER = "zoe@elsewhere.test"
_BEGINS = re.compile(r'begins: "(.+?)(?: \.\.\.)?"')
SHOWN_FROM = 20  # so far into a passage its shown words may begin


class Talk:
    """Members who write to one another; `number` tells their mails apart."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._number = 0

    async def send(self, name: str, draft: Draft, *to: str) -> bool:
        """True if it went out, and false if its sender is asked: one of the two happens, and never both."""
        self._number += 1
        before = len(self.house.up.messages), len(self.notices())
        octets = draft.octets(
            f"From: {name.title()} <{MEMBERS[name]}>",
            f"To: {', '.join(to)}",
            "Date: Sun, 22 Nov 2026 10:12:03 +0100",
            f"Message-ID: <{self._number}.{name}@example.test>",
        )
        reply = await self.house.submit(name, list(to), octets=octets)
        assert reply.code == 250, reply
        after = len(self.house.up.messages), len(self.notices())
        assert sum(after) - sum(before) == 1
        return after[0] > before[0]

    async def private(self, text: str = PRIVATE, *fields: str) -> bytes:
        """A mail of Anna to Ben, as the mail server got it."""
        assert await self.send("anna", Draft("The boat house", text, fields), BEN)
        return self.last()

    def last(self) -> bytes:
        return unstuffed((self.house.up.messages[-1].content,))

    def notices(self) -> list[str]:
        """What was asked so far, line breaks aside."""
        notices = [each for each in self.house.own_mail() if str(each["Subject"]).startswith("NOT SENT YET")]
        return [" ".join(body(each).split()) for each in notices]

    def points_at(self, text: str) -> bool:
        """True if the last notice shows the beginning of `text`, or words close to it."""
        found = _BEGINS.search(self.notices()[-1])
        return found is not None and 0 <= " ".join(text.split()).find(found[1]) <= SHOWN_FROM


@asynccontextmanager
async def talk(folder: Path, **changes: Any) -> AsyncIterator[Talk]:
    """A guard that remembers private mail, for members who know."""
    (folder / "roster.txt").write_text("\n".join(MEMBERS.values()) + "\n")
    known = {"remember": "all", "members_informed": "2026-01-01", "roster": "roster.txt"}
    async with guarded(folder, **(known | changes)) as house:
        yield Talk(house)


async def test_a_private_mail_is_not_passed_on_in_any_form(tmp_path: Path) -> None:
    async with talk(tmp_path) as said:
        got = await said.private()
        forms = [
            (inline(got), PRIVATE),
            (attached(got), PRIVATE),
            (answer(got), PRIVATE),
            (pasted("Fence", PARAGRAPHS[1]), PARAGRAPHS[1]),
            (pasted("Fence in a wide window", PARAGRAPHS[0], width=110), PARAGRAPHS[0]),
            (pasted_in_html("Fence in bold", PARAGRAPHS[2]), PARAGRAPHS[2]),
        ]
        for draft, passage in forms:
            for to in ([BERLIN], [ANNA, BERLIN], [CLARA]):
                if to == [CLARA] and draft.subject.startswith("Re: "):
                    continue  # who answers has the other one in To
                assert not await said.send("ben", draft, *to), (draft.subject, to)
                assert "(rule 11)" in said.notices()[-1]
                assert said.points_at(passage), said.notices()[-1]
        assert len(said.house.up.messages) == 1


async def test_a_thread_is_private_even_where_nothing_is_quoted_11_06_and_11_07(tmp_path: Path) -> None:
    for remember in ("threads", "all"):
        folder = tmp_path / remember
        folder.mkdir()
        async with talk(folder, remember=remember) as said:
            got = await said.private()
            reply = answer(got, quoting=False)
            assert not await said.send("ben", reply, ANNA, BERLIN)
            assert await said.send("ben", reply, ANNA, CLARA)
            # "Reply" is also how people find an address again.
            assert await said.send("ben", reply._replace(subject="Soup on Sunday"), BERLIN)
            # Whoever never got it has no thread with it.
            assert await said.send("clara", reply, BERLIN)


async def test_threads_alone_know_no_words(tmp_path: Path) -> None:
    async with talk(tmp_path, remember="threads") as said:
        got = await said.private()
        assert not await said.send("ben", answer(got), ANNA, BERLIN)
        assert await said.send("ben", pasted("Fence", PARAGRAPHS[1]), BERLIN)


async def test_a_list_post_may_be_quoted_and_passed_on(tmp_path: Path) -> None:
    async with talk(tmp_path) as said:
        assert await said.send("clara", Draft("Kitchen", POSTED), BERLIN)
        post = said.last()
        for draft in (answer(post), inline(post), attached(post)):
            for to in (BERLIN, ALL, ANNA):
                assert await said.send("ben", draft, to), (draft.subject, to)
        for to in (BERLIN, ANNA):
            assert await said.send("ben", pasted("Fence", POSTED), to), to


async def test_what_was_posted_as_well_is_no_secret_any_more_11_12(tmp_path: Path) -> None:
    async with talk(tmp_path) as said:
        await said.private()
        assert await said.send("anna", Draft("To all of you", PRIVATE), ALL)
        await memory(said.house)
        assert await said.send("ben", pasted("Fence", PARAGRAPHS[1]), BERLIN)


async def test_ones_own_words_may_go_anywhere(tmp_path: Path) -> None:
    async with talk(tmp_path) as said:
        assert await said.send("ben", Draft("The boat house", PRIVATE), ANNA)
        sent = said.last()
        for draft in (inline(sent), attached(sent), pasted("Fence", PARAGRAPHS[0])):
            for to in (BERLIN, CLARA):
                assert await said.send("ben", draft, to), (draft.subject, to)
        # Anna wrote above it; that is hers.
        assert await said.send("anna", answer(sent, ANSWER), BEN)
        reply = said.last()
        assert not await said.send("ben", inline(reply)._replace(subject="Both of us"), BERLIN)
        assert said.points_at(ANSWER), said.notices()[-1]


async def test_only_who_got_it_is_compared_with_it_T_10_T_11(tmp_path: Path) -> None:
    async with talk(tmp_path) as said:
        got = await said.private()
        for draft in (pasted("Fence", PARAGRAPHS[1]), answer(got, quoting=False)):
            assert await said.send("clara", draft, PRESS)
        assert said.notices() == []


async def test_the_two_may_go_on_and_take_a_third_in_openly_11_03(tmp_path: Path) -> None:
    async with talk(tmp_path) as said:
        got = await said.private()
        assert await said.send("ben", answer(got), ANNA)
        assert await said.send("ben", answer(got), ANNA, CLARA)
        assert not await said.send("ben", answer(got), ANNA, STRANGER)  # 11-24
    (tmp_path / "ask").mkdir()
    async with talk(tmp_path / "ask", defaults={"adding_people": "ask"}) as said:
        got = await said.private()
        assert not await said.send("ben", answer(got), ANNA, CLARA)


async def test_the_author_decides_11_13_11_14(tmp_path: Path) -> None:
    async with talk(tmp_path) as said:
        got = await said.private(f"[may be forwarded]\n\n{PRIVATE}")
        for draft in (inline(got), pasted("Fence", PARAGRAPHS[1])):
            assert await said.send("ben", draft, BERLIN), draft.subject
    (tmp_path / "claimed").mkdir()
    async with talk(tmp_path / "claimed") as said:
        got = await said.private()
        assert not await said.send("ben", inline(got, "[may be forwarded]"), BERLIN)
    (tmp_path / "wish").mkdir()
    async with talk(tmp_path / "wish") as said:
        got = await said.private(PRIVATE, "Sensitivity: Personal")
        assert not await said.send("ben", answer(got), ANNA, CLARA)


async def test_mail_to_a_desk_and_from_one_passes_unseen_T_15(tmp_path: Path) -> None:
    async with talk(tmp_path, desks=[COMMISSION, CLARA]) as said:
        got = await said.private()
        before = await memory(said.house)
        assert sum(map(len, before.values()))
        for draft in (inline(got), pasted("Fence", PARAGRAPHS[1]), answer(got)):
            assert await said.send("ben", draft, COMMISSION)
            assert await said.send("ben", draft, CLARA, STRANGER)
            assert await said.send("clara", draft, STRANGER)
        assert await memory(said.house) == before
        # Nor is it known afterwards.
        assert await said.send("clara", Draft("Once more", "\n\n".join(PARAGRAPHS).replace("boat", "garden")), BEN)
        assert await said.send("ben", pasted("Garden", PARAGRAPHS[0].replace("boat", "garden")), COMMISSION)
        assert await memory(said.house) == before


async def test_it_is_known_after_a_restart(tmp_path: Path) -> None:
    async with talk(tmp_path) as said:
        got = await said.private()
    async with talk(tmp_path) as said:
        for draft in (pasted("Fence", PARAGRAPHS[0]), inline(got), answer(got, quoting=False)):
            assert not await said.send("ben", draft, BERLIN), draft.subject
        assert said.house.up.messages == []


async def test_all_that_is_remembered_goes_with_the_setting(tmp_path: Path) -> None:
    async with talk(tmp_path) as said:
        await said.private()
    async with talk(tmp_path, remember="lists") as said:
        assert await said.send("ben", pasted("Fence", PARAGRAPHS[0]), BERLIN)
    async with talk(tmp_path) as said:
        assert await said.send("ben", pasted("Fence", PARAGRAPHS[1]), BERLIN)


async def test_what_is_held_is_not_known_as_sent_and_what_is_released_is(tmp_path: Path) -> None:
    async with talk(tmp_path) as said:
        await said.private()
        held = pasted("Fence", PARAGRAPHS[1])
        assert not await said.send("ben", held, BERLIN)
        notice = await said.house.letter()
        # A mail that waits is no list post: its words are still private.
        assert not await said.send("ben", pasted("Shed", PARAGRAPHS[1]), PRESS)
        await said.house.answer("ben", notice, "SEND")
        await said.house.out.wait_until(lambda: len(said.house.released()) == 1)
        await memory(said.house)
        # Now everybody has read it.
        assert await said.send("ben", pasted("Hedge", PARAGRAPHS[1]), CLARA)


async def test_nothing_of_it_is_written_down(tmp_path: Path) -> None:
    async with talk(tmp_path) as said:
        got = await said.private()
        assert not await said.send("ben", answer(got), BERLIN)
        assert await said.send("clara", Draft("Kitchen", POSTED), BERLIN)
        await memory(said.house)
        kept = b"\0".join(path.read_bytes() for path in (tmp_path / "state").glob("memory.sqlite3*")).lower()
        kept = kept.replace(b"without rowid", b"")  # the schema's own words
        names = {"anna", "ben@", "clara", "berlin", "example", "boat", "kitchen", "1.anna"}
        for word in {*names, *re.findall(r"[a-z]{6,}", f"{PRIVATE} {POSTED}".lower())}:
            assert word.encode() not in kept, word


async def memory(house: House) -> dict[str, list[tuple[Any, ...]]]:
    """All that is remembered, once it is written."""
    keeper = house.application._keeper
    assert keeper is not None
    await keeper.past.settle()
    connection = sqlite3.connect(f"file:{house.folder}/state/memory.sqlite3?mode=ro", uri=True)
    try:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {each: sorted(connection.execute(f'SELECT * FROM "{each}"'), key=repr) for each in names}
    finally:
        connection.close()
    del found["figures"]  # sealed anew whenever they are written
    return found


async def test_90_09_without_the_memory_plain_mail_goes_on_and_forwards_wait(tmp_path: Path) -> None:
    async with talk(tmp_path) as said:
        (said.house.folder / "state" / "memory.sqlite3").unlink()
        before = len(said.house.up.messages)
        # A stranger's mail may go to persons, but who knows what the memory would say of it.
        ticket = (
            "---------- Forwarded message ---------\nFrom: Zoe <zoe@elsewhere.test>\nDate: Sat, 21 Nov 2026 at 10:12\n"
        )
        ticket += "Subject: Ticket\nTo: Ben <ben@example.test>\n\nYour seats are in the third row, on the left."
        reply = await said.house.submit("ben", [MEMBERS["clara"]], subject="Lunch", body="At one in the usual place?")
        assert reply.code == 250
        reply = await said.house.submit("ben", [MEMBERS["clara"]], subject="Fwd: Ticket", body=ticket)
        assert reply.code == 451
        assert (await said.house.submit("ben", [BERLIN], subject="Roof", body="The roof is mended.")).code == 451
        assert len(said.house.up.messages) == before + 1


async def test_a_bug_in_the_memory_asks_the_sender_and_lets_mail_to_persons_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise ZeroDivisionError

    async with talk(tmp_path) as said:
        monkeypatch.setattr(Tracing, "compare", failing)
        assert not await said.send("ben", Draft("Roof", "The roof of the boat house is mended."), BERLIN)
        assert await said.send("ben", Draft("Roof", "The roof of the boat house is mended."), CLARA)
