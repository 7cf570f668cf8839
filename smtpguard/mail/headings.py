"""What a mail's own header says about the texts below it: is it an answer or a forward, and to whom does it go."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from smtpguard.mail.address import Address
from smtpguard.mail.subjects import SubjectKind, subject_kind

# A display name; what is longer is none.
NAME_CHARACTERS_MAX = 200
_WORDS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Heading:
    """What the mail's own header says: subject, whether it names a mail that it answers, To and Cc, and the display
    names there.
    """

    subject: str = field(default="", repr=False)
    answers: bool = False
    destinations: frozenset[Address] = field(default=frozenset(), repr=False)
    names: tuple[str, ...] = field(default=(), repr=False)
    kind: SubjectKind = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", subject_kind(self.subject))

    def is_to(self, author: Address | None, name: str | None) -> bool:
        """Whether the mail goes to the author of a block, who may be named without an address ("Conrad, Carl")."""
        if author in self.destinations:
            return True
        wanted = _name_words(name or "")
        if len(wanted) < 2:
            return False
        shown = (*self.names, *(each.local_part for each in self.destinations))
        return any(_same_name(wanted, _name_words(each)) for each in shown)


def _name_words(name: str) -> frozenset[str]:
    return frozenset(_WORDS.findall(name[:NAME_CHARACTERS_MAX].lower()))


def _same_name(wanted: frozenset[str], shown: frozenset[str]) -> bool:
    """ "Conrad, Carl" is meant by "Carl Conrad", "carl.conrad" and "c..conrad": two words, none of them another's."""
    whole = wanted & shown
    if not any(len(each) > 2 for each in whole):
        return False
    others = [each for each in shown - whole if not (len(each) == 1 and any(word[0] == each for word in wanted))]
    return len(shown) > 1 and not others
