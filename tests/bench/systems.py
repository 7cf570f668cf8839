"""What is compared: smtpguard with checks off and on, on both loops, Postfix in two ways, Haraka if it is here."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

from tests.bench.memory import fill
from tests.bench.processes import START, System, python, start
from tests.e2e.stack.keeper import Keeper
from tests.e2e.stack.programs import POSTFIX, POSTFIX_DAEMONS
from tests.ports import HOST, answers, free_port, free_ports, wait_until

SMTP_SOURCE = shutil.which("smtp-source", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SMTP_SINK = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
HARAKA = os.environ.get("SMTPGUARD_BENCH_HARAKA", "")  # a folder in which `npm install Haraka` was run
GREETING_SECONDS = 3.0
LOOPS = ("asyncio", "uvloop") if importlib.util.find_spec("uvloop") else ("asyncio",)

# What `--systems` takes; the first part alone means all of them: `off` is `off-asyncio` and `off-uvloop`.
NAMES = {
    "direct": "direct",
    "off-asyncio": "smtpguard off, asyncio",
    "off-uvloop": "smtpguard off, uvloop",
    "on-asyncio": "smtpguard on, asyncio",
    "on-uvloop": "smtpguard on, uvloop",
    "all-asyncio": "smtpguard on, remember all, asyncio",
    "all-uvloop": "smtpguard on, remember all, uvloop",
    "workers-asyncio": "smtpguard on, 2 workers, asyncio",
    "workers-uvloop": "smtpguard on, 2 workers, uvloop",
    "postfix-inline": "Postfix in-line",
    "postfix-queue": "Postfix with queue",
    "haraka": "Haraka",
}

# The guard takes uvloop if it can be imported.
_WITHOUT_UVLOOP = "import sys; sys.modules['uvloop'] = None; from smtpguard.cli import main; main()"

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {daemons}
maillog_file = {folder}/log/postfix.log
maillog_file_prefixes = {folder}/log
myhostname = bench.example.test
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
inet_interfaces = loopback-only
inet_protocols = ipv4
default_transport = smtp:[{host}]:{upstream}
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_event_limit_exceptions = 127.0.0.0/8
message_size_limit = 52428800
mailbox_size_limit = 0
"""

