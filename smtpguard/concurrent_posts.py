"""Posts of one account that are on their way to the mail server at this moment.

Rule 12 compares a post with those that were taken (12-12). A program that brings one text to three lists over three
connections at once would find none taken yet, and all three would go. So a post that is like another one, on its way
to another list, waits until it is known what became of that.

Each process knows its own connections alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import pairwise

from smtpguard.checks.repeated_post import OWN_WORDS_MIN
from smtpguard.fingerprints import words_of
from smtpguard.mail.address import Address
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy

# So long a post waits for others in all: a mail server answers within a second, and mail programs wait for minutes.
WAIT_SECONDS = 60.0
# Of the pairs of words of a text, 2,000 at the most, that another one has as well; 12-12 begins at 80 % of longer
# windows. Whoever waits without need loses some milliseconds.
SHARE_MIN = 0.25


class ConcurrentPost:
    """One post that would pass: who sends it, to which lists, and what it says."""

    def __init__(self, submission: Submission, policy: Policy) -> None:
        account = submission.account
        assert account is not None  # noqa: S101 - nobody else's posts are remembered
        self.account = account.login if account.mailbox is None else account.mailbox
        self.ended = asyncio.Event()
        self._lists = frozenset(each.id for each in policy.lists_of(submission.recipients))
        self._message = submission.message

    def concerns(self, other: ConcurrentPost) -> bool:
        """True if this one could be, by 12-12, the text of `other` for another list."""
        if self._lists <= other._lists or other._lists <= self._lists:
            return False
        return len(self._pairs & other._pairs) > SHARE_MIN * len(self._pairs)

    @cached_property
    def _pairs(self) -> frozenset[tuple[str, str]]:
        words = words_of(self._message.own_text)
        return frozenset(pairwise(words)) if len(words) >= OWN_WORDS_MIN else frozenset()


class ConcurrentPosts:
    """Those that have been judged and of which the mail server has not said yet what becomes of them."""

    def __init__(self) -> None:
        self._posts: dict[Address | str, list[ConcurrentPost]] = {}

    def before(self, post: ConcurrentPost) -> ConcurrentPost | None:
        """One that `post` has to wait for, or None: then it may enter, before anything else happens."""
        return next((each for each in self._posts.get(post.account, ()) if post.concerns(each)), None)

    @contextmanager
    def entered(self, post: ConcurrentPost | None) -> Iterator[None]:
        """While this lasts others wait for `post`; at its end it is remembered, or it was not taken."""
        if post is None:
            yield
            return
        posts = self._posts.setdefault(post.account, [])
        posts.append(post)
        try:
            yield
        finally:
            posts.remove(post)
            if not posts:
                del self._posts[post.account]
            post.ended.set()


async def has_ended(post: ConcurrentPost, latest: float) -> bool:
    """True once `post` has ended, False if it has not until `latest` (the loop's time)."""
    with suppress(TimeoutError):
        async with asyncio.timeout_at(latest):
            await post.ended.wait()
    return post.ended.is_set()
