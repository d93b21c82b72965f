"""Words a refusal: which error a decision becomes, and the facts that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import ceil
from typing import Any
from uuid import UUID

from aikit.breaker.gates import BREAKER_OPEN
from aikit.errors import (
    BreakerOpen,
    PolicyDenied,
    PriceUnknown,
    RateLimited,
    Refused,
    RequestTooLarge,
    SpendCapExceeded,
)
from aikit.guards.blocking import blocked
from aikit.meter.judge import is_rate
from aikit.money import credits, format_usd, usd_string
from aikit.policy.runaway import as_facts, in_words, remedy
from aikit.policy.subject import subject_of
from aikit.types import GUARD_BLOCKED, Decision, LimitState, Metric, Order, Repeats, Watched, Window

SPAN = {Window.TOTAL: "in total", Window.DAY: "today"}
DENIED = {
    "TENANT_REQUIRED": (
        "The call names no tenant.",
        "Name one: client(tenant=…), `with aikit.tags(tenant=…)`, or the header x-aikit-tenant.",
    ),
    "TENANT_UNKNOWN": ("The tenant {tenant!r} is not known.", "Add it: aikit tenant add {tenant}"),
    "NO_POLICY": (
        "The tenant {tenant!r} has no limit, and without one nothing is allowed.",
        "Set one: aikit limit set --tenant {tenant} --window month --usd 25",
    ),
    "ENTITLEMENT_REQUIRED": (
        "{tenant}: this needs {lacking}, which its plan does not give.",
        "Move it to a plan that does (aikit plan list), or add the entitlement to its plan.",
    ),
    "MODEL_NOT_ALLOWED": (
        "{tenant}: {model} is not allowed by the policy {source}.",
        "Use a model that is: aikit policy explain --tenant {tenant} shows them.",
    ),
    "PRICE_UNKNOWN": (
        "The price of {model} is not known, so what a call can cost can't be bounded.",
        'Check the name (aikit prices show {model}), or price it in aikit.toml under [prices."{model}"].',
    ),
    "PROMPT_TOO_LONG": (
        "{tenant}: the prompt has {characters:,} characters; the ceiling is {most_characters:,} ({source}).",
        "Shorten it, or state a higher max_prompt_characters in policies.toml and apply that.",
    ),
    "REQUEST_TOKENS_EXCEEDED": (
        "{tenant}: {output:,} output tokens are asked for; the ceiling is {most_output:,} ({source}).",
        "Ask for fewer, or state a higher max_output_tokens in policies.toml and apply that.",
    ),
}
KINDS: dict[str, tuple[type[Refused], int]] = {
    "PRICE_UNKNOWN": (PriceUnknown, 403),
    "PROMPT_TOO_LONG": (RequestTooLarge, 413),
    "REQUEST_TOKENS_EXCEEDED": (RequestTooLarge, 400),
}


def denied(code: str, order: Order, decision: Decision | None = None) -> Refused:
    """The error for an attempt that is refused for another reason than a limit."""
    kind, status = KINDS.get(code, (PolicyDenied, 403))
    rules = decision.rules if decision else None
    words: dict[str, Any] = {
        "tenant": order.call.tenant,
        "model": f"{order.call.provider}/{order.call.model}",
        "source": (decision and decision.source) or "built-in",
        "characters": order.characters,
        "output": order.output_tokens,
        "lacking": ", ".join(rules.lacking) if rules else "",
        "most_characters": rules.max_prompt_characters if rules else 0,
        "most_output": rules.max_output_tokens if rules else 0,
    }
    message, remedy = DENIED[code]
    return kind(
        message.format(**words),
        code=code,
        status=status,
        remedy=remedy.format(**words),
        decision=decision,
        facts={"tenant": order.call.tenant, "limitSource": decision and decision.source},
    )


def refused(
    decision: Decision, order: Order, *, affordable: int, nano_per_credit: int, cheaper: str | None = None
) -> Refused:
    """The error that a decision against an order becomes.

    `affordable` is the number of output tokens that would still fit, `cheaper` the cheapest model that would.
    """
    state = decision.deciding
    if decision.reason_code == BREAKER_OPEN:
        return _breaker_open(decision)
    if decision.reason_code == GUARD_BLOCKED:
        return blocked(order.findings, decision=decision)
    if decision.tripped:
        return _run_away(decision.tripped[0], decision, order)
    if state is None:
        return denied(decision.reason_code, order, decision)
    facts = limit_facts(state, order, affordable=affordable, nano_per_credit=nano_per_credit)
    if cheaper is not None:
        facts["cheapestModel"] = cheaper
    wait = decision.retry_after
    common: dict[str, Any] = {"code": decision.reason_code, "facts": facts, "decision": decision, "retry_after": wait}
    message = _message(state, order)
    if is_rate(state):
        if wait is None:
            return RateLimited(message, remedy=_remedy(state, affordable, cheaper), retryable=False, **common)
        return RateLimited(message, remedy=f"Try again in {_seconds(wait)}.", **common)
    if state.window is Window.CALL and state.metric is not Metric.CREDITS:
        return RequestTooLarge(message, remedy=_remedy(state, affordable, cheaper), status=400, **common)
    if decision.in_flight:
        return SpendCapExceeded(
            f"{message} Only calls that are still running stand in the way.",
            remedy="Try again when they have ended.",
            reason="in_flight",
            retryable=True,
            **common,
        )
    return SpendCapExceeded(
        message, remedy=_remedy(state, affordable, cheaper), reason="cap", **(common | {"retry_after": None})
    )


def _breaker_open(decision: Decision) -> Refused:
    name = (decision.source or "").removeprefix("breaker:")
    wait = decision.retry_after
    return BreakerOpen(
        f"{name} has failed too often lately and is not asked.",
        remedy=f"It is tried again in {_seconds(wait)}; see aikit breaker list."
        if wait is not None
        else "An operator has opened its breaker: aikit breaker list says who and why.",
        retryable=wait is not None,
        retry_after=wait,
        decision=decision,
        facts={"breaker": name},
    )


def _run_away(found: Watched, decision: Decision, order: Order) -> Refused:
    """The error for a request of a loop, which is not worth another try, or for one that spends too fast."""
    tenant, wait = order.call.tenant, decision.retry_after
    counted = subject_of(found.rule.subject).words
    whose = f"{tenant} ({counted})" if counted else tenant
    return RateLimited(
        f"{whose}: {in_words(found, order.nano)}",
        code=decision.reason_code,
        remedy=remedy(found, wait),
        retryable=wait is not None and not isinstance(found, Repeats),
        retry_after=wait,
        decision=decision,
        facts={"tenant": tenant, "limitSource": found.rule.source, "runaway": as_facts(found)},
    )


def limit_facts(state: LimitState, order: Order, *, affordable: int, nano_per_credit: int) -> dict[str, Any]:
    """The facts of the deciding limit, under the names of the native endpoint's body."""
    facts: dict[str, Any] = {"tenant": order.call.tenant, "window": str(state.window)}
    if state.metric is Metric.CREDITS:
        facts["capCredits"] = state.cap // nano_per_credit
        facts["spentCredits"] = credits(state.used + state.carried, nano_per_credit)
        facts["heldCredits"] = credits(state.held, nano_per_credit)
    else:
        facts |= {"metric": str(state.metric), "cap": state.cap, "used": state.used + state.carried, "held": state.held}
    return facts | {
        "limitSource": state.source,
        "resetsAt": iso(state.resets_at),
        "maxAffordableOutputTokens": affordable,
    }


