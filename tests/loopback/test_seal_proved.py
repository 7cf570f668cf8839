"""The seal is proved: what lies around of held mail, and what can be done with it (THREAT-MODEL, sections 3 and 4)."""

from __future__ import annotations

import asyncio
import base64
import itertools
import shutil
import signal
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smtpguard.answers.token import Token, find_tokens
from smtpguard.fingerprints import Fingerprinter, to_octets, words_of
from smtpguard.keys import KeyFolder
from smtpguard.safe import Safe
from smtpguard.seal import FORMAT_VERSION, NONCE_OCTETS, SealError, _associated, hold_id, open_box, open_card
from smtpguard.store.sqlite import SQLiteStore
from tests.loopback.canaries import MARK, Planted, forms_of, forms_of_code, found, left_by, planted
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import PASSWORDS, XCLIENT, House, Member, body, guarded, parsed, write_config
from tests.loopback.serving import serving

pytestmark = pytest.mark.slow

HOLDS = 200
GENEROUS = {"holds_per_account": 1000, "notices_per_account_and_day": 1000, "messages_per_session": 1000}


def tokens_in(out: FakeUpstream) -> list[Token]:
    """The codes of all notices that the outbox took."""
    notices = [parsed(each) for each in out.messages if each.mail.startswith(b"FROM:<>")]
    return [find_tokens(str(each["Reply-To"]))[0] for each in notices if each["Reply-To"] is not None]


async def hold(member: Member, mails: list[Planted]) -> None:
    for each in mails:
        reply = await member.send("anna@example.test", each.recipients, each.octets)
        assert "NOT SENT YET" in reply.text, reply


