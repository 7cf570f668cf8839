"""What a client sends is what the mail server gets, octet for octet; what cannot be passed on is refused."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from smtpguard import replies
from smtpguard.mail.content import stuffed, unstuffed
from tests.loopback.door import Client, submission_door
from tests.loopback.fake_upstream import FakeUpstream

MESSAGES = sorted((Path(__file__).parent.parent / "messages").glob("*.eml"))


async def send(client: Client, wire: bytes, *, segment: int | None = None) -> bytes:
    for line in (b"MAIL FROM:<anna@example.test>", b"RCPT TO:<b@example.test>", b"DATA"):
        assert (await client.ask(line))[:1] in b"23"
    data = wire + b".\r\n"
    for at in range(0, len(data), segment or len(data)):
        await client.send(data[at : at + (segment or len(data))])
    return await client.reply()


def test_the_project_has_its_own_few_dozen() -> None:
    assert len(MESSAGES) >= 36


@pytest.mark.parametrize("segment", [None, 1460, 7], ids=["whole", "1460", "7"])
async def test_every_message_of_the_projects_own_passes_octet_for_octet(segment: int | None) -> None:
    async with FakeUpstream() as up, submission_door(up) as door, door.client() as client:
        await client.ask(b"EHLO me")
        for path in MESSAGES:
            message = path.read_bytes()
            if segment == 7 and len(message) > 20_000:
                continue
            wire = stuffed(message)
            assert (await send(client, wire, segment=segment)).startswith(b"250"), path.name

            assert up.messages[-1].content == wire, path.name
            assert unstuffed([up.messages[-1].content]) == message, path.name


@pytest.mark.parametrize("octets", [256 * 1024 - 2, 256 * 1024, 256 * 1024 + 2, 3_000_000, 10_000_000])
async def test_large_content_passes_octet_for_octet(octets: int, tmp_path: Path) -> None:
    line = bytes(each for each in range(1, 256) if each not in (10, 13)) + b"\r\n"
    wire = (line * (octets // len(line) + 1))[: octets - 2] + b"\r\n"
    wire = stuffed(re.sub(rb"\r\r\n$", b"x\r\n", wire))
    async with FakeUpstream() as up, submission_door(up, spool=tmp_path) as door, door.client() as client:
        await client.ask(b"EHLO me")

        assert (await send(client, wire)).startswith(b"250")
        assert up.messages[0].content == wire
        assert list(tmp_path.iterdir()) == []


def corpus() -> Iterator[tuple[str, bytes]]:
    with tarfile.open(Path(os.environ["SMTPGUARD_CORPORA"]) / "mime" / "mime.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                yield member.name, file.read()


@pytest.mark.skipif(not os.environ.get("SMTPGUARD_CORPORA"), reason="SMTPGUARD_CORPORA names no folder of corpora")
async def test_every_message_of_the_corpus_passes_octet_for_octet_or_is_refused() -> None:
    passed = refused = 0
    async with FakeUpstream() as up, submission_door(up) as door:
        for name, found in corpus():
            # As a client does with a file of its system: each line end becomes CRLF.
            message = re.sub(rb"\r?\n", b"\r\n", found)
            wire = stuffed(message)
            async with door.client() as client:
                await client.ask(b"EHLO me")
                reply = await send(client, wire)
                if b"\x00" in message or b"\r" in message.replace(b"\r\n", b""):
                    assert reply == replies.CONTENT_BAD_OCTETS.wire, name
                    refused += 1
                else:
                    assert reply.startswith(b"250"), name
                    assert up.messages[-1].content == wire, name
                    up.messages.clear()
                    passed += 1

    assert passed > 500
    assert refused + passed > 700
