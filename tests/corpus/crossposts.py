"""How rule 12 decides about real list posts, measured on archives that are not part of the project (README.md).

Run: SMTPGUARD_CORPORA=DIR python tests/corpus/crossposts.py [--posts]
Prints figures only; with --posts also the ids of the posts behind the smaller ones. No text and no name of a mail is
printed.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from smtpguard.accounts import Directory
from smtpguard.examination import examine
from smtpguard.fingerprints import words_of
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.content import WireContent
from smtpguard.mail.envelope import Envelope, parse_path
from smtpguard.policy import Policy
from smtpguard.reading import Reading
from smtpguard.verdict import Action, Verdict
from tests.corpus.archives import Archives, archives
from tests.corpus.intervals import per_thousand, percent
from tests.corpus.replays import LONG_WORDS, PARTS, Mail, replay, sent_again, sent_one_by_one, to_part, with_parts
from tests.corpus.reposts import edited

# A site whose members write to dozens of people openly, as on kernel lists, raises `visible_max` to this.
VISIBLE_MAX_RAISED = 60
# So many posts are sent again.
AGAIN = 500
# When posts without a date come in: they are judged where time plays no role.
SOME_DAY = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
# More ids than these tell nobody anything.
SHOWN_MAX = 30

Rows = Callable[[Mail], frozenset[str]]


async def read(found: Archives) -> list[Mail]:
    """Every post as a mail of its author's account to the list in whose archive it is."""
    directory = Directory(found.policy)
    reading = Reading()
    mails = []
    for post in found.posts:
        reverse_path = parse_path(f"FROM:<{post.login}>")
        recipient = parse_path(f"TO:<{post.came_by.address}>")
        assert reverse_path is not None
        assert recipient is not None
        envelope = Envelope(reverse_path, (recipient,))
        arrival = Arrival(post.id, post.login, True, envelope, WireContent(post.wire), post.when or SOME_DAY)
        submission, _ = await reading.read(arrival, found.policy, directory)
        mails.append(Mail(post, submission))
    return mails


def rows_of(verdict: Verdict, rule: int = 12) -> frozenset[str]:
    """The rows of `rule` because of which a mail does not pass."""
    if verdict.action is Action.PASS:
        return frozenset()
    return frozenset(each.id for each in verdict.findings if each.rule == rule)


def without_memory(policy: Policy, rule: int = 12) -> Rows:
    """The rows that hold a mail of which nothing is known."""
    return lambda mail: rows_of(examine(mail.submission, policy), rule)


def tell(title: str, mails: Iterable[Mail], rows: Rows, say: Callable[[int, int], str]) -> None:
    """How many of `mails` are held, and by which rows."""
    decided = [(each.post.id, rows(each)) for each in mails]
    print(f"  {title}: {say(sum(bool(found) for _, found in decided), len(decided))}")
    by_row: dict[str, list[str]] = defaultdict(list)
    for id_, found in decided:
        for row in found:
            by_row[row].append(id_)
    for row, ids in sorted(by_row.items()):
        print(f"    {row}: {len(ids)}")
        show(ids)


def show(ids: Sequence[str]) -> None:
    """With --posts, the ids."""
    if "--posts" in sys.argv[1:] and len(ids) <= SHOWN_MAX:
        for each in ids:
            print(f"      {each}")


def measure_several(mails: Sequence[Mail], policy: Policy) -> None:
    """Posts whose To and Cc name two or more lists: all must be held."""
    print("posts whose To and Cc name two or more lists")
    chosen = [each for each in mails if each.names_several]
    tell("held by rule 12", chosen, without_memory(policy), percent)
    missed = [each for each in chosen if not rows_of(examine(each.submission, policy))]
    reasons = defaultdict(list)
    for each in missed:
        reasons[examine(each.submission, policy).decided_by].append(each.post.id)
    for row, ids in sorted(reasons.items()):
        print(f"  not held, decided by {row}: {len(ids)}")
        show(ids)


def measure_single(mails: Sequence[Mail], policy: Policy) -> None:
    """Posts that name the one list that they came by: none must be held by a row that needs no memory."""
    print("posts whose To and Cc name one list, that of their archive; rows without memory")
    chosen = [each for each in mails if each.names_its_list]
    raised = replace(policy, visible_max=VISIBLE_MAX_RAISED)
    tell(f"held by rule 12, visible_max {policy.visible_max}", chosen, without_memory(policy), per_thousand)
    tell(f"held by rule 12, visible_max {raised.visible_max}", chosen, without_memory(raised), per_thousand)
    tell("held by rule 11 (forwards)", chosen, without_memory(policy, 11), per_thousand)
    print("posts that name the list of their archive, at a site that has this list alone: other lists count as persons")
    alone = {each.id: replace(policy, lists=(each,)) for each in policy.lists}
    chosen = [each for each in mails if each.post.came_by.id in each.post.named]
    for most in (policy.visible_max, VISIBLE_MAX_RAISED):
        tell(f"held by rule 12, visible_max {most}", chosen, _alone(alone, most), per_thousand)


def _alone(sites: Mapping[str, Policy], visible_max: int) -> Rows:
    def rows(mail: Mail) -> frozenset[str]:
        return rows_of(examine(mail.submission, replace(sites[mail.post.came_by.id], visible_max=visible_max)))

    return rows


