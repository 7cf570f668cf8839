"""The rules page said in one language: headings, sentences and rows, for layouts that have no word of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from smtpguard.lists import OnAlarm
from smtpguard.notices.languages import Language
from smtpguard.rules_page.facts import NOT_SHOWN, Entry, Facts

# Rules whose heading says what they are about; the organisation numbers the others as it likes.
_NAMED_RULES = (11, 12)
_ON_ALARM = {OnAlarm.HOLD: "hold", OnAlarm.REFUSE: "refuse", OnAlarm.OBSERVE: "observe"}


@dataclass(frozen=True, slots=True)
class ListRow:
    """A list. `about` are lines of their own; what `posters` and `stopped` mean stands in the table's head."""

    id: str
    address: str
    about: tuple[str, ...]
    posters: str
    stopped: str


@dataclass(frozen=True, slots=True)
class ListTable:
    """All lists that are named. `heads` are the four columns', `labels` those of the last two, for a narrow screen."""

    caption: str
    heads: tuple[str, str, str, str]
    labels: tuple[str, str]
    rows: tuple[ListRow, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading that links may name by each of `ids`; then sentences, things one below the other, lists, and again
    sentences."""

    ids: tuple[str, ...]
    title: str
    lead: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    table: ListTable | None = None
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outline:
    """The whole page. `as_text` is the link to the plain one."""

    title: str
    as_of: str
    as_text: str
    sections: tuple[Section, ...]


def outline_of(facts: Facts, language: Language) -> Outline:
    """`facts`, said in `language`."""
    return _Telling(facts, language).outline()


class _Telling:
    def __init__(self, facts: Facts, language: Language) -> None:
        self._facts = facts
        self._language = language
        self._not_shown = self._say("not_shown")

    def outline(self) -> Outline:
        """Everything in its order."""
        facts = self._facts
        as_of = self._say("as_of", organisation=facts.organisation or "", day=self._language.day(facts.day, "date"))
        sections = [self._happens(), *self._rules()]
        if facts.desks:
            sections.append(Section(("desks",), self._say("desks_title"), (self._say("desks"),), facts.desks))
        sections += [self._lists(), self._pairs(), self._exceptions(), self._memory()]
        return Outline(self._say("title"), as_of, self._say("as_text"), tuple(sections))

    def _happens(self) -> Section:
        said = self._say("happens", guard=self._facts.guard or "", expires=self._language.length(self._facts.expires))
        return Section(("how",), self._say("happens_title"), (said,))

    def _rules(self) -> Iterator[Section]:
        asked, language = self._facts.asked, self._language
        limits = {"many": language.amount(asked.many), "window": language.length(asked.window)}
        for numbers, rows in asked.sections:
            named = len(numbers) == 1 and numbers[0] in _NAMED_RULES
            title = (
                self._say(f"rule_{numbers[0]}")
                if named
                else self._say("rule", numbers=language.named([str(each) for each in numbers]), count=len(numbers))
            )
            own = [
                language.text("held.rule", number=each, words=self._shown(self._facts.rules[each]))
                for each in numbers
                if each in self._facts.rules
            ]
            entries = tuple(self._say(row, **limits) for row in rows)
            yield Section(tuple(map(str, numbers)), title, (*own, self._say("asked")), entries)

    def _lists(self) -> Section:
        facts = self._facts
        table = None
        if facts.lists:
            posters, stopped = self._say("posters"), self._say("stopped")
            table = ListTable(
                self._say("table"),
                (self._say("list"), self._say("purpose"), posters, stopped),
                (self._say("label", label=posters), self._say("label", label=stopped)),
                tuple(map(self._row, facts.lists)),
            )
        lead = () if facts.lists else (self._say("no_lists"),)
        after = (self._say("closed", number=self._language.amount(facts.closed), count=facts.closed),)
        return Section(("lists",), self._say("lists_title"), lead, table=table, after=after if facts.closed else ())

    def _row(self, one: Entry) -> ListRow:
        posters = self._say("everybody")
        if one.posters:
            posters = self._say("accounts", number=self._language.amount(one.posters), count=one.posters)
            if one.discussion:
                posters = self._say("discussion", accounts=posters, list=one.discussion)
        stopped = self._say(_ON_ALARM[one.on_alarm])
        if one.expires is not None and one.expires != self._facts.expires:
            stopped = self._say("deleted", stopped=stopped, expires=self._language.length(one.expires))
        return ListRow(one.id, one.address, tuple(self._about(one)), posters, stopped)

    def _about(self, one: Entry) -> Iterator[str]:
        yield self._shown(one.about)
        if one.includes:
            yield self._say("includes", lists=", ".join(one.includes))
        if one.say:
            yield self._shown(one.say)
        if one.contact:
            yield self._say("owners", address=one.contact)
        if one.tag:
            yield self._say("tag", tag=self._shown(one.tag))
        if one.topics:
            yield self._say("topics", words=self._shown(", ".join(one.topics)))
        for words, use in one.strays:
            either = self._either([self._language.quoted(self._shown(each)) for each in words])
            yield self._say("stray", words=either, list=use) if use else self._say("stray_closed", words=either)
        if one.asks_words:
            yield self._say("other_words")

    def _pairs(self) -> Section:
        facts = self._facts
        title = self._say("pairs_title")
        if not facts.pairs:
            return Section(("pairs",), title, (self._say("no_pairs"),))
        entries = []
        for one, other, by_site in facts.pairs:
            both = self._language.named([one, other])
            entries.append(self._say("pair_of_site", lists=both) if by_site else both)
        return Section(
            ("pairs",), title, (self._say("pairs", most=self._language.amount(facts.max_lists)),), tuple(entries)
        )

    def _exceptions(self) -> Section:
        entries = tuple(
            self._say(
                "exception",
                lists=self._language.named(each.lists),
                day=self._language.day(each.until, "date"),
                reasons=self._shown("; ".join(each.reasons)),
            )
            for each in self._facts.exceptions
        )
        lead = () if entries else (self._say("no_exceptions"),)
        return Section(("exceptions",), self._say("exceptions_title"), lead, entries)

    def _memory(self) -> Section:
        lead = self._say("memory", organisation=self._facts.organisation or "")
        return Section(("memory",), self._say("memory_title"), (lead,), tuple(self._remembered()))

    def _remembered(self) -> Iterator[str]:
        memory, length = self._facts.memory, self._language.length
        yield self._say("waiting", expires=length(memory.expires_max))
        yield self._say("ended")
        if memory.remember.posts:
            yield self._say("posts", window=length(memory.window))
            yield self._say("threads", thread_memory=length(memory.thread_memory))
            yield self._say("posters_known", posts=length(memory.posts))
            yield self._say("posts_known", posts=length(memory.posts))
            if memory.closed:
                yield self._say("posts_closed", private=length(memory.private))
        else:
            yield self._say("nothing")
        if memory.remember.threads:
            form = "private_texts" if memory.remember.texts else "private"
            said = self._say(form, private=length(memory.private))
            if memory.informed is not None:
                said = f"{said} {self._say('informed', day=self._language.day(memory.informed, 'date'))}"
            yield said
        elif memory.remember.posts:
            yield self._say("private_nothing")
        if self._facts.desks:
            yield self._say("desks_nothing")
        if memory.roster:
            yield self._say("roster")
        yield from map(self._say, ("notices", "figures", "nowhere"))

    def _either(self, words: Sequence[str]) -> str:
        return reduce(lambda one, other: self._say("either", one=one, other=other), words)

    def _shown(self, text: str) -> str:
        return text.replace(NOT_SHOWN, self._not_shown)

    def _say(self, name: str, **facts: object) -> str:
        return self._language.text(f"rules_page.{name}", **facts)
