"""The policies in the ledger: read those of any version, apply a file, set one by hand, go back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.changing import Change as Changing
from aikit.ledger.changing import changing
from aikit.ledger.reading import reading
from aikit.ledger.tables import audit, plan_holders, policies, state
from aikit.policy.changes import Change, compare, counts_differently
from aikit.policy.model import Policy, Scope
from aikit.policy.record import from_body, to_body

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A policy in force since a version. One that is `by_hand` was set by a command, not applied from a file."""

    policy: Policy
    by_hand: bool
    since: int


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All policies of one version, by name."""

    version: int
    policies: tuple[StoredPolicy, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a change came to: the version in force now, and what differs from the one before."""

    version: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version: who made it, when and why, and what was done, a line each."""

    version: int
    at: datetime
    who: str
    why: str | None
    summary: tuple[str, ...]


Named = dict[str, StoredPolicy]
NOBODY = Policy("", Scope())
IN_FORCE = policies.c.until.is_(None)


def read_policies(database: Database, *, version: int | None = None) -> PolicySet:
    """The policies in force, or those of an earlier version. Raises ConfigError for a version that never was."""
    with reading(database) as connection:
        return read_set(connection, version)


def read_set(connection: sa.Connection, version: int | None = None) -> PolicySet:
    """The same, in a transaction of the caller's."""
    newest = connection.execute(sa.select(state.c.policy_version)).scalar_one()
    at = newest if version is None else version
    if not 1 <= at <= newest:
        raise ConfigError(
            f"There is no policy version {at}; the newest is {newest}.",
            code="VERSION_UNKNOWN",
            remedy="`aikit policy history` lists them.",
        )
    return PolicySet(at, _stored(connection, policies.c.since <= at, sa.or_(IN_FORCE, policies.c.until > at)))


def read_policy(connection: sa.Connection, name: str) -> StoredPolicy | None:
    """The policy of this name that is in force, in a transaction of the caller's."""
    return next(iter(_stored(connection, policies.c.name == name, IN_FORCE)), None)


