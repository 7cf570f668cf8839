"""The list in whose archive a mail was found, as one configuration knows it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from smtpguard.distribution import distributed_for
from smtpguard.lists import MailingList
from smtpguard.mail.address import parse_address
from smtpguard.mail.header import Header
from smtpguard.policy import Policy
from smtpguard.tools.replay.gathering import Home, Source

# berlin.mbox, berlin@lists.example.org.mbox.gz
_ENDINGS = re.compile(r"(?:\.(?:mbox|mbx|maildir|eml|txt|gz))+$", re.IGNORECASE)


class Homes:
    """Knows the list of each archive; each kind of home is looked up once."""

    def __init__(self, sources: Sequence[Source], policy: Policy) -> None:
        self._sources = sources
        self._policy = policy
        self._known: dict[Home, MailingList | None] = {}

    def list_of(self, home: Home) -> MailingList | None:
        """The list that was named with the archive; else that of List-Id and List-Post; else that of the archive's own
        name, or of its folder's (Mailman: berlin.mbox/berlin.mbox); None if none of them tells."""
        if home not in self._known:
            self._known[home] = self._found(home)
        return self._known[home]

    def _found(self, home: Home) -> MailingList | None:
        source = self._sources[home.archive]
        if source.list is not None:
            return list_called(source.list, self._policy)
        # In an archive a post needs no List-Post: what a list manager writes itself is not archived.
        fields = (("list-id", home.list_id), ("list-post", home.list_post))
        said = distributed_for(Header(fields, complete=True), self._policy)
        if said is not None:
            return said
        path = source.path.absolute()
        names = (_ENDINGS.sub("", each) for each in (path.name, path.parent.name))
        return next((each for each in (list_called(name, self._policy) for name in names) if each is not None), None)


def list_called(name: str, policy: Policy) -> MailingList | None:
    """The list that `name` means: its id, its former id, its address or an alias."""
    address = parse_address(name.strip()) if "@" in name else None
    if address is not None:
        return policy.list_of(address)
    word = name.strip().lower().removesuffix(".yaml").removesuffix(".yml")
    if not word:
        return None  # what lies in / has a folder without a name; most lists have no former name
    return policy.by_id.get(word) or next((each for each in policy.lists if (each.was or "").lower() == word), None)
