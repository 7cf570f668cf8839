"""An archive replayed in order of time, with the memory of `serve` (`remember: lists`): every post that goes out is
kept, in a real database under real week keys, and known when the next one is judged.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from hashlib import blake2b
from pathlib import Path

from smtpguard.checks.repeated_post import OWN_WORDS_MIN, SIMILARITY_MIN
from smtpguard.examination import examine
from smtpguard.fingerprints import words_of
from smtpguard.keys import KeyFolder
from smtpguard.lists import MailingList
from smtpguard.mail.address import Address
from smtpguard.mail.message import Message, Passage, Submission, Voice
from smtpguard.policy import Policy
from smtpguard.recollection import Recollection
from smtpguard.store.memory import SQLiteMemory
from smtpguard.verdict import Action, Verdict
from tests.corpus.archives import Post

# Housekeeping forgets every ten minutes; here it does so when this time has gone by in the archive.
FORGET_EVERY = timedelta(days=1)
# Into so many lists each list is divided, so that its authors write to several in a week.
PARTS = 8
# Re-posts: what has so many own words is sent again so much later.
LONG_WORDS = 40
AGAIN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Mail:
    """A post, and what a door and the reading of `serve` make of it."""

    post: Post
    submission: Submission

    @property
    def names_several(self) -> bool:
        """True if To and Cc name two or more lists."""
        return len(self.post.named) > 1

    @property
    def names_its_list(self) -> bool:
        """True for the normal case: To and Cc name the list that the post came by, and no other."""
        return self.post.named == {self.post.came_by.id}


@dataclass(frozen=True, slots=True)
class Replay:
    """What was decided, by the post's id; `unanswered` counts mails for which the memory did not answer in time."""

    verdicts: Mapping[str, Verdict]
    unanswered: int


async def replay(mails: Sequence[Mail], policy: Policy, folder: Path, *, answer_send: bool = False) -> Replay:
    """Submit `mails`, which have dates, one after the other. What is held stays unsent, or, with `answer_send`, is sent
    by its sender's SEND at once, as their authors did send all of these."""
    now = mails[0].submission.arrived

    def clock() -> datetime:
        return now

    store = await SQLiteMemory.open(folder / "memory.sqlite3", clock)
    keys, poster_keys = KeyFolder(folder / "keys", "memory"), KeyFolder(folder / "keys", "posted")
    recollection = Recollection(store, keys, poster_keys, lambda: policy, clock=clock)
    verdicts = {}
    unanswered = 0
    forgotten = now
    for mail in mails:
        now = mail.submission.arrived
        if now - forgotten > FORGET_EVERY:
            await recollection.settle()
            await recollection.forget()
            forgotten = now
        recalled = await recollection.recall(mail.submission, policy)
        unanswered += not recalled.complete
        verdict = verdicts[mail.post.id] = examine(mail.submission, policy, recalled.evidence)
        if verdict.action is Action.PASS or answer_send:
            recollection.keep(recalled)
    await recollection.close()
    return Replay(verdicts, unanswered)


def with_parts(policy: Policy, parts: int = PARTS) -> Policy:
    """`policy` with `parts` lists, berlin-1@ and so on, in the place of each."""
    lists = tuple(_part(each, number) for each in policy.lists for number in range(parts))
    return replace(policy, lists=lists)


def to_part(mail: Mail, parts: int = PARTS) -> Mail:
    """A mail that names one list, to one of the `parts` of it; which one, its thread decides."""
    number = int.from_bytes(blake2b(mail.post.thread.encode(), digest_size=2).digest()) % parts
    return _sent_to(_part(mail.post.came_by, number), mail, mail.submission.message)


def sent_again(mails: Iterable[Mail], count: int, edit: Callable[[list[str]], list[str]], seed: int) -> list[Mail]:
    """For `count` of `mails`, drawn with `seed`: the same new text, edited, an hour later, to the list of another."""
    chosen = random.Random(seed)
    pool = [each for each in mails if len(words_of(each.submission.message.own_text)) >= LONG_WORDS]
    again = []
    for mail in chosen.sample(pool, min(count, len(pool))):
        others = [each.post.came_by for each in pool if each.post.came_by != mail.post.came_by]
        text = " ".join(edit(words_of(mail.submission.message.own_text)))
        message = replace(
            mail.submission.message, message_id=None, references=(), passages=(Passage(Voice.OWN, text),), subject=""
        )
        copy = _sent_to(chosen.choice(others), mail, message)
        submission = replace(copy.submission, arrived=copy.submission.arrived + AGAIN_AFTER)
        again.append(Mail(replace(copy.post, id=f"{copy.post.id} again"), submission))
    return again


def _part(whole: MailingList, number: int) -> MailingList:
    address = Address(f"{whole.address.local_part}-{number}", whole.address.domain)
    return replace(whole, id=f"{whole.id}-{number}", address=address, aliases=())


def _sent_to(other: MailingList, mail: Mail, message: Message) -> Mail:
    message = replace(message, destinations=(other.address,))
    post = replace(mail.post, named=frozenset((other.id,)), came_by=other)
    return Mail(post, replace(mail.submission, recipients=(other.address,), message=message))


def sent_one_by_one(mails: Iterable[Mail], window: timedelta) -> dict[str, bool]:
    """Posts whose author had posted to another list within `window`: true if he had sent nearly the same new text.

    A second telling of 12-12, on the words themselves: no fingerprints, no memory, every post counts as sent.
    """
    by_author: dict[str, list[Mail]] = defaultdict(list)
    found = {}
    for mail in mails:
        words = words_of(mail.submission.message.own_text)
        since = mail.submission.arrived - window
        earlier = [each for each in by_author[mail.post.login] if each.submission.arrived >= since]
        elsewhere = [each for each in earlier if _lists(mail) - _lists(each) and _lists(each) - _lists(mail)]
        if elsewhere:
            found[mail.post.id] = len(words) >= OWN_WORDS_MIN and any(_is_like(words, each) for each in elsewhere)
        by_author[mail.post.login] = [*earlier, mail]
    return found


def _lists(mail: Mail) -> frozenset[str]:
    return mail.post.named | {mail.post.came_by.id}


def _is_like(words: Sequence[str], earlier: Mail) -> bool:
    """True if most of `words` stand in the earlier text, in the same order."""
    others = words_of(earlier.submission.message.own_text)
    if (Counter(words) & Counter(others)).total() < SIMILARITY_MIN * len(words):
        return False
    blocks = SequenceMatcher(None, words, others, autojunk=False).get_matching_blocks()
    return sum(each.size for each in blocks) >= SIMILARITY_MIN * len(words)
