"""AUTH goes up once and verbatim; the identity is read on its way, and what cannot be read does not go up."""

from __future__ import annotations

import asyncio
import base64
import gc
import smtplib
from collections import deque
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

import pytest

from smtpguard import replies
from smtpguard.listener.auth import Login
from smtpguard.listener.options import AuthWithoutTls
from tests.logs import caught
from tests.loopback import sasl
from tests.loopback.door import Client, submission_door
from tests.loopback.fake_upstream import FakeUpstream

ALL = " ".join(sasl.SERVERS)
USERS = {"anna": "secret", "jürgen": "geheim", "admin": "root"}


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


async def log_in(client: Client, mechanism: str, other_side: sasl.Client, *, initial: bool) -> list[bytes]:
    """One whole AUTH; all replies to it."""
    next(other_side)
    line = b"AUTH " + mechanism.encode()
    if initial:
        line += b" " + base64.b64encode(other_side.send(b""))
    said = [await client.ask(line)]
    while said[-1].startswith(b"334 "):
        response = other_side.send(base64.b64decode(said[-1][4:]))
        said.append(await client.ask(base64.b64encode(response)))
    return said


def forms() -> list[tuple[str, bool]]:
    """Each mechanism with an initial response, where there may be one, and without."""
    return [(each, initial) for each in sasl.SERVERS for initial in (False, True) if each != "CRAM-MD5" or not initial]


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
        assert b"AUTH LOGIN CRAM-MD5\r\n" in await client.ask(b"EHLO me")

        for mechanism in (b"PLAIN", b"SCRAM-SHA-1", b"XOAUTH2", b"GSSAPI", b"\xff"):
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
            await client.ask(b64("anna"))
        await up.wait_for_close()

        assert door.server.sessions == 0
        # QUIT for a password would be a wrong one, and some of these lock an account.
        assert up.sessions[0].auth_lines[2:] == [b"*"]


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


# ---------------------------------------------------------------- CRAM-MD5, SCRAM, XOAUTH2, OAUTHBEARER


async def test_mechanisms_are_offered_as_the_mail_server_does_less_what_hides_the_login() -> None:
    theirs = (
        "GSSAPI scram-sha-256-plus SCRAM-SHA-256 XOAUTH2 NTLM OAUTHBEARER CRAM-MD5 EXTERNAL PLAIN SCRAM-SHA-1 LOGIN"
    )
    ours = b"AUTH SCRAM-SHA-256 XOAUTH2 OAUTHBEARER CRAM-MD5 PLAIN SCRAM-SHA-1 LOGIN\r\n"
    async with FakeUpstream(users=USERS, mechanisms=theirs) as up, submission_door(up) as door, door.client() as client:
        assert ours in await client.ask(b"EHLO me")
        for hidden in (b"GSSAPI", b"SCRAM-SHA-256-PLUS", b"NTLM", b"EXTERNAL"):
            assert await client.ask(b"AUTH " + hidden + b" =") == replies.MECHANISM_UNKNOWN.wire
        assert up.sessions[0].auth_lines == []


async def test_no_mechanism_that_can_be_read_is_no_auth_at_all() -> None:
    async with (
        FakeUpstream(users=USERS, mechanisms="GSSAPI NTLM") as up,
        submission_door(up) as door,
        door.client() as client,
    ):
        assert b"AUTH" not in await client.ask(b"EHLO me")


@pytest.mark.parametrize("login", ["anna", "j\u00fcrgen", "odd =2C,name"])
@pytest.mark.parametrize(("mechanism", "initial"), forms())
async def test_T_40_each_mechanism_tells_the_guard_whom_the_mail_server_let_in(
    mechanism: str, initial: bool, login: str
) -> None:
    async with (
        FakeUpstream(users={login: "secret"}, mechanisms=ALL) as up,
        submission_door(up, auth_required=True) as door,
        door.client() as client,
    ):
        await client.ask(b"EHLO me")
        said = await log_in(client, mechanism, sasl.CLIENTS[mechanism](login, "secret", ""), initial=initial)

        assert said[-1] == b"235 2.7.0 Authentication successful\r\n"
        assert len(up.sessions[0].auth_lines) == len(said)
        assert (await send_one(client)).startswith(b"250")
        arrival = door.flow.arrivals[0][1]
        assert (arrival.login, arrival.authenticated) == (login, True)
        assert up.sessions[0].login == login


