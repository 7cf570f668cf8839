"""Each list archive as a site of its own, replayed in order of time with the memory of `serve` and `remember: all`:
what a post says is judged by what its author may know, kept, and known when the next one is judged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from smtpguard.examination import examine
from smtpguard.keys import KeyFolder
from smtpguard.mail.address import Address, parse_address
from smtpguard.origins import Origins
from smtpguard.past import Past
from smtpguard.policy import Policy, Remember
from smtpguard.recollection import Recollection
from smtpguard.store.memory import SQLiteMemory
from smtpguard.verdict import Verdict
from tests.corpus.forwards import Label
from tests.corpus.replays import FORGET_EVERY, Mail

# Clocks are wrong: an answer comes at least so long after what it answers, whatever its Date says.
MOMENT = timedelta(seconds=1)
# Answers to answers are moved one after the other, and these are all; mails that answer each other end here.
ROUNDS_MAX = 50


@dataclass(frozen=True, slots=True)
class Archive:
    """The posts of one archive that have a date, in order of time, and a site that has its lists alone.

    Whoever has written a post is a member. `number` stands for the archive's name.
    """

    number: int
    mails: tuple[Mail, ...]
    policy: Policy

    def is_post(self, mail: Mail) -> bool:
        """True for a mail to a list, false for private mail (`with_private`)."""
        return bool(self.policy.lists_of(mail.submission.recipients))


def divided(mails: Iterable[Mail], policy: Policy, found: Mapping[str, Label]) -> list[Archive]:
    """The archives, by the folders of their files. A date that has not come yet is none."""
    by_name: dict[str, list[Mail]] = defaultdict(list)
    today = datetime.now(UTC)
    for each in mails:
        if each.post.when is not None and each.post.when <= today:
            by_name[each.post.id.split("/")[1]].append(each)
    return [_archive(number, by_name[name], policy, found) for number, name in enumerate(sorted(by_name), 1)]


def _archive(number: int, mails: Sequence[Mail], policy: Policy, found: Mapping[str, Label]) -> Archive:
    lists = {each.post.came_by.id: each.post.came_by for each in mails}
    written = (parse_address(each.post.login) for each in mails)
    site = replace(
        policy,
        lists=tuple(lists[each] for each in sorted(lists)),
        list_domains=frozenset(address.domain for each in lists.values() for address in each.addresses),
        member_domains=frozenset(),
        roster=frozenset(each.folded for each in written if each is not None),
        remember=Remember.ALL,
    )
    ids = {each.post.id: bare(found[each.post.id]["message_id"]) or each.post.id for each in mails}
    return Archive(number, in_order(mails, ids), site)


def in_order(mails: Sequence[Mail], message_ids: Mapping[str, str]) -> tuple[Mail, ...]:
    """By their dates, but no answer before what it answers; `message_ids` by the posts' ids."""
    arrived = {message_ids[each.post.id]: each.submission.arrived for each in mails}
    for _ in range(ROUNDS_MAX):
        before = dict(arrived)
        for mail in mails:
            own = message_ids[mail.post.id]
            answered = (arrived.get(bare(each)) for each in mail.submission.message.references if bare(each) != own)
            arrived[own] = max((arrived[own], *(each + MOMENT for each in answered if each is not None)))
        if arrived == before:
            break
    moved = (
        replace(each, submission=replace(each.submission, arrived=arrived[message_ids[each.post.id]])) for each in mails
    )
    return tuple(sorted(moved, key=lambda each: each.submission.arrived))


def known_answers(archive: Archive, found: Mapping[str, Label]) -> tuple[int, int]:
    """How many answers are to a mail that the archive has, and how many answers there are."""
    there = {bare(found[each.post.id]["message_id"]) for each in archive.mails}
    answers = [each.submission.message.references for each in archive.mails if each.submission.message.references]
    return sum(bare(each[-1]) in there for each in answers), len(answers)


def bare(message_id: str | None) -> str:
    """A Message-ID without its brackets."""
    return (message_id or "").strip("<> ")


async def replayed(archive: Archive, folder: Path) -> dict[str, Verdict]:
    """What is decided about each mail, by its post's id. All is sent in the end, as all of these were: what is held, by
    its sender's SEND. The posts of all lists are known from the first one on."""
    now = archive.mails[0].submission.arrived

    def clock() -> datetime:
        return now

    def policy() -> Policy:
        return archive.policy

    store = await SQLiteMemory.open(folder / "memory.sqlite3", clock)
    posted, poster, private, public = (
        KeyFolder(folder / "keys", "memory"),
        KeyFolder(folder / "keys", "posted"),
        KeyFolder(folder / "keys", "private"),
        KeyFolder(folder / "keys", "public"),
    )
    recollection = Recollection(store, posted, poster, policy, clock=clock)
    origins = Origins(store, private, public, policy, is_post=recollection.is_post, clock=clock)
    past = Past(recollection, origins, policy, clock)
    verdicts = {}
    forgotten = now
    for mail in archive.mails:
        now = mail.submission.arrived
        if now - forgotten > FORGET_EVERY:
            await recollection.forget()
            await origins.forget()
            forgotten = now
        known = await past.recall(mail.submission, archive.policy)
        assert known.complete  # else the figures would be too good
        verdicts[mail.post.id] = examine(mail.submission, archive.policy, known.evidence)
        past.keep(mail.submission, archive.policy, known)
        await past.settle()
    await past.close()
    return verdicts


def with_private(archive: Archive, threads: Collection[str]) -> Archive:
    """The same, with mails of `threads` to persons: to whom their header names beside the lists, and to others who took
    part in the thread. Mails with nobody else to go to are left out."""
    authors: dict[str, dict[str, None]] = defaultdict(dict)
    for each in archive.mails:
        authors[each.post.thread][each.post.login] = None
    mails = []
    for mail in archive.mails:
        if mail.post.thread not in threads:
            mails.append(mail)
            continue
        others = map(parse_address, authors[mail.post.thread])
        to = _persons((*mail.submission.message.destinations, *others), archive.policy, mail.post.login)
        if to:
            message = replace(mail.submission.message, destinations=to)
            mails.append(replace(mail, submission=replace(mail.submission, recipients=to, message=message)))
    return replace(archive, mails=tuple(mails))


def _persons(addresses: Iterable[Address | None], policy: Policy, login: str) -> tuple[Address, ...]:
    found = {each.folded: each for each in addresses if each is not None and policy.is_member(each)}
    return tuple(each for each in found.values() if each.normal != login)[: policy.private_max_recipients]