MASTER_CF = """\
{host}:{port} inet n - n - - smtpd
{filter}\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

SETTINGS = {
    "organisation": "Example Union",
    "address": "mailcheck@check.example.test",
    "contact": "postbox@example.test",
    "timezone": "Europe/Berlin",
    "list_domains": ["lists.example.test"],
    "account_domain": "example.test",
    # One account sends as many as it can.
    "limits": {
        "connections_per_address": 1000,
        "holds_per_account": 10_000,
        "held_bytes_per_account": "10GiB",
        "notices_per_account_and_day": 10_000,
    },
}
LISTS = ("berlin", "brandenburg", "members", "press")


def sinks(keeper: Keeper, folder: Path) -> tuple[int, int]:
    """Ports of smtp-sink (0 without it) and of our own sink, which knows AUTH."""
    first, second = free_ports(2)
    if SMTP_SINK is None or SMTP_SOURCE is None:
        first = 0
    else:
        user = ["-u", "postfix"] if os.geteuid() == 0 else []
        start(keeper, "smtp-sink", [SMTP_SINK, *user, f"{HOST}:{first}", "1000"], first, folder)
    start(keeper, "sink", python("-m", "tests.bench.sink", str(second)), second, folder)
    return first, second


def guard_off(keeper: Keeper, folder: Path, upstream: int, loop: str) -> System:
    """A pure relay: nothing is judged."""
    port = free_port()
    state = folder / f"off-{port}"
    options = ["--listen", f"{HOST}:{port}", "--upstream", f"{HOST}:{upstream}", "--state-dir", str(state)]
    return _guard(keeper, folder, NAMES[f"off-{loop}"], port, loop, options)


def guard_on(
    keeper: Keeper, folder: Path, upstream: int, loop: str, remember: str = "lists", workers: int = 1
) -> System:
    """Four lists, an outbox, and clients that must log in: each mail is read and judged. With `remember` "all" there is
    a memory of a million fingerprints of private mail."""
    port, answers_port = free_ports(2)
    home = folder / f"on-{port}"
    (home / "lists").mkdir(parents=True)
    for name in LISTS:
        text = f"list: {name}@lists.example.test\nmanager: mailman3\nabout: List {name}\n"
        (home / "lists" / f"{name}.yaml").write_text(f"{text}contact: {name}-owner@lists.example.test\n")
    server = f"{HOST}:{upstream}"
    settings = {
        **SETTINGS,
        "listeners": [
            {"kind": "submission", "listen": f"{HOST}:{port}", "tls": "none", "auth": "required"},
            {"kind": "answers", "listen": f"{HOST}:{answers_port}"},
        ],
        "upstream": {"server": server, "tls": "none"},
        "outbox": {"server": server, "tls": "none", "login": "xclient", "user": "mailcheck", "release": "outbox"},
        "state_dir": str(home / "state"),
        "remember": remember,
        "members_informed": "2026-01-01",
        "workers": workers,
    }
    if remember == "all":
        asyncio.run(fill(home / "state"))
    (home / "smtpguard.yaml").write_text(json.dumps(settings))  # JSON is YAML
    options = ["--config", str(home / "smtpguard.yaml")]
    name = NAMES[f"{'workers' if workers > 1 else 'all' if remember == 'all' else 'on'}-{loop}"]
    return _guard(keeper, folder, name, port, loop, options, login=True)


def _guard(
    keeper: Keeper, folder: Path, name: str, port: int, loop: str, options: list[str], *, login: bool = False
) -> System:
    program = ("-c", _WITHOUT_UVLOOP) if loop == "asyncio" else ("-m", "smtpguard")
    group = start(keeper, name, python(*program, "serve", *options), port, folder)
    return System(name, port, group, login=login)


def postfix(keeper: Keeper, folder: Path, upstream: int, *, queue: bool) -> System | None:
    """Postfix handing each mail on while it comes in (smtpd_proxy_filter), or through its queue; None if not here."""
    if not POSTFIX.exists() or os.geteuid() != 0:
        return None
    port = free_port()
    home = folder / f"postfix-{port}"
    for name in ("conf", "queue", "log", "data"):
        (home / name).mkdir(parents=True)
    shutil.chown(home / "data", "postfix")
    (home / "conf" / "main.cf").write_text(
        MAIN_CF.format(folder=home, daemons=POSTFIX_DAEMONS, host=HOST, upstream=upstream)
    )
    proxied = "" if queue else f"  -o smtpd_proxy_filter={HOST}:{upstream}\n"
    (home / "conf" / "master.cf").write_text(MASTER_CF.format(host=HOST, port=port, filter=proxied))
    pid_file = home / "queue" / "pid" / "master.pid"
    keeper.pid_file(pid_file)
    with (home / "log" / "start").open("w") as stream:
        subprocess.run(
            [str(POSTFIX), "-c", str(home / "conf"), "start"],
            stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, timeout=60, check=True,
        )  # fmt: skip
    wait_until("Postfix answers", lambda: answers(port), START)

    def idle() -> bool:
        return not any(True for name in ("incoming", "active") for _ in (home / "queue" / name).iterdir())

    name = NAMES["postfix-queue" if queue else "postfix-inline"]
    return System(name, port, int(pid_file.read_text()), idle if queue else lambda: True)


def haraka(keeper: Keeper, folder: Path, upstream: int) -> System | None:
    """Haraka with queue/smtp_forward; None if SMTPGUARD_BENCH_HARAKA names no folder with it, or it does not greet."""
    program = Path(HARAKA) / "node_modules" / "Haraka" / "bin" / "haraka"
    node = shutil.which("node")
    if not HARAKA or node is None or not program.exists():
        return None
    port = free_port()
    home = folder / f"haraka-{port}"
    home.mkdir()
    # All its files, as `haraka --install` copies them: one that lacks connection.ini with [message] greets nobody.
    shutil.copytree(program.parents[1] / "config", home / "config")
    (home / "plugins").mkdir()
    # The name must be none that Haraka has ever had: `relay_all` is replaced by a plugin of Haraka's own, in silence.
    (home / "plugins" / "everybody.js").write_text(
        # Without `relaying`: what is relayed goes through Haraka's queue, and its 250 is not the sink's.
        "exports.hook_rcpt = function (next) { next(OK); };\n"
        # Nobody is asked for a name, as with Postfix here: without it, no greeting before the name server has spoken.
        "exports.hook_lookup_rdns = function (next) { next(OK, 'client.example.test'); };\n"
    )
    files = {
        "smtp.ini": f"listen={HOST}:{port}\nnodes=0\n",
        "smtp_forward.ini": f"host={HOST}\nport={upstream}\n",
        "plugins": "everybody\nqueue/smtp_forward\n",
        "log.ini": "level=WARN\n",
        "me": "bench.example.test\n",
    }
    for name, text in files.items():
        (home / "config" / name).write_text(text)
    # It greets late or never where it waits for a name server; such a peer would be measured for its waiting.
    group = start(keeper, "Haraka", [node, str(program), "-c", str(home)], port, folder, {"NODE_ENV": "production"})
    return System(NAMES["haraka"], port, group) if _greets(port) else None


def _greets(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=GREETING_SECONDS) as client:
            client.settimeout(GREETING_SECONDS)
            return client.recv(4).startswith(b"220")
    except OSError:
        return False
