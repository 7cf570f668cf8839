"""Several workers on the same ports: one guard, whoever of them a client comes to."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.door import Client
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import ALL, BERLIN, PASSWORDS, PRESS, XCLIENT, mail, parsed, write_config
from tests.loopback.serving import serving
from tests.loopback.test_kill import notices, released, submit
from tests.loopback.test_memory import TEXT
from tests.loopback.working import CONNECTIONS, Workers, send, until_gone, until_stopped, working
from tests.processes import is_there
from tests.web.site import ORIGIN, PageSite, code_of

pytestmark = pytest.mark.slow

ANSWERS_AT_ONCE = 200
GREETED = b"220"


async def greetings(place: Workers, count: int) -> list[tuple[bytes, Client]]:
    """So many clients, one after the other, and what each was told first."""
    said = []
    for _ in range(count):
        client = await place.connect(place.guard.ports[0])
        said.append((await client.reply(), client))
    return said


async def inside(client: Client) -> bool:
    """True if the session goes on."""
    try:
        return (await client.ask(b"NOOP")).startswith(b"250")
    except (OSError, asyncio.IncompleteReadError):
        return False


async def hold(place: Workers, worker: int, subject: str = "Minutes") -> str:
    """Have the worker `worker` hold a mail of Anna's; the address for the answer."""
    session = await place.session(worker)
    before = len(notices(place.out))
    said = await send(session, "anna", [BERLIN, ALL], mail("anna", [BERLIN, ALL], subject=subject))
    assert said.startswith(b"250"), said
    assert before + 1 == len(notices(place.out))
    session.writer.close()
    return notices(place.out)[-1]


# ------------------------------------------------------------ one guard


async def test_clients_come_to_more_than_one_worker_and_live_on_when_another_dies(tmp_path: Path) -> None:
    async with working(tmp_path) as place:
        before = place.pids
        sessions = [client for _, client in await greetings(place, CONNECTIONS)]

        place.kill(before[1])
        await place.until_logged(b"event=started", 3)

        alive = [await inside(each) for each in sessions]
        assert 0 < sum(alive) < CONNECTIONS
        after = place.pids
        assert 2 == len(after)
        assert before[0] in after
        assert b'what="a worker has ended" worker=1 code=-9' in place.guard.log
        # Its successor serves.
        new = await place.session(next(each for each in after if each not in before))
        assert (await send(new, "anna", [BERLIN], mail("anna", [BERLIN]))).startswith(b"250")


async def test_who_waits_to_be_let_in_while_a_worker_dies_is_let_in_by_the_next(tmp_path: Path) -> None:
    async with working(tmp_path) as place:
        _, dying = place.pids
        os.kill(dying, signal.SIGSTOP)
        clients = [await place.connect(place.guard.ports[0]) for _ in range(CONNECTIONS)]

        place.kill(dying)

        assert all([(await each.reply()).startswith(GREETED) for each in clients])


async def test_a_mail_that_one_holds_is_answered_by_another_by_mail(tmp_path: Path) -> None:
    async with working(tmp_path) as place:
        leader, other = place.pids
        for holds, answers in ((leader, other), (other, leader)):
            address = await hold(place, holds, f"Held by {holds}")
            before = released(place.out)
            session = await place.session(answers)

            assert (await send(session, "anna", [address], mail("anna", [address], body="SEND"))).startswith(b"250")

            assert before + 1 == released(place.out)
        assert [] == place.up.arrived


async def test_a_mail_that_another_holds_is_answered_by_the_page(tmp_path: Path) -> None:
    async with working(tmp_path, web={"listen": "127.0.0.1:0"}, public_url=ORIGIN) as place:
        await hold(place, place.pids[1])
        site = PageSite(place.page_port)
        view = await site.show(code_of(parsed(place.out.messages[-1])))
        assert 200 == view.status

        assert 200 == (await site.type(view, "SEND")).status

        assert 1 == released(place.out)


async def test_of_200_answers_at_once_one_releases(tmp_path: Path) -> None:
    async with working(tmp_path, workers=3) as place:
        address = await hold(place, place.pids[0])
        answer = mail("anna", [address], body="SEND")

        codes = await asyncio.gather(*(submit(place.guard.ports[0], [address], answer) for _ in range(ANSWERS_AT_ONCE)))

        assert 1 == released(place.out)
        # The others are told that it is under way, or gone.
        assert {250, 451} >= set(codes)
        assert 250 in codes


