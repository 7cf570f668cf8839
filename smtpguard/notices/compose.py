"""Held mail and what became of it -> the mails that its sender gets.

One function for each mail; each gives octets ready for the outbox. Facts that come from a message are cleaned here
(one line, no control or bidi characters); names of other accounts are never among them, except as the message itself
names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from smtpguard.answers.choice import Word
from smtpguard.held import Card, HeldMail, State
from smtpguard.notices.choices import LISTS_SHOWN_MAX, choices, words_that_fit
from smtpguard.notices.harmless import harmless, name_of
from smtpguard.notices.languages import Language, Texts
from smtpguard.notices.layouts import Block, Entries, Paragraph, place, wrapped
from smtpguard.notices.letter import Letterhead, clean_line, compose_letter
from smtpguard.notices.reasons import reason

# Reasons that a notice tells in full: more would push the choices off the first screen.
REASONS_MAX = 4
ABOUT_CHARACTERS_MAX = 56
# Reasons are wrapped here; "Why: 1. " stands before the first line.
REASON_CHARACTERS = 73
# The column of what a choice means; a language with longer words has a wider one.
WORD_CHARACTERS = 10


@dataclass(frozen=True, slots=True)
class Site:
    """What the organisation says about itself in every notice, and the languages it speaks."""

    organisation: str
    zone: tzinfo | None
    call: str | None = None
    desk: str | None = None
    texts: Texts = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One recipient that the mail server did not take, and its words."""

    recipient: str = field(repr=False)
    words: str = field(repr=False)


def compose_notice(
    head: Letterhead, site: Site, held: HeldMail, code: tuple[str, str], *, language: Language, again: bool = False
) -> bytes:
    """The notice (SEMANTICS d): nobody has it yet, why, the choices, what silence means, who knows, the code.

    `code` is the token on two lines; `again` says that an earlier notice for the same mail has lost its code.
    """
    deadline = language.moment(held.expires, site.zone)
    said = {"subject": _subject(held, language), "deadline": deadline}
    facts = _opening(held, language, again) | _choosing(held, language)
    facts |= {
        "silence": language.text("held.silence", deadline=language.moment(held.expires, site.zone, "moment_at")),
        "fine": language.text("held.fine"),
        "known": language.text("held.known"),
        "complaint": "",
        "call": language.text("held.call", call=site.call) if site.call else "",
        "code": code,
        "signature": _signature(site, language),
        "link": None,
        "rules_link": None,
    }
    if site.desk and any(each.rule == 11 for each in held.findings):
        facts["complaint"] = language.text("held.complaint", desk=site.desk)
    return compose_letter(
        head, language.text("held.subject", **said), place("held.txt", facts), sender=_sender(language)
    )


def _opening(held: HeldMail, language: Language, again: bool) -> dict[str, object]:
    """What stands above the choices: that it waits, and why."""
    name = clean_line(held.greeting or "", 40)
    reasons = _reasons(held, language)
    return {
        "hello": language.text("held.hello", name=name) if name else language.text("held.hello_nobody"),
        "waiting": language.text("held.waiting", subject=_subject(held, language)),
        "sent_folder": language.text("held.sent_folder"),
        "again": language.text("held.again") if again else "",
        "why": language.text("held.why"),
        "reasons": reasons[:REASONS_MAX],
        "remarks": _remarks(held, language, len(reasons[REASONS_MAX:])),
    }


def _choosing(held: HeldMail, language: Language) -> dict[str, object]:
    """The lists and the choices."""
    offers = choices(held, language)
    unnamed = ""
    if len(held.lists) > LISTS_SHOWN_MAX:
        only = language.word(Word.ONLY)
        first, last = f"{only} {LISTS_SHOWN_MAX + 1}", f"{only} {len(held.lists)}"
        unnamed = language.text("held.unnamed", first=first, last=last)
    lists = [
        {"number": each.number, "id": clean_line(each.id, 60), "about": clean_line(each.about, ABOUT_CHARACTERS_MAX)}
        for each in held.lists[:LISTS_SHOWN_MAX]
    ]
    return {
        "lists": lists if len(held.lists) > 1 else [],
        "unnamed": unnamed,
        "ask": language.text("held.ask"),
        "choices": offers,
        "width": max(WORD_CHARACTERS, *(len(each.word) for each in offers)),
    }


