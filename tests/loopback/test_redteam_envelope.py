"""Spellings, split transactions and broken headers: what goes to two lists, or to a list in hiding, waits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.loopback.guarded import ALL, BERLIN, House, guarded

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
