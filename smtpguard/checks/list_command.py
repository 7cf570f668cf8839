"""Rule 12: a mail to a list whose whole text is a command for the list server ("unsubscribe").

Everybody on the list would read it, and it would have no effect. The right address is named, as the list's own manager
has it. Only a text that is nothing but a command counts: "please unsubscribe me" does, "who can help Anna?" does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final

from smtpguard.checks.command_words import COMMANDS
from smtpguard.checks.own_words import OwnWords, words_of
from smtpguard.evidence import Evidence
from smtpguard.lists import MailingList, Manager
from smtpguard.mail.message import Message, Submission, Voice
from smtpguard.policy import Policy
from smtpguard.verdict import Finding
from smtpguard.words import phrase_words

# 12-24: one line, or this many words. Longer is a letter; a line of more characters is a paragraph.
WORDS_MAX = 5
CHARACTERS_MAX = 120

# What each manager calls the address that takes a command; `{name}` is the list's. Mailman: docs "email commands";
# Sympa: alias template (list_aliases.tt2); ezmlm: ezmlm(5). Nobody but its admins changes a plain list.
_ADDRESSES: Mapping[Manager, Mapping[str, str]] = {
    Manager.MAILMAN3: {"join": "{name}-join", "leave": "{name}-leave", "help": "{name}-request"},
    Manager.SYMPA: {"join": "{name}-subscribe", "leave": "{name}-unsubscribe", "help": "sympa"},
    Manager.EZMLM: {"join": "{name}-subscribe", "leave": "{name}-unsubscribe", "help": "{name}-help"},
    Manager.PLAIN: {},
}

Phrases = Mapping[tuple[str, ...], str]


def _phrases(*keys: tuple[str, str]) -> Phrases:
    """Each phrase of the given keys with what it asks for, the longest first."""
    found = {
        phrase_words(each): meaning
        for words in COMMANDS.values()
        for key, meaning in keys
        for each in words[key].split("|")
    }
    return dict(sorted(found.items(), key=lambda each: -len(each[0])))


_FIRM: Final = _phrases(("join", "join"), ("leave", "leave"))
_ALONE: Final = _phrases(("come", "join"), ("go", "leave"), ("help", "help"))
_COURTESY: Final = frozenset(
    chain.from_iterable(phrase_words(each) for words in COMMANDS.values() for each in words["courtesy"].split("|"))
)
# A text without any of these words is no command: most texts are settled by this one look.
_BEGINNINGS: Final = frozenset(phrase[0] for phrase in (*_FIRM, *_ALONE))
# What may stand beside a word that is a command only alone.
_SPARSE: Final = frozenset(("please", "list", "set", "end", "quit", "bitte", "liste", "svp", "lista"))


def check(submission: Submission, _evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find 12-24, for the first list of the envelope."""
    text = _whole_text(submission.message)
    lists = policy.lists_of(submission.recipients) if text else ()
    if not lists:
        return
    command = command_in(text, lists, _author(submission.message))
    if command is not None:
        ids = tuple(each.id for each in lists)
        facts = {"command": " ".join(text.split()), "list": lists[0].id, "address": _address(lists[0], command)}
        yield Finding("12-24", "list_command", facts, ids)


def command_in(text: str, lists: tuple[MailingList, ...], author: str = "") -> str | None:
    """ "join", "leave" or "help" if `text` is that command and nothing else; names of `lists` may stand in it, and that
    of its `author`: some list servers want it (`subscribe berlin Anna Lind`), and some people sign.
    """
    words = words_of((text,))
    lines = sum(1 for line in text.splitlines() if line.strip())
    if words.distinct.isdisjoint(_BEGINNINGS) or (lines > 1 and words.count > WORDS_MAX):
        return None
    names = frozenset(chain.from_iterable(phrase_words(name) for each in lists for name in _names(each)))
    names |= words_of((author,)).distinct
    return _only(words, _FIRM, _COURTESY | names) or _only(words, _ALONE, _SPARSE | names)


def _only(words: OwnWords, phrases: Phrases, around: frozenset[str]) -> str | None:
    """What the one phrase in `words` means, if all else is `around` it; None where two mean different things."""
    rest = words.text
    meanings: set[str] = set()
    for phrase, meaning in phrases.items():
        if words.distinct.issuperset(phrase) and f" {' '.join(phrase)} " in rest:
            rest = rest.replace(f" {' '.join(phrase)} ", " ")
            meanings.add(meaning)
    return meanings.pop() if len(meanings) == 1 and around.issuperset(rest.split()) else None


def _whole_text(message: Message) -> str:
    """What the sender wrote, if it is so short that it can be a command; the subject where he wrote nothing else."""
    own = [each.text for each in message.passages if each.voice is Voice.OWN]
    if sum(map(len, own)) > CHARACTERS_MAX * WORDS_MAX:
        return ""
    text = "\n".join(own).strip()
    if not text and not any(each.voice in (Voice.QUOTED, Voice.FORWARDED) for each in message.passages):
        text = message.subject.strip()
    return text if len(text) <= CHARACTERS_MAX else ""


def _author(message: Message) -> str:
    """The words by which a sender calls himself."""
    return " ".join((message.author_name or "", *(each.local_part for each in message.authors[:1])))


def _names(each: MailingList) -> tuple[str, str]:
    return each.id, each.address.local_part


def _address(each: MailingList, command: str) -> str:
    """Where the command belongs; empty where only a person can carry it out."""
    name = _ADDRESSES[each.manager].get(command)
    return f"{name.format(name=each.address.local_part)}@{each.address.domain}" if name is not None else ""
