"""The guard's own way out: each way to log in, and what is said when the mail server does not offer it."""

from __future__ import annotations

import base64

import pytest

from smtpguard.upstream import Transmission, UpstreamError
from smtpguard.upstream.outbox import Credentials, OutboxLogin, SubmissionOutbox, xtext
from smtpguard.upstream.target import Target, Timeouts
from smtpguard.upstream.tls import client_context
from tests.loopback.certificates import Authority
from tests.loopback.fake_upstream import FakeUpstream

TIMEOUTS = Timeouts(connect=2, reply=2, final=2)
GUARD = Credentials("mailcheck", "s3cret+=ü")
LETTER = Transmission("FROM:<>", ("TO:<anna@example.test>",), lambda: [b"Subject: x\r\n\r\nhello\r\n"])


def outbox(up: FakeUpstream, login: OutboxLogin, credentials: Credentials | None = GUARD) -> SubmissionOutbox:
    target = Target(up.host, up.port, timeouts=TIMEOUTS)
    return SubmissionOutbox(target, login=login, hello_name="guard.example.test", credentials=credentials)


async def test_own_mail_goes_out_under_the_guards_own_login_by_xclient() -> None:
    async with FakeUpstream(xclient=("NAME", "ADDR", "LOGIN"), require_login=True) as up:
        carrier = await outbox(up, OutboxLogin.XCLIENT).open()
        outcome = await carrier.transmit(LETTER)
        await carrier.close()

        assert outcome.sent
        assert up.messages[0].login == "mailcheck"
        assert up.sessions[0].xclient == [{"LOGIN": "mailcheck"}]
        assert up.sessions[0].verbs() == [b"EHLO", b"XCLIENT", b"EHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT"]
        assert up.sessions[0].commands[2] == b"EHLO guard.example.test"
        await up.wait_for_close()


@pytest.mark.parametrize("login", ["anna@example.test", "anna smith+list=x@example.test", "änna@example.test"])
async def test_a_release_goes_out_under_the_members_login_by_xclient(login: str) -> None:
    async with FakeUpstream(xclient=("LOGIN",), require_login=True) as up:
        carrier = await outbox(up, OutboxLogin.XCLIENT).open(login)
        assert (await carrier.transmit(LETTER)).sent

        assert up.sessions[0].commands[1] == b"XCLIENT LOGIN=" + xtext(login)
        assert up.sessions[0].xclient[0]["LOGIN"].encode("latin-1") == login.encode()
        await carrier.close()


async def test_xclient_is_said_inside_tls(authority: Authority) -> None:
    async with FakeUpstream(tls="starttls", context=authority.server_context(), xclient=("LOGIN",)) as up:
        target = Target(up.host, up.port, "starttls", client_context(authority.pem), TIMEOUTS)
        carrier = await SubmissionOutbox(
            target, login=OutboxLogin.XCLIENT, hello_name="guard.example.test", credentials=GUARD
        ).open("anna@example.test")

        assert (await carrier.transmit(LETTER)).sent
        assert up.sessions[0].verbs()[:5] == [b"EHLO", b"STARTTLS", b"EHLO", b"XCLIENT", b"EHLO"]
        assert up.messages[0].login == "anna@example.test"
        await carrier.close()


@pytest.mark.parametrize("offered", [(), ("NAME", "ADDR")])
async def test_xclient_not_offered_is_an_error_that_names_the_setting(offered: tuple[str, ...]) -> None:
    async with FakeUpstream(xclient=offered) as up:
        with pytest.raises(UpstreamError, match="smtpd_authorized_xclient_hosts"):
            await outbox(up, OutboxLogin.XCLIENT).open("anna@example.test")

        await up.wait_for_close()
        assert b"XCLIENT" not in up.sessions[0].verbs()


@pytest.mark.parametrize(
    "reply", [b"550 5.7.0 insufficient authorization\r\n", b"250 2.0.0 Ok\r\n", b"421 4.7.0 no\r\n"]
)
async def test_xclient_refused_is_an_error_and_nothing_is_sent(reply: bytes) -> None:
    async with FakeUpstream(xclient=("LOGIN",)) as up:
        up.on("XCLIENT", reply=reply)

        with pytest.raises(UpstreamError, match="refused XCLIENT"):
            await outbox(up, OutboxLogin.XCLIENT).open("anna@example.test")

        await up.wait_for_close()
        assert up.sessions[0].verbs() == [b"EHLO", b"XCLIENT"]


