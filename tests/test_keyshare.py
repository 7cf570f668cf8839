"""T-04: nodes with a folder each have the same keys, by a table that no log and no base backup of the server holds."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from smtpguard.answers.token import Token
from smtpguard.decided_file import Decision
from smtpguard.held import State
from smtpguard.key_file import KeyFolderError
from smtpguard.keys import KeyElsewhereError, KeyFolder, WeekKeys
from smtpguard.keyshare import AWAY_MAX, KeyShareError, Wrapping
from smtpguard.safe import Safe
from smtpguard.store import postgresql_keys
from smtpguard.store.postgresql_keys import PostgreSQLKeyShare
from smtpguard.store.server import Server
from tests.notices.samples import crosspost
from tests.postgresql import Cluster, Database, fresh_database, postgresql, postgresql_cluster, required
from tests.store.conftest import DatabaseClock, database_clock
from tests.store.cutter import cutter

__all__ = ["database_clock", "postgresql", "postgresql_cluster"]

pytestmark = pytest.mark.slow

SECRET = bytes(range(32))
TODAY = date(2026, 11, 22)
TOMORROW = TODAY + timedelta(days=1)
DAY_NAME = "day-2026-11-22.key"
SETS: tuple[WeekKeys, ...] = ("week", "memory", "posted", "counted", "private", "public")
WHEN = datetime(2026, 11, 22, 18, 2, 3, 456789, tzinfo=UTC)


async def prepared(url: str) -> str:
    """The database at `url` with the tables in it."""
    server = await Server.open(url, schemas=("shared",))
    await server.close()
    return url


class Nodes:
    """Nodes on one database, each with a folder of its own."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database
        self._shares: list[PostgreSQLKeyShare] = []

    def share(self, secret: bytes = SECRET, port: int | None = None) -> PostgreSQLKeyShare:
        share = PostgreSQLKeyShare(self.database.url_at(port or self.database.port), secret)
        self._shares.append(share)
        return share

    def node(self, name: str, weeks: WeekKeys = "week", secret: bytes = SECRET) -> KeyFolder:
        """A node, as a new process of it would be."""
        return KeyFolder(self.folder / name, weeks, self.share(secret))

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        with self.database.connected() as connection:
            return connection.execute(statement).fetchall()

    def run(self, statement: str) -> None:
        with self.database.connected() as connection:
            connection.execute(statement)

    def names(self, name: str) -> set[str]:
        """The key files of a node."""
        return {each.name for each in (self.folder / name).glob("*.key")}

    def close(self) -> None:
        for each in self._shares:
            each.close()


@pytest.fixture
async def nodes(tmp_path: Path, postgresql: Database) -> Iterator[Nodes]:  # type: ignore[misc]
    await prepared(postgresql.url)
    nodes = Nodes(tmp_path, postgresql)
    yield nodes
    nodes.close()


