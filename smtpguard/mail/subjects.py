"""What a subject's prefix says: an answer (Re:, AW:) or a forward (Fwd:, WG:).

RFC 5322, 3.6.5, and what programs print.
"""

from __future__ import annotations

import re
from enum import Enum

from smtpguard.mail.header_labels import folded
from smtpguard.mail.labels import LANGUAGES

# List tags ("[berlin]") stand before the prefix, seldom more than two.
_TAGS = re.compile(r"(?:\s*\[[^\[\]]{0,80}\]){0,4}\s*")
_PREFIX = re.compile(r"([^\W\d_]{1,14})\.?\s{0,2}(?:\[\d{1,3}\]|\(\d{1,3}\)|\^\d{1,3}|\d{1,2})?\s{0,2}[:：]\s*")
# pine and its kin write it at the end.
_FORWARD_ENDS = ("(fwd)", "(fwd.)", "[fwd]")


# A Subject is a line (RFC 5322, 2.1.1); "Re: AW: Re:" seldom goes on for long.
_CHARACTERS_MAX = 998
_PREFIXES_MAX = 20


class SubjectKind(Enum):
    """What the first prefix of a subject says."""

    PLAIN = "plain"
    ANSWER = "answer"
    FORWARD = "forward"
    # "VS:" is a forward in Danish and Norwegian and an answer in Finnish.
    EITHER = "either"


def _prefixes(key: str) -> frozenset[str]:
    return frozenset(
        folded(word.rstrip(".")) for words in LANGUAGES.values() for word in words.get(key, "").split("|") if word
    )


_FORWARDS = _prefixes("fwd")
_ANSWERS = _prefixes("re")


def subject_kind(subject: str) -> SubjectKind:
    """Read the first prefix of `subject`, behind list tags; the rest of the subject does not count."""
    head = subject[:400].lstrip(" \t'\"«„“")
    match = None
    if ":" in head or "\uff1a" in head:
        tags = _TAGS.match(head)
        match = _PREFIX.match(head, tags.end() if tags else 0)
    word = folded(match[1]) if match is not None else ""
    forward, answer = word in _FORWARDS, word in _ANSWERS
    if forward or answer:
        if forward and answer:
            return SubjectKind.EITHER
        return SubjectKind.FORWARD if forward else SubjectKind.ANSWER
    low = head.rstrip().lower()
    return SubjectKind.FORWARD if low.endswith(_FORWARD_ENDS) or low.startswith("[fwd:") else SubjectKind.PLAIN


def base_subject(subject: str) -> str:
    """`subject` without list tags and prefixes before it and "(fwd)" behind it, as answers and forwards of one mail
    share it (after RFC 5256, 2.1)."""
    rest = subject[:_CHARACTERS_MAX].strip()
    for _ in range(_PREFIXES_MAX):
        tags = _TAGS.match(rest)
        match = _PREFIX.match(rest, tags.end() if tags else 0)
        if match is None or folded(match[1]) not in _FORWARDS | _ANSWERS:
            break
        rest = rest[match.end() :]
    tags = _TAGS.match(rest)
    rest = rest[tags.end() :] if tags and tags.end() < len(rest) else rest
    for end in _FORWARD_ENDS:
        if rest.lower().endswith(end):
            rest = rest[: -len(end)]
    return rest.strip()
