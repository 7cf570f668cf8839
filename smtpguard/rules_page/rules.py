"""The rules page as HTML and as plain text, for `smtpguard rules-page` and for the guard's own web server.

It says which rules are in force, which lists there are and what may go to several of them, every exception with its
end, and what is remembered for how long. It names no person: who may post is a number, an owner's address is left out
unless it is a list's or the site's role address, and addresses in an admin's own words are shown only if they are a
list's, a role's or a desk's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined, select_autoescape

from smtpguard.config.settings import Settings
from smtpguard.lists import ListKind, MailingList, OnAlarm, WrongTopic
from smtpguard.mail.address import Address, parse_address
from smtpguard.policy import Kind, Policy
from smtpguard.rules_page.exceptions import exceptions

PAGES: Mapping[str, str] = {"index.html": "rules.html", "rules.txt": "rules.txt"}
"""The files that are written, each with its template."""

# What is mail to a person anywhere in a sentence; the address itself is read by `parse_address`.
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"']+@[^\s<>()\[\],;:\"']+[^\s<>()\[\],;:\"'.!?]")
_NOT_SHOWN = "(an address)"
_PUBLIC_KINDS = frozenset({Kind.LIST, Kind.ROLE_MACHINE, Kind.ROLE_PEOPLE, Kind.DESK})

ASKED: Mapping[str, str] = {
    "12-02": "a mail to two or more lists that have not agreed to be written to together",
    "12-04": "a mail to a list and to a part of it, whose readers would get it twice",
    "12-05": "a mail to several parts of one list that reaches them all",
    "12-08": "a mail to an announcement list from somebody who is none of its posters",
    "12-10": "a mail with a list in Bcc, where those in To and Cc cannot see that it reads along",
    "12-12": "nearly the same text to another list within {window}",
    "12-17": "a mail of a closed list that is passed on to a list which that one has not named for it",
    "12-19": "an answer that takes a conversation from its list to a further one",
    "12-20": "an answer that takes a conversation of a closed list to another list",
    "12-22": "an answer to a list that the conversation was kept off before",
    "12-23": "words or a tag in the subject that belong to another list, where a list asks about them",
    "12-24": "a command for the list server (subscribe, unsubscribe, help) that everybody would read",
    "12-25": "the first mail of an account to a list, where the list asks about it",
    "12-26": "more than {many} addresses of persons in To and Cc",
    "12-27": "many mails to one conversation within a short time, where the list asks about them",
    "12-28": "a mail to a list and to one of the addresses that are never looked at",
    "12-29": "a new subject whose words belong to another list, where a list asks about them",
    "11-02": "words that somebody else wrote to the sender privately, for a list or for persons who did not have them",
    "11-03": "an answer to a private mail that takes in a further person",
    "11-05": "a private talk, with words of others in it, for a list or for persons who did not have them",
    "11-07": "an answer to a private mail on its way to a list",
    "11-08": "a forwarded mail between persons on its way to a list",
    "11-09": "a quote of a member's words on its way to a list, if no list is known to have had them",
    "11-10": "any quote that is not known from a list, where a list is strict",
    "11-11": "a quote of a closed list, for another list or for somebody who is no member",
    "11-14": "words of an author who has asked not to pass them on",
    "11-16": "an attached mail between persons on its way to a list",
    "11-18": "a forward with an attachment that cannot be looked into, on its way to a list",
    "11-20": "an encrypted mail to a list whose members could not read it",
    "11-24": "private words for somebody who is no member",
    "90-07": "a forward too large to be read to its end, on its way to a list",
    "90-11": "a forward in a broken form, on its way to a list",
}
"""What members are asked about, by row; all that has a sentence in a notice."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A list as members see it. `posters` is how many accounts may post, 0 for all whom the list server lets; `expires`
    how long a held mail waits, None if none is held. `strays` are words of Subjects that belong on another list, and
    that list, "" if it is closed; with `asks_words` tags and topics of other lists count here (12-23, 12-29)."""

    id: str
    address: str
    about: str
    posters: int
    discussion: str | None
    includes: tuple[str, ...]
    on_alarm: str
    expires: str | None
    contact: str | None
    say: str | None
    tag: str | None
    topics: tuple[str, ...]
    strays: tuple[tuple[tuple[str, ...], str], ...]
    asks_words: bool


@dataclass(frozen=True, slots=True)
class Exempted:
    """Two lists that may be written to together up to and with the day `until`."""

    lists: tuple[str, str]
    until: str
    reasons: tuple[str, ...]


def rules_pages(settings: Settings, policy: Policy, now: datetime, *, own_page: bool = False) -> dict[str, str]:
    """Text by file name. Only what counts at the moment `now` is on the page. `own_page`: the guard serves it itself,
    beside its other pages and with their style."""
    facts = {**_facts(settings, policy, now), "own_page": own_page}
    return {name: _environment().get_template(template).render(facts) for name, template in PAGES.items()}


def _facts(settings: Settings, policy: Policy, now: datetime) -> dict[str, object]:
    # Closed lists are counted and not named, here and beside other lists (T-52).
    lists = sorted((each for each in policy.lists if not each.is_closed), key=lambda each: each.id)
    return {
        "organisation": settings.organisation,
        "day": now.astimezone(policy.zone).date().isoformat(),
        "guard": None if settings.address is None else settings.address.normal,
        "rules": {rule: _asked(rule, policy) for rule in (12, 11)},
        "lists": [_entry(each, _posters(each), policy) for each in lists],
        "closed": len(policy.lists) - len(lists),
        "pairs": [
            (one.id, other.id, frozenset((one.id, other.id)) in policy.pairs)
            for one, other in _named_together(lists, policy)
            if policy.allowed((one, other))
        ],
        "max_lists": policy.max_lists,
        "exceptions": _exempted(lists, policy, now),
        "desks": sorted(each.normal for each in policy.desks if _is_public(each.normal, policy, settings)),
        "expires": in_words(policy.expires),
        "expires_max": in_words(policy.expires_max),
        "remember": policy.remember,
        "private": in_words(settings.memory.private),
        "informed": None if settings.members_informed is None else settings.members_informed.isoformat(),
        "roster": policy.roster is not None,
        "posts": in_words(settings.memory.posts),
        "window": in_words(policy.window),
        "thread_memory": in_words(max(policy.window, policy.thread_memory)),
    }


def in_words(length: timedelta) -> str:
    """72 hours, 7 days, 1 hour."""
    seconds = int(length.total_seconds())
    units = (("day", 86400, 4 * 86400), ("hour", 3600, 3600), ("minute", 60, 60), ("second", 1, 0))
    unit, size = next((unit, size) for unit, size, least in units if seconds >= least and seconds % size == 0)
    return f"{seconds // size} {unit}{'' if seconds == size else 's'}"


def _asked(rule: int, policy: Policy) -> list[str]:
    """What a rule asks about here, as the files have it: what nothing switches on is left out."""
    if not policy.lists:
        return []
    lists = policy.lists
    remembers = policy.remember.posts
    is_on = {
        "11-02": policy.remember.threads,
        "11-03": policy.remember.threads and policy.adding_people_asks_of(()),
        "11-05": policy.remember.threads,
        "11-07": policy.remember.threads,
        "11-14": policy.remember.threads,
        "11-24": policy.remember.threads and policy.roster is not None,
        "11-09": remembers and (policy.roster is not None or bool(policy.member_domains)),
        "11-10": any(policy.strict_of(each) for each in lists),
        "11-11": any(each.is_closed for each in lists),
        "11-20": not all(each.encrypted for each in lists),
        "12-02": len(lists) > 1,
        "12-04": any(each.includes for each in lists),
        "12-05": any(each.includes for each in lists),
        "12-08": any(each.kind is ListKind.ANNOUNCE for each in lists),
        "12-12": remembers,
        "12-17": any(each.is_closed for each in lists),
        "12-19": remembers,
        "12-20": remembers and any(each.is_closed for each in lists),
        "12-22": remembers,
        "12-23": any(each.wrong_if or each.tag for each in lists),
        "12-25": remembers and any(policy.first_post_asks_of(each) for each in lists),
        "12-27": remembers and any(policy.burst_of(each).asks for each in lists),
        "12-28": bool(policy.desks),
        "12-29": any(policy.wrong_topic_of(each) is WrongTopic.HOLD and each.topics for each in lists),
    }
    words = {row: text.format(many=policy.visible_max, window=in_words(policy.window)) for row, text in ASKED.items()}
    # What could not be read (90-07, 90-11) is a matter of rule 11.
    of_rule = (f"{rule}-", "90-") if rule == 11 else (f"{rule}-",)
    return [text for row, text in words.items() if row.startswith(of_rule) and is_on.get(row, True)]


def _entry(one: MailingList, posters: int, policy: Policy) -> Entry:
    on_alarm = one.on_alarm or policy.on_alarm
    contact = parse_address(one.contact)
    public = contact is not None and _is_shown(contact, policy)
    discussion = None if one.discussion is None else policy.by_id.get(one.discussion)
    return Entry(
        id=one.id,
        address=one.address.normal,
        about=_without_persons(one.about, policy),
        posters=posters if one.kind is ListKind.ANNOUNCE else 0,
        discussion=None if discussion is None or discussion.is_closed else discussion.id,
        includes=tuple(sorted(each for each in one.includes if not policy.by_id[each].is_closed)),
        on_alarm={
            OnAlarm.HOLD: "held, and its sender asked",
            OnAlarm.REFUSE: "refused, with the reason",
            OnAlarm.OBSERVE: "only counted: the rules are on trial here",
        }[on_alarm],
        expires=in_words(policy.expires_of([one])) if on_alarm is OnAlarm.HOLD else None,
        contact=one.contact if public else None,
        say=None if one.say is None else _without_persons(one.say, policy),
        tag=None if one.tag is None else _without_persons(one.tag, policy),
        topics=tuple(_without_persons(each, policy) for each in one.topics),
        strays=tuple(
            (tuple(_without_persons(each, policy) for each in rule.subject_has), _named(rule.use, policy))
            for rule in one.wrong_if
        ),
        asks_words=policy.wrong_topic_of(one) is WrongTopic.HOLD,
    )


def _named_together(lists: list[MailingList], policy: Policy) -> Iterator[tuple[MailingList, MailingList]]:
    """Lists of which the site or a file of theirs names both: of a thousand, not every pair is looked at."""
    named = {frozenset((one.id, other)) for one in lists for other in one.crosspost_with}
    return _couples(lists, named | policy.pairs)


def _couples(lists: list[MailingList], pairs: Collection[frozenset[str]]) -> Iterator[tuple[MailingList, MailingList]]:
    """The lists of `pairs` of ids, in the order of `lists`."""
    places = {each.id: place for place, each in enumerate(lists)}
    found = {tuple(sorted(places[each] for each in pair)) for pair in pairs if pair <= places.keys()}
    return ((lists[couple[0]], lists[couple[1]]) for couple in sorted(found) if len(couple) == 2)


def _posters(one: MailingList) -> int:
    """How many accounts may post. One that is named by an address has it as its login and as its mailbox."""
    addresses = {name: parse_address(name) for name in one.posters}
    return len({name if address is None else address.normal for name, address in addresses.items()})


def _exempted(lists: list[MailingList], policy: Policy, now: datetime) -> list[Exempted]:
    """Exceptions that both sides have; the earlier of two ends counts."""
    ends = {(one.id, other): until for one in lists for other, until, agreed in exceptions(one, policy, now) if agreed}
    found = []
    for one, other in _couples(lists, {frozenset(pair) for pair in ends}):
        both = [ends[pair] for pair in ((one.id, other.id), (other.id, one.id)) if pair in ends]
        if both and not policy.allowed((one, other)):
            reasons = [
                entry.reason
                for each, partner in ((one, other), (other, one))
                for entry in each.exemptions
                if partner.id in entry.crosspost_with and entry.until.isoformat() in both
            ]
            words = tuple(dict.fromkeys(_without_persons(each, policy) for each in reasons))
            found.append(Exempted((one.id, other.id), min(both), words))
    return found


def _without_persons(text: str, policy: Policy) -> str:
    """`text` without the addresses of persons: an admin writes one in passing, and the page is for everybody."""

    def shown(match: re.Match[str]) -> str:
        address = parse_address(match[0])
        return match[0] if address is not None and _is_shown(address, policy) else _NOT_SHOWN

    return _ADDRESS.sub(shown, text)


def _named(list_id: str, policy: Policy) -> str:
    """`list_id`, or "" for a closed list."""
    return "" if policy.by_id[list_id].is_closed else list_id


def _is_shown(address: Address, policy: Policy) -> bool:
    """True for the address of a list, a role or a desk; a closed list is not named."""
    found = policy.list_of(address)
    return policy.kind(address) in _PUBLIC_KINDS and not (found is not None and found.is_closed)


def _is_public(desk: str, policy: Policy, settings: Settings) -> bool:
    """False for a desk that is at the same time the mailbox of an account, that is, of a person."""
    return desk not in {each.mailbox.normal for each in settings.accounts.values() if each.mailbox is not None}


@cache
def _environment() -> Environment:
    folder = files("smtpguard.rules_page") / "templates"
    return Environment(
        loader=DictLoader({name: (folder / name).read_text("utf-8") for name in PAGES.values()}),
        undefined=StrictUndefined,
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
