"""What was answered, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from smtpguard.mail.address import Address

Place = Literal["front", "filter"]
OnAlarm = Literal["observe", "hold", "refuse"]


@dataclass(frozen=True, slots=True)
class Answers:
    """All answers. `certificate` and `key` are needed in front alone; `page` is a web address, or None."""

    place: Place
    organisation: str
    server: str
    domain: str
    list_domains: tuple[str, ...]
    address: Address
    contact: Address
    certificate: str | None
    key: str | None
    page: str | None
    languages: tuple[str, ...]
    timezone: str
    on_alarm: OnAlarm

    @property
    def guard_domain(self) -> str:
        """That of the guard's own address."""
        return self.address.domain


Said = dict[str, Any]
"""The answers so far, by the question's name."""
