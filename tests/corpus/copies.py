"""How well pasted private text is known again, and how often ordinary posts are taken for it.

Run: SMTPGUARD_CORPORA=DIR python tests/corpus/copies.py [SEED]
Measured on list archives that are not part of the project (README.md), whose posts stand in for private mail. Prints
figures only. Another SEED splits the archives in another way.
"""

from __future__ import annotations

import os
import random
import sys
import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from smtpguard.copying import RUN_MIN, Copier, hits, runs, stock_words
from smtpguard.mail.message import Voice
from smtpguard.mail.parsing import parse_message
from smtpguard.mail.subjects import base_subject
from smtpguard.prose import Prose, ProseReader
from smtpguard.stock import phrases
from smtpguard.tools.replay.posts import as_submitted
from tests.corpus.archives import when_of
from tests.corpus.boilerplate import BLOCKS
from tests.corpus.forwards import Label, labels, members
from tests.corpus.intervals import per_thousand, percent
from tests.corpus.pastes import AMOUNTS, DISGUISES, mail_of, pieces

KEY = bytes(range(32))
# Of all threads: private, public, and those that are judged.
PRIVATE, PUBLIC = 0.3, 0.35
BOILERPLATE = 0.3
# Newsletters stand for no private mail.
BULK = ("subscribe", "newsletter")
QUOTES_PUBLIC = 0.25
PASTED_MAX = 300
DRAWS = 40
ONE_IN = (5, 20, 200)


@dataclass(slots=True)
class Post:
    """One post, parsed; `texts` are those of its passages."""

    id: str
    thread: str
    author: str
    when: float
    passages: list[tuple[Voice, str]] = field(repr=False)

    def texts(self, *voices: Voice) -> list[str]:
        return [text for voice, text in self.passages if not voices or voice in voices]


def posts(folder: Path) -> list[Post]:
    """Every post once, the oldest first; those of one thread, subject or text have the same `thread`."""
    octets = members(folder)
    thread_of = _Threads()
    found: dict[str, tuple[Label, Post]] = {}
    for label in labels(folder):
        message = parse_message(as_submitted(octets[label["file"]]))
        name = label["message_id"] or label["id"]
        when = when_of(label["date"])
        author = message.authors[0].normal if message.authors else label["from_"]
        passages = [(each.voice, each.text) for each in message.passages]
        post = Post(name, label["thread"], author, when.timestamp() if when else 0.0, passages)
        found.setdefault(name, (label, post))
        own = " ".join(message.own_text.split())
        for key in (label["id"], label["thread"], f"s {base_subject(message.subject)}", f"m {name}", f"t {own}"):
            if key not in ("s ", "t "):
                thread_of.join(f"m {name}", key)
    for _, post in found.values():
        post.thread = thread_of.root(f"m {post.id}")
    return sorted((post for _, post in found.values()), key=lambda each: (each.when, each.id))


