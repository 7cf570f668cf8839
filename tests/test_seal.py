"""The seal opens for the token and the day key together, in its own row, and for nothing else."""

from __future__ import annotations

import hashlib
import hmac
import statistics
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.seal import SealError, content_digest, hold_id, open_box, open_card, seal, seal_card

TOKEN = bytes(range(32))
DAY_KEY = bytes(range(100, 132))
NONCE = bytes(range(200, 212))
EXPIRES = datetime(2026, 11, 25, 18, 0, 0, 123456, tzinfo=UTC)
MAIL = b"Subject: between us\r\n\r\nthe treasurer is leaving\r\n"


def hkdf(secret: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 for one block of output, written from the RFC."""
    extracted = hmac.new(salt, secret, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


def sealed() -> bytes:
    return seal(MAIL, token=TOKEN, day_key=DAY_KEY, nonce=NONCE, expires=EXPIRES)


def test_T_01_the_id_is_hkdf_of_the_token() -> None:
    assert hold_id(TOKEN) == hkdf(TOKEN, bytes(32), b"smtpguard hold id v1")


def test_T_01_the_box_is_aes_gcm_under_hkdf_of_token_and_day_key_with_id_version_and_expiry_bound_in() -> None:
    key = hkdf(TOKEN, DAY_KEY, b"smtpguard seal v1")
    microseconds = int(EXPIRES.timestamp()) * 1_000_000 + EXPIRES.microsecond
    bound = hold_id(TOKEN) + b"\x01" + microseconds.to_bytes(8, "big")

    assert sealed() == b"\x01" + NONCE + AESGCM(key).encrypt(NONCE, MAIL, bound)


def test_T_01_the_right_token_and_day_key_open_it() -> None:
    assert open_box(sealed(), token=TOKEN, day_key=DAY_KEY, expires=EXPIRES) == MAIL


def test_T_01_nothing_of_the_mail_or_the_keys_shows_in_the_box() -> None:
    assert not any(part in sealed() for part in (b"treasurer", TOKEN, DAY_KEY, hold_id(TOKEN)))


def test_T_01_another_token_does_not_open_it() -> None:
    with pytest.raises(SealError):
        open_box(sealed(), token=bytes(32), day_key=DAY_KEY, expires=EXPIRES)


def test_T_01_without_the_day_key_the_token_does_not_open_it() -> None:
    with pytest.raises(SealError):
        open_box(sealed(), token=TOKEN, day_key=bytes(32), expires=EXPIRES)


@pytest.mark.parametrize("half", [TOKEN[:16] + bytes(16), bytes(16) + TOKEN[16:], TOKEN[:31] + b"\xff"])
def test_T_01_a_half_right_token_does_not_open_it(half: bytes) -> None:
    with pytest.raises(SealError):
        open_box(sealed(), token=half, day_key=DAY_KEY, expires=EXPIRES)


@pytest.mark.parametrize("half", [DAY_KEY[:16] + bytes(16), bytes(16) + DAY_KEY[16:], DAY_KEY[:31] + b"\xff"])
def test_T_01_a_half_right_day_key_does_not_open_it(half: bytes) -> None:
    with pytest.raises(SealError):
        open_box(sealed(), token=TOKEN, day_key=half, expires=EXPIRES)


def test_T_01_with_another_expiry_it_does_not_open() -> None:
    with pytest.raises(SealError):
        open_box(sealed(), token=TOKEN, day_key=DAY_KEY, expires=EXPIRES + timedelta(microseconds=1))


def test_T_01_under_another_id_it_does_not_open() -> None:
    """Even with the right key: the id is bound in, so that a box cannot be moved to another row."""
    key = hkdf(TOKEN, DAY_KEY, b"smtpguard seal v1")
    foreign = hold_id(bytes(32)) + b"\x01" + (int(EXPIRES.timestamp()) * 1_000_000 + 123456).to_bytes(8, "big")
    moved = b"\x01" + NONCE + AESGCM(key).encrypt(NONCE, MAIL, foreign)

    with pytest.raises(SealError):
        open_box(moved, token=TOKEN, day_key=DAY_KEY, expires=EXPIRES)


@given(st.integers(0, len(sealed()) * 8 - 1))
def test_T_01_one_changed_bit_and_it_does_not_open(bit: int) -> None:
    box = bytearray(sealed())
    box[bit // 8] ^= 1 << bit % 8

    with pytest.raises(SealError):
        open_box(bytes(box), token=TOKEN, day_key=DAY_KEY, expires=EXPIRES)


@given(st.binary(max_size=60) | st.integers(0, len(sealed()) - 1).map(lambda end: sealed()[:end]))
def test_T_01_garbage_and_cut_off_boxes_are_only_a_seal_error(box: bytes) -> None:
    with pytest.raises(SealError):
        open_box(box, token=TOKEN, day_key=DAY_KEY, expires=EXPIRES)


def test_T_01_the_error_carries_nothing() -> None:
    with pytest.raises(SealError) as caught:
        open_box(sealed(), token=bytes(32), day_key=DAY_KEY, expires=EXPIRES)

    assert caught.value.args == ("the seal did not open",)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_T_01_wrong_and_half_right_tokens_take_the_same_time() -> None:
    box = sealed()
    times: dict[bytes, list[int]] = {bytes(32): [], TOKEN[:31] + b"\xff": []}
    for _ in range(3000):
        for token, taken in times.items():
            began = time.perf_counter_ns()
            with pytest.raises(SealError):
                open_box(box, token=token, day_key=DAY_KEY, expires=EXPIRES)
            taken.append(time.perf_counter_ns() - began)

    wrong, half = (statistics.median(taken) for taken in times.values())
    # A comparison octet by octet would not show here either; a key schedule or early exit would.
    assert abs(wrong - half) < 0.2 * wrong


def test_the_card_opens_with_the_day_key_alone_in_its_own_row_until_its_own_expiry() -> None:
    card = seal_card(b"anna", hold_id=hold_id(TOKEN), day_key=DAY_KEY, nonce=NONCE, expires=EXPIRES)

    assert open_card(card, hold_id=hold_id(TOKEN), day_key=DAY_KEY, expires=EXPIRES) == b"anna"
    for name, key, expires in (
        (hold_id(bytes(32)), DAY_KEY, EXPIRES),
        (hold_id(TOKEN), bytes(32), EXPIRES),
        (hold_id(TOKEN), DAY_KEY, EXPIRES + timedelta(hours=1)),
    ):
        with pytest.raises(SealError):
            open_card(card, hold_id=name, day_key=key, expires=expires)


def test_a_box_does_not_open_as_a_card_nor_a_card_as_a_box() -> None:
    card = seal_card(b"anna", hold_id=hold_id(TOKEN), day_key=DAY_KEY, nonce=NONCE, expires=EXPIRES)

    with pytest.raises(SealError):
        open_card(sealed(), hold_id=hold_id(TOKEN), day_key=DAY_KEY, expires=EXPIRES)
    with pytest.raises(SealError):
        open_box(card, token=TOKEN, day_key=DAY_KEY, expires=EXPIRES)


@pytest.mark.parametrize(
    ("token", "day_key", "nonce"), [(b"short", DAY_KEY, NONCE), (TOKEN, b"", NONCE), (TOKEN, DAY_KEY, b"short")]
)
def test_keys_of_the_wrong_length_are_never_used(token: bytes, day_key: bytes, nonce: bytes) -> None:
    with pytest.raises(ValueError, match="octets"):
        seal(MAIL, token=token, day_key=day_key, nonce=nonce, expires=EXPIRES)


@given(st.lists(st.binary(max_size=50)))
def test_the_digest_does_not_depend_on_how_the_content_is_cut(pieces: list[bytes]) -> None:
    assert content_digest(pieces) == hashlib.sha256(b"".join(pieces)).digest()