def native_body(error: Refused) -> dict[str, Any]:
    """The body of a refusal on the native endpoint (docs/reference/semantics.md)."""
    return {
        "error": error.slug,
        **error.facts,
        "reasonCode": error.code,
        "decisionId": str(error.decision.id) if error.decision else None,
        "remedy": error.remedy,
    }


def metadata(error: Refused, decision_id: UUID) -> dict[str, Any]:
    """The `metadata` of a refusal in a provider's shape."""
    decision = error.decision
    state = decision.deciding if decision else None
    return {
        "reason": error.reason or error.code,
        "limit_source": state.source if state else decision.source if decision else None,
        "limit_state": [limit_state(s) for s in decision.failing] if decision else [],
        "runaway": as_facts(decision.tripped[0]) if decision and decision.tripped else None,
        "resets_at": iso(state.resets_at) if state else None,
        "retry_after": error.retry_after,
        "remedy": error.remedy,
        "max_affordable_output_tokens": error.facts.get("maxAffordableOutputTokens"),
        "cheapest_model": error.facts.get("cheapestModel"),
        "policy_version": decision.policy_version if decision else None,
        "price_id": decision.order.price_id if decision and decision.order else None,
        "decision_id": str(decision_id),
    }


def limit_state(state: LimitState) -> Mapping[str, Any]:
    """One limit for people and clients; money as decimal strings of dollars."""
    amounts: dict[str, int | None] = {
        "cap": state.cap,
        "soft_cap": state.limit.soft_cap,
        "used": state.used + state.carried,
        "held": state.held,
        "remaining": state.remaining,
    }
    money = state.metric is Metric.CREDITS
    return {
        "metric": str(state.metric),
        "window": str(state.window),
        "action": str(state.limit.action),
        **({f"{name}_usd": usd(value) for name, value in amounts.items()} if money else amounts),
        "resets_at": iso(state.resets_at),
        "source": state.source,
        "counts": subject_of(state.limit.subject).words or "tenant",
    }


