"""Mails to whoever looks after a settings file: that it cannot be used as it is, that it is in order again, and that an
exception in it has ended.

They go to a list's admins. Nothing of members or their mail stands in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from smtpguard.notices.languages import Language
from smtpguard.notices.layouts import Block, Entries, Paragraph, place
from smtpguard.notices.letter import Body, Letterhead, clean_line, compose_letter
from smtpguard.notices.site import Site

# Whoever has mended so many has learned enough for the others; `check` shows all.
PROBLEMS_MAX = 20
# As many end on one day, told in full; the file has all.
ENDED_MAX = 20


def compose_file_broken(
    head: Letterhead, site: Site, file: str, problems: Sequence[str], *, is_new: bool = False
) -> bytes:
    """`problems` as `check` prints them, each with its place and what to write instead. `is_new`: no former version."""
    language = site.texts.of(None)
    blocks: list[Block] = [
        Paragraph(language.text("file_broken.body", file=file)),
        Entries(_with_more(problems, PROBLEMS_MAX, "file_broken.more", language)),
        Paragraph(language.text("file_broken.new" if is_new else "file_broken.former"), is_ours=True),
        Paragraph(language.text("file_broken.read_again"), is_ours=True),
    ]
    return _letter(head, site, language.text("file_broken.subject", file=file), blocks)


def compose_file_mended(head: Letterhead, site: Site, file: str) -> bytes:
    """The file counts as it stands."""
    language = site.texts.of(None)
    body = Paragraph(language.text("file_mended.body", file=file))
    return _letter(head, site, language.text("file_mended.subject", file=file), [body])


@dataclass(frozen=True, slots=True)
class Ended:
    """An entry of `exceptions` that counts no more; `lists` as written there."""

    until: date
    lists: tuple[str, ...]
    reason: str


def compose_exceptions_ended(head: Letterhead, site: Site, file: str, ended: Sequence[Ended]) -> bytes:
    """Entries of `exceptions` in a list file count no more (SEMANTICS e2, story 8)."""
    language = site.texts.of(None)
    entries = [
        language.text(
            "exception_ended.entry",
            until=each.until.isoformat(),
            lists=language.listed(each.lists),
            reason=clean_line(each.reason),
        )
        for each in ended
    ]
    blocks: list[Block] = [
        Paragraph(language.text("exception_ended.body", file=file, count=len(ended))),
        Entries(_with_more(entries, ENDED_MAX, "exception_ended.more", language)),
        Paragraph(language.text("exception_ended.next"), is_ours=True),
    ]
    return _letter(head, site, language.text("exception_ended.subject", file=file, count=len(ended)), blocks)


def _with_more(entries: Sequence[str], most: int, more: str, language: Language) -> list[str]:
    left = len(entries) - most
    return [*entries[:most], *([language.text(more, count=left)] if left > 0 else [])]


def _letter(head: Letterhead, site: Site, subject: str, blocks: Sequence[Block]) -> bytes:
    language = site.texts.of(None)
    signature = language.text("letter.signature", organisation=site.organisation)
    body = place("letter.txt", {"blocks": blocks, "signature": signature})
    return compose_letter(head, subject, Body(body), sender=language.text("letter.sender"))
