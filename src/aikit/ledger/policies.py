"""The policies in the ledger: read those of any version, apply a file, set one by hand, go back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.changing import Change as Changing
from aikit.ledger.changing import changing
from aikit.ledger.reading import Readable, reading
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


def read_policies(database: Readable, *, version: int | None = None, tenant: str | None = None) -> PolicySet:
    """The policies in force, or those of an earlier version; with a tenant, none that are for another one.

    Raises ConfigError for a version that is not on record.
    """
    with reading(database) as connection:
        return read_set(connection, version, tenant)


def read_set(connection: sa.Connection, version: int | None = None, tenant: str | None = None) -> PolicySet:
    """The same, in a transaction of the caller's."""
    newest = connection.execute(sa.select(state.c.policy_version)).scalar_one()
    at = newest if version is None else version
    oldest = at if version is None else _oldest(connection, newest)
    if not oldest <= at <= newest:
        raise ConfigError(
            f"There is no policy version {at}; the oldest is {oldest}, the newest {newest}.",
            code="VERSION_UNKNOWN",
            remedy="`aikit policy history` lists them.",
        )
    then = [policies.c.since <= at, sa.or_(IN_FORCE, policies.c.until > at)]
    if tenant is not None:
        then.append(sa.or_(policies.c.tenant.is_(None), policies.c.tenant == tenant))
    return PolicySet(at, _stored(connection, *then))


def _oldest(connection: sa.Connection, newest: int) -> int:
    """The version that the first change replaced. Before aikit had policies, versions were counted but not kept."""
    first_change: int | None = connection.execute(sa.select(sa.func.min(audit.c.policy_version))).scalar()
    return newest if first_change is None else first_change - 1


def read_policy(connection: sa.Connection, name: str) -> StoredPolicy | None:
    """The policy of this name that is in force, in a transaction of the caller's."""
    return next(iter(_stored(connection, policies.c.name == name, IN_FORCE)), None)


def read_plans(connection: sa.Connection) -> set[str]:
    """The plans that are defined, in a transaction of the caller's. No policy of a tenant defines one: none is read."""
    return defined_plans(_stored(connection, policies.c.tenant.is_(None), IN_FORCE))


def _stored(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> tuple[StoredPolicy, ...]:
    columns = sa.select(policies.c.body, policies.c.by_hand, policies.c.since)
    found = connection.execute(columns.where(*conditions).order_by(policies.c.name))
    return tuple([StoredPolicy(from_body(body), by_hand, since) for body, by_hand, since in found])


def plan_change(database: Database, wanted: Sequence[Policy]) -> tuple[Change, ...]:
    """What `apply` would change."""
    with reading(database) as connection:
        return _compare(_replaced(connection, wanted), _from_file(wanted))


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
    with changing(database, who, why) as change:
        _check_version(change, expected_version)
        return _write(change, _replaced(change.connection, wanted), _from_file(wanted))


def plan_rollback(database: Database, version: int) -> tuple[Change, ...]:
    """What `rollback` would change."""
    with reading(database) as connection:
        return _compare(_named(read_set(connection).policies), _named(read_set(connection, version).policies))


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
        earlier = _named(read_set(connection, version).policies)
    with changing(database, who, why or f"back to version {version}") as change:
        _check_version(change, expected_version)
        return _write(change, _named(read_set(change.connection).policies), earlier)


def put_policy(database: Database, policy: Policy, *, who: str | None = None, why: str | None = None) -> Applied:
    """Set one policy by hand. One that a file manages stays so: the next file applied may change it again."""
    with changing(database, who, why) as change:
        return put(change, policy)


def put(change: Changing, policy: Policy) -> Applied:
    """The same, as part of a change under way. One by hand that states nothing is removed, unless it defines a plan."""
    stored = read_policy(change.connection, policy.name)
    before = {policy.name: stored} if stored else {}
    by_hand = stored.by_hand if stored else True
    says_nothing = by_hand and policy.scope.plan is None and policy == Policy(policy.name, policy.scope)
    return _write(change, before, {} if says_nothing else {policy.name: StoredPolicy(policy, by_hand, 0)})


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


def _check_version(change: Changing, expected: int | None) -> None:
    newest = change.version - 1
    if expected not in (None, newest):
        raise ConfigError(
            f"The policies are at version {newest} by now, no longer at {expected}.",
            code="POLICY_CONFLICT",
            retryable=True,
            remedy="Look at the difference again, then apply it.",
        )


def _write(change: Changing, before: Named, after: Named) -> Applied:
    """Put `after` in force instead of `before`; policies in neither stay as they are."""
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
        tenant = after[name].policy.scope.tenant
        change.record("policy.owner", name, tenant=tenant, before=old_owner, after=new_owner)
    names = {each.name for each in differing} | set(moved)
    if names:
        gone = sa.and_(policies.c.name.in_(names), IN_FORCE)
        change.connection.execute(sa.update(policies).where(gone).values(until=change.version))
        rows = [_row(after[name], change.version) for name in sorted(names & after.keys())]
        if rows:
            change.connection.execute(sa.insert(policies), rows)
        _check_plans(change.connection, before, after)
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
    """A plan that was there and that somebody is on must not be gone. Called when `after` is in force."""
    gone = defined_plans(before.values()) - defined_plans(after.values())
    if gone:
        gone -= read_plans(connection)
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


def defined_plans(found: Iterable[StoredPolicy]) -> set[str]:
    """The plans that there are: those that a policy is for, and for nothing else."""
    scopes = [stored.policy.scope for stored in found]
    return {scope.plan for scope in scopes if scope.plan is not None and scope == Scope(plan=scope.plan)}


def _replaced(connection: sa.Connection, wanted: Sequence[Policy]) -> Named:
    """What a file of these policies replaces: all that files manage, and those by hand that it names."""
    named = policies.c.name.in_([policy.name for policy in wanted])
    return _named(_stored(connection, IN_FORCE, sa.or_(sa.not_(policies.c.by_hand), named)))


def _from_file(wanted: Sequence[Policy]) -> Named:
    return {policy.name: StoredPolicy(policy, False, 0) for policy in wanted}


def _named(found: Iterable[StoredPolicy]) -> Named:
    return {stored.policy.name: stored for stored in found}


def _compare(before: Named, after: Named) -> tuple[Change, ...]:
    return compare([stored.policy for stored in before.values()], [stored.policy for stored in after.values()])


def _row(stored: StoredPolicy, version: int) -> dict[str, object]:
    policy = stored.policy
    whose = {"name": policy.name, "tenant": policy.scope.tenant, "by_hand": stored.by_hand}
    return {**whose, "body": to_body(policy), "since": version}
