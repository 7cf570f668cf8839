"""How rule 11 decides about real list posts, measured on archives that are not part of the project (README.md).

Run: SMTPGUARD_CORPORA=DIR python tests/corpus/disclosures.py [--posts]
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from smtpguard.fingerprints import words_of
from smtpguard.mail.message import Voice
from smtpguard.verdict import RULE_BOTH, Verdict
from tests.corpus.archives import archives
from tests.corpus.crossposts import read, rows_of, show
from tests.corpus.forwards import Label, labels
from tests.corpus.intervals import per_thousand, percent
from tests.corpus.remembering import Archive, divided, known_answers, replayed, with_private
from tests.corpus.replays import Mail

FORWARDS = ("inline-forward", "attached-forward")
# Rows of both rules that hold a forward which cannot be read.
UNREADABLE = frozenset(("90-07", "90-11"))
# So much of the threads is private mail in the second replay, as in copies.py.
PRIVATE = 0.3
# A second telling of what is known, on the words themselves. A quote is from an earlier mail if half of its windows of
# so many words stand in one; less than a sentence tells nothing. A copy has more words in a row of a private mail.
QUOTE_WINDOW = 5
QUOTE_WORDS_MIN = 12
QUOTE_SHARE_MIN = 0.5
COPY_WORDS = 8


@dataclass(frozen=True, slots=True)
class Judged:
    """A mail, and what was decided.

    `quotes_unseen` is true if it quotes what stands in no earlier mail of the archive, `copies` if it has words of an
    earlier private mail of somebody else that no post had, and `got` if its author was among those who got that mail.
    """

    mail: Mail
    is_post: bool
    verdict: Verdict
    quotes_unseen: bool
    copies: bool
    got: bool

    @property
    def rows(self) -> frozenset[str]:
        return rows_of(self.verdict, 11) | rows_of(self.verdict, RULE_BOTH) & UNREADABLE

    @property
    def says_forward(self) -> bool:
        return self.mail.submission.message.says_forward


def judged(archive: Archive, verdicts: Mapping[str, Verdict]) -> list[Judged]:
    """Each mail with its verdict, in order of time."""
    seen: set[int] = set()
    public: set[int] = set()
    written_by: dict[int, str] = {}
    got_by: dict[int, set[str]] = defaultdict(set)
    done = []
    for mail in archive.mails:
        passages = mail.submission.message.passages
        windows = [_windows(each.text, QUOTE_WINDOW) for each in passages]
        quotes = [
            made
            for each, made in zip(passages, windows, strict=True)
            if each.voice in (Voice.QUOTED, Voice.FORWARDED) and each.words >= QUOTE_WORDS_MIN and made
        ]
        unseen = any(len(made & seen) < QUOTE_SHARE_MIN * len(made) for made in quotes)
        runs = set[int]().union(*(_windows(each.text, COPY_WORDS) for each in passages))
        login = mail.post.login
        copied = {each for each in runs - public if written_by.get(each, login) != login}
        got = any(login in got_by[each] for each in copied)
        is_post = archive.is_post(mail)
        done.append(Judged(mail, is_post, verdicts[mail.post.id], unseen, bool(copied), got))
        seen.update(*windows)
        if is_post:
            public |= runs
        else:
            readers = {each.normal for each in mail.submission.recipients}
            for each in runs:
                written_by.setdefault(each, login)
                got_by[each] |= readers
    return done


def _windows(text: str, size: int) -> set[int]:
    words = words_of(text)
    return {hash(tuple(words[each : each + size])) for each in range(len(words) - size + 1)}


def tell(title: str, posts: Sequence[Judged], *, rare: bool = True) -> None:
    """How many are held by rule 11, and by which rows."""
    held = [each for each in posts if each.rows]
    print(f"{title}: {(per_thousand if rare else percent)(len(held), len(posts))}")
    by_row: dict[str, list[Judged]] = defaultdict(list)
    for each in held:
        for row in each.rows:
            by_row[row].append(each)
    for row, those in sorted(by_row.items()):
        unseen = sum(each.quotes_unseen for each in those)
        print(f"    {row}: {len(those)}" + (f", quoting what no earlier mail has: {unseen}" if unseen else ""))
        show([each.mail.post.id for each in those])


def tell_forwards(title: str, posts: Sequence[Judged]) -> None:
    """By which row forwards are held, and why the others pass."""
    tell(title, posts, rare=False)
    passed: dict[str, list[str]] = defaultdict(list)
    for each in posts:
        if not each.rows:
            passed[each.verdict.decided_by].append(each.mail.post.id)
    for row, ids in sorted(passed.items()):
        print(f"    not held by rule 11, decided by {row}: {len(ids)}")
        show(ids)


def measure_posts(by_archive: Mapping[int, Sequence[Judged]], found: Mapping[str, Label]) -> None:
    """Posts that pass nothing on, and posts that do."""
    posts = [each for those in by_archive.values() for each in those]
    for number, those in by_archive.items():
        tell(f"  archive {number:2}", [each for each in those if not _is_forward(each, found)])
    plain = [each for each in posts if not _is_forward(each, found)]
    tell("all posts that are no forwards, held by rule 11", plain)
    tell("  those that quote nothing but earlier posts", [each for each in plain if not each.quotes_unseen])
    marked = [each for each in posts if _is_marked(each, found)]
    tell_forwards("posts that the labels mark as forwards, held by rule 11", marked)
    others = [each for each in posts if each.says_forward and each not in marked]
    tell_forwards("others in which smtpguard sees a forward, held by rule 11", others)


def _is_marked(each: Judged, found: Mapping[str, Label]) -> bool:
    label = found[each.mail.post.id]
    return label["kind"] in FORWARDS or label["subject_fwd"]


def _is_forward(each: Judged, found: Mapping[str, Label]) -> bool:
    return each.says_forward or _is_marked(each, found)


async def _judged(archive: Archive) -> list[Judged]:
    with tempfile.TemporaryDirectory() as folder:
        return judged(archive, await replayed(archive, Path(folder)))


async def measure_private(all_archives: Sequence[Archive], found: Mapping[str, Label]) -> None:
    """The same where a part of the threads was private mail between those who took part in them."""
    chosen = random.Random(5)
    done: list[Judged] = []
    for archive in all_archives:
        threads = sorted({each.post.thread for each in archive.mails})
        private = frozenset(chosen.sample(threads, round(PRIVATE * len(threads))))
        done += await _judged(with_private(archive, private))
    posts = [each for each in done if each.is_post and not _is_forward(each, found)]
    mails = [each for each in done if not each.is_post]
    print(f"the same, three tenths of all threads private: {len(mails)} mails to persons, {len(posts)} posts")
    tell("  posts that copy nothing of a private mail, held by rule 11", [each for each in posts if not each.copies])
    tell("    those that quote nothing but earlier mails",
         [each for each in posts if not each.copies and not each.quotes_unseen])  # fmt: skip
    tell("  posts with words of a private mail that their author got, held by rule 11",
         [each for each in posts if each.got], rare=False)  # fmt: skip
    tell("  posts with words of a private mail that their author never got, held by rule 11",
         [each for each in posts if each.copies and not each.got], rare=False)  # fmt: skip
    tell("  mails to persons, held by rule 11", mails, rare=False)


async def measure(root: Path) -> None:
    """All figures for the set `lists`."""
    found = archives(root / "lists")
    if not found.posts:
        print("no list posts there: nothing measured")
        return
    by_id = {each["id"]: each for each in labels(root / "lists")}
    all_archives = divided(await read(found), found.policy, by_id)
    posts = sum(len(each.mails) for each in all_archives)
    print(f"{len(all_archives)} archives replayed one by one, {posts} posts with a date, `remember: all`")
    there, answers = (sum(each) for each in zip(*(known_answers(each, by_id) for each in all_archives), strict=True))
    print(f"answers to a mail that the archive has: {percent(there, answers)}")
    measure_posts({each.number: await _judged(each) for each in all_archives}, by_id)
    await measure_private(all_archives, by_id)


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
