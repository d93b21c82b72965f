"""What is on record of a call's content, in words: its prompt, what guards found, what corrections came of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikit.page import Item

if TYPE_CHECKING:
    from aikit.ledger.call_detail import AttemptDetail
    from aikit.types import Finding

SHORT = 12
"""Digits of a hash that tell it from others."""


def prompt_words(attempt: AttemptDetail) -> str | None:
    """`summarize@v3 (3f2a91b0c4d7)`, None without a prompt."""
    prompt = attempt.prompt
    return None if prompt is None else f"{prompt.id} ({prompt.sha256[:SHORT]})"


def finding_pairs(attempt: AttemptDetail) -> list[tuple[str, str]]:
    """A line for each finding."""
    return [(f"{finding.guard}: {finding.kind}", _standing(finding)) for finding in attempt.findings]


def finding_items(attempt: AttemptDetail) -> list[Item]:
    """The same for a page."""
    return [Item(*pair) for pair in finding_pairs(attempt)]


def correction_kind(attempt: AttemptDetail) -> str | None:
    """What a further entry came of: a person's word, other prices, or its own process. None for an ending."""
    if attempt.seq == 0:
        return None
    return {"corrected": "by_hand", "rerated": "rerated"}.get(attempt.error or "", "late")


def correction_words(attempt: AttemptDetail) -> str:
    """The same in words."""
    kind = correction_kind(attempt)
    if kind == "late":
        told = ", ".join([attempt.state, *([f"error {attempt.error}"] if attempt.error else [])])
        return f"how it really ended became known late: {told}"
    if kind == "rerated":
        return "rerated: other prices; `aikit audit list --action ledger` says by whom"
    return "corrected by hand; `aikit audit list --action ledger` says by whom"


def _standing(finding: Finding) -> str:
    """`redacted in the input, 2 times · messages/0/content · 9c1f…`."""
    done = {"allow": "recorded", "flag": "flagged", "redact": "redacted", "block": "blocked"}[finding.action]
    times = f", {finding.times:,} times" if finding.times > 1 else ""
    words = f"{done} in the {finding.place.value.replace('_', ' ')}{times}"
    return " · ".join([part for part in (words, finding.at, finding.hash) if part])
