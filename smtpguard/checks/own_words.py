"""What the sender says with new words of his own, as words to be compared: no quotes, signatures or footers.

Two words are the same if they are letter for letter, case aside; a phrase is its words side by side. So "rent" is not
in "parent", and nothing has to be escaped by whoever writes words into a list's file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from smtpguard.mail.message import Message, Voice
from smtpguard.mail.subjects import SubjectKind, subject_kind
from smtpguard.words import phrase_words, words_in

# A letter says what it is about on its first pages; a book of own words would have words of every list.
CHARACTERS_READ_MAX = 32 * 1024


@dataclass(frozen=True, slots=True)
class OwnWords:
    """Words in their order, each as it is compared. `count` is how many there are."""

    text: str
    distinct: frozenset[str]
    count: int

    def has(self, phrase: str) -> bool:
        """True if all words of `phrase` stand side by side. A phrase without a word is nowhere."""
        words = phrase_words(phrase)
        if len(words) == 1:
            return words[0] in self.distinct
        return bool(words) and self.distinct.issuperset(words) and f" {' '.join(words)} " in self.text

    def among(self, phrases: Iterable[str]) -> tuple[str, ...]:
        """Those of `phrases` that are said, each once, as their list's file spells them."""
        found = {phrase_words(each): each for each in phrases if self.has(each)}
        return tuple(found.values())


def own_words(message: Message) -> OwnWords:
    """The new words of a message, its subject first; addresses and links are none."""
    return words_of((message.subject, *_own_texts(message)))


def words_of(texts: Iterable[str]) -> OwnWords:
    """The words of `texts`, one text after the other."""
    found: list[str] = []
    for text in texts:
        plain = (piece for piece in text.split() if "@" not in piece and "://" not in piece)
        found += words_in(" ".join(plain))
    return OwnWords(f" {' '.join(found)} ", frozenset(found), len(found))


def _own_texts(message: Message) -> Iterator[str]:
    left = CHARACTERS_READ_MAX
    for passage in message.passages:
        if passage.voice is Voice.OWN and left > 0:
            yield passage.text[:left]
            left -= len(passage.text)


def answers(message: Message) -> bool:
    """True if the message answers another one: its subject says so, or nothing but its header does.

    A forward is no answer, although some programs name in References what they forward.
    """
    kind = subject_kind(message.subject)
    return kind is SubjectKind.ANSWER or (kind is not SubjectKind.FORWARD and bool(message.references))
