"""The parts of a notice in their order (SEMANTICS d), each as finished sentences for the layouts."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from smtpguard.answers.choice import Word
from smtpguard.held import HeldMail
from smtpguard.notices.choices import LISTS_SHOWN_MAX, Offer, choices, words_that_fit
from smtpguard.notices.harmless import harmless
from smtpguard.notices.languages import Language
from smtpguard.notices.reasons import reason
from smtpguard.notices.site import Site

# Reasons that a notice tells in full: more would push the choices off the first screen.
REASONS_MAX = 4
ABOUT_CHARACTERS_MAX = 56
# What a list's file says of such mail: a line of settings, whole.
SAY_CHARACTERS_MAX = 200
# Reasons are wrapped here; "Why: 1. " stands before the first line.
REASON_CHARACTERS = 73
# Rows that serve other rules of the organisation, too, or alone, as their reasons say; else it is the row's own.
RULES_OF: Mapping[str, tuple[int, ...]] = {
    "11-11": (2,),
    "11-24": (2, 11),
    "12-17": (2, 12),
    "12-20": (2, 12),
    "12-26": (7,),
    "12-27": (4, 5),
    "90-07": (11,),
    "90-11": (11,),
}
# The column of what a choice means; a language with longer words has a wider one.
WORD_CHARACTERS = 10


def subject_of(held: HeldMail, language: Language) -> str:
    """The held mail's subject, or that it has none."""
    return harmless(held.subject) or language.text("letter.no_subject")


def opening(held: HeldMail, language: Language, again: bool) -> dict[str, object]:
    """What stands above the choices: that it waits, and why."""
    name = harmless(held.greeting or "", 40)
    reasons = _reasons(held, language)
    return {
        "hello": language.text("held.hello", name=name) if name else language.text("held.hello_nobody"),
        "waiting": language.text("held.waiting", subject=subject_of(held, language)),
        "sent_folder": language.text("held.sent_folder"),
        "again": language.text("held.again") if again else "",
        "why": language.text("held.why"),
        "reasons": reasons[:REASONS_MAX],
        "remarks": _remarks(held, language, len(reasons[REASONS_MAX:])),
    }


def choosing(held: HeldMail, language: Language, answers_to: str | None) -> dict[str, object]:
    """The lists and the choices, each with a link that writes the answer."""
    offers = choices(held, language)
    unnamed = ""
    if len(held.lists) > LISTS_SHOWN_MAX:
        only = language.word(Word.ONLY)
        first, last = f"{only} {LISTS_SHOWN_MAX + 1}", f"{only} {len(held.lists)}"
        unnamed = language.text("held.unnamed", first=first, last=last)
    lists = [
        {"number": each.number, "id": harmless(each.id, 60), "about": harmless(each.about, ABOUT_CHARACTERS_MAX)}
        for each in held.lists[:LISTS_SHOWN_MAX]
    ]
    return {
        "lists": lists if len(held.lists) > 1 else [],
        "unnamed": unnamed,
        "ask": language.text("held.ask"),
        "choices": [(each, _answer(each, held, language, answers_to)) for each in offers],
        "room": REASON_CHARACTERS,
        "width": max(WORD_CHARACTERS, *(len(each.word) + 1 for each in offers)),
    }


def _answer(offer: Offer, held: HeldMail, language: Language, to: str | None) -> str | None:
    """A mailto: link (RFC 6068) that fills in address, subject and choice; None where nothing can be answered."""
    if to is None:
        return None
    subject = language.text("held.answer_subject", word=offer.word, subject=subject_of(held, language))
    return f"mailto:{quote(to, safe='@')}?subject={quote(subject, safe='')}&body={quote(offer.word, safe='')}"


def closing(site: Site, held: HeldMail, language: Language) -> dict[str, object]:
    """What stands below the choices: what silence means, who knows, whom to ask."""
    complaint = site.desk if any(each.rule == 11 for each in held.findings) else None
    numbers = dict.fromkeys(str(rule) for each in held.findings for rule in RULES_OF.get(each.id, (each.rule,)))
    return {
        "silence": language.text("held.silence", deadline=language.moment(held.expires, site.zone, "moment_at")),
        "fine": language.text("held.fine"),
        "known": language.text("held.known"),
        "rules": [
            language.text("held.rule", number=each, words=site.rules[each]) for each in numbers if each in site.rules
        ],
        "complaint": language.text("held.complaint", desk=complaint) if complaint else "",
        "call": language.text("held.call", call=site.call) if site.call else "",
    }


def links(site: Site, code: tuple[str, str], language: Language) -> dict[str, object]:
    """The pages, where there are any. The code stands in the fragment, which no server is told (RFC 3986, 3.5)."""
    return {
        "page": language.text("held.page"),
        "link": None if site.page is None else f"{site.page}/h#{''.join(code).replace('-', '')}",
        "link_shown": f"{site.page}/h",
        "all_rules": language.text("held.all_rules"),
        "rules_link": site.rules_page,
    }


def _remarks(held: HeldMail, language: Language, more: int) -> list[str]:
    """What else is said below the reasons: how many more there are, a list that fits, and what its own file says."""
    remarks = [language.text("held.more", count=more)] if more else []
    if (fitting := _fitting(held)) is not None:
        name, address, words = fitting
        remarks.append(language.text("held.fitting", list=name, address=address, words=language.listed(words)))
    said = (finding.facts.get("say") for finding in held.findings)
    say = next((harmless(each, SAY_CHARACTERS_MAX) for each in said if isinstance(each, str) and each), None)
    return [*remarks, say] if say is not None else remarks


def _fitting(held: HeldMail) -> tuple[str, str, list[str]] | None:
    """A list that the mail does not go to and that its words fit, its address, these words; None if there is none."""
    names = {each.id for each in held.lists}
    for finding in held.findings:
        words = words_that_fit(finding)
        if words and finding.suggested is not None and finding.suggested not in names:
            return finding.suggested, harmless(str(finding.facts.get("fits_address", ""))), words
    return None


def _reasons(held: HeldMail, language: Language) -> list[str]:
    """Every reason once; the first of each row stands before the second of another, so that none hides behind many.

    The layout wraps them, and indents what is wrapped, so that no word of a stranger's can stand where a choice or a
    code stands.
    """
    rows: dict[str, list[str]] = {}
    for finding in held.findings:
        facts = {
            name: tuple(map(harmless, value)) if isinstance(value, tuple) else harmless(value)
            for name, value in finding.facts.items()
        }
        told = reason(finding.id, facts, language)
        if told not in (before := rows.setdefault(finding.id, [])):
            before.append(told)
    every = [told for each in rows.values() for told in each]
    if len(every) > REASONS_MAX:
        every = [each[0] for each in rows.values()] + [told for each in rows.values() for told in each[1:]]
    return [each[0].upper() + each[1:] for each in every] if len(every) > 1 else every
