"""`aikit explain`: why one call was allowed or refused, from what was recorded; and the same decision made again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.content_words import content_data, finding_items, prompt_words
from aikit.cli.explain_runaway import watch_data, watch_item
from aikit.cli.options import Json
from aikit.cli.output import UNKNOWN, emit_json, gap, note, when
from aikit.cli.policy_page import Item, heading, paragraph, section
from aikit.errors import Exit
from aikit.money import format_usd, usd_string
from aikit.types import LOOP_DETECTED, VELOCITY_EXCEEDED

if TYPE_CHECKING:
    from aikit.errors import Refused
    from aikit.explain import Explanation
    from aikit.ledger.call_detail import AttemptDetail
    from aikit.types import LimitState

PREFIX = "d_"
"""What some write in front of a decision's id."""


def explain(
    id: Annotated[str, typer.Argument(help="The id of a decision or call, or the end of it that a list shows.")],
    json: Json = False,
) -> None:
    """Why a call was allowed or refused. The decision is made again; exits 1 if it comes out otherwise.

    An answer names its decision in the header x-aikit-decision-id, a refusal in its error, too.
    """
    from aikit.cli.archived import note_archives
    from aikit.cli.books import open_books
    from aikit.cli.calls import full_id
    from aikit.explain import explain as make_again

    books = open_books()
    wanted = full_id(books, id.strip().removeprefix(PREFIX))
    found = make_again(books.database, wanted)
    if found is None:
        if not note_archives(books.database, wanted):
            note(f"The ledger has no decision {id}. `aikit calls list` shows the calls that there are.")
        raise typer.Exit(Exit.NO)
    error = _error(found, books.nano_per_credit)
    if json:
        emit_json("explain", _data(found, error))
    else:
        _print(found, error)
    if found.differences:
        raise typer.Exit(Exit.NO)


def _error(found: Explanation, nano_per_credit: int) -> Refused | None:
    """The refusal as the caller was told it; None if it was allowed, or came out otherwise now."""
    decision, order = found.decision, found.order
    if decision is None or order is None or decision.allowed or decision.reason_code != found.attempt.reason_code:
        return None
    from aikit.refusal import refused

    return refused(decision, order, affordable=_affordable(found), nano_per_credit=nano_per_credit)


def _affordable(found: Explanation) -> int:
    """How many output tokens would have fit under the limits that stood in the way."""
    if found.order is None or found.rules is None or found.decision is None or not found.decision.failing:
        return 0
    from aikit.meter.judge import affordable, priced

    return affordable(priced(found.order, found.rules), found.decision.failing)


def _print(found: Explanation, error: Refused | None) -> None:
    attempt = found.attempt
    allowed = attempt.state != "refused"
    heading(f"{'Allowed' if allowed else 'Refused'}: {attempt.reason_code}")
    for text in _why(found, error):
        paragraph(text)
    gap()
    section("Decision", _decision_items(found))
    if attempt.limits:
        gap()
        section("Limits, as it found them", [_limit_item(state, found) for state in attempt.limits])
    if attempt.watch:
        gap()
        section("Rules against runaways, as it found them", [watch_item(one, found) for one in attempt.watch])
    if attempt.findings:
        gap()
        section("What guards found", finding_items(attempt))
    if error is not None and error.decision is not None and error.decision.failing:
        gap()
        section("What would have fit", _fitting_items(found))
    if found.caller is not None and found.rules is not None:
        from aikit.cli.policy_traced import field_items
        from aikit.policy.trace import trace

        gap()
        section("Fields", field_items(trace(found.policies, found.caller)))
    gap()
    _print_again(found)


def _why(found: Explanation, error: Refused | None) -> list[str]:
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


def _granted(found: Explanation) -> int | None:
    """The output limit that it was sent with; None if it was not sent, or that is not on record."""
    hold = found.decision and found.decision.hold
    return hold.order.output_tokens if hold else None


def _granted_items(found: Explanation) -> list[Item]:
    """The output limit, where it is not the one that was asked for."""
    granted, request = _granted(found), found.attempt.request
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
    from aikit.cli.policy_words import cap_words, limit_title, standing_words
    from aikit.policy.subject import subject_of
    from aikit.types import Window

    limit = state.limit
    counts = (
        "each call by itself" if limit.window is Window.CALL else subject_of(limit.subject).words or "the whole tenant"
    )
    text = f"{cap_words(limit)} · counts {counts} · {limit.source}"
    return Item(limit_title(limit), "\n".join([text, *filter(None, [standing_words(state), _role(state, found)])]))


def _role(state: LimitState, found: Explanation) -> str:
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
    from aikit.cli.policy_words import amount, limit_title

    assert found.decision is not None
    tokens = _affordable(found)
    items = [Item("output tokens", f"at most {tokens:,}" if tokens else "none: not even with the least output")]
    return items + [
        Item(limit_title(state.limit), f"at most {amount(state.remaining, state.metric)}")
        for state in found.decision.failing
    ]


def _print_again(found: Explanation) -> None:
    if found.why_not is not None:
        paragraph(f"Not made again: {found.why_not[0].lower()}{found.why_not[1:]}")
        return
    made = f"Made again from policy version {found.attempt.policy_version}: "
    if not found.differences:
        paragraph(f"{made}the same answer.")
        return
    paragraph(f"{made}not the same.")
    for difference in found.differences:
        paragraph(f"  {difference}")


def _data(found: Explanation, error: Refused | None) -> dict[str, Any]:
    attempt, call, caller = found.attempt, found.call, found.caller
    bound = attempt.bound_nano
    return {
        "decision_id": attempt.attempt,
        "call_id": call.call,
        "decided_at": attempt.decided_at,
        "allowed": attempt.state != "refused",
        "reason_code": attempt.reason_code,
        "would_refuse": attempt.would_refuse,
        "why": _why(found, error)[0],
        "remedy": error.remedy if error else None,
        "retry_after": error.retry_after if error else None,
        "tenant": call.tenant or None,
        "user": call.user,
        "feature": call.feature,
        "environment": call.environment,
        "plan": caller and caller.plan,
        "user_plan": caller and caller.user_plan,
        "provider": attempt.provider,
        "model": attempt.model,
        "api": attempt.api,
        "stream": attempt.stream,
        "output_tokens": _granted(found),
        "bound_usd": None if bound is None else usd_string(bound),
        "price_id": attempt.price_id,
        "price": attempt.price and attempt.price.body,
        "source": attempt.source,
        "policy_version": attempt.policy_version,
        "limits": [_limit_data(state, found) for state in attempt.limits],
        "runaway": [watch_data(one, found) for one in attempt.watch],
        **content_data(attempt),
        "max_affordable_output_tokens": _affordable(found) if error else None,
        **_trace_data(found),
        "again": {
            "made": found.why_not is None,
            "same": None if found.why_not is not None else not found.differences,
            "differences": list(found.differences),
            "why_not": found.why_not,
        },
    }


def _limit_data(state: LimitState, found: Explanation) -> dict[str, Any]:
    from aikit.refusal import limit_state

    return {**limit_state(state), "role": _role(state, found).removeprefix("→ ") or None}


def _trace_data(found: Explanation) -> dict[str, Any]:
    """Which policy decided each field, and what is lacking; null where no policy was asked."""
    if found.caller is None or found.rules is None:
        return {"fields": None, "lacking": None}
    from aikit.policy.trace import trace

    data = trace(found.policies, found.caller).to_json()
    return {"fields": data["fields"], "lacking": data["lacking"]}
