"""A real PostgreSQL server for tests: Debian's package, a cluster of our own in a temporary folder.

A test takes `postgresql`, which is a fresh and empty database in the one cluster of the whole run. The first worker
that needs it starts a keeper, a process of its own (`python -m tests.postgresql`), and that starts the server and ends
it, by its own pid, when no worker is left: each has a shared lock on a file as long as it lives, and the system lets it
go however the worker dies. A test that stops and starts its server makes a `Cluster` of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.ports import free_port
from tests.processes import is_there, state_of

REMEDY = "`make e2e-deps` (Debian, as root) adds it"
START_SECONDS = 120
ROLE = "smtpguard"

# fsync costs most of the time here, and no test pulls the plug of the machine.
_HASTY = """
fsync = off
full_page_writes = off
"""
_SETTINGS = """
max_connections = 300
shared_buffers = 32MB
listen_addresses = '127.0.0.1'
log_destination = stderr
logging_collector = off
"""


def programs() -> Path | None:
    """The folder of the newest PostgreSQL here, None if there is none."""
    found = [each.parent for each in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if found:
        return max(found, key=lambda each: int(each.parent.name))
    there = shutil.which("initdb")
    return Path(there).parent if there else None


class Cluster:
    """One server on 127.0.0.1, with a superuser `postgres` and the role that smtpguard has. If it is `durable`, it
    writes to the disk as a server does by default."""

    def __init__(self, *, durable: bool = False) -> None:
        found = programs()
        assert found is not None, "PostgreSQL is missing"
        self._programs = found
        self._settings = _SETTINGS if durable else _HASTY + _SETTINGS
        # The server refuses to run as root.
        names = [each for each in ("postgres", "nobody") if _known(each)] if os.geteuid() == 0 else []
        self._user = pwd.getpwnam(names[0]) if names else None
        self.folder = Path(tempfile.mkdtemp(prefix="smtpguard-postgresql-"))
        self.log = self.folder / "log"
        self.password = secrets.token_hex(16)
        self.port = 0
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the cluster if it is not there, start it and wait until it answers."""
        if not (self.folder / "data").exists():
            self._make()
        for _ in range(5):
            # After a restart clients look for it where it was.
            self.port = self.port or free_port()
            if self._started():
                break
            self.port = 0
        else:
            raise RuntimeError(f"PostgreSQL does not start: {self.log.read_text(errors='replace')[-2000:]}")
        with self.connected() as connection:
            there = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ROLE,)).fetchone()
            if there is None:
                words = sql.Literal(self.password)
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(ROLE), words))

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: at once, transactions are rolled back. SIGQUIT: as if the machine had crashed."""
        if self._server is None:
            return
        self._server.send_signal(how)
        try:
            self._server.wait(30)
        except subprocess.TimeoutExpired:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait(30)
        self._server = None

    def kill(self, *, alone: bool = False) -> None:
        """kill -9 of the server with all its processes, or `alone`: then those find out and end by themselves."""
        if self._server is None:
            return
        end = time.monotonic() + START_SECONDS
        # It makes no more of them.
        self._server.send_signal(signal.SIGSTOP)
        while is_there(self.pid) and state_of(self.pid) != "T" and time.monotonic() < end:
            time.sleep(0.001)
        children = [int(each) for each in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii").split()]
        self._server.kill()
        self._server.wait(30)
        self._server = None
        for each in () if alone else children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        # As long as one of them lives its shared memory keeps a new server from starting.
        while any(map(is_there, children)) and time.monotonic() < end:
            time.sleep(0.01)

    def end(self) -> None:
        """Stop it and remove its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Cluster:
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def address(self) -> str:
        """The superuser's address."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        """The server's own process."""
        assert self._server is not None
        return self._server.pid

    def connected(self) -> psycopg.Connection[tuple[object, ...]]:
        """As superuser."""
        return psycopg.connect(self.address, autocommit=True, connect_timeout=10)

    def _make(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        if self._user is not None:
            for path in (self.folder, secret):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        self._run(
            "initdb", "--pgdata=data", "--username=postgres", "--pwfile=password", "--auth=scram-sha-256",
            "--encoding=UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip
        with (self.folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write(f"{self._settings}unix_socket_directories = '{self.folder}'\n")

    def _started(self) -> bool:
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                [self._programs / "postgres", "-D", "data", "-p", str(self.port)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._manner(),
            )  # fmt: skip
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._server.poll() is not None:
                self._server = None
                return False
            try:
                self.connected().close()
            except psycopg.OperationalError:
                time.sleep(0.05)
                continue
            return True
        self.stop(signal.SIGQUIT)
        return False

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            check=False, capture_output=True, timeout=START_SECONDS, **self._manner(),
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')}")

    def _manner(self) -> dict[str, object]:
        manner: dict[str, object] = {"cwd": self.folder, "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}}
        if self._user is not None:
            manner |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return manner


@dataclass(frozen=True)
class Database:
    """An empty database of one test. `log` is the server's, shared with other tests."""

    name: str
    port: int
    password: str
    log: Path

    @property
    def url(self) -> str:
        """Where smtpguard finds it; the role owns the database and nothing else."""
        return self.url_at(self.port)

    def url_at(self, port: int) -> str:
        """The same by another door."""
        return f"postgresql://{ROLE}:{self.password}@127.0.0.1:{port}/{self.name}"

    @property
    def socket(self) -> Path:
        """The server's socket in the file system, for those who have another network."""
        return self.log.parent / f".s.PGSQL.{self.port}"

    def connected(self, *, superuser: bool = False) -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the test's own, which commits by itself."""
        user = "postgres" if superuser else ROLE
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, password=self.password, dbname=self.name,
            autocommit=True, connect_timeout=10,
        )  # fmt: skip

    def end_connections(self) -> None:
        """As a restart of the server does, but for this database only; on return they have ended."""
        with self.connected(superuser=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@contextlib.contextmanager
def fresh_database(cluster: Cluster | SharedCluster) -> Iterator[Database]:
    """A database that is there for the time of the block."""
    name = f"test_{secrets.token_hex(8)}"
    with cluster.connected() as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(sql.Identifier(name), sql.Identifier(ROLE))
        )
    try:
        yield Database(name, cluster.port, cluster.password, cluster.log)
    finally:
        with cluster.connected() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@dataclass(frozen=True)
class SharedCluster:
    """The cluster of the whole run, which the keeper has started."""

    port: int
    password: str
    log: Path

    def connected(self) -> psycopg.Connection[tuple[object, ...]]:
        """As superuser."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", password=self.password, dbname="postgres",
            autocommit=True, connect_timeout=10,
        )  # fmt: skip


def required() -> None:
    """Leave the test out where there is no PostgreSQL."""
    if programs() is None:
        pytest.skip(f"PostgreSQL is missing here; {REMEDY}")


@pytest.fixture(scope="session")
def postgresql_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedCluster]:
    """The server of the whole run, also of its other workers."""
    required()
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (folder / "postgresql-users").open("a") as users, (folder / "postgresql-start").open("a") as start:
        fcntl.flock(start, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)  # waits for a keeper that has begun to end its server
        told = folder / "postgresql-address"
        if not told.exists():
            with (folder / "postgresql-keeper").open("ab") as errors:
                # A session of its own, so that Ctrl-C does not reach it; nobody's child, so that nobody waits for it.
                subprocess.run(
                    ["setsid", "--fork", sys.executable, "-m", "tests.postgresql", str(folder)],
                    check=True, cwd=Path(__file__).parents[1],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                )  # fmt: skip
            end = time.monotonic() + START_SECONDS
            while not told.exists() and time.monotonic() < end:
                time.sleep(0.05)
        address = json.loads(told.read_text())
        fcntl.flock(start, fcntl.LOCK_UN)
        yield SharedCluster(address["port"], address["password"], Path(address["log"]))


@pytest.fixture
def postgresql(postgresql_cluster: SharedCluster) -> Iterator[Database]:
    """A fresh, empty database."""
    with fresh_database(postgresql_cluster) as database:
        yield database


def keep(folder: Path) -> None:
    """The keeper: start the server, say where it is, and end it when nobody uses it any more."""
    told = folder / "postgresql-address"
    with Cluster() as cluster, (folder / "postgresql-users").open("a") as users:
        address = {"port": cluster.port, "password": cluster.password, "log": str(cluster.log)}
        new = told.with_suffix(".new")
        new.touch(0o600)
        new.write_text(json.dumps(address))
        new.rename(told)
        fcntl.flock(users, fcntl.LOCK_EX)
        told.unlink(missing_ok=True)


def _known(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
