"""The parts put together: what one guard opens, and that it leaves nothing open."""

from __future__ import annotations

import asyncio
import socket
import ssl
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smtpguard.app import Application
from smtpguard.certificates import Certificates
from smtpguard.config.places import endpoint_of
from smtpguard.config.settings import Settings
from smtpguard.doors import doors, target
from smtpguard.keeper import Charge
from smtpguard.listener.options import AuthWithoutTls, Kind, Protocol, Tls
from smtpguard.policy import Policy
from smtpguard.state import StateFolderError
from smtpguard.store import StoreError
from smtpguard.tls_context import in_force
from tests.logs import caught
from tests.loopback.certificates import Authority
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import ALL, BERLIN, XCLIENT, charge, guarded, write_config


async def made(folder: Path, up: FakeUpstream, out: FakeUpstream, **changes: Any) -> Application:
    return Application(charge(write_config(folder, up, out, **changes)))


def no_store_thread_stays() -> bool:
    """True if every store's thread ends; it has been told to, but is not waited for."""
    threads = [each for each in threading.enumerate() if each.name.startswith("store")]
    for each in threads:
        each.join(60)
    return not any(each.is_alive() for each in threads)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_state_and_keys_are_for_the_guard_s_own_user_alone(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        state = tmp_path / "state"

        assert {0o700} == {mode(each) for each in (state, *state.rglob("*")) if each.is_dir()}
        assert {0o600} == {mode(each) for each in state.rglob("*") if each.is_file()}
        assert {"holds.sqlite3", "keys", "lock", "spool"} <= {each.name for each in state.iterdir()}


async def test_two_guards_do_not_share_one_state_dir(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        second = await made(tmp_path, house.up, house.out)
        with pytest.raises(StateFolderError, match="another smtpguard uses this state_dir"):
            await second.start()
        await second.stop()

        assert "NOT SENT YET" in (await house.submit("anna", [BERLIN, ALL])).text  # the first goes on
    third = await made(tmp_path, house.up, house.out)
    await third.start()  # its lock went with its end
    await third.stop()


async def test_a_start_that_fails_leaves_nothing_behind_after_stop(tmp_path: Path) -> None:
    async with FakeUpstream() as up, FakeUpstream(xclient=XCLIENT) as out:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            listener = {"kind": "submission", "listen": f"127.0.0.1:{taken.getsockname()[1]}", "tls": "none"}
            application = await made(tmp_path, up, out, listeners=[listener])
            with pytest.raises(OSError, match="in use"):
                await application.start()
            await application.stop()

        assert no_store_thread_stays()
        again = await made(tmp_path, up, out)
        await again.start()
        await again.stop()
    assert no_store_thread_stays()


async def test_a_store_that_is_none_is_said_and_the_lock_given_back(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "holds.sqlite3").write_bytes(b"no database " * 100)
    (state / "holds.sqlite3").chmod(0o600)
    async with FakeUpstream() as up, FakeUpstream(xclient=XCLIENT) as out:
        application = await made(tmp_path, up, out)
        with pytest.raises(StoreError):
            await application.start()
        await application.stop()
        (state / "holds.sqlite3").unlink()

        again = await made(tmp_path, up, out)
        await again.start()
        await again.stop()


async def test_after_stop_nobody_listens_any_more(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        ports = house.application.ports
        await house.application.stop()

        for port in ports:
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)


async def test_a_short_mail_that_cannot_be_sent_does_not_keep_the_guard_from_ending(tmp_path: Path) -> None:
    with caught() as log:
        async with guarded(tmp_path, timeouts={"shutdown": "1s"}) as house:
            await house.submit("anna", [BERLIN, ALL])
            notice = await house.letter()
            house.out.on("MAIL", reply=b"451 4.3.0 not now\r\n")
            await house.answer("anna", notice, "DISCARD")
            await house.out.wait_until(lambda: len(house.out.sessions) > 1 and not house.out.open_sessions)
            async with asyncio.timeout(20):
                await house.application.stop()

        assert ["discarded"] == house.states()
    assert 'event=letter-lost why="the guard ends"' in log.getvalue()


async def test_what_was_held_waits_on_for_the_next_start(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
    async with guarded(tmp_path) as house:
        assert ["held"] == house.states()
        assert 250 == (await house.answer("anna", notice, "SEND")).code
        assert 1 == len(house.released())


async def test_settings_without_what_a_hold_needs_make_a_pure_relay_without_state(tmp_path: Path) -> None:
    async with FakeUpstream() as up:
        settings = Settings.from_command_line(
            endpoint_of("127.0.0.1:0"), endpoint_of(f"127.0.0.1:{up.port}"), tmp_path / "state"
        )
        loaded = charge(write_config(tmp_path, up, up))
        application = Application(Charge(settings, Policy(), loaded.directory))
        await application.start()
        await application.stop()

    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(("reply", "words"), [(None, "OPEN RELAY"), (b"454 4.7.1 later\r\n", "could not be tried")])
async def test_the_probe_tells_what_it_found(tmp_path: Path, reply: bytes | None, words: str) -> None:
    async with FakeUpstream() as up, FakeUpstream(xclient=XCLIENT) as out:
        if reply is not None:
            up.on("RCPT", reply=reply)
        application = await made(tmp_path, up, out)
        await application.start()
        with caught() as log:
            await application.probe()
        await application.stop()

        assert words in log.getvalue()
        assert [] == up.arrived


async def test_the_probe_is_silent_where_the_mail_server_wants_a_login(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        with caught() as log:
            await house.application.probe()

        assert "" == log.getvalue()


def test_doors_are_what_the_settings_say(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue("localhost")
    key.chmod(0o600)
    up = FakeUpstream()
    up.port = 2525
    listeners = [
        {"kind": "submission", "listen": "127.0.0.1:0", "tls": "implicit"},
        {
            "kind": "submission",
            "listen": "127.0.0.1:0",
            "tls": "starttls",
            "auth": "optional",
            "auth_without_tls": "never",
        },
        {"kind": "answers", "listen": "127.0.0.1:0", "protocol": "lmtp", "trust": ["192.0.2.0/24"]},
    ]
    limits = {
        "recipients": 11, "connections": 12, "connections_per_address": 13, "messages_per_session": 14,
        "errors_per_session": 15, "received_fields": 16,
    }  # fmt: skip
    settings = charge(
        write_config(
            tmp_path, up, up, listeners=listeners, tls={"certificate": str(certificate), "key_file": str(key)},
            timeouts={"idle": "7m", "data_idle": "4m"}, limits={"message_size": "1MiB", **limits},
        )
    ).settings  # fmt: skip

    opened = doors(settings, Certificates())
    implicit, starttls, answers = opened

    assert (Kind.SUBMISSION, Tls.IMPLICIT, True) == (implicit.kind, implicit.tls, implicit.auth_required)
    assert isinstance(implicit.tls_context, ssl.SSLContext)
    assert (Tls.STARTTLS, False, AuthWithoutTls.NEVER) == (
        starttls.tls,
        starttls.auth_required,
        starttls.auth_without_tls,
    )
    assert (Kind.ANSWERS, Protocol.LMTP, None) == (answers.kind, answers.protocol, answers.target)
    assert ["192.0.2.0/24"] == [str(each) for each in answers.trust]
    assert {(420.0, 240.0, 1024 * 1024)} == {(each.idle, each.data_idle, each.message_size) for each in opened}
    for each in opened:
        assert limits == {name: getattr(each, name) for name in limits}
    assert {tmp_path / "state" / "spool"} == {each.spool for each in opened}
    assert {"check.example.test"} == {each.hostname for each in opened}


def test_the_way_to_the_mail_server_is_what_the_settings_say(tmp_path: Path) -> None:
    up = FakeUpstream()
    up.port = 2525
    settings = charge(
        write_config(tmp_path, up, up, timeouts={"upstream_reply": "9s", "upstream_connect": "3s"})
    ).settings
    assert settings.upstream is not None

    plain = target(settings.upstream, settings.timeouts, Certificates())
    starttls = target(settings.upstream.model_copy(update={"tls": "starttls"}), settings.timeouts, Certificates())

    assert ("127.0.0.1", 2525, None) == (plain.host, plain.port, plain.context)
    assert (3.0, 9.0, 600.0) == (plain.timeouts.connect, plain.timeouts.reply, plain.timeouts.final)
    context = in_force(starttls.context)
    assert ssl.CERT_REQUIRED is context.verify_mode
    assert context.check_hostname


def test_a_charge_can_hold_only_with_address_contact_and_outbox(tmp_path: Path) -> None:
    up = FakeUpstream()
    up.port = 2525
    whole = charge(write_config(tmp_path, up, up))

    assert whole.can_hold
    for name in ("address", "contact", "outbox"):
        assert not replace(whole, settings=whole.settings.model_copy(update={name: None})).can_hold
