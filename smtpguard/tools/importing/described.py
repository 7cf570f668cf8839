"""What a list manager says of one of its lists, in words that all managers share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from smtpguard.config.unseen import NEVER, USELESS
from smtpguard.config.values import LINE_CHARACTERS_MAX
from smtpguard.lists import ListKind, Manager
from smtpguard.mail.address import Address

# Who may write to a list of announcements fits on a page; where more may, it is no such list.
POSTERS_MAX = 100
# A list that goes by more names than this has been entered by a program.
ALIASES_MAX = 100

_BLANKS = re.compile(r"\s+")
_NAMES = {Manager.MAILMAN3: "Mailman", Manager.SYMPA: "Sympa"}


class SourceError(Exception):
    """The list manager's settings cannot be read; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Described:
    """One list. `kind` is None where the manager's settings leave it open, and `remark` says why.

    `posters` are mailboxes, `includes` the addresses of lists whose readers get this list's mail as well, `is_hidden`
    that the manager shows the list to nobody else.
    """

    address: Address
    about: str = ""
    aliases: tuple[Address, ...] = ()
    kind: ListKind | None = None
    posters: tuple[str, ...] = ()
    discussion: Address | None = None
    includes: tuple[Address, ...] = ()
    is_hidden: bool = False
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """All lists of one manager. `is_whole`: a list that is not among them is not there any more; in these `domains`
    only, if there are any. `unread` are lists that are there, and why nothing can be said of them."""

    manager: Manager
    lists: tuple[Described, ...]
    is_whole: bool = True
    domains: frozenset[str] = frozenset()
    unread: Mapping[Address, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The manager as people call it."""
        return _NAMES[self.manager]


def one_line(text: object) -> str:
    """`text` as a sentence for members: one line, nothing unseen in it, cut to what fits; empty if there is none."""
    if not isinstance(text, str):
        return ""
    # A hundred lines of it are more than is looked at in the end.
    text = text[: LINE_CHARACTERS_MAX * 100]
    line = _BLANKS.sub(" ", USELESS.sub("", NEVER.sub(" ", text))).strip()
    if len(line) <= LINE_CHARACTERS_MAX:
        return line
    return line[: LINE_CHARACTERS_MAX - 4].rpartition(" ")[0].rstrip(" ,;:-") + " ..." if " " in line else ""
