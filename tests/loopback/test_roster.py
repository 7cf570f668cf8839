"""The roster in a running guard: it says who is a member, counts when it is saved, and is shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.loopback.guarded import MEMBERS, Member, mail
from tests.loopback.test_settings_reload import Scene, scene

pytestmark = pytest.mark.slow

LETTER = (
    "Have a look.\n\n---------- Forwarded message ---------\nFrom: Dora <dora@mailbox.test>\n"
    "Date: Sat, 21 Nov 2026 at 10:12\nSubject: our talk\nTo: Anna <anna@example.test>\n\n"
    "Between us, I think the new plan is too expensive. Please keep this to yourself for now."
)
STRANGER = "zoe@elsewhere.test"


async def is_asked_about(house: Scene, subject: str) -> bool:
    """True if Anna, who passes Dora's letter on to somebody, is asked."""
    before = len(house.up.messages), len(house.notices())
    member = Member(house.guard.ports[0])
    await member.login("anna")
    try:
        octets = mail("anna", [STRANGER], subject=subject, body=LETTER)
        assert 250 == (await member.send(MEMBERS["anna"], [STRANGER], octets)).code
    finally:
        await member.quit()
    after = len(house.up.messages), len(house.notices())
    assert 1 == sum(after) - sum(before)
    return after[1] > before[1]


async def test_a_saved_roster_counts_by_itself_and_a_broken_one_keeps_its_last_good_version(tmp_path: Path) -> None:
    folder = tmp_path / "members"
    folder.mkdir()
    roster, copies = folder / "roster.txt", tmp_path / "state" / "last-good" / "named"
    roster.write_text("anna@example.test\n")
    async with scene(tmp_path, roster="members/roster.txt") as house:
        assert not await is_asked_about(house, "Dora is no member")

        members = "anna@example.test\ndora@mailbox.test\n"
        house.put(roster, members)
        await house.until(lambda: [members] == [each.read_text() for each in copies.iterdir()], "the copy")
        assert await is_asked_about(house, "now she is")

        house.put(roster, "anna@example.test\ndora@mailbox.test planted@mailbox.test\n")
        await house.logged("event=file-not-used")
        assert await is_asked_about(house, "and still is")
        to, subject, text = await house.letter(1)
        assert "it@example.test" == to
        assert "members/roster.txt cannot be used as it is" == subject
        assert "members/roster.txt:2:1: there are two addresses in this line. Write one in each line." in text
        status = house.status_of("members/roster.txt")
        assert status is not None
        assert (False, "its last good version") == (status["ok"], status["in_force"])
        code, said = await house.check_live()
        assert (1, True) == (code, "members/roster.txt: its last good version is in force" in said)
        for words in (text, str(house.status()), said, house.guard.log.decode()):
            assert "mailbox.test" not in words
            assert "planted" not in words

        house.put(roster, members)
        _, subject, _ = await house.letter(2)
        assert "members/roster.txt is in order again" == subject


async def test_who_is_a_member_is_known_again_after_a_restart_with_a_broken_roster(tmp_path: Path) -> None:
    (tmp_path / "roster.txt").write_text("anna@example.test\ndora@mailbox.test\n")
    async with scene(tmp_path, roster="roster.txt") as house:
        assert await is_asked_about(house, "before")
    (tmp_path / "roster.txt").write_text("anna\n")
    async with scene(tmp_path, roster="roster.txt") as house:
        assert await is_asked_about(house, "after")
