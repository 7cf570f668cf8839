"""`smtpguard doctor` beside a guard and its mail servers: all is well, or each check finds what it is there for."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.certificates import Authority, authority
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import BERLIN, PASSWORDS, PRESS, XCLIENT, House, guarded, write_config
from tests.ports import free_port
from tests.tools.site import run, run_program

__all__ = ["authority"]

pytestmark = pytest.mark.slow

NOBODY = b"550 5.1.1 No such user here\r\n"


class Told:
    """What the doctor said: its exit code, and its lines as (check, result, text)."""

    def __init__(self, code: int, output: str) -> None:
        whole = json.loads(output)
        assert whole["exit_code"] == code
        self.code = code
        self.lines = [(each["check"], each["result"], each["text"]) for each in whole["checks"]]

    def of(self, check: str, result: str) -> str:
        """The texts of a check that went so, one in a line."""
        return "\n".join(text for each, went, text in self.lines if (each, went) == (check, result))

    def bad(self) -> list[tuple[str, str, str]]:
        """Everything that somebody should look at."""
        return [each for each in self.lines if each[1] in ("warning", "problem")]


async def doctor(folder: Path, *options: str | Path, outside: FakeUpstream | None = None) -> Told:
    """The command beside what runs in this process. Without a place outside, a port where nobody is."""
    where = f"127.0.0.1:{free_port() if outside is None else outside.port}"
    said = await asyncio.to_thread(
        run, "doctor", "--config", folder / "smtpguard.yaml", "--state-dir", folder / "state",
        "--outside", where, "--format", "json", *options,
    )  # fmt: skip
    assert said.stderr == ""
    return Told(said.exit_code, said.stdout)


@asynccontextmanager
async def well(folder: Path, **changes: Any) -> AsyncIterator[House]:
    """A guard with nothing to complain of."""
    async with guarded(folder, **changes) as house:
        house.out.require_login = True
        house.out.on("RCPT", reply=NOBODY, match=rb"smtpguard-nobody-here")
        yield house


async def test_all_is_well_and_nothing_is_sent(tmp_path: Path) -> None:
    async with well(tmp_path) as house, FakeUpstream(require_login=True) as outside:
        await house.submit("anna", [BERLIN, PRESS])
        await house.letter()
        before = house.states(), len(house.out.messages)
        told = await doctor(tmp_path, outside=outside)

        assert [] == told.bad()
        assert told.code == 0
        assert before == (house.states(), len(house.out.messages))
        assert [] == house.up.messages == outside.messages
        assert b"DATA" not in [verb for each in (*house.up.sessions, *outside.sessions) for verb in each.verbs()]
    assert "no guard runs with this state_dir" in told.of("guard", "skipped")
    assert "MiB are free" in told.of("state_dir", "ok")
    assert f"{tmp_path}/state/holds.sqlite3: whole" in told.of("database", "ok")
    assert "the day keys are those that waiting mail needs" in told.of("keys", "ok")
    assert "answers: 220 mail.example.test ESMTP" in told.of("upstream", "ok")
    assert "members can log in by PLAIN, LOGIN" in told.of("upstream", "ok")
    assert "22 forms of foreign recipients are refused without a login" in told.of("relaying", "ok")
    assert "a notice to it@example.test is taken" in told.of("outbox", "ok")
    assert "the login by XCLIENT counts" in told.of("outbox", "ok")
    assert "mail to mailcheck+CODE@check.example.test is taken" in told.of("guard domain", "ok")
    assert "other names at check.example.test are refused by the mail server" in told.of("guard domain", "ok")
    assert "refuses mail to check.example.test" in told.of("port 25", "ok")
    # What could not be looked at says why.
    assert "give the login of a test account (--login NAME)" in told.of("senders", "skipped")
    assert "check.example.test is no name of the public DNS" in told.of("dns", "skipped")
    assert '"web" is not in the settings' in told.of("page", "skipped")


async def test_for_a_person_there_is_a_line_for_each_check_and_one_with_numbers(tmp_path: Path) -> None:
    async with well(tmp_path) as house:
        house.up.users.clear()
        said = await asyncio.to_thread(
            run_program, "doctor", "--config", tmp_path / "smtpguard.yaml", "--state-dir", tmp_path / "state",
            "--outside", f"127.0.0.1:{free_port()}",
        )  # fmt: skip

    assert (1, "") == (said.returncode, said.stderr)
    *lines, numbers = said.stdout.splitlines()
    assert all(each.split()[0] in ("ok", "warning", "problem", "skipped") for each in lines)
    assert (
        "problem  upstream      upstream: offers no AUTH, so nobody can log in, and every listener wants a login"
        in lines
    )
    assert numbers.split(", ")[1:3] == ["0 warning", "1 problem"]


# ---------------------------------------------------------------- mail servers


async def test_a_closed_port_is_unreachable(tmp_path: Path) -> None:
    async with well(tmp_path) as house:
        await house.up.stop_listening()
        told = await doctor(tmp_path)

    assert told.code == 69
    assert "the mail server could not be reached" in told.of("upstream", "problem")


async def test_an_outbox_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    async with well(tmp_path) as house:
        await house.out.stop_listening()
        told = await doctor(tmp_path)

    assert told.code == 69
    assert "could not be reached" in told.of("outbox", "problem")


@pytest.mark.parametrize(
    ("names", "expired", "words"),
    [
        (("other.example.test",), False, "is not valid for"),
        (("localhost", "127.0.0.1"), True, "certificate has expired"),
    ],
)
async def test_a_certificate_that_is_wrong_is_found_and_is_not_unreachable(
    tmp_path: Path, authority: Authority, names: tuple[str, ...], expired: bool, words: str
) -> None:
    context = authority.server_context(*names, expired=expired)
    async with (
        FakeUpstream(users=PASSWORDS, require_login=True, tls="starttls", context=context) as up,
        FakeUpstream(xclient=XCLIENT, require_login=True) as out,
    ):
        server = {"server": f"127.0.0.1:{up.port}", "tls": "starttls", "ca": str(authority.pem)}
        write_config(tmp_path, up, out, upstream=server)
        told = await doctor(tmp_path)

        assert all(not each.login and each.mail is None for each in up.sessions)
    assert told.code == 1
    assert "its certificate is not accepted" in told.of("upstream", "problem")
    assert words in told.of("upstream", "problem")


async def test_how_long_a_good_certificate_lasts_is_said(tmp_path: Path, authority: Authority) -> None:
    context = authority.server_context()
    async with (
        FakeUpstream(users=PASSWORDS, require_login=True, tls="implicit", context=context) as up,
        FakeUpstream(xclient=XCLIENT, require_login=True) as out,
    ):
        server = {"server": f"127.0.0.1:{up.port}", "tls": "implicit", "ca": str(authority.pem)}
        write_config(tmp_path, up, out, upstream=server)
        told = await doctor(tmp_path)

    assert (0, []) == (told.code, told.bad())
    assert "its certificate is right (localhost, 127.0.0.1, ::1) and good for 98 days" in told.of("upstream", "ok")


async def test_a_server_without_starttls_is_found(tmp_path: Path, authority: Authority) -> None:
    async with FakeUpstream(users=PASSWORDS) as up, FakeUpstream(xclient=XCLIENT) as out:
        server = {"server": f"127.0.0.1:{up.port}", "tls": "starttls", "ca": str(authority.pem)}
        write_config(tmp_path, up, out, upstream=server)
        told = await doctor(tmp_path)

        assert b"AUTH" not in up.sessions[0].verbs()
    assert told.code == 1
    assert "the mail server does not offer STARTTLS" in told.of("upstream", "problem")


async def test_mechanisms_that_hide_the_account_are_no_login(tmp_path: Path) -> None:
    async with well(tmp_path) as house:
        house.up.mechanisms = "GSSAPI NTLM"
        told = await doctor(tmp_path)

    assert told.code == 1
    assert "only GSSAPI, NTLM, which hide the account" in told.of("upstream", "problem")


async def test_xclient_that_members_addresses_need_and_that_is_not_offered(tmp_path: Path) -> None:
    async with well(tmp_path) as house:
        server = {"server": f"127.0.0.1:{house.up.port}", "tls": "none", "client_address": "xclient"}
        write_config(tmp_path, house.up, house.out, upstream=server)
        without = await doctor(tmp_path)
        house.up.xclient = XCLIENT
        with_it = await doctor(tmp_path)

        assert [{"NAME": "[UNAVAILABLE]", "ADDR": "127.0.0.1"}] in [each.xclient for each in house.up.sessions]
    assert "the mail server does not offer XCLIENT with ADDR" in without.of("upstream", "problem")
    assert 'XCLIENT is taken, as "client_address: xclient" wants it' in with_it.of("upstream", "ok")


@pytest.mark.parametrize(("auth", "result"), [("required", "warning"), ("optional", "problem")])
async def test_an_open_relay_is_found(tmp_path: Path, auth: str, result: str) -> None:
    doors = [{"kind": "submission", "listen": "127.0.0.1:0", "tls": "none", "auth": auth}]
    async with well(tmp_path, listeners=doors) as house:
        house.up.require_login = False
        # No catch-all: only what is really sent on is taken.
        house.up.on("RCPT", reply=NOBODY, match=rb"<smtpguard-relay-probe@example.test>")
        told = await doctor(tmp_path)

        assert [] == house.up.messages
    assert told.code == 1
    assert "OPEN RELAY: 22 of 22 foreign recipients are taken without a login" in told.of("relaying", result)


@pytest.mark.parametrize(
    "form",
    [
        "smtpguard-relay-probe%probe.invalid@example.test",
        '"smtpguard-relay-probe@probe.invalid"@example.test',
        "probe.invalid!smtpguard-relay-probe@example.test",
        "@example.test:smtpguard-relay-probe@probe.invalid",
        "smtpguard-relay-probe@probe.invalid@example.test",
        "smtpguard-relay-probe%probe.invalid@[127.0.0.1]",
    ],
)
async def test_one_odd_form_makes_an_open_relay(tmp_path: Path, form: str) -> None:
    async with well(tmp_path) as house:
        house.up.on("RCPT", reply=b"250 2.1.5 Ok\r\n", match=re.escape(f"<{form}>").encode())
        told = await doctor(tmp_path)

    assert f"OPEN RELAY: 1 of 22 foreign recipients are taken without a login: <{form}>." in told.of(
        "relaying", "warning"
    )


async def test_a_server_that_takes_any_name_of_its_own_is_no_open_relay_for_sure(tmp_path: Path) -> None:
    async with well(tmp_path) as house:
        house.up.on("RCPT", reply=b"250 2.1.5 Ok\r\n", match=rb"example\.test>")
        told = await doctor(tmp_path)

    assert told.of("relaying", "warning") == ""
    assert "so is any name at example.test: whether they are sent on cannot be seen" in told.of("relaying", "skipped")


# ---------------------------------------------------------------- others' addresses (T-30)


async def test_T_30_an_account_that_may_write_as_others_is_found(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("anna-password\n", "utf-8")
    login = ("--login", "anna@example.test", "--password-file", password)
    async with well(tmp_path) as house:
        may = await doctor(tmp_path, *login)
        house.up.on("MAIL", reply=b"553 5.7.1 not owned by you\r\n", match=rb"FROM:<it@example\.test>")
        at_mail = await doctor(tmp_path, *login)
        house.up.on("MAIL", reply=b"553 5.7.1 not owned by you\r\n")
        nothing = await doctor(tmp_path, *login)

        assert [] == house.up.messages

    assert "any login may write as anybody" in may.of("senders", "warning")
    assert "refuses this login another's address, and takes its own" in at_mail.of("senders", "ok")
    assert "this login cannot even write as itself: 553" in nothing.of("senders", "skipped")
    assert "anna-password" not in str(may.lines) + str(at_mail.lines)


async def test_T_30_a_mailbox_from_the_reverse_path_rests_on_that_proof(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("anna-password\n", "utf-8")
    login = ("--login", "anna@example.test", "--password-file", password)
    async with well(tmp_path, mailbox_from_reverse_path=True) as house:
        without = await doctor(tmp_path)
        not_refused = await doctor(tmp_path, *login)
        house.up.on("MAIL", reply=b"553 5.7.1 not owned by you\r\n", match=rb"FROM:<it@example\.test>")
        refused = await doctor(tmp_path, *login)

    assert (1, 1, 0) == (without.code, not_refused.code, refused.code)
    assert '"mailbox_from_reverse_path: true" rests on it: give the login' in without.of("senders", "problem")
    assert "any member can make the guard write to strangers" in not_refused.of("senders", "problem")


async def test_a_login_that_is_refused_proves_nothing(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("wrong\n", "utf-8")
    async with well(tmp_path):
        told = await doctor(tmp_path, "--login", "anna@example.test", "--password-file", password)

    assert told.code == 0
    assert "is not proved: the login is refused: 535 5.7.8" in told.of("senders", "skipped")


# ---------------------------------------------------------------- the outbox and the guard domain


async def test_an_outbox_that_does_not_offer_xclient(tmp_path: Path) -> None:
    async with well(tmp_path) as house:
        house.out.xclient = ()
        told = await doctor(tmp_path)

    assert told.code == 1
    assert "does not offer XCLIENT with LOGIN" in told.of("outbox", "problem")
    assert "others: login: account" in told.of("outbox", "problem")


async def test_an_outbox_that_takes_no_notice(tmp_path: Path) -> None:
    async with well(tmp_path) as house:
        house.out.on("RCPT", reply=b"550 5.7.1 no null senders here\r\n", match=rb"it@example")
        told = await doctor(tmp_path)

    assert told.code == 1
    assert "a notice to it@example.test is refused: 550 5.7.1 no null senders here" in told.of("outbox", "problem")


async def test_a_login_by_xclient_that_changes_nothing_is_not_called_proved(tmp_path: Path) -> None:
    async with well(tmp_path) as house:
        house.out.require_login = False
        told = await doctor(tmp_path)

    assert "whether the login by XCLIENT counts cannot be seen" in told.of("outbox", "skipped")


async def test_an_outbox_that_carries_less_than_members_are_offered(tmp_path: Path) -> None:
    async with well(tmp_path) as house:
        house.out.ehlo = ["PIPELINING", "SIZE 1000000", "8BITMIME"]
        told = await doctor(tmp_path)

    assert told.code == 1
    assert "SMTPUTF8, DSN: members are offered it, the outbox is not" in told.of("outbox", "warning")
    assert "takes mails up to 1000000 octets only, and up to 20971520 are held" in told.of("outbox", "problem")


@pytest.mark.parametrize(
    ("members", "said", "problem"),
    [(None, 1_000_000, False), (None, 4_000_000, True), (1_000_000, 4_000_000, True), (4_000_000, 1_000_000, True)],
)
async def test_what_comes_by_a_filter_is_as_large_as_the_mail_server_behind_it_takes(
    tmp_path: Path, members: int | None, said: int, problem: bool
) -> None:
    async with FakeUpstream() as re_entry:
        behind = {
            "kind": "filter", "listen": "127.0.0.1:0", "received_by": "mail.example.test",
            "upstream": f"127.0.0.1:{re_entry.port}",
        }  # fmt: skip
        doors: dict[str, Any] = {"listeners": [behind], "upstream": None}
        if members is not None:
            submission = {"kind": "submission", "listen": "127.0.0.1:0", "tls": "none"}
            doors = {"listeners": [submission, behind]}
        async with well(tmp_path, **doors) as house:
            house.up.ehlo = ["PIPELINING", f"SIZE {members}", "8BITMIME", "AUTH PLAIN LOGIN"]
            re_entry.ehlo = ["PIPELINING", f"SIZE {said}", "8BITMIME"]
            house.out.ehlo = ["PIPELINING", "SIZE 1000000", "8BITMIME"]
            told = await doctor(tmp_path)

    found = "takes mails up to 1000000 octets only, and up to 4000000 are held" if problem else ""
    assert found in told.of("outbox", "problem")
    assert problem == (told.of("outbox", "problem") != "")


async def test_a_mail_server_that_refuses_ehlo_is_not_the_outbox_s_trouble(tmp_path: Path) -> None:
    async with well(tmp_path) as house:
        house.up.on("EHLO", reply=b"550 5.7.1 go away\r\n")
        told = await doctor(tmp_path)

    assert "EHLO is refused" in told.of("upstream", "problem")
    assert "EHLO" not in told.of("outbox", "problem")
    assert "a notice to it@example.test is taken" in told.of("outbox", "ok")


async def test_a_guard_domain_that_is_not_routed(tmp_path: Path) -> None:
    async with well(tmp_path) as house:
        house.out.on("RCPT", reply=b"554 5.7.1 Relay access denied\r\n", match=rb"@check\.example\.test")
        told = await doctor(tmp_path)

    assert told.code == 1
    refused = told.of("guard domain", "problem")
    assert "mail to mailcheck@check.example.test is refused: 554 5.7.1 Relay access denied" in refused
    assert "mail to mailcheck+CODE@check.example.test is refused" in refused


async def test_the_guard_s_own_listener_is_asked_where_it_runs(tmp_path: Path) -> None:
    port = free_port()
    doors = [
        {"kind": "submission", "listen": "127.0.0.1:0", "tls": "none"},
        {"kind": "answers", "listen": f"127.0.0.1:{port}"},
    ]
    async with well(tmp_path, listeners=doors) as house:
        running = await doctor(tmp_path)
        write_config(
            tmp_path, house.up, house.out, listeners=[doors[0], {**doors[1], "listen": f"127.0.0.1:{house.up.port}"}]
        )
        somebody_else = await doctor(tmp_path)

    assert f"the listener at 127.0.0.1:{port} takes mailcheck@check.example.test and no other name" in running.of(
        "guard domain", "ok"
    )
    assert "is this the guard's? It says 554" in somebody_else.of("guard domain", "problem")


async def test_T_27_a_guard_domain_that_is_open_from_outside(tmp_path: Path) -> None:
    async with well(tmp_path), FakeUpstream() as outside:
        told = await doctor(tmp_path, outside=outside)

        assert [] == outside.messages
    assert told.code == 1
    assert "takes mail to mailcheck@check.example.test from outside" in told.of("port 25", "warning")


# ---------------------------------------------------------------- databases and folders


def damage(database: Path) -> None:
    """Octets in the middle of a database are not what they were."""
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)


async def test_a_damaged_database_is_found(tmp_path: Path) -> None:
    async with well(tmp_path) as house:
        for number in range(3):
            await house.submit("anna", [BERLIN, PRESS], subject=f"Minutes {number}", body="words " * 3000)
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        write_config(tmp_path, up, out)
        damage(tmp_path / "state" / "holds.sqlite3")
        told = await doctor(tmp_path)

    assert told.code in (1, 69)
    assert "holds.sqlite3" in told.of("database", "problem")
    assert f"{tmp_path}/state/memory.sqlite3: whole" in told.of("database", "ok")


async def test_a_database_of_a_newer_version(tmp_path: Path) -> None:
    async with well(tmp_path):
        connection = sqlite3.connect(tmp_path / "state" / "holds.sqlite3")
        with connection:
            connection.execute("INSERT INTO schema_version VALUES (9000, 0)")
        connection.close()
        told = await doctor(tmp_path)

    assert told.code == 1
    assert "written by a newer smtpguard (schema 9000" in told.of("database", "problem")


async def test_keys_that_are_missing_open_to_others_or_left_behind(tmp_path: Path) -> None:
    keys = tmp_path / "state" / "keys"
    async with well(tmp_path, sweep_seconds=3600) as house:
        await house.submit("anna", [BERLIN, PRESS])
        [today] = keys.glob("day-*.key")
        week = next(keys.glob("week-*.key"))
        old = date.today() - timedelta(days=30)  # noqa: DTZ011 - any day long ago
        (keys / f"day-{old}.key").write_bytes(bytes(32))
        (keys / f"day-{old}.key").chmod(0o600)
        interrupted = keys / "day-2026-01-01.key.new-00ff"
        interrupted.write_bytes(b"")
        interrupted.chmod(0o600)
        os.utime(interrupted, (time.time() - 7200,) * 2)
        (keys / "notes.txt").write_text("x")
        cut_short = keys / "memory-2026-W01.key"
        cut_short.write_bytes(bytes(16))
        cut_short.chmod(0o600)
        week.chmod(0o640)
        aside = today.rename(tmp_path / today.name)
        told = await doctor(tmp_path)
        aside.rename(today)

    assert told.code == 1
    assert f"{week}: other users can get at it (mode 0640); correct it with chmod 600" in told.of("keys", "problem")
    assert f"{cut_short}: a key file has 32 octets; restore or remove this one" in told.of("keys", "problem")
    day = datetime.now(UTC).date()
    assert f"the key of {day} is missing, and 1 mails wait for it" in told.of("keys", "problem")
    warned = told.of("keys", "warning")
    assert f"nothing waits for these day keys; a guard that runs erases them: {old}" in warned
    assert "to be removed: day-2026-01-01.key.new-00ff" in warned
    assert "nothing else should lie here: notes.txt" in warned


async def test_a_file_whose_name_has_no_real_day_is_no_key_and_stops_no_check(tmp_path: Path) -> None:
    keys = tmp_path / "state" / "keys"
    async with well(tmp_path):
        keys.mkdir(mode=0o700, exist_ok=True)
        for name in ("day-2026-02-30.key", "day-२०२६-०१-०१.key"):
            (keys / name).write_bytes(bytes(32))
            (keys / name).chmod(0o600)
        told = await doctor(tmp_path)

    assert "the check itself failed" not in told.of("keys", "problem")
    assert "nothing else should lie here: day-2026-02-30.key, day-" in told.of("keys", "warning")


async def test_a_state_folder_may_be_a_link_to_a_closed_one(tmp_path: Path) -> None:
    async with well(tmp_path):
        pass
    (tmp_path / "state").rename(tmp_path / "elsewhere")
    (tmp_path / "state").symlink_to(tmp_path / "elsewhere")
    told = await doctor(tmp_path)

    assert told.of("state_dir", "problem") == told.of("keys", "problem") == ""
    assert f"{tmp_path}/state: closed to other users" in told.of("state_dir", "ok")


async def test_a_state_folder_that_others_can_enter(tmp_path: Path) -> None:
    async with well(tmp_path):
        (tmp_path / "state").chmod(0o755)
        told = await doctor(tmp_path)
        (tmp_path / "state").chmod(0o700)

    assert told.code == 1
    assert "other users can get at it (mode 0755); correct it with chmod 700" in told.of("state_dir", "problem")


async def test_before_the_first_start_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        write_config(tmp_path, up, out)
        told = await doctor(tmp_path)

    assert told.code == 0
    assert "not there yet; the guard makes it at its first start" in told.of("state_dir", "skipped")
    assert not (tmp_path / "state").exists()


# ---------------------------------------------------------------- certificates of its own


@pytest.mark.parametrize("expired", [False, True])
async def test_the_listeners_certificate(tmp_path: Path, authority: Authority, expired: bool) -> None:
    certificate, key = authority.issue("mail.example.org", expired=expired)
    doors = [{"kind": "submission", "listen": "127.0.0.1:0", "tls": "starttls"}]
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        files = {"certificate": str(certificate), "key_file": str(key)}
        key.chmod(0o600)
        write_config(tmp_path, up, out, listeners=doors, tls=files)
        told = await doctor(tmp_path)

    if expired:
        assert told.code == 1
        assert '"tls.certificate" expired on' in told.of("certificates", "warning")
    else:
        assert told.code == 0
        assert "for mail.example.org, good for 98 days" in told.of("certificates", "ok")


# ---------------------------------------------------------------- the command itself


async def test_every_check_ends_also_where_a_server_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smtpguard.tools.doctor.examination.NETWORK_SECONDS", 0.5)
    async with well(tmp_path) as house:
        house.up.on("EHLO", then="stall")
        told = await doctor(tmp_path)

    assert told.code in (1, 69)
    assert "this was not done after 0 s" in told.of("upstream", "problem")
    assert "answers, and takes XCLIENT with LOGIN" in told.of("outbox", "ok")


def test_a_command_line_that_makes_no_sense(tmp_path: Path) -> None:
    (tmp_path / "smtpguard.yaml").write_text("list_domains: [lists.example.test]\n", "utf-8")
    config = ("--config", tmp_path / "smtpguard.yaml")

    assert run("doctor", *config, "--other", "x@example.test").exit_code == 2
    assert run("doctor", *config, "--outside", "nowhere").exit_code == 2
    assert run("doctor", *config, "--login", "anna", "--other", "no address").exit_code == 2


def test_settings_of_which_nothing_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "smtpguard.yaml").write_text("list_domains: [", "utf-8")

    assert run("doctor", "--config", tmp_path / "smtpguard.yaml", "--state-dir", tmp_path / "state").exit_code == 78
