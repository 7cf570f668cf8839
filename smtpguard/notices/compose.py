"""Held mail and what became of it -> the mails that its sender gets.

One function for each mail; each gives octets ready for the outbox. Facts that come from a message are cleaned here
(one line, no control or bidi characters); names of other accounts are never among them, except as the message itself
names them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from textwrap import fill

from smtpguard.answers.choice import Word
from smtpguard.answers.token import LABEL
from smtpguard.held import Card, HeldMail, NumberedList, State
from smtpguard.notices.letter import Letterhead, clean_line, compose_letter
from smtpguard.notices.texts import DEFAULT_LANGUAGE, NAMED_MAX, named, render, render_reason
from smtpguard.notices.times import spoken
from smtpguard.verdict import Finding

# Reasons that a notice tells in full: more would push the choices off the first screen.
REASONS_MAX = 4
ABOUT_CHARACTERS_MAX = 56
# Lists with a row and an ONLY line of their own: more would push everything else off the screen. All of them can be
# chosen.
LISTS_SHOWN_MAX = 10
# Words that show why a list is suggested; they stand behind a choice, on its line.
FITTING_WORDS_SHOWN_MAX = 2
# Reasons are wrapped here; "Why: 1. " stands before the first line.
LINE_CHARACTERS = 73


_CODE_LABEL = re.compile(rf"(?i)\b{LABEL}\s*:")


@dataclass(frozen=True, slots=True)
class Site:
    """What the organisation says about itself in every notice; `language` is for whoever has none of his own."""

    organisation: str
    zone: tzinfo | None
    call: str | None = None
    desk: str | None = None
    language: str = DEFAULT_LANGUAGE


@dataclass(frozen=True, slots=True)
class Refusal:
    """One recipient that the mail server did not take, and its words."""

    recipient: str = field(repr=False)
    words: str = field(repr=False)


def compose_notice(
    head: Letterhead, site: Site, held: HeldMail, code: tuple[str, str], *, language: str, again: bool = False
) -> bytes:
    """The notice (SEMANTICS d): nobody has it yet, why, the choices, what silence means, who knows, the code.

    `code` is the token on two lines; `again` says that an earlier notice for the same mail has lost its code.
    """
    reasons = _reasons(held, language)
    facts = {
        "subject": _subject(held),
        "deadline": spoken(held.expires, site.zone),
        "deadline_at": spoken(held.expires, site.zone, joint=" at "),
        "name": clean_line(held.greeting or "", 40),
        "again": again,
        "reasons": reasons[:REASONS_MAX],
        "more": len(reasons[REASONS_MAX:]),
        "fitting": _fitting(held),
        "say": _say(held),
        "lists": [
            {
                "number": each.number,
                "id": clean_line(each.id, 60),
                "about": clean_line(each.about, ABOUT_CHARACTERS_MAX),
            }
            for each in held.lists[:LISTS_SHOWN_MAX]
        ],
        "last_list": len(held.lists),
        "choices": choices(held),
        "desk": site.desk if any(each.rule == 11 for each in held.findings) else None,
        "call": site.call,
        "code": code,
        "organisation": clean_line(site.organisation),
    }
    return _letter(head, "held", language, facts)


def choices(held: HeldMail) -> list[Mapping[str, object]]:
    """The choices of a notice, the suggested one first (SEMANTICS c6): word, what it means, why it is suggested ("" if
    it is not).
    """
    private = any(each.rule == 11 for each in held.findings)
    only = [_only(held, each, private) for each in held.lists[:LISTS_SHOWN_MAX]] if len(held.lists) > 1 else []
    send = {"word": Word.SEND.value, "meaning": _as_it_is(held, private), "suggested": ""}
    # SEMANTICS d2: where the reason points at a part of the mail.
    a_part = any(each.rule == 11 and each.facts.get("begins") for each in held.findings)
    meaning = "throw it away and write it anew without that part" if a_part else "throw it away"
    discard = {"word": Word.DISCARD.value, "meaning": meaning, "suggested": "suggested" if private else ""}
    back = {"word": Word.BACK.value, "meaning": "send my mail back to me and forget it", "suggested": ""}
    only.sort(key=lambda each: not each["suggested"])
    return [discard, *only, send, back] if private else [*only, send, discard, back]


def _as_it_is(held: HeldMail, private: bool) -> str:
    """What SEND does."""
    if private:
        return "send it just as it is - for example because the writer agreed"
    if len(held.lists) < 2:
        decides = "; the list decides" if any(each.id == "12-08" for each in held.findings) else ""
        return f"send it just as it is{decides}"
    both = len(held.lists) == 2 and len(held.envelope.recipients) == 2
    return f"send it to {'both' if both else 'all of them'}, just as it is"


def _only(held: HeldMail, chosen: NumberedList, private: bool) -> dict[str, object]:
    kept, left = split_recipients(held, chosen.number)
    meaning = f"send it to {_joined(kept)}, not to {_joined(left)}"
    why = _why_suggested(held, chosen) if chosen.suggested and not private else ""
    return {"word": f"{Word.ONLY.value} {chosen.number}", "meaning": meaning, "suggested": why}


def _why_suggested(held: HeldMail, chosen: NumberedList) -> str:
    """`fits "minutes"` where the mail's own words suggest a list, else `suggested`."""
    words = next((_words_that_fit(each) for each in held.findings if each.suggested == chosen.id), ())
    return "fits " + ", ".join(f'"{each}"' for each in words[:FITTING_WORDS_SHOWN_MAX]) if words else "suggested"