def _remarks(held: HeldMail, language: Language, more: int) -> list[str]:
    """What else is said below the reasons: how many more there are, a list that fits, and what its own file says."""
    remarks = [language.text("held.more", count=more)] if more else []
    if (fitting := _fitting(held)) is not None:
        name, address, words = fitting
        remarks.append(language.text("held.fitting", list=name, address=address, words=language.listed(words)))
    said = (finding.facts.get("say") for finding in held.findings)
    say = next((wrapped(harmless(each), REASON_CHARACTERS) for each in said if isinstance(each, str) and each), None)
    return [*remarks, say] if say is not None else remarks


def _fitting(held: HeldMail) -> tuple[str, str, list[str]] | None:
    """A list that the mail does not go to and that its words fit, its address, these words; None if there is none."""
    names = {each.id for each in held.lists}
    for finding in held.findings:
        words = words_that_fit(finding)
        if words and finding.suggested is not None and finding.suggested not in names:
            return finding.suggested, harmless(str(finding.facts.get("fits_address", ""))), words
    return None


def compose_sent(
    head: Letterhead, site: Site, held: HeldMail, sent_to: Sequence[str], not_sent_to: Sequence[str],
    refused: Sequence[Refusal] = (), *, language: Language, interrupted: bool = False,
) -> bytes:  # fmt: skip
    """After a release: to whom it went, to whom not, and what the mail server did not take."""
    subject = _subject(held, language)
    said = [language.text("sent.body", subject=subject, recipients=_listed(sent_to, language))]
    if not_sent_to:
        said.append(language.text("sent.left_out", recipients=_listed(not_sent_to, language)))
    blocks: list[Block] = [Paragraph(" ".join(said))]
    if refused:
        blocks += [Paragraph(language.text("sent.refused")), _refusals(refused)]
    if interrupted:
        blocks.append(Paragraph(language.text("sent.twice"), is_ours=True))
    blocks.append(Paragraph(language.text("sent.not_you", call=site.call or "")))
    return _letter(head, language.text("sent.subject", subject=subject), blocks, language)


def compose_refused(
    head: Letterhead,
    site: Site,
    held: HeldMail,
    refused: Sequence[Refusal],
    *,
    language: Language,
    interrupted: bool = False,
) -> bytes:
    """The mail server refused the release for good: its words; the mail is still waiting (90-13)."""
    subject = _subject(held, language)
    waiting = language.text("refused.waiting", deadline=language.moment(held.expires, site.zone))
    gone_out = f" {language.text('refused.gone_out')}" if interrupted else ""
    blocks: list[Block] = [
        Paragraph(language.text("refused.body", subject=subject)),
        _refusals(refused),
        Paragraph(waiting + gone_out, is_ours=True),
    ]
    return _letter(head, language.text("refused.subject", subject=subject), blocks, language)


def compose_discarded(head: Letterhead, held: HeldMail, *, language: Language, interrupted: bool = False) -> bytes:
    """After DISCARD."""
    subject = _subject(held, language)
    gone_out = f" {language.text('discarded.gone_out')}" if interrupted else ""
    body = Paragraph(language.text("discarded.body", subject=subject) + gone_out)
    return _letter(head, language.text("discarded.subject", subject=subject), [body], language)


def compose_back(
    head: Letterhead, held: HeldMail, original: bytes, *, language: Language, interrupted: bool = False
) -> bytes:
    """After BACK: `original` is the held message itself (unstuffed), attached."""
    gone_out = f" {language.text('back.gone_out')}" if interrupted else ""
    body = Paragraph(language.text("back.body") + gone_out, is_ours=True)
    subject = language.text("back.subject", subject=_subject(held, language))
    return _letter(head, subject, [body], language, attached=original)


def compose_no_session(head: Letterhead, held: HeldMail, *, language: Language) -> bytes:
    """A SEND that came in through the mail server, where only the member's own session can release."""
    words = {"discard": language.word(Word.DISCARD), "back": language.word(Word.BACK)}
    body = Paragraph(language.text("no_session.body", **words), is_ours=True)
    return _letter(head, language.text("no_session.subject", subject=_subject(held, language)), [body], language)


