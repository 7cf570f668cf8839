"""What the settings say about private mail and members: whether it can be so, what members are told, what is off."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from smtpguard.config.line_files import Folded, LineFile, LineKind
from smtpguard.config.problems import Problem, Severity, printable, quoted_value
from smtpguard.config.reader import Document, Sequence, Table, Value
from smtpguard.config.settings import Settings

# What is on the roster and something else as well is told so often; the others are found the same way.
ROSTER_WARNINGS_MAX = 20
# Enough for a sentence; the rules page has them all.
DESKS_TOLD_MAX = 3


@dataclass(frozen=True, slots=True)
class PrivateMail:
    """The site file, and the files with one entry a line that it names: None where there is none that can be used.

    `today` is the day at the site.
    """

    site: Settings
    document: Document
    lines: Mapping[tuple[LineKind, Path], LineFile | None]
    today: date

    def problems(self, groups: Collection[Folded]) -> Iterator[Problem]:
        """Everything that contradicts itself or others; `groups` are the site's, as they are compared."""
        yield from self._informed()
        yield from self._files()
        yield from self._members(groups)

    def _informed(self) -> Iterator[Problem]:
        """Whoever remembers private mail tells its writers before."""
        source, mark, said = self.document.source, self.document.mark, self.site.members_informed
        root = self.document.root
        taps = self._taps()
        if said is not None and said > self.today:
            text = 'this day is still to come. Until members know, "remember" says lists; then write the day on which'
            yield source.problem(mark(("members_informed",)), f"{text} they were told.")
        elif taps and _written(root, "remember") in (None, "none", "lists"):
            text = f'a tap teaches private mail, and with "remember: {self.site.remember}" none is remembered.'
            if said is None:
                text += f' Members have to know before. Send them this: "{letter(self.site, taps=True)}" Then write'
                text += (
                    ' "members_informed: " and the day on which you did so, like 2026-12-31, and "remember: threads"'
                )
                text += ' (for "remember: all" write that first: there is more to say then).'
            else:
                text += ' Write "remember: threads" or "remember: all".'
            text += " Or delete this listener."
            yield replace(source.problem(mark(("listeners", taps[0], "kind")), ""), text=printable(text))
        elif said is None and self.site.remember in ("threads", "all") and root and "members_informed" not in root:
            words = letter(self.site, taps=bool(taps))
            text = f'members have to know before private mail is remembered. Send them this: "{words}"'
            text += ' Then write "members_informed: " and the day on which you did so, like 2026-12-31.'
            # As a whole, however long: somebody is going to copy it.
            yield replace(source.problem(mark(("remember",)), ""), text=printable(text))

    def _taps(self) -> list[int]:
        """Which listeners of the file are taps. Not those of the running guard: what the file says next is judged."""
        listeners = _written(self.document.root, "listeners")
        entries = enumerate(listeners) if isinstance(listeners, Sequence) else ()
        return [number for number, each in entries if _written(each, "kind") == "tap"]

    def _files(self) -> Iterator[Problem]:
        """A file that is named and not there yet, though `check` finds nothing wrong with others: it is told there."""
        for (kind, path), file in self.lines.items():
            if file is None:
                steps = ("roster",) if kind is LineKind.ROSTER else ("stock", self.site.stock.index(path))
                mark = self.document.mark(steps)
                text = (
                    f"{quoted_value(path.name)} cannot be used (see there). Until that is mended, the former settings"
                )
                yield self.document.source.problem(mark, f"{text} stay.")

    def _members(self, groups: Collection[Folded]) -> Iterator[Problem]:
        site = self.site
        roster = next((each for (kind, _), each in self.lines.items() if kind is LineKind.ROSTER), None)
        if site.roster is not None and site.member_domains:
            text = 'with a roster, its addresses are the members, and "member_domains" counts for nothing. Delete it.'
            yield self.document.source.problem(self.document.mark(("member_domains",)), text, Severity.WARNING)
        if roster is None:
            return
        others: dict[Folded, str] = dict.fromkeys(groups, "a group of the site")
        others |= {each.folded: "a desk of the site" for each in site.desks}
        if site.address is not None:
            others[site.address.folded] = "the mail check itself"
        for each in sorted(roster.addresses.intersection(others))[:ROSTER_WARNINGS_MAX]:
            yield roster.problem(each, f"this is {others[each]}, and no member. Delete it here.", Severity.WARNING)


def _written(table: Value | None, name: str) -> Value | None:
    """What stands at `name` in the file."""
    key = table.key(name) if isinstance(table, Table) else None
    return table[key] if isinstance(table, Table) and key is not None else None


def letter(site: Settings, *, taps: bool = False) -> str:
    """What members are told before private mail is remembered; `site` says what is, and for how long. `taps`: copies of
    mail that comes in from elsewhere are remembered, too.
    """
    if site.remember == "all":
        kept = "who wrote to whom and with which words, and which answer belongs to which mail. No text is kept, but"
        kept += " whoever took the mail server with its keys could rebuild much of it"
    else:
        kept = "who wrote to whom, and which answer belongs to which mail. Nothing of the words is kept"
    text = "From now on our mail check keeps marks of the private mail that passes it,"
    text += " and of what comes in for you from elsewhere," if taps else ""
    text += f" for {_in_days(site.memory.private)} and up to a week more: {kept}."
    text += " When something of a private mail is about to"
    text += " go to a list or to others, the mail check asks the one who sends it. Nobody else is told, and nobody is"
    text += " reported."
    if site.desks:
        text += f" Nothing is kept of mail with {' and '.join(each.normal for each in site.desks[:DESKS_TOLD_MAX])}."
    return text + (f" Questions: {site.contact.normal}." if site.contact is not None else "")


def _in_days(span: timedelta) -> str:
    return f"{span.days} days" if span >= timedelta(days=2) else "a day" if span >= timedelta(days=1) else "some hours"


_OFF = {
    "none": "nothing is remembered, so these are no reason to ask: the same text to another list, a thread that leaves"
    " its list, private text without the header of a forward.",
    "lists": "nothing of private mail is remembered, so these are no reason to ask: private text that is quoted or"
    " pasted without the header of a forward, and an answer that takes a private talk to a list.",
    "threads": "no words of private mail are remembered, so private text that is pasted without the header of a forward"
    " is no reason to ask.",
}


def switched_off(site: Settings) -> Iterator[str]:
    """What `check` says is off, a sentence each."""
    if site.remember in _OFF:
        yield f"remember: {site.remember}: {_OFF[site.remember]}"
    if site.roster is None:
        yield "no roster: nobody is known to be an outsider, so mail that leaves the organisation is no reason to ask."
