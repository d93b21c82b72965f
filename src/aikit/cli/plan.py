"""`aikit plan`: which plans there are, what each gives, and who is on it."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.group import group
from aikit.cli.options import Json
from aikit.cli.output import UNKNOWN, emit_json, facts, gap, line, note, table
from aikit.errors import ConfigError
from aikit.types import LoopRule, VelocityRule

if TYPE_CHECKING:
    from aikit.ledger.plans import HolderRow, PlanRow
    from aikit.policy.model import Caller, Policy, Rules
    from aikit.policy.resolve import Candidate

app = group("Plans: what each gives, and who is on it.")

SHOWN = 50
"""Holders that are shown to a person; JSON has them all."""
FIELDS = {
    "allow": "Models",
    "deny": "Models denied",
    "max_output_tokens": "Most output tokens",
    "default_output_tokens": "If none are named",
    "max_prompt_characters": "Longest prompt, characters",
    "clamp": "Lowered to what fits",
    "lease": "Streams held bit by bit",
    "presume": "Charged if nobody learns the end",
    "on_ledger_failure": "While the ledger is away",
    "uncapped": "Uncapped",
    "loops": "Loops",
    "velocity": "Velocity",
}
"""What a plan comes to besides entitlements and limits, and how people read it."""


@app.command("list")
def list_(json: Json = False) -> None:
    """The plans that are defined, and how many are on each."""
    from aikit.cli.books import open_books
    from aikit.ledger.plans import list_plans

    rows = list_plans(open_books().database)
    if json:
        emit_json("plan.list", [_data(row) for row in rows], {"plans": len(rows)})
    elif rows:
        from aikit.cli.layout import Column

        columns: list[str | Column] = ["Plan", "Gives", "Limits", "Tenants", "Users", Column("Description", 1)]
        table("Plans", columns, [_cells(row) for row in rows])
    else:
        note("There is no plan. Define one as [plans.NAME] in a policies.toml, and apply it:")
        note("  aikit policy init, then aikit policy apply policies.toml")


@app.command()
def show(name: Annotated[str, typer.Argument(help="The plan.")], json: Json = False) -> None:
    """What a plan gives: entitlements, models, ceilings and limits; and who is on it.

    This is what is in force for whoever is on it, as far as no policy says otherwise for a tenant, user or feature.
    """
    from aikit.cli.books import open_books
    from aikit.ledger.plans import list_holders, list_plans
    from aikit.ledger.policies import read_policies
    from aikit.policy.model import Caller, Scope
    from aikit.policy.resolve import resolve

    database = open_books().database
    plans = {row.plan: row for row in list_plans(database)}
    if name not in plans:
        known = f"Known are {', '.join(plans)}." if plans else "There is none yet: `aikit plan list` says how to begin."
        raise ConfigError(f"There is no plan {name!r}.", code="PLAN_UNKNOWN", remedy=known)
    policies = [stored.policy for stored in read_policies(database).policies]
    caller = Caller("", plan=name)
    rules = resolve(policies, caller)
    limits = _limits(policies, caller)
    narrower = [p.name for p in policies if p.scope.plan == name and p.scope != Scope(plan=name)]
    holders = [holder for holder in list_holders(database) if holder.plan == name]
    if json:
        data = _data(plans[name]) | _rules_data(rules, limits) | {"narrower": narrower}
        held = [{"tenant": holder.tenant, "user": holder.user} for holder in holders]
        emit_json("plan.show", data | {"holders": held}, {"holders": len(holders)})
    else:
        _print(plans[name], rules, limits, narrower, holders)


def _limits(policies: list[Policy], caller: Caller) -> list[Candidate]:
    """The limits that apply, as they are stated."""
    from aikit.policy.resolve import candidates, matches, winning

    groups = candidates(matches(policies, caller), caller)
    return [candidate for _, group in sorted(groups.items()) for candidate in winning(group)]


def _print(plan: PlanRow, rules: Rules, limits: list[Candidate], narrower: list[str], holders: list[HolderRow]) -> None:
    from aikit.cli.policy_words import cap_words, field_words, limit_title

    given = ", ".join(plan.entitlements) or "nothing, so calls are refused"
    stated = [
        (words, f"{field_words(name, getattr(rules, name))} ({rules.sources[name]})") for name, words in FIELDS.items()
    ]
    guards = ", ".join([f"{rule.guard} {rule.action} ({rule.source})" for rule in rules.guards]) or "none"
    more = [("Narrower policies", ", ".join(narrower))] if narrower else []
    about = f": {plan.description}" if plan.description else ""
    facts(f"Plan {plan.plan}{about}", [("Gives", given), *stated, ("Guards", guards), *more])
    gap()
    if limits:
        cells = [[limit_title(each.stated), cap_words(each.stated), each.match.policy.name] for each in limits]
        table("Limits", ["Limit", "Cap", "Set by"], cells)
    else:
        line("No limits: calls are refused, unless another policy has one for them or they are uncapped.")
    gap()
    if holders:
        cells = [[holder.tenant, holder.user or "the whole tenant"] for holder in holders[:SHOWN]]
        table("On this plan", ["Tenant", "Who"], cells)
    else:
        note(f"Nobody is on it. Move a tenant onto it: aikit tenant plan NAME {quote(plan.plan)}")
    if len(holders) > SHOWN:
        note(f"{len(holders) - SHOWN:,} more; `aikit plan show {quote(plan.plan)} --json` has them all.")


def _cells(row: PlanRow) -> list[str]:
    numbers = [f"{count:,}" for count in (row.limits, row.tenants, row.users)]
    return [row.plan, ", ".join(row.entitlements) or UNKNOWN, *numbers, row.description or UNKNOWN]


def _data(row: PlanRow) -> dict[str, Any]:
    return {
        "plan": row.plan,
        "description": row.description,
        "entitlements": row.entitlements,
        "stated_limits": row.limits,
        "tenants": row.tenants,
        "users": row.users,
    }


def _rules_data(rules: Rules, limits: list[Candidate]) -> dict[str, Any]:
    from aikit.cli.policy_words import limit_data
    from aikit.policy.guards import rule_data

    return {
        **{name: _field_data(getattr(rules, name)) for name in FIELDS},
        "limits": [limit_data(limit.stated) | {"source": limit.match.policy.name} for limit in limits],
        "guards": [rule_data(rule) for rule in rules.guards],
        "sources": rules.sources,
    }


def _field_data(value: Any) -> Any:
    """As JSON has it; a rule against runaways as the file states it."""
    from aikit.policy.file.runaway import as_stated

    return as_stated(value) if isinstance(value, LoopRule | VelocityRule) else value
