"""`aikit eval --dry-run`: what suites would ask and cost; nothing is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aikit.cli.output import emit_json, note, table
from aikit.money import format_usd, usd_string

if TYPE_CHECKING:
    from aikit.config import Settings
    from aikit.evals.estimating import Estimate
    from aikit.evals.model import Suite
    from aikit.evals.performing import Wish

COLUMNS = ("suite", "of", "trials", "answers", "to ask", "expected", "at most", "budget")


def estimate(suites: Sequence[Suite], wish: Wish, settings: Settings, folder: Path, *, json: bool) -> None:
    """Raises ConfigError and PromptError for a suite that can't be run."""
    from aikit.evals.estimating import estimate as estimated

    found = [estimated(suite, wish, settings, folder=folder) for suite in suites]
    if json:
        totals = {
            "suites": len(found),
            "to_ask": sum(one.to_ask for one in found),
            "expected_usd": _sum([one.expected_nano for one in found]),
            "most_usd": _sum([one.most_nano for one in found]),
        }
        emit_json("eval.estimate", [_data(one) for one in found], totals)
        return
    table(f"What it would ask ({wish.mode})", COLUMNS, [_cells(one) for one in found])
    for one in found:
        if one.why:
            note(f"{one.suite}: nobody can say what it costs at most. {one.why}")


def _data(one: Estimate) -> dict[str, Any]:
    return {
        "suite": one.suite,
        "prompt": one.prompt,
        "trials": one.trials,
        "calls": one.calls,
        "to_ask": one.to_ask,
        "expected_usd": _usd(one.expected_nano),
        "most_usd": _usd(one.most_nano),
        "budget_usd": _usd(one.budget_nano),
        "why": one.why or None,
    }


def _cells(one: Estimate) -> tuple[str, ...]:
    amounts = (one.expected_nano, one.most_nano, one.budget_nano)
    counts = (str(one.trials), f"{one.calls:,}", f"{one.to_ask:,}")
    return (one.suite, one.prompt or "a function", *counts, *map(format_usd, amounts))


def _usd(nano: int | None) -> str | None:
    return None if nano is None else usd_string(nano)


def _sum(amounts: Sequence[int | None]) -> str | None:
    """Unknown, if one of them is."""
    known = [amount for amount in amounts if amount is not None]
    return usd_string(sum(known)) if len(known) == len(amounts) else None
