"""Posts that a mail server has taken and that wait to be written: known already, by account and by thread.

Under load some hundred wait, and each mail to a list asks; so they are found by mark, not looked through. Their texts
are read some at a time: the next mail of the same account is seldom there before, and what reading needs is then still
in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeVar

from smtpguard.fingerprints import CHARACTERS_MAX, Fingerprinter, to_octets, words_of
from smtpguard.remembered import Poster, Question, Recollected, RememberedPost

Key = TypeVar("Key")

# Posts of one account to the same lists, or of one thread, that an answer looks at: the newest, as many as in the
# database.
LOOKED_AT_MAX = 100
# Texts that wait to be read. One after the other they take 0.05 ms each; with a whole mail between them 0.15 ms.
UNREAD_MAX = 8


class WaitingPost:
    """One post; its text is read when it is first wanted."""

    __slots__ = ("_fingerprinter", "_post", "_text", "poster")

    def __init__(self, post: RememberedPost, poster: Poster, text: str, fingerprinter: Fingerprinter) -> None:
        self.poster = poster
        self._post = post
        self._text: str | None = text[:CHARACTERS_MAX]
        self._fingerprinter = fingerprinter

    @property
    def marks(self) -> RememberedPost:
        """The post, its text perhaps not read."""
        return self._post

    @property
    def post(self) -> RememberedPost:
        """The post with its fingerprints."""
        if self._text is not None:
            words = words_of(self._text)
            windows = self._fingerprinter.windows(words)
            count = len(words) if windows else 0
            self._post = replace(self._post, words=count, fingerprints=to_octets(windows))
            self._text = None
        return self._post


class Waiting:
    """Posts in the order in which they were taken."""

    def __init__(self) -> None:
        self._posts: list[WaitingPost] = []
        self._unread: list[WaitingPost] = []
        # By account, and then by lists: another post to the same lists is nothing new.
        self._by_account: dict[bytes, dict[tuple[bytes, ...], list[WaitingPost]]] = {}
        self._by_link: dict[bytes, list[WaitingPost]] = {}
        self._by_poster: dict[bytes, list[WaitingPost]] = {}

    def __len__(self) -> int:
        return len(self._posts)

    def add(self, waiting: WaitingPost) -> None:
        """This one was taken just now."""
        self._posts.append(waiting)
        marks = waiting.marks
        self._by_account.setdefault(marks.account, {}).setdefault(marks.lists, []).append(waiting)
        for kept, mark in self._places_of(waiting):
            kept.setdefault(mark, []).append(waiting)
        self._unread.append(waiting)
        if len(self._unread) >= UNREAD_MAX:
            self._read()

    def first(self, count: int) -> Sequence[tuple[RememberedPost, Poster]]:
        """The `count` oldest."""
        self._read()
        return tuple((each.post, each.poster) for each in self._posts[:count])

    def drop(self, count: int) -> None:
        """The `count` oldest wait no longer."""
        gone = self._posts[:count]
        del self._posts[:count]
        for each in gone:
            account = each.marks.account
            _drop_first(self._by_account[account], each.marks.lists)
            if not self._by_account[account]:
                del self._by_account[account]
            for kept, mark in self._places_of(each):
                _drop_first(kept, mark)

    def joined(self, question: Question, found: Recollected) -> Recollected:
        """`found`, and what answers `question` among those that wait."""
        if not self._posts:
            return found
        # What was written a moment ago may be in both.
        written = {(each.when, each.account) for each in (*found.earlier, *found.thread)}
        earlier = (each for each in self._earlier(question) if (each.when, each.account) not in written)
        thread = (each for each in self._thread(question) if (each.when, each.account) not in written)
        return Recollected(
            (*found.earlier, *earlier),
            (*found.thread, *thread),
            (*found.posted_to, *(each.poster for each in _newest(self._by_poster, question.posters))),
        )

    def _earlier(self, question: Question) -> Iterator[RememberedPost]:
        if question.since is None:
            return
        for account in question.accounts:
            for lists, posts in self._by_account.get(account, {}).items():
                if lists not in question.same_lists:
                    yield from (each.post for each in posts[-LOOKED_AT_MAX:])

    def _thread(self, question: Question) -> Iterable[RememberedPost]:
        # A post may have several of the links; which is the oldest matters (12-18).
        linked = {id(each): each.marks for each in _newest(self._by_link, question.links)}
        return sorted(linked.values(), key=lambda each: each.when)

    def _places_of(self, each: WaitingPost) -> Iterator[tuple[dict[bytes, list[WaitingPost]], bytes]]:
        for link in each.marks.links:
            yield self._by_link, link
        yield self._by_poster, each.poster.account

    def _read(self) -> None:
        for each in self._unread:
            each.post  # noqa: B018 - reads it
        self._unread.clear()


def _drop_first(kept: dict[Key, list[WaitingPost]], key: Key) -> None:
    """Each place is in the order of all, so of those that wait there the first one is it."""
    del kept[key][0]
    if not kept[key]:
        del kept[key]


def _newest(kept: Mapping[bytes, Sequence[WaitingPost]], marks: Iterable[bytes]) -> Iterable[WaitingPost]:
    """Of each mark the newest, the oldest of them first."""
    return chain.from_iterable(kept[mark][-LOOKED_AT_MAX:] for mark in marks if mark in kept)
