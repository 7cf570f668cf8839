"""Who is told of a broken settings file, and of an exception that has ended, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from smtpguard.config.in_force import Ending, Kept
from smtpguard.config.problems import Problem, Severity
from smtpguard.config.texts import shipped
from smtpguard.correspondence import Correspondence
from smtpguard.file_letters import LETTERS_AT_ONCE_MAX, FileLetters
from smtpguard.mail.address import Address
from smtpguard.notices.site import Site
from smtpguard.upstream.outbox import Credentials, OutboxLogin, SubmissionOutbox
from smtpguard.upstream.target import Target, Timeouts
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import XCLIENT, body, parsed

IT = Address("it", "example.test")
OWNER = Address("berlin-owner", "lists.example.test")
SITE = Site(organisation="Example Union", zone=None, call=None, desk=None, texts=shipped())


class Scene:
    """A guard's letters over restarts, with a clock that is set by hand."""

    def __init__(self, folder: Path, out: FakeUpstream, site: Site = SITE) -> None:
        self.folder = folder
        self.out = out
        self.site = site
        self.now = datetime(2026, 12, 1, 12, tzinfo=UTC)
        self._ids: Iterator[str] = (f"id{number}" for number in range(10_000))
        self.restart()

    def restart(self) -> None:
        bounds = Timeouts(connect=5, reply=5, final=5)
        target = Target("127.0.0.1", self.out.port, "none", None, bounds)
        user = Credentials("mailcheck", "")
        outbox = SubmissionOutbox(target, login=OutboxLogin.XCLIENT, hello_name="check.example.test", credentials=user)
        self.post = Correspondence(outbox, Address("mailcheck", "check.example.test"), lambda: next(self._ids))
        self.letters = FileLetters(self.post, self.folder, lambda: self.site, clock=lambda: self.now)

    async def told(self, *kept: Kept, names: tuple[str, ...] = ("smtpguard.yaml", "lists/berlin.yaml")) -> list[str]:
        """The subjects of what was sent for that."""
        before = len(self.out.messages)
        await self.letters.tell(kept, {each: OWNER if "berlin" in each else IT for each in names}, IT)
        await self.post.settle(10)
        return [str(parsed(each)["Subject"]) for each in self.out.messages[before:]]

    async def ends(self, *endings: Ending) -> list[str]:
        """The same for exceptions."""
        before = len(self.out.messages)
        await self.letters.tell_of_ends(endings)
        await self.post.settle(10)
        return [str(parsed(each)["Subject"]) for each in self.out.messages[before:]]


def broken(text: str = "a mistake", name: str = "lists/berlin.yaml", *, file: str | None = None) -> Kept:
    problem = Problem(file or name, 3, 1, Severity.ERROR, text, "the: line")
    return Kept(name, (problem,), OWNER if "berlin" in name else None, is_new=False)


@pytest.fixture
async def scene(tmp_path: Path):  # type: ignore[no-untyped-def]
    async with FakeUpstream(xclient=XCLIENT) as out:
        yield Scene(tmp_path, out)


BROKEN = "lists/berlin.yaml cannot be used as it is"
MENDED = "lists/berlin.yaml is in order again"


async def test_one_mail_for_one_mistake_and_one_when_it_is_mended(scene: Scene) -> None:
    assert [BROKEN] == await scene.told(broken())
    assert [] == await scene.told(broken())
    scene.now += timedelta(days=3)
    assert [] == await scene.told(broken())
    assert [MENDED] == await scene.told()
    assert [] == await scene.told()


async def test_another_mistake_is_told_after_a_day(scene: Scene) -> None:
    await scene.told(broken())
    scene.now += timedelta(hours=23)
    assert [] == await scene.told(broken("another"))
    scene.now += timedelta(hours=2)
    assert [BROKEN] == await scene.told(broken("another"))


async def test_broken_mended_and_broken_again_on_one_day_is_told_once_each(scene: Scene) -> None:
    assert [BROKEN] == await scene.told(broken())
    assert [MENDED] == await scene.told()
    assert [] == await scene.told(broken())
    assert [] == await scene.told()


async def test_what_was_told_is_remembered_over_a_restart(scene: Scene) -> None:
    await scene.told(broken())
    scene.restart()
    assert [] == await scene.told(broken())
    scene.restart()
    assert [MENDED] == await scene.told()
    assert 0o600 == (scene.folder / "file-letters.json").stat().st_mode & 0o777


async def test_a_damaged_memory_is_begun_anew(scene: Scene) -> None:
    await scene.told(broken())
    (scene.folder / "file-letters.json").write_text("[1")
    scene.restart()
    assert [BROKEN] == await scene.told(broken())


async def test_of_a_broken_file_that_was_deleted_nothing_more_is_said(scene: Scene) -> None:
    await scene.told(broken())
    assert [] == await scene.told(names=("smtpguard.yaml",))


async def test_a_file_without_a_contact_is_told_to_the_sites(scene: Scene) -> None:
    await scene.told(broken(name="lists/unreadable.yaml"))
    assert (b"TO:<it@example.test>",) == scene.out.messages[0].rcpts


async def test_a_line_of_another_file_is_not_quoted(scene: Scene) -> None:
    await scene.told(broken())
    assert "the: line" in body(parsed(scene.out.messages[0]))
    scene.now += timedelta(days=2)
    await scene.told(broken("elsewhere", file="smtpguard.yaml"))
    assert "smtpguard.yaml:3:1: elsewhere" in body(parsed(scene.out.messages[1]))
    assert "the: line" not in body(parsed(scene.out.messages[1]))


