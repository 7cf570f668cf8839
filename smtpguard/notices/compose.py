"""Held mail and what became of it -> the mails that its sender gets.

One function for each mail; each gives octets ready for the outbox. Facts that come from a message are cleaned here
(one line, no control or bidi characters); names of other accounts are never among them, except as the message itself
names them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from smtpguard.answers.choice import Word
from smtpguard.held import Card, HeldMail, State
from smtpguard.notices.harmless import harmless, name_of, names_of
from smtpguard.notices.languages import Language
from smtpguard.notices.layouts import Block, Entries, Paragraph, place
from smtpguard.notices.letter import Body, Letterhead, clean_line, compose_letter
from smtpguard.notices.sections import choosing, closing, links, opening, subject_of
from smtpguard.notices.site import Refusal, Site

# What a mail server says to a refusal.
WORDS_CHARACTERS_MAX = 300


def compose_notice(
    head: Letterhead, site: Site, held: HeldMail, code: tuple[str, str], *, language: Language, again: bool = False
) -> bytes:
    """The notice (SEMANTICS d): nobody has it yet, why, the choices, what silence means, who knows, the code.

    `code` is the token on two lines; `again` says that an earlier notice for the same mail has lost its code.
    """
    said = {"subject": subject_of(held, language), "deadline": language.moment(held.expires, site.zone)}
    facts = opening(held, language, again) | choosing(held, language, head.reply_to) | closing(site, held, language)
    facts |= links(site, code, language) | {"code": code}
    facts["signature"] = language.text("letter.signature", organisation=clean_line(site.organisation))
    return _letter(head, language.text("held.subject", **said), "held", facts, language)


def compose_sent(
    head: Letterhead, site: Site, held: HeldMail, sent_to: Sequence[str], not_sent_to: Sequence[str],
    refused: Sequence[Refusal] = (), *, language: Language, interrupted: bool = False,
) -> bytes:  # fmt: skip
    """After a release: to whom it went, to whom not, and what the mail server did not take."""
    subject = subject_of(held, language)
    said = [language.text("sent.body", subject=subject, recipients=_listed(sent_to, language))]
    if not_sent_to:
        said.append(language.text("sent.left_out", recipients=_listed(not_sent_to, language)))
    blocks: list[Block] = [Paragraph(" ".join(said))]
    if refused:
        blocks += [Paragraph(language.text("sent.refused")), _refusals(refused)]
    if interrupted:
        blocks.append(Paragraph(language.text("sent.twice"), is_ours=True))
    blocks.append(Paragraph(language.text("sent.not_you", call=site.call or "")))
    return _short(head, language.text("sent.subject", subject=subject), blocks, language)


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
    subject = subject_of(held, language)
    waiting = language.text("refused.waiting", deadline=language.moment(held.expires, site.zone))
    gone_out = f" {language.text('refused.gone_out')}" if interrupted else ""
    blocks: list[Block] = [
        Paragraph(language.text("refused.body", subject=subject)),
        _refusals(refused),
        Paragraph(waiting + gone_out, is_ours=True),
    ]
    return _short(head, language.text("refused.subject", subject=subject), blocks, language)


def compose_unsure(head: Letterhead, held: HeldMail, *, language: Language) -> bytes:
    """A SEND that came in through the mail server, and nobody knows whether it has gone out."""
    subject = subject_of(held, language)
    body = language.text("unsure.body", subject=subject, discard=language.word(Word.DISCARD))
    return _short(head, language.text("unsure.subject", subject=subject), [Paragraph(body)], language)


def compose_discarded(head: Letterhead, held: HeldMail, *, language: Language, interrupted: bool = False) -> bytes:
    """After DISCARD."""
    subject = subject_of(held, language)
    gone_out = f" {language.text('discarded.gone_out')}" if interrupted else ""
    body = Paragraph(language.text("discarded.body", subject=subject) + gone_out)
    return _short(head, language.text("discarded.subject", subject=subject), [body], language)


def compose_back(
    head: Letterhead, held: HeldMail, original: bytes, *, language: Language, interrupted: bool = False
) -> bytes:
    """After BACK: `original` is the held message itself (unstuffed), attached."""
    gone_out = f" {language.text('back.gone_out')}" if interrupted else ""
    body = Paragraph(language.text("back.body") + gone_out, is_ours=True)
    subject = language.text("back.subject", subject=subject_of(held, language))
    return _short(head, subject, [body], language, attached=original)


def compose_no_session(head: Letterhead, held: HeldMail, *, language: Language) -> bytes:
    """A SEND that came in through the mail server, where only the member's own session can release."""
    words = {"discard": language.word(Word.DISCARD), "back": language.word(Word.BACK)}
    body = Paragraph(language.text("no_session.body", **words), is_ours=True)
    return _short(head, language.text("no_session.subject", subject=subject_of(held, language)), [body], language)


