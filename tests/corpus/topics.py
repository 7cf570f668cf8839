"""How well words tell that a post goes to the wrong list (12-29), measured on list archives that are not part of the
project (README.md).

Run: SMTPGUARD_CORPORA=DIR SMTPGUARD_TOPICS=FILE python tests/corpus/topics.py [--posts]
FILE says which archive is about which field of fields.yaml. Prints figures only; with --posts also the ids of posts
that would be held although they went to the right list. No text and no name of a mail or a list is printed.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path
from zlib import crc32

import yaml

from smtpguard.checks.fitting import NEW_WORDS_MIN
from smtpguard.checks.own_words import answers, own_words
from smtpguard.checks.wrong_topic import check
from smtpguard.evidence import NOTHING_KNOWN
from smtpguard.lists import MailingList, Manager, WrongTopic
from smtpguard.mail.address import Address
from smtpguard.mail.message import Account, Message, Submission
from smtpguard.mail.parsing import parse_message
from smtpguard.mail.subjects import base_subject
from smtpguard.policy import Policy
from smtpguard.tools.replay.posts import as_submitted
from tests.corpus.forwards import Label, labels, members

FIELDS = Path(__file__).with_name("fields.yaml")
# Mail of programs passes (90-01); some bear no mark of it in an archive.
_PROGRAMS = re.compile(r"no-?reply|daemon|notification|^git$", re.IGNORECASE)
# Rules that are compared: this many topic words of another list, and none of the addressed one's.
LADDER = (2, 3, 4, 5)
# 95 %.
_DEVIATIONS = 1.959964

SOME_DAY = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Post:
    """One post to the list of a `field`, as if it began a thread; `starts` tells whether it did."""

    id: str
    field: str
    starts: bool
    half: int
    message: Message = field(repr=False)


@dataclass(slots=True)
class Tally:
    """What became of posts to their own list and to each other list."""

    posts: int = 0
    false: int = 0
    pairs: int = 0
    found: int = 0
    named_right: int = 0
    false_ids: list[str] = field(default_factory=list)


def posts(folder: Path, archives: Mapping[str, str]) -> list[Post]:
    """Posts of people with enough new words, to one list alone; each Message-ID of a field once."""
    octets = members(folder)
    found: dict[tuple[str, str], Post] = {}
    for label in labels(folder):
        name = label["list_id"] or (label["lists_addressed"] or [label["list"]])[0]
        if name in archives and not label["crosspost"] and not label["also_in_lists"]:
            post = _post(label, archives[name], octets[label["file"]])
            if post is not None:
                found.setdefault((post.field, label["message_id"] or post.id), post)
    return list(found.values())


def _post(label: Label, field_of_list: str, octets: bytes) -> Post | None:
    message = parse_message(as_submitted(octets))
    if message.automatic or any(_PROGRAMS.search(each.local_part) for each in message.authors):
        return None
    # Tags like [list] came with the list, and would give it away.
    bare = replace(message, subject=base_subject(message.subject), references=())
    if own_words(bare).count < NEW_WORDS_MIN:
        return None
    return Post(label["id"], field_of_list, not answers(message), crc32(label["thread"].encode()) & 1, bare)


def policy_of(fields: Mapping[str, Sequence[str]]) -> Policy:
    """One list for each field, which asks for 12-29."""
    return Policy(
        lists=tuple(
            MailingList(name, Address(name, "lists.example.org"), Manager.MAILMAN3, "", "", topics=tuple(words),
                        wrong_topic=WrongTopic.HOLD)
            for name, words in fields.items()
        ),
        list_domains=frozenset({"lists.example.org"}),
    )  # fmt: skip


def held_for(post: Post, addressed: MailingList, policy: Policy) -> str | None:
    """The list that 12-29 names when `post` goes to `addressed`, or None."""
    author = Account("anna", Address("anna", "example.org"))
    submission = Submission(post.id, author, (addressed.address,), post.message, SOME_DAY, 4096)
    found = (each.suggested for each in check(submission, NOTHING_KNOWN, policy) if each.id == "12-29")
    return next(found, None)


def tally(chosen: Iterable[Post], policy: Policy) -> Tally:
    """Every post to its own list, then to each of the others."""
    done = Tally()
    for post in chosen:
        done.posts += 1
        for addressed in policy.lists:
            named = held_for(post, addressed, policy)
            if addressed.id == post.field:
                done.false += named is not None
                done.false_ids += [f"{post.id} ({post.field}, named: {named})"] if named is not None else []
            else:
                done.pairs += 1
                done.found += named is not None
                done.named_right += named == post.field
    return done


def ladder(chosen: Sequence[Post], policy: Policy) -> None:
    """What other numbers of words would do."""
    false, found = Counter[int](), Counter[int]()
    for post in chosen:
        words = own_words(post.message)
        shares = policy.topics.shares(policy.topics.said(words.distinct, words.text))
        for addressed in policy.lists:
            most = 0 if addressed.id in shares else max(shares.values(), default=0)
            (false if addressed.id == post.field else found).update(each for each in LADDER if most >= each)
    pairs = len(chosen) * (len(policy.lists) - 1)
    for each in LADDER:
        row(f"with {each} words: false; found", f"{share(false[each], len(chosen))}; {share(found[each], pairs)}")


def wilson(count: float, total: int) -> tuple[float, float]:
    """The 95 % interval of Wilson (JASA 22, 1927) for `count` of `total`."""
    part, square = count / total, _DEVIATIONS**2
    middle = part + square / (2 * total)
    width = _DEVIATIONS * sqrt(part * (1 - part) / total + square / (4 * total * total))
    return max(0.0, (middle - width) / (1 + square / total)), min(1.0, (middle + width) / (1 + square / total))


def share(count: int, total: int) -> str:
    return f"{100 * count / total:.2f} %" if total else "none"


def with_interval(count: int, total: int, independent: int) -> str:
    """A share of `total`, with the interval that `independent` samples of it allow: a post to seven lists is one."""
    if not total:
        return "none"
    low, high = wilson(count / total * independent, independent)
    return f"{count} of {total} = {100 * count / total:.2f} % ({100 * low:.2f} to {100 * high:.2f})"


def row(name: str, value: str) -> None:
    print(f"  {name:<44}{value}")


def measure(name: str, chosen: Sequence[Post], policy: Policy) -> None:
    """Print a block of figures."""
    if not chosen:
        return
    done = tally(chosen, policy)
    print(f"{name}: {len(policy.lists)} lists, {done.posts} posts")
    row("to the right list, held", with_interval(done.false, done.posts, done.posts))
    row("to a wrong list, held", with_interval(done.found, done.pairs, done.posts))
    row("of these, the right list is named", share(done.named_right, done.found))
    ladder(chosen, policy)
    if "--posts" in sys.argv[1:]:
        print("".join(f"    {each}\n" for each in done.false_ids), end="")


def by_field(chosen: Sequence[Post], policy: Policy) -> None:
    """Where the figures come from."""
    for addressed in policy.lists:
        of_field = [each for each in chosen if each.field == addressed.id]
        if of_field:
            done = tally(of_field, policy)
            row(f"{addressed.id}, {done.posts} posts: false; found",
                f"{share(done.false, done.posts)}; {share(done.found, done.pairs)}")  # fmt: skip


def main() -> int:
    """Print the figures; 0 also where there is nothing to measure."""
    root, chosen = os.environ.get("SMTPGUARD_CORPORA"), os.environ.get("SMTPGUARD_TOPICS")
    if not root or not chosen:
        print("skipped: SMTPGUARD_CORPORA or SMTPGUARD_TOPICS is not set (see tests/corpus/README.md)")
        return 0
    fields = yaml.safe_load(FIELDS.read_text("utf-8"))
    archives = yaml.safe_load(Path(chosen).read_text("utf-8"))
    distinct = archives["distinct"]
    both = {**distinct, **archives.get("further", {})}
    found = posts(Path(root) / "lists", both)
    for title, names in (("distinct lists", distinct), ("all lists, close ones among them", both)):
        policy = policy_of({name: fields[name] for name in dict.fromkeys(names.values())})
        of_lists = [each for each in found if each.field in policy.by_id]
        starters = [each for each in of_lists if each.starts]
        for half, told in ((0, "half that words and rule were chosen on"), (1, "other half")):
            measure(f"{title}, thread starters, {told}", [each for each in starters if each.half == half], policy)
        measure(f"{title}, thread starters, both halves", starters, policy)
        by_field(starters, policy)
        measure(f"{title}, answers as well, read as if they began a thread", of_lists, policy)
    return 0


if __name__ == "__main__":
    sys.exit(main())
