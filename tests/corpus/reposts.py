"""How well re-posts are known again (12-12), measured on list archives that are not part of the project (README.md).

Run: SMTPGUARD_CORPORA=DIR python tests/corpus/reposts.py [--pairs]
Prints figures only; with --pairs also the ids of posts taken for re-posts of others. No text of a mail is printed.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from smtpguard.checks.repeated_post import OWN_WORDS_MIN, SIMILARITY_MIN
from smtpguard.fingerprints import Fingerprinter, share, to_octets, words_of
from smtpguard.mail.parsing import parse_message
from smtpguard.tools.replay.posts import as_submitted
from tests.corpus.archives import when_of
from tests.corpus.forwards import labels, members
from tests.corpus.intervals import per_thousand, percent

WINDOW = timedelta(days=7)
CHANGED = 0.1
LONG_WORDS = 40
UNRELATED_PAIRS = 400_000
KEY = bytes(range(32))


@dataclass(frozen=True, slots=True)
class Post:
    """One post: who, where, when, and its own new text."""

    id: str
    author: str
    list_name: str
    message_id: str | None
    when: datetime | None
    words: list[str]
    windows: Sequence[int]
    stored: bytes


def posts(folder: Path) -> list[Post]:
    """Every post with an own text of OWN_WORDS_MIN words, each Message-ID of a list once."""
    fingerprinter = Fingerprinter(KEY)
    octets = members(folder)
    found: dict[tuple[str, object], Post] = {}
    for label in labels(folder):
        message = parse_message(as_submitted(octets[label["file"]]))
        words = words_of(message.own_text)
        if len(words) < OWN_WORDS_MIN or not message.authors:
            continue
        windows = fingerprinter.windows(words)
        name = str(label["list_id"] or label["list"])
        post = Post(label["id"], message.authors[0].normal, name, message.message_id, when_of(label["date"]), words,
                    windows, to_octets(windows))  # fmt: skip
        found[name, message.message_id or label["id"]] = post
    return list(found.values())


def edited(chosen: random.Random, words: list[str], vocabulary: list[str]) -> list[str]:
    """`words` with CHANGED of them, at random, replaced by others of the archives."""
    out = list(words)
    for place in chosen.sample(range(len(words)), round(len(words) * CHANGED)):
        out[place] = chosen.choice(vocabulary)
    return out


def recall(found: list[Post]) -> None:
    """Re-posts with some words changed, by length."""
    chosen = random.Random(1)
    vocabulary = [word for each in found for word in each.words[:50]]
    fingerprinter = Fingerprinter(KEY)
    for low, high in ((OWN_WORDS_MIN, LONG_WORDS), (LONG_WORDS, 60), (60, 150), (150, 10_000), (LONG_WORDS, 10_000)):
        chosen_posts = [each for each in found if low <= len(each.words) < high]
        known = sum(
            share(fingerprinter.windows(edited(chosen, each.words, vocabulary)), each.stored) >= SIMILARITY_MIN
            for each in chosen_posts
        )
        if chosen_posts:
            print(f"re-posts, 10 % of words changed, {low:3} to {high:5} words: "
                  f"{percent(known, len(chosen_posts))}")  # fmt: skip


def unrelated(found: list[Post]) -> None:
    """Pairs of posts of different authors, drawn at random."""
    chosen = random.Random(2)
    alike: set[tuple[str, str]] = set()
    pairs = 0
    while pairs < UNRELATED_PAIRS:
        one, other = chosen.choice(found), chosen.choice(found)
        if one.author == other.author or one.message_id == other.message_id:
            continue
        pairs += 1
        if share(one.windows, other.stored) >= SIMILARITY_MIN:
            alike.add((one.id, other.id))
    print(f"posts of two authors taken for one: {len(alike)} of {pairs} pairs ({100 * len(alike) / pairs:.4f} %)")
    _tell(alike)


def same_author(found: list[Post]) -> None:
    """Every pair of posts of one author within the window: what 12-12 compares, whatever their lists."""
    by_author: dict[str, list[Post]] = defaultdict(list)
    for each in sorted((each for each in found if each.when), key=lambda each: str(each.when)):
        by_author[each.author].append(each)
    pairs = compared = alike = 0
    crossing: set[tuple[str, str]] = set()
    for of_author in by_author.values():
        for number, new in enumerate(of_author):
            compared += 1
            for earlier in of_author[:number]:
                if new.when is None or earlier.when is None or not timedelta(0) <= new.when - earlier.when <= WINDOW:
                    continue
                if new.message_id == earlier.message_id:
                    continue  # a true cross-post: one mail, found by 12-02
                pairs += 1
                if share(new.windows, earlier.stored) >= SIMILARITY_MIN:
                    alike += 1
                    if new.list_name != earlier.list_name:
                        crossing.add((new.id, earlier.id))
    posts_asked = len({new for new, _ in crossing})
    print(f"posts of one author within {WINDOW.days} days: {pairs} pairs, {alike} alike")
    print(f"posts that 12-12 would ask about (alike, another list): {per_thousand(posts_asked, compared)}")
    _tell(crossing)


def _tell(pairs: set[tuple[str, str]]) -> None:
    if "--pairs" in sys.argv[1:]:
        for one, other in sorted(pairs):
            print("   ", one, other)


def main() -> None:
    """Print the figures."""
    root = os.environ.get("SMTPGUARD_CORPORA")
    if not root:
        print("SMTPGUARD_CORPORA is not set: nothing measured")
        return
    began = time.process_time()
    found = posts(Path(root) / "lists")
    octets = sum(len(each.stored) for each in found) // max(1, len(found))
    print(f"{len(found)} posts with {OWN_WORDS_MIN} own words or more, {octets} octets of fingerprints each on average")
    if found:
        recall(found)
        same_author(found)
        unrelated(found)
    print(f"{time.process_time() - began:.0f} s of CPU")


if __name__ == "__main__":
    main()
