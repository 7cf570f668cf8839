"""Findings and what follows from them, in the order of SEMANTICS c1a."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

# Rows 90-xx belong to both rules.
RULE_BOTH = 90

Fact = str | tuple[str, ...]


class Action(Enum):
    """What happens to a submission; the names used everywhere."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    HOLD = "hold"
    REFUSE = "refuse"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason for an alarm.

    `id` is the row of SEMANTICS ("12-02"), `check` the module that found it, `facts` fill the sentence of the notice
    (facts that the sender can check, P3), `lists` the ids of the lists it names, `suggested` the list to keep.
    """

    id: str
    check: str
    facts: Mapping[str, Fact] = field(default_factory=dict, repr=False)
    lists: tuple[str, ...] = field(default=(), repr=False)
    suggested: str | None = field(default=None, repr=False)

    @property
    def rule(self) -> int:
        """The organisation's rule: 11, 12, or 90 for both (also where a check failed and no row applies)."""
        number = self.id.partition("-")[0]
        return int(number) if number.isdigit() else RULE_BOTH


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one submission.

    `decided_by` is the row that settled it ("12-02", "11-25", "90-05", ...); `hints` are rows worth telling in
    `explain` although they alarm nobody. `observed` are findings that lead to nothing and are only counted
    (`on_alarm: observe`).
    """

    action: Action
    findings: tuple[Finding, ...] = ()
    decided_by: str = "11-01"
    hints: tuple[str, ...] = ()
    observed: tuple[Finding, ...] = ()


def in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Findings as a notice lists them: rule 11 before rule 12 (90-12), else in the order found."""
    return tuple(sorted(findings, key=lambda each: each.rule))
