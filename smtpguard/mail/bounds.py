"""How much of one message is looked into (SEMANTICS 90-07)."""

from __future__ import annotations

from dataclasses import dataclass

# What a second is good for. There is no clock here, because the same mail must be judged the same on every machine and
# under any load: these are amounts of what costs most, and the worst mail known takes less than that second (a core of
# 2020). A letter of 50,000 lines does not exist; a thread that carries all its history has a few hundred speakers; a
# digest of long newsletters has a megabyte of markup.
LINES_PER_SECOND = 50_000
SPEAKERS_PER_SECOND = 1000
MARKUP_PER_SECOND = 1536 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """What of a message is beyond these is not looked into, and `Message.cut_short` says so.

    `text`: octets of text, as they stand in the message, of all parts together. `parts`: of the message and the mails
    attached to it. `depth`: how deep parts and mails lie in others. `seconds`: how much work is done that is not
    measured in octets.
    """

    text: int = 10 * 1024 * 1024
    parts: int = 500
    depth: int = 20
    seconds: int = 2

    @property
    def lines(self) -> int:
        """Lines of all texts in which somebody may begin to speak; behind them one speaker goes on to the end."""
        return LINES_PER_SECOND * self.seconds

    @property
    def speakers(self) -> int:
        """Blocks and attributions of one text."""
        return SPEAKERS_PER_SECOND * self.seconds

    @property
    def markup(self) -> int:
        """Characters of HTML, of all pages together."""
        return MARKUP_PER_SECOND * self.seconds


BOUNDS = Bounds()
