"""`smtpguard remember`, as an admin calls it: what becomes known, and what an interruption costs."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import Result

from smtpguard.config.loading import load
from smtpguard.evidence import Evidence
from smtpguard.keys import KeyFolder
from smtpguard.mail.address import parse_address
from smtpguard.mail.message import Account, Message, Passage, Submission, Voice
from smtpguard.origins import Origins
from smtpguard.store.memory import SQLiteMemory
from smtpguard.tools import commands
from smtpguard.tools.progress import Progress
from smtpguard.tools.remembering import BATCH_POSTS, Counts
from tests.archives.posts import DAY, NOW, maildir, mboxrd, post, posts, text
from tests.ports import wait_until
from tests.processes import state_of
from tests.tools.site import list_text, run, write_site

PATIENCE_SECONDS = 120.0


@pytest.fixture(autouse=True)
def evening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_now", lambda: NOW)


@pytest.fixture
def state(site: Path) -> Path:
    folder = site.parent.parent / "state"
    folder.mkdir(mode=0o700)
    (site.parent / "lists" / "council.yaml").write_text(list_text("council", "audience: closed", "readers: [ben]"))
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "berlin.mbox"


def remember(site: Path, *archives: Path, of: str = "berlin") -> Result:
    return run("remember", "--config", site, "--state-dir", site.parent.parent / "state", "--list", of, *archives)


def rows(state: Path) -> dict[str, int]:
    with sqlite3.connect(f"file:{state}/memory.sqlite3?mode=ro", uri=True) as connection:
        tables = ("public_texts", "posts", "links", "mails", "archives")
        found = {each: connection.execute(f"SELECT count(*) FROM {each}").fetchone()[0] for each in tables}
        found["read"] = connection.execute("SELECT coalesce(sum(posts), 0) FROM archives").fetchone()[0]
    connection.close()
    return found


def evidence(site: Path, state: Path, *quoted: str, own: str = "I think so, too.", sender: str = "ben") -> Evidence:
    """What a running guard would know of a mail to berlin that quotes these texts."""
    return asyncio.run(_evidence(site, state, quoted, own, sender))


async def _evidence(site: Path, state: Path, quoted: tuple[str, ...], own: str, sender: str) -> Evidence:
    policy = load(site).policy
    mailbox, berlin = parse_address(f"{sender}@example.org"), parse_address("berlin@lists.example.org")
    assert policy is not None
    assert mailbox is not None
    assert berlin is not None
    memory = await SQLiteMemory.open(state / "memory.sqlite3", lambda: NOW)
    keys = state / "keys"

    async def is_post(_id: str, _when: datetime) -> bool:
        return False

    private, public = KeyFolder(keys, "private"), KeyFolder(keys, "public")
    origins = Origins(memory, private, public, lambda: policy, is_post=is_post, clock=lambda: NOW)
    passages = (Passage(Voice.OWN, own), *(Passage(Voice.QUOTED, each) for each in quoted))
    message = Message("<new@x>", authors=(mailbox,), destinations=(berlin,), passages=passages)
    submission = Submission("1", Account(sender, mailbox), (berlin,), message, NOW, 1000)
    found = await origins.trace(submission, policy, Evidence())
    await memory.close()
    return found.evidence


def test_who_quotes_a_post_of_the_archive_is_known_to_quote_the_list(site: Path, state: Path, file: Path) -> None:
    file.write_bytes(mboxrd(posts(30)))

    found = remember(site, file)

    assert (0, "") == (found.exit_code, found.stderr)
    assert found.stdout == f"{file}: 30 posts remembered\nberlin: posts are known since 2026-11-02.\n"
    known = evidence(site, state, text(3), text(4000))
    assert known.public == {1}
    assert known.known_since["berlin"] == datetime(2026, 11, 2, tzinfo=UTC)
    assert known.known_since["press"] == NOW


@pytest.mark.parametrize("kind", ["mbox", "gzip", "maildir", "eml", "one"])
def test_every_kind_of_archive_is_read_once(site: Path, state: Path, tmp_path: Path, kind: str) -> None:
    archive = tmp_path / "archive"
    mails = posts(1 if kind == "one" else 25)
    if kind == "maildir":
        maildir(archive, mails)
    elif kind == "eml":
        archive.mkdir()
        for number, each in enumerate(mails):
            (archive / f"{number}.eml").write_bytes(each)
    else:
        octets = mails[0] if kind == "one" else mboxrd(mails)
        archive.write_bytes(gzip.compress(octets) if kind == "gzip" else octets)

    assert f"{len(mails)} posts remembered\n" in remember(site, archive).stdout
    first = rows(state)
    assert first["read"] == first["posts"] == len(mails)
    assert f"0 posts remembered, {len(mails)} were already\n" in remember(site, archive).stdout
    assert rows(state) == first


def test_what_has_come_since_is_read_on(site: Path, state: Path, file: Path) -> None:
    file.write_bytes(mboxrd(posts(30)))
    remember(site, file)
    file.write_bytes(mboxrd(posts(33)))

    found = remember(site, file, of="berlin@lists.example.org")

    assert "3 posts remembered, 30 were already\n" in found.stdout
    assert rows(state)["posts"] == 33


def test_another_archive_in_its_place_is_counted_afresh(site: Path, state: Path, file: Path) -> None:
    file.write_bytes(mboxrd(posts(30)))
    remember(site, file)
    file.write_bytes(mboxrd(posts(40)[30:]))

    assert f"{file}: 10 posts remembered\n" in remember(site, file).stdout
    assert rows(state)["posts"] == 40


def test_what_is_too_old_or_no_mail_is_passed_over_and_counted(site: Path, state: Path, file: Path) -> None:
    broken = b"\n".join((b"X-Nothing: here", b"", b"text"))
    file.write_bytes(mboxrd([post(1, NOW - 500 * DAY), post(2, NOW - 400 * DAY), broken, post(3)]))

    found = remember(site, file)

    assert found.exit_code == 0
    told = "1 posts remembered, 2 are too old to be kept (before 2025-12-29), 1 are no mails and were passed over"
    assert f"{told}\n" in found.stdout
    assert evidence(site, state, text(1), text(3)).public == {2}


def test_an_absurd_date_is_taken_from_the_neighbour(site: Path, state: Path, file: Path) -> None:
    old = NOW - 500 * DAY
    future = post(2, "Sun, 22 Nov 2099 10:00:00 +0000")
    file.write_bytes(
        mboxrd([post(1, old), future, post(3, "yesterday"), post(4), post(5, "Mon, 1 Jan 1900 10:00 +0000")])
    )

    assert "2 posts remembered, 3 are too old" in remember(site, file).stdout
    assert evidence(site, state, *map(text, range(1, 6))).public == {4, 5}
    file.write_bytes(mboxrd([future, post(3, "never"), post(1, old), post(6)]))
    assert "1 posts remembered, 3 are too old" in remember(site, file).stdout


def test_where_a_bookmark_stands_the_neighbour_is_still_known(site: Path, state: Path, file: Path) -> None:
    old = post(1, NOW - 500 * DAY)
    file.write_bytes(mboxrd([old]))
    remember(site, file)
    file.write_bytes(mboxrd([old, post(2, "never")]))
    assert "0 posts remembered, 1 are too old" in remember(site, file).stdout


def test_an_archive_that_ended_long_ago_makes_nothing_known_since_then(site: Path, state: Path, file: Path) -> None:
    file.write_bytes(mboxrd(posts(50, NOW - 200 * DAY, DAY)))

    found = remember(site, file)

    assert "berlin: posts are known since 2026-11-22.\n" in found.stdout
    assert "What is older ends on 2026-06-24, and nothing is known of the time between.\n" in found.stdout
    known = evidence(site, state, text(3))
    assert known.public == {1}
    assert known.known_since["berlin"] == NOW
    file.write_bytes(mboxrd(posts(201, NOW - 200 * DAY, DAY)))
    assert "berlin: posts are known since 2026-05-06.\n" in remember(site, file).stdout


def test_T_13_of_a_closed_list_the_last_month_is_kept_for_its_readers(site: Path, state: Path, file: Path) -> None:
    file.write_bytes(mboxrd(posts(50, NOW - 49 * DAY, DAY)))

    found = remember(site, file, of="council")

    assert "31 posts remembered, 19 are too old to be kept (before 2026-10-23)\n" in found.stdout
    assert "council: posts are known since 2026-10-23.\n" in found.stdout
    assert rows(state)["mails"] == 31
    assert rows(state)["public_texts"] == 0
    (known,) = evidence(site, state, own=text(45)).known
    assert known.mail.list_id == "council"
    assert evidence(site, state, own=text(45), sender="carla").known == ()


def test_T_15_posts_of_a_desk_leave_no_trace(site: Path, state: Path, file: Path) -> None:
    file.write_bytes(mboxrd([post(1, sender="commission"), post(2, to="commission@example.org"), post(3)]))
    assert "1 posts remembered\n" in remember(site, file).stdout
    assert evidence(site, state, text(1), text(2), text(3)).public == {3}


def test_nothing_of_the_archive_stands_in_the_memory_as_it_is(site: Path, state: Path, tmp_path: Path) -> None:
    file = tmp_path / "a-name-that-tells.mbox"
    file.write_bytes(mboxrd(posts(5)))
    remember(site, file)
    for each in state.iterdir():
        if each.is_file():
            octets = each.read_bytes()
            assert not [one for one in (b"name-that-tells", b"berlin", b"anna", b"We have met") if one in octets], each


def test_held_mail_is_not_opened(site: Path, state: Path, file: Path) -> None:
    holds = state / "holds.sqlite3"
    holds.write_bytes(b"no database at all")
    before = holds.stat()
    os.utime(holds, ns=(before.st_atime_ns - 10**15, before.st_mtime_ns))
    before = holds.stat()
    file.write_bytes(mboxrd(posts(5)))
    assert remember(site, file).exit_code == 0
    after = holds.stat()
    assert (before.st_atime_ns, before.st_mtime_ns) == (after.st_atime_ns, after.st_mtime_ns)
    assert {each.name for each in state.iterdir()} >= {"holds.sqlite3"}
    assert not list(state.glob("holds.sqlite3-*"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("berlni", 'Did you mean "berlin"?'),
        ("berlin@lists.exmple.org", 'Did you mean "berlin@lists.example.org"?'),
        ("moonbase", "smtpguard lists shows them all"),
    ],
)
def test_a_list_that_is_none_is_named_with_the_nearest(
    site: Path, state: Path, file: Path, name: str, hint: str
) -> None:
    file.write_bytes(mboxrd(posts(1)))
    found = remember(site, file, of=name)
    assert found.exit_code == 2
    assert f'there is no list "{name}". {hint}' in " ".join(found.stderr.split())
    assert list(state.iterdir()) == []


def test_an_archive_that_cannot_be_read_is_named_and_the_others_are_read(site: Path, state: Path, file: Path) -> None:
    file.write_bytes(mboxrd(posts(5)))
    picture = file.with_name("picture.png")
    picture.write_bytes(b"\x89PNG\r\n")
    found = remember(site, picture, file.with_name("nothing"), file)
    assert found.exit_code == 1
    assert f"smtpguard: {picture}: this is no mbox" in found.stderr
    assert "nothing: No such file or directory" in found.stderr
    assert "5 posts remembered" in found.stdout


def test_it_says_where_nothing_would_be_remembered(site: Path, state: Path, file: Path) -> None:
    file.write_bytes(mboxrd(posts(1)))
    site.write_text(site.read_text() + "remember: none\n")
    found = remember(site, file)
    assert found.exit_code == 2
    assert "remember: none" in found.stderr
    site.write_text(site.read_text().replace("remember: none\n", ""))
    state.rmdir()
    found = remember(site, file)
    assert found.exit_code == 2
    assert "start it first" in " ".join(found.stderr.split())


def test_a_memory_that_is_none_is_named(site: Path, state: Path, file: Path) -> None:
    file.write_bytes(mboxrd(posts(1)))
    (state / "memory.sqlite3").write_bytes(b"no database at all" * 100)
    (state / "memory.sqlite3").chmod(0o600)
    found = remember(site, file)
    assert found.exit_code == 69
    assert "the memory cannot be used" in found.stderr
    (state / "memory.sqlite3").unlink()
    (state / "keys").mkdir(mode=0o755)
    (state / "keys").chmod(0o755)
    assert remember(site, file).exit_code == 73


@contextmanager
def started(
    site: Path, *archives: Path, of: str = "berlin", fail_at: str | None = None, stop_at: str | None = None
) -> Iterator[subprocess.Popen[str]]:
    """The command as a process of its own, with the machine's clock."""
    points = {"SMTPGUARD_FAIL_AT": fail_at, "SMTPGUARD_STOP_AT": stop_at}
    environment = {**os.environ, **{name: point for name, point in points.items() if point}}
    command = [sys.executable, "-m", "smtpguard", "remember", "--config", site, "--list", of]
    with subprocess.Popen(
        [*map(str, (*command, "--state-dir", site.parent.parent / "state", *archives))],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def recent(how_many: int) -> list[bytes]:
    now = datetime.now(UTC)
    return posts(how_many, now - 20 * DAY, timedelta(minutes=1))


def finished(site: Path, *archives: Path, of: str = "berlin", fail_at: str | None = None) -> tuple[int, str]:
    with started(site, *archives, of=of, fail_at=fail_at) as process:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, out + err


@pytest.mark.slow
@pytest.mark.parametrize("of", ["berlin", "council"])
def test_killed_after_any_step_it_goes_on_and_keeps_nothing_twice(site: Path, state: Path, file: Path, of: str) -> None:
    count = 2 * BATCH_POSTS + 50
    file.write_bytes(mboxrd(recent(count)))
    assert finished(site, file, of=of, fail_at="remember.kept")[0] == -signal.SIGKILL
    assert rows(state)["archives"] == 0
    assert rows(state)["posts"] == BATCH_POSTS
    assert finished(site, file, of=of, fail_at="remember.noted")[0] == -signal.SIGKILL
    assert rows(state)["read"] == rows(state)["posts"] == BATCH_POSTS
    assert finished(site, file, of=of, fail_at="remember.kept")[0] == -signal.SIGKILL
    code, out = finished(site, file, of=of)
    assert (code, f"{count - BATCH_POSTS} posts remembered, {BATCH_POSTS} were already" in out) == (0, True)
    interrupted = rows(state)
    assert interrupted["read"] == interrupted["posts"] == count
    assert interrupted["mails"] == (count if of == "council" else 0)

    for each in (*state.glob("memory*"), *state.glob("keys/*")):
        each.unlink()
    assert finished(site, file, of=of)[0] == 0
    assert rows(state) == interrupted


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(site: Path, state: Path, file: Path) -> None:
    count = 3000
    file.write_bytes(mboxrd(recent(count)))
    moments = random.Random(11)
    for _ in range(6):
        with started(site, file) as process:
            before = rows(state)["read"] if (state / "memory.sqlite3").exists() else 0
            end = time.monotonic() + PATIENCE_SECONDS
            while process.poll() is None and time.monotonic() < end and _read(state) <= before:
                time.sleep(0.01)
            time.sleep(moments.random() * 0.2)
            process.send_signal(signal.SIGKILL)
    code, out = finished(site, file)
    assert code == 0
    now, earlier = (int(each.replace(",", "")) for each in re.findall(r"([\d,]+) (?:posts rem|were)", out))
    assert now + earlier == count
    assert rows(state)["read"] == rows(state)["posts"] == count


def _read(state: Path) -> int:
    try:
        return rows(state)["read"]
    except sqlite3.Error:
        return 0  # not made yet


def _went_on(process: subprocess.Popen[str]) -> bool:
    """True once it has ended; until then whoever stands still goes on."""
    process.send_signal(signal.SIGCONT)
    return process.poll() is not None


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_read_and_says_so(site: Path, state: Path, file: Path) -> None:
    count = 4000
    file.write_bytes(mboxrd(recent(count)))
    # It stands still whenever it has noted how far it has come: else it might be at the end before the signal comes.
    with started(site, file, stop_at="remember.noted") as process:
        wait_until("it has noted something", lambda: state_of(process.pid) == "T", PATIENCE_SECONDS)
        process.send_signal(signal.SIGINT)
        wait_until("it has ended", lambda: _went_on(process), PATIENCE_SECONDS)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, err) == (130, "")
    assert "Stopped. What was read is kept" in out
    read = rows(state)["read"]
    assert 0 < read < count
    assert f"{count - read:,} posts remembered, {read:,} were already" in finished(site, file)[1]


