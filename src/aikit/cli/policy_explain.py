"""`aikit policy explain`: what applies to a call in somebody's name, and which policy decided it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aikit.cli.options import Json
from aikit.cli.output import emit_json
from aikit.cli.policy_page import Item, heading, section
from aikit.errors import ConfigError
from aikit.money import format_usd, usd_string

if TYPE_CHECKING:
    from aikit.cli.books import Books
    from aikit.policy.model import Caller, Rules
    from aikit.policy.trace import Trace
    from aikit.types import Limit, LimitState

OUTPUT = 1_000
"""Output tokens that a model's price is told for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What every call gets for an answer whatever stands in the counters: a code that refuses it, None if none does."""

    code: str | None
    words: str
    nano_per_output: int | None = None
    """The most that `OUTPUT` tokens of the model cost, in nano-USD; None if that was not asked, or is not known."""


def explain(
    tenant: Annotated[str, typer.Option("--tenant", metavar="NAME", help="In whose name the call is made.")],
    user: Annotated[str | None, typer.Option("--user", metavar="NAME", help="The user it names.")] = None,
    feature: Annotated[str | None, typer.Option("--feature", metavar="NAME", help="The feature it names.")] = None,
    environment: Annotated[
        Literal["dev", "staging", "prod"] | None,
        typer.Option("--environment", help="Where it is made; the configured one if left out."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="PROVIDER/MODEL", help="Whether this model may be used.")
    ] = None,
    version: Annotated[
        int | None, typer.Option("--version", min=1, metavar="N", help="By the policies of this version.")
    ] = None,
    json: Json = False,
) -> None:
    """Which limits and rules apply to a call, and why.

    For each, the policy that decided it and those that it overruled; and which policies are for other calls.
    """
    if model is not None and not all(model.partition("/")):
        raise ConfigError(f"{model!r} is not a model.", remedy="Write provider/model, like openai/gpt-5-mini.")
    from aikit.cli.books import open_books
    from aikit.config import load
    from aikit.ledger.policies import read_policies
    from aikit.ledger.reading import check_tags
    from aikit.policy.resolve import resolve
    from aikit.policy.trace import trace

    check_tags(tenant=tenant, user=user, feature=feature)
    books = open_books()
    found = read_policies(books.database, version=version)
    caller = caller_of(books, tenant, user, feature, environment or load().environment, found.version)
    policies = [stored.policy for stored in found.policies]
    rules = resolve(policies, caller)
    answer = verdict(rules, caller, model)
    traced = trace(policies, caller)
    standing = _standing(books, caller, rules) if version is None else {}
    if json:
        emit_json("policy.explain", _data(traced, found.version, answer, model, standing))
        return
    from aikit.cli.policy_traced import caller_items, print_trace

    heading(f"Refused: {answer.code}" if answer.code else "Allowed, within the limits below")
    section(answer.words, caller_items(caller, found.version) + _model_items(model, answer), style="")
    print_trace(traced, standing)


def verdict(rules: Rules, caller: Caller, model: str | None = None) -> Verdict:
    """What refuses every such call; in the order in which a decision asks."""
    if not rules.limits and not rules.uncapped:
        return Verdict("NO_POLICY", "No limit is for this call, and without one nothing is allowed.")
    if rules.lacking:
        plan = caller.user_plan or caller.plan
        holder = f"the plan {plan} does not give" if plan else "nobody gives, as there is no plan"
        return Verdict("ENTITLEMENT_REQUIRED", f"It needs {', '.join(rules.lacking)}, which {holder}.")
    if model is None:
        return Verdict(None, "Nothing refuses such a call as long as it fits.")
    from aikit.policy.access import forbids

    if field := forbids(rules.allow, rules.deny, model):
        what = "denied" if field == "deny" else "not among those allowed"
        return Verdict("MODEL_NOT_ALLOWED", f"{model} is {what} by {rules.sources[field]}.")
    nano = _price(rules, model)
    if nano is None:
        return Verdict("PRICE_UNKNOWN", f"{model} has no known price, and {rules.sources['unpriced']} refuses those.")
    return Verdict(None, f"{model} may be used.", nano)


def caller_of(
    books: Books, tenant: str, user: str | None, feature: str | None, environment: str, version: int
) -> Caller:
    """Who asks, with the plans of that version. Raises ConfigError for an unknown tenant."""
    from aikit.ledger.plans import plans_at
    from aikit.ledger.reading import reading
    from aikit.policy.model import Caller

    with reading(books.database) as connection:
        known, plan, user_plan = plans_at(connection, tenant, user, version)
    if not known:
        raise ConfigError(
            f"The tenant {tenant!r} is not known at version {version}, so its calls are refused.",
            code="TENANT_UNKNOWN",
            remedy=f"Add it: aikit tenant add {tenant}",
        )
    return Caller(tenant, user, feature, environment, plan, user_plan)


def _price(rules: Rules, model: str) -> int | None:
    """What `OUTPUT` tokens cost at the dearest rate there is now, in nano-USD; None if no price is known."""
    from datetime import UTC, datetime

    from aikit.config import load
    from aikit.pricing import PriceBook, parse_overrides

    provider, _, name = model.partition("/")
    price = PriceBook(parse_overrides(load().prices)).find(provider, name, at=datetime.now(UTC)) or rules.unpriced
    if price is None:
        return None
    rate = price.rates.get("output")
    dearest = max([rate.base, *[amount for _, amount in rate.tiers]]) if rate else 0
    return -int(-dearest * OUTPUT * 1_000 // 1)


def _standing(books: Books, caller: Caller, rules: Rules) -> dict[Limit, LimitState]:
    """Where the limits stand now, what sliding windows carry over included; without those that nobody has met yet."""
    from aikit.ledger.limits import list_limits
    from aikit.policy.subject import subject_of
    from aikit.types import LimitState

    rows = {
        (row.metric, row.window, row.action, row.source, row.counts, row.cap): row
        for row in list_limits(
            books.database, caller.tenant, user=caller.user, feature=caller.feature, environment=caller.environment
        )
    }
    found = {}
    for limit in rules.limits:
        counts = subject_of(limit.subject).words
        row = rows.get((limit.metric, limit.window, limit.action, limit.source, counts, limit.cap))
        if row is not None and row.used is not None and row.held is not None:
            found[limit] = LimitState(limit, row.used, row.held, row.resets_at)
    return found


def _model_items(model: str | None, answer: Verdict) -> list[Item]:
    if model is None:
        return []
    cost = answer.nano_per_output
    price = "" if cost is None else f", {OUTPUT:,} output tokens cost {format_usd(cost)} at most"
    return [Item("model", f"{model}{price}")]


def _data(
    found: Trace, version: int, answer: Verdict, model: str | None, standing: Mapping[Limit, LimitState]
) -> dict[str, Any]:
    from aikit.cli.policy_traced import trace_data
    from aikit.cli.policy_words import in_dollars

    data = trace_data(found)
    for traced, written in zip(found.limits, data["limits"], strict=True):
        state = standing.get(traced.limit)
        names = ("used", "held", "remaining")
        now = {name: None if state is None else getattr(state, name) for name in names}
        written |= in_dollars({"metric": str(traced.limit.metric), **now})
        written["resets_at"] = state and state.resets_at
    cost = answer.nano_per_output
    return {
        "policy_version": version,
        "refused": answer.code,
        "why": answer.words,
        "model": model,
        "output_1000_usd": None if cost is None else usd_string(cost),
        **data,
    }