def at_once(*works: Callable[[], object]) -> list[object]:
    """What each gives, begun at one moment in a thread of its own."""
    start = threading.Barrier(len(works))
    found: list[object] = [None] * len(works)

    def run(number: int) -> None:
        start.wait(30)
        try:
            found[number] = works[number]()
        except KeyFolderError as error:
            found[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    return found


# ---------------------------------------------------------------- made once for all


def test_T_04_a_key_that_one_node_makes_the_other_has(nodes: Nodes) -> None:
    one, other = nodes.node("one"), nodes.node("other")
    assert other.day_key(TODAY) is None
    key = one.day_key(TODAY, create=True)

    assert key == other.day_key(TODAY)
    assert key == other.day_key(TODAY, create=True)
    assert key == (nodes.folder / "other" / DAY_NAME).read_bytes()
    assert 0o600 == (nodes.folder / "other" / DAY_NAME).stat().st_mode & 0o777


def test_T_04_a_node_has_its_copies_when_the_database_is_gone(nodes: Nodes) -> None:
    one, other = nodes.node("one"), nodes.node("other")
    key = one.day_key(TODAY, create=True)
    other.exchange()

    assert key == KeyFolder(nodes.folder / "other").day_key(TODAY)


def test_T_04_nodes_that_make_a_key_at_once_use_the_same(nodes: Nodes) -> None:
    folders = [nodes.node(f"node{number}") for number in range(4)]
    for number in range(10):
        day = TODAY + timedelta(days=number)
        found = at_once(*(lambda each=each, day=day: each.day_key(day, create=True) for each in folders))
        assert 1 == len(set(found)), found
        assert 32 == len(found[0])  # type: ignore[arg-type]
    assert {key.read_bytes() for key in (nodes.folder / "node0").glob("*.key")} == {
        key.read_bytes() for key in (nodes.folder / "node3").glob("*.key")
    }


def test_T_04_all_sets_of_keys_are_shared_and_stay_apart(nodes: Nodes) -> None:
    keys = {each: nodes.node("one", each).week_key("2026-W47", create=True) for each in SETS}
    other = nodes.node("other")
    met = other.exchange()

    assert 6 == len(set(keys.values()))
    assert 6 == met.fetched
    for each in SETS:
        assert keys[each] == KeyFolder(nodes.folder / "other", each).week_key("2026-W47")
    assert 0 == other.exchange().fetched


def test_T_04_keys_from_before_there_was_a_share_are_given_to_the_others(nodes: Nodes) -> None:
    before = KeyFolder(nodes.folder / "one")
    key = before.day_key(TODAY, create=True)
    nodes.node("one").exchange()

    assert key == nodes.node("other").day_key(TODAY, create=True)


def test_T_04_a_damaged_file_keeps_no_other_key_from_being_shared_or_erased(nodes: Nodes) -> None:
    one, other = nodes.node("one"), nodes.node("other")
    for day in (TODAY, TOMORROW):
        one.day_key(day, create=True)
    other.exchange()
    (nodes.folder / "other" / DAY_NAME).write_bytes(b"torn")
    one.erase_day(TOMORROW)
    key = one.week_key("2026-W47", create=True)

    with pytest.raises(KeyFolderError, match=r"2026-11-22\.key: a key file has 32 octets"):
        other.exchange()
    assert {DAY_NAME, "week-2026-W47.key"} == nodes.names("other")
    assert key == KeyFolder(nodes.folder / "other").week_key("2026-W47")

    one.erase_day(TODAY)
    other.exchange()
    assert {"week-2026-W47.key"} == nodes.names("other")


def test_T_04_a_common_folder_needs_no_share(tmp_path: Path) -> None:
    keys = KeyFolder(tmp_path / "keys")
    key = keys.day_key(TODAY, create=True)
    met = keys.exchange()

    assert (0, 0, 0) == (met.fetched, met.erased, met.differing)
    assert (TODAY, key) == keys.present_day(TODAY)
    assert {DAY_NAME} == {each.name for each in (tmp_path / "keys").iterdir()}


async def test_T_04_what_one_node_sealed_the_other_opens(nodes: Nodes) -> None:
    one, other = (Safe(nodes.node(name), secrets.token_bytes, lambda: TODAY) for name in ("one", "other"))
    token, held = Token(secrets.token_bytes(32)), crosspost()
    tagged = await one.tags(held, "<one@example.org>")
    row = await one.seal(held, token, tagged.tags, notice_id="<notice@check.example.org>", language="en")

    assert held == await other.open(row, token)
    assert await other.open_card(row) is not None
    assert tagged.tags == (await other.tags(held, "<one@example.org>")).tags


# ---------------------------------------------------------------- erased for all


def test_T_04_a_key_that_one_node_erases_goes_on_all_and_is_never_made_again(nodes: Nodes) -> None:
    one, other = nodes.node("one"), nodes.node("other")
    one.day_key(TODAY, create=True)
    other.exchange()
    assert one.erase_day(TODAY)
    assert [] == nodes.rows("SELECT * FROM shared_keys")
    met = other.exchange()

    assert 1 == met.erased
    assert set() == nodes.names("one") | nodes.names("other")
    for each in (one, other):
        assert each.day_key(TODAY) is None
        with pytest.raises(KeyFolderError, match="was erased on"):
            each.day_key(TODAY, create=True)


def test_T_04_a_node_that_fetches_while_another_erases_loses_the_key_at_the_next_meeting(nodes: Nodes) -> None:
    one, other = nodes.node("one"), nodes.node("other")
    one.day_key(TODAY, create=True)
    fetched = nodes.share().fetch(DAY_NAME)
    assert fetched is not None
    one.erase_day(TODAY)
    (nodes.folder / "other" / DAY_NAME).write_bytes(fetched)
    (nodes.folder / "other" / DAY_NAME).chmod(0o600)
    # As if it had been given at the same moment, too.
    nodes.run(f"INSERT INTO shared_keys VALUES ('{DAY_NAME}', '\\x00')")
    met = other.exchange()

    assert 1 == met.erased
    assert set() == nodes.names("other")
    assert [] == nodes.rows("SELECT * FROM shared_keys")


def test_T_04_making_and_erasing_at_once_leaves_a_key_with_all_or_with_none(nodes: Nodes) -> None:
    one, other = nodes.node("one"), nodes.node("other")
    for number in range(10):
        day = TODAY + timedelta(days=number)
        one.day_key(day, create=True)
        at_once(lambda day=day: one.erase_day(day), lambda day=day: other.day_key(day, create=True), other.exchange)
        other.exchange()
        one.exchange()
        assert set() == nodes.names("one") | nodes.names("other")


def test_T_04_a_node_that_was_away_erases_what_was_erased_meanwhile_and_brings_nothing_back(nodes: Nodes) -> None:
    one, away = nodes.node("one"), nodes.node("away")
    keys = nodes.node("one", "memory")
    one.day_key(TODAY, create=True)
    for week in ("2026-W40", "2026-W41", "2026-W47"):
        keys.week_key(week, create=True)
    away.exchange()
    assert 4 == len(nodes.names("away"))
    one.erase_day(TODAY)
    assert 2 == keys.erase_weeks("2026-W42")
    back = nodes.node("away")
    met = back.exchange()

    assert 3 == met.erased
    assert {"memory-2026-W47.key"} == nodes.names("away")
    assert [("memory-2026-W47.key",)] == nodes.rows("SELECT name FROM shared_keys")


@pytest.mark.parametrize("first", ["one", "away"])
def test_T_05_an_older_database_does_not_bring_erased_keys_back_from_a_node_that_was_away(
    nodes: Nodes, first: str
) -> None:
    one, away = nodes.node("one"), nodes.node("away")
    one.day_key(TODAY, create=True)
    away.exchange()
    one.erase_day(TODAY)
    # A base backup of before: known, not erased, and the UNLOGGED table empty.
    nodes.run("UPDATE known_keys SET erased = NULL")
    for name in (first, "one", "away"):
        nodes.node(name).exchange()

    assert set() == nodes.names("one") | nodes.names("away")
    assert [] == nodes.rows("SELECT * FROM shared_keys")


def test_T_04_erased_names_are_forgotten_when_no_node_can_be_away_any_longer(nodes: Nodes) -> None:
    one = nodes.node("one")
    one.day_key(TODAY, create=True)
    one.erase_day(TODAY)
    longer = datetime.now(UTC).date() - AWAY_MAX - timedelta(days=1)
    (nodes.folder / "one" / "erased").write_text(f"{longer} day-2020-01-01.key\ntorn")
    nodes.run("UPDATE known_keys SET erased = CURRENT_DATE - 500")
    one.exchange()
    one.exchange()

    assert [] == nodes.rows("SELECT name FROM known_keys")
    one.day_key(TOMORROW, create=True)
    one.erase_day(TOMORROW)
    assert "2020" not in (nodes.folder / "one" / "erased").read_text()


# ---------------------------------------------------------------- a server that crashed, or is gone


def test_T_04_a_key_that_nobody_can_have_now_is_not_made_a_second_time(nodes: Nodes) -> None:
    one, other = nodes.node("one"), nodes.node("other")
    key = one.day_key(TODAY, create=True)
    nodes.run("TRUNCATE shared_keys")  # as a crash of the server does
    with pytest.raises(KeyElsewhereError):
        other.day_key(TODAY, create=True)
    with pytest.raises(KeyElsewhereError):  # not lost: an answer is told to come later
        other.day_key(TODAY)
    assert other.week_key("2026-W47") is None
    day, instead = other.present_day(TODAY)
    assert TOMORROW == day
    one.exchange()

    assert instead == one.day_key(TOMORROW, create=True)
    assert key == other.day_key(TODAY, create=True)
    assert (TODAY, key) == other.present_day(TODAY)


async def test_T_04_mail_is_held_though_the_keys_of_day_and_week_are_away(nodes: Nodes) -> None:
    one, other = nodes.node("one"), nodes.node("other")
    one.day_key(TODAY, create=True)
    one.week_key("2026-W47", create=True)
    nodes.run("TRUNCATE shared_keys")
    safe, token, held = Safe(other, secrets.token_bytes, lambda: TODAY), Token(secrets.token_bytes(32)), crosspost()
    tagged = await safe.tags(held, "<one@example.org>")
    row = await safe.seal(held, token, tagged.tags, notice_id="<notice@check.example.org>", language="en")
    one.exchange()

    assert (TOMORROW, "2026-W48") == (row.day, tagged.tags.week)
    assert held == await Safe(one, secrets.token_bytes, lambda: TODAY).open(row, token)


@pytest.mark.parametrize("process", ["the same", "the next"])
async def test_T_04_a_key_whose_making_a_crash_of_the_server_cut_off_is_made_all_the_same(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch, process: str
) -> None:
    monkeypatch.setattr(postgresql_keys, "TRIES", 1)
    async with cutter(nodes.database.port) as line:
        one, other = KeyFolder(nodes.folder / "one", shared=nodes.share(port=line.port)), nodes.node("other")
        line.cut_at(b"COMMIT", heard=True)
        with pytest.raises(KeyFolderError, match="cannot be reached"):
            await asyncio.to_thread(one.day_key, TODAY, create=True)
        assert [(DAY_NAME,)] == nodes.rows("SELECT name FROM known_keys")
        nodes.run("TRUNCATE shared_keys")  # as the crash does
        with pytest.raises(KeyElsewhereError):
            other.day_key(TODAY, create=True)

        one = one if process == "the same" else nodes.node("one")
        key = await asyncio.to_thread(one.day_key, TODAY, create=True)

        assert key == other.day_key(TODAY, create=True)
        assert [DAY_NAME] == [each.name for each in (nodes.folder / "one").iterdir()]
        nodes.close()


def test_T_04_what_was_offered_in_vain_goes_with_its_name(nodes: Nodes) -> None:
    one, other = nodes.node("one"), nodes.node("other")
    other.day_key(TODAY, create=True)
    nodes.run("TRUNCATE shared_keys")
    with pytest.raises(KeyElsewhereError):
        one.day_key(TODAY, create=True)
    other.erase_day(TODAY)
    one.exchange()

    assert {"erased"} == {each.name for each in (nodes.folder / "one").iterdir()}


@pytest.mark.slow
async def test_T_04_after_a_crash_of_the_server_each_node_puts_its_copies_back(tmp_path: Path) -> None:
    required()
    with Cluster() as cluster, fresh_database(cluster) as database:
        await prepared(database.url)
        nodes = Nodes(tmp_path, database)
        one, other = nodes.node("one"), nodes.node("other")
        first, second = one.day_key(TODAY, create=True), other.week_key("2026-W47", create=True)
        cluster.stop(signal.SIGQUIT)
        with pytest.raises(KeyFolderError, match="database"):
            nodes.node("third").day_key(TODAY)
        assert first == one.day_key(TODAY)
        cluster.start()
        assert [] == nodes.rows("SELECT * FROM shared_keys")
        one.exchange()
        other.exchange()
        third = nodes.node("third")

        assert first == third.day_key(TODAY, create=True)
        assert second == third.week_key("2026-W47", create=True)
        nodes.close()


def test_T_04_the_share_works_again_when_its_connections_were_ended(nodes: Nodes) -> None:
    one = nodes.node("one")
    one.day_key(TODAY, create=True)
    for _ in range(3):
        nodes.database.end_connections()
        one.exchange()


@pytest.mark.slow
def test_T_04_a_database_that_does_not_answer_is_waited_for_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgresql_keys._LINK, "connect_timeout", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        share = PostgreSQLKeyShare(f"postgresql://smtpguard:secret-word@127.0.0.1:{port}/smtpguard", SECRET)
        keys = KeyFolder(tmp_path / "keys", shared=share)
        with pytest.raises(KeyFolderError, match="cannot be reached") as told:
            keys.day_key(TODAY, create=True)
        # Whoever asks next does not wait for the same again.
        with pytest.raises(KeyFolderError, match="did not answer a moment ago"):
            keys.day_key(TODAY)

    assert "secret-word" not in str(told.value)
    assert [] == list((tmp_path / "keys").glob("*.key"))


def test_T_04_a_server_that_stops_in_mid_work_is_cut_off(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql_keys, "CALL_SECONDS", 4.0)
    one = nodes.node("one")
    one.day_key(TODAY, create=True)
    (pid,) = nodes.rows("SELECT pid FROM pg_stat_activity WHERE application_name = 'smtpguard keys'")[0]
    os.kill(int(str(pid)), signal.SIGSTOP)
    try:
        one.exchange()  # by a new connection
    finally:
        os.kill(int(str(pid)), signal.SIGCONT)

    assert {DAY_NAME} == nodes.names("one")


def test_T_04_a_node_whose_clock_is_wrong_makes_and_erases_no_key(nodes: Nodes, database_clock: DatabaseClock) -> None:
    KeyFolder(nodes.folder / "one").day_key(TODAY, create=True)
    database_clock.pass_by(timedelta(days=40))
    one = nodes.node("one")
    for work in (
        lambda: one.day_key(TOMORROW, create=True),
        lambda: one.erase_day(TODAY),
        lambda: one.erase_weeks("2026-W47") or one.exchange(),
    ):
        with pytest.raises(KeyFolderError, match=r"clocks .* are .* minutes apart"):
            work()

    assert {DAY_NAME} == nodes.names("one")
    assert [] == nodes.rows("SELECT * FROM known_keys")


# ---------------------------------------------------------------- what the database knows


def test_T_04_a_node_with_another_secret_is_told_so_and_changes_nothing(nodes: Nodes) -> None:
    key = nodes.node("one").day_key(TODAY, create=True)
    before = nodes.rows("SELECT * FROM shared_keys")
    stranger = nodes.node("stranger", secret=bytes(32))
    for work in (lambda: stranger.day_key(TODAY, create=True), lambda: stranger.day_key(TODAY), stranger.exchange):
        with pytest.raises(KeyFolderError, match="secret_file"):
            work()

    assert set() == nodes.names("stranger")
    assert before == nodes.rows("SELECT * FROM shared_keys")
    assert key == nodes.node("other").day_key(TODAY)


def test_T_04_another_key_than_the_others_have_is_kept_and_told(nodes: Nodes) -> None:
    key = nodes.node("one").day_key(TODAY, create=True)
    own = KeyFolder(nodes.folder / "odd").day_key(TODAY, create=True)
    odd = nodes.node("odd")

    assert 1 == odd.exchange().differing
    assert own == odd.day_key(TODAY)
    assert key == nodes.node("third").day_key(TODAY)


@pytest.mark.parametrize("place", [0, 1, 12, 13, 40, 60])
def test_T_04_a_wrapped_key_opens_unchanged_and_under_its_own_name_only(place: int) -> None:
    wrapping, key = Wrapping(SECRET), os.urandom(32)
    wrapped = wrapping.wrapped(DAY_NAME, key)
    assert 61 == len(wrapped)
    assert key not in wrapped
    assert key == Wrapping(SECRET).unwrapped(DAY_NAME, wrapped)
    assert wrapped != wrapping.wrapped(DAY_NAME, key)
    changed = bytearray(wrapped)
    changed[place] ^= 1
    for name, octets in ((DAY_NAME, bytes(changed)), ("day-2026-11-23.key", wrapped), (DAY_NAME, wrapped[:place])):
        with pytest.raises(KeyShareError):
            wrapping.unwrapped(name, octets)


@pytest.mark.slow
async def test_T_04_neither_the_log_nor_a_base_backup_of_the_server_holds_a_wrapped_key(tmp_path: Path) -> None:
    required()
    with Cluster() as cluster, fresh_database(cluster) as database:
        await prepared(database.url)
        nodes = Nodes(tmp_path, database)
        one = nodes.node("one")
        key = one.day_key(TODAY, create=True)
        wrapped = bytes(nodes.rows("SELECT wrapped FROM shared_keys")[0][0])  # type: ignore[arg-type]
        nodes.close()
        with cluster.connected() as connection:
            connection.execute("CHECKPOINT")
        backup = cluster.folder / "backup"
        cluster._run(
            "pg_basebackup", f"--dbname={cluster.address}", f"--pgdata={backup}", "--checkpoint=fast", "--no-sync"
        )
        dumps = {}
        for name, options in {"dump": (), "careful": ("--no-unlogged-table-data",)}.items():
            cluster._run("pg_dump", f"--dbname={database.url}", f"--file={cluster.folder}/{name}", *options)
            dumps[name] = (cluster.folder / name).read_text()
        cluster.stop()
        data = Path(shutil.copytree(cluster.folder / "data", cluster.folder / "stopped"))
        cluster.start()

        def holding(folder: Path, octets: bytes) -> set[str]:
            files = [path for path in folder.rglob("*") if path.is_file()]
            return {str(path.relative_to(folder)) for path in files if octets in path.read_bytes()}

        # The looking finds what is there: the table's own file, and in the log what is logged.
        assert [] != [each for each in holding(data, wrapped) if each.startswith("base/")]
        assert [] != [each for each in holding(data, DAY_NAME.encode()) if each.startswith("pg_wal/")]
        assert set() != holding(backup, DAY_NAME.encode())
        assert [] == [each for each in holding(data, wrapped) if each.startswith("pg_wal/")]
        assert set() == holding(backup, wrapped)
        for each in (data, backup):
            assert set() == holding(each, key)
        # pg_dump takes what the table has, wrapped, unless it is told not to.
        assert wrapped.hex() in dumps["dump"]
        assert wrapped.hex() not in dumps["careful"]
        assert key.hex() not in dumps["dump"] + dumps["careful"]


def test_T_04_the_server_s_log_tells_no_key_when_a_statement_fails(nodes: Nodes) -> None:
    nodes.run("ALTER TABLE shared_keys ADD CHECK (length(wrapped) < 10)")
    with pytest.raises(KeyFolderError, match=r"refused \(CheckViolation\)") as told:
        nodes.node("one").day_key(TODAY, create=True)

    assert "\\x01" not in str(told.value)
    assert set() == nodes.names("one")


# ---------------------------------------------------------------- what was decided


def decided(state: State = State.SENT) -> tuple[bytes, Decision]:
    return os.urandom(32), Decision(state, WHEN)


def test_T_05_what_one_node_decided_all_know(nodes: Nodes) -> None:
    one, other = nodes.node("one"), nodes.node("other")
    one.day_key(TODAY, create=True)
    other.exchange()
    first, second, third = decided(), decided(State.DISCARDED), decided(State.REPLACED)
    one.note_decided(TODAY, [first])
    other.note_decided(TODAY, [second])
    for each in (one, other, one):
        each.exchange()
    other.note_decided(TODAY, [third])
    for each in (other, one):
        each.exchange()

    assert dict([first, second, third]) == one.decisions(TODAY)
    assert dict([first, second, third]) == other.decisions(TODAY)
    assert dict([first, second, third]) == KeyFolder(nodes.folder / "other").decisions(TODAY)


def test_T_05_the_nodes_tell_an_older_database_what_was_decided(nodes: Nodes) -> None:
    one, other = nodes.node("one"), nodes.node("other")
    one.day_key(TODAY, create=True)
    first = decided()
    one.note_decided(TODAY, [first])
    for each in (one, other):
        each.exchange()
    nodes.run("TRUNCATE shared_keys; TRUNCATE known_keys; TRUNCATE decided_ids")
    other.exchange()
    third = nodes.node("third")
    third.exchange()

    assert dict([first]) == third.decisions(TODAY)


def test_T_05_decided_ids_go_everywhere_with_their_key(nodes: Nodes) -> None:
    one, other = nodes.node("one"), nodes.node("other")
    one.day_key(TODAY, create=True)
    one.note_decided(TODAY, [decided()])
    for each in (one, other):
        each.exchange()
    one.erase_day(TODAY)
    other.exchange()

    assert [] == nodes.rows("SELECT * FROM decided_ids")
    assert {"erased"} == {path.name for path in (nodes.folder / "one").iterdir()}
    assert {"erased"} == {path.name for path in (nodes.folder / "other").iterdir()}


def test_T_05_many_decisions_meet_once_and_are_not_asked_for_again(nodes: Nodes) -> None:
    one, other = nodes.node("one"), nodes.node("other")
    one.day_key(TODAY, create=True)
    one.note_decided(TODAY, [decided() for _ in range(3000)])
    for each in (one, other):
        each.exchange()
    size = (nodes.folder / "other" / "day-2026-11-22.decided").stat().st_size
    assert 3000 == len(other.decisions(TODAY))
    for each in (one, other):
        each.exchange()

    assert size == (nodes.folder / "other" / "day-2026-11-22.decided").stat().st_size
