"""The topic words of all lists, from words to lists: a mail is looked through once, however many lists there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from smtpguard.lists import MailingList
from smtpguard.words import stem, words_in


@dataclass(frozen=True, slots=True)
class TopicIndex:
    """Which list has which topics, each by its key: the stems of its words, side by side ("e-mail" is two words).

    Forms of one word are one topic. `lists` are ids by key, `topics` the topics of each list, by its id, as its file
    spells them, by key. `openings` are the beginnings of topics of several words.
    """

    lists: Mapping[str, tuple[str, ...]]
    topics: Mapping[str, Mapping[str, str]]
    openings: frozenset[str]

    def said(self, distinct: Iterable[str], text: str) -> frozenset[str]:
        """The keys of all topics that stand in `text`: words as `words_in` gives them, with a blank between two.

        `distinct` are the same words, each once.
        """
        found = {key for each in distinct if (key := stem(each)) in self.lists}
        if self.openings and not self.openings.isdisjoint(map(stem, distinct)):
            found |= self._phrases([stem(each) for each in text.split()])
        return frozenset(found)

    def _phrases(self, stems: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for start, key in enumerate(stems):
            following = start + 1
            while key in self.openings and following < len(stems):
                key = f"{key} {stems[following]}"
                following += 1
                if key in self.lists:
                    found.add(key)
        return found

    def of(self, list_id: str, said: frozenset[str]) -> tuple[str, ...]:
        """The topics of a list that are `said`, in the order and the spelling of its file."""
        return tuple(topic for key, topic in self.topics[list_id].items() if key in said)

    def shares(self, said: Iterable[str]) -> Mapping[str, int]:
        """How many of the topics `said` each list has, by its id; lists that have none are left out."""
        found: Counter[str] = Counter()
        for key in said:
            found.update(self.lists[key])
        return found


def topic_index(lists: Iterable[MailingList]) -> TopicIndex:
    """The index of `lists`."""
    topics = {each.id: _by_key(each.topics) for each in lists}
    ids: dict[str, list[str]] = defaultdict(list)
    openings: set[str] = set()
    for list_id, keys in topics.items():
        for key in keys:
            ids[key].append(list_id)
            if " " in key:
                openings.update(key[:at] for at, character in enumerate(key) if character == " ")
    return TopicIndex({key: tuple(each) for key, each in ids.items()}, topics, frozenset(openings))


def _by_key(topics: Iterable[str]) -> Mapping[str, str]:
    """`topics` by their keys; of several forms of a word the first. What has no letter and no digit is no topic."""
    found: dict[str, str] = {}
    for each in topics:
        key = " ".join(map(stem, words_in(each)))
        if key:
            found.setdefault(key, each)
    return found
