"""Words what a guard has blocked: by guard, kind and place, never by the text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aikit.errors import GuardBlocked
from aikit.types.guards import Finding, GuardAction, Place

WHERE = {
    Place.INPUT: "in the request",
    Place.OUTPUT: "in the answer",
    Place.TOOL_ARGUMENTS: "in tool arguments",
    Place.TOOL_RESULTS: "in tool results",
}
CRASHED = "crashed"
"""The kind of finding of a guard that failed: what it can't check may not pass."""


def blocked(findings: Iterable[Finding], **rest: Any) -> GuardBlocked:
    """The error for what these findings block. `rest` goes to it as it is."""
    blocking = [finding for finding in findings if finding.action is GuardAction.BLOCK]
    facts = {"findings": [finding._asdict() for finding in blocking]}
    if not blocking:
        return GuardBlocked("A guard has blocked it.", facts=facts, **rest)
    first = blocking[0]
    where = WHERE[first.place] + (f", at {first.at}" if first.at else "")
    if first.kind == CRASHED:
        return GuardBlocked(
            f"The guard {first.guard} failed {where}, so nothing may pass there.",
            facts=facts,
            remedy="Mend the guard; until then a policy can switch it off.",
            **rest,
        )
    more = f" ({len(blocking) - 1} more)" if len(blocking) > 1 else ""
    return GuardBlocked(
        f"The guard {first.guard} found {first.kind} {where}{more}.",
        facts=facts,
        remedy="Send it without that, or change what the guard does: `aikit policy explain` shows who asks for it.",
        **rest,
    )
