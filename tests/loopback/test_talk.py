"""Commands that bring no mail on: keeping a session open is fine, a flood of them ends it."""

from __future__ import annotations

import asyncio

import pytest

from smtpguard import replies
from smtpguard.listener.allowance import COMMANDS_MAX
from smtpguard.listener.connection import RECIPIENTS_PUT_OFF_MAX
from tests.loopback.door import answers_door, submission_door
from tests.loopback.fake_upstream import FakeUpstream

TALK = [b"NOOP", b"RSET", b"VRFY anna", b"HELP", b"EHLO me", b"HELO me", b"noop x", b"RSET x"]


@pytest.mark.parametrize("command", TALK, ids=repr)
async def test_the_same_without_end_ends_with_421(command: bytes) -> None:
    # The errors have a bound of their own.
    async with (
        FakeUpstream() as up,
        submission_door(up, errors_per_session=1000) as door,
        door.client() as client,
        door.client() as other,
    ):
        for _ in range(COMMANDS_MAX):
            assert not (await client.ask(command)).startswith(b"421")
        assert await client.ask(command) == replies.TOO_MUCH_TALK.wire
        assert await client.rest() == b""
        assert (await other.ask(command)).startswith((b"2", b"501"))
        # What goes up at all went up no more often.
        assert len(up.commands) <= COMMANDS_MAX + 3


async def test_a_pipelined_flood_ends_with_the_replies_it_has_earned() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.send(b"NOOP\r\n" * 10_000)

        assert await client.rest() == replies.OK.wire * COMMANDS_MAX + replies.TOO_MUCH_TALK.wire


async def test_whoever_sends_mail_may_say_what_he_likes_between() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")
        for _ in range(8):
            for line in (b"MAIL FROM:<anna@example.test>", b"RCPT TO:<b@example.test>"):
                assert (await client.ask(line)).startswith(b"250")
            assert (await client.ask(b"DATA")).startswith(b"354")
            assert (await client.ask(b"Subject: x\r\n\r\nwords\r\n.")).startswith(b"250")
            for _ in range(40):
                assert await client.ask(b"NOOP") == replies.OK.wire
        assert 8 == len(up.messages)


async def test_a_session_kept_open_with_noop_every_minute_lives_for_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    # The clock of the event loop is set forward, as if a minute passed between two NOOPs.
    loop = asyncio.get_running_loop()
    ahead, clock = 0.0, loop.time
    async with FakeUpstream() as up, submission_door(up, idle=1e9) as door, door.client() as client:
        monkeypatch.setattr(loop, "time", lambda: clock() + ahead)
        for _ in range(600):
            assert await client.ask(b"NOOP") == replies.OK.wire
            ahead += 60.0
        monkeypatch.undo()


async def test_recipients_beyond_the_bound_are_put_off_but_not_without_end() -> None:
    async with FakeUpstream() as up, submission_door(up, recipients=2, errors_per_session=3) as door:
        async with door.client() as client:
            await client.begin()
            await client.send(b"RCPT TO:<b@example.test>\r\n" * 3_000)
            taken = b"250 2.1.5 Ok\r\n" * 2
            put_off = replies.TOO_MANY_RECIPIENTS.wire * (RECIPIENTS_PUT_OFF_MAX + 4)
            assert await client.rest() == taken + put_off + replies.TOO_MANY_ERRORS.wire
        async with door.client() as client:
            # A large mail in several goes meets no bound.
            await client.ask(b"EHLO me")
            for _ in range(3):
                await client.ask(b"MAIL FROM:<anna@example.test>")
                for _ in range(RECIPIENTS_PUT_OFF_MAX // 2):
                    said = await client.ask(b"RCPT TO:<b@example.test>")
                assert said == replies.TOO_MANY_RECIPIENTS.wire
                assert (await client.ask(b"DATA")).startswith(b"354")
                assert (await client.ask(b"Subject: x\r\n\r\nwords\r\n.")).startswith(b"250")


async def test_the_mail_server_at_the_answers_door_has_the_same_bound() -> None:
    async with answers_door() as door, door.client() as client:
        await client.send(b"RSET\r\n" * 200)

        assert (await client.rest()).endswith(replies.TOO_MUCH_TALK.wire)