def traces(places: dict[str, bytes], codes: list[Token]) -> list[tuple[str, bytes]]:
    """Planted words and codes that were found."""
    return found(places, itertools.chain(forms_of(MARK.encode()), *map(forms_of_code, codes)))


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGKILL], ids=["terminated", "killed"])
async def test_nothing_of_held_mail_lies_anywhere_in_the_open(tmp_path: Path, ended_by: signal.Signals) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    mails = [planted(number) for number in range(HOLDS)]
    async with (
        FakeUpstream(users=PASSWORDS, require_login=True) as up,
        FakeUpstream(xclient=XCLIENT) as out,
    ):
        config = write_config(
            tmp_path, up, out, limits=GENEROUS, remember="all", members_informed="2026-10-01", log={"level": "debug"}
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TMPDIR", str(temporary))
            async with serving(config) as guard:
                members = [Member(guard.ports[0]) for _ in range(4)]
                for member in members:
                    await member.login("anna")
                await asyncio.gather(*(hold(member, mails[n::4]) for n, member in enumerate(members)))
                for member in members:
                    await member.quit()
                codes = tokens_in(out)
                assert HOLDS == len(set(codes))
                running = left_by(guard.process.pid, tmp_path / "state", temporary) | {"log": bytes(guard.log)}
                guard.process.send_signal(ended_by)
                await guard.ended()
                ended = left_by(None, tmp_path / "state", temporary) | {"log": bytes(guard.log)}

        assert [] == traces(running, codes)
        assert [] == traces(ended, codes)
        assert any(name.endswith("-wal") and octets for name, octets in running.items())
        assert running["log"].count(b"event=held") == HOLDS
        assert [] == shingles_found(tmp_path / "state", mails, running | ended)
        assert [0, 0, 0] == remembered_rows(tmp_path / "state")


def shingles_found(state: Path, mails: list[Planted], places: dict[str, bytes]) -> list[str]:
    """Places that hold the fingerprints of three windows in a row of any held text, under any key of the folder."""
    keys = [path.read_bytes() for path in (state / "keys").glob("*.key")]
    assert keys
    wanted = {
        to_octets(windows[start : start + 3])
        for key in keys
        for windows in (Fingerprinter(key).windows(words_of(" ".join(each.words))) for each in mails)
        for start in range(0, len(windows) - 2, 9)
    }
    return [name for name, _ in found(places, iter(wanted))]


def remembered_rows(state: Path) -> list[int]:
    memory = sqlite3.connect(f"file:{state}/memory.sqlite3?mode=ro", uri=True)
    try:
        return [
            memory.execute(f"SELECT count(*) FROM {each}").fetchone()[0] for each in ("posts", "mails", "public_texts")
        ]
    finally:
        memory.close()


@pytest.mark.parametrize(
    "hide",
    [
        lambda text: text.encode(),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
        lambda text: text.upper().encode(),
        lambda text: text.encode().hex().encode(),
        lambda text: base64.b64encode(text.encode()),
        lambda text: base64.b64encode(b"x" + text.encode()),
        lambda text: base64.b64encode(b"xy" + text.encode()),
    ],
)
def test_the_search_finds_what_is_planted(hide: object) -> None:
    word, token = planted(1).words[0], Token(bytes(range(32)))

    assert traces({"file": b"before " + hide(word) + b" after"}, [])  # type: ignore[operator]
    assert traces({"file": b"before " + hide(token.code) + b" after"}, [token])  # type: ignore[operator]
    assert traces({"file": b"before " + token.octets}, [token])
    assert not traces({"file": b"before and after"}, [token])


def everything_secret(house: House) -> list[bytes]:
    """Every 32 octets that could be a token or a key: the files of the key folder, all values of the database, and
    each stretch of the settings and of the lock that is long enough."""
    state = house.folder / "state"
    values = [path.read_bytes() for path in (state / "keys").iterdir()]
    for row in house.rows():
        values += [each for each in tuple(row) if isinstance(each, bytes) and len(each) <= 64]
        values += [bytes(row["box"][:256]), bytes(row["card"][:256])]
    values += [path.read_bytes()[:4096] for path in house.folder.rglob("*.yaml")]
    return list(
        dict.fromkeys(each[at : at + 32] for each in values for at in range(max(len(each) - 31, 1)) if len(each) >= 32)
    )


def opens(box: bytes, row_id: bytes, secret: bytes, day_keys: list[bytes], expires: datetime) -> bool:
    """True if `secret` opens `box`, as a token with any day key, or as the key itself."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    for day_key in day_keys:
        try:
            open_box(box, token=secret, day_key=day_key, expires=expires)
        except SealError:
            continue
        return True
    version, nonce, text = box[:1], box[1 : 1 + NONCE_OCTETS], box[1 + NONCE_OCTETS :]
    assert version == bytes((FORMAT_VERSION,))
    try:
        AESGCM(secret).decrypt(nonce, text, _associated(row_id, version, expires))
    except InvalidTag:
        return False
    return True


async def test_T_01_no_secret_that_lies_about_opens_a_held_mail_but_its_code_does(tmp_path: Path) -> None:
    async with guarded(tmp_path) as house:
        for number in range(3):
            each = planted(number)
            await house.submit("anna", each.recipients, octets=each.octets)
        token = find_tokens(str((await house.letter())["Reply-To"]))[0]
        secrets = everything_secret(house)
        keys = KeyFolder(house.folder / "state" / "keys")
        day_keys = [key for key in map(keys.day_key, keys.days()) if key is not None]
        rows = house.rows()

        assert len(secrets) > 500
        assert day_keys
        for row in rows:
            expires = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row["expires"])
            assert not any(opens(row["box"], row["id"], secret, day_keys, expires) for secret in secrets)
            if row["id"] == hold_id(token.octets):
                assert opens(row["box"], row["id"], token.octets, day_keys, expires)
                # The card alone opens with what lies there, and has no word of the mail.
                cards = [open_card(row["card"], hold_id=row["id"], day_key=key, expires=expires) for key in day_keys]
                assert [] == traces({"card": cards[0]}, [token])


@pytest.mark.parametrize("word", ["SEND", "DISCARD"])
async def test_T_03_after_the_decision_neither_code_nor_older_copy_opens_it_once_the_day_key_is_gone(
    tmp_path: Path, word: str
) -> None:
    copy = tmp_path / "copy.sqlite3"
    each = planted(7)
    async with guarded(tmp_path) as house:
        await house.submit("anna", each.recipients, octets=each.octets)
        notice = await house.letter()
        token = find_tokens(body(notice))[0]
        backup(house, copy)
        row, safe = await the_row_in(copy, token, house)
        assert await safe.open(row, token) is not None  # as long as it waits, the notice's holder can read it

        await house.answer("anna", notice, word)
        await until_erased(house)

        state = house.folder / "state"
        assert await safe.open(row, token) is None
        assert not list((state / "keys").glob("day-*.key"))
        assert [] == traces(left_by(None, state), [token])
        box = bytes(row.box)
        assert [] == found(left_by(None, state), iter((box[:40], box[40:80])))


def backup(house: House, copy: Path) -> None:
    source = sqlite3.connect(f"file:{house.folder}/state/holds.sqlite3?mode=ro", uri=True)
    target = sqlite3.connect(copy)
    source.backup(target)
    source.close()
    target.close()
    copy.chmod(0o600)


async def the_row_in(copy: Path, token: Token, house: House):  # type: ignore[no-untyped-def]
    """The held row of an older copy, and a safe with the guard's own key folder."""
    folder = copy.with_suffix("")
    folder.mkdir(mode=0o700)
    shutil.copy2(copy, folder / "holds.sqlite3")
    store = await SQLiteStore.open(folder / "holds.sqlite3", lambda: datetime.now(UTC))
    row = await store.find(hold_id(token.octets))
    await store.close()
    assert row is not None
    return row, Safe(KeyFolder(house.folder / "state" / "keys"), bytes)


async def until_erased(house: House) -> None:
    """Let the guard live on as if two days had gone by, so that it erases the keys of days that nothing waits for."""
    keeper, sweeps = house.application._keeper, house.application._sweeps
    assert keeper is not None
    assert sweeps is not None
    # From now on it sweeps when we say so. The store's clock, the guard's own and the one that nobody can set agree,
    # and the guard is never away for a day.
    sweeps.cancel()
    for hours in range(0, 60, 12):
        passed = timedelta(hours=hours)
        keeper._store._clock = lambda passed=passed: datetime.now(UTC) + passed
        keeper.housekeeping._clock = keeper._store._clock
        keeper.housekeeping._monotonic = lambda passed=passed: time.monotonic() + passed.total_seconds()
        await keeper.housekeeping.sweep()
    assert not list((house.folder / "state" / "keys").glob("day-*.key"))
