"""One call in full, for `aikit calls show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aikit.cli.output import UNKNOWN, facts, gap, table, when
from aikit.money import credits, format_usd, usd_string
from aikit.types import LimitState, Metric, Usage, Window

if TYPE_CHECKING:
    from aikit.ledger.calls import AttemptDetail, CallDetail


def call_data(call: CallDetail, nano_per_credit: int) -> dict[str, Any]:
    """As JSON has it."""
    return {
        "call": call.call,
        "tenant": call.tenant or None,
        "user": call.user,
        "feature": call.feature,
        "environment": call.environment,
        "cost_usd": usd_string(call.nano),
        "credits": credits(call.nano, nano_per_credit),
        "attempts": [_attempt_data(attempt) for attempt in call.attempts],
    }


def print_call(call: CallDetail) -> None:
    """As people read it: the call, then each line about its attempts."""
    names = {"Tenant": call.tenant, "User": call.user, "Feature": call.feature, "Environment": call.environment}
    named = [(label, name) for label, name in names.items() if name]
    facts(f"Call {call.call}", [*named, ("Cost", format_usd(call.nano))])
    for attempt in call.attempts:
        print_attempt(attempt)


def print_attempt(attempt: AttemptDetail) -> None:
    """What was decided, how it ended, its usage, and the limits as the decision found them."""
    correction = f", correction {attempt.seq}" if attempt.seq else ""
    gap()
    facts(f"Attempt {attempt.attempt}{correction}", _attempt_facts(attempt))
    if attempt.usage is not None and any(attempt.usage.counts()):
        used = [[name, f"{count:,}"] for name, count in attempt.usage.classes().items() if count]
        gap()
        table("Usage", ["Class", "Tokens"], used, ["total", f"{attempt.usage.total_tokens:,}"])
    if attempt.limits:
        columns = ["Limit", "Cap", "Used", "Held", "Left", "Set by"]
        gap()
        table("Limits, as the decision found them", columns, [_limit_cells(limit) for limit in attempt.limits])


def _attempt_facts(attempt: AttemptDetail) -> list[tuple[str, str]]:
    served = f", served by {attempt.served_model}" if attempt.served_model not in (None, attempt.model) else ""
    version = f", policy version {attempt.policy_version}" if attempt.policy_version is not None else ""
    price = attempt.price
    pairs = [
        ("Model", f"{attempt.provider}/{attempt.model}{served}"),
        ("API", f"{attempt.api}{', streamed' if attempt.stream else ''}"),
        ("Decided", f"{when(attempt.decided_at)} UTC"),
        ("Decision", f"{attempt.reason_code}{version}"),
        ("State", _state(attempt)),
        ("Most it could cost", format_usd(attempt.bound_nano)),
        ("Cost", f"{format_usd(attempt.nano)}{', estimated' if attempt.estimated else ''}"),
        ("Price", f"{price.source} {price.version} ({price.price_id})" if price else attempt.price_id or UNKNOWN),
    ]
    return [*pairs, ("Error", attempt.error)] if attempt.error else pairs


def _state(attempt: AttemptDetail) -> str:
    words = [attempt.state]
    if attempt.status is not None:
        words.append(f"status {attempt.status}")
    if attempt.duration_ms is not None:
        words.append(f"after {attempt.duration_ms:,} ms")
    if attempt.first_byte_ms is not None:
        words.append(f"first byte after {attempt.first_byte_ms:,} ms")
    if attempt.expires_at is not None:
        words.append(f"presumed spent from {when(attempt.expires_at)} UTC")
    return ", ".join(words)


def _limit_cells(limit: LimitState) -> list[str]:
    amounts = [limit.cap, limit.used, limit.held, limit.remaining]
    money = limit.metric is Metric.CREDITS
    shown = [format_usd(amount) if money else f"{amount:,}" for amount in amounts]
    span = "in total" if limit.window is Window.TOTAL else f"per {limit.window}"
    return [f"{limit.metric} {span}", *shown, limit.source]


def _attempt_data(attempt: AttemptDetail) -> dict[str, Any]:
    return {
        "id": attempt.attempt,
        "seq": attempt.seq,
        "state": attempt.state,
        "provider": attempt.provider,
        "model": attempt.model,
        "served_model": attempt.served_model,
        "api": attempt.api,
        "stream": attempt.stream,
        "reason_code": attempt.reason_code,
        "policy_version": attempt.policy_version,
        "limits": [_limit_data(limit) for limit in attempt.limits],
        "decided_at": attempt.decided_at,
        "settled_at": attempt.settled_at,
        "expires_at": attempt.expires_at,
        "duration_ms": attempt.duration_ms,
        "first_byte_ms": attempt.first_byte_ms,
        "status": attempt.status,
        "error": attempt.error,
        "estimated": attempt.estimated,
        "tokens": _tokens(attempt.usage),
        "cost_usd": None if attempt.nano is None else usd_string(attempt.nano),
        "bound_usd": None if attempt.bound_nano is None else usd_string(attempt.bound_nano),
        "price_id": attempt.price_id,
        "price": attempt.price and attempt.price.body,
    }


def _tokens(usage: Usage | None) -> dict[str, int] | None:
    return None if usage is None else usage.classes()


def _limit_data(limit: LimitState) -> dict[str, Any]:
    from aikit.refusal import limit_state

    return dict(limit_state(limit))
