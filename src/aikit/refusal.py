"""Words a refusal: which error a decision becomes, and the facts that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aikit.errors import PolicyDenied, RateLimited, Refused, RequestTooLarge, SpendCapExceeded
from aikit.money import credits, format_usd, usd_string
from aikit.types import Decision, LimitState, Metric, Order, Window

IN_FLIGHT_RETRY = 1.0
"""Seconds after which a call that only running calls stand in the way of is worth another try."""

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
}


def denied(code: str, tenant: str, decision: Decision | None = None) -> PolicyDenied:
    """The error for a call that no limit was asked about."""
    message, remedy = DENIED[code]
    return PolicyDenied(
        message.format(tenant=tenant), code=code, remedy=remedy.format(tenant=tenant), decision=decision
    )


def refused(decision: Decision, order: Order, *, affordable: int, nano_per_credit: int, now: datetime) -> Refused:
    """The error that a decision against an order becomes.

    `affordable` is the number of output tokens that would still fit, `now` the time from which a reset is counted.
    """
    state = decision.deciding
    if state is None:
        return denied(decision.reason_code, order.call.tenant, decision)
    facts = limit_facts(state, order, affordable=affordable, nano_per_credit=nano_per_credit)
    wait = (state.resets_at - now).total_seconds() if state.resets_at else None
    message = _message(state, order)
    common: dict[str, Any] = {"code": decision.reason_code, "facts": facts, "decision": decision}
    if state.metric is Metric.CREDITS:
        if state.window is not Window.CALL and decision.in_flight:
            return SpendCapExceeded(
                f"{message} Only calls that are still running stand in the way.",
                remedy="Try again when they have ended.",
                reason="in_flight",
                retryable=True,
                retry_after=IN_FLIGHT_RETRY,
                **common,
            )
        return SpendCapExceeded(message, remedy=_remedy(state, affordable), reason="cap", **common)
    if state.window is Window.CALL:
        return RequestTooLarge(message, remedy="Ask for fewer output tokens.", status=400, **common)
    return RateLimited(message, remedy="Wait, then try again.", retry_after=max(1.0, wait or 1.0), **common)


def limit_facts(state: LimitState, order: Order, *, affordable: int, nano_per_credit: int) -> dict[str, Any]:
    """The facts of the deciding limit, under the names of the native endpoint's body."""
    facts: dict[str, Any] = {"tenant": order.call.tenant, "window": str(state.window)}
    if state.metric is Metric.CREDITS:
        facts["capCredits"] = state.cap // nano_per_credit
        facts["spentCredits"] = credits(state.used, nano_per_credit)
        facts["heldCredits"] = credits(state.held, nano_per_credit)
    else:
        facts |= {"cap": state.cap, "used": state.used, "held": state.held}
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
        "limit_source": state.source if state else None,
        "limit_state": [limit_state(s) for s in decision.failing] if decision else [],
        "resets_at": iso(state.resets_at) if state else None,
        "retry_after": error.retry_after,
        "remedy": error.remedy,
        "decision_id": str(decision_id),
    }


def limit_state(state: LimitState) -> Mapping[str, Any]:
    """One limit for people and clients; money as decimal strings of dollars."""
    amounts: dict[str, int] = {"cap": state.cap, "used": state.used, "held": state.held, "remaining": state.remaining}
    money = state.metric is Metric.CREDITS
    return {
        "metric": str(state.metric),
        "window": str(state.window),
        **({f"{name}_usd": usd_string(value) for name, value in amounts.items()} if money else amounts),
        "resets_at": iso(state.resets_at),
        "source": state.source,
    }


def iso(at: datetime | None) -> str | None:
    """`2026-12-01T00:00:00Z`."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _message(state: LimitState, order: Order) -> str:
    tenant = order.call.tenant
    if state.metric is not Metric.CREDITS:
        return f"{tenant}: {state.used:,} of {state.cap:,} {state.metric} per {state.window} are used."
    need = f"this call may cost up to {format_usd(order.nano)}"
    if state.window is Window.CALL:
        return f"{tenant}: a single call may cost {format_usd(state.cap)}, and {need}."
    span = SPAN.get(state.window, f"this {state.window}")
    left = format_usd(state.remaining, floor=True)
    if left == format_usd(order.nano):  # rounded alike, they would contradict each other
        left, need = f"${usd_string(state.remaining)}", f"this call may cost up to ${usd_string(order.nano)}"
    return f"{tenant}: {left} of {format_usd(state.cap)} {span} are left, and {need}."


def _remedy(state: LimitState, affordable: int) -> str:
    if affordable > 0:
        return f"With at most {affordable:,} output tokens it would fit."
    if state.resets_at is None:
        return "Raise the cap: aikit limit set."
    return f"The cap resets at {iso(state.resets_at)}; or raise it: aikit limit set."
