"""A decision in full, as it was recorded and as it comes out when it is made again. Pure."""

from __future__ import annotations

from typing import Any

from aikit.console.details.contents import finding_items, prompt_words
from aikit.console.details.words import UNKNOWN, when
from aikit.errors import Refused
from aikit.explain import Explanation
from aikit.ledger.call_detail import AttemptDetail
from aikit.meter.judge import affordable, priced
from aikit.money import format_usd
from aikit.page import Item, Page, Section
from aikit.policy.file.runaway import in_words
from aikit.policy.runaway import standing
from aikit.policy.subject import subject_of
from aikit.policy.trace import trace
from aikit.policy.words import amount, cap_words, field_items, limit_title, standing_words
from aikit.refusal import refused
from aikit.types import LOOP_DETECTED, VELOCITY_EXCEEDED, LimitState, Watched, Window

FIELDS = "Fields"
"""The title of the fields of the policies, each with the one that decided it."""


def explained(found: Explanation, nano_per_credit: int) -> Page:
    """Why it was allowed or refused: the reason, the limits as it found them, and which policy decided what."""
    error, attempt = refusal_of(found, nano_per_credit), found.attempt
    sections = [Section("Decision", tuple(_decision_items(found)))]
    if attempt.limits:
        limits = [_limit_item(state, found) for state in attempt.limits]
        sections.append(Section("Limits, as it found them", tuple(limits)))
    if attempt.watch:
        rules = [_watch_item(one, found) for one in attempt.watch]
        sections.append(Section("Rules against runaways, as it found them", tuple(rules)))
    if attempt.findings:
        sections.append(Section("What guards found", tuple(finding_items(attempt))))
    if error is not None and error.decision is not None and error.decision.failing:
        sections.append(Section("What would have fit", tuple(_fitting_items(found))))
    if found.caller is not None and found.rules is not None:
        sections.append(Section(FIELDS, tuple(field_items(trace(found.policies, found.caller)))))
    answer = "Refused" if attempt.state == "refused" else "Allowed"
    return Page(f"{answer}: {attempt.reason_code}", tuple(reasons(found, error)), tuple(sections), _made_again(found))


def refusal_of(found: Explanation, nano_per_credit: int) -> Refused | None:
    """The refusal as the caller was told it; None if it was allowed, or came out otherwise now."""
    decision, order = found.decision, found.order
    if decision is None or order is None or decision.allowed or decision.reason_code != found.attempt.reason_code:
        return None
    return refused(decision, order, affordable=affordable_tokens(found), nano_per_credit=nano_per_credit)


def affordable_tokens(found: Explanation) -> int:
    """How many output tokens would have fit under the limits that stood in the way."""
    if found.order is None or found.rules is None or found.decision is None or not found.decision.failing:
        return 0
    return affordable(priced(found.order, found.rules), found.decision.failing)


def reasons(found: Explanation, error: Refused | None) -> list[str]:
    """The reason in words."""
    if error is not None:
        return [error.message, f"→ {error.remedy}"] if error.remedy else [error.message]
    attempt = found.attempt
    if attempt.state == "refused":
        return [found.why_not or "It was refused."]
    texts = [f"It could cost up to {format_usd(attempt.bound_nano)}, and that fit under every limit that blocks."]
    if attempt.reason_code == "ALLOWED_SOFT_CAP":
        texts.append("It crossed a soft cap.")
    if attempt.would_refuse:
        what = "limit" if attempt.would_refuse not in (LOOP_DETECTED, VELOCITY_EXCEEDED) else "rule against runaways"
        texts.append(f"A {what} that only warns would have refused it: {attempt.would_refuse}.")
    if found.decision is not None and found.decision.clamped:
        texts.append("Its output limit was lowered to what fit.")
    return texts


def _decision_items(found: Explanation) -> list[Item]:
    attempt, call = found.attempt, found.call
    names = {"tenant": call.tenant, "user": call.user, "feature": call.feature, "environment": call.environment}
    named = " · ".join([f"{name} {value}" for name, value in names.items() if value])
    items = [
        Item("id", str(attempt.attempt)),
        Item("call", str(call.call)),
        Item("decided", f"{when(attempt.decided_at)} UTC"),
        Item("in the name of", named or "nobody"),
        Item("plan", _plan_words(found)),
        Item("model", f"{attempt.provider}/{attempt.model} by {attempt.api}{', streamed' if attempt.stream else ''}"),
        Item("asked for", _asked(attempt)),
        *_granted_items(found),
        Item("could cost", format_usd(attempt.bound_nano)),
        Item("price", _price(attempt)),
    ]
    if (prompt := prompt_words(attempt)) is not None:
        items.append(Item("prompt", prompt))
    if attempt.source is not None:
        items.append(Item("refused by", attempt.source))
    if attempt.policy_version is not None:
        items.append(Item("policy version", f"{attempt.policy_version}"))
    return items


