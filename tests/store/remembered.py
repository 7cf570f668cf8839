"""Posts and mails for the memory, and questions about them."""

from __future__ import annotations

import os

from smtpguard.remembered import Question, RememberedPost
from smtpguard.remembered_mail import RememberedMail
from tests.store.conftest import HOUR, NOW

DAY = 24 * HOUR
ANNA, BEN = b"anna-mark---", b"ben-mark----"
BERLIN, PRESS, ALL = b"berlin--", b"press---", b"all-----"
BOX, OTHER_BOX = b"box-----", b"other-bx"


def post(**changes: object) -> RememberedPost:
    fields: dict[str, object] = {
        "week": "2026-W47", "when": NOW, "account": ANNA, "lists": (BERLIN,), "links": (b"message-1---",), "words": 40,
        "fingerprints": os.urandom(80), "home": BERLIN,
    }  # fmt: skip
    return RememberedPost(**(fields | changes))  # type: ignore[arg-type]


def of_text(each: RememberedPost) -> RememberedPost:
    return RememberedPost(each.week, each.when, each.account, each.lists, each.together, each.home, each.narrowed_to,
                          (), each.words, each.fingerprints)  # fmt: skip


def asks(**parts: object) -> Question:
    fields: dict[str, object] = {
        "accounts": (ANNA, BEN), "since": NOW - 7 * DAY, "thread_since": NOW - 30 * DAY, "recent_since": NOW - HOUR,
    }  # fmt: skip
    return Question(**(fields | parts))  # type: ignore[arg-type]


def mail(**changes: object) -> RememberedMail:
    fields: dict[str, object] = {
        "week": "2026-W47", "when": NOW, "mailbox": BOX, "thread": os.urandom(8), "authors": (b"anna----",),
        "audience": (b"anna----", b"ben-----"), "subject": b"topic---", "message": os.urandom(8),
        "conversation": b"talk----", "own": True, "fingerprints": os.urandom(80),
    }  # fmt: skip
    return RememberedMail(**(fields | changes))  # type: ignore[arg-type]