def test_two_at_once_are_not_let_in(site: Path, state: Path, file: Path) -> None:
    import fcntl

    file.write_bytes(mboxrd(posts(1)))
    with (state / "remember.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = remember(site, file)
    assert found.exit_code == 69
    assert "another smtpguard remember is at work" in found.stderr
    assert remember(site, file).exit_code == 0


def test_posts_that_are_in_two_archives_are_kept_once(site: Path, state: Path, file: Path) -> None:
    file.write_bytes(mboxrd(recent(10)))
    other = file.with_name("the-same.mbox")
    other.write_bytes(mboxrd(recent(12)))
    for of, mails, kept in (("berlin", 0, 12), ("council", 12, 24)):
        remember(site, file, of=of)
        remember(site, other, of=of)
        assert rows(state)["mails"] == mails
        assert rows(state)["posts"] == kept


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can act as the guard's user")
def test_root_reads_the_archive_and_leaves_nothing_of_root_s() -> None:
    # Not below pytest's own folder: nobody else gets through that.
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        site, state, secret = write_site(folder / "config"), folder / "state", folder / "root"
        state.mkdir(mode=0o700)
        secret.mkdir(mode=0o700)
        (secret / "berlin.mbox").write_bytes(mboxrd(recent(5)))
        maildir(secret / "maildir", recent(7)[5:])
        os.chown(state, 12345, 12345)
        code, out = finished(site, secret / "berlin.mbox", secret / "maildir")
        assert (code, "5 posts remembered" in out, "2 posts remembered" in out) == (0, True, True), out
        assert {12345} == {each.stat().st_uid for each in (state, *state.rglob("*"))}


def test_progress_is_told_in_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    counts = Counts()
    with Progress(bar=False, line_seconds=0).of(file, 200, counts) as tell:
        tell(50)
        counts.posts = 1234
        tell(200)
    assert capsys.readouterr().err == "berlin.mbox: 25 %, 0 posts\nberlin.mbox: 100 %, 1,234 posts\n"


@pytest.mark.slow
def test_progress_is_a_bar_on_a_terminal(site: Path, state: Path, file: Path) -> None:
    import pty

    file.write_bytes(mboxrd(recent(50)))
    try:
        master, slave = pty.openpty()
    except OSError:
        pytest.skip("this machine has no terminals")
    command = [
        sys.executable,
        "-m",
        "smtpguard",
        "remember",
        "--config",
        site,
        "--list",
        "berlin",
        "--state-dir",
        state,
    ]
    with subprocess.Popen([*map(str, command), str(file)], stdout=subprocess.PIPE, stderr=slave) as process:
        os.close(slave)
        shown = b""
        try:
            while part := os.read(master, 4096):
                shown += part
        except OSError:
            pass  # EIO: the other side is closed
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    os.close(master)
    assert b"50 posts remembered" in out
    assert b"berlin.mbox" in shown
    assert b"100%" in shown


@pytest.mark.slow
def test_ten_thousand_posts(site: Path, state: Path, file: Path) -> None:
    file.write_bytes(mboxrd(recent(10_000)))
    code, out = finished(site, file)
    assert (code, "10,000 posts remembered" in out) == (0, True)
    assert rows(state)["read"] == 10_000


def test_of_a_post_no_more_text_is_remembered_than_the_site_looks_into(site: Path, state: Path, file: Path) -> None:
    with site.open("a", encoding="utf-8") as settings:
        settings.write("limits: {inspect_text: 64KiB}\n")
    rules = "-----\n" * 12_000
    long = post(1, NOW - DAY, f"{text(3)}\n\n{rules}\n{text(4)}")
    file.write_bytes(mboxrd([long]))

    assert 0 == remember(site, file).exit_code
    assert evidence(site, state, text(3), text(4)).public == {1}