async def test_T_40_the_authorization_identity_of_scram_is_the_account() -> None:
    async with FakeUpstream(users=USERS, mechanisms=ALL) as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")
        other_side = sasl.scram_client("SCRAM-SHA-256", "anna", "secret", "ben=,c", flag="y")
        said = await log_in(client, "SCRAM-SHA-256", other_side, initial=True)

        assert said[-1].startswith(b"235")
        await send_one(client)
        assert door.flow.arrivals[0][1].login == up.sessions[0].login == "ben=,c"


@pytest.mark.parametrize(("mechanism", "initial"), forms())
async def test_a_wrong_secret_gets_the_mail_servers_words_with_each_mechanism(mechanism: str, initial: bool) -> None:
    async with (
        FakeUpstream(users=USERS, mechanisms=f"PLAIN {ALL}") as up,
        submission_door(up, auth_required=True) as door,
        door.client() as client,
    ):
        await client.ask(b"EHLO me")
        said = await log_in(client, mechanism, sasl.CLIENTS[mechanism]("anna", "wrong", ""), initial=initial)

        assert said[-1] == b"535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6\r\n"
        assert len(up.sessions[0].auth_lines) == len(said)
        assert await client.ask(b"MAIL FROM:<anna@example.test>") == replies.LOGIN_FIRST.wire
        assert (await client.log_in()).startswith(b"235")


@pytest.mark.parametrize("nothing", [b"", b"AQ=="])
@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
async def test_why_a_token_is_bad_comes_down_as_it_is_and_is_answered_by_nothing(
    mechanism: str, nothing: bytes
) -> None:
    async with FakeUpstream(users=USERS, mechanisms=ALL) as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")
        other_side = sasl.CLIENTS[mechanism]("anna", "wrong", "")
        next(other_side)
        line = b"AUTH %b %b" % (mechanism.encode(), base64.b64encode(other_side.send(b"")))

        assert await client.ask(line) == b"334 " + base64.b64encode(sasl.FAILURE) + b"\r\n"
        assert (await client.ask(nothing)).startswith(b"535 ")
        assert up.sessions[0].auth_lines == [line, nothing]


@pytest.mark.parametrize("mechanism", list(sasl.SERVERS))
async def test_the_client_may_cancel_each_mechanism(mechanism: str) -> None:
    line = b"AUTH " + mechanism.encode()
    async with FakeUpstream(users=USERS, mechanisms=ALL) as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")
        assert (await client.ask(line)).startswith(b"334 ")

        assert await client.ask(b"*") == b"501 5.5.2 Invalid response\r\n"
        assert up.sessions[0].auth_lines == [line, b"*"]
        said = await log_in(client, mechanism, sasl.CLIENTS[mechanism]("anna", "secret", ""), initial=False)
        assert said[-1].startswith(b"235")


GARBAGE = [
    b"!!!!",
    b"",
    b"=",
    b64("anna"),
    b64("anna\0secret"),
    base64.b64encode(b"\xff\xfe"),
    b64("p=tls-unique,,n=a,r=b"),
]


@pytest.mark.parametrize("response", GARBAGE)
@pytest.mark.parametrize("mechanism", list(sasl.SERVERS))
async def test_T_40_what_cannot_be_read_does_not_go_up_with_any_mechanism(mechanism: str, response: bytes) -> None:
    line = b"AUTH " + mechanism.encode()
    async with FakeUpstream(users=USERS, mechanisms=ALL) as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")
        if response:
            assert await client.ask(line + b" " + response) == replies.LOGIN_UNREADABLE.wire
            assert up.sessions[0].auth_lines == []
        await client.ask(line)
        assert await client.ask(response) == replies.LOGIN_UNREADABLE.wire
        assert up.sessions[0].auth_lines == [line, b"*"]
        said = await log_in(client, mechanism, sasl.CLIENTS[mechanism]("anna", "secret", ""), initial=False)
        assert said[-1].startswith(b"235")