async def test_a_new_worker_takes_no_release_out_of_the_hands_of_another(tmp_path: Path) -> None:
    async with working(tmp_path, stop_at="release.claimed") as place:
        leader, other = place.pids
        address = await hold(place, leader)
        answer = mail("anna", [address], body="SEND")
        first = await place.session(leader)
        releasing = asyncio.create_task(send(first, "anna", [address], answer))
        await until_stopped(leader)

        place.kill(other)
        await place.until_logged(b"event=started", 3)
        second = await place.session(next(each for each in place.pids if each != leader))
        assert (await send(second, "anna", [address], answer)).startswith(b"451")
        assert 0 == released(place.out)

        os.kill(leader, signal.SIGCONT)
        assert (await releasing).startswith(b"250")
        assert 1 == released(place.out)


async def test_a_dead_workers_release_can_be_done_by_the_others_at_once(tmp_path: Path) -> None:
    async with working(tmp_path, stop_at="release.claimed") as place:
        leader, other = place.pids
        address = await hold(place, leader)
        answer = mail("anna", [address], body="SEND")
        first = await place.session(other)
        releasing = asyncio.create_task(send(first, "anna", [address], answer))
        await until_stopped(other)

        place.kill(other)
        assert await asyncio.gather(releasing, return_exceptions=True)
        await place.until_logged(b"event=started", 3)
        second = await place.session(leader)
        releasing = asyncio.create_task(send(second, "anna", [address], answer))
        await until_stopped(leader)  # it has the claim

        os.kill(leader, signal.SIGCONT)
        assert (await releasing).startswith(b"250")
        assert 1 == released(place.out)


async def test_limits_are_those_of_all_workers_together(tmp_path: Path) -> None:
    limits = {"connections_per_address": 10, "connections": 10}
    async with working(tmp_path, limits=limits) as place:
        said = await greetings(place, CONNECTIONS)
        assert 10 == sum(each.startswith(GREETED) for each, _ in said)
        assert CONNECTIONS - 10 == sum(each.startswith(b"421") for each, _ in said)

        # The places of a dead worker are free, those of the others are not.
        place.kill(place.pids[1])
        await place.until_logged(b"event=started", 3)
        left = sum([await inside(client) for each, client in said if each.startswith(GREETED)])
        again = await greetings(place, CONNECTIONS)
        assert 10 - left == sum(each.startswith(GREETED) for each, _ in again)


async def test_12_12_a_text_that_one_passed_is_known_to_all(tmp_path: Path) -> None:
    async with working(tmp_path) as place:
        first, second = [await place.session(each) for each in place.pids]
        assert (await send(first, "anna", [BERLIN], mail("anna", [BERLIN], body=TEXT))).startswith(b"250")
        await until_remembered(tmp_path / "state" / "memory.sqlite3")

        said = await send(second, "anna", [PRESS], mail("anna", [PRESS], subject="Again", body=TEXT))

        assert b"NOT SENT YET" in said
        assert 1 == len(place.up.messages)


async def until_remembered(database: Path) -> None:
    """Wait until a post is written."""
    async with asyncio.timeout(30):
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as memory:
            while not memory.execute("SELECT count(*) FROM posts").fetchone()[0]:
                await asyncio.sleep(0.02)


