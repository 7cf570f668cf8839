"""Where the settings say what decided about a mail, file and line, and what would have let it pass; for `explain`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations, permutations

from smtpguard.checks.crosspost import lists_addressed
from smtpguard.config.lists import ListFile
from smtpguard.config.loading import Loaded
from smtpguard.config.reader import Document, Scalar, Table
from smtpguard.config.reader import Sequence as Entries
from smtpguard.lists import MailingList
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Action, Finding, Verdict

Steps = tuple[int | str, ...]

# Rows that a key of a list's file bears on; those about pairs are looked up pair by pair.
_LIST_KEYS: Mapping[str, tuple[str, ...]] = {
    "11-10": ("strict",),
    "11-11": ("audience", "may_quote_to"),
    "11-20": ("encrypted",),
    "12-04": ("includes",),
    "12-05": ("includes",),
    "12-06": ("includes",),
    "12-07": ("kind", "posters"),
    "12-08": ("kind", "posters", "discussion"),
    "12-09": ("kind", "posters", "discussion"),
    "12-17": ("audience", "may_quote_to"),
    "12-20": ("audience", "may_quote_to"),
    "12-23": ("tag", "wrong_if"),
    "12-25": ("first_post",),
    "12-27": ("burst",),
    "12-29": ("topics", "wrong_topic"),
    "90-01": ("automatic",),
}
# Which mail is private, and what of it is known.
_PRIVATE_KEYS: tuple[Steps, ...] = (("remember",), ("defaults", "private_max_recipients"))
_SITE_KEYS: Mapping[str, tuple[Steps, ...]] = {
    "11-02": (*_PRIVATE_KEYS, ("consent_marks",)),
    "11-03": (*_PRIVATE_KEYS, ("defaults", "adding_people")),
    "11-05": (*_PRIVATE_KEYS, ("consent_marks",)),
    "11-06": _PRIVATE_KEYS,
    "11-07": _PRIVATE_KEYS,
    "11-09": (("roster",), ("member_domains",), ("remember",)),
    "11-10": (("defaults", "strict"),),
    "11-13": (*_PRIVATE_KEYS, ("consent_marks",)),
    "11-14": (*_PRIVATE_KEYS, ("private_marks",)),
    "11-24": (*_PRIVATE_KEYS, ("roster",)),
    "11-25": (("desks",),),
    "12-02": (("max_lists",),),
    "12-12": (("defaults", "window"),),
    "12-25": (("defaults", "first_post"),),
    "12-26": (("defaults", "visible_max"),),
    "12-27": (("defaults", "burst"),),
    "12-28": (("desks",),),
    "12-29": (("defaults", "wrong_topic"),),
    "90-05": (("accounts",), ("account_domain",)),
    "90-06": (("trusted_networks",),),
    "90-08": tuple(
        ("limits", each)
        for each in ("hold_size", "holds_per_account", "held_bytes_per_account", "notices_per_account_and_day")
    ),
}
# Who is a member matters where no list is addressed.
_MEMBER_KEYS: Mapping[str, tuple[Steps, ...]] = {
    "11-08": (("roster",), ("member_domains",)),
    "11-11": (("roster",),),
    "11-16": (("roster",), ("member_domains",)),
    "12-26": (("roster",),),
}
_PAIR_ROWS = frozenset({"12-02", "12-03", "12-12", "12-19", "12-22"})
_CHILD_ROWS = frozenset({"12-04", "12-05", "12-06"})
_SOURCE_ROWS = frozenset({"11-11", "12-17", "12-20"})

# What would let such a mail pass. {lists} are the lists of the finding, {suggested} the one that fits.
_WAYS: Mapping[str, str] = {
    "11-02": 'without that part, or if its author had put one of "consent_marks" into his mail',
    "11-03": 'without that part, or with "adding_people: pass"',
    "11-05": 'without that part, or if its author had put one of "consent_marks" into his mail',
    "11-07": "to those who had that mail, or as a mail of its own with another Subject",
    "11-08": "without the forwarded mail",
    "11-09": "without that quote, or as an answer in its thread on the list",
    "11-10": 'without that quote, or with "strict: false" in the file of {lists}',
    "11-11": 'without that text, or if the file of the closed list named the others in "may_quote_to"',
    "11-14": "without that part",
    "11-16": "without the attached mail",
    "11-18": "without what cannot be looked into",
    "11-20": 'unencrypted, or with "encrypted: true" in the file of {lists}',
    "11-24": "without that part, or to members alone",
    "12-04": "to {suggested} alone: it reaches its sub-lists as well",
    "12-05": "to the list that holds both, or to one of them alone",
    "12-08": "if one of its posters sent it (posters in the file of {lists})",
    "12-10": "with the list in To or Cc, where everybody can see it",
    "12-12": 'if both lists named each other in "crosspost_with", or after the time of "window"',
    "12-17": 'without that mail, or if the file of the closed list named the others in "may_quote_to"',
    "12-19": "to {suggested} alone, where the conversation began",
    "12-20": 'to the closed list, or if its file named the others in "may_quote_to"',
    "12-22": "to {suggested} alone, as was chosen before in this conversation",
    "12-23": "to {suggested}, or without the words that belong there",
    "12-24": "as a command to the list manager's own address; see its help",
    "12-25": 'from an account that has posted to {lists} before, or with "first_post: pass"',
    "12-26": 'with fewer addresses in To and Cc, or a higher "visible_max"',
    "12-27": 'later, or with "burst: {{do: pass}}"',
    "12-28": "to the desk alone, or to the list alone",
    "12-29": 'to {suggested}, or with "wrong_topic: suggest" in the file of {lists}',
    "90-07": "in a shorter form, or without what it passes on",
    "90-11": "in a form that can be read, or without what it passes on",
    "90-01": 'if the one list that it goes to named its account in "automatic"',
}


@dataclass(frozen=True, slots=True)
class Ground:
    """A line of a settings file that mattered: `file` as shown by `check`, `line` from 1, and the line itself."""

    file: str
    line: int
    quoted: str = field(repr=False)

    @property
    def words(self) -> str:
        """`lists/berlin.yaml:6: crosspost_with: [brandenburg]`."""
        return f"{self.file}:{self.line}: {self.quoted.strip()}"


class Grounds:
    """Finds the lines of `loaded` (files without errors) that bear on a verdict."""

    def __init__(self, loaded: Loaded, policy: Policy) -> None:
        self._site = loaded.site
        self._files = {each.id: each for each in loaded.files}
        self._policy = policy

    def of(self, submission: Submission, verdict: Verdict) -> tuple[Ground, ...]:
        """The lines that mattered, each once: first what made lists of the recipients, then row by row."""
        lists = lists_addressed(submission, self._policy)
        alarms = (*verdict.findings, *verdict.observed)
        rows = dict.fromkeys((verdict.decided_by, *(each.id for each in alarms), *verdict.hints))
        # A closed list that mail is taken from is not addressed, and its file matters all the same (12-17, 12-20).
        named = dict.fromkeys(name for each in alarms for name in each.lists)
        sources = [self._policy.by_id[each] for each in named if self._policy.by_id[each] not in lists]
        found = [
            *(each for one in lists for each in self._addresses(one, submission)),
            *(each for row in rows for each in self._row(row, [*lists, *sources] if row in _SOURCE_ROWS else lists)),
        ]
        if alarms:
            found += self._alarm([*lists, *sources])
        return tuple(dict.fromkeys(each for each in found if each is not None))

    def _addresses(self, one: MailingList, submission: Submission) -> Iterator[Ground | None]:
        file = self._files.get(one.id)
        if file is None:
            return
        used = {each.folded for each in (*submission.recipients, *submission.message.destinations)}
        for address, steps in file.addresses:
            if address.folded in used:
                yield _ground(file.document, steps)

    def _row(self, row: str, lists: Sequence[MailingList]) -> Iterator[Ground | None]:
        involved = [*lists, *self._parents(lists)] if row in _CHILD_ROWS else lists
        for key in _LIST_KEYS.get(row, ()):
            for one in involved:
                if (file := self._files.get(one.id)) is not None:
                    yield _ground(file.document, (key,), key=True)
        if row in _PAIR_ROWS:
            for one, other in permutations(lists, 2):
                yield from self._names(one, other)
            for one, other in combinations(lists, 2):
                yield from self._site_pair(one, other)
        for steps in (*_SITE_KEYS.get(row, ()), *(() if lists else _MEMBER_KEYS.get(row, ()))):
            yield _ground(self._site, steps, key=True)

    def _alarm(self, lists: Sequence[MailingList]) -> Iterator[Ground | None]:
        """Whose `on_alarm` counts: the lists' own, else the site's; a default stands in no file."""
        own = [_ground(self._files[each.id].document, ("on_alarm",), key=True) for each in lists if each.on_alarm]
        yield from own
        if not own or len(own) < len(lists):
            yield _ground(self._site, ("defaults", "on_alarm"), key=True)

    def _parents(self, lists: Sequence[MailingList]) -> Iterator[MailingList]:
        ids = {each.id for each in lists}
        yield from (each for each in self._policy.lists if each.includes & ids and each.id not in ids)

    def _names(self, one: MailingList, other: MailingList) -> Iterator[Ground | None]:
        """Where the file of `one` names `other`: in `crosspost_with`, or in one of its exceptions."""
        file = self._files.get(one.id)
        if file is None:
            return
        yield from self._entries(file, ("crosspost_with",), other)
        exceptions = _value(file.document, ("exceptions",))
        for number in range(len(exceptions) if isinstance(exceptions, Entries) else 0):
            yield from self._entries(file, ("exceptions", number, "crosspost_with"), other)

    def _entries(self, file: ListFile, steps: Steps, other: MailingList) -> Iterator[Ground | None]:
        value = _value(file.document, steps)
        for number, word in enumerate(value if isinstance(value, Entries) else [value]):
            if isinstance(word, str) and self._means(word, other):
                yield _ground(file.document, (*steps, number) if isinstance(value, Entries) else steps)

    def _site_pair(self, one: MailingList, other: MailingList) -> Iterator[Ground | None]:
        pairs = None if self._site is None else _value(self._site, ("crosspost_pairs",))
        for number, pair in enumerate(pairs if isinstance(pairs, Entries) else ()):
            words = [each for each in pair if isinstance(each, str)] if isinstance(pair, Entries) else []
            if all(any(self._means(word, each) for word in words) for each in (one, other)):
                yield _ground(self._site, ("crosspost_pairs", number))

    def _means(self, word: str, one: MailingList) -> bool:
        lowered = word.strip().lower()
        return lowered == one.id or ("@" in lowered and lowered in {each.normal for each in one.addresses})


def ways(submission: Submission, verdict: Verdict, policy: Policy) -> tuple[str, ...]:
    """What would let this mail pass, a phrase behind "It would pass" for each finding; empty where it passes."""
    if verdict.action is Action.PASS:
        return ()
    found = [_way(each, submission, policy) for each in verdict.findings]
    if all(each.id != verdict.decided_by for each in verdict.findings):
        found.append(_WAYS.get(verdict.decided_by))
    return tuple(dict.fromkeys(each for each in found if each is not None))


def _way(finding: Finding, submission: Submission, policy: Policy) -> str | None:
    if finding.id == "12-02":
        return _way_of_pairs(lists_addressed(submission, policy), policy, submission.arrived)
    sentence = _WAYS.get(finding.id)
    if sentence is None:
        return None
    named = " and ".join(finding.lists) or "the list"
    return sentence.format(lists=named, suggested=finding.suggested or "the list that fits")


def _way_of_pairs(lists: Sequence[MailingList], policy: Policy, when: datetime) -> str:
    alone = "to one of these lists alone"
    if len(lists) > policy.max_lists:
        return f"{alone}; no more than {policy.max_lists} may ever be written to together (max_lists)"
    missing = [
        f'lists/{one.id}.yaml said "crosspost_with: [{other.id}]"'
        for one, other in permutations(lists, 2)
        if other.id not in one.crosspost_with and not policy.allowed((one, other), when)
    ]
    return f"{alone}; or if {' and '.join(missing)}" if missing else alone


def _value(document: Document, steps: Steps) -> object:
    """The value at exactly `steps`, or None."""
    value: object = document.root
    for step in steps:
        if isinstance(value, Table) and isinstance(step, str):
            value = value.get(Scalar(step, value.mark))
        elif isinstance(value, Entries) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _ground(document: Document | None, steps: Steps, *, key: bool = False) -> Ground | None:
    """The line of the value at exactly `steps`, or of its key; None where nothing stands there."""
    if document is None or _value(document, steps) is None:
        return None
    mark = document.mark(steps, key=key)
    if mark is None:
        return None
    problem = document.source.problem(mark, "")
    return Ground(problem.file, mark.line, problem.quoted)