async def test_T_40_two_blanks_cannot_show_the_mail_server_another_login_than_the_guard() -> None:
    """Scripted: a server that takes an initial response behind two blanks for an empty one, and asks again."""
    logins = {
        b"LOGIN": (b64("anna"), [b64("admin"), b64("root")]),
        b"SCRAM-SHA-256": (b64("n,,n=anna,r=x"), [b64("n,,n=admin,r=x")]),
        b"XOAUTH2": (b64("user=anna\1auth=Bearer x\1\1"), [b64("user=admin\1auth=Bearer x\1\1")]),
        b"PLAIN": (b64("\0anna\0secret"), [b64("\0admin\0root")]),
    }
    async with (
        FakeUpstream(users=USERS, mechanisms=f"PLAIN LOGIN {ALL}") as up,
        submission_door(up) as door,
        door.client() as client,
    ):
        up.on("AUTH", reply=b"334 \r\n")
        up.on("RESPONSE", reply=b"501 5.7.0 cancelled\r\n", match=rb"^\*$")
        up.on("RESPONSE", reply=b"334 \r\n")
        await client.ask(b"EHLO me")
        for mechanism, (first, later) in logins.items():
            said = [await client.ask(line) for line in (b"AUTH %b  %b" % (mechanism, first), *later)]

            assert said[-1] == replies.LOGIN_UNREADABLE.wire
            assert up.sessions[0].auth_lines[-1] == b"*"


async def test_a_token_of_eight_thousand_octets_goes_up_and_an_endless_one_ends_the_session() -> None:
    token = "x" * 8000
    async with FakeUpstream(users={"anna": token}, mechanisms=ALL) as up, submission_door(up) as door:
        for initial in (True, False):
            async with door.client() as client:
                await client.ask(b"EHLO me")
                other_side = sasl.xoauth2_client("anna", token)
                assert (await log_in(client, "XOAUTH2", other_side, initial=initial))[-1].startswith(b"235")
        async with door.client() as client:
            await client.ask(b"EHLO me")
            await client.ask(b"AUTH XOAUTH2")
            await client.send(b"A" * 20_000)
            assert await client.rest() == replies.COMMAND_TOO_LONG.wire
        await up.wait_for_close()
        assert up.sessions[2].auth_lines == [b"AUTH XOAUTH2", b"*"]


@pytest.mark.parametrize("mechanism", list(sasl.SERVERS))
async def test_T_53_neither_login_nor_secret_is_logged(mechanism: str) -> None:
    login, secret = "loginplanted", "secretplanted"
    with caught() as log:
        async with FakeUpstream(users={login: secret}, mechanisms=ALL) as up, submission_door(up) as door:
            for password in (secret, secret + "x"):
                async with door.client() as client:
                    await client.ask(b"EHLO me")
                    await log_in(client, mechanism, sasl.CLIENTS[mechanism](login, password, ""), initial=False)
            async with door.client() as client:
                await client.ask(b"EHLO me")
                await client.ask(b"AUTH " + mechanism.encode())
                assert await client.ask(b64(f"{login}\0{secret}")) == replies.LOGIN_UNREADABLE.wire
                up.on("LOGIN", then="close")
                said = await log_in(client, mechanism, sasl.CLIENTS[mechanism](login, secret, ""), initial=False)
                assert said[-1] == replies.UPSTREAM_LOST.wire

    assert "a session with the mail server was lost" in log.getvalue()
    for planted in (login, secret):
        assert planted not in log.getvalue()
        assert b64(planted)[:-4].decode() not in log.getvalue()


FRAMES: dict[type, str] = {CoroutineType: "cr_frame", GeneratorType: "gi_frame", AsyncGeneratorType: "ag_frame"}