def usd(nano: int | None) -> str | None:
    """An amount for JSON; None stays None."""
    return None if nano is None else usd_string(nano)


def iso(at: datetime | None) -> str | None:
    """`2026-12-01T00:00:00Z`."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _message(state: LimitState, order: Order) -> str:
    tenant = order.call.tenant
    counted = subject_of(state.limit.subject).words
    whose = f"{tenant} ({counted})" if counted else tenant
    span = SPAN.get(state.window, f"this {state.window}")
    metric = state.metric.replace("_", " ")
    if state.metric is Metric.CONCURRENCY:
        return f"{whose}: {state.held:,} of {state.cap:,} calls at once are running."
    if state.metric is Metric.REQUESTS:
        used = state.used + state.held + state.carried
        return f"{whose}: {used:,} of {state.cap:,} requests {span} are used."
    if state.metric is not Metric.CREDITS:
        need = _tokens(state.metric, order)
        if state.window is Window.CALL:
            return f"{whose}: a single call may use {state.cap:,} {metric}, and this one may use up to {need:,}."
        return (
            f"{whose}: {state.remaining:,} of {state.cap:,} {metric} {span} are left, and this call may use {need:,}."
        )
    need_usd = f"this call may cost up to {format_usd(order.nano)}"
    if state.window is Window.CALL:
        return f"{whose}: a single call may cost {format_usd(state.cap)}, and {need_usd}."
    left = format_usd(state.remaining, floor=True)
    if left == format_usd(order.nano):  # rounded alike, they would contradict each other
        left, need_usd = f"${usd_string(state.remaining)}", f"this call may cost up to ${usd_string(order.nano)}"
    return f"{whose}: {left} of {format_usd(state.cap)} {span} are left, and {need_usd}."


def _tokens(metric: Metric, order: Order) -> int:
    parts = {Metric.INPUT_TOKENS: order.tokens - order.output_tokens, Metric.OUTPUT_TOKENS: order.output_tokens}
    return parts.get(metric, order.tokens)


def _remedy(state: LimitState, affordable: int, cheaper: str | None) -> str:
    if affordable > 0:
        return f"With at most {affordable:,} output tokens it would fit."
    if cheaper:
        return f"{cheaper} would fit."
    if state.resets_at is None or state.cap == 0:
        return "Raise the cap: aikit limit set."
    return f"The cap resets at {iso(state.resets_at)}; or raise it: aikit limit set."


def _seconds(wait: float) -> str:
    return f"{max(1, ceil(wait))} s"