def _words_that_fit(finding: Finding) -> list[str]:
    fits = finding.facts.get("fits", ())
    return [_harmless(each) for each in fits] if isinstance(fits, tuple) else []


def _fitting(held: HeldMail) -> Mapping[str, object] | None:
    """A list that the mail does not go to and that its words fit, with these words; None if there is none."""
    names = {each.id for each in held.lists}
    for finding in held.findings:
        words = _words_that_fit(finding)
        if words and finding.suggested is not None and finding.suggested not in names:
            address = finding.facts.get("fits_address", "")
            return {"list": finding.suggested, "address": _harmless(str(address)), "words": words}
    return None


def _say(held: HeldMail) -> str | None:
    """What the suggested list's own file says about such a mail; the first of several."""
    said = (finding.facts.get("say") for finding in held.findings)
    return next((_wrapped(_harmless(each)) for each in said if isinstance(each, str) and each), None)


def split_recipients(held: HeldMail, number: int) -> tuple[list[str], list[str]]:
    """The recipients that ONLY `number` keeps, and the lists that it leaves out, as the sender reads them."""
    names = {each.number: each.id for each in held.lists}
    kept = [names[number]]
    kept += [
        str(path.address or path.typed)
        for path, list_number in zip(held.envelope.recipients, held.recipient_lists, strict=True)
        if list_number is None
    ]
    return kept, [each.id for each in held.lists if each.number != number]


def compose_sent(
    head: Letterhead, site: Site, held: HeldMail, sent_to: Sequence[str], not_sent_to: Sequence[str],
    refused: Sequence[Refusal] = (), *, language: str, interrupted: bool = False,
) -> bytes:  # fmt: skip
    """After a release: to whom it went, to whom not, and what the mail server did not take."""
    facts = {
        "subject": _subject(held),
        "sent_to": _cleaned(sent_to),
        "not_sent_to": _cleaned(not_sent_to),
        "refused": _refusals(refused),
        "interrupted": interrupted,
        "call": site.call,
    }
    return _letter(head, "sent", language, facts)


def compose_refused(
    head: Letterhead,
    site: Site,
    held: HeldMail,
    refused: Sequence[Refusal],
    *,
    language: str,
    interrupted: bool = False,
) -> bytes:
    """The mail server refused the release for good: its words; the mail is still waiting (90-13)."""
    facts = {
        "subject": _subject(held),
        "deadline": spoken(held.expires, site.zone),
        "refused": _refusals(refused),
        "interrupted": interrupted,
    }
    return _letter(head, "refused", language, facts)


def compose_discarded(head: Letterhead, held: HeldMail, *, language: str, interrupted: bool = False) -> bytes:
    """After DISCARD."""
    return _letter(head, "discarded", language, {"subject": _subject(held), "interrupted": interrupted})


def compose_back(
    head: Letterhead, held: HeldMail, original: bytes, *, language: str, interrupted: bool = False
) -> bytes:
    """After BACK: `original` is the held message itself (unstuffed), attached."""
    facts = {"subject": _subject(held), "interrupted": interrupted}
    return _letter(head, "back", language, facts, attached=original)


