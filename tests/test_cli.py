"""The command line: what it says, what it starts, and the codes it ends with (sysexits.h)."""

from __future__ import annotations

import asyncio
import fcntl
import importlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from smtpguard import __version__
from smtpguard.cli import TOOLS, main
from tests.logs import restored_loggers
from tests.loopback.door import Client
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import ALL, BERLIN, MEMBERS, PASSWORDS, XCLIENT, mail, write_config
from tests.loopback.serving import Serving
from tests.ports import free_port

# Most of these start the program itself.
pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 60.0
NOBODY = 65534


@pytest.fixture(autouse=True)
def _loggers() -> Iterator[None]:
    with restored_loggers():
        yield


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


def site(folder: Path, text: str) -> Path:
    path = folder / "smtpguard.yaml"
    path.write_text(text, "utf-8")
    return path


# ---------------------------------------------------------------- help, version, wrong words


def test_version_and_help_say_what_there_is() -> None:
    assert f"smtpguard, version {__version__}\n" == CliRunner().invoke(main, ["--version"]).output
    said = CliRunner().invoke(main, ["-h"]).output
    for command in ("serve", "check", "explain", "demo", "edit", "lists", "new-list", "rules-page", "schema"):
        assert re.search(rf"(?m)^  {command} ", said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No such command"),
        (["serve"], "give --config, or --listen and --upstream"),
        (["serve", "--listen", "127.0.0.1:0"], "give --config, or --listen and --upstream"),
        (["serve", "--upstream", "127.0.0.1:25"], "give --config, or --listen and --upstream"),
        (["serve", "--listen", "here", "--upstream", "127.0.0.1:25"], "--listen here: "),
        (["serve", "--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:99999"], "--upstream 127.0.0.1:99999: "),
        (["check"], "give --config"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2_and_says_why(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(main, arguments)

    assert 2 == result.exit_code
    assert said in result.stderr
    assert "Traceback" not in result.output


# ---------------------------------------------------------------- check


def test_check_prints_every_error_of_every_file_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "berlin.yaml").write_text(
        "list: berlin@lists.example.org\nmanager: mailman\nabout: x\ncontact: c@example.org\naliases: []\naliases: []\n"
    )
    path = site(tmp_path, 'organisation: "x"\nlist_domains: [lists.example.org]\ncall: 0301234567\nnonsense: 1\n')

    result = check("--config", path)

    assert 1 == result.exit_code
    places = re.findall(r"(?m)^(\S+?):(\d+):(\d+): ", result.stdout)
    assert [
        ("smtpguard.yaml", "3"),
        ("smtpguard.yaml", "4"),
        ("lists/berlin.yaml", "2"),
        ("lists/berlin.yaml", "6"),
    ] == [(file, line) for file, line, _ in places]
    assert "list_domains" not in "".join(line for line in result.stdout.splitlines() if line.startswith("    "))
    assert "    nonsense: 1" in result.stdout  # the line itself


def test_a_file_with_nothing_but_list_domains_is_valid_for_check_and_explain(tmp_path: Path) -> None:
    path = site(tmp_path, "list_domains: [lists.example.org]\n")
    letter = tmp_path / "mail.eml"
    letter.write_bytes(b"From: anna@example.org\r\nTo: ben@example.org\r\n\r\nHello.\r\n")

    checked = check("--config", path)
    explained = CliRunner().invoke(main, ["explain", str(letter), "--config", str(path)])

    assert (0, "") == (checked.exit_code, checked.stderr)
    assert "0 lists, no error" in checked.stdout
    assert 'note: to serve, "upstream" is missing' in checked.stdout
    assert (0, "") == (explained.exit_code, explained.stderr)
    assert [letter, path] == sorted(tmp_path.iterdir())


def test_warnings_alone_are_exit_code_0(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "old~").write_text("x")
    path = site(tmp_path, "list_domains: [lists.example.org]\n")
    (tmp_path / "lists" / "berlin.yaml~").write_text("nothing")

    result = check("--config", path)

    assert 0 == result.exit_code
    assert "warning: " in result.stdout


@pytest.mark.parametrize("what", ["missing", "folder", "octets"])
def test_a_site_file_that_cannot_be_read_is_an_error_with_words(tmp_path: Path, what: str) -> None:
    path = tmp_path / "smtpguard.yaml"
    match what:
        case "folder":
            path.mkdir()
        case "octets":
            path.write_bytes(b"\xff\xfe\x00")
        case _:
            pass

    result = check("--config", path)

    assert result.exit_code in (1, 2)
    assert "Traceback" not in result.output
    assert "smtpguard.yaml" in result.output


def test_check_writes_nothing(tmp_path: Path) -> None:
    path = site(tmp_path, "list_domains: [lists.example.org]\nstate_dir: state\n")

    check("--config", path)

    assert [path] == list(tmp_path.rglob("*"))


# ---------------------------------------------------------------- serve, as a process


async def run(folder: Path, *options: str | Path) -> tuple[int, str]:
    """`serve` that ends by itself; its exit code and stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "smtpguard", "serve", *map(str, options),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=folder,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, said.decode()


@asynccontextmanager
async def serving(folder: Path, *options: str | Path, **user: Any) -> AsyncIterator[Serving]:
    """`serve` with these options, ended by SIGTERM at the latest when the block is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "smtpguard", "serve", *map(str, options),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=folder, **user,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    guard = Serving(process, [])
    reading = asyncio.create_task(_read(process.stderr, guard.log))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("listening on port"), guard.log.decode()
        guard.ports += [int(word) for word in line.split()[3:]]
        yield guard
    finally:
        if process.returncode is None:
            process.terminate()
            await guard.ended()
        await reading


async def _read(stream: asyncio.StreamReader, log: bytearray) -> None:
    while data := await stream.read(65536):
        log += data


async def until(guard: Serving, words: bytes) -> None:
    """Wait until the log has these words; it comes by a pipe from another process."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while words not in guard.log:
            await asyncio.sleep(0.02)


@asynccontextmanager
async def client(port: int) -> AsyncIterator[Client]:
    """A connection, its greeting not yet read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def anna(port: int, *recipients: str) -> AsyncIterator[Client]:
    """Anna, logged in, behind the 354 to her DATA."""
    async with client(port) as member:
        assert (await member.reply()).startswith(b"220")
        await member.ask(b"EHLO me.example.test")
        assert (await member.log_in(MEMBERS["anna"], PASSWORDS[MEMBERS["anna"]])).startswith(b"235")
        for line in ("MAIL FROM:<anna@example.test>", *(f"RCPT TO:<{each}>" for each in recipients)):
            assert (await member.ask(line.encode())).startswith(b"250")
        assert (await member.ask(b"DATA")).startswith(b"354")
        yield member


@asynccontextmanager
async def servers() -> AsyncIterator[tuple[FakeUpstream, FakeUpstream]]:
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        yield up, out


async def test_broken_settings_end_with_78_and_every_error(tmp_path: Path) -> None:
    path = site(tmp_path, "list_domains: [lists.example.org]\nnonsense: 1\ncall: 0301234567\n")

    code, said = await run(tmp_path, "--config", path)

    assert 78 == code
    assert "smtpguard.yaml:2:1: " in said
    assert "smtpguard.yaml:3:7: " in said
    assert "Traceback" not in said


async def test_settings_that_cannot_serve_end_with_78_and_what_is_missing(tmp_path: Path) -> None:
    path = site(tmp_path, "list_domains: [lists.example.org]\n")

    code, said = await run(tmp_path, "--config", path)

    assert 78 == code
    assert '"upstream" is missing' in said
    assert '"listeners" has no entry of kind submission or filter' in said


async def test_lists_without_what_a_hold_needs_end_with_78(tmp_path: Path) -> None:
    # A list that is there but not kept would be a rule that is switched off in silence.
    async with servers() as (up, out):
        path = write_config(tmp_path, up, out)
        text = "".join(line for line in path.read_text().splitlines(True) if not line.startswith("contact:"))
        path.write_text(text)

        code, said = await run(tmp_path, "--config", path)

    assert 78 == code
    assert '"contact" is missing' in said


@pytest.mark.parametrize("what", ["a file in its place", "a file above it", "nowhere to write"])
async def test_a_state_dir_that_cannot_be_made_ends_with_73(tmp_path: Path, what: str) -> None:
    (tmp_path / "file").write_text("x")
    state = {"a file in its place": "file", "a file above it": "file/state", "nowhere to write": "/proc/none/state"}[
        what
    ]
    async with servers() as (up, out):
        code, said = await run(tmp_path, "--config", write_config(tmp_path, up, out, state_dir=state))

    assert 73 == code
    assert state in said
    assert "Traceback" not in said


async def test_an_empty_state_dir_is_closed_to_others_and_one_with_files_is_left_alone(tmp_path: Path) -> None:
    async with servers() as (up, out):
        config = write_config(tmp_path, up, out)
        state = tmp_path / "state"
        state.mkdir()
        state.chmod(0o755)
        async with serving(tmp_path, "--config", config):
            assert 0o700 == state.stat().st_mode & 0o777
        state.chmod(0o755)
        code, said = await run(tmp_path, "--config", config)

    assert 73 == code
    assert "others can get at what lies in it" in said
    assert 0o755 == state.stat().st_mode & 0o777


async def test_a_key_folder_that_others_can_read_ends_with_73(tmp_path: Path) -> None:
    keys = tmp_path / "state" / "keys"
    keys.parent.mkdir(mode=0o700)
    keys.mkdir(mode=0o755)
    async with servers() as (up, out):
        code, said = await run(tmp_path, "--config", write_config(tmp_path, up, out))

    assert 73 == code
    assert "chmod 700" in said


async def test_a_state_dir_that_another_serve_uses_ends_with_73(tmp_path: Path) -> None:
    async with servers() as (up, out):
        path = write_config(tmp_path, up, out)
        async with serving(tmp_path, "--config", path) as first:
            code, said = await run(tmp_path, "--config", path)
            async with client(first.ports[0]) as member:
                assert (await member.reply()).startswith(b"220")

    assert 73 == code
    assert "another smtpguard uses this state_dir" in said


async def test_a_store_that_is_no_database_ends_with_69(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "holds.sqlite3").write_bytes(b"no database " * 1000)
    (state / "holds.sqlite3").chmod(0o600)
    async with servers() as (up, out):
        code, said = await run(tmp_path, "--config", write_config(tmp_path, up, out))

    assert 69 == code
    assert "the store cannot be used" in said
    assert "Traceback" not in said


async def test_a_port_that_is_taken_ends_with_69_and_words(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with servers() as (up, out):
            path = write_config(tmp_path, up, out)
            code, said = await run(tmp_path, "--config", path, "--listen", f"127.0.0.1:{port}")

    assert 69 == code
    assert "address already in use" in said
    assert str(port) in said
    assert "Traceback" not in said


@pytest.mark.parametrize("what", ["certificate", "authority", "password"])
async def test_a_file_that_holds_something_else_ends_with_78_and_its_name(tmp_path: Path, what: str) -> None:
    for name in ("file.pem", "file.key"):
        (tmp_path / name).write_bytes(b"\xff\xfe none")
        (tmp_path / name).chmod(0o600)
    changes: dict[str, dict[str, Any]] = {
        "certificate": {
            "listeners": [{"kind": "submission", "listen": "127.0.0.1:0", "tls": "starttls"}],
            "tls": {"certificate": "file.pem", "key_file": "file.key"},
        },
        "authority": {"upstream": {"server": "127.0.0.1:25", "tls": "starttls", "ca": "file.pem"}},
        "password": {"outbox_changes": {"login": "account", "password_file": "file.pem"}},
    }
    async with servers() as (up, out):
        code, said = await run(tmp_path, "--config", write_config(tmp_path, up, out, **changes[what]))

    assert 78 == code
    assert "file.pem" in said
    assert "Traceback" not in said


async def test_without_a_file_it_is_a_pure_relay_that_warns_about_auth_optional(tmp_path: Path) -> None:
    async with FakeUpstream(users=PASSWORDS) as up:
        options = ("--listen", "127.0.0.1:0", "--upstream", f"127.0.0.1:{up.port}")
        async with serving(tmp_path, *options) as guard, client(guard.ports[0]) as member:
            assert b"220 mail.example.test ESMTP\r\n" == await member.reply()
            await member.begin(BERLIN.encode(), ALL.encode())
            await member.ask(b"DATA")
            await member.send(b"To: both\r\n\r\nHello.\r\n")
            assert b"250 2.0.0 Ok: queued as FAKE1\r\n" == await member.ask(b".")
        assert 0 == await guard.ended()

    assert b"To: both\r\n\r\nHello.\r\n" == up.messages[0].content
    assert b"auth: optional" in guard.log
    assert [] == list(tmp_path.iterdir())  # no list, no hold, no state


async def test_the_command_line_overrides_the_file(tmp_path: Path) -> None:
    port = free_port()
    async with servers() as (up, out), FakeUpstream(greeting=b"220 other.example.test ESMTP\r\n") as other:
        path = write_config(tmp_path, up, out)
        options = ("--listen", f"127.0.0.1:{port}", "--upstream", f"127.0.0.1:{other.port}", "--state-dir", "elsewhere")
        async with serving(tmp_path, "--config", path, *options) as guard:
            assert port == guard.ports[0]
            assert 2 == len(guard.ports)  # the answers door stays
            async with client(port) as member:
                assert b"220 other.example.test ESMTP\r\n" == await member.reply()

        assert 0 == up.connections
    assert (tmp_path / "elsewhere" / "holds.sqlite3").exists()
    assert 0o700 == (tmp_path / "elsewhere").stat().st_mode & 0o777
    assert not (tmp_path / "state").exists()


async def test_an_override_that_would_send_passwords_in_the_open_is_refused(tmp_path: Path) -> None:
    async with servers() as (up, out):
        path = write_config(tmp_path, up, out)
        code, said = await run(tmp_path, "--config", path, "--upstream", "192.0.2.1:25")

    assert 2 == code
    assert "in the open" in said


async def test_an_upstream_that_relays_for_anybody_is_told_loudly_and_gets_no_mail(tmp_path: Path) -> None:
    async with FakeUpstream() as up, FakeUpstream(xclient=XCLIENT) as out:
        async with serving(tmp_path, "--config", write_config(tmp_path, up, out)) as guard:
            await until(guard, b"OPEN RELAY")

        assert b"level=warning" in guard.log.split(b"OPEN RELAY")[0].splitlines()[-1]
        rcpts = [line for line in up.commands if line.startswith(b"RCPT")]
        assert 1 == len(rcpts)
        assert rcpts[0].endswith(b".invalid>")
        assert b"DATA" not in [line.split()[0] for line in up.commands]
        assert [] == up.arrived


async def test_an_upstream_that_wants_a_login_is_not_complained_of(tmp_path: Path) -> None:
    async with servers() as (up, out), serving(tmp_path, "--config", write_config(tmp_path, up, out)) as guard:
        await up.wait_for_command(b"QUIT")

    assert b"OPEN RELAY" not in guard.log
    assert b"level=warning" not in guard.log


async def test_auth_optional_in_the_settings_is_warned_of_at_start(tmp_path: Path) -> None:
    listener = {"kind": "submission", "listen": "127.0.0.1:0", "tls": "none", "auth": "optional"}
    async with servers() as (up, out):
        path = write_config(tmp_path, up, out, listeners=[listener])
        async with serving(tmp_path, "--config", path) as guard:
            await until(guard, b"auth: optional")


# ---------------------------------------------------------------- the end


async def test_sigterm_lets_an_open_mail_finish_and_sends_everybody_else_away(tmp_path: Path) -> None:
    octets = mail("anna", [BERLIN])
    async with servers() as (up, out), serving(tmp_path, "--config", write_config(tmp_path, up, out)) as guard:
        async with client(guard.ports[0]) as idle, anna(guard.ports[0], BERLIN) as member:
            assert (await idle.reply()).startswith(b"220")
            await member.send(octets[:40])

            guard.process.send_signal(signal.SIGTERM)

            assert b"421 4.3.2 Shutting down\r\n" == await idle.rest()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", guard.ports[0])
            await member.send(octets[40:])
            assert b"250 2.0.0 Ok: queued as FAKE1\r\n" == await member.ask(b".")
            assert b"421 4.3.2 Shutting down\r\n" == await member.rest()
        assert 0 == await guard.ended()

        assert octets == up.messages[0].content
    assert b"event=stopped" in guard.log


async def test_sigterm_in_a_hold_ends_with_the_notice_sent_and_the_250_said(tmp_path: Path) -> None:
    async with servers() as (up, out), serving(tmp_path, "--config", write_config(tmp_path, up, out)) as guard:
        async with anna(guard.ports[0], BERLIN, ALL) as member:
            out.on("END", then="stall", times=1)
            await member.send(mail("anna", [BERLIN, ALL]) + b".\r\n")
            await out.wait_for_command(b"DATA")
            guard.process.send_signal(signal.SIGTERM)
            out.go_on()

            assert (await member.reply()).startswith(b"250 2.0.0 NOT SENT YET")
        assert 0 == await guard.ended()
        assert 1 == len(out.messages)
        assert [] == up.arrived


async def test_a_mail_that_never_ends_is_cut_off_after_timeouts_shutdown(tmp_path: Path) -> None:
    async with servers() as (up, out):
        path = write_config(tmp_path, up, out, timeouts={"shutdown": "1s"})
        async with serving(tmp_path, "--config", path) as guard, anna(guard.ports[0], BERLIN) as member:
            guard.process.send_signal(signal.SIGTERM)

            assert 0 == await guard.ended()
            await member.rest()
        assert [] == up.arrived


async def test_sigint_ends_it_as_well(tmp_path: Path) -> None:
    async with servers() as (up, out), serving(tmp_path, "--config", write_config(tmp_path, up, out)) as guard:
        guard.process.send_signal(signal.SIGINT)

        assert 0 == await guard.ended()
    assert b"Traceback" not in guard.log


async def test_the_lock_goes_with_the_process(tmp_path: Path) -> None:
    async with servers() as (up, out):
        path = write_config(tmp_path, up, out)
        async with serving(tmp_path, "--config", path) as guard:
            guard.process.kill()
            await guard.ended()
        async with serving(tmp_path, "--config", path):
            lock = os.open(tmp_path / "state" / "lock", os.O_RDWR)
            try:
                with pytest.raises(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            finally:
                os.close(lock)


# ---------------------------------------------------------------- what the system sees of the process (T-06)


async def test_T_06_the_running_guard_leaves_no_core(tmp_path: Path) -> None:
    async with servers() as (up, out), serving(tmp_path, "--config", write_config(tmp_path, up, out)) as guard:
        limits = Path(f"/proc/{guard.process.pid}/limits").read_text().splitlines()

        assert ["0", "0"] == next(line for line in limits if "core file" in line).split()[4:6]


async def test_T_06_nobody_of_the_guard_s_own_user_can_look_into_it(tmp_path: Path) -> None:
    # Root may look into everything, so the guard runs as somebody else then, as it does where it is installed.
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        readable = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import smtpguard.cli", stderr=asyncio.subprocess.DEVNULL, cwd="/", **user
        )
        closed = await readable.wait() != 0
    except PermissionError:
        closed = True
    if closed:
        pytest.skip("the checkout, or Python itself, is closed to other users")
    async with FakeUpstream() as up:
        options = ("--listen", "127.0.0.1:0", "--upstream", f"127.0.0.1:{up.port}")
        async with serving(Path("/"), *options, **user) as guard:
            look = "import sys; open(f'/proc/{sys.argv[1]}/mem', 'rb')"
            looking = await asyncio.create_subprocess_exec(
                sys.executable, "-c", look, str(guard.process.pid), stderr=asyncio.subprocess.PIPE, cwd="/", **user
            )
            _, said = await looking.communicate()

            assert b"PermissionError" in said
            # proc(5): files of a process that is not dumpable belong to root.
            assert 0 == Path(f"/proc/{guard.process.pid}/environ").stat().st_uid


async def test_T_06_large_content_lies_only_in_an_encrypted_file_without_a_name(tmp_path: Path) -> None:
    canary = b"canary words that nobody may find on a disk "
    async with servers() as (up, out), serving(tmp_path, "--config", write_config(tmp_path, up, out)) as guard:
        async with anna(guard.ports[0], BERLIN) as member:
            await member.send((canary + b"\r\n") * (1024 * 1024 // 46 + 1))
            links = Path(f"/proc/{guard.process.pid}/fd")
            if os.geteuid() == 0:
                sealed = await _spool_file(links)
                assert canary[:12] not in sealed
                assert len(sealed) > 900_000
            else:
                with pytest.raises(PermissionError):
                    list(links.iterdir())
            named = [path for path in tmp_path.rglob("*") if path.is_file()]
            assert not any(canary[:12] in path.read_bytes() for path in named)
            assert [] == list((tmp_path / "state" / "spool").iterdir())

            assert (await member.ask(b".")).startswith(b"250")
        assert up.messages[0].content.count(canary) > 20_000


async def _spool_file(links: Path) -> bytes:
    """The octets of the temporary file that the guard has open, once 1 MB is in it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            for link in links.iterdir():
                try:
                    target = str(link.readlink())
                    if "/spool/" in target and target.endswith("(deleted)") and link.stat().st_size > 900_000:
                        return link.read_bytes()
                except FileNotFoundError:
                    continue
            await asyncio.sleep(0.02)


def loaded(condition: str) -> set[str]:
    """Those modules of whoever serves for whose name, `each`, the condition holds."""
    code = f"import sys; import smtpguard.cli; print(*[each for each in sys.modules if {condition}])"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_what_admins_call_is_not_loaded_by_whoever_serves() -> None:
    # Those of `check`.
    assert {"smtpguard.tools.rehearsal", "smtpguard.tools.report"} == loaded("each.startswith('smtpguard.tools.')")


def test_what_asks_the_dns_or_reads_certificates_is_loaded_by_those_who_have_them() -> None:
    assert set() == loaded("each in ('dns', 'cryptography.x509')")


def test_every_command_of_the_tools_is_known_by_its_name() -> None:
    for module, names in TOOLS.items():
        made = importlib.import_module(f"smtpguard.tools.{module}").COMMANDS
        assert {each.name for each in made} == set(names)
