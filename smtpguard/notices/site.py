"""What the guard's own mails say of the organisation, and of a mail server's refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from smtpguard.notices.languages import Texts


@dataclass(frozen=True, slots=True)
class Site:
    """What the organisation says about itself in every notice, and the languages it speaks.

    `rules` are its own words for the rules with these numbers. `page` is where members reach the page that takes codes,
    `rules_page` the address of all rules; None without one.
    """

    organisation: str
    zone: tzinfo | None
    call: str | None = None
    desk: str | None = None
    texts: Texts = field(kw_only=True)
    rules: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    page: str | None = field(default=None, kw_only=True)
    rules_page: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One recipient that the mail server did not take, and its words."""

    recipient: str = field(repr=False)
    words: str = field(repr=False)
