"""Spellings, split transactions and broken headers: what goes to two lists, or to a list in hiding, waits."""

from __future__ import annotations

import asyncio
import smtplib
from pathlib import Path

import pytest

from smtpguard import replies
from smtpguard.accounts import Directory
from smtpguard.app import Application
from smtpguard.config.places import Endpoint
from smtpguard.config.settings import Settings
from smtpguard.keeper import Charge
from smtpguard.policy import Policy
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import ALL, BERLIN, MEMBERS, House, guarded

# Postfix 3.7 delivers each of them to berlin@lists.example.test (or refuses it).
SPELLINGS = [
    "<BERLIN@LISTS.EXAMPLE.TEST>",
    "berlin@lists.example.test",
    " berlin@lists.example.test",
    '<"berlin"@lists.example.test>',
    r'<"ber\lin"@lists.example.test>',
    r"<b\erlin@lists.example.test>",
    "<berlin(comment)@lists.example.test>",
    "<(comment)berlin@lists.example.test>",
    "<berlin@(comment)lists.example.test>",
    "<berlin@lists.example.test(comment)>",
    "<(x@y.test)berlin@lists.example.test>",
    "(x)berlin@lists.example.test",
    "<berlin@lists.example.test.>",
    "<@relay.test:berlin@lists.example.test>",
    "<@a.test,@b.test:berlin@lists.example.test>",
    "< berlin@lists.example.test >",
    "<berlin @ lists.example.test>",
    "<berlin\t@lists.example.test>",
    "<berlin@lists.example.test>\tNOTIFY=NEVER",
    '<berlin@"lists.example.test">',
    r"<berlin@l\ists.example.test>",
]
# Postfix 3.7 delivers these to a list, too, some only where its myorigin or mydestination say so; or nobody can tell.
UNREADABLE = [
    "<berlin%lists.example.test>",
    "<lists.example.test!berlin>",
    '<"berlin@lists.example.test">',
    r"<berlin\@lists.example.test>",
    '<"berlin@lists.example.test"@>',
    "<berlin%lists.example.test@>",
    "<@a:@b:berlin@lists.example.test>",
    "berlin@lists.example.test,",
    ",berlin@lists.example.test",
    "<g:berlin@lists.example.test;>",
    "g:berlin@lists.example.test;",
    "<berlin%lists.example.test@example.test>",
    "<lists.example.test!berlin@example.test>",
    '<"berlin@lists.example.test"@example.test>',
    '<"berlin%lists.example.test"@example.test>',
    "<berlin@lists.example.test@example.test>",
    "<berlin%lists.example.test@[127.0.0.1]>",
    "<berlin@[127.0.0.1]>",
    "<berlin@localhost>",
    "<berlin@lists>",
    "<berlin>",
    "berlin",
    "<@>",
]
# No list can hide in these.
CLEAR = ["<Postmaster>", "<clara>", '<"anna b"@example.test>', r'<"a\"b"@example.test>', "<@a.test:clara@example.test>"]
# A part of a split mail: berlin alone in the envelope, all-members in the header.
SPLIT = {
    "two fields": f"To: {BERLIN}\r\nTo: {ALL}",
    "folded": f"To: {BERLIN},\r\n {ALL}",
    "no blank": f"To:{ALL},{BERLIN}",
    "blank before the colon": f"To : {ALL}, {BERLIN}",
    "capitals": f"TO: {ALL.upper()}, {BERLIN}",
    "semicolon": f"To: {BERLIN}; {ALL}",
    "group": f"To: g: {BERLIN}, {ALL};",
    "group without end": f"To: g: {BERLIN}, {ALL}",
    "encoded name": f"To: =?utf-8?q?x?= <{ALL}>, {BERLIN}",
    "comma in quotes": f'To: "a, b" <{ALL}>, {BERLIN}',
    "comments": f"To: (hi) {ALL} (x), {BERLIN}",
    "no commas": f"To: <{BERLIN}> <{ALL}>",
    "quote without end": f'To: "x <{BERLIN}>, <{ALL}>',
    "bracket without end": f"To: x <{BERLIN}, y <{ALL}>",
    "a name in Latin-1": f"To: M\udcfcller <{BERLIN}>, {ALL}",
    "trailing dots": f"To: {BERLIN}., {ALL}.",
    "quoted local part": 'To: "all-members"@lists.example.test',
    "source route": f"To: <@a.test:{ALL}>, {BERLIN}",
    "mailto": f"To: <mailto:{ALL}>, {BERLIN}",
    "wide dot": f"To: {BERLIN}, all-members@LISTS.EXAMPLE\u3002test",
    "Cc, folded at once": f"To: {BERLIN}\r\nCC:\r\n\t{ALL}",
    "resent": f"To: ben@example.test\r\nResent-From: anna@example.test\r\nResent-To: {BERLIN}, {ALL}",
    "mbox line above": f"From anna Mon\r\nTo: {BERLIN}, {ALL}",
    "continuation above": f" To: x\r\nTo: {BERLIN}, {ALL}",
}


