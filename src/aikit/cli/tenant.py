"""`aikit tenant`: add and list the tenants in whose name calls are made, and move them from plan to plan."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.group import group
from aikit.cli.options import Json, Reason
from aikit.cli.output import UNKNOWN, emit_json, line, note, table, when
from aikit.errors import ConfigError, Exit
from aikit.money import format_usd, usd_string

if TYPE_CHECKING:
    from aikit.database.connect import Database
    from aikit.ledger.tenants import TenantRow
    from aikit.policy.model import Rules

app = group("Tenants: in whose name calls are made.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The tenant, as your application names it.")],
    plan: Annotated[str | None, typer.Option("--plan", metavar="PLAN", help="The plan it is on.")] = None,
    uncapped: Annotated[bool, typer.Option("--uncapped", help="It may spend without any limit.")] = False,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Add a tenant. Its calls are refused until a limit is for them, unless it is uncapped."""
    from aikit.cli.books import open_books
    from aikit.ledger.tenants import add_tenant, list_tenants

    database = open_books().database
    added = add_tenant(database, name, plan=plan, uncapped=uncapped, why=reason)
    tenant = next(row for row in list_tenants(database) if row.tenant == name)
    rules = _rules(database, [tenant])[name]
    if json:
        data = {"tenant": name, "added": added, "plan": tenant.plan, "uncapped": tenant.uncapped}
        emit_json("tenant.add", data)
    else:
        words = ["added" if added else "was there already", *([f"on the plan {tenant.plan}"] if tenant.plan else [])]
        line(f"{name}: {', '.join([*words, *(['uncapped'] if tenant.uncapped else [])])}")
    _say_what_is_missing(tenant, rules)
    if not added and _stays_as_it_was(tenant, plan, uncapped):
        raise typer.Exit(Exit.NO)


@app.command("list")
def list_(json: Json = False) -> None:
    """Every tenant, its plan, the limits for all its calls, and what it has spent today (UTC)."""
    from aikit.cli.books import open_books
    from aikit.ledger.tenants import list_tenants

    database = open_books().database
    rows = list_tenants(database)
    rules = _rules(database, rows)
    if json:
        data = [_data(row, rules[row.tenant]) for row in rows]
        today = sum(row.nano_today for row in rows)
        emit_json("tenant.list", data, {"tenants": len(rows), "today_usd": usd_string(today)})
    elif rows:
        cells = [
            [
                row.tenant,
                row.plan or UNKNOWN,
                _limits(rules[row.tenant]),
                format_usd(row.nano_today),
                when(row.created_at),
            ]
            for row in rows
        ]
        table("Tenants", ["Tenant", "Plan", "Limits", "Spent today", "Added (UTC)"], cells)
    else:
        note("There is no tenant yet. Add one: aikit tenant add NAME")


@app.command()
def plan(
    name: Annotated[str, typer.Argument(help="The tenant.")],
    plan: Annotated[str | None, typer.Argument(help="The plan to move onto; without one, show the plans.")] = None,
    none: Annotated[bool, typer.Option("--none", help="Off its plan, onto none.")] = False,
    user: Annotated[
        str | None, typer.Option("--user", metavar="NAME", help="This user alone, onto a plan of its own.")
    ] = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Move a tenant, or one of its users, onto a plan. It applies to the very next call."""
    if plan is not None and none:
        raise ConfigError("A plan is named, and --none says that there is to be none.", remedy="Keep one of the two.")
    if plan is None and not none:
        _show_plans(name, user, json)
        return
    from aikit.cli.books import open_books
    from aikit.ledger.plans import list_plans, set_plan
    from aikit.policy.model import AI_ACCESS

    database = open_books().database
    before = set_plan(database, name, plan, user=user, why=reason)
    if json:
        emit_json("tenant.plan", {"tenant": name, "user": user, "plan": plan, "previous_plan": before})
    else:
        nothing = "none of its own" if user else "no plan"
        whose = f"{name}, user {user}" if user else name
        line(f"{whose} · {before or nothing} → {plan or nothing}")
    given = next((row.entitlements for row in list_plans(database) if row.plan == plan), None)
    if given is not None and AI_ACCESS not in given:
        note(f"The plan {plan} does not give {AI_ACCESS}, so these calls are refused now.")


def _show_plans(tenant: str, user: str | None, json: bool) -> None:
    """Which plans a tenant and its users are on, or one user alone."""
    from aikit.cli.books import open_books
    from aikit.ledger.plans import list_holders
    from aikit.ledger.tenants import list_tenants

    database = open_books().database
    holders = list_holders(database, tenant)
    if not holders and tenant not in {row.tenant for row in list_tenants(database)}:
        raise ConfigError(
            f"The tenant {tenant!r} is not known.",
            code="TENANT_UNKNOWN",
            remedy=f"Add it: aikit tenant add {quote(tenant)}",
        )
    plans = {holder.user: holder.plan for holder in holders}
    shown = {None: plans.get(None), **plans} if user is None else {user: plans.get(user)}
    if json:
        data = [{"tenant": tenant, "user": who, "plan": held} for who, held in shown.items()]
        emit_json("tenant.plans", data, {"holders": len([held for held in shown.values() if held])})
        return
    for who, held in shown.items():
        line(f"{tenant}, user {who} · {held or 'none of its own'}" if who else f"{tenant} · {held or 'no plan'}")


def _rules(database: Database, rows: list[TenantRow]) -> dict[str, Rules]:
    """What the policies come to for a call that names each tenant and nothing else."""
    from aikit.ledger.policies import read_policies
    from aikit.policy.model import Caller, Policy
    from aikit.policy.resolve import resolve

    own: dict[str | None, list[Policy]] = {}
    for stored in read_policies(database).policies:
        own.setdefault(stored.policy.scope.tenant, []).append(stored.policy)
    for_all = own.get(None, [])
    return {
        row.tenant: resolve([*for_all, *own.get(row.tenant, [])], Caller(row.tenant, plan=row.plan)) for row in rows
    }


def _limits(rules: Rules) -> str:
    """How many there are, or why there need be none, or that without them nothing is allowed."""
    if rules.lacking:
        return f"no {', '.join(rules.lacking)}: refused"
    if rules.limits:
        return f"{len(rules.limits)}"
    return "uncapped" if rules.uncapped else "none: refused"


def _say_what_is_missing(tenant: TenantRow, rules: Rules) -> None:
    if rules.lacking:
        note(f"Its calls are refused: they need {', '.join(rules.lacking)}, which its plan does not give.")
    elif not rules.limits and not rules.uncapped:
        note("It has no limit yet, so its calls are refused. Set one:")
        note(f"  aikit limit set --tenant {quote(tenant.tenant)} --window month --usd 25")


def _stays_as_it_was(tenant: TenantRow, plan: str | None, uncapped: bool) -> bool:
    """Whether something was asked for that is not so; says how to get it."""
    if uncapped and not tenant.uncapped:
        note("It was added with limits in force, and stays so: --uncapped counts only when a tenant is added.")
    if plan is not None and plan != tenant.plan:
        note(f"It stays where it was. Move it: aikit tenant plan {quote(tenant.tenant)} {quote(plan)}")
    return (uncapped and not tenant.uncapped) or plan not in (None, tenant.plan)


def _data(row: TenantRow, rules: Rules) -> dict[str, Any]:
    return {
        "tenant": row.tenant,
        "plan": row.plan,
        "uncapped": row.uncapped,
        "limits": len(rules.limits),
        "lacking": rules.lacking,
        "today_usd": usd_string(row.nano_today),
        "created_at": row.created_at,
    }
