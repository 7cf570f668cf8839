"""What monitoring is told of a running guard, and what it is never told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import smtplib
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from smtpguard import __version__
from smtpguard.answers.token import find_tokens
from smtpguard.config.places import endpoint_of
from smtpguard.metrics.families import FAMILIES
from smtpguard.tools.running import running
from tests.loopback.canaries import MARK, forms_of, forms_of_code, found, planted
from tests.loopback.certificates import Authority, authority
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import ALL, BERLIN, LISTS, MEMBERS, PASSWORDS, PRESS, XCLIENT, body, write_config
from tests.loopback.serving import serving
from tests.metrics.site import Monitor, monitored, samples_of
from tests.web.site import ORIGIN, paged, parsed

__all__ = ["authority"]

# The whole of what may stand in a label, written down once more: who adds one has to think of T-53 here.
LABELS = {
    "version": {__version__},
    "outcome": {"passed", "not_taken", "held", "held_again", "refused", "deferred", "taken"},
    "by": {"sender", "time"},
    "result": {"taken", "refused", "failed"},
    "effect": {"done", "later", "helped", "late", "wrong", "ignored"},
    "why": {"refused", "deferred"},
    "way": {"members", "outbox"},
    "to": {"command", "content"},
    "what": {"unreachable", "lost"},
    "reply": {"4xx", "5xx"},
    "store": {"holds", "memory"},
    "state": {"in_force", "last_good", "unused"},
}


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept at hand between two questions."""
    monkeypatch.setattr("smtpguard.metrics.vitals.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("smtpguard.metrics.pages.FRESH_SECONDS", 0.0)


async def test_T_53_neither_names_nor_words_nor_choices_are_told(tmp_path: Path) -> None:
    web = {"listen": "127.0.0.1:0"}
    async with monitored(tmp_path, web=web, public_url=ORIGIN) as (house, monitor):
        first, second, third = planted(1), planted(2), planted(3)
        for each in (first, second):
            await house.submit("anna", each.recipients, octets=each.octets)
        await house.submit("ben", [PRESS], subject=f"To {MARK}", body=f"{MARK}")
        notices = [await house.letter(1), await house.letter(2)]
        await house.answer("anna", notices[0], "ONLY 1")
        await house.answer("anna", notices[1], "DISCARD")
        await house.answer("ben", notices[1], "SEND")  # he has no code of his own
        house.out.on("MAIL", reply=f"550 5.7.1 no {MARK} <anna@example.test>\r\n".encode())
        await house.submit("anna", third.recipients, octets=third.octets)
        house.up.on("END", reply=f"554 5.7.1 no {MARK}\r\n".encode())
        await house.submit("ben", [PRESS], subject="Refused")
        text = (await monitor.get("/metrics")).text
        samples = await monitor.samples()

    told = {"metrics": text.lower().encode()}
    names = {*LISTS, *MEMBERS, *MEMBERS.values(), *PASSWORDS.values(), "example", "mailcheck", "commission", "check."}
    assert not [each for each in names if each.encode() in told["metrics"]]
    assert not found(told, forms_of(MARK.encode()))
    for notice in notices:
        (token,) = find_tokens(body(notice))
        assert not found(told, forms_of_code(token))
    assert not [each for each in ("11-", "12-", "90-") if each.encode() in told["metrics"]]
    seen = defaultdict(set)
    for _, labels in samples:
        for name, value in labels:
            seen[name].add(value)
    seen.pop("le")
    # This guard's settings stay as they are, so it tells nothing of its files.
    assert {name: values for name, values in LABELS.items() if name != "state"} == seen
    declared = defaultdict(set)
    for family in FAMILIES:
        for name, values in family.labels.items():
            declared[name].update(values)
    assert LABELS == declared
    assert 2 == samples["smtpguard_holds_ended_total", frozenset({("by", "sender")})]


async def test_totals_are_those_of_what_happened(tmp_path: Path) -> None:
    async with monitored(tmp_path) as (house, monitor):
        await house.submit("ben", [PRESS])
        await house.submit("anna", [BERLIN, ALL], subject="One")
        await house.submit("anna", [BERLIN, ALL], subject="One")
        notice = await house.letter()
        await house.submit("anna", [BERLIN, ALL], subject="Two")
        waiting = await monitor.value("holds_waiting")
        await house.answer("anna", notice, "SEND")
        await house.answer("anna", notice, "SEND")
        house.up.on("END", reply=b"554 5.7.1 no\r\n", times=1)
        await house.submit("ben", [PRESS], subject="Refused")
        house.up.on("END", then="close", times=1)
        await house.submit("ben", [PRESS], subject="Broken")

        outcomes = ("passed", "held", "held_again", "not_taken", "deferred", "refused")
        mails = [await monitor.value("mails_total", outcome=each) for each in outcomes]
        assert [1, 2, 1, 1, 1, 0] == mails
        assert [2, 0, 0] == [await monitor.value("notices_total", result=e) for e in ("taken", "refused", "failed")]
        assert 2 == waiting
        assert 1 == await monitor.value("holds_waiting")
        assert 0 == await monitor.value("holds_oldest_seconds")
        assert [1, 1] == [await monitor.value("answers_total", effect=each) for each in ("done", "late")]
        assert 1 == await monitor.value("holds_ended_total", by="sender")
        assert 1 == await monitor.value("upstream_errors_total", way="members", what="lost")
        assert 0 == await monitor.value("upstream_errors_total", way="members", what="unreachable")
        assert 2 == await monitor.value("upstream_reply_seconds_count", way="members", to="content")
        assert 8 == await monitor.value("sessions_total")
        assert 0 < await monitor.value("store_seconds_count", store="holds")


async def test_what_the_mail_server_refuses_before_there_is_a_mail_is_told(tmp_path: Path) -> None:
    # Logins are down behind it, or no recipient is taken: no mail comes about that could be put off or not taken.
    async with monitored(tmp_path) as (house, monitor):
        house.up.on("AUTH", reply=b"454 4.7.0 Temporary authentication failure\r\n", times=2)  # PLAIN and LOGIN
        with pytest.raises(smtplib.SMTPException):
            await house.submit("ben", [PRESS])
        house.up.on("RCPT", reply=b"550 5.1.1 no\r\n", times=1)
        assert 550 == (await house.submit("ben", [PRESS])).code
        house.up.on("END", reply=b"554 5.7.1 no\r\n", times=1)
        assert 554 == (await house.submit("ben", [PRESS])).code

        told = [await monitor.value("upstream_refusals_total", way="members", reply=each) for each in ("4xx", "5xx")]
        assert [2, 2] == told
        assert 0 == await monitor.value("upstream_refusals_total", way="outbox", reply="5xx")
        assert [0, 1] == [await monitor.value("mails_total", outcome=each) for each in ("deferred", "not_taken")]
        assert house.application.metrics is not None
        at = endpoint_of(house.application.metrics)
        guard = await asyncio.to_thread(running, tmp_path / "none", at, datetime.now(UTC))
        assert "The mail server refused 2 commands or mails for now, 2 for good (wrong passwords, too)." in guard.said


async def test_notices_that_do_not_go_out_are_told(tmp_path: Path) -> None:
    async with monitored(tmp_path) as (house, monitor):
        house.out.on("RCPT", reply=b"550 5.1.1 no\r\n", times=1)
        assert 550 == (await house.submit("anna", [BERLIN, ALL], subject="One")).code
        house.out.on("RCPT", reply=b"450 4.1.1 later\r\n", times=1)
        assert 451 == (await house.submit("anna", [BERLIN, ALL], subject="Two")).code
        await house.out.stop_listening()
        assert 451 == (await house.submit("anna", [BERLIN, ALL], subject="Three")).code

        assert [0, 1, 2] == [await monitor.value("notices_total", result=e) for e in ("taken", "refused", "failed")]
        assert [1, 2] == [await monitor.value("mails_total", outcome=each) for each in ("refused", "deferred")]
        assert 1 == await monitor.value("upstream_errors_total", way="outbox", what="unreachable")
        assert 200 == (await monitor.get("/readyz")).status, "a mail server that is away makes no guard unready"


async def test_a_store_that_does_not_answer_makes_the_guard_unready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with monitored(tmp_path) as (house, monitor):
        assert (200, "ready\n") == ((ready := await monitor.get("/readyz")).status, ready.text)
        keeper = house.application._keeper
        assert keeper is not None
        release = asyncio.Event()
        asked = keeper._store.waiting_days

        async def hangs() -> object:
            await release.wait()
            return await asked()

        monkeypatch.setattr(keeper._store, "waiting_days", hangs)
        with monkeypatch.context() as hurried:
            hurried.setattr("smtpguard.metrics.vitals.STORE_SECONDS", 0.2)
            unready = await monitor.get("/readyz")
            assert (503, "the store does not answer\n") == (unready.status, unready.text)
            assert 200 == (await monitor.get("/healthz")).status
            assert 0 == await monitor.value("store_up")
            assert "smtpguard_holds_waiting " not in (await monitor.get("/metrics")).text
        release.set()
        assert 200 == (await monitor.get("/readyz")).status


async def test_a_sweep_that_has_died_or_hangs_makes_the_guard_unready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with monitored(tmp_path, sweep_seconds=1000) as (house, monitor):
        monkeypatch.setattr("smtpguard.metrics.vitals.SWEEP_AGE_MAX", -1.0)
        assert "the sweep does not run\n" == (await monitor.get("/readyz")).text
        monkeypatch.undo()
        assert 200 == (await monitor.get("/readyz")).status
        sweeps = house.application._sweeps
        assert sweeps is not None
        sweeps.cancel()
        await asyncio.wait([sweeps])
        assert 503 == (await monitor.get("/readyz")).status


async def test_doors_that_are_shut_make_the_guard_unready(tmp_path: Path) -> None:
    async with monitored(tmp_path) as (house, monitor):
        server = house.application._server
        assert server is not None
        await server.stop()

        unready = await monitor.get("/readyz")
        assert (503, "not every listener is open\n") == (unready.status, unready.text)


async def test_health_is_on_the_page_where_monitoring_has_no_port(tmp_path: Path) -> None:
    async with paged(tmp_path) as (house, page):
        ready = await page.get("/readyz")
        assert (200, b"ready\n") == (ready.status, ready.octets)
        assert 404 == (await page.get("/metrics")).status
        server = house.application._server
        assert server is not None
        await server.stop()
        unready = await page.get("/readyz")
        assert (503, b"not ready\n") == (unready.status, unready.octets), "strangers hear no reason"


async def test_the_page_is_not_asked_whether_mail_is_taken_where_monitoring_has_a_port(tmp_path: Path) -> None:
    async with paged(tmp_path, metrics={"listen": "127.0.0.1:0"}) as (_, page):
        assert 404 == (await page.get("/readyz")).status
        assert 200 == (await page.get("/healthz")).status, "doctor knows nodes by it"


async def test_the_certificate_in_use_counts_whatever_lies_in_its_file(tmp_path: Path, authority: Authority) -> None:
    certificate, key = authority.issue("localhost")
    copies = tmp_path / "certificate.pem", tmp_path / "key.pem"
    for copy, original in zip(copies, (certificate, key), strict=True):
        copy.write_bytes(original.read_bytes())
        copy.chmod(0o600)
    listeners = [{"kind": "submission", "listen": "127.0.0.1:0", "tls": "starttls"}]
    tls = {"certificate": str(copies[0]), "key_file": str(copies[1])}
    async with monitored(tmp_path, listeners=listeners, tls=tls) as (house, monitor):
        before = await monitor.value("certificate_end_seconds")
        for copy, renewed in zip(copies, authority.issue("localhost", expired=True), strict=True):
            copy.write_bytes(renewed.read_bytes())
        assert before == await monitor.value("certificate_end_seconds")
        await house.application.reload()
        assert before > await monitor.value("certificate_end_seconds")


@pytest.mark.slow
async def test_a_broken_settings_file_is_told(tmp_path: Path) -> None:
    async with FakeUpstream(users=PASSWORDS) as up, FakeUpstream(xclient=XCLIENT) as out:
        config = write_config(tmp_path, up, out, metrics={"listen": "unix:" + str(tmp_path / "metrics.sock")})
        async with serving(config) as guard:
            assert 5 == await socket_value(tmp_path, "settings_files", state="in_force")
            (tmp_path / "lists" / "press.yaml").write_text("list: {", "utf-8")
            async with asyncio.timeout(30):
                while await socket_value(tmp_path, "settings_files", state="last_good") != 1:
                    await asyncio.sleep(0.1)
            assert 4 == await socket_value(tmp_path, "settings_files", state="in_force")
            assert await socket_value(tmp_path, "settings_reads_total") >= 1
            guard.process.terminate()
            assert 0 == await guard.ended()
        assert "metrics=" in guard.log.decode()
        assert not (tmp_path / "metrics.sock").exists()


async def socket_value(folder: Path, name: str, **labels: str) -> float:
    reader, writer = await asyncio.open_unix_connection(folder / "metrics.sock")
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    text = parsed(await reader.read()).text
    writer.close()
    wanted = "smtpguard_" + name + ("{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}" if labels else "")
    return float(next(line for line in text.splitlines() if line.startswith(wanted + " ")).split()[1])


async def test_whatever_is_asked_gets_a_short_answer(tmp_path: Path) -> None:
    async with monitored(tmp_path) as (_, monitor):
        metrics = await monitor.get("/metrics")
        assert "text/plain; version=0.0.4; charset=utf-8" == metrics.fields["content-type"]
        assert len(metrics.octets) < 64 * 1024
        assert b"" == (await monitor.request("HEAD", "/metrics")).octets
        assert 404 == (await monitor.get("/")).status
        assert {405} == {(await monitor.request(each, "/metrics")).status for each in ("POST", "PUT", "DELETE", "X")}
        assert 200 == (await monitor.get("/metrics?name=anna", Accept="application/openmetrics-text; version=x")).status
        assert 400 == parsed(await monitor.raw(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")).status
        assert 400 == parsed(await monitor.raw(b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000)).status


async def test_slow_and_endless_clients_are_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtpguard.web.connection.HEADER_SECONDS", 0.2)
    monkeypatch.setattr("smtpguard.web.connection.LIFE_SECONDS", 0.5)
    async with monitored(tmp_path) as (_, monitor):
        for begun in (b"", b"GET /metrics HTTP/1.1\r\nHost: x\r\n"):
            try:
                assert b"" == await monitor.raw(begun)
            except ConnectionError:
                pass
        _, writer = await asyncio.open_connection("127.0.0.1", monitor.port)
        writer.write(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n")

        async def write_on() -> None:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(write_on(), 30)
        monkeypatch.undo()
        assert 200 == (await monitor.get("/healthz")).status


async def test_connections_are_bounded_and_who_only_waits_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smtpguard.web.shares.CONNECTIONS_PER_CLIENT_MAX", 3)
    async with monitored(tmp_path) as (house, monitor):
        idle = [await asyncio.open_connection("127.0.0.1", monitor.port) for _ in range(3)]
        for reader, writer in idle:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"ok\n")
        assert 200 == (await monitor.get("/metrics")).status
        with contextlib.suppress(ConnectionError):
            assert b"" == await asyncio.wait_for(idle[0][0].read(), 30)
        assert 250 == (await house.submit("ben", [PRESS])).code
        for _, writer in idle:
            writer.close()


async def test_however_many_ask_at_once_the_text_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtpguard.metrics.pages.FRESH_SECONDS", 3600.0)
    async with monitored(tmp_path) as (house, monitor):
        first = await monitor.get("/metrics")
        await house.submit("ben", [PRESS])
        answers = await asyncio.gather(*(monitor.get("/metrics") for _ in range(20)))

    assert {first.octets} == {each.octets for each in answers}


async def test_with_no_file_left_to_open_monitoring_goes_on_and_says_so(tmp_path: Path) -> None:
    async with monitored(tmp_path) as (_, monitor):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        reader, writer = await asyncio.open_connection("127.0.0.1", monitor.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\nok\n")
        try:
            next_file = os.dup(0)
            os.close(next_file)
            resource.setrlimit(resource.RLIMIT_NOFILE, (next_file, hard))
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            said = await reader.read()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            writer.close()
    samples = samples_of(said.partition(b"\r\n\r\n")[2].decode())

    assert samples["process_open_fds", frozenset()] == samples["process_max_fds", frozenset()]


@pytest.mark.slow
async def test_a_pure_relay_is_watched_as_well(tmp_path: Path) -> None:
    async with FakeUpstream(users=PASSWORDS) as up:
        settings = {
            "listeners": [{"kind": "submission", "listen": "127.0.0.1:0", "tls": "none", "auth": "optional"}],
            "upstream": {"server": f"127.0.0.1:{up.port}", "tls": "none"},
            "metrics": {"listen": f"unix:{tmp_path}/metrics.sock"},
        }
        (tmp_path / "smtpguard.yaml").write_text(yaml.safe_dump(settings), "utf-8")
        async with serving(tmp_path / "smtpguard.yaml"):
            assert 0 == await socket_value(tmp_path, "mails_total", outcome="passed")
            said = await status("--config", str(tmp_path / "smtpguard.yaml"), "--state-dir", str(tmp_path / "none"))

    assert (0, "It takes mail.") == (said[0], said[1].splitlines()[0])


def test_without_the_setting_nothing_of_it_is_loaded() -> None:
    code = "import sys, smtpguard.cli; sys.exit('prometheus_client' in sys.modules or 'uvicorn' in sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode


async def status(*options: str) -> tuple[int, str]:
    """`smtpguard status`: its exit code, and what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "smtpguard", "status", *options),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=dict(os.environ),
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.slow
async def test_status_says_how_the_guard_fares(tmp_path: Path) -> None:
    async with FakeUpstream(users=PASSWORDS) as up, FakeUpstream(xclient=XCLIENT) as out:
        config = write_config(tmp_path, up, out, metrics={"listen": "127.0.0.1:0"})
        code, said = await status("--config", str(config))
        assert (69, True) == (code, "no guard runs" in said)
        async with serving(config) as guard:
            code, said = await status("--config", str(config))
            assert 0 == code, said
            assert f"process {guard.process.pid}" in said
            assert "It takes mail." in said
            assert "0 mails wait for an answer." in said
            assert "Since it started: 0 mails passed, 0 held" in said
            (tmp_path / "lists" / "press.yaml").write_text("list: {", "utf-8")
            guard.process.send_signal(1)
            async with asyncio.timeout(30):
                while b"file-not-used" not in guard.log:
                    await asyncio.sleep(0.05)
            async with asyncio.timeout(30):
                while (await status("--state-dir", str(tmp_path / "state")))[0] == 0:
                    await asyncio.sleep(0.2)
            code, said = await status("--state-dir", str(tmp_path / "state"), "--format", "json")
            told = json.loads(said)
            assert (1, True) == (code, told["runs"])
            assert "press.yaml" in told["found"][0]
        code, said = await status("--state-dir", str(tmp_path / "state"))
        assert 69 == code, said


@pytest.mark.slow
async def test_status_without_metrics_says_what_is_written_down(tmp_path: Path) -> None:
    async with FakeUpstream(users=PASSWORDS) as up, FakeUpstream(xclient=XCLIENT) as out:
        config = write_config(tmp_path, up, out)
        async with serving(config):
            code, said = await status("--config", str(config))
            assert (0, True) == (code, "0 mails wait for an answer." in said), said
            assert "It takes mail" not in said


@pytest.mark.slow
async def test_loop_lag_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtpguard.metrics.meters.LAG_SECONDS", 0.01)
    async with monitored(tmp_path) as (_, monitor):
        async with asyncio.timeout(30):
            while not await monitor.value("loop_lag_seconds_count"):
                await asyncio.sleep(0.01)
        import time

        for _ in range(3):
            time.sleep(0.3)  # whoever holds the loop for so long makes everybody wait
            await asyncio.sleep(0.05)
        assert await late(monitor) >= 1


async def late(monitor: Monitor) -> float:
    """How many timers were served more than a tenth of a second late."""
    samples = await monitor.samples()
    name = "smtpguard_loop_lag_seconds"
    return samples[f"{name}_count", frozenset()] - samples[f"{name}_bucket", frozenset({("le", "0.1")})]
