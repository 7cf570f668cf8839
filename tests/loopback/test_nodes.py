"""Several guards on one PostgreSQL database: any answers for what another has held, and exactly one releases."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.loopback.guarded import ALL, BERLIN, MEMBERS, Member, guarded, mail, write_config
from tests.loopback.nodes import Nodes, two_nodes
from tests.loopback.serving import serving
from tests.loopback.working import until_stopped
from tests.postgresql import Cluster, Database, fresh_database, postgresql, postgresql_cluster, required
from tests.several_nodes import node_settings, put_credentials

__all__ = ["postgresql", "postgresql_cluster"]

pytestmark = pytest.mark.slow

SECRET = bytes(range(32))
ANSWERS = 200


@pytest.mark.parametrize("secret", [None, SECRET], ids=["common folder", "keys by the database"])
@pytest.mark.parametrize("word", ["SEND", "ONLY 1", "DISCARD", "BACK"])
async def test_what_one_node_holds_the_other_decides(
    tmp_path: Path, postgresql: Database, secret: bytes | None, word: str
) -> None:
    async with two_nodes(tmp_path, postgresql, secret=secret) as nodes:
        held = await nodes.submit([BERLIN, ALL], node=0)
        answered = await nodes.answer(await nodes.notice(), word, node=1)
        again = await nodes.answer(await nodes.notice(), word, node=0)

        assert "NOT SENT YET" in held.text
        assert [250, 250] == [answered.code, again.code]
        assert (1 if word in ("SEND", "ONLY 1") else 0) == len(nodes.released())
        assert ["sent" if nodes.released() else "discarded"] == nodes.states()


async def test_of_many_answers_at_once_at_both_nodes_one_releases(tmp_path: Path, postgresql: Database) -> None:
    async with two_nodes(tmp_path, postgresql) as nodes:
        await nodes.submit([BERLIN, ALL])
        notice = await nodes.notice()

        codes = await asyncio.gather(*(nodes.hand_over(notice, "SEND", number % 2) for number in range(ANSWERS)))

        assert {250, 451} >= set(codes)
        assert 250 in codes
        assert 1 == len(nodes.released())
        assert ["sent"] == nodes.states()


async def test_a_node_that_stood_still_before_the_dot_for_longer_than_its_claim_sends_nothing(
    tmp_path: Path, postgresql: Database
) -> None:
    timeouts = dict.fromkeys(("upstream_connect", "upstream_reply", "upstream_final"), "1s")
    async with two_nodes(tmp_path, postgresql, stop_at="release.sending", timeouts=timeouts) as nodes:
        await nodes.submit([BERLIN, ALL], node=0)
        notice = await nodes.notice()
        stopped = asyncio.create_task(nodes.answer(notice, "SEND", node=0))
        while nodes.states() != ["sending"]:
            await asyncio.sleep(0.05)
        while (await nodes.answer(notice, "SEND", node=1)).code != 250:
            await asyncio.sleep(0.5)
        assert 1 == len(nodes.released())
        nodes.guards[0].process.send_signal(signal.SIGCONT)

        assert 451 == (await stopped).code
        assert 1 == len(nodes.released())
        assert ["sent"] == nodes.states()


async def test_what_waits_of_a_node_that_died_another_expires_and_tells_its_sender(
    tmp_path: Path, postgresql: Database
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        put_credentials(folder, postgresql.url, SECRET)
    async with guarded(two, sweep_seconds=0.2, **node_settings()) as left:
        config = write_config(one, left.up, left.out, **node_settings(), defaults={"expires": "2s"})
        async with serving(config) as lost:
            member = Member(lost.ports[0])
            await member.login("anna")
            held = await member.send(MEMBERS["anna"], [BERLIN, ALL], mail("anna", [BERLIN, ALL], subject="Minutes"))
            await member.quit()
            assert "NOT SENT YET" in held.text
            lost.process.kill()
            await lost.ended()

        await left.out.wait_until(lambda: len(left.own_mail()) == 2)

        assert "Not sent" == left.own_mail()[1]["Subject"]
        with postgresql.connected() as connection:
            assert [("expired",)] == connection.execute("SELECT state FROM held").fetchall()


@pytest.mark.parametrize("step", ["release.sent", "release.sending"])
async def test_an_answer_brought_again_after_a_node_died_in_its_release_is_no_second_word(
    tmp_path: Path, postgresql: Database, step: str
) -> None:
    timeouts = dict.fromkeys(("upstream_connect", "upstream_reply", "upstream_final"), "1s")
    async with two_nodes(tmp_path, postgresql, stop_at=step, timeouts=timeouts) as nodes:
        await nodes.submit([BERLIN, ALL], node=0)
        notice = await nodes.notice()
        died = asyncio.create_task(nodes.hand_over(notice, "SEND", 0))
        gone_out = step == "release.sent"
        await nodes.out.wait_until(lambda: len(nodes.released()) == gone_out)
        await until_stopped(nodes.guards[0].process.pid)
        nodes.guards[0].process.kill()
        assert 421 == await died
        assert ["sending"] == nodes.states()

        # Until its claim has lapsed nobody knows whether it still lives.
        codes = [await nodes.hand_over(notice, "SEND", 1)]
        while codes[-1] != 250:
            await asyncio.sleep(0.5)
            codes.append(await nodes.hand_over(notice, "SEND", 1))
        assert {250, 451} == set(codes)
        assert gone_out == len(nodes.released())
        assert 'Not certain: "Minutes"' == nodes.own_mail()[-1]["Subject"]

        assert 250 == await nodes.hand_over(notice, "Send!", 1)
        assert gone_out + 1 == len(nodes.released())
        assert ["sent"] == nodes.states()


async def test_a_mail_sent_again_to_the_other_node_takes_the_place_of_the_first(
    tmp_path: Path, postgresql: Database
) -> None:
    async with two_nodes(tmp_path, postgresql, secret=SECRET) as nodes:
        first = await nodes.submit([BERLIN, ALL], node=0)
        second = await nodes.submit([BERLIN, ALL], node=1)

        assert first == second
        assert 1 == len(nodes.notices())
        assert ["held"] == nodes.states()


async def test_after_a_restart_of_the_database_both_nodes_work_on(tmp_path: Path) -> None:
    required()
    with Cluster() as cluster, fresh_database(cluster) as database:
        async with two_nodes(tmp_path, database) as nodes:
            await nodes.submit([BERLIN, ALL], subject="Before")
            await asyncio.to_thread(cluster.stop)
            during = await asyncio.gather(
                nodes.submit([BERLIN, ALL], node=0, subject="During"),
                nodes.submit([BERLIN, ALL], node=1, subject="During, too"),
                nodes.answer(await nodes.notice(), "SEND", node=1),
            )
            await asyncio.to_thread(cluster.start)
            after = await nodes.submit([BERLIN, ALL], node=1, subject="After")
            answered = await nodes.answer(await nodes.notice(), "SEND", node=0)

            assert [451, 451, 451] == [each.code for each in during]
            assert "NOT SENT YET" in after.text
            assert 250 == answered.code
            assert 1 == len(nodes.released())
            assert ["held", "sent"] == nodes.states()


async def test_a_link_cut_at_any_step_neither_loses_a_mail_nor_sends_one_twice(
    tmp_path: Path, postgresql: Database
) -> None:
    async with two_nodes(
        tmp_path, postgresql, limits={"holds_per_account": 500, "notices_per_account_and_day": 500}
    ) as nodes:
        promised = 0
        for step in range(60):
            nodes.way.pieces, nodes.way.cut_after = 0, step
            reply = await nodes.submit([BERLIN, ALL], node=step % 2, subject=f"Mail {step}")
            promised += reply.code == 250
            assert reply.code in (250, 451, 421), reply
            if await over(nodes, step):
                break
        else:
            raise AssertionError("the hold has more steps than were tried")
        assert promised
        assert len(nodes.notices()) >= promised
        assert nodes.states().count("held") + nodes.states().count("asking") >= promised

        for step in range(60):
            sent = len(nodes.released())
            nodes.way.cut_after = None
            held = await nodes.submit([BERLIN, ALL], node=step % 2, subject=f"Answered {step}")
            assert held.code == 250
            notice = await nodes.notice(len(nodes.notices()))
            nodes.way.pieces, nodes.way.cut_after = 0, step
            first = await nodes.answer(notice, "SEND", node=(step + 1) % 2)
            last = await over(nodes, step)
            code = first.code
            for _ in range(100):
                if code == 250:
                    break
                await asyncio.sleep(0.2)
                code = (await nodes.answer(notice, "SEND", node=step % 2)).code
            assert code == 250
            assert len(nodes.released()) == sent + 1
            if last:
                break
        else:
            raise AssertionError("the answer has more steps than were tried")


async def over(nodes: Nodes, step: int) -> bool:
    """True if fewer pieces went up than it would have taken to cut the link; heals it."""
    spared = nodes.way.cut_after is not None
    nodes.way.cut_after = None
    assert spared or step < 60
    return spared