def _plan_words(found: Explanation) -> str:
    caller = found.caller
    if caller is None:
        return UNKNOWN
    own = f"; the user's own is {caller.user_plan}" if caller.user_plan else ""
    return f"{caller.plan or 'none'}{own}"


def _asked(attempt: AttemptDetail) -> str:
    request = attempt.request
    if request is None:
        return UNKNOWN
    output = request["output"]
    parts = [
        f"up to {request['input']:,} input tokens",
        "no output limit named" if output is None else f"{output:,} output tokens",
        f"{request['characters']:,} characters of prompt",
    ]
    if request["answers"] > 1:
        parts.append(f"{request['answers']:,} answers")
    return ", ".join(parts)


def granted_tokens(found: Explanation) -> int | None:
    """The output limit that it was sent with; None if it was not sent, or that is not on record."""
    hold = found.decision and found.decision.hold
    return hold.order.output_tokens if hold else None


def _granted_items(found: Explanation) -> list[Item]:
    """The output limit, where it is not the one that was asked for."""
    granted, request = granted_tokens(found), found.attempt.request
    if granted is None or request is None or granted == request["output"]:
        return []
    return [Item("sent with", f"{granted:,} output tokens")]


def _price(attempt: AttemptDetail) -> str:
    """`input $0.15, output $0.60 per million tokens · genai-prices 0.2.1, valid from 2026-01-05`."""
    price = attempt.price
    if price is None:
        return attempt.price_id or "not known"
    rates = price.body["rates"]
    stated = [f"{name} ${rates[name]['base']}" for name in ("input", "output") if name in rates]
    since = price.body.get("as_of")
    dated = f"valid from {since}" if since else f"first used {when(price.first_used_at)[:10]}"
    return f"{', '.join(stated)} per million tokens · {price.source} {price.version}, {dated}"


def _limit_item(state: LimitState, found: Explanation) -> Item:
    limit = state.limit
    counts = (
        "each call by itself" if limit.window is Window.CALL else subject_of(limit.subject).words or "the whole tenant"
    )
    text = f"{cap_words(limit)} · counts {counts} · {limit.source}"
    return Item(limit_title(limit), "\n".join([text, *filter(None, [standing_words(state), role_of(state, found)])]))


def role_of(state: LimitState, found: Explanation) -> str:
    """What a limit had to do with the answer."""
    decision = found.decision
    if decision is None:
        return ""
    for states, words in (
        (decision.failing[:1], "refused it"),
        (decision.failing[1:], "would have refused it, too"),
        (decision.warned, "would have refused it, but only warns"),
        (decision.soft, "its soft cap was crossed"),
    ):
        if _key(state) in {_key(other) for other in states}:
            return f"→ {words}"
    return ""


def _key(state: LimitState) -> tuple[Any, ...]:
    """What tells a limit from others on both sides: a recorded one has neither time zone nor anchor."""
    limit = state.limit
    return (limit.metric, limit.window, limit.source, limit.action, limit.subject, limit.cap)


def _fitting_items(found: Explanation) -> list[Item]:
    assert found.decision is not None
    tokens = affordable_tokens(found)
    items = [Item("output tokens", f"at most {tokens:,}" if tokens else "none: not even with the least output")]
    return items + [
        Item(limit_title(state.limit), f"at most {amount(state.remaining, state.metric)}")
        for state in found.decision.failing
    ]


def _watch_item(one: Watched, found: Explanation) -> Item:
    """A rule against runaways, and what it found."""
    rule = one.rule
    text = f"{in_words(rule)} · counts {subject_of(rule.subject).words or 'the whole tenant'} · {rule.source}"
    return Item(one.label.split("/")[0], "\n".join([text, standing(one), *filter(None, [watch_role(one, found)])]))


def watch_role(one: Watched, found: Explanation) -> str:
    """What a rule against runaways had to do with the answer."""
    if found.decision is None or one not in found.decision.tripped:
        return ""
    return "→ would have refused it, but only warns" if found.decision.allowed else "→ refused it"


def _made_again(found: Explanation) -> tuple[str, ...]:
    if found.why_not is not None:
        return (f"Not made again: {found.why_not[0].lower()}{found.why_not[1:]}",)
    made = f"Made again from policy version {found.attempt.policy_version}: "
    if not found.differences:
        return (f"{made}the same answer.",)
    return (f"{made}not the same.", *[f"  {difference}" for difference in found.differences])