def held_by_the_guard(secret: bytes) -> list[str]:
    """What of the guard's own has `secret` in it: fields of its objects, and the variables of what runs or waits."""

    def has(value: object, depth: int = 4) -> bool:
        if isinstance(value, bytes | bytearray | memoryview):
            return secret in bytes(value)
        if isinstance(value, str):
            return secret in value.encode(errors="replace")
        nested = isinstance(value, dict | list | tuple | set | deque | asyncio.StreamReader)
        return nested and depth > 0 and any(has(each, depth - 1) for each in gc.get_referents(value))

    found = []
    for each in gc.get_objects():
        # Of nothing else: pytest's marks, for one, fail whoever asks them for what they have not.
        frame = getattr(each, FRAMES[type(each)]) if type(each) in FRAMES else None
        if frame is not None and "/smtpguard/" in frame.f_code.co_filename:
            found += [f"{frame.f_code.co_name}: {name}" for name, value in frame.f_locals.items() if has(value)]
        # A function compiled by Cython, as uvloop has them, gives no text as its module.
        elif str(type(each).__module__).startswith("smtpguard"):
            found += [type(each).__name__ for value in gc.get_referents(each) if has(value)]
    return found


NOWHERE_ELSE = "a-password-that-is-nowhere-else"
PLAIN = b64(f"\0anna\0{NOWHERE_ELSE}")
XOAUTH2 = b64(f"user=anna\x01auth=Bearer {NOWHERE_ELSE}\x01\x01")


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize(
    "lines",
    [
        [b"AUTH PLAIN " + PLAIN],
        [b"AUTH PLAIN", PLAIN],
        [b"AUTH LOGIN", b64("anna"), b64(NOWHERE_ELSE)],
        [b"AUTH LOGIN " + b64("anna"), b64(NOWHERE_ELSE)],
        [b"AUTH XOAUTH2 " + XOAUTH2],
    ],
    ids=["PLAIN", "PLAIN asked", "LOGIN asked", "LOGIN", "XOAUTH2"],
)
async def test_T_06_a_password_is_dropped_when_the_mail_server_has_replied(lines: list[bytes], right: bool) -> None:
    users = {"anna": NOWHERE_ELSE if right else "x"}
    async with (
        FakeUpstream(users=users, mechanisms="PLAIN LOGIN XOAUTH2") as up,
        submission_door(up) as door,
        door.client() as client,
    ):
        await client.ask(b"EHLO me")
        said = [await client.ask(line) for line in lines]
        if said[-1].startswith(b"334"):  # XOAUTH2 tells what was wrong, and wants to hear that it was heard
            said.append(await client.ask(b""))
        assert said[-1].startswith(b"235" if right else b"535"), said
        kept = Login(NOWHERE_ELSE)  # the looking finds what is there
        assert ["Login"] == held_by_the_guard(NOWHERE_ELSE.encode())
        del kept

        for secret in (NOWHERE_ELSE.encode(), lines[-1].rpartition(b" ")[2][:-4]):
            assert [] == held_by_the_guard(secret)


async def test_the_standard_librarys_client_logs_in_by_cram_md5() -> None:
    def session(port: int) -> int:
        with smtplib.SMTP("127.0.0.1", port, timeout=15) as client:
            return client.login("anna", "secret")[0]

    async with FakeUpstream(users=USERS, mechanisms="CRAM-MD5") as up, submission_door(up) as door:
        assert await asyncio.to_thread(session, door.port) == 235
        assert up.sessions[0].login == "anna"


async def test_a_priority_is_offered_as_the_mail_server_does_and_goes_up_as_typed() -> None:
    async with FakeUpstream(ehlo=["MT-PRIORITY MIXER"]) as up, submission_door(up) as door, door.client() as client:
        assert b"MT-PRIORITY MIXER\r\n" in await client.ask(b"EHLO me")
        await client.ask(b"MAIL FROM:<anna@example.test> mt-Priority=-3")

        assert up.commands[-1] == b"MAIL FROM:<anna@example.test> mt-Priority=-3"
