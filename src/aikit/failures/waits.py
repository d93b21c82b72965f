"""How long a provider asks to be left alone, in seconds: from its headers, or from Google's RetryInfo. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 30 * 86_400.0
"""Whatever a provider asks for, it is not longer than this."""
_NUMBER = re.compile(r"[0-9]{1,20}(?:\.[0-9]{0,20})?")


def retry_after(headers: Mapping[str, str], delay: object, now: datetime | None = None) -> float | None:
    """`retry-after-ms`, else `retry-after` in seconds or as an HTTP date, else Google's `retryDelay`. None: not said.

    `headers` have lower-case names, or don't mind. A text such as "try again in 1.2s" is not read.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return min(milliseconds / 1000, LONGEST)
    stated = headers.get("retry-after")
    for wait in (_number(stated), _until(stated, now or datetime.now(UTC)), _duration(delay)):
        if wait is not None:
            return min(wait, LONGEST)
    return None


def _number(stated: str | None) -> float | None:
    return float(stated.strip()) if stated is not None and _NUMBER.fullmatch(stated.strip()) else None


def _until(stated: str | None, now: datetime) -> float | None:
    if stated is None or len(stated) > 100:
        return None
    try:
        moment = parsedate_to_datetime(stated)
    except (ValueError, TypeError, OverflowError):
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _duration(delay: object) -> float | None:
    """A protobuf Duration in JSON: "26s", "1.5s"."""
    return _number(delay[:-1]) if isinstance(delay, str) and delay.endswith("s") else None
