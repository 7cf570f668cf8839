"""When an archived mail was written: its own Date field (RFC 5322, 3.6.1), if that makes sense."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from smtpguard.mail.header import EMAIL_PACKAGE_ERRORS

# RFC 822 is of this day: no mail is older.
EARLIEST = datetime(1982, 8, 13, tzinfo=UTC)
# A clock without its time zone is wrong by less than a day.
AHEAD_MAX = timedelta(days=1)


def sensible(when: datetime | None, now: datetime) -> datetime | None:
    """`when`, aware, but not later than `now`; None if no mail can be of that time."""
    if when is None or not EARLIEST <= when <= now + AHEAD_MAX:
        return None
    return min(when, now)


def date_of(field: str, now: datetime) -> datetime | None:
    """What a Date field says, UTC; None if it says nothing, or nothing sensible."""
    try:
        when = parsedate_to_datetime(field)
        # -0000: the time is UTC, the zone is not said (RFC 5322, 3.3).
        when = (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (*EMAIL_PACKAGE_ERRORS, OverflowError):
        return None
    return sensible(when, now)