def compose_expired(head: Letterhead, site: Site, card: Card, expires: datetime, *, interrupted: bool = False) -> bytes:
    """The one line after the deadline; nothing of the mail is known any more but when it came."""
    language = site.texts.of(card.language)
    arrived, deadline = (language.moment(each, site.zone) for each in (card.arrived, expires))
    name = "expired.cut_off" if interrupted else "expired.body"
    body = Paragraph(language.text(name, arrived=arrived, deadline=deadline))
    return _letter(head, language.text("expired.subject"), [body], language)


def compose_corrected(head: Letterhead, site: Site, card: Card) -> bytes:
    """12-14: a corrected copy was taken, so the mail that waited is thrown away; known of it is when it came."""
    language = site.texts.of(card.language)
    body = language.text("corrected.body", arrived=language.moment(card.arrived, site.zone))
    return _letter(head, language.text("corrected.subject"), [Paragraph(body)], language)


def compose_help(head: Letterhead, held: HeldMail, *, language: Language) -> bytes:
    """No choice was found in an answer."""
    only = language.word(Word.ONLY)
    words = [f"{only} {each.number}" for each in held.lists] if len(held.lists) > 1 else []
    words += [language.word(each) for each in (Word.SEND, Word.DISCARD, Word.BACK)]
    body = Paragraph(language.text("help.body", words=", ".join(words)), is_ours=True)
    return _letter(head, language.text("help.subject"), [body], language)


def compose_gone(head: Letterhead, site: Site, state: State, when: datetime, *, language: Language) -> bytes:
    """The code belongs to a mail that is decided already: what became of it, and when."""
    body = language.text(f"gone.{state.value}", when=language.moment(when, site.zone))
    return _letter(head, language.text("gone.subject"), [Paragraph(body)], language)


def compose_unreadable(head: Letterhead, count: int, *, language: Language) -> bytes:
    """To the site's contact: how many waiting mails have lost their day key. A number, nothing else."""
    body = Paragraph(language.text("unreadable.body", count=count), is_ours=True)
    return _letter(head, language.text("unreadable.subject", count=count), [body], language)


def _letter(
    head: Letterhead, subject: str, blocks: Sequence[Block], language: Language, attached: bytes | None = None
) -> bytes:
    body = place("letter.txt", {"blocks": blocks, "signature": ""})
    return compose_letter(head, subject, body, attached, sender=_sender(language))


def _sender(language: Language) -> str:
    return language.text("letter.sender")


def _signature(site: Site, language: Language) -> str:
    return language.text("letter.signature", organisation=clean_line(site.organisation))


def _subject(held: HeldMail, language: Language) -> str:
    return clean_line(held.subject) or language.text("letter.no_subject")


def _reasons(held: HeldMail, language: Language) -> list[str]:
    """Every reason once; the first of each row stands before the second of another, so that none hides behind many.

    Each is wrapped, and the layout indents what is wrapped, so that no word of a stranger's can stand where a choice or
    a code stands.
    """
    rows: dict[str, list[str]] = {}
    for finding in held.findings:
        facts = {
            name: tuple(map(harmless, value)) if isinstance(value, tuple) else harmless(value)
            for name, value in finding.facts.items()
        }
        told = wrapped(reason(finding.id, facts, language), REASON_CHARACTERS)
        if told not in (before := rows.setdefault(finding.id, [])):
            before.append(told)
    every = [told for each in rows.values() for told in each]
    if len(every) > REASONS_MAX:
        every = [each[0] for each in rows.values()] + [told for each in rows.values() for told in each[1:]]
    return [each[0].upper() + each[1:] for each in every] if len(every) > 1 else every


def _refusals(refused: Sequence[Refusal]) -> Entries:
    return Entries([f"{name_of(each.recipient)}: {clean_line(each.words, 300)}" for each in refused])


def _listed(names: Sequence[str], language: Language) -> str:
    return language.listed([name_of(each) for each in names])
