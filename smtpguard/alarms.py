"""How often an account is asked because somebody is not on the roster (THREAT-MODEL T-14).

Each such notice answers the question "is X a member". Whoever writes to a few outsiders a day never notices the bound;
whoever tries address after address is refused. Nothing is written down: it is known for an hour, in memory alone, and
whose alarms they were only as a keyed hash.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import blake2b
from secrets import token_bytes

from smtpguard.frequency import Rows
from smtpguard.mail.message import Account
from smtpguard.verdict import Finding

HOUR_SECONDS = 3600.0
# Accounts with such an alarm within the hour; of more, those whose last one is longest ago are forgotten. At ten alarms
# each, this is 5 MB.
ACCOUNTS_MAX = 10_000
_KEY_OCTETS = 16
# Rows that are found because of who is a member; 11-11 has outsiders among its facts, if it is about them.
_TELLING = frozenset(("11-09", "11-24"))


def tells_who_is_a_member(findings: Iterable[Finding]) -> bool:
    """True if a notice about `findings` says that somebody is not on the roster, or that the author of a quote is."""
    return any(each.id in _TELLING or each.facts.get("outsiders") for each in findings)


class Alarms:
    """One for a process. `clock` gives seconds, and never goes back. `shared` counts for all workers of a guard."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, shared: Rows | None = None) -> None:
        self._clock = clock
        self._shared = shared
        self._key = token_bytes(_KEY_OCTETS)
        self._moments: OrderedDict[bytes, list[float]] = OrderedDict()

    def take(self, account: Account, most: int) -> bool:
        """Count one more alarm of `account`; False, and nothing is counted, if it has had `most` within the hour."""
        if self._shared is not None:
            return self._take_of_all(self._shared, _said(account), most)
        name = self._name(account)
        recent = self._recent(name)
        if len(recent) >= most:
            return False
        self._moments[name] = [*recent, self._clock()]
        self._moments.move_to_end(name)
        while len(self._moments) > ACCOUNTS_MAX:
            self._moments.popitem(last=False)
        return True

    def give_back(self, account: Account) -> None:
        """The last alarm of `account` came to nothing: nobody was asked."""
        if self._shared is not None:
            self._shared.take_back(_said(account))
            return
        name = self._name(account)
        recent = self._recent(name)[:-1]
        if recent:
            self._moments[name] = recent
        else:
            self._moments.pop(name, None)

    def _take_of_all(self, shared: Rows, name: bytes, most: int) -> bool:
        # Counted first: of two that look at the same moment, none overlooks the other.
        shared.add(name)
        if shared.count(name) <= most:
            return True
        shared.take_back(name)
        return False

    def _recent(self, name: bytes) -> list[float]:
        begin = self._clock() - HOUR_SECONDS
        return [each for each in self._moments.get(name, ()) if each > begin]

    def _name(self, account: Account) -> bytes:
        return blake2b(_said(account), digest_size=_KEY_OCTETS, key=self._key).digest()


def _said(account: Account) -> bytes:
    """Whose alarms they are: those of one mailbox are one member's, whatever login they came by."""
    said = account.login if account.mailbox is None else account.mailbox.normal
    return said.encode("utf-8", "surrogateescape")
