"""Dates and times as a notice says them, in the site's timezone."""

from __future__ import annotations

from datetime import date, datetime, tzinfo

# Fixed names: strftime's would follow the locale of the machine.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def spoken(moment: datetime, zone: tzinfo | None, joint: str = ", ") -> str:
    """`Wed 25 Nov, 18:00` for an aware `moment`, as seen in `zone` (None: the machine's).

    `joint` stands between day and time.
    """
    local = moment.astimezone(zone)
    return f"{spoken_day(local.date())}{joint}{local:%H:%M}"


def spoken_day(day: date) -> str:
    """`Wed 25 Nov`."""
    return f"{_DAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]}"
