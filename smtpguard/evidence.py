"""What was known before a submission came: a value that the stores fill, so that checks about the past stay pure.

Nothing is remembered yet. Earlier posts (12-12 to 12-22) and known passages (11-02 to 11-14) become fields here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the stores know about this account and this message."""


NOTHING_KNOWN = Evidence()
