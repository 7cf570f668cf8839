"""The note to a list's contact when an exception in its file has ended (SEMANTICS e2, story 8)."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.loopback.guarded import ALL, BERLIN, write_config
from tests.loopback.serving import serving
from tests.loopback.test_settings_reload import BROKEN, Scene, mail_servers, scene

pytestmark = pytest.mark.slow


def exception(days: int, *partners: str) -> dict[str, Any]:
    """An entry that ends so many days from now at the site."""
    today = datetime.now(ZoneInfo("Europe/Berlin")).date()
    return {"until": today + timedelta(days=days), "crosspost_with": list(partners), "reason": "congress week"}


async def test_the_contact_is_told_once_that_an_exception_has_ended_also_over_a_restart(tmp_path: Path) -> None:
    entries = [exception(-1, "all-members"), exception(0, "press"), exception(-30, "brandenburg")]
    async with mail_servers() as (up, out):
        config = write_config(tmp_path, up, out, list_changes={"berlin": {"exceptions": entries}})
        async with serving(config) as guard:
            house = Scene(config, up, out, guard)
            to, subject, text = await house.letter(1)
            assert ("berlin-owner@lists.example.test", "lists/berlin.yaml: an exception has ended") == (to, subject)
            assert f"until {entries[0]['until']}, with all-members: congress week" in text
            assert "press" not in text
            assert "brandenburg" not in text
            assert not await house.passes([BERLIN, ALL], "it has really ended")
        async with serving(config) as guard:
            house = Scene(config, up, out, guard)
            # The guard has told what there is to tell when it writes its status.
            await house.until((tmp_path / "state" / "status.json").exists, "status")
            await house.reload()
            house.put(house.file("press"), BROKEN)
            await house.reload()
            assert "lists/press.yaml cannot be used as it is" == (await house.letter(2))[1]
        assert 2 == len(house.letters())


async def test_an_exception_that_comes_with_a_reload_is_told_when_it_has_ended(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        house.change("berlin", exceptions=[exception(-2, "all-members")])
        await house.reload()
        assert "lists/berlin.yaml: an exception has ended" == (await house.letter(1))[1]


async def test_exceptions_that_run_or_ended_long_ago_are_told_to_nobody(tmp_path: Path) -> None:
    entries = [exception(5, "all-members"), exception(-8, "press")]
    async with mail_servers() as (up, out):
        config = write_config(tmp_path, up, out, list_changes={"berlin": {"exceptions": entries}})
        async with serving(config) as guard:
            house = Scene(config, up, out, guard)
            await house.until((tmp_path / "state" / "status.json").exists, "status")
            await house.reload()
        assert not house.letters()
