"""SMTP smuggling over real sockets: whatever could be another end of a message or of a command ends the session."""

from __future__ import annotations

import pytest

from smtpguard import replies
from smtpguard.mail.reply import Reply
from tests.listener.test_framing import SMUGGLING
from tests.loopback.door import submission_door
from tests.loopback.fake_upstream import FakeUpstream

INNER = b"MAIL FROM:<evil@example.test>\r\nRCPT TO:<victim@example.test>\r\nDATA\r\nSubject: evil\r\n\r\nevil\r\n.\r\n"


@pytest.mark.parametrize("end", SMUGGLING)
@pytest.mark.parametrize("one_by_one", [False, True], ids=["one segment", "octet by octet"])
async def test_no_spelling_of_the_end_smuggles_a_message(end: bytes, one_by_one: bool) -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.begin(b"b@example.test")
        await client.ask(b"DATA")
        data = b"Subject: good\r\n\r\ngood" + end + INNER
        for part in [data[at : at + 1] for at in range(len(data))] if one_by_one else [data]:
            await client.send(part)

        assert await client.rest() == replies.CONTENT_BAD_OCTETS.wire
        await up.wait_for_close()
        assert up.arrived == []
        assert door.flow.arrivals == []
        assert not any(b"evil" in each for each in up.commands)


@pytest.mark.parametrize("octets", [b"a\nb", b"a\rb", b"a\x00b"])
async def test_a_bad_octet_late_in_a_large_message_is_found(octets: bytes) -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.begin(b"b@example.test")
        await client.ask(b"DATA")
        await client.send((b"x" * 998 + b"\r\n") * 1000 + octets + b"\r\n.\r\n")

        assert await client.rest() == replies.CONTENT_BAD_OCTETS.wire
        await up.wait_for_close()
        assert up.arrived == []


@pytest.mark.parametrize(
    "bad", [b"RCPT TO:<b@example.test>\nRCPT TO:<evil@example.test>\r\n", b"NO\rOP\r\n", b"NO\x00OP\r\n"]
)
async def test_a_bad_octet_in_a_command_ends_the_session_after_the_answers_before_it(bad: bytes) -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")
        await client.send(b"MAIL FROM:<a@example.test>\r\nNOOP\r\n" + bad + b"RCPT TO:<evil@example.test>\r\n")

        assert await client.rest() == b"250 2.1.0 Ok\r\n" + replies.OK.wire + replies.BAD_OCTETS.wire
        await up.wait_for_close()
        assert up.sessions[0].verbs() == [b"EHLO", b"MAIL", b"QUIT"]


async def test_a_command_without_end_is_refused() -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.send(b"x" * 50_000)

        assert await client.rest() == replies.COMMAND_TOO_LONG.wire
        await up.wait_for_close()


@pytest.mark.parametrize(
    ("data", "reply"), [(b"DATA\r\nearly\r\n", replies.TOO_EARLY), (b"NO\x00OP\r\n", replies.BAD_OCTETS)]
)
async def test_a_client_still_sending_reads_why_it_was_let_go(data: bytes, reply: Reply) -> None:
    """Without a moment's patience the reset of the line would take the reply along."""
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.begin(b"b@example.test")
        client.writer.write(data + b"x" * 3_000_000)

        assert await client.rest() == reply.wire
