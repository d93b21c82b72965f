"""Reads the times that people write: dates, times, and how long ago. Everything is UTC unless it says otherwise."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

FORMS = "2026-11-01, 2026-11-01T12:30, 24h, 7d, today, yesterday, week or month"

_AGO = re.compile(r"(\d{1,5})\s*(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, now: datetime) -> datetime:
    """The moment that `text` names, seen from `now`: `7d` is seven days before, `month` the 1st of this month.

    Raises ValueError for anything else.
    """
    text = text.strip().lower()
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    named = {
        "now": now,
        "today": today,
        "yesterday": today - timedelta(days=1),
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
    }
    if text in named:
        return named[text]
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        written = datetime.fromisoformat(text.upper())
        return (written if written.tzinfo else written.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a time; write {FORMS}") from None
