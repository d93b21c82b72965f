"""The response headers that say what was decided."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil

from aikit.errors import RequestInvalid
from aikit.meter.judge import is_rate, reason_code
from aikit.prompts.model import PROMPT_HEADER
from aikit.types import Action, Decision, Finding, GuardAction, LimitState, Metric, Order, PromptId

PROMPT = re.compile(r"([a-z][a-z0-9_-]{0,63}@v[1-9][0-9]{0,8}) ([0-9a-f]{64})")
MOST_FINDINGS = 20
NAMES = {Metric.REQUESTS: "requests", Metric.TOKENS: "tokens"}


def prompt_of(headers: Mapping[str, str]) -> PromptId | None:
    """The version of a prompt that a request's own header names. Raises RequestInvalid if that says none."""
    named = headers.get(PROMPT_HEADER)
    if named is None:
        return None
    found = PROMPT.fullmatch(named.strip())
    if found is None:
        raise RequestInvalid(
            f"The header {PROMPT_HEADER} says no version of a prompt.",
            facts={"header": PROMPT_HEADER},
            remedy="Pass on what `Rendered.headers` has: NAME@vN and the SHA-256 of its file.",
        )
    return PromptId(found[1], found[2])


def of_decision(decision: Decision, order: Order, nano_per_credit: int) -> dict[str, str]:
    """What is left of the tightest cap, soft caps crossed, what would have been refused, what was lowered."""
    headers: dict[str, str] = {}
    blocking = [state for state in decision.limits if state.limit.action is Action.BLOCK]
    left = [state.remaining for state in blocking if state.metric is Metric.CREDITS]
    if left:
        remaining = min(left) - (order.nano if decision.allowed else 0)
        headers["x-aikit-limit-remaining"] = str(max(0, remaining) // nano_per_credit)
    if decision.soft:
        headers["x-aikit-soft-cap"] = ", ".join([label(state) for state in decision.soft])
    if decision.warned or (decision.tripped and decision.hold is not None):
        warned = [f"{reason_code(s)} {label(s)}" for s in decision.warned]
        tripped = [f"{one.reason_code} {plain(one.label)}" for one in decision.tripped]
        headers["x-aikit-would-refuse"] = ", ".join(warned + tripped)
    if decision.hold is not None and decision.hold.opened:
        headers["x-aikit-ledger-failure"] = "open"
    if decision.clamped:
        headers["x-aikit-clamped"] = f"output_tokens={order.output_tokens}"
    return headers


def of_findings(findings: Sequence[Finding]) -> dict[str, str]:
    """What guards found and are to tell of, by guard, kind, place and action: `pii email input redact 2`."""
    if not findings:
        return {}
    counts = Counter[tuple[str, ...]]()
    for guard, kind, place, action, _, _, times in findings:
        if action is not GuardAction.ALLOW:
            counts[guard, kind, place, action] += times
    told = [plain(" ".join([*found, str(times)])) for found, times in counts.most_common(MOST_FINDINGS)]
    return {"x-aikit-findings": ", ".join(told)} if told else {}


def rate_limits(decision: Decision, now: datetime) -> dict[str, str]:
    """The tightest limits on requests and tokens that slide, in OpenAI's form: `x-ratelimit-reset-requests: 6m0s`."""
    headers: dict[str, str] = {}
    for metric, name in NAMES.items():
        states = [state for state in decision.limits if state.metric is metric and _bites(state)]
        if states:
            tightest = min(states, key=lambda state: state.remaining)
            taken = 1 if metric is Metric.REQUESTS and decision.allowed else 0
            headers[f"x-ratelimit-limit-{name}"] = str(tightest.cap)
            headers[f"x-ratelimit-remaining-{name}"] = str(max(0, tightest.remaining - taken))
            headers[f"x-ratelimit-reset-{name}"] = _duration(tightest, now)
    return headers


def _bites(state: LimitState) -> bool:
    return is_rate(state) and state.limit.action is Action.BLOCK


def _duration(state: LimitState, now: datetime) -> str:
    left = max(0, ceil((state.resets_at - now).total_seconds())) if state.resets_at else 0
    return f"{left // 60}m{left % 60}s" if left >= 60 else f"{left}s"


def label(state: LimitState) -> str:
    """`credits/month plan:pro`."""
    return plain(f"{state.metric}/{state.window} {state.source}")


def plain(text: str) -> str:
    """As a header can carry it."""
    return text.encode("ascii", "replace").decode()
