"""What is in a call, in words: its prompt, and what guards found. What was asked and answered is not kept."""

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


def _standing(finding: Finding) -> str:
    """`redacted in the input, 2 times · messages/0/content · 9c1f…`."""
    done = {"allow": "recorded", "flag": "flagged", "redact": "redacted", "block": "blocked"}[finding.action]
    times = f", {finding.times:,} times" if finding.times > 1 else ""
    words = f"{done} in the {finding.place.value.replace('_', ' ')}{times}"
    return " · ".join([part for part in (words, finding.at, finding.hash) if part])
