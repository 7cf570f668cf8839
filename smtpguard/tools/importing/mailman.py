"""Mailman 3 by its REST interface (core 3.1 and later): what its lists are, read and never changed.

Asked are the lists, each one's settings, whether its address is a member of other lists, and, for announcements alone,
who may post. No other member is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import quote

from smtpguard.config.lists import LIST_FILES_MAX
from smtpguard.config.places import address_of
from smtpguard.lists import ListKind, Manager
from smtpguard.mail.address import Address
from smtpguard.tools.importing.described import ALIASES_MAX, POSTERS_MAX, Described, Source, SourceError, one_line
from smtpguard.tools.importing.web_server import AbsentError, WebServer

# The version of the interface that Mailman 3.1 to 3.3 speak.
USUAL_PATH = "/3.1"
PAGE = 100
# A list that is a member of more lists than this is none of ours.
UMBRELLAS_MAX = 1000
# Of all domains together, where some are asked for; a hundred to a page, these are 500 calls.
ALL_LISTS_MAX = 10 * LIST_FILES_MAX

# mailman.interfaces.action.Action: what becomes of a member's post.
_CLOSED_TO_MEMBERS = frozenset({"reject", "discard"})
# And of whom this is said, his post goes to the list ("defer" leaves it to the other rules, which are about content).
_MAY_POST = ("accept", "defer")
_TO_ANOTHER_ADDRESS = frozenset({"explicit_header", "explicit_header_only"})
_MODERATED = "Mailman keeps what members post for its moderators, so both kinds are possible"
_NO_POSTER = "Mailman takes it for a list of announcements and names nobody who posts there"
_MANY_POSTERS = f"more than {POSTERS_MAX} persons may post to this list of announcements"

Tell = Callable[[int, int], None]
"""How many lists of how many have been read."""


def read_mailman(server: WebServer, domains: frozenset[str], tell: Tell) -> Source:
    """The lists of the Mailman behind `server`; of these `domains` only, if there are any. Raises SourceError."""
    if not server.path:
        server.path = USUAL_PATH
    return _Mailman(server).source(domains, tell)


class _Mailman:
    def __init__(self, server: WebServer) -> None:
        self._server = server

    def source(self, domains: frozenset[str], tell: Tell) -> Source:
        found: dict[str, Address] = {}
        for entry in self._entries("/lists", ALL_LISTS_MAX):
            if len(found) > LIST_FILES_MAX:
                raise SourceError(f"there are more than {LIST_FILES_MAX} lists: name their domains by --domain.")
            list_id, address = entry.get("list_id"), _address(entry.get("fqdn_listname"))
            if isinstance(list_id, str) and address is not None and (not domains or address.domain in domains):
                found[list_id] = address
        umbrellas: dict[str, list[Address]] = {}
        described: list[tuple[str, Described]] = []
        for number, (list_id, address) in enumerate(found.items()):
            tell(number, len(found))
            try:
                described.append((list_id, self._described(list_id, address)))
            except AbsentError:
                continue  # deleted since we asked for the lists
            for above in self._lists_above(address):
                if above != list_id:
                    umbrellas.setdefault(above, []).append(address)
        return Source(
            Manager.MAILMAN3,
            tuple(replace(each, includes=tuple(umbrellas.get(list_id, ()))) for list_id, each in described),
        )

    def _described(self, list_id: str, address: Address) -> Described:
        config = _table(self._server.value(f"/lists/{quote(list_id, safe='')}/config"))
        kind, remark = _kind(config)
        posters: tuple[str, ...] = ()
        if kind is ListKind.ANNOUNCE:
            posters, remark = self._posters(list_id)
            kind = None if remark == _MANY_POSTERS else kind
        to = (
            _address(config.get("reply_to_address"))
            if config.get("reply_goes_to_list") in _TO_ANOTHER_ADDRESS
            else None
        )
        return Described(
            address,
            one_line(config.get("description")) or one_line(config.get("display_name")),
            tuple(_aliases(config.get("acceptable_aliases"), address)),
            kind,
            posters,
            to if kind is ListKind.ANNOUNCE and to != address else None,
            is_hidden=config.get("advertised") is False,
            remark=remark,
        )

    def _posters(self, list_id: str) -> tuple[tuple[str, ...], str]:
        """Who may post to a list of announcements, and what is to be said of them.

        Those of whom it is said, else its owners and moderators.
        """
        asked: list[dict[str, str]] = [
            {"role": role, "moderation_action": action} for role in ("member", "nonmember") for action in _MAY_POST
        ]
        others: list[dict[str, str]] = [{"role": "owner"}, {"role": "moderator"}]
        for each in (asked, others):
            found: dict[str, None] = {}
            for question in each:
                entries = self._entries("/members/find", POSTERS_MAX, cut=True, list_id=list_id, **question)
                mailboxes = (_address(entry.get("email")) for entry in entries)
                found |= {mailbox.normal: None for mailbox in mailboxes if mailbox is not None}
            if len(found) > POSTERS_MAX:
                return (), _MANY_POSTERS
            if found:
                return tuple(sorted(found)), ""
        return (), _NO_POSTER

    def _lists_above(self, address: Address) -> Iterator[str]:
        """The ids of lists that `address` is a member of."""
        for entry in self._entries("/members/find", UMBRELLAS_MAX, cut=True, subscriber=address.normal, role="member"):
            if isinstance(entry.get("list_id"), str):
                yield str(entry["list_id"])

    def _entries(self, path: str, most: int, *, cut: bool = False, **query: str) -> Iterator[Mapping[str, object]]:
        """The entries of a collection, page by page. Above `most` the rest is left unread (`cut`), or an error."""
        read = 0
        number = 1
        while True:
            page = _table(self._server.value(path, count=PAGE, page=number, **query))
            entries = page.get("entries", [])
            if not isinstance(entries, list):
                raise _strange()
            for entry in entries:
                yield _table(entry)
            read += len(entries)
            total = page.get("total_size")
            # The total is Mailman's word for it; a short page ends it as well, or we would ask for ever.
            if not entries or len(entries) < PAGE or (isinstance(total, int) and read >= total):
                return
            if read > most:
                if cut:
                    return
                raise SourceError(f"there are more than {most} lists: more than are looked through.")
            number += 1


def _kind(config: Mapping[str, object]) -> tuple[ListKind | None, str]:
    """The kind of a list, and what is to be said where it stays open.

    `allow_list_posts` is what the style "announce only" sets (RFC 2369, 3.4: `List-Post: NO`). `emergency` says
    nothing: it is for a few days.
    """
    action = _text(config, "default_member_action")
    if config.get("allow_list_posts") is False or action in _CLOSED_TO_MEMBERS:
        return ListKind.ANNOUNCE, ""
    if action == "hold":
        return None, _MODERATED
    return ListKind.DISCUSSION, ""


def _aliases(said: object, address: Address) -> Iterator[Address]:
    """The further addresses of a list. Mailman takes patterns, too, which begin with ^: they are no addresses."""
    seen = {address}
    for text in said[:ALIASES_MAX] if isinstance(said, list) else ():
        found = _address(text)
        if found is not None and found not in seen:
            seen.add(found)
            yield found


def _text(config: Mapping[str, object], key: str) -> str:
    value = config.get(key)
    return value if isinstance(value, str) else ""


def _address(text: object) -> Address | None:
    return address_of(text) if isinstance(text, str) and not text.startswith("^") else None


def _table(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _strange()
    return value


def _strange() -> SourceError:
    return SourceError("this is not how Mailman's REST interface answers: is the address right, up to the 3.1?")
