"""Limits, times and trusted networks that change while the guard runs count from the next session on, not before."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.loopback.guarded import ALL, BERLIN, MEMBERS, mail, write_config
from tests.loopback.serving import serving
from tests.loopback.test_settings_reload import Scene, mail_servers, scene

pytestmark = pytest.mark.slow

LOGIN = "AUTH PLAIN AGFubmFAZXhhbXBsZS50ZXN0AGFubmEtcGFzc3dvcmQ="


class Client:
    """One session, spoken by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.greeting = b""

    async def reply(self) -> bytes:
        """The next reply, b"" if the line is closed."""
        read = b""
        async with asyncio.timeout(30):
            while line := await self._reader.readline():
                read += line
                if line[3:4] != b"-":
                    break
        return read

    async def ask(self, line: str) -> bytes:
        self._writer.write(line.encode() + b"\r\n")
        return await self.reply()

    async def login(self) -> None:
        await self.ask("EHLO client.example.test")
        assert (await self.ask(LOGIN)).startswith(b"235")

    async def rcpts(self, count: int) -> list[int]:
        """A transaction as far as its recipients; the codes of their replies."""
        assert (await self.ask(f"MAIL FROM:<{MEMBERS['anna']}>")).startswith(b"250")
        codes = [int((await self.ask(f"RCPT TO:<r{number}@example.test>"))[:3]) for number in range(count)]
        assert (await self.ask("RSET")).startswith(b"250")
        return codes

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def client(house: Scene) -> AsyncIterator[Client]:
    """A session that has been greeted."""
    found = Client(*await asyncio.open_connection("127.0.0.1", house.guard.ports[0]))
    try:
        found.greeting = await found.reply()
        yield found
    finally:
        found.close()


async def test_a_lowered_limit_of_recipients_counts_for_the_next_session_only(tmp_path: Path) -> None:
    async with scene(tmp_path) as house, client(house) as running:
        await running.login()
        house.change_site(limits={"recipients": 1, "connections_per_address": 1000})
        await house.reload()
        async with client(house) as later:
            await later.login()
            assert [250, 452, 452] == await later.rcpts(3)
        assert [250, 250, 250] == await running.rcpts(3)


