"""Which lists each account in the memory has posted to, at hand as marks.

Most members write to one list alone: there is no post to another that a new one could repeat (12-12), so nothing need
be asked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

# Pairs of account and lists, in all weeks: some 6 MB. Where more have posted, every question is asked.
PAIRS_MAX = 30_000


class ListsOfAccounts:
    """Never knows less than the table `posts`; more, until it is read again. The worker writes, everybody asks."""

    def __init__(self) -> None:
        self._pairs = 0
        self._lists: dict[bytes, frozenset[bytes]] | None = {}

    def read(self, connection: sqlite3.Connection) -> None:
        """Take over what the table holds. Raises sqlite3.Error."""
        found = connection.execute(f"SELECT DISTINCT account, lists FROM posts LIMIT {PAIRS_MAX + 1}")  # noqa: S608
        pairs = [(each["account"], each["lists"]) for each in found]
        # Made beside the old one: who asks meanwhile sees one or the other.
        made = ListsOfAccounts()
        made.add(pairs)
        self._pairs, self._lists = made._pairs, made._lists

    def add(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """These have been written: the marks of an account, and of the lists of a post behind each other."""
        if self._lists is None:
            return
        for account, lists in pairs:
            known = self._lists.get(account, frozenset())
            if lists not in known:
                self._lists[account] = known | {lists}
                self._pairs += 1
        if self._pairs > PAIRS_MAX:
            self._lists = None

    def knows_others(self, accounts: Iterable[bytes], lists: frozenset[bytes]) -> bool:
        """False if none of `accounts` has posted to anything but `lists`, each as `add` takes them."""
        known = self._lists
        return known is None or any(not known.get(each, frozenset()) <= lists for each in accounts)
