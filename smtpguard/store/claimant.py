"""Whose claims on held mail these are: those of several workers of one guard are told apart (`workers`)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

_NONCE_OCTETS = 16


@dataclass(frozen=True, slots=True)
class Claimant:
    """The worker of this number, from 0 on, and how many there are; by itself the only process that decides."""

    number: int = 0
    workers: int = 1

    def nonce(self) -> bytes:
        """For one claim. That of a worker begins with its number: the next of this number knows what has lapsed."""
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        return nonce if self.workers == 1 else bytes((self.number,)) + nonce[1:]

    def formers(self) -> tuple[str, dict[str, Any]]:
        """The condition that whoever made a claim is dead, at the start of this worker, and its values (SQLite).

        It has the number of one that has ended. Claims with numbers that no worker has are the first one's to free.
        """
        if self.workers == 1:
            return "TRUE", {}
        values = {"first": bytes((self.number,)), "next": bytes((self.number + 1,))}
        condition = "claim >= :first AND claim < :next"
        if self.number:
            return condition, values
        return f"(({condition}) OR claim >= :beyond)", values | {"beyond": bytes((self.workers,))}


ALONE = Claimant()
