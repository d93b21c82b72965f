"""The limits in force for a tenant, each once for each group of attempts that it counts. Pure.

Which policy a limit comes from depends on nothing but what it counts, so it is resolved for just that: for a call with
the tags of the subject. A limit of "each user" counts as many subjects as there are users; those that have been seen
are told one by one, and if there is none, "each user" stands for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aikit.policy.model import Caller, Policy, Scope, StatedLimit
from aikit.policy.resolve import resolve
from aikit.policy.subject import Subject, subject_of
from aikit.types import Limit, Window


@dataclass(frozen=True, slots=True)
class Household:
    """A tenant with all that policies look at. `seen` are the subjects that have counters."""

    tenant: str
    plan: str | None
    policies: Sequence[Policy]
    user_plans: Mapping[str, str] = field(default_factory=dict)
    seen: Sequence[Subject] = ()


class InForce(NamedTuple):
    """A limit and whom it counts, in words. `counter`: it is that of one subject, not of each of many."""

    limit: Limit
    counts: str
    counter: bool


class Group(NamedTuple):
    """Whom a limit is for: some tags, and for each of `each` every value by itself. `plan`: users on that plan only."""

    tags: Subject
    each: tuple[str, ...]
    plan: str | None


def limits_in_force(household: Household, given: Subject) -> list[InForce]:
    """The limits that a call with the given tags can meet; tags that are None may be anything."""
    found: dict[InForce, None] = {}
    for group in sorted(_groups(household), key=str):
        if _fits(group.tags, given):
            found.update(dict.fromkeys(_of_group(household, group, given)))
    return list(found)


def _groups(household: Household) -> set[Group]:
    plans = set(household.user_plans.values())
    groups = set()
    for policy in household.policies:
        scope = policy.scope
        if scope.tenant not in (None, household.tenant):
            continue
        for limit in policy.limits:
            tags, each = Subject(scope.environment, scope.feature, scope.user), _each(limit, scope)
            if scope.plan in (None, household.plan):
                groups.add(Group(tags, each, None))
            if scope.plan is not None and scope.plan in plans:
                own = tuple(sorted({*each, "user"} if scope.user is None else {*each}))
                groups.add(Group(tags, own, scope.plan))
    return groups


def _each(limit: StatedLimit, scope: Scope) -> tuple[str, ...]:
    each = limit.each if limit.window is not Window.CALL else None
    return (each,) if each is not None and getattr(scope, each) is None else ()


def _fits(tags: Subject, given: Subject) -> bool:
    return all(tag is None or other is None or tag == other for tag, other in zip(tags, given, strict=True))


def _of_group(household: Household, group: Group, given: Subject) -> Iterator[InForce]:
    subjects = list(_subjects(household, group, given))
    for subject in subjects:
        for limit in _resolved(household, subject, given, household.user_plans.get(subject.user or given.user or "")):
            if limit.window is Window.CALL or limit.subject == subject.key:
                yield InForce(limit, _subject_words(limit), True)
    if subjects:
        return
    anyone = group.tags._replace(**dict.fromkeys(group.each, ""))
    of_plan = {policy.name for policy in household.policies if group.plan in (None, policy.scope.plan)}
    for limit in _resolved(household, anyone, given, group.plan):
        if limit.source in of_plan and limit.window is Window.CALL:
            yield InForce(limit, "", True)
        elif limit.source in of_plan and limit.subject == anyone.key:
            yield InForce(limit, _group_words(group), False)


def _subjects(household: Household, group: Group, given: Subject) -> Iterable[Subject]:
    """The subjects of a group: one, or those that were seen."""
    open_ended = [name for name in group.each if getattr(given, name) is None]
    only = group.tags._replace(**{name: getattr(given, name) for name in group.each if name not in open_ended})
    if not open_ended:
        return [only]
    blank = dict.fromkeys(open_ended)
    alike = [
        subject
        for subject in household.seen
        if subject._replace(**blank) == only and None not in [getattr(subject, name) for name in open_ended]
    ]
    if group.plan is None:
        return alike
    return [subject for subject in alike if household.user_plans.get(subject.user or "") == group.plan]


def _resolved(household: Household, tags: Subject, given: Subject, user_plan: str | None) -> tuple[Limit, ...]:
    """The limits of a call with these tags; as for the others it has the given ones."""
    environment, feature, user = [
        (other if tag is None else tag) or None for tag, other in zip(tags, given, strict=True)
    ]
    caller = Caller(household.tenant, user, feature, environment, household.plan, user_plan)
    return resolve(household.policies, caller).limits


def _subject_words(limit: Limit) -> str:
    """Whom a limit counts: `user u1`; "" for the whole tenant, or for each call by itself."""
    return subject_of(limit.subject).words


def _group_words(group: Group) -> str:
    each = [f"each {name}" for name in ("feature", "user") if name in group.each]
    words = ", ".join([*([group.tags.words] if group.tags.words else []), *each])
    return f"{words} on plan {group.plan}" if group.plan is not None else words
