"""Where a limit stands, in words that pages share. Pure."""

from __future__ import annotations

from aikit.console.details.words import UNKNOWN, utc
from aikit.console.words import Style, bar, percent
from aikit.ledger.limits import LimitRow
from aikit.policy.changes import Counted, limit_name
from aikit.policy.words import amount
from aikit.types import Metric, Window

PLAIN = Style()
BAR = 20


def limit_words(row: LimitRow) -> str:
    """`credits/month`, `requests/minute (warn)`, `concurrency`."""
    return limit_name(Counted(row.metric, row.window, row.action, None))


def counts_words(row: LimitRow) -> str:
    """Whose calls it counts together."""
    if row.window is Window.CALL:
        return "each call by itself"
    return row.counts or "the whole tenant"


def share_words(row: LimitRow) -> str:
    """`██████████▏ 51%`; unknown where nothing is counted yet."""
    return UNKNOWN if row.share is None else f"{bar(row.share, BAR, PLAIN, '·')} {percent(row.share, PLAIN)}"


def standing_words(row: LimitRow) -> str:
    """`$1.20 of $5.00 used, $0.10 held`, and when it resets."""
    if row.window is Window.CALL:
        return f"at most {amount(row.cap, row.metric)} each"
    if row.used is None or row.held is None:
        return f"nobody has come to it yet, of {amount(row.cap, row.metric)} each"
    if row.metric is Metric.CONCURRENCY:
        return f"{amount(row.held, row.metric)} of {amount(row.cap, row.metric)} running"
    resets = f", resets {utc(row.resets_at)}" if row.resets_at else ", never resets"
    used, held, cap = [amount(number, row.metric) for number in (row.used, row.held, row.cap)]
    return f"{used} of {cap} used, {held} held{resets}"
