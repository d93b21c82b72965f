"""Whether policies can be read, let every tenant do something, and name guards that are there."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from aikit.errors import ConfigError, Exit
from aikit.guards.custom import installed
from aikit.policy.guards import CUSTOM
from aikit.policy.model import Caller, Policy
from aikit.policy.record import from_body
from aikit.policy.resolve import resolve
from aikit.setup.doctor.model import broken, fine, warning
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Check
from aikit.types import GuardAction

IN_FORCE = "SELECT tenant, name, body FROM aikit.policies WHERE until IS NULL ORDER BY name"
TENANTS = """
    SELECT t.tenant, p.plan FROM aikit.tenants t
    LEFT JOIN aikit.plan_holders p ON p.tenant = t.tenant AND p.user_id = '' AND p.until IS NULL ORDER BY 1"""
MANY = 5_000
"""Tenants that are looked at."""
SHOWN = 5


def stored(patient: Patient) -> Check:
    """Whether each stored policy can be read: what can't be read can't be enforced, so calls are refused."""
    good, wrong = 0, []
    with patient.line() as connection:
        for _, name, body in connection.execute(IN_FORCE):
            try:
                from_body(body)
                good += 1
            except ConfigError:
                wrong.append(str(name))
    facts = {"policies": good, "unreadable": wrong}
    if wrong:
        return broken(
            f"{', '.join(wrong[:SHOWN])} can't be read by this version, so it can't be enforced",
            "A newer aikit may have written it: run `pip install --upgrade aikit`, or go back: "
            "`aikit policy history`, then `aikit policy rollback --help`.",
            Exit.USAGE,
            **facts,
        )
    return fine(f"{good} in force", **facts)


def tenants(patient: Patient) -> Check:
    """Whether there are tenants, and a limit for each: one without is refused everything."""
    with patient.line() as connection:
        everywhere, own = _policies(connection)
        listed = connection.execute(f"{TENANTS} LIMIT {MANY}".encode()).fetchall()
    environment = patient.settings.environment
    lacking = [
        tenant
        for tenant, plan in listed
        if not _may_spend((*everywhere, *own.get(tenant, ())), Caller(tenant, environment=environment, plan=plan))
    ]
    facts = {"tenants": len(listed), "without_limit": lacking}
    if not listed:
        return warning(
            "there is none yet, and calls without one are refused",
            "Run `aikit tenant add default`, then `aikit limit set --tenant default --window day --usd 5`.",
            **facts,
        )
    if lacking:
        named = ", ".join(lacking[:SHOWN]) + (f" and {len(lacking) - SHOWN:,} more" if len(lacking) > SHOWN else "")
        return warning(
            f"no limit is for {named}: calls are refused with NO_POLICY",
            f"Run `aikit limit set --tenant {lacking[0]} --window day --usd 5`.",
            **facts,
        )
    return fine(f"{len(listed):,}, each with a limit", **facts)


def guards(patient: Patient) -> Check:
    """Whether the guards that policies name are installed."""
    with patient.line() as connection:
        everywhere, own = _policies(connection)
    named = {
        stated.guard.partition(".")[2]: policy.name
        for policy in (*everywhere, *[policy for each in own.values() for policy in each])
        for stated in policy.guards
        if stated.guard.startswith(f"{CUSTOM}.") and isinstance(stated.action, GuardAction)
    }
    lacking = {name: policy for name, policy in sorted(named.items()) if not _is_installed(name)}
    facts = {"custom": sorted(named), "lacking": lacking}
    if lacking:
        name, policy = next(iter(lacking.items()))
        return warning(
            f"{policy} asks for custom.{name}, which no installed package offers: unless the application makes it "
            f"known (`kit.guard({name!r}, …)`), calls that have to pass it are blocked",
            "Install the package that offers it, or `aikit policy show` and take it out.",
            **facts,
        )
    return fine(f"{', '.join(sorted(named))} installed" if named else "none but aikit's own are asked for", **facts)


def _policies(connection: psycopg.Connection[tuple[object, ...]]) -> tuple[list[Policy], dict[str, list[Policy]]]:
    """Those for everybody, and those of single tenants; what can't be read is told by `stored`."""
    everywhere: list[Policy] = []
    own: dict[str, list[Policy]] = {}
    for tenant, _, body in connection.execute(IN_FORCE):
        try:
            policy = from_body(body)  # type: ignore[arg-type]  # jsonb comes as a dict
        except ConfigError:
            continue
        (everywhere if tenant is None else own.setdefault(str(tenant), [])).append(policy)
    return everywhere, own


def _may_spend(found: Iterable[Policy], caller: Caller) -> bool:
    rules = resolve(tuple(found), caller)
    return bool(rules.limits) or rules.uncapped or _for_some(found)


def _for_some(found: Iterable[Policy]) -> bool:
    """A limit that is for some of its users or features only says that not all of its calls are refused."""
    return any(policy.limits or policy.uncapped for policy in found if policy.scope.user or policy.scope.feature)


def _is_installed(name: str) -> bool:
    try:
        return installed(name) is not None
    except Exception:
        return False
