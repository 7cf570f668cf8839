"""A worker that dies in a release: what the others and its successor do with the mail, and what its sender is told."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.guarded import ALL, BERLIN, body, mail, parsed
from tests.loopback.test_kill import notices, released
from tests.loopback.test_workers import hold
from tests.loopback.working import Workers, send, until_stopped, working
from tests.web.site import ORIGIN, Answer, PageSite, code_of

pytestmark = pytest.mark.slow

ANSWERS = 1
# More than sockets hold: a mail server that stands still keeps the rest of it from going out.
LARGE = "A line of a large mail that is on its way.\n" * 200_000
PAGE: dict[str, Any] = {"web": {"listen": "127.0.0.1:0"}, "public_url": ORIGIN}


def letters(place: Workers) -> list[str]:
    """What the guard has written beside notices, each in one line."""
    own = [parsed(each) for each in place.out.messages if each.mail.startswith(b"FROM:<>")]
    return [" ".join(body(each).split()) for each in own if each["Reply-To"] is None]


async def letter(place: Workers, number: int) -> str:
    """The `number`th of them, waited for."""
    await place.out.wait_until(lambda: len(letters(place)) >= number)
    return letters(place)[number - 1]


def answer(address: str, number: int = 1) -> bytes:
    """The `number`th answer that Anna has written. What a mail server brings again is the same to the octet."""
    return mail("anna", [address], subject=f"Re: {number}", body="SEND")


async def handed(place: Workers, worker: int, address: str, octets: bytes) -> bytes:
    """What `worker` says to an answer that the mail server hands on."""
    return await send(await place.session(worker, name=None, door=ANSWERS), "anna", [address], octets)


async def stops(place: Workers, worker: int, doing: asyncio.Task[Any]) -> None:
    """Wait until `worker` stands still in what is being done."""
    await until_stopped(worker)
    assert not doing.done()


async def done(worker: int, doing: asyncio.Task[Any]) -> Any:
    """What comes of it where `worker` stands still once and goes on."""
    await until_stopped(worker)
    os.kill(worker, signal.SIGCONT)
    return await doing


async def dies(place: Workers, worker: int, doing: asyncio.Task[Any]) -> list[int]:
    """Kill `worker`, and wait for the one that takes its place; the workers, whoever has outlived it first."""
    others = [each for each in place.pids if each != worker]
    starts = place.guard.log.count(b"event=started")
    place.kill(worker)
    said = (await asyncio.gather(doing, return_exceptions=True))[0]
    assert isinstance(said, Exception), said  # nobody was told anything
    await place.until_logged(b"event=started", starts + 1)
    return others + [each for each in place.pids if each not in others]


@asynccontextmanager
async def died(
    folder: Path, step: str, victim: int, door: int = ANSWERS, **changes: Any
) -> AsyncIterator[tuple[Workers, list[int], str]]:
    """The worker `victim` of two was killed at `step` of the release that the first answer asked for: the place, the
    workers there are now, and the address for answers."""
    async with working(folder, stop_at=step, **changes) as place:
        worker = place.pids[victim]
        address = await hold(place, worker)
        session = await place.session(worker, name=None if door == ANSWERS else "anna", door=door)
        doing = asyncio.create_task(send(session, "anna", [address], answer(address)))
        await stops(place, worker, doing)
        yield place, await dies(place, worker, doing), address


# ------------------------------------------------------------ killed between dot and mark


@pytest.mark.parametrize("victim", [0, 1], ids=["the one that leads", "another"])
@pytest.mark.parametrize("step", ["release.sent", "release.sending"])
async def test_an_answer_that_the_mail_server_brings_again_is_no_second_word(
    tmp_path: Path, step: str, victim: int
) -> None:
    async with died(tmp_path, step, victim) as (place, workers, address):
        gone_out = step == "release.sent"
        assert gone_out == released(place.out)
        assert [] == letters(place)  # nobody does anything by himself

        for number, worker in enumerate(workers, 1):
            assert (await handed(place, worker, address, answer(address))).startswith(b"250")
            assert gone_out == released(place.out)
            assert "it may have gone out. Please look whether it has." in await letter(place, number)

        # What she writes when she has been told is one, and its result says it again.
        said = await done(workers[0], asyncio.create_task(handed(place, workers[0], address, answer(address, 2))))
        assert said.startswith(b"250")
        assert gone_out + 1 == released(place.out)
        assert "may have gone out twice" in await letter(place, 3)
        for octets in (answer(address), answer(address, 2)):
            assert (await handed(place, workers[1], address, octets)).startswith(b"250")
        assert gone_out + 1 == released(place.out)


async def test_each_answer_whose_release_was_cut_off_is_known_again(tmp_path: Path) -> None:
    async with died(tmp_path, "release.sent", 1) as (place, workers, address):
        doing = asyncio.create_task(handed(place, workers[1], address, answer(address, 2)))
        await stops(place, workers[1], doing)
        workers = await dies(place, workers[1], doing)
        assert 2 == released(place.out)

        for number in (1, 2):
            assert (await handed(place, workers[0], address, answer(address, number))).startswith(b"250")
        assert 2 == released(place.out)
        assert all(["may have gone out." in await letter(place, number) for number in (1, 2)])


async def test_the_mail_server_brings_it_again_until_its_sender_can_be_told(tmp_path: Path) -> None:
    async with died(tmp_path, "release.sent", 1) as (place, workers, address):
        place.out.on("END", reply=b"451 4.3.0 later\r\n", times=1)
        assert (await handed(place, workers[0], address, answer(address))).startswith(b"451")
        assert [] == letters(place)

        assert (await handed(place, workers[0], address, answer(address))).startswith(b"250")
        assert "it may have gone out." in await letter(place, 1)
        assert 1 == released(place.out)


async def test_a_second_word_that_was_refused_for_now_is_still_hers_and_what_was_before_is_not_forgotten(
    tmp_path: Path,
) -> None:
    async with died(tmp_path, "release.sent", 1) as (place, workers, address):
        for stage in ("RCPT", "END"):
            place.out.on(stage, reply=b"451 4.3.0 later\r\n", times=1)
            assert (await handed(place, workers[0], address, answer(address, 2))).startswith(b"451")
        assert 1 == released(place.out)

        # The mail server brings both again.
        assert (await handed(place, workers[0], address, answer(address))).startswith(b"250")
        assert 1 == released(place.out)
        said = await done(workers[0], asyncio.create_task(handed(place, workers[0], address, answer(address, 2))))
        assert said.startswith(b"250")
        assert 2 == released(place.out)
        assert "may have gone out twice" in await letter(place, 2)


async def test_an_answer_in_her_own_session_acts_and_says_that_it_may_have_gone_out_twice(tmp_path: Path) -> None:
    async with died(tmp_path, "release.sent", 1, door=0) as (place, workers, address):
        session = await place.session(workers[0])
        doing = asyncio.create_task(send(session, "anna", [address], answer(address)))
        assert (await done(workers[0], doing)).startswith(b"250")

        assert 2 == released(place.out)
        assert "may have gone out twice" in await letter(place, 1)


async def test_the_page_shows_that_it_may_have_gone_out_before_a_word_can_be_typed(tmp_path: Path) -> None:
    async with died(tmp_path, "release.sent", 1, **PAGE) as (place, workers, address):
        site = PageSite(place.page_port)
        view = await site.show(address.partition("+")[2].partition("@")[0])
        assert "may have gone out already" in view.words

        typed = await done(workers[0], asyncio.create_task(site.type(view, "SEND")))
        assert "it may have gone out twice" in typed.words
        assert 2 == released(place.out)
        assert (await handed(place, workers[0], address, answer(address))).startswith(b"250")
        assert 2 == released(place.out)


async def test_a_release_of_the_pages_that_was_cut_off_is_no_answer_that_comes_again(tmp_path: Path) -> None:
    async with working(tmp_path, stop_at="release.sent", **PAGE) as place:
        leader, other = place.pids
        address = await hold(place, other)
        site, view = await page(place)
        doing = asyncio.create_task(site.type(view, "SEND"))
        await stops(place, leader, doing)
        # At the same moment by mail: somebody is at it.
        assert (await handed(place, other, address, answer(address))).startswith(b"451")
        workers = await dies(place, leader, doing)

        # SEMANTICS c6: the next answer acts, and its result says so.
        said = await done(workers[0], asyncio.create_task(handed(place, workers[0], address, answer(address))))
        assert said.startswith(b"250")
        assert 2 == released(place.out)
        assert "may have gone out twice" in await letter(place, 1)


async def page(place: Workers) -> tuple[PageSite, Answer]:
    """The page, and its view of the newest held mail."""
    notice = [each for each in place.out.messages if b"Reply-To:" in each.content][-1]
    site = PageSite(place.page_port)
    return site, await site.show(code_of(parsed(notice)))


# ------------------------------------------------------------ killed before the dot, and after the mark


@pytest.mark.parametrize("victim", [0, 1], ids=["the one that leads", "another"])
async def test_a_release_that_was_only_claimed_is_done_by_the_same_answer(tmp_path: Path, victim: int) -> None:
    async with died(tmp_path, "release.claimed", victim) as (place, workers, address):
        assert 0 == released(place.out)
        said = await done(workers[0], asyncio.create_task(handed(place, workers[0], address, answer(address))))

        assert said.startswith(b"250")
        assert 1 == released(place.out)
        assert "may have gone out" not in await letter(place, 1)


@pytest.mark.parametrize("stage", ["DATA", "CONTENT"])
async def test_a_release_killed_before_the_dot_is_done_by_the_same_answer(tmp_path: Path, stage: str) -> None:
    async with working(tmp_path) as place:
        leader, other = place.pids
        session = await place.session(leader)
        octets = mail("anna", [BERLIN, ALL], body=LARGE)
        assert (await send(session, "anna", [BERLIN, ALL], octets)).startswith(b"250")
        address = notices(place.out)[-1]
        place.out.on(stage, then="stall", times=1)
        session = await place.session(other, name=None, door=ANSWERS)
        doing = asyncio.create_task(send(session, "anna", [address], answer(address)))
        await place.out.wait_until(lambda: any(each.in_content for each in place.out.open_sessions))
        workers = await dies(place, other, doing)
        place.out.go_on()
        await place.out.wait_until(lambda: not any(each.in_content for each in place.out.open_sessions))
        assert [] == [each for each in place.out.arrived if not each.mail.startswith(b"FROM:<>")]

        assert (await handed(place, workers[0], address, answer(address))).startswith(b"250")
        assert 1 == released(place.out)
        assert "may have gone out" not in await letter(place, 1)


@pytest.mark.parametrize("step", ["release.noted", "release.decided"])
async def test_a_release_that_was_written_down_anywhere_is_not_done_again(tmp_path: Path, step: str) -> None:
    async with died(tmp_path, step, 1) as (place, workers, address):
        for worker in workers:
            for octets in (answer(address), answer(address, 2)):
                assert (await handed(place, worker, address, octets)).startswith(b"250")

        assert 1 == released(place.out)
        assert not any("may have gone out" in each for each in letters(place))


# ------------------------------------------------------------ two at once


async def test_of_a_mail_and_the_page_at_the_same_moment_at_two_workers_one_releases(tmp_path: Path) -> None:
    async with working(tmp_path, stop_at="release.claimed", **PAGE) as place:
        leader, other = place.pids
        for by_page_first in (True, False):
            before = released(place.out)
            address = await hold(place, other, f"Page first: {by_page_first}")
            site, view = await page(place)
            if by_page_first:
                doing = asyncio.create_task(site.type(view, "SEND"))
                await stops(place, leader, doing)
                assert (await handed(place, other, address, answer(address))).startswith(b"451")
                os.kill(leader, signal.SIGCONT)
                assert 200 == (await doing).status
            else:
                first = asyncio.create_task(handed(place, other, address, answer(address)))
                await stops(place, other, first)
                assert 503 == (await site.type(view, "SEND")).status
                os.kill(other, signal.SIGCONT)
                assert (await first).startswith(b"250")
            # The mail server brings it again in any case.
            assert (await handed(place, other, address, answer(address))).startswith(b"250")
            assert before + 1 == released(place.out)
    assert 2 == len(notices(place.out))