async def _say(house: House, *lines: str) -> str:
    """Commands of anna's in one session, then a mail without To; the reply to its content."""
    member = await house.member("anna")

    def talk() -> str:
        client = member.client
        assert client is not None
        for line in lines:
            client.docmd(line)
        code, text = client.docmd("DATA")
        if code != 354:
            return f"{code} {text.decode()}"
        client.send(b"From: anna@example.test\r\nSubject: Minutes\r\n\r\nHere they are.\r\n.\r\n")
        return client.getreply()[1].decode()

    return await asyncio.to_thread(talk)


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_list_is_known_in_the_spellings_of_rcpt(tmp_path: Path, spelling: str) -> None:
    async with guarded(tmp_path) as house:
        said = await _say(house, "MAIL FROM:<anna@example.test>", f"RCPT TO:{spelling}", f"RCPT TO:<{ALL}>")
        assert "NOT SENT YET" in said
        assert not house.up.messages


@pytest.mark.parametrize("spelling", UNREADABLE)
async def test_a_recipient_who_could_be_a_list_in_disguise_does_not_go_up(tmp_path: Path, spelling: str) -> None:
    async with guarded(tmp_path) as house:
        member = await house.member("anna")

        def talk() -> tuple[bytes, int]:
            client = member.client
            assert client is not None
            client.docmd("MAIL FROM:<anna@example.test>")
            code, said = client.docmd(f"RCPT TO:{spelling}")
            return b"%d %b" % (code, said), client.docmd(f"RCPT TO:<{MEMBERS['ben']}>")[0]

        assert await asyncio.to_thread(talk) == (replies.RECIPIENT_UNREADABLE.wire.strip(), 250)
        assert [each for each in house.up.commands if each.startswith(b"RCPT")] == [b"RCPT TO:<ben@example.test>"]


@pytest.mark.parametrize("spelling", CLEAR)
async def test_a_strange_recipient_who_can_be_nobody_else_goes_up_as_typed(tmp_path: Path, spelling: str) -> None:
    async with guarded(tmp_path) as house:
        await _say(house, "MAIL FROM:<anna@example.test>", f"RCPT TO:{spelling}")
        (message,) = house.up.messages
        assert message.rcpts == (f"TO:{spelling}".encode(),)


async def test_a_list_in_the_domain_of_accounts_is_known_without_its_domain(tmp_path: Path) -> None:
    async with guarded(tmp_path, account_domain="lists.example.test") as house:
        said = await _say(house, "MAIL FROM:<anna@example.test>", "RCPT TO:<berlin>", f"RCPT TO:<{ALL}>")
        assert "NOT SENT YET" in said
        assert b"RCPT TO:<berlin>" in house.up.commands


async def test_a_pure_relay_carries_whatever_the_mail_server_takes() -> None:
    async with FakeUpstream() as up:
        settings = Settings.from_command_line(Endpoint("127.0.0.1", 0), Endpoint("127.0.0.1", up.port))
        application = Application(Charge(settings, Policy(), Directory(Policy())))
        await application.start()

        def talk() -> list[int]:
            with smtplib.SMTP("127.0.0.1", application.ports[0], timeout=30) as client:
                client.ehlo("client.example.test")
                client.docmd("MAIL FROM:<anna@example.test>")
                return [client.docmd(f"RCPT TO:{each}")[0] for each in UNREADABLE]

        try:
            assert set(await asyncio.to_thread(talk)) == {250}
            assert [each[8:].decode() for each in up.commands if each.startswith(b"RCPT")] == UNREADABLE
        finally:
            await application.stop()


async def test_a_part_of_a_split_mail_waits_however_its_header_is_written(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        for name, field in SPLIT.items():
            octets = f"From: anna@example.test\r\nSubject: {name}\r\n".encode() if "above" not in name else b""
            octets += field.encode("utf-8", "surrogateescape") + b"\r\nX-A: b\r\n\r\nHere they are.\r\n"
            reply = await house.submit("anna", [BERLIN], octets=octets)
            assert "NOT SENT YET" in reply.text, name
        assert not house.up.messages


@pytest.mark.parametrize(
    "lines",
    [
        [f"rcpt to:<{BERLIN}>", f"rcPT tO:<{ALL}>"],
        [f"RCPT TO:<{BERLIN}>", "MAIL FROM:<ben@example.test>", f"RCPT TO:<{ALL}>"],
        [f"RCPT TO:<{BERLIN}>", "AUTH PLAIN AGJlbgBiZW4=", f"RCPT TO:<{ALL}>"],
        [f"RCPT TO:<{BERLIN}>", "NOOP", "VRFY x", f"RCPT TO:<{ALL}>"],
        ["RSET", "MAIL FROM:<anna@example.test>", f"RCPT TO:<{BERLIN}>", f"RCPT TO:<{ALL}>"],
        ["HELO again", "MAIL FROM:<anna@example.test>", f"RCPT TO:<{BERLIN}>", f"RCPT TO:<{ALL}>"],
    ],
)
async def test_what_is_said_in_between_does_not_part_two_lists(tmp_path: Path, lines: list[str]) -> None:
    async with guarded(tmp_path) as house:
        assert "NOT SENT YET" in await _say(house, "MAIL FROM:<anna@example.test>", *lines)
        assert not house.up.messages


@pytest.mark.parametrize("again", ["RSET", "EHLO again", "HELO again"])
async def test_recipients_before_a_reset_belong_to_no_mail(tmp_path: Path, again: str) -> None:
    async with guarded(tmp_path) as house:
        begin = "MAIL FROM:<anna@example.test>"
        await _say(house, begin, f"RCPT TO:<{ALL}>", again, begin, f"RCPT TO:<{BERLIN}>")
        (message,) = house.up.messages
        assert message.rcpts == (f"TO:<{BERLIN}>".encode(),)