async def test_limits_are_in_force_without_a_restart_and_are_said_to_be(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        house.change_site(
            limits={"recipients": 7, "connections_per_address": 1000},
            timeouts={"idle": "4m", "hold": "50s", "upstream_reply": "4m", "shutdown": "20s"},
            trusted_networks=["192.0.2.0/24"],
        )
        await house.reload()
        await house.until(lambda: house.status_of("smtpguard.yaml") is not None, "status")
        assert [] == house.status()["needs_restart"]
        assert 0 == (await house.check_live())[0]
        assert b"needs a restart" not in house.guard.log


async def test_a_size_that_was_lowered_is_offered_to_the_next_session(tmp_path: Path) -> None:
    async with scene(tmp_path) as house, client(house) as running:
        assert b"SIZE 20971520" in await running.ask("EHLO client.example.test")
        house.change_site(limits={"message_size": "1MiB", "connections_per_address": 1000})
        await house.reload()
        assert b"SIZE 20971520" in await running.ask("EHLO client.example.test")
        async with client(house) as later:
            assert b"SIZE 1048576" in await later.ask("EHLO client.example.test")


async def test_a_network_that_became_trusted_may_send_without_a_login_in_its_next_session(tmp_path: Path) -> None:
    async with scene(tmp_path) as house, client(house) as running:
        house.up.require_login = False
        await running.ask("EHLO client.example.test")
        house.change_site(trusted_networks=["127.0.0.0/8"])
        await house.reload()
        assert (await running.ask("MAIL FROM:<printer@example.test>")).startswith(b"530")
        async with client(house) as trusted:
            await trusted.ask("EHLO client.example.test")
            assert (await trusted.ask("MAIL FROM:<printer@example.test>")).startswith(b"250")
            house.change_site(trusted_networks=[])
            await house.reload()
            async with client(house) as later:
                await later.ask("EHLO client.example.test")
                assert (await later.ask("MAIL FROM:<printer@example.test>")).startswith(b"530")
            # A session that had begun is not locked out in mid-mail.
            assert (await trusted.ask("RCPT TO:<anna@example.test>")).startswith(b"250")


async def test_fewer_connections_for_one_address_turn_the_next_client_away(tmp_path: Path) -> None:
    async with scene(tmp_path) as house, client(house) as running:
        await running.login()
        house.change_site(limits={"connections_per_address": 1})
        await house.reload()
        async with client(house) as later:
            assert later.greeting.startswith(b"421")
        assert [250] == await running.rcpts(1)


async def test_a_shorter_patience_ends_the_next_idle_session_and_leaves_the_running_one(tmp_path: Path) -> None:
    async with scene(tmp_path) as house, client(house) as running:
        await running.login()
        house.change_site(timeouts={"idle": "1s"})
        await house.reload()
        async with client(house) as later:
            assert later.greeting.startswith(b"220")
            assert (await later.reply()).startswith(b"421")
        assert (await running.ask("NOOP")).startswith(b"250")


async def test_a_shorter_patience_with_the_mail_server_counts_for_the_next_session(tmp_path: Path) -> None:
    async with scene(tmp_path) as house, client(house) as running:
        await running.login()
        # The end is short, because the running session still waits by then.
        house.change_site(timeouts={"upstream_reply": "1s", "shutdown": "1s"})
        await house.reload()
        answered = asyncio.Event()
        house.up.on("RCPT", then="stall")
        async with client(house) as later:
            await later.login()
            assert (await later.ask(f"MAIL FROM:<{MEMBERS['anna']}>")).startswith(b"250")
            assert (await running.ask(f"MAIL FROM:<{MEMBERS['anna']}>")).startswith(b"250")
            waiting = asyncio.create_task(running.ask("RCPT TO:<r@example.test>"))
            waiting.add_done_callback(lambda _: answered.set())
            assert (await later.ask("RCPT TO:<r@example.test>")).startswith(b"451")
        assert not answered.is_set()
        waiting.cancel()


async def test_a_shorter_patience_with_the_outbox_counts_for_the_next_notice(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        house.change_site(timeouts={"upstream_reply": "1s"})
        await house.reload()
        house.out.on("RCPT", then="stall")
        reply = await house.submit([BERLIN, ALL])
        assert 451 == reply.code
        assert not house.up.messages


async def test_a_shorter_time_for_a_hold_counts_for_the_next_hold(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        house.change_site(timeouts={"hold": "1s"})
        await house.reload()
        house.out.on("MAIL", then="stall")
        assert 451 == (await house.submit([BERLIN, ALL])).code


async def test_no_more_help_is_sent_once_the_settings_say_so(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        await house.submit([BERLIN, ALL])
        (notice,) = house.notices()
        code = str(notice["Reply-To"]).strip("<>")

        async def answer(text: str) -> None:
            async with client(house) as anna:
                await anna.login()
                await anna.ask(f"MAIL FROM:<{MEMBERS['anna']}>")
                assert (await anna.ask(f"RCPT TO:<{code}>")).startswith(b"250")
                await anna.ask("DATA")
                octets = mail("anna", [code], subject="Re: held", body=text, message_id="").decode()
                assert (await anna.ask(f"{octets}.")).startswith(b"250")

        await answer("What is this?")
        assert "Your mail is still waiting" == (await house.letter(1))[1]
        house.change_site(limits={"help_answers_per_hold": 1, "connections_per_address": 1000})
        await house.reload()
        await answer("And what is this?")
        await answer("DISCARD")
        # The second question got no answer.
        assert "Thrown away" in (await house.letter(2))[1]


async def test_a_shorter_end_counts_when_the_guard_is_stopped(tmp_path: Path) -> None:
    async with scene(tmp_path) as house, client(house) as running:
        await running.login()
        house.change_site(timeouts={"shutdown": "1s"})
        await house.reload()
        await running.ask(f"MAIL FROM:<{MEMBERS['anna']}>")
        await running.ask(f"RCPT TO:<{MEMBERS['anna']}>")
        assert (await running.ask("DATA")).startswith(b"354")
        house.guard.process.send_signal(signal.SIGTERM)
        # timeouts.shutdown was 30 s at the start.
        assert 0 == await house.guard.ended(20)


async def test_the_door_for_answers_gets_new_limits_too(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        house.change_site(limits={"messages_per_session": 1, "connections_per_address": 1000})
        await house.reload()
        reader, writer = await asyncio.open_connection("127.0.0.1", house.guard.ports[1])
        answers = Client(reader, writer)
        await answers.reply()
        await answers.ask("EHLO mail.example.test")
        assert (await answers.ask("MAIL FROM:<a@example.test>")).startswith(b"250")
        await answers.ask("RSET")
        assert (await answers.ask("MAIL FROM:<a@example.test>")).startswith(b"421")
        writer.close()


async def test_more_connections_than_the_system_allows_files_for_are_warned_of(tmp_path: Path) -> None:
    async with mail_servers() as (up, out):
        config = write_config(tmp_path, up, out, limits={"connections": 100})
        async with serving(config, files=600) as guard:
            house = Scene(config, up, out, guard)
            assert b"too few open files" not in guard.log
            house.change_site(limits={"connections": 1000})
            await house.reload()
            await house.logged("too few open files are allowed for limits.connections")
            assert b"wanted=3200" in guard.log
