"""The times that people write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aikit.cli.moments import moment

NOW = datetime(2026, 11, 21, 2, 35, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T12:30", datetime(2026, 11, 1, 12, 30, tzinfo=UTC)),
        ("2026-11-01 12:30:05", datetime(2026, 11, 1, 12, 30, 5, tzinfo=UTC)),
        ("2026-11-01T12:30:00Z", datetime(2026, 11, 1, 12, 30, tzinfo=UTC)),
        ("2026-11-01T12:30+02:00", datetime(2026, 11, 1, 10, 30, tzinfo=UTC)),
        ("now", NOW),
        ("today", datetime(2026, 11, 21, tzinfo=UTC)),
        (" Yesterday ", datetime(2026, 11, 20, tzinfo=UTC)),
        ("week", datetime(2026, 11, 16, tzinfo=UTC)),
        ("month", datetime(2026, 11, 1, tzinfo=UTC)),
        ("90m", NOW - timedelta(minutes=90)),
        ("24h", NOW - timedelta(days=1)),
        ("7d", NOW - timedelta(days=7)),
        ("2w", NOW - timedelta(days=14)),
    ],
)
def test_a_time_is_read_as_it_is_meant(text: str, meant: datetime) -> None:
    assert moment(text, NOW) == meant


@pytest.mark.parametrize(
    "text", ["", "soon", "7", "-7d", "7y", "2026-13-01", "0001-01-01T00:00+14:00", "2026-11-01T25:00"]
)
def test_what_is_no_time_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time; write 2026-11-01,"):
        moment(text, NOW)
