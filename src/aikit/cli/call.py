"""One call in full, for `aikit calls show`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from aikit.cli.content_words import content_data, finding_pairs, prompt_words
from aikit.cli.output import UNKNOWN, facts, gap, table, when
from aikit.console.details.contents import correction_kind, correction_words
from aikit.money import credits, format_usd, usd_string
from aikit.policy.runaway import as_facts, standing
from aikit.policy.subject import subject_of
from aikit.types import Action, Cost, LimitState, Metric, Usage, Window

if TYPE_CHECKING:
    from aikit.cli.layout import Column
    from aikit.ledger.calls import AttemptDetail, CallDetail

SPAN = {window: f"per {window}" for window in Window} | {Window.TOTAL: "in total"}


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
        print_attempt(attempt) if attempt.seq == 0 else _print_correction(attempt, _sum_up_to(call, attempt))


def print_attempt(attempt: AttemptDetail) -> None:
    """What was decided, how it ended, its usage, and the limits as the decision found them."""
    gap()
    facts(f"Attempt {attempt.attempt}", _attempt_facts(attempt))
    _print_usage(attempt)
    if attempt.limits:
        gap()
        _print_limits(attempt.limits)
    if attempt.watch:
        gap()
        facts("Rules against runaways", [(found.label, standing(found)) for found in attempt.watch])
    if attempt.findings:
        gap()
        facts("What guards found", finding_pairs(attempt))


def _print_correction(attempt: AttemptDetail, total: int) -> None:
    """A further entry: what it came of, and by how much it changed what the attempt cost."""
    nano = attempt.nano or 0
    difference = f"+{format_usd(nano)}" if nano > 0 else format_usd(nano)
    pairs = [
        ("Why", correction_words(attempt)),
        ("Posted", f"{when(attempt.settled_at)} UTC"),
        ("Difference", difference),
        ("Cost in all", format_usd(total)),
        ("Price", _price(attempt)),
    ]
    gap()
    facts(f"Attempt {attempt.attempt}, correction {attempt.seq}", pairs)
    _print_usage(attempt)


def _sum_up_to(call: CallDetail, last: AttemptDetail) -> int:
    return sum(one.nano or 0 for one in call.attempts if one.attempt == last.attempt and one.seq <= last.seq)


def _print_usage(attempt: AttemptDetail) -> None:
    if attempt.usage is not None and any(attempt.usage.counts()):
        used = [[name, f"{count:,}"] for name, count in attempt.usage.classes().items() if count]
        gap()
        table("Usage", ["Class", "Tokens"], used, ["total", f"{attempt.usage.total_tokens:,}"])


def _price(attempt: AttemptDetail) -> str:
    price = attempt.price
    return f"{price.source} {price.version} ({price.price_id})" if price else attempt.price_id or UNKNOWN


def _attempt_facts(attempt: AttemptDetail) -> list[tuple[str, str]]:
    served = f", served by {attempt.served_model}" if attempt.served_model not in (None, attempt.model) else ""
    version = f", policy version {attempt.policy_version}" if attempt.policy_version is not None else ""
    pairs = [
        ("Model", f"{attempt.provider}/{attempt.model}{served}"),
        ("API", f"{attempt.api}{', streamed' if attempt.stream else ''}"),
        ("Decided", f"{when(attempt.decided_at)} UTC"),
        ("Decision", f"{attempt.reason_code}{version}"),
        *([("Would refuse", f"{attempt.would_refuse}, if that limit blocked")] if attempt.would_refuse else []),
        *([("Refused by", attempt.source)] if attempt.source else []),
        *([("Prompt", prompt)] if (prompt := prompt_words(attempt)) else []),
        *([("Asked for", _asked(attempt))] if attempt.request else []),
        ("State", _state(attempt)),
        ("Most it could cost", format_usd(attempt.bound_nano)),
        ("Cost", f"{format_usd(attempt.nano)}{', estimated' if attempt.estimated else ''}"),
        ("Price", _price(attempt)),
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


def _asked(attempt: AttemptDetail) -> str:
    """`12 input and 2,000 output tokens; granted fewer`."""
    asked = attempt.request or {}
    output = asked.get("output")
    words = f"{asked.get('input', 0):,} input tokens at most"
    words += f", {output:,} of output" if output is not None else ", no output limit named"
    return f"{words}; clamped to what fits" if is_clamped(attempt) else words


def is_clamped(attempt: AttemptDetail) -> bool:
    """Whether fewer output tokens were granted than asked for: then less is held than those would cost."""
    asked = attempt.request or {}
    if attempt.state == "refused" or attempt.bound_nano is None or not asked.get("cost") or asked.get("output") is None:
        return False
    scale, *cases = asked["cost"]
    return Cost(tuple([(paid, rate) for paid, rate in cases]), scale).nano(asked["output"]) > attempt.bound_nano


def _print_limits(limits: Sequence[LimitState]) -> None:
    """A table; columns in which there would be nothing to see are left out."""
    from aikit.cli.layout import Column
    from aikit.cli.limit_rows import amount

    def amounts(values: Iterable[int | None]) -> list[str]:
        pairs = zip(values, limits, strict=True)
        return [UNKNOWN if value is None else amount(value, limit.metric) for value, limit in pairs]

    counts = [subject_of(state.limit.subject).words for state in limits]
    soft_caps = [state.limit.soft_cap for state in limits]
    shown: list[tuple[str | Column, list[str]]] = [
        ("Limit", [_limit_name(state) for state in limits]),
        (Column("Counts", 1), [words or "tenant" for words in counts] if any(counts) else []),
        ("Cap", amounts([state.cap for state in limits])),
        (Column("Soft cap", 3), amounts(soft_caps) if soft_caps != [None] * len(limits) else []),
        ("Used", amounts([state.used + state.carried for state in limits])),
        (Column("Held", 2), amounts([state.held for state in limits])),
        ("Left", amounts([state.remaining for state in limits])),
        ("Set by", [state.source for state in limits]),
    ]
    kept = [(column, cells) for column, cells in shown if cells]
    rows = [list(row) for row in zip(*[cells for _, cells in kept], strict=True)]
    table("Limits, as the decision found them", [column for column, _ in kept], rows)


def _limit_name(state: LimitState) -> str:
    name = "calls at once" if state.metric is Metric.CONCURRENCY else f"{state.metric} {SPAN[state.window]}"
    return f"{name} (warn)" if state.limit.action is Action.WARN else name


def _attempt_data(attempt: AttemptDetail) -> dict[str, Any]:
    return {
        "id": attempt.attempt,
        "seq": attempt.seq,
        "correction": correction_kind(attempt),
        "state": attempt.state,
        "provider": attempt.provider,
        "model": attempt.model,
        "served_model": attempt.served_model,
        "api": attempt.api,
        "stream": attempt.stream,
        "reason_code": attempt.reason_code,
        "would_refuse": attempt.would_refuse,
        "source": attempt.source,
        "clamped": is_clamped(attempt),
        "policy_version": attempt.policy_version,
        "limits": [_limit_data(limit) for limit in attempt.limits],
        "runaway": [as_facts(found) for found in attempt.watch],
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
        **content_data(attempt),
    }


def _tokens(usage: Usage | None) -> dict[str, int] | None:
    return None if usage is None else usage.classes()


def _limit_data(limit: LimitState) -> dict[str, Any]:
    from aikit.refusal import limit_state

    return dict(limit_state(limit))
