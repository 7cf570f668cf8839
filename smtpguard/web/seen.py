"""The proof that somebody was shown a waiting mail: acting is a second step, and needs a value of the view (T-21).

Its key comes from the token itself, so that any node can check it and none has to remember it. Whoever has the code
could work it out; a program that sends forms does not.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from smtpguard.answers.token import Token
from smtpguard.held import HeldRow, State

# THREAT-MODEL T-21. Reading a long mail twice takes less, and a page left open over lunch must be looked at again.
VALID = timedelta(minutes=15)
# The clocks of two nodes differ by less, where somebody looks after them.
AHEAD = timedelta(minutes=1)

_TIME_OCTETS = 8
_MARK_OCTETS = 32


def seen(token: Token, row: HeldRow, now: datetime) -> str:
    """The value for a view of `row` that is shown at `now`: URL-safe text."""
    moment = int(now.timestamp()).to_bytes(_TIME_OCTETS, "big")
    return base64.urlsafe_b64encode(moment + _mark(token, row, moment)).decode("ascii")


def is_seen(value: str, token: Token, row: HeldRow, now: datetime) -> bool:
    """True if `value` is that of a view of this mail as it stands now, and not older than VALID."""
    try:
        octets = base64.b64decode(value.encode("ascii"), b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return False
    if len(octets) != _TIME_OCTETS + _MARK_OCTETS:
        return False
    moment = octets[:_TIME_OCTETS]
    if not hmac.compare_digest(octets[_TIME_OCTETS:], _mark(token, row, moment)):
        return False
    # Seconds: whoever has the code could make a value of a year that is none.
    age = now.timestamp() - int.from_bytes(moment, "big")
    return -AHEAD.total_seconds() <= age <= VALID.total_seconds()


def _mark(token: Token, row: HeldRow, moment: bytes) -> bytes:
    key = HKDF(SHA256(), length=32, salt=None, info=b"smtpguard view v1").derive(token.octets)
    # A mail whose release was cut off is shown with a warning: whoever has not seen that must look again.
    state = b"sending" if row.state is State.SENDING else b"held"
    return hmac.digest(key, row.id + moment + state, "sha256")
