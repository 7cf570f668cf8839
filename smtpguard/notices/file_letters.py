"""Mails to whoever looks after a settings file: that it cannot be used as it is, that it is in order again, and that an
exception in it has ended.

They go to a list's admins. Nothing of members or their mail stands in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from smtpguard.notices.compose import Site
from smtpguard.notices.letter import Letterhead, clean_line, compose_letter
from smtpguard.notices.texts import named, render

# Whoever has mended so many has learned enough for the others; `check` shows all.
PROBLEMS_MAX = 20
# As many end on one day, told in full; the file has all.
ENDED_MAX = 20


def compose_file_broken(
    head: Letterhead, site: Site, file: str, problems: Sequence[str], *, is_new: bool = False
) -> bytes:
    """`problems` as `check` prints them, each with its place and what to write instead. `is_new`: no former version."""
    facts = {
        "file": file,
        "problems": list(problems[:PROBLEMS_MAX]),
        "more": max(len(problems) - PROBLEMS_MAX, 0),
        "is_new": is_new,
        "organisation": site.organisation,
    }
    return compose_letter(head, *render("file_broken", site.language, facts))


def compose_file_mended(head: Letterhead, site: Site, file: str) -> bytes:
    """The file counts as it stands."""
    return compose_letter(
        head, *render("file_mended", site.language, {"file": file, "organisation": site.organisation})
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """An entry of `exceptions` that counts no more; `lists` as written there."""

    until: date
    lists: tuple[str, ...]
    reason: str


def compose_exceptions_ended(head: Letterhead, site: Site, file: str, ended: Sequence[Ended]) -> bytes:
    """Entries of `exceptions` in a list file count no more (SEMANTICS e2, story 8)."""
    facts = {
        "file": file,
        "ended": [
            {"until": each.until.isoformat(), "lists": named(each.lists), "reason": clean_line(each.reason)}
            for each in ended[:ENDED_MAX]
        ],
        "more": max(len(ended) - ENDED_MAX, 0),
        "organisation": site.organisation,
    }
    return compose_letter(head, *render("exception_ended", site.language, facts))