class _Threads:
    """Keys that were joined have one root."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def root(self, key: str) -> str:
        while (above := self._above.setdefault(key, key)) != key:
            self._above[key] = self._above.setdefault(above, above)
            key = above
        return key

    def join(self, one: str, other: str) -> None:
        self._above[self.root(one)] = self.root(other)


class Memory:
    """What is remembered: of each fingerprint the private messages it is in, and whether a list post has it.

    One key for all: whoever took no part in a private message is never asked about it, as with keys of their own.
    """

    def __init__(self, reader: ProseReader, stock: frozenset[bytes]) -> None:
        self.reader = reader
        self.stock = stock
        self.copier = Copier(KEY)
        self.private: dict[int, tuple[int, ...]] = {}
        self.public: set[int] = set()
        self.messages: list[Post] = []
        self.kept = 0

    def keep(self, post: Post, texts: Iterable[str]) -> None:
        """A private message."""
        number = len(self.messages)
        self.messages.append(post)
        made: set[int] = set()
        for text in texts:
            made.update(self.copier.kept(self.reader.read(text, stored=True), self.stock))
        self.kept += len(made)
        for each in made:
            self.private[each] = (*self.private.get(each, ()), number)

    def publish(self, texts: Iterable[str]) -> None:
        """A list post."""
        for text in texts:
            prose = self.reader.read(text)
            made = self.copier.fingerprints(prose)
            self.public.update(made[place] for place in prose.places)

    def passages(self, texts: Iterable[str]) -> list[Judged]:
        """The passages of a text that somebody sends, with all that private messages have of them."""
        found = []
        for text in texts:
            prose = self.reader.read(text)
            made = self.copier.fingerprints(prose)
            places = {place: self.private[made[place]] for place in hits(made, self.private)}
            if places:
                found.append(Judged(prose, made, places))
        return found

    def longest(self, passages: Iterable[Judged], author: str, received: Callable[[int], bool]) -> int:
        """How many words of one private message that `author` wrote or received lie together."""
        best = 0
        for each in passages:
            found = {}
            for place, numbers in each.places.items():
                mine = [one for one in numbers if received(one) or self.messages[one].author == author]
                own = any(self.messages[one].author == author for one in mine)
                threads = {self.messages[one].thread for one in mine}
                if not own and len(threads) == 1 and each.made[place] not in self.public:
                    found[place] = mine
            if found:
                by_message = runs(found, stock_words(each.prose, self.stock))
                best = max([best, *(run.words for run in by_message.values())])
        return best


@dataclass(frozen=True, slots=True)
class Judged:
    """A passage, its fingerprints, and the private messages that have a place's shingle."""

    prose: Prose
    made: array[int]
    places: dict[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Material:
    """The halves of an archive."""

    private: list[Post]
    public: list[Post]
    judged: list[Post]


def halves(found: Sequence[Post], chosen: random.Random) -> Material:
    """Threads are private or not; of the others the earlier posts are known as public, the later ones are judged."""
    threads = sorted({each.thread for each in found})
    bulk = {each.thread for each in found if any(mark in text.lower() for text in each.texts() for mark in BULK)}
    private = set(chosen.sample(threads, round(PRIVATE * len(threads)))) - bulk
    others = [each for each in found if each.thread not in private]
    cut = round(len(others) * PUBLIC / (1 - PRIVATE))
    return Material([each for each in found if each.thread in private], others[:cut], others[cut:])


def remember(material: Material, memory: Memory, chosen: random.Random) -> dict[int, str]:
    """Keep all private messages, some with boilerplate, some with a paragraph of a public post; returns these."""
    for post in material.public:
        memory.publish(post.texts())
    texts_of = (text for post in material.public for text in post.texts(Voice.OWN))
    paragraphs = [each for text in texts_of for each in pieces(text)["paragraph"]]
    quoted: dict[int, str] = {}
    for post in material.private:
        texts = post.texts(Voice.OWN, Voice.QUOTED, Voice.FORWARDED)
        if paragraphs and chosen.random() < QUOTES_PUBLIC:
            quoted[len(memory.messages)] = chosen.choice(paragraphs)
            texts.append(quoted[len(memory.messages)])
        memory.keep(post, with_boilerplate(texts, chosen))
    return quoted


def with_boilerplate(texts: Sequence[str], chosen: random.Random) -> list[str]:
    """Some of the texts with one or two blocks that many mails have."""
    if chosen.random() >= BOILERPLATE or not texts:
        return list(texts)
    blocks = chosen.sample(BLOCKS, chosen.choice((1, 2)))
    return [*texts[:-1], "\n\n".join((texts[-1], *blocks))]


def recall(memory: Memory, material: Material, chosen: random.Random) -> None:
    """Pastes of several sizes, in several disguises, below another post, by somebody who received the message."""
    hosts = material.judged
    texts_of = (text for post in hosts[:400] for text in post.texts(Voice.OWN))
    vocabulary = [word for text in texts_of for word in text.split() if word.isalpha()]
    found: dict[str, dict[str, Counter[bool]]] = {each: defaultdict(Counter) for each in DISGUISES}
    sizes: dict[str, list[int]] = defaultdict(list)
    order = list(range(len(memory.messages)))
    chosen.shuffle(order)
    pasted = 0
    for number in order:
        private = memory.messages[number]
        by_amount = pieces("\n\n".join(private.texts(Voice.OWN)))
        if not by_amount["whole"]:
            continue
        pasted += 1
        if pasted > PASTED_MAX:
            break
        for amount in AMOUNTS:
            if not by_amount[amount]:
                continue
            piece = chosen.choice(by_amount[amount])
            sizes[amount].append(len(piece.split()))
            for disguise, disguised in DISGUISES.items():
                host = chosen.choice(hosts)
                mail = mail_of(host.texts(), disguised(piece, chosen, vocabulary), html=disguise == "HTML")
                texts = [each.text for each in parse_message(mail).passages]
                longest = memory.longest(memory.passages(texts), "", number.__eq__)
                found[disguise][amount][longest >= RUN_MIN] += 1
    medians = {each: sorted(sizes[each])[len(sizes[each]) // 2] for each in AMOUNTS if sizes[each]}
    print("pasted, median words: " + ", ".join(f"{each} {median}" for each, median in medians.items()))
    for disguise, by_amount_found in found.items():
        print(f"{disguise}:")
        for amount in AMOUNTS:
            counts = by_amount_found[amount]
            print(f"  {amount:<14}{percent(counts[True], counts.total())}")


def flags(memory: Memory, judged: Sequence[list[str]], authors: Sequence[str], chosen: random.Random) -> None:
    """Ordinary posts that are taken for copies, by how much private mail their author has."""
    all_passages = [(memory.passages(texts), author) for texts, author in zip(judged, authors, strict=True)]
    total = len(judged)
    flagged = sum(_is_flagged(memory, passages, author, lambda one: True) for passages, author in all_passages)
    print(f"  of every message      {per_thousand(flagged, total)}")
    for one_in in ONE_IN:
        count = 0
        for _ in range(DRAWS):
            mine = {one for one in range(len(memory.messages)) if chosen.randrange(one_in) == 0}
            count += sum(_is_flagged(memory, passages, author, mine.__contains__) for passages, author in all_passages)
        mean = count / DRAWS
        # Draws are not independent samples of posts: the interval is that of the mean rounded up.
        rate = f"{1000 * mean / total:.2f} in 1,000"
        print(f"  of 1 in {one_in:<13} {rate}; rounded up {per_thousand(-(-count // DRAWS), total)}")


def _is_flagged(memory: Memory, passages: list[Judged], author: str, received: Callable[[int], bool]) -> bool:
    return bool(passages) and memory.longest(passages, author, received) >= RUN_MIN


def main() -> None:
    """Print the figures."""
    root = os.environ.get("SMTPGUARD_CORPORA")
    if not root:
        print("SMTPGUARD_CORPORA is not set: nothing measured")
        return
    began = time.process_time()
    chosen = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    material = halves(posts(Path(root) / "lists"), chosen)
    if not material.judged:
        print("no list posts there: nothing measured")
        return
    reader = ProseReader()
    stock = reader.phrases(phrases())
    memory = Memory(reader, stock)
    quoted = remember(material, memory, chosen)
    print(f"{len(material.private)} private messages, {memory.kept / len(material.private):.0f} fingerprints each, "
          f"{len(material.public)} public posts, {len(material.judged)} judged")  # fmt: skip
    recall(memory, material, chosen)
    authors = [each.author for each in material.judged]
    with_blocks = [with_boilerplate(each.texts(), chosen) for each in material.judged]
    print("ordinary posts, flagged for who received")
    flags(memory, with_blocks, authors, chosen)
    print("the same, no stock phrases known")
    memory.stock = frozenset()
    flags(memory, with_blocks, authors, chosen)
    memory.stock = stock
    print("posts that quote a public post which a private message quotes too")
    hosts = [chosen.choice(material.judged) for _ in quoted]
    flags(memory, [[*host.texts(), text] for host, text in zip(hosts, quoted.values(), strict=True)],
          [each.author for each in hosts], chosen)  # fmt: skip
    print(f"{time.process_time() - began:.0f} s of CPU")


if __name__ == "__main__":
    main()
