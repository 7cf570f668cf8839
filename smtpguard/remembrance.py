"""One mail to lists beside what is remembered: what to ask the memory, what its answer means, what to keep.

Every week has its own key, so the same account, list or text has another mark in each; here they come together. Pure:
nothing is looked up.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from smtpguard.evidence import EarlierPost, Thread
from smtpguard.fingerprints import share, words_of
from smtpguard.lists import MailingList
from smtpguard.mail.message import Account, Submission
from smtpguard.marks import Marks
from smtpguard.policy import Policy
from smtpguard.remembered import Poster, Question, RememberedPost
from smtpguard.waiting import WaitingPost

# Posts that have less in common are not worth telling: 12-12 begins at 80 %.
SHARE_MIN = 0.5


class Remembrance:
    """`submission` of `account` to the lists of its envelope, `together` the ids of all it is addressed to; `ring` and
    `poster_ring` are the marks of every week that lives, that of `week` among them."""

    def __init__(
        self,
        submission: Submission,
        account: Account,
        policy: Policy,
        together: Iterable[str],
        *,
        week: str,
        ring: Mapping[str, Marks],
        poster_ring: Mapping[str, Marks],
    ) -> None:
        self._message = submission.message
        self._now = submission.arrived
        self._account = account
        self._policy = policy
        self._lists: tuple[MailingList, ...] = policy.lists_of(submission.recipients)
        self._together = frozenset(together)
        self._week = week
        self._ring = ring
        self._poster_ring = poster_ring
        self._words: list[str] | None = None
        self._windows: dict[str, array[int]] = {}
        self._accounts = {week: each.account(account) for week, each in ring.items()}
        self._within = min((policy.burst_of(each).within for each in self._lists), default=timedelta(0))

    def question(self) -> Question:
        """What to ask the memory. Without a text nothing is alike, without references there is no thread."""
        policy, ring = self._policy, self._ring
        ids = [each.id for each in self._lists]
        has_text = bool(self._message.own_text)
        references = self._message.references
        links = tuple(link for each in ring.values() for link in each.links(references)) if references else ()
        # 12-25, and whether somebody who posted to a closed list reads it (T-13).
        asks = policy.has_closed_lists or any(policy.first_post_asks_of(each) for each in self._lists)
        return Question(
            accounts=tuple(self._accounts.values()),
            since=self._now - policy.window if has_text else None,
            same_lists=tuple(each.lists(ids) for each in ring.values()) if has_text else (),
            links=links,
            recent_since=self._now - self._within,
            thread_since=self._now - policy.thread_memory,
            posters=tuple(each.account(self._account) for each in self._poster_ring.values()) if asks else (),
        )

    def earlier(self, posts: Iterable[RememberedPost]) -> tuple[EarlierPost, ...]:
        """Those of `posts` whose text is like this one's. Some 0.05 ms for each page that is compared."""
        alike = []
        for post in posts:
            similarity = share(self._of_week(post.week), post.fingerprints) if post.fingerprints else 0.0
            if similarity >= SHARE_MIN:
                ids = self._ids(post.week, post.lists)
                alike.append(EarlierPost(ids, similarity, len(self._text_words()), post.when))
        return tuple(alike)

    def thread(self, posts: Sequence[RememberedPost]) -> Thread | None:
        """What `posts`, the oldest first, say of the thread; None if there are none."""
        if not posts:
            return None
        narrowed_to: str | None = None
        together = []
        recent = 0
        for post in posts:
            narrowed_to = self._id(post.week, post.narrowed_to) or narrowed_to
            lists = frozenset(self._ids(post.week, post.together))
            if len(lists) > 1:
                together.append(lists)
                # Whoever has chosen one list, and then confirms both, has changed his mind.
                narrowed_to = None
            if post.when > self._now - self._within and post.account == self._accounts.get(post.week):
                recent += 1
        # The first one knew most of it: each answer takes the home along from what it answers.
        return Thread(self._id(posts[0].week, posts[0].home), tuple(dict.fromkeys(together)), narrowed_to, recent)

    def posted_to(self, posters: Iterable[Poster]) -> frozenset[str]:
        """The ids of the lists that `posters` name."""
        found: set[str] = set()
        for each in posters:
            if each.week in self._poster_ring:
                found.update(self._poster_ring[each.week].ids(each.lists, self._policy.by_id))
        return frozenset(found)

    def to_keep(self, thread: Thread | None, only: str | None = None) -> WaitingPost:
        """What the memory keeps once this mail is taken; `only` is the list that an ONLY chose for it."""
        marks, poster_marks = self._ring[self._week], self._poster_ring[self._week]
        ids = tuple(each.id for each in self._lists)
        together = self._together if only is None else frozenset((only,))
        home = thread.home if thread is not None else None
        if thread is None and not self._message.references and len(together) == 1:
            home = next(iter(together))
        own = (self._message.message_id,) if self._message.message_id else ()
        post = RememberedPost(
            week=self._week,
            when=self._now,
            account=self._accounts[self._week],
            lists=marks.lists(ids),
            together=marks.lists(together) if len(together) > 1 else (),
            home=marks.list(home) if home is not None else None,
            narrowed_to=marks.list(only) if only is not None else None,
            links=tuple(dict.fromkeys(marks.links(own) + marks.links(self._message.references))),
        )
        poster = Poster(self._week, poster_marks.account(self._account), poster_marks.lists(ids))
        return WaitingPost(post, poster, self._message.own_text, marks.fingerprinter)

    def _of_week(self, week: str) -> array[int]:
        """The fingerprints of the own new text under the key of `week`; none if that is gone."""
        if week not in self._windows:
            marks = self._ring.get(week)
            windows = marks.fingerprinter.windows(self._text_words()) if marks is not None else array("I")
            self._windows[week] = windows
        return self._windows[week]

    def _text_words(self) -> list[str]:
        if self._words is None:
            self._words = words_of(self._message.own_text)
        return self._words

    def _ids(self, week: str, lists: Iterable[bytes]) -> tuple[str, ...]:
        marks = self._ring.get(week)
        return marks.ids(lists, self._policy.by_id) if marks is not None else ()

    def _id(self, week: str, mark: bytes | None) -> str | None:
        return next(iter(self._ids(week, (mark,))), None) if mark is not None else None


def oldest(policy: Policy, now: datetime) -> datetime:
    """When the oldest post came in that is still remembered `now`, for its text or for its thread."""
    return now - max(policy.window, policy.thread_memory)
