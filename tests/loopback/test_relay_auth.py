"""AUTH goes up once and verbatim; the identity is read on its way, and what cannot be read does not go up."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from smtpguard import replies
from smtpguard.listener.options import AuthWithoutTls
from tests.loopback.door import Client, submission_door
from tests.loopback.fake_upstream import FakeUpstream

USERS = {"anna": "secret", "jürgen": "geheim", "admin": "root"}


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


async def send_one(client: Client) -> bytes:
    for line in (b"MAIL FROM:<anna@example.test>", b"RCPT TO:<b@example.test>", b"DATA"):
        assert (await client.ask(line))[:1] in b"23"
    return await client.ask(b"words\r\n.")


@pytest.mark.parametrize(
    ("lines", "identity"),
    [
        ([b"AUTH PLAIN " + b64("\0anna\0secret")], "anna"),
        ([b"auth plain " + b64("\0jürgen\0geheim")], "jürgen"),
        ([b"AUTH PLAIN", b64("\0anna\0secret")], "anna"),
        ([b"AUTH PLAIN " + b64("Admin@example.test\0anna\0secret")], "Admin@example.test"),
        ([b"AUTH LOGIN", b64("anna"), b64("secret")], "anna"),
        ([b"Auth Login " + b64("anna"), b64("secret")], "anna"),
    ],
)
async def test_a_login_goes_up_as_typed_and_its_identity_is_known(lines: list[bytes], identity: str) -> None:
    async with (
        FakeUpstream(users=USERS) as up,
        submission_door(up, auth_required=True) as door,
        door.client() as client,
    ):
        await client.ask(b"EHLO me")
        said = [await client.ask(line) for line in lines]

        assert all(each.startswith(b"334 ") for each in said[:-1])
        assert said[-1] == b"235 2.7.0 Authentication successful\r\n"
        assert up.sessions[0].auth_lines == lines
        assert (await send_one(client)).startswith(b"250")
        arrival = door.flow.arrivals[0][1]
        assert (arrival.login, arrival.authenticated) == (identity, True)


@pytest.mark.parametrize("lines", [[b"AUTH PLAIN " + b64("\0anna\0wrong")], [b"AUTH LOGIN", b64("anna"), b64("wrong")]])
async def test_a_wrong_password_gets_the_mail_servers_words_once(lines: list[bytes]) -> None:
    async with (
        FakeUpstream(users=USERS) as up,
        submission_door(up, auth_required=True) as door,
        door.client() as client,
    ):
        await client.ask(b"EHLO me")
        said = [await client.ask(line) for line in lines]

        assert said[-1] == b"535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6\r\n"
        assert up.sessions[0].auth_lines == lines
        assert await client.ask(b"MAIL FROM:<anna@example.test>") == replies.LOGIN_FIRST.wire
        assert (await client.log_in()).startswith(b"235")


async def test_challenges_come_down_unchanged() -> None:
    async with FakeUpstream(users=USERS) as up, submission_door(up) as door, door.client() as client:
        up.on("AUTH", reply=b"334 T2RkIGNoYWxsZW5nZQ==\r\n")
        await client.ask(b"EHLO me")

        assert await client.ask(b"AUTH LOGIN") == b"334 T2RkIGNoYWxsZW5nZQ==\r\n"


async def test_the_client_may_cancel() -> None:
    async with FakeUpstream(users=USERS) as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")
        await client.ask(b"AUTH LOGIN")

        assert await client.ask(b"*") == b"501 5.5.2 Invalid response\r\n"
        assert up.sessions[0].auth_lines == [b"AUTH LOGIN", b"*"]
        assert (await client.log_in()).startswith(b"235")


UNREADABLE = [
    b64("anna\0secret"),
    b64("\0anna\0secret\0"),
    b64("annasecret"),
    base64.b64encode(b"\0anna\0\xff\xfe"),
    b"!!!!",
    b"AGFubmEAc2VjcmV0\x80",
    b64("\0anna\0secret").rstrip(b"=") + b"=A",
    b64("\0\0secret"),
    b"=",
]


@pytest.mark.parametrize("response", UNREADABLE)
async def test_a_plain_response_that_cannot_be_read_does_not_go_up(response: bytes) -> None:
    async with (
        FakeUpstream(users=USERS) as up,
        submission_door(up, auth_required=True) as door,
        door.client() as client,
    ):
        await client.ask(b"EHLO me")

        assert await client.ask(b"AUTH PLAIN " + response) == replies.LOGIN_UNREADABLE.wire
        assert up.sessions[0].auth_lines == []
        await client.ask(b"AUTH PLAIN")
        assert await client.ask(response) == replies.LOGIN_UNREADABLE.wire
        assert up.sessions[0].auth_lines == [b"AUTH PLAIN", b"*"]
        assert (await client.log_in()).startswith(b"235")


@pytest.mark.parametrize("name", [base64.b64encode(b"anna\0x"), base64.b64encode(b"\xff"), b"", b"****"])
async def test_a_login_name_that_cannot_be_read_does_not_go_up(name: bytes) -> None:
    async with FakeUpstream(users=USERS) as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")
        await client.ask(b"AUTH LOGIN")

        assert await client.ask(name) == replies.LOGIN_UNREADABLE.wire
        assert up.sessions[0].auth_lines == [b"AUTH LOGIN", b"*"]


async def test_only_what_was_offered_may_be_used() -> None:
    async with (
        FakeUpstream(users=USERS, mechanisms="LOGIN CRAM-MD5") as up,
        submission_door(up) as door,
        door.client() as client,
    ):
        assert await client.ask(b"AUTH LOGIN") == replies.HELLO_FIRST.wire
        assert b"AUTH LOGIN\r\n" in await client.ask(b"EHLO me")

        for mechanism in (b"PLAIN", b"CRAM-MD5", b"XOAUTH2"):
            assert await client.ask(b"AUTH " + mechanism) == replies.MECHANISM_UNKNOWN.wire
        assert await client.ask(b"AUTH") == replies.BAD_ARGUMENT.wire
        assert up.sessions[0].auth_lines == []


async def test_a_second_login_is_refused_and_so_is_one_in_a_transaction() -> None:
    async with FakeUpstream(users=USERS) as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")
        await client.ask(b"MAIL FROM:<a@example.test>")
        assert await client.log_in() == replies.LOGIN_NOT_NOW.wire
        await client.ask(b"RSET")
        assert (await client.log_in()).startswith(b"235")

        assert await client.log_in("admin", "root") == replies.LOGIN_TWICE.wire
        assert len(up.sessions[0].auth_lines) == 1


@pytest.mark.parametrize("recipient", [b"b@example.test", b"mailcheck@check.example.test", b"a%b@example.test"])
async def test_no_open_relay_where_a_login_is_required(recipient: bytes) -> None:
    async with (
        FakeUpstream(users=USERS) as up,
        submission_door(up, auth_required=True) as door,
        door.client() as client,
    ):
        for hello in (b"EHLO me", b"HELO me"):
            await client.ask(hello)
            assert await client.ask(b"MAIL FROM:<anna@example.test>") == replies.LOGIN_FIRST.wire
            assert (await client.ask(b"RCPT TO:<%b>" % recipient)).startswith(b"503")
            assert (await client.ask(b"DATA")).startswith(b"503")

        assert not any(each.startswith(b"MAIL") for each in up.commands)


async def test_where_a_login_is_optional_the_mail_server_decides() -> None:
    async with (
        FakeUpstream(users=USERS, require_login=True) as up,
        submission_door(up) as door,
        door.client() as client,
    ):
        await client.ask(b"EHLO me")
        assert (await client.ask(b"MAIL FROM:<a@example.test>")).startswith(b"250")
        assert await client.ask(b"RCPT TO:<b@example.test>") == b"554 5.7.1 Relay access denied\r\n"


@pytest.mark.parametrize(
    ("policy", "offered"),
    [(AuthWithoutTls.NEVER, False), (AuthWithoutTls.LOOPBACK, True), (AuthWithoutTls.ALWAYS, True)],
)
async def test_auth_before_tls_is_a_matter_of_policy(policy: AuthWithoutTls, offered: bool) -> None:
    async with (
        FakeUpstream(users=USERS) as up,
        submission_door(up, auth_without_tls=policy) as door,
        door.client() as client,
    ):
        answer = await client.ask(b"EHLO me")
        reply = await client.log_in()

        assert (b"AUTH PLAIN" in answer) == offered
        assert reply.startswith(b"235") if offered else reply == replies.LOGIN_NEEDS_TLS.wire
        assert len(up.sessions[0].auth_lines) == offered


async def test_a_client_that_leaves_in_mid_login_leaves_nothing_behind() -> None:
    async with FakeUpstream(users=USERS) as up, submission_door(up) as door:
        async with door.client() as client:
            await client.ask(b"EHLO me")
            await client.ask(b"AUTH LOGIN")
        await up.wait_for_close()

        assert door.server.sessions == 0


async def test_a_mail_server_that_asks_without_end_is_stopped() -> None:
    async with FakeUpstream(users=USERS) as up, submission_door(up) as door, door.client() as client:
        up.on("AUTH", reply=b"334 \r\n")
        up.on("RESPONSE", reply=b"334 \r\n")
        up.on("RESPONSE", reply=b"501 5.7.0 cancelled\r\n", match=rb"^\*$")
        await client.ask(b"EHLO me")
        reply: Any = await client.ask(b"AUTH LOGIN")
        steps = 0
        while reply.startswith(b"334"):
            reply = await client.ask(b64("anna"))
            steps += 1

        assert reply == replies.LOGIN_UNREADABLE.wire
        assert steps < 10
