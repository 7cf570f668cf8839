"""The stock phrases in force: those that are shipped and those of the site, as shingles that prove nothing."""

from __future__ import annotations

from functools import cache

from smtpguard import stock
from smtpguard.policy import Policy
from smtpguard.prose import ProseReader


class StockPhrases:
    """Made anew only when the site's own have changed."""

    def __init__(self, reader: ProseReader) -> None:
        self._reader = reader
        self._own: tuple[str, ...] | None = None
        self._shingles: frozenset[bytes] = frozenset()

    def of(self, policy: Policy) -> frozenset[bytes]:
        """The shingles of all phrases that `policy` knows."""
        if self._own != policy.stock:
            self._shingles = _shipped() | self._reader.phrases(policy.stock)
            self._own = policy.stock
        return self._shingles


@cache
def _shipped() -> frozenset[bytes]:
    """Read once: it takes some 30 ms."""
    return ProseReader().phrases(stock.phrases())
