"""Archives made for a replay, and what comes of playing them in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from smtpguard.config.loading import load
from smtpguard.tools.replay.gathering import Gathered, Gathering, Source, Tell
from smtpguard.tools.replay.playing import Configuration, Fate, Unjudged, played
from smtpguard.tools.replay.tallies import Replay, replay_of
from tests.archives.posts import NOW, mboxrd, post

FIRST = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
BOTH = "berlin@lists.example.org, press@lists.example.org"


def mbox(path: Path, *mails: bytes) -> Path:
    path.write_bytes(mboxrd(mails))
    return path


def of_list(name: str, number: int, when: datetime, body: str | None = None, *more: str, to: str = "") -> bytes:
    """A post as `name` has distributed it."""
    mail = post(number, when, body, *more, to=to or f"{name}@lists.example.org")
    return mail.replace(b"List-Id: <berlin.", f"List-Id: <{name}.".encode())


def configuration(site: Path) -> Configuration:
    loaded = load(site)
    assert loaded.ok, loaded.problems
    assert loaded.settings is not None
    assert loaded.policy is not None
    assert loaded.directory is not None
    return Configuration(str(site), loaded.settings, loaded.policy, loaded.directory)


def gathered(folder: Path, *archives: Path | Source) -> Gathered:
    sources = [each if isinstance(each, Source) else Source(each) for each in archives]
    return Gathering(folder / "mails", NOW).gather(sources, _silently)


def replayed(sites: Path | Sequence[Path], *archives: Path | Source) -> Replay:
    """What `smtpguard replay` would show."""
    configurations = [configuration(each) for each in ([sites] if isinstance(sites, Path) else sites)]
    with TemporaryDirectory() as name:
        folder = Path(name)
        found = gathered(folder, *archives)
        return replay_of(configurations, found, [asyncio.run(_fates(each, found, folder)) for each in configurations])


def fates(site: Path, *archives: Path | Source) -> dict[str, Fate | Unjudged]:
    """What would become of each mail, by its Message-ID without brackets."""
    with TemporaryDirectory() as name:
        found = gathered(Path(name), *archives)
        each = asyncio.run(_fates(configuration(site), found, Path(name)))
    return {entry.message_id.strip("<>"): fate for entry, fate in zip(found.entries, each, strict=True)}


def rows(fate: Fate | Unjudged) -> set[str]:
    """The rows by which a mail alarms."""
    assert isinstance(fate, Fate)
    return {each.row for each in fate.alarms}


async def _fates(of: Configuration, found: Gathered, folder: Path) -> list[Fate | Unjudged]:
    with TemporaryDirectory(dir=folder) as memory:
        return [each async for each in played(of, found, Path(memory))]


@contextmanager
def _silently(label: str, size: int) -> Iterator[Tell]:
    yield lambda _: None
