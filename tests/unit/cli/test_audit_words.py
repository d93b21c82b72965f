"""What a change in the audit is told as, whatever it was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from aikit.cli.audit_words import in_full, short
from aikit.ledger.audit import AuditRow
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.policy.record import to_body
from aikit.types import Metric, Window

MONTH = StatedLimit(Metric.CREDITS, Window.MONTH, 5_000_000_000)
OLD = to_body(Policy("plan:free", Scope(plan="free"), limits=(MONTH,)))
NEW = to_body(Policy("plan:free", Scope(plan="free"), limits=(MONTH,), clamp=True))


def change(before: Any, after: Any) -> AuditRow:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    return AuditRow(1, at, "ann", "some.action", "something", None, before, after, None, None, "0" * 64)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("free", "pro", "free → pro"),
        (None, "pro", "none → pro"),
        ("pro", None, "pro → none"),
        (None, {"plan": None, "uncapped": True}, "uncapped: true"),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, "b: 2 → 3"),
        (None, {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}, "a: 1; b: 2; c: 3; and 2 more"),
        (OLD, NEW, "clamp: not stated → true"),
        (None, OLD, "credits/month: $5.00 (50,000 credits)"),
        (OLD, None, "credits/month: $5.00 (50,000 credits)"),
        ({**OLD, "of_later": 1}, {**OLD, "of_later": 2}, "of_later: 1 → 2"),
    ],
)
def test_a_change_is_told_in_one_line(before: Any, after: Any, told: str) -> None:
    assert short(change(before, after), 100_000) == told


def test_a_policy_is_told_in_full_as_a_file_has_it() -> None:
    assert in_full(change(OLD, NEW), 100_000) == [
        "  [plans.free]",
        "+ clamp = true",
        "  limits = [",
        '    { window = "month", cap_usd = "5.00" },  # 50,000 credits',
        "  ]",
    ]


def test_a_policy_that_only_a_later_version_can_read_is_told_as_it_was_written() -> None:
    lines = in_full(change({**OLD, "of_later": 1}, {**OLD, "of_later": 2}), 100_000)
    assert '-   "of_later": 1' in lines
    assert '+   "of_later": 2' in lines


@pytest.mark.parametrize(("before", "after", "told"), [(None, "pro", ['+ "pro"']), ("free", None, ['- "free"'])])
def test_what_was_not_there_has_no_lines(before: Any, after: Any, told: list[str]) -> None:
    assert in_full(change(before, after), 100_000) == told
