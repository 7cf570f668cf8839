"""A held mail as its page tells of it: facts for the template, every one of them one clean line or plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from babel.units import format_unit

from smtpguard.answers.choice import Word
from smtpguard.held import HeldMail
from smtpguard.notices.choices import Offer, choices
from smtpguard.notices.harmless import name_of
from smtpguard.notices.languages import Language, locale_of
from smtpguard.web.contents import File

# More of each is counted and not shown: a page is read on a phone. All lists can be chosen.
LISTS_SHOWN_MAX = 50
RECIPIENTS_SHOWN_MAX = 50

_UNITS = (("megabyte", 1000**2), ("kilobyte", 1000), ("byte", 1), ("byte", 0))


@dataclass(frozen=True, slots=True)
class Offers:
    """The choices: those that need their word typed, and those that have a button. Each suggested one stands first;
    `typed_first` is false where the suggested one has a button."""

    typed: tuple[Offer, ...]
    pressed: tuple[Offer, ...]
    typed_first: bool


def offers_of(held: HeldMail, language: Language, *, sends: bool) -> Offers:
    """What may be chosen on the page; without `sends` only what does not release (SEMANTICS c6, "Release")."""
    every = choices(held, language)
    typed = tuple(each for each in every if each.choice.word in (Word.SEND, Word.ONLY)) if sends else ()
    pressed = tuple(each for each in every if each.choice.word in (Word.DISCARD, Word.BACK))
    return Offers(typed, pressed, bool(typed) and every[0] in typed)


def numbers_of(held: HeldMail) -> dict[int, str]:
    """The lists that ONLY can keep, by number."""
    return {each.number: each.id for each in held.lists} if len(held.lists) > 1 else {}


def recipients_of(held: HeldMail) -> Sequence[str]:
    """Whom it would go to, in the order in which they were named: those that are shown."""
    return [name_of(str(each.address or each.typed)) for each in held.envelope.recipients[:RECIPIENTS_SHOWN_MAX]]


def size_of(file: File, language: Language) -> str:
    """`file`'s size as people say it, "12 kB"."""
    unit, size = next(each for each in _UNITS if file.octets >= each[1])
    return format_unit(round(file.octets / max(size, 1)), f"digital-{unit}", "short", locale=locale_of(language.code))