def _stored(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> tuple[StoredPolicy, ...]:
    columns = sa.select(policies.c.body, policies.c.by_hand, policies.c.since)
    found = connection.execute(columns.where(*conditions).order_by(policies.c.name))
    return tuple([StoredPolicy(from_body(body), by_hand, since) for body, by_hand, since in found])


def plan_change(database: Database, wanted: Sequence[Policy]) -> tuple[Change, ...]:
    """What `apply` would change."""
    with reading(database) as connection:
        before = _named(read_set(connection))
    return _compare(before, _applied(before, wanted))


def apply(
    database: Database,
    wanted: Sequence[Policy],
    *,
    who: str | None = None,
    why: str | None = None,
    expected_version: int | None = None,
) -> Applied:
    """Put the policies of a file in force: in place of all that are not by hand, and of those by hand that it names.

    Raises ConfigError if a plan that somebody is on would be gone (PLAN_HELD), or if the version is no longer the one
    that was expected (POLICY_CONFLICT); then nothing has changed.
    """
    return _replace(database, lambda before: _applied(before, wanted), who, why, expected_version)


def plan_rollback(database: Database, version: int) -> tuple[Change, ...]:
    """What `rollback` would change."""
    with reading(database) as connection:
        return _compare(_named(read_set(connection)), _named(read_set(connection, version)))


def rollback(
    database: Database,
    version: int,
    *,
    who: str | None = None,
    why: str | None = None,
    expected_version: int | None = None,
) -> Applied:
    """Put the policies of an earlier version in force again, as a new version. Raises ConfigError as `apply` does."""
    with reading(database) as connection:
        earlier = _named(read_set(connection, version))
    return _replace(database, lambda _: earlier, who, why or f"back to version {version}", expected_version)


def put_policy(database: Database, policy: Policy, *, who: str | None = None, why: str | None = None) -> Applied:
    """Set one policy by hand. One that a file manages stays so: the next file applied may change it again."""
    with changing(database, who, why) as change:
        return put(change, policy)


def put(change: Changing, policy: Policy) -> Applied:
    """The same, as part of a change under way."""
    stored = read_policy(change.connection, policy.name)
    before = {policy.name: stored} if stored else {}
    return _write(change, before, {policy.name: StoredPolicy(policy, stored.by_hand if stored else True, 0)})


def remove_policy(database: Database, name: str, *, who: str | None = None, why: str | None = None) -> bool:
    """Remove one policy. False: there is none of that name. Raises ConfigError if somebody is on a plan it defines."""
    with changing(database, who, why) as change:
        stored = read_policy(change.connection, name)
        if stored is not None:
            _write(change, {name: stored}, {})
        return stored is not None


def history(database: Database, limit: int = 50) -> list[VersionRow]:
    """The newest versions, the newest first, with what made each."""
    newest = (
        sa.select(audit.c.policy_version)
        .where(audit.c.policy_version.is_not(None))
        .distinct()
        .order_by(audit.c.policy_version.desc())
        .limit(limit)
    )
    query = (
        sa.select(audit.c.policy_version, audit.c.at, audit.c.who, audit.c.why, audit.c.action, audit.c.subject)
        .where(audit.c.policy_version.in_(newest))
        .order_by(audit.c.policy_version.desc(), audit.c.seq)
    )
    found: dict[int, VersionRow] = {}
    with reading(database) as connection:
        for version, at, who, why, action, subject in connection.execute(query):
            known = found.get(version)
            lines = (*(known.summary if known else ()), f"{action} {subject}")
            found[version] = VersionRow(version, known.at if known else at, who, why, lines)
    return list(found.values())


def _replace(
    database: Database,
    wanted: Callable[[Named], Named],
    who: str | None,
    why: str | None,
    expected_version: int | None,
) -> Applied:
    with changing(database, who, why) as change:
        found = read_set(change.connection)
        if expected_version not in (None, found.version):
            raise ConfigError(
                f"The policies are at version {found.version} by now, no longer at {expected_version}.",
                code="POLICY_CONFLICT",
                retryable=True,
                remedy="Look at the difference again, then apply it.",
            )
        before = _named(found)
        return _write(change, before, wanted(before))


def _write(change: Changing, before: Named, after: Named) -> Applied:
    """Put `after` in force instead of `before`; policies in neither stay as they are."""
    _check_plans(change.connection, before, after)
    differing = _compare(before, after)
    moved = [name for name in before.keys() & after.keys() if before[name].by_hand != after[name].by_hand]
    for each in differing:
        tenant = (each.after or each.before or NOBODY).scope.tenant
        action = {"added": "policy.add", "removed": "policy.remove"}.get(each.kind, "policy.change")
        old, new = (each.before and to_body(each.before)), (each.after and to_body(each.after))
        change.record(action, each.name, tenant=tenant, before=old, after=new)
    for name in moved:
        words = {True: "by hand", False: "by a file"}
        old_owner, new_owner = words[before[name].by_hand], words[after[name].by_hand]
        change.record("policy.owner", name, before=old_owner, after=new_owner)
    names = {each.name for each in differing} | set(moved)
    if names:
        gone = sa.and_(policies.c.name.in_(names), IN_FORCE)
        change.connection.execute(sa.update(policies).where(gone).values(until=change.version))
        rows = [_row(after[name], change.version) for name in sorted(names & after.keys())]
        if rows:
            change.connection.execute(sa.insert(policies), rows)
        change.reopen_counters(_counted_otherwise(differing))
    return Applied(change.version if change.changed else change.version - 1, differing)


def _counted_otherwise(differing: Iterable[Change]) -> set[str | None]:
    """The tenants for which something else is counted now; None stands for all."""
    return {
        policy.scope.tenant
        for each in differing
        if counts_differently([each.before] if each.before else [], [each.after] if each.after else [])
        for policy in (each.before, each.after)
        if policy is not None
    }


def _check_plans(connection: sa.Connection, before: Named, after: Named) -> None:
    """A plan that was there and that somebody is on must not be gone."""
    gone = defined_plans(before) - defined_plans(after)
    if gone:
        others = {name: stored for name, stored in _named(read_set(connection)).items() if name not in before}
        gone -= defined_plans(others)
    if not gone:
        return
    held = connection.execute(
        sa.select(plan_holders.c.plan, plan_holders.c.tenant)
        .where(plan_holders.c.plan.in_(gone), plan_holders.c.until.is_(None))
        .distinct()
        .order_by(plan_holders.c.plan, plan_holders.c.tenant)
        .limit(MOST_NAMED + 1)
    ).all()
    if held:
        who = ", ".join([f"{tenant} on {plan}" for plan, tenant in held[:MOST_NAMED]])
        more = ", and others" if len(held) > MOST_NAMED else ""
        raise ConfigError(
            f"A plan that is in use would no longer be defined: {who}{more}.",
            code="PLAN_HELD",
            remedy="Keep [plans.…] of it, or move them first: aikit tenant plan NAME PLAN.",
        )


def defined_plans(named: Mapping[str, StoredPolicy]) -> set[str]:
    """The plans that there are: those that a policy is for, and for nothing else."""
    scopes = [stored.policy.scope for stored in named.values()]
    return {scope.plan for scope in scopes if scope.plan is not None and scope == Scope(plan=scope.plan)}


def _applied(before: Named, wanted: Sequence[Policy]) -> Named:
    by_hand = {name: stored for name, stored in before.items() if stored.by_hand}
    return by_hand | {policy.name: StoredPolicy(policy, False, 0) for policy in wanted}


def _named(found: PolicySet) -> Named:
    return {stored.policy.name: stored for stored in found.policies}


def _compare(before: Named, after: Named) -> tuple[Change, ...]:
    return compare([stored.policy for stored in before.values()], [stored.policy for stored in after.values()])


def _row(stored: StoredPolicy, version: int) -> dict[str, object]:
    policy = stored.policy
    body = to_body(policy)
    tenant = policy.scope.tenant
    return {"name": policy.name, "tenant": tenant, "body": body, "by_hand": stored.by_hand, "since": version}
