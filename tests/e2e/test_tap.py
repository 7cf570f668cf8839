"""Copies of mail by Postfix, set up by the files that are shipped in deploy/postfix, at the guard's taps."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import smtplib
from dataclasses import replace

import pytest

from smtpguard.listener.options import Protocol
from tests.e2e.copied import copied
from tests.e2e.stack import LISTS, Stack
from tests.e2e.writing import new_subject
from tests.loopback.tapping import LIST_SERVER, POLICY, Recorder, a_list, address, letter, post, tap
from tests.ports import HOST, wait_until

pytestmark = pytest.mark.e2e

LOOPBACK = (ipaddress.ip_network("127.0.0.1/32"),)
POLICY_HERE = replace(POLICY, lists=(a_list("berlin"), a_list("press")))
ARRIVES = 60.0


def sent(port: int, sender: str, recipients: list[str], octets: bytes, *options: str) -> None:
    with smtplib.SMTP(HOST, port, timeout=40) as client:
        client.ehlo("outside.example")
        refused = client.sendmail(sender, recipients, octets, rcpt_options=options)
    assert not refused


async def test_copies_reach_the_taps_with_their_own_recipients(stack: Stack) -> None:
    mails, posts = Recorder(), Recorder()
    async with (
        tap(mails, POLICY_HERE, protocol=Protocol.LMTP, list_server=()) as first,
        tap(posts, POLICY_HERE, protocol=Protocol.LMTP, list_server=LOOPBACK) as second,
    ):

        def play() -> None:
            with copied(stack, first.server.ports[0], second.server.ports[0]) as ports:
                subject, other, desk = new_subject(), new_subject(), new_subject()
                octets = letter(body="Ä letter, with 8 bits.").replace(b"Subject: Boat", f"Subject: {subject}".encode())
                sent(ports.world, "carla@elsewhere.example", ["anna@example.test", "ben@example.test"], octets)
                wait_until("the letter is learnt", lambda: len(mails.mails) == 1, ARRIVES)
                stack.wait_for("anna", subject=subject)
                stack.wait_for("ben", subject=subject)
                # The list manager's port.
                octets = post().replace(b"Subject: Boat", f"Subject: {other}".encode())
                bounces = "berlin-bounces+anna=example.test@lists.example.test"
                sent(ports.lists, bounces, ["anna@example.test", "ben@example.test"], octets)
                wait_until("the post is learnt", lambda: len(posts.posts) == 1, ARRIVES)
                stack.wait_for("ben", subject=other)
                # The same fields from outside, a bounce, and mail that Postfix would report on.
                octets = post().replace(b"Subject: Boat", f"Subject: {desk}".encode())
                sent(ports.world, "mallory@elsewhere.example", ["anna@example.test"], octets, "NOTIFY=SUCCESS")
                sent(ports.world, "", ["anna@example.test"], octets)
                stack.wait_for("anna", subject=desk)
                stack.settle()

        await asyncio.to_thread(play)

    ((message, author, recipients, _),) = mails.mails
    assert "Ä letter, with 8 bits." == message.own_text.strip()
    assert address("carla@elsewhere.example") == author
    assert {address("anna@example.test"), address("ben@example.test")} == set(recipients)
    ((list_id, _, readers),) = posts.posts
    assert ("berlin", {address("anna@example.test"), address("ben@example.test")}) == (list_id, set(readers))
    assert [] == mails.posts

    def logged() -> list[str]:
        return re.findall(r"postfix/copies/lmtp\[\d+\]: .* relay=127.*", stack.mail_log())

    # Lines come a little behind the mail that they are about.
    await asyncio.to_thread(wait_until, "all copies are in the log", lambda: len(logged()) >= 6, ARRIVES)
    copies = logged()
    assert 6 == len(copies)
    assert all("status=sent (250 2.0.0 Ok)" in each for each in copies), copies


async def test_what_mailman_distributes_is_public_and_what_it_writes_to_owners_is_not(stack: Stack) -> None:
    def play() -> tuple[bytes, bytes]:
        posted, waiting = new_subject(), new_subject()
        octets = letter("Anna <anna@example.test>", "berlin@lists.example.test", "Minutes of Tuesday.")
        octets = octets.replace(b"Message-ID: <boat@elsewhere.example>\r\n", b"")
        sent(
            stack.inbound[1],
            "anna@example.test",
            ["berlin@lists.example.test"],
            octets.replace(b"Boat", posted.encode()),
        )
        (distributed,) = stack.wait_for("ben", subject=posted)
        with stack.mailman.owned(LISTS["berlin"], "clara"):
            octets = letter(to="berlin@lists.example.test", body="Not for everybody.")
            octets = octets.replace(b"Boat", waiting.encode())
            sent(stack.inbound[1], "carla@elsewhere.example", ["berlin@lists.example.test"], octets)

            def notices() -> list[bytes]:
                return [each.content for each in stack.inbox("clara") if waiting.encode() in each.content]

            wait_until("the owner is told", lambda: bool(notices()), ARRIVES)
        (notice,) = notices()
        return distributed.content, notice

    distributed, notice = await asyncio.to_thread(play)
    assert b"\nList-Id:" in notice
    assert b"Not for everybody." in notice
    async with tap(policy=POLICY_HERE) as door, door.client(LIST_SERVER) as manager:
        for octets in (distributed, notice):
            await manager.hand_over(octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), "ben@example.test")
    assert ["berlin"] == [list_id for list_id, _, _ in door.learner.posts]
    assert [] == door.learner.mails
