"""List archives as one site: every list that the posts show is configured, every post is a mail before it was posted.

All names and addresses come from the labels (README.md); lists are numbered, so that nothing of them can be printed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from pathlib import Path

from smtpguard.lists import MailingList, Manager
from smtpguard.mail.address import parse_address
from smtpguard.mail.content import stuffed
from smtpguard.mail.header import read_header
from smtpguard.mail.mailboxes import MailboxReader
from smtpguard.policy import Policy
from smtpguard.tools.replay.posts import as_submitted
from tests.corpus.forwards import Label, labels, members

# gmane.org writes `name@host` as `name-HASH@public.gmane.org`.
_DISGUISED = "@public.gmane.org"
# An archive is that of one list if so many of its posts name it.
_SAME_LIST_MIN = 0.8
_ALL = "all posts"


@dataclass(frozen=True, slots=True)
class Post:
    """One post as it was submitted. `named` are the ids of the lists in its To and Cc, as the labels have them;
    `came_by` is the list in whose archive it is; `thread` tells its thread from others."""

    id: str
    login: str = field(repr=False)
    named: frozenset[str]
    came_by: MailingList = field(repr=False)
    thread: str
    when: datetime | None
    wire: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Archives:
    """All posts, the `policy` of the site, and how many samples are no posts of a list, or are there twice."""

    policy: Policy
    posts: tuple[Post, ...]
    no_list: int
    twice: int


def archives(folder: Path) -> Archives:
    """Read the set in `folder`."""
    samples = labels(folder)
    octets = members(folder)
    names = _Names(samples)
    posts: dict[tuple[str, str], Post] = {}
    no_list = 0
    for label in samples:
        came_by = names.came_by(label)
        if came_by is None:
            no_list += 1
            continue
        mail = as_submitted(octets[label["file"]])
        post = Post(
            id=label["id"],
            login=names.author(mail),
            named=names.named(label),
            came_by=came_by,
            thread=label["thread"] or label["id"],
            when=when_of(label["date"]),
            wire=stuffed(mail),
        )
        posts.setdefault((came_by.id, label["message_id"] or label["id"]), post)
    domains = frozenset(address.domain for each in names.lists for address in each.addresses)
    policy = Policy(names.lists, list_domains=domains, member_domains=domains)
    return Archives(policy, tuple(posts.values()), no_list, len(samples) - no_list - len(posts))


def when_of(date: str | None) -> datetime | None:
    """The moment of a Date field or an ISO date, aware; None if it is none."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            when = read(date or "")
        except ValueError:
            continue
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    return None


class _Names:
    """Which addresses belong to which list, as the labels show."""

    def __init__(self, samples: Sequence[Label]) -> None:
        ids = {each["list_id"] for each in samples if each["list_id"]}
        # Somebody's own mailbox may be called like a list; his mails tell that it is none.
        persons = {each["from_"] for each in samples} - set(map(_address_of_id, ids))
        addresses: dict[str, dict[str, None]] = defaultdict(dict)
        archive: dict[str, Counter[str]] = defaultdict(Counter)
        for label in samples:
            for name in label["lists_addressed"]:
                found = (each for each in label["list_rcpts"] if _is_of(each, name) and each not in persons)
                addresses[name].update(dict.fromkeys(found))
            archive[label["list"]].update((*label["lists_addressed"], _ALL))
        self._name_of_id = {each: _name_of_id(each, addresses) for each in ids}
        self._name_of_archive = {each: _own_list(each, counts) for each, counts in archive.items()}
        for each, name in self._name_of_id.items():
            addresses[name].setdefault(_address_of_id(each))
        for each, name in self._name_of_archive.items():
            if name == each and not addresses[name]:
                addresses[name][f"{each}@archive.invalid"] = None
        numbered = enumerate((name, found) for name, found in sorted(addresses.items()) if found)
        self._by_name = by_name = {name: _list(number, found) for number, (name, found) in numbered}
        self.lists = tuple(by_name.values())
        self._by_address = {address: by_name[name].id for name, found in addresses.items() for address in found}

    def named(self, label: Label) -> frozenset[str]:
        """The ids of the lists in To and Cc."""
        return frozenset(self._by_address[each] for each in (*label["to"], *label["cc"]) if each in self._by_address)

    def came_by(self, label: Label) -> MailingList | None:
        """The list in whose archive a sample is: by List-Id, else by the archive, else the first in To and Cc."""
        name = self._name_of_id.get(label["list_id"]) or self._name_of_archive[label["list"]]
        names = (name, *label["lists_addressed"])
        return next((self._by_name[each] for each in names if each in self._by_name), None)

    def author(self, mail: bytes) -> str:
        """The login of whoever wrote `mail`: its From, or Reply-To where the list manager has put the list there; a
        login of its own where neither tells."""
        header, _ = read_header(mail)
        reader = MailboxReader()
        for _, address in reader.mailboxes((*header.every("from"), *header.every("reply-to"))):
            if address.normal.lower() not in self._by_address:
                return address.normal
        return f"{blake2b(header.first('from').encode(errors='replace'), digest_size=8).hexdigest()}@author.invalid"


def _is_of(address: str, name: str) -> bool:
    """True if `address` is one of the list that the labels call `name`."""
    local_part = address.rpartition("@")[0]
    return name in (address, local_part) or (address.endswith(_DISGUISED) and local_part.startswith(f"{name}-"))


def _address_of_id(list_id: str) -> str:
    """RFC 2919: most managers write the address of a list with a dot instead of the @."""
    return list_id.replace(".", "@", 1)


def _name_of_id(list_id: str, names: Collection[str]) -> str:
    address, first = _address_of_id(list_id), list_id.partition(".")[0]
    return first if first in names and address not in names else address


def _own_list(archive: str, counts: Counter[str]) -> str:
    """What the one list of an archive is called; the archive itself where no post names any; "" for a mixed one."""
    posts = counts.pop(_ALL)
    name, count = counts.most_common(1)[0] if counts else (archive, posts)
    return name if count >= _SAME_LIST_MIN * posts else ""


def _list(number: int, addresses: Iterable[str]) -> MailingList:
    first, *others = (each for each in map(parse_address, addresses) if each is not None)
    return MailingList(f"list-{number:03}", first, Manager.PLAIN, "", "", aliases=tuple(others))