@pytest.mark.parametrize("login", ["", "[UNAVAILABLE]", "[tempunavail]", "x" * 2000])
async def test_a_login_that_xclient_would_take_for_nobody_is_refused(login: str) -> None:
    async with FakeUpstream(xclient=("LOGIN",)) as up:
        with pytest.raises(UpstreamError, match="cannot be named"):
            await outbox(up, OutboxLogin.XCLIENT).open(login)

        await up.wait_for_close()
        assert up.messages == []


async def test_a_greeting_refused_after_xclient_is_an_error() -> None:
    async with FakeUpstream(xclient=("LOGIN",)) as up:
        up.on("XCLIENT", reply=b"220 mail.example.test ESMTP\r\n")
        up.on("EHLO", reply=b"550 no\r\n")
        up.on("EHLO", reply=b"250-mail\r\n250 XCLIENT LOGIN\r\n", times=1)

        with pytest.raises(UpstreamError, match="EHLO"):
            await outbox(up, OutboxLogin.XCLIENT).open("anna@example.test")


@pytest.mark.parametrize("mechanisms", ["PLAIN LOGIN", "LOGIN", "login gssapi", "CRAM-MD5 plain"])
async def test_an_account_of_its_own_logs_in_for_everything(mechanisms: str) -> None:
    async with FakeUpstream(users={"mailcheck": GUARD.password}, mechanisms=mechanisms, require_login=True) as up:
        for login in (None, "anna@example.test"):
            carrier = await outbox(up, OutboxLogin.ACCOUNT).open(login)
            assert (await carrier.transmit(LETTER)).sent
            await carrier.close()

        assert [each.login for each in up.messages] == ["mailcheck", "mailcheck"]
        wanted = b"AUTH PLAIN " if "PLAIN" in mechanisms.upper() else b"AUTH LOGIN"
        assert up.sessions[0].auth_lines[0].startswith(wanted)


async def test_a_wrong_password_is_tried_once_and_is_an_error_without_the_password() -> None:
    async with FakeUpstream(users={"mailcheck": "another"}) as up:
        with pytest.raises(UpstreamError, match="535") as caught:
            await outbox(up, OutboxLogin.ACCOUNT).open()

        assert len(up.sessions[0].auth_lines) == 1
        assert caught.value.reply is None
        for secret in (GUARD.password, base64.b64encode(GUARD.password.encode()).decode()):
            assert secret not in str(caught.value)
        assert GUARD.password not in repr(GUARD)


async def test_no_mechanism_in_common_is_an_error() -> None:
    async with FakeUpstream(users={"mailcheck": "x"}, mechanisms="GSSAPI") as up:
        with pytest.raises(UpstreamError, match="neither AUTH PLAIN nor AUTH LOGIN"):
            await outbox(up, OutboxLogin.ACCOUNT).open()

        assert up.sessions[0].auth_lines == []


async def test_no_login_says_nothing() -> None:
    async with FakeUpstream(users={"mailcheck": "x"}, xclient=("LOGIN",)) as up:
        carrier = await outbox(up, OutboxLogin.NONE, None).open("anna@example.test")
        assert (await carrier.transmit(LETTER)).sent
        await carrier.close()

        assert up.sessions[0].verbs() == [b"EHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT"]


async def test_a_carrier_tells_what_the_last_ehlo_offered() -> None:
    async with FakeUpstream(xclient=("LOGIN",)) as up:
        up.on("EHLO", reply=b"250-mail\r\n250-smtputf8\r\n250 SIZE 1\r\n")
        up.on("EHLO", reply=b"250-mail\r\n250-DSN\r\n250 XCLIENT LOGIN\r\n", times=1)

        carrier = await outbox(up, OutboxLogin.XCLIENT).open()

        assert carrier.extensions == {"SMTPUTF8", "SIZE"}
        await carrier.close()


async def test_a_refused_greeting_is_the_errors_reply() -> None:
    async with FakeUpstream(greeting=b"421 4.3.2 busy\r\n") as up:
        with pytest.raises(UpstreamError) as caught:
            await outbox(up, OutboxLogin.NONE).open()

        assert caught.value.reply is not None
        assert caught.value.reply.code == 421


def test_a_login_without_credentials_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="credentials"):
        SubmissionOutbox(Target("127.0.0.1", 25), login=OutboxLogin.XCLIENT, hello_name="x")


def test_xtext_encodes_what_rfc_3461_says() -> None:
    assert xtext("anna@example.test") == b"anna@example.test"
    assert xtext("a b+c=d\r\n\0ä~!") == b"a+20b+2Bc+3Dd+0D+0A+00+C3+A4~!"