async def counted(place: Workers, series: str) -> float:
    """A value that monitoring is told, 0 if it is not."""
    reader, writer = await asyncio.open_connection("127.0.0.1", place.metrics_port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    lines = (await reader.read()).decode().splitlines()
    writer.close()
    await writer.wait_closed()
    return next((float(each.split()[-1]) for each in lines if each.startswith(series + " ")), 0.0)


async def until_counted(place: Workers, series: str, value: float) -> None:
    """Wait until monitoring is told so."""
    async with asyncio.timeout(60):
        while await counted(place, series) != value:
            await asyncio.sleep(0.2)


async def test_metrics_are_those_of_all_workers_and_never_go_back(tmp_path: Path) -> None:
    passed = 'smtpguard_mails_total{outcome="passed"}'
    async with working(tmp_path, metrics={"listen": "127.0.0.1:0"}) as place:
        leader, other = place.pids
        for worker in (leader, other):
            session = await place.session(worker)
            said = await send(session, "anna", [BERLIN], mail("anna", [BERLIN], subject=f"By {worker}"))
            assert said.startswith(b"250")
        await until_counted(place, passed, 2)
        await until_counted(place, "smtpguard_sessions_open", 2)

        place.kill(other)
        await place.until_logged(b"event=started", 3)
        assert 2 == await counted(place, passed)
        await until_counted(place, "smtpguard_sessions_open", 1)

        session = await place.session(next(each for each in place.pids if each != leader))
        assert (await send(session, "anna", [BERLIN], mail("anna", [BERLIN], subject="Next"))).startswith(b"250")
        await until_counted(place, passed, 3)


# ------------------------------------------------------------ settings


async def held_by(place: Workers, worker: int, *recipients: str) -> bool:
    """True if this worker holds a mail to these."""
    session = await place.session(worker)
    before = len(notices(place.out))
    to = list(recipients)
    said = await send(session, "anna", to, mail("anna", to, subject=f"To {'+'.join(to)} {worker} {before}"))
    assert said.startswith(b"250"), said
    session.writer.close()
    return len(notices(place.out)) > before


async def test_changed_settings_count_in_all_workers_with_and_without_a_signal(tmp_path: Path) -> None:
    async with working(tmp_path, workers=3) as place:
        assert [True] * 3 == [await held_by(place, each, BERLIN, PRESS) for each in place.pids]
        for name, other in (("berlin", "press"), ("press", "berlin")):
            file = tmp_path / "lists" / f"{name}.yaml"
            file.write_text(
                file.read_text().replace("crosspost_with:\n- brandenburg\n", "") + f"crosspost_with: [{other}]\n"
            )
        place.guard.process.send_signal(signal.SIGHUP)
        await place.until_logged(b"event=reloaded", 3)
        assert [False] * 3 == [await held_by(place, each, BERLIN, PRESS) for each in place.pids]

        before = place.guard.log.count(b"event=settings-read")
        file.write_text(file.read_text().replace("crosspost_with: [berlin]\n", ""))
        await place.until_logged(b"event=settings-read", before + 3)
        assert [True] * 3 == [await held_by(place, each, BERLIN, PRESS) for each in place.pids]


async def test_a_new_worker_goes_by_the_settings_in_force_and_not_by_those_of_the_start(tmp_path: Path) -> None:
    async with working(tmp_path) as place:
        for name, other in (("berlin", "press"), ("press", "berlin")):
            file = tmp_path / "lists" / f"{name}.yaml"
            file.write_text(
                file.read_text().replace("crosspost_with:\n- brandenburg\n", "") + f"crosspost_with: [{other}]\n"
            )
        place.guard.process.send_signal(signal.SIGHUP)
        await place.until_logged(b"event=reloaded", 2)
        # Broken now: the last good version counts. And another port needs a restart.
        file.write_text("list: [\n")
        site = place.config.read_text()
        place.config.write_text(site.replace("127.0.0.1:0", "127.0.0.1:1", 1))
        await place.until_logged(b"press.yaml", 2)

        leader, other_worker = place.pids
        place.kill(other_worker)
        await place.until_logged(b"event=started", 3)
        status = tmp_path / "state" / "status.json"
        status.unlink()
        place.kill(leader)
        await place.until_logged(b"event=started", 4)
        async with asyncio.timeout(30):
            while not status.exists():
                await asyncio.sleep(0.02)
        assert ["listeners"] == json.loads(status.read_text())["needs_restart"]

        assert [False] * 2 == [await held_by(place, each, BERLIN, PRESS) for each in place.pids]


async def test_the_status_is_that_of_the_guard_and_goes_with_it(tmp_path: Path) -> None:
    async with working(tmp_path) as place:
        status = tmp_path / "state" / "status.json"
        assert f'"pid": {place.supervisor}' in status.read_text()
    assert not status.exists()


# ------------------------------------------------------------ the end


async def test_a_guard_that_is_ended_finishes_what_is_open_in_each_worker(tmp_path: Path) -> None:
    async with working(tmp_path) as place:
        sessions = [await place.session(each) for each in place.pids]
        for number, each in enumerate(sessions):
            for line in ("MAIL FROM:<anna@example.test>", f"RCPT TO:<{BERLIN}>"):
                assert (await each.ask(line.encode())).startswith(b"250")
            assert (await each.ask(b"DATA")).startswith(b"354")
            await each.send(mail("anna", [BERLIN], subject=f"Open {number}"))

        place.guard.process.terminate()
        await until_refused(place.guard.ports[0])
        for each in sessions:
            await each.send(b".\r\n")
            assert (await each.reply()).startswith(b"250")

        assert 0 == await place.guard.ended()
        assert 2 == len(place.up.messages)


async def until_refused(port: int) -> None:
    """Wait until nobody listens at `port` any more."""
    async with asyncio.timeout(30):
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except OSError:
                return
            await asyncio.sleep(0.02)


async def test_when_the_supervisor_is_killed_nobody_is_left_and_another_guard_can_begin(tmp_path: Path) -> None:
    async with working(tmp_path) as place:
        workers = place.pids

        place.kill(place.supervisor)
        assert -9 == await place.guard.ended()

        await until_gone(workers)
        async with serving(place.config) as next_guard:
            assert 250 == await submit(next_guard.ports[0], [BERLIN], mail("anna", [BERLIN]))


async def test_a_guard_that_cannot_begin_says_so_once_and_leaves_nobody_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        listeners = [{"kind": "submission", "listen": f"127.0.0.1:{port}", "tls": "none"}]
        assert (69, 1) == await refused_start(tmp_path, listeners=listeners)


async def test_a_worker_that_cannot_begin_ends_the_guard_with_its_exit_code(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o755)
    assert (73, 1) == await refused_start(tmp_path, keys=str(keys))


async def refused_start(folder: Path, **changes: Any) -> tuple[int | None, int]:
    """The exit code of a guard that does not start, and how many lines it says."""
    async with FakeUpstream() as up, FakeUpstream(xclient=XCLIENT) as out:
        config = write_config(folder, up, out, workers=3, **changes)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "smtpguard", "serve", "--config", str(config), cwd=folder,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        # Their end: whoever is left holds the pipe open.
        async with asyncio.timeout(60):
            said, complained = await process.communicate()
    assert said == b""
    complaints = [each for each in complained.splitlines() if each.startswith(b"smtpguard: ")]
    return process.returncode, len(complaints)


async def test_a_worker_that_cannot_begin_again_rests_and_comes_back(tmp_path: Path) -> None:
    async with working(tmp_path) as place:
        _, other = place.pids
        keys = tmp_path / "state" / "keys"
        keys.chmod(0o755)

        place.kill(other)
        await place.until_logged(b'what="a worker has ended" worker=1 code=73')
        # It rests, its sockets closed: every client comes to the other.
        said = await greetings(place, CONNECTIONS)
        assert all(each.startswith(GREETED) for each, _ in said)
        keys.chmod(0o700)

        await place.until_logged(b"event=started", 3)
        assert 2 == len(place.pids)


async def test_where_nobody_can_serve_any_more_the_guard_ends(tmp_path: Path) -> None:
    async with working(tmp_path) as place:
        (tmp_path / "state" / "keys").chmod(0o755)
        workers = place.pids
        for each in workers:
            place.kill(each)

        assert 73 == await place.guard.ended(60)
        assert not any(map(is_there, workers))


async def test_workers_serve_on_the_stock_event_loop_as_well(tmp_path: Path) -> None:
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        config = write_config(tmp_path, up, out, workers=2)
        async with serving(config, loop="asyncio") as guard:
            assert 2 == len(Workers(guard, up, out, config).pids)
            assert 250 == await submit(guard.ports[0], [BERLIN], mail("anna", [BERLIN]))
            guard.process.terminate()
            assert 0 == await guard.ended()


async def test_one_worker_needs_no_supervisor(tmp_path: Path) -> None:
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        config = write_config(tmp_path, up, out, workers=1)
        async with serving(config) as guard:
            assert [] == Workers(guard, up, out, config).pids
