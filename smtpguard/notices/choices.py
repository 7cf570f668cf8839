"""The choices that a held mail leaves its sender: the words to answer with, and what each does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smtpguard.answers.choice import Choice, Word
from smtpguard.held import HeldMail, NumberedList
from smtpguard.notices.harmless import harmless, names_of
from smtpguard.notices.languages import Language
from smtpguard.verdict import Finding

# Lists with a row and an ONLY line of their own: more would push everything else off the screen. All of them can be
# chosen.
LISTS_SHOWN_MAX = 10
# Words that show why a list is suggested; they stand behind a choice, on its line.
FITTING_WORDS_SHOWN_MAX = 2


@dataclass(frozen=True, slots=True)
class Offer:
    """One choice as it is shown: `word` as one types it, what it means, and why it is suggested ("" if it is not)."""

    choice: Choice
    word: str
    meaning: str
    suggested: str = ""


def choices(held: HeldMail, language: Language) -> list[Offer]:
    """The choices of a notice, the suggested one first (SEMANTICS c6)."""
    private = any(each.rule == 11 for each in held.findings)
    only = [_only(held, each, private, language) for each in held.lists[:LISTS_SHOWN_MAX]]
    only = sorted(only, key=lambda each: not each.suggested) if len(held.lists) > 1 else []
    # SEMANTICS d2: where the reason points at a part of the mail.
    a_part = any(each.rule == 11 and each.facts.get("begins") for each in held.findings)
    suggested = language.text("choices.suggested") if private else ""
    send = _offer(Word.SEND, _as_it_is(held, private), language)
    discard = _offer(Word.DISCARD, "discard_part" if a_part else "discard", language, suggested)
    back = _offer(Word.BACK, "back", language)
    return [discard, *only, send, back] if private else [*only, send, discard, back]


def _offer(word: Word, meaning: str, language: Language, suggested: str = "") -> Offer:
    return Offer(Choice(word), language.word(word), language.text(f"choices.{meaning}"), suggested)


def _as_it_is(held: HeldMail, private: bool) -> str:
    """What SEND does: the name of a text."""
    if private:
        return "send_agreed"
    if len(held.lists) < 2:
        return "send_list_decides" if any(each.id == "12-08" for each in held.findings) else "send"
    return "send_both" if len(held.lists) == 2 and len(held.envelope.recipients) == 2 else "send_all"


def _only(held: HeldMail, chosen: NumberedList, private: bool, language: Language) -> Offer:
    kept, left = (language.named(names_of(each)) for each in split_recipients(held, chosen.number))
    why = _why_suggested(held, chosen, language) if chosen.suggested and not private else ""
    return Offer(
        Choice(Word.ONLY, chosen.number),
        f"{language.word(Word.ONLY)} {chosen.number}",
        language.text("choices.only", kept=kept, left=left),
        why,
    )


def _why_suggested(held: HeldMail, chosen: NumberedList, language: Language) -> str:
    """`fits "minutes"` where the mail's own words suggest a list, else `suggested`."""
    words = next((words_that_fit(each) for each in held.findings if each.suggested == chosen.id), [])
    if not words:
        return language.text("choices.suggested")
    return language.text("choices.fits", words=", ".join(map(language.quoted, words[:FITTING_WORDS_SHOWN_MAX])))


def words_that_fit(finding: Finding) -> list[str]:
    """The mail's words for which a list is suggested."""
    fits = finding.facts.get("fits", ())
    return [harmless(each) for each in fits] if isinstance(fits, tuple) else []


def split_recipients(held: HeldMail, number: int) -> tuple[Sequence[str], Sequence[str]]:
    """The recipients that ONLY `number` keeps, and the lists that it leaves out, as the sender reads them."""
    names = {each.number: each.id for each in held.lists}
    persons = [
        str(path.address or path.typed)
        for path, list_number in zip(held.envelope.recipients, held.recipient_lists, strict=True)
        if list_number is None
    ]
    return [names[number], *persons], [each.id for each in held.lists if each.number != number]
