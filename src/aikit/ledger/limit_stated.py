"""Where a limit in force is stated; and changing it there, if it still is as it was seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.changing import changing
from aikit.ledger.limits import LimitRow
from aikit.ledger.limits_in_force import EACH
from aikit.ledger.policies import StoredPolicy, put, read_policy
from aikit.ledger.reading import Readable, reading
from aikit.ledger.tenants import check_limit
from aikit.policy.changes import Counted, counted_by, limit_name
from aikit.policy.model import Scope, StatedLimit
from aikit.policy.words import cap_words
from aikit.types import Window

AGAIN = "Look at it again, then decide."


@dataclass(frozen=True, slots=True)
class Stated:
    """A limit as its policy states it, and whose calls of the tenant it counts in the row that was looked at: EACH for
    every user or feature by itself, "" for calls that name none, None for all.
    """

    stored: StoredPolicy
    limit: StatedLimit
    feature: str | None
    user: str | None

    @property
    def environment(self) -> str | None:
        return self.stored.policy.scope.environment


def where_stated(database: Readable, row: LimitRow) -> Stated:
    """The limit of this row in its policy. Raises ConfigError if it is no longer as in the row (LIMIT_CHANGED)."""
    with reading(database) as connection:
        return _find(read_policy(connection, row.source), row)


def change_stated(
    database: Database,
    row: LimitRow,
    change: Callable[[StatedLimit], StatedLimit],
    *,
    who: str | None = None,
    why: str | None = None,
) -> tuple[Stated, StatedLimit]:
    """Change a limit in the policy that states it. Returns it as it was, and as it is.

    Raises ConfigError if it is no longer as in the row (LIMIT_CHANGED), if a file manages the policy (POLICY_OF_FILE),
    if the policy states the other limit already, or for a limit that means nothing.
    """
    with changing(database, who, why) as under_way:
        found = _find(read_policy(under_way.connection, row.source), row)
        policy, after = found.stored.policy, change(found.limit)
        check_by_hand(found.stored)
        check_limit(after)
        others = {counted_by(limit) for limit in policy.limits if limit != found.limit}
        if counted_by(after) in others:
            raise ConfigError(
                f"{policy.name} states a limit {limit_name(counted_by(after))} already.",
                remedy="Change that one instead, or remove it first.",
            )
        limits = tuple([after if limit == found.limit else limit for limit in policy.limits])
        put(under_way, replace(policy, limits=limits))
    return found, after


def check_by_hand(stored: StoredPolicy) -> None:
    """Raises ConfigError for a policy that a file manages: the next file applied would undo the change."""
    if not stored.by_hand:
        name = stored.policy.name
        raise ConfigError(
            f"The policy {name!r} is managed by a file, which the next `aikit policy apply` puts in force again.",
            code="POLICY_OF_FILE",
            facts={"policy": name},
            remedy="Edit policies.toml, then: aikit policy apply policies.toml.",
        )


def _find(stored: StoredPolicy | None, row: LimitRow) -> Stated:
    what = limit_name(Counted(row.metric, row.window, row.action, None))
    if stored is None:
        raise _changed(f"The policy {row.source!r}, which stated it, is not in force any more.")
    alike = list(_alike(stored, row))
    if not alike:
        raise _changed(f"{row.source} states no limit {what} any more that counts {row.counts or 'the whole tenant'}.")
    found = [one for one in alike if (one.limit.cap, one.limit.soft_cap) == (row.cap, row.soft_cap)]
    if not found:
        now = " or ".join([cap_words(one.limit) for one in alike])
        raise _changed(f"{what} of {row.source} has been changed in the meantime: it is {now} now.")
    if len(found) > 1:
        raise ConfigError(
            f"{row.source} states several limits {what} that count {row.counts} and have the same cap.",
            remedy="Change it in a policy file: aikit policy show.",
        )
    return found[0]


def _changed(what: str) -> ConfigError:
    return ConfigError(what, code="LIMIT_CHANGED", retryable=True, remedy=AGAIN)


def _alike(stored: StoredPolicy, row: LimitRow) -> Iterator[Stated]:
    """What the policy states that can be what the row tells of, whatever its caps."""
    for limit in stored.policy.limits:
        if (limit.metric, limit.window, limit.action) != (row.metric, row.window, row.action):
            continue
        counted = _counted(limit, stored.policy.scope, row.counts)
        if counted is not None:
            yield Stated(stored, limit, *counted)


def _counted(limit: StatedLimit, scope: Scope, counts: str) -> tuple[str | None, str | None] | None:
    """The feature and the user that a limit counts by these words of a row; None if they are not its words."""
    if limit.window is Window.CALL:
        return None if counts else (scope.feature, scope.user)
    each_user = limit.each == "user" and scope.user is None
    environment = f"environment {scope.environment}" if scope.environment is not None else None
    feature = _pattern("feature", scope.feature, each=limit.each == "feature")
    users = [_pattern("user", scope.user, each=each_user)]
    if scope.plan is not None and scope.user is None and not each_user:
        users.append(_pattern("user", None, each=True))  # of a user who is on the plan by itself
    for user in users:
        parts = [environment and re.escape(environment), feature, user]
        found = re.fullmatch(", ".join([part for part in parts if part is not None]), counts)
        if found is not None:
            names = found.groupdict()
            return scope.feature or _named(names.get("feature")), scope.user or _named(names.get("user"))
    return None


def _pattern(name: str, value: str | None, *, each: bool) -> str | None:
    if value is not None:
        return re.escape(f"{name} {value}")
    return rf"(?P<{name}>each {name}|no {name}|{name} .+)" if each else None


def _named(words: str | None) -> str | None:
    """`each user` is every one, `no user` is "", `user ann` is ann."""
    if words is None:
        return None
    first, _, rest = words.partition(" ")
    return {"each": EACH, "no": ""}.get(first, rest)
