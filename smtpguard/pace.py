"""How large contents and small commands share the one thread of the guard.

A piece of 256 KB costs half a millisecond in which nobody else is served, and the next one is there at once. While
others send commands, all large contents together get a budget of octets a second; alone they get everything.
"""

from __future__ import annotations

# Some 0.35 of the thread on a machine where 10 MB cost 12 ms; more than a gigabit line brings.
OCTETS_PER_SECOND = 150e6
# Somebody who was served so lately is probably in the middle of a dialogue.
BESIDE_SECONDS = 0.02
# What is less is no large content, or the end of one.
PIECE_OCTETS = 32 * 1024
# Timers are not finer than this; a shorter rest is owed and taken later.
REST_SECONDS_MIN = 0.001


class Pace:
    """One for a process; times are those of the event loop, in seconds."""

    def __init__(self) -> None:
        self._speaker: Share | None = None
        self._spoke = float("-inf")
        self._other_spoke = float("-inf")
        self._free = 0.0

    def share(self) -> Share:
        """What one session has of it."""
        return Share(self)

    def command(self, share: Share, now: float) -> None:
        """The command of a session has been obeyed."""
        if share is not self._speaker:
            self._speaker, self._other_spoke = share, self._spoke
        self._spoke = now

    def rest(self, share: Share, octets: int, now: float) -> float:
        """See `Share.rest`."""
        spoke = self._other_spoke if share is self._speaker else self._spoke
        if octets < PIECE_OCTETS or now - spoke > BESIDE_SECONDS:
            return 0.0
        self._free = max(self._free, now) + octets / OCTETS_PER_SECOND
        rest = self._free - now
        return rest if rest >= REST_SECONDS_MIN else 0.0


class Share:
    """One session's: its own commands are no reason for its own content to rest."""

    __slots__ = ("_pace",)

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def command(self, now: float) -> None:
        """A command of this session has been obeyed."""
        self._pace.command(self, now)

    def rest(self, octets: int, now: float) -> float:
        """How long this session, having just moved `octets` of content, should leave the thread to others; 0 for not at
        all."""
        return self._pace.rest(self, octets, now)