async def test_many_broken_files_are_told_by_and_by(scene: Scene) -> None:
    many = [broken(name=f"lists/list{number}.yaml") for number in range(LETTERS_AT_ONCE_MAX + 5)]
    assert LETTERS_AT_ONCE_MAX == len(await scene.told(*many))
    assert 5 == len(await scene.told(*many))
    assert 0 == len(await scene.told(*many))


# The site is Berlin: its day begins an hour before UTC's in winter.
DAY = date(2026, 12, 6)
ENDED = "lists/berlin.yaml: an exception has ended"


def ending(until: date = DAY, name: str = "lists/berlin.yaml", reason: str = "congress week") -> Ending:
    return Ending(name, OWNER, until, ("all-members",), reason)


def at(day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(2026, 12, day, hour, minute, tzinfo=UTC)


@pytest.fixture
async def berlin(tmp_path: Path):  # type: ignore[no-untyped-def]
    async with FakeUpstream(xclient=XCLIENT) as out:
        yield Scene(tmp_path, out, Site("Example Union", ZoneInfo("Europe/Berlin"), texts=shipped()))


async def test_the_end_of_an_exception_is_told_once_on_the_first_day_after_it(berlin: Scene) -> None:
    berlin.now = at(6, 22, 59)  # 23:59 there
    assert [] == await berlin.ends(ending())
    berlin.now = at(6, 23, 0)
    assert [ENDED] == await berlin.ends(ending())
    assert (b"TO:<berlin-owner@lists.example.test>",) == berlin.out.messages[0].rcpts
    said = body(parsed(berlin.out.messages[0]))
    assert "   until 2026-12-06, with all-members: congress week\n" in said
    assert 'This entry of "exceptions" in the settings file lists/berlin.yaml has ended:' in said
    for day in (7, 8, 13, 14, 20):
        berlin.now = at(day)
        assert [] == await berlin.ends(ending())


async def test_the_end_of_an_exception_is_not_told_again_after_a_restart(berlin: Scene) -> None:
    berlin.now = at(7)
    await berlin.ends(ending())
    assert 0o600 == (berlin.folder / "exception-letters.json").stat().st_mode & 0o777
    for day in (7, 8, 13):
        berlin.now = at(day)
        berlin.restart()
        assert [] == await berlin.ends(ending())


async def test_a_guard_that_was_away_tells_within_a_week_and_later_no_more(berlin: Scene) -> None:
    berlin.now = at(14)
    assert [] == await berlin.ends(ending())
    berlin.now = at(13, 22, 59)
    assert [ENDED] == await berlin.ends(ending())
    assert [] == await berlin.ends(ending(date(2025, 12, 6), "lists/press-berlin.yaml"))


async def test_exceptions_of_one_file_that_have_ended_are_told_in_one_mail(berlin: Scene) -> None:
    berlin.now = at(8)
    several = (ending(reason="one"), ending(reason="two"), ending(date(2026, 12, 7), reason="three"))
    assert ["lists/berlin.yaml: exceptions have ended"] == await berlin.ends(*several)
    said = body(parsed(berlin.out.messages[0]))
    assert all(each in said for each in ("one\n", "two\n", "until 2026-12-07, with all-members: three\n"))


async def test_one_file_gets_one_mail_about_ends_a_day(berlin: Scene) -> None:
    berlin.now = at(8)
    assert [ENDED] == await berlin.ends(ending())
    late = ending(date(2026, 12, 5), reason="written when it was over")
    assert [] == await berlin.ends(ending(), late)
    berlin.restart()
    assert [] == await berlin.ends(ending(), late)
    berlin.now = at(9)
    assert [ENDED] == await berlin.ends(ending(), late)
    assert "written when it was over" in body(parsed(berlin.out.messages[1]))


async def test_an_exception_that_was_given_more_time_is_told_when_that_is_over(berlin: Scene) -> None:
    berlin.now = at(7)
    assert [ENDED] == await berlin.ends(ending())
    assert [] == await berlin.ends(ending(date(2026, 12, 9)))
    berlin.now = at(10)
    assert [ENDED] == await berlin.ends(ending(date(2026, 12, 9)))


async def test_a_clock_that_was_ahead_tells_no_end_twice(berlin: Scene) -> None:
    berlin.now = at(7)
    assert [ENDED] == await berlin.ends(ending())
    berlin.now = at(1)
    assert [] == await berlin.ends(ending())
    berlin.now = at(7)
    assert [] == await berlin.ends(ending())


async def test_ends_in_many_files_are_told_by_and_by(berlin: Scene) -> None:
    many = [ending(name=f"lists/berlin{number}.yaml") for number in range(LETTERS_AT_ONCE_MAX + 5)]
    berlin.now = at(7)
    assert LETTERS_AT_ONCE_MAX == len(await berlin.ends(*many))
    assert 5 == len(await berlin.ends(*many))
    assert 0 == len(await berlin.ends(*many))


async def test_a_damaged_memory_of_ends_is_begun_anew(berlin: Scene) -> None:
    (berlin.folder / "exception-letters.json").write_text('{"lists/berlin.yaml": ["2026"]}')
    berlin.now = at(7)
    assert [ENDED] == await berlin.ends(ending())
    berlin.restart()
    assert [] == await berlin.ends(ending())
