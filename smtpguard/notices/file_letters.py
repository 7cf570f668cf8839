"""Mails to whoever looks after a settings file: that it cannot be used as it is, and that it is in order again.

They go to a list's admins. Nothing of members or their mail stands in them.
"""

from __future__ import annotations

from collections.abc import Sequence

from smtpguard.notices.compose import Site
from smtpguard.notices.letter import Letterhead, compose_letter
from smtpguard.notices.texts import DEFAULT_LANGUAGE, render

# Whoever has mended so many has learned enough for the others; `check` shows all.
PROBLEMS_MAX = 20


def compose_file_broken(
    head: Letterhead,
    site: Site,
    file: str,
    problems: Sequence[str],
    *,
    is_new: bool = False,
    language: str = DEFAULT_LANGUAGE,
) -> bytes:
    """`problems` as `check` prints them, each with its place and what to write instead. `is_new`: no former version."""
    facts = {
        "file": file,
        "problems": list(problems[:PROBLEMS_MAX]),
        "more": max(len(problems) - PROBLEMS_MAX, 0),
        "is_new": is_new,
        "organisation": site.organisation,
    }
    return compose_letter(head, *render("file_broken", language, facts))


def compose_file_mended(head: Letterhead, site: Site, file: str, *, language: str = DEFAULT_LANGUAGE) -> bytes:
    """The file counts as it stands."""
    return compose_letter(head, *render("file_mended", language, {"file": file, "organisation": site.organisation}))
