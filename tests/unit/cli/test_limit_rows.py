"""Limits in words and bars."""

from __future__ import annotations

import pytest

from aikit.cli.limit_rows import BAR, bar, span, standing
from aikit.ledger.limits import LimitRow
from aikit.types import Action, Metric, Window


def row(cap: int, used: int | None = 0, held: int | None = 0, window: Window = Window.DAY) -> LimitRow:
    remaining = None if used is None or held is None else max(0, cap - used - held)
    return LimitRow(
        tenant="acme",
        metric=Metric.REQUESTS,
        window=window,
        cap=cap,
        soft_cap=None,
        action=Action.BLOCK,
        source="tenant:acme",
        counts="",
        used=used,
        held=held,
        remaining=remaining,
        resets_at=None,
        zone="UTC",
    )


@pytest.mark.parametrize(
    ("limit", "shown"),
    [
        (row(100), "  0% .........."),
        (row(100, 34), " 34% ###......."),
        (row(100, 30, 25), " 55% ###++....."),
        (row(100, 99), " 99% #########."),
        (row(100, 100), "100% ##########"),
        (row(100, 60, 40), "100% ######++++"),
        (row(100, 250), "250% ##########"),
        (row(0), "100% ##########"),
        (row(100, None, None), "—"),
        (row(100, window=Window.CALL), "—"),
    ],
)
def test_a_bar_is_full_when_nothing_is_left_and_never_longer(limit: LimitRow, shown: str) -> None:
    assert bar(limit, blocks=False) == shown


def test_a_bar_is_as_long_in_blocks_as_in_ascii() -> None:
    for used in range(0, 130, 7):
        limit = row(100, used, used // 3)
        assert len(bar(limit, blocks=True)) == len(bar(limit, blocks=False)) == BAR + 5


@pytest.mark.parametrize(
    ("metric", "window", "each", "warns", "words"),
    [
        ("credits", "month", None, False, "per month"),
        ("credits", "total", None, False, "in total"),
        ("credits", "call", None, True, "per call (warn)"),
        ("input_tokens", "day", "feature", False, "input tokens per day, each feature"),
        ("concurrency", "total", None, False, "calls at once"),
    ],
)
def test_a_limit_is_said_in_words(metric: str, window: str, each: str | None, warns: bool, words: str) -> None:
    assert span(metric, window, each, warns=warns) == words


def test_what_nobody_knows_is_not_shown_as_zero() -> None:
    assert standing(row(10, None, None)) == "used — · held — · left — · never resets"