def compose_expired(head: Letterhead, site: Site, card: Card, expires: datetime, *, interrupted: bool = False) -> bytes:
    """The one line after the deadline; nothing of the mail is known any more but when it came."""
    language = site.texts.of(card.language)
    arrived, deadline = (language.moment(each, site.zone) for each in (card.arrived, expires))
    name = "expired.cut_off" if interrupted else "expired.body"
    body = Paragraph(language.text(name, arrived=arrived, deadline=deadline))
    return _short(head, language.text("expired.subject"), [body], language)


def compose_corrected(head: Letterhead, site: Site, card: Card) -> bytes:
    """12-14: a corrected copy was taken, so the mail that waited is thrown away; known of it is when it came."""
    language = site.texts.of(card.language)
    body = language.text("corrected.body", arrived=language.moment(card.arrived, site.zone))
    return _short(head, language.text("corrected.subject"), [Paragraph(body)], language)


def compose_help(head: Letterhead, held: HeldMail, *, language: Language) -> bytes:
    """No choice was found in an answer."""
    only = language.word(Word.ONLY)
    words = [f"{only} {each.number}" for each in held.lists] if len(held.lists) > 1 else []
    words += [language.word(each) for each in (Word.SEND, Word.DISCARD, Word.BACK)]
    body = Paragraph(language.text("help.body", words=", ".join(words)), is_ours=True)
    return _short(head, language.text("help.subject"), [body], language)


def compose_gone(head: Letterhead, site: Site, state: State, when: datetime, *, language: Language) -> bytes:
    """The code belongs to a mail that is decided already: what became of it, and when."""
    body = language.text(f"gone.{state.value}", when=language.moment(when, site.zone))
    return _short(head, language.text("gone.subject"), [Paragraph(body)], language)


def compose_unreadable(head: Letterhead, count: int, *, language: Language) -> bytes:
    """To the site's contact: how many waiting mails have lost their day key. A number, nothing else."""
    body = Paragraph(language.text("unreadable.body", count=count), is_ours=True)
    return _short(head, language.text("unreadable.subject", count=count), [body], language)


def _short(
    head: Letterhead, subject: str, blocks: Sequence[Block], language: Language, attached: bytes | None = None
) -> bytes:
    return _letter(head, subject, "letter", {"blocks": blocks, "signature": ""}, language, attached)


def _letter(
    head: Letterhead,
    subject: str,
    layout: str,
    facts: Mapping[str, object],
    language: Language,
    attached: bytes | None = None,
) -> bytes:
    """The mail, its two parts made of the same sentences."""
    facts = {**facts, "language": language, "title": subject}
    body = Body(place(f"{layout}.txt", facts), place(f"{layout}.html", facts))
    return compose_letter(head, subject, body, attached, sender=language.text("letter.sender"))


def _refusals(refused: Sequence[Refusal]) -> Entries:
    return Entries([f"{name_of(each.recipient)}: {harmless(each.words, WORDS_CHARACTERS_MAX)}" for each in refused])


def _listed(names: Sequence[str], language: Language) -> str:
    return language.listed(names_of(names))
