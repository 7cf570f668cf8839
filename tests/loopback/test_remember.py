"""`smtpguard remember` beside a guard that runs and takes mail."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.archives.posts import mboxrd, posts
from tests.loopback.guarded import BERLIN, guarded

pytestmark = pytest.mark.slow
HOURS = timedelta(hours=1)


async def test_an_archive_is_read_while_members_post(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(mboxrd(posts(600, datetime.now(UTC) - 25 * 24 * HOURS, HOURS / 2)))
    async with guarded(tmp_path) as house:
        assert (await house.submit("anna", [BERLIN], body="We begin.")).code == 250
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "smtpguard", "remember", "--list", "berlin", archive,
            "--config", tmp_path / "smtpguard.yaml", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        reading = asyncio.create_task(process.communicate())
        sent = 0
        while not reading.done():
            reply = await house.submit("ben", ["carla@example.org"], body=f"Number {sent}, between us two.")
            assert reply.code == 250
            sent += 1
        out, err = await reading
        assert (process.returncode, err) == (0, b"")
        assert b"600 posts remembered" in out
        assert (await house.submit("anna", [BERLIN], body="We end here.", subject="The end")).code == 250
    assert sent > 1
    connection = sqlite3.connect(house.folder / "state" / "memory.sqlite3")
    assert connection.execute("SELECT count(*) FROM posts").fetchone() == (602,)
    connection.close()
