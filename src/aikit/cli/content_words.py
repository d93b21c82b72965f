"""What is in a call, as JSON has it: its prompt, and what guards found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aikit.console.details.contents import finding_pairs as finding_pairs
from aikit.console.details.contents import prompt_words as prompt_words

if TYPE_CHECKING:
    from aikit.ledger.call_detail import AttemptDetail


def content_data(attempt: AttemptDetail) -> dict[str, Any]:
    """As JSON has it."""
    prompt = attempt.prompt
    return {
        "prompt": prompt and prompt.id,
        "prompt_sha256": prompt and prompt.sha256,
        "findings": [finding._asdict() for finding in attempt.findings],
    }
