"""How many commands a session may say that bring no mail on."""

from __future__ import annotations

# Postfix calls the 101st such command of a session junk (smtpd_junk_command_limit). No program says ten in a row.
COMMANDS_MAX = 100
# A program that keeps its session open with NOOP does so every minute or less often, perhaps for days; six times that
# are given back. Who is quicker has used up COMMANDS_MAX after a while, and costs next to nothing until then.
SECONDS_FOR_ONE = 10.0


class Allowance:
    """A bucket that fills again: COMMANDS_MAX at once, then one in SECONDS_FOR_ONE. Times in seconds, of one clock."""

    def __init__(self) -> None:
        self._spent = 0.0
        self._since = 0.0

    def spend(self, now: float) -> bool:
        """One command more; False if it is one too many."""
        self._spent = max(0.0, self._spent - (now - self._since) / SECONDS_FOR_ONE) + 1
        self._since = now
        return self._spent <= COMMANDS_MAX

    def renew(self) -> None:
        """A mail has begun: all is allowed anew."""
        self._spent = 0.0
