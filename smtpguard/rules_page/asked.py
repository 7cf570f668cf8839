"""What members are asked about here, as the settings have it: rows by the rule that their notices name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from smtpguard.lists import ListKind, WrongTopic
from smtpguard.notices.sections import RULES_OF
from smtpguard.policy import Policy

# In the order in which they stand on the page: the two that smtpguard is for come first.
ROWS = (
    "12-02", "12-04", "12-05", "12-08", "12-10", "12-12", "12-17", "12-19", "12-20", "12-22", "12-23", "12-24", "12-25",
    "12-26", "12-27", "12-28", "12-29", "11-02", "11-03", "11-05", "11-07", "11-08", "11-09", "11-10", "11-11", "11-14",
    "11-16", "11-18", "11-20", "11-24", "90-07", "90-11",
)  # fmt: skip
_FIRST_RULES = (12, 11)


@dataclass(frozen=True, slots=True)
class Asked:
    """`sections` are numbers of rules and the rows that serve them all; `many` and `window` are what 12-26 and 12-12
    say."""

    sections: tuple[tuple[tuple[int, ...], tuple[str, ...]], ...]
    many: int
    window: timedelta


def asked(policy: Policy) -> Asked:
    """What is asked about under `policy`; what nothing switches on is left out."""
    is_on = _switched(policy)
    rows = [each for each in ROWS if is_on.get(each, True)] if policy.lists else []
    return Asked(tuple(_sections(rows)), policy.visible_max, policy.window)


def _sections(rows: list[str]) -> Iterator[tuple[tuple[int, ...], tuple[str, ...]]]:
    """Each rule with its rows. Rules that ask about the same stand together."""
    by_rule: dict[int, list[str]] = {}
    for row in rows:
        for rule in RULES_OF.get(row, (int(row[:2]),)):
            by_rule.setdefault(rule, []).append(row)
    order = [each for each in _FIRST_RULES if each in by_rule]
    order += sorted(each for each in by_rule if each not in _FIRST_RULES)
    rules_of_rows: Mapping[tuple[str, ...], list[int]] = {tuple(by_rule[each]): [] for each in order}
    for each in order:
        rules_of_rows[tuple(by_rule[each])].append(each)
    for served, numbers in rules_of_rows.items():
        yield tuple(numbers), served


def _switched(policy: Policy) -> Mapping[str, bool]:
    """The rows that not every site has, and whether this one does."""
    lists = policy.lists
    remembers, threads = policy.remember.posts, policy.remember.threads
    has_closed = any(each.is_closed for each in lists)
    return {
        "11-02": threads,
        "11-03": threads and policy.adding_people_asks_of(()),
        "11-05": threads,
        "11-07": threads,
        "11-14": threads,
        "11-24": threads and policy.roster is not None,
        "11-09": remembers and (policy.roster is not None or bool(policy.member_domains)),
        "11-10": any(policy.strict_of(each) for each in lists),
        "11-11": has_closed,
        "11-20": not all(each.encrypted for each in lists),
        "12-02": len(lists) > 1,
        "12-04": any(each.includes for each in lists),
        "12-05": any(each.includes for each in lists),
        "12-08": any(each.kind is ListKind.ANNOUNCE for each in lists),
        "12-12": remembers,
        "12-17": has_closed,
        "12-19": remembers,
        "12-20": remembers and has_closed,
        "12-22": remembers,
        "12-23": any(each.wrong_if or each.tag for each in lists),
        "12-25": remembers and any(policy.first_post_asks_of(each) for each in lists),
        "12-27": remembers and any(policy.burst_of(each).asks for each in lists),
        "12-28": bool(policy.desks),
        "12-29": any(policy.wrong_topic_of(each) is WrongTopic.HOLD and each.topics for each in lists),
    }