def measure_others(mails: Sequence[Mail], policy: Policy) -> None:
    """Posts that came by a list that To and Cc do not name: it was in Bcc, or has an address that the labels miss."""
    print("posts whose To and Cc do not name the list of their archive, and name at most one other")
    chosen = [each for each in mails if not each.names_several and not each.names_its_list]
    tell("held by rule 12", chosen, without_memory(policy), percent)


async def measure_replayed(mails: Sequence[Mail], policy: Policy) -> None:
    """The archives in order of time: single-list posts are hardly ever held by what was before."""
    print(f"{len(mails)} posts with a date, in order of time, with memory")
    single = [each for each in mails if each.names_its_list]
    several = [each for each in mails if each.names_several]
    for title, answer_send in (("held mail is never sent", False), ("held mail is answered SEND", True)):
        verdicts = await _replayed(mails, policy, answer_send=answer_send)
        tell(f"{title}; single-list posts held by rule 12", single, _rows_in(verdicts), per_thousand)
        _tell_multiposts(single, mails, verdicts, policy)
        tell(f"{title}; posts to several lists held by rule 12", several, _rows_in(verdicts), percent)


async def measure_divided(mails: Sequence[Mail], policy: Policy) -> None:
    """Harder than life: every list is divided by its threads, so people write about the same on several lists."""
    parts = [to_part(each) for each in mails if each.names_its_list]
    print(f"{len(parts)} single-list posts in order of time, every list divided into {PARTS} by thread")
    divided = with_parts(policy)
    verdicts = await _replayed(parts, divided)
    tell("held by rule 12", parts, _rows_in(verdicts), per_thousand)
    _tell_multiposts(parts, parts, verdicts, divided)


async def measure_again(mails: Sequence[Mail], policy: Policy) -> None:
    """Posts sent again to another list with some words changed: 12-12 must hold them."""
    chosen = random.Random(3)
    single = [each for each in mails if each.names_its_list]
    vocabulary = [word for each in single for word in words_of(each.submission.message.own_text)[:50]]
    again = sent_again(single, AGAIN, lambda words: edited(chosen, words, vocabulary), seed=4)
    verdicts = await _replayed(sorted((*mails, *again), key=lambda each: each.submission.arrived), policy)
    print(f"{len(again)} single-list posts of {LONG_WORDS} own words or more, drawn at random, sent to another list an"
          " hour later with 10 % of the words changed")  # fmt: skip
    tell("held by rule 12", again, _rows_in(verdicts), percent)


async def _replayed(mails: Sequence[Mail], policy: Policy, *, answer_send: bool = False) -> Mapping[str, Verdict]:
    with tempfile.TemporaryDirectory() as folder:
        done = await replay(mails, policy, Path(folder), answer_send=answer_send)
    if done.unanswered:
        print(f"  the memory did not answer in time for {done.unanswered} posts")
    return done.verdicts


def _tell_multiposts(
    chosen: Iterable[Mail], mails: Iterable[Mail], verdicts: Mapping[str, Verdict], policy: Policy
) -> None:
    """What 12-12 held, beside a second telling of what it is about."""
    before = sent_one_by_one(mails, policy.window)
    ids = [each.post.id for each in chosen]
    held = {each for each in ids if "12-12" in rows_of(verdicts[each])}
    known = {each for each in ids if before.get(each)}
    print(f"    after a post of the author to another list within {policy.window.days} days:"
          f" {sum(each in before for each in ids)}")  # fmt: skip
    print(f"    of these with nearly the text of that post: {len(known)}; held by 12-12: {len(held & known)}")
    show(sorted(known))
    print(f"    others held by 12-12: {per_thousand(len(held - known), len(ids))}")
    show(sorted(held - known))


def _rows_in(verdicts: Mapping[str, Verdict]) -> Rows:
    return lambda mail: rows_of(verdicts[mail.post.id])


async def measure(root: Path) -> None:
    """All figures for the set `lists`."""
    found = archives(root / "lists")
    addresses = sum(len(each.addresses) for each in found.policy.lists)
    print(f"{len(found.policy.lists)} lists with {addresses} addresses, {len(found.posts)} posts; not taken:"
          f" {found.no_list} samples of no list, {found.twice} that are there twice")  # fmt: skip
    if not found.posts:
        return
    mails = await read(found)
    odd = sum({one.id for one in found.policy.lists_of(each.submission.message.destinations)} != each.post.named
              for each in mails)  # fmt: skip
    print(f"posts in whose To and Cc smtpguard sees other lists than the labels: {odd}")
    measure_several(mails, found.policy)
    measure_single(mails, found.policy)
    measure_others(mails, found.policy)
    dated = sorted((each for each in mails if each.post.when is not None), key=lambda each: each.submission.arrived)
    await measure_replayed(dated, found.policy)
    await measure_divided(dated, found.policy)
    await measure_again(dated, found.policy)


def main() -> int:
    """Print the figures; 0 also where there is nothing to measure."""
    place = os.environ.get("SMTPGUARD_CORPORA", "")
    if not place:
        print("skipped: SMTPGUARD_CORPORA is not set (see tests/corpus/README.md)")
        return 0
    began = time.process_time()
    asyncio.run(measure(Path(place)))
    print(f"{time.process_time() - began:.0f} s of CPU")
    return 0


if __name__ == "__main__":
    sys.exit(main())