def compose_no_session(head: Letterhead, held: HeldMail, *, language: str) -> bytes:
    """A SEND that came in through the mail server, where only the member's own session can release."""
    return _letter(head, "no_session", language, {"subject": _subject(held)})


def compose_expired(head: Letterhead, site: Site, card: Card, expires: datetime, *, interrupted: bool = False) -> bytes:
    """The one line after the deadline; nothing of the mail is known any more but when it came."""
    facts = {
        "arrived": spoken(card.arrived, site.zone),
        "deadline": spoken(expires, site.zone),
        "interrupted": interrupted,
    }
    return _letter(head, "expired", card.language, facts)


def compose_corrected(head: Letterhead, site: Site, card: Card) -> bytes:
    """12-14: a corrected copy was taken, so the mail that waited is thrown away; known of it is when it came."""
    return _letter(head, "corrected", card.language, {"arrived": spoken(card.arrived, site.zone)})


def compose_help(head: Letterhead, held: HeldMail, *, language: str) -> bytes:
    """No choice was found in an answer."""
    words = [f"{Word.ONLY.value} {each.number}" for each in held.lists] if len(held.lists) > 1 else []
    words += [Word.SEND.value, Word.DISCARD.value, Word.BACK.value]
    return _letter(head, "help", language, {"words": words})


def compose_gone(head: Letterhead, site: Site, state: State, when: datetime, *, language: str) -> bytes:
    """The code belongs to a mail that is decided already: what became of it, and when."""
    words = {
        State.SENT: "it was sent",
        State.DISCARDED: "it was thrown away",
        State.EXPIRED: "it was deleted unsent, because there was no answer in time",
        State.REPLACED: "you have sent it again, and the newer notice counts",
    }
    return _letter(head, "gone", language, {"state": words[state], "when": spoken(when, site.zone)})


def compose_unreadable(head: Letterhead, count: int, *, language: str) -> bytes:
    """To the site's contact: how many waiting mails have lost their day key. A number, nothing else."""
    return _letter(head, "unreadable", language, {"count": count})


def _letter(
    head: Letterhead, name: str, language: str, facts: Mapping[str, object], attached: bytes | None = None
) -> bytes:
    subject, body = render(name, language, facts)
    return compose_letter(head, subject, body, attached)


def _subject(held: HeldMail) -> str:
    return clean_line(held.subject) or "(no subject)"


def _reasons(held: HeldMail, language: str) -> list[str]:
    """Every reason once; the first of each row stands before the second of another, so that none hides behind many."""
    rows: dict[str, list[str]] = {}
    for finding in held.findings:
        facts = {
            name: [_harmless(each) for each in value] if isinstance(value, tuple) else _harmless(value)
            for name, value in finding.facts.items()
        }
        reason = _wrapped(render_reason(finding.id, language, facts))
        if reason not in (told := rows.setdefault(finding.id, [])):
            told.append(reason)
    if sum(map(len, rows.values())) > REASONS_MAX:
        return [each[0] for each in rows.values()] + [reason for each in rows.values() for reason in each[1:]]
    return [reason for each in rows.values() for reason in each]


def _harmless(fact: str) -> str:
    """A fact of a stranger's for a reason: one line, without the label that marks our code, wherever it is wrapped."""
    return _CODE_LABEL.sub(LABEL, clean_line(fact))


def _wrapped(text: str) -> str:
    """Each line of `text` in lines that fit a terminal. The template indents them, so that no word of a stranger's can
    stand where a choice or a code stands."""
    return "\n".join(
        fill(line, LINE_CHARACTERS, break_long_words=False, break_on_hyphens=False) for line in text.splitlines()
    )


def _refusals(refused: Sequence[Refusal]) -> list[dict[str, str]]:
    return [{"recipient": clean_line(each.recipient, 100), "words": clean_line(each.words, 300)} for each in refused]


def _cleaned(names: Sequence[str]) -> list[str]:
    return [clean_line(each, 100) for each in names]


def _joined(names: Sequence[str]) -> str:
    shown = _cleaned(names)
    if len(shown) == 1 or len(shown) > NAMED_MAX + 1:
        return named(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
