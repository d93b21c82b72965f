"""Policies to test with: as hypothesis makes them, and as the template has them."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from aikit.guards.catalogue import CATALOGUE, GuardInfo, Option
from aikit.policy.changes import counted_by
from aikit.policy.file.guards import canonical
from aikit.policy.model import Loops, Policy, Scope, StatedGuard, StatedLimit, Velocity
from aikit.types import Action, Environment, GuardAction, Metric, Place, Window

NANO_PER_CREDIT = 100_000
CALENDAR = {Window.DAY: 23, Window.WEEK: 6, Window.MONTH: 27}
PRINTABLE = st.characters(categories=("L", "N", "P", "S"))

tags = st.text(PRINTABLE, min_size=1, max_size=12)
globs = st.sampled_from(["*", "openai/*", "anthropic/claude-*", "ollama/org/model:7b", "gemini/gemini-2.5-flash"])
rates = st.decimals(0, 1_000_000, places=2).map(str)


def _names(name: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...] | None]:
    return st.none() | st.lists(name, max_size=3).map(tuple)


@st.composite
def limits(draw: st.DrawFn) -> StatedLimit:
    """A limit that is stated in a way that means something."""
    metric = draw(st.sampled_from(Metric))
    window = draw(st.sampled_from(Window)) if metric is not Metric.CONCURRENCY else Window.TOTAL
    if (metric, window) == (Metric.REQUESTS, Window.CALL):
        window = Window.MINUTE
    cap = draw(st.integers(0, 10**15))
    calendar = window in CALENDAR
    return StatedLimit(
        metric=metric,
        window=window,
        cap=cap,
        soft_cap=draw(st.none() | st.integers(0, cap - 1)) if cap else None,
        action=draw(st.sampled_from(Action)),
        each=draw(st.sampled_from([None, "user", "feature"])) if window is not Window.CALL else None,
        zone=draw(st.sampled_from(["UTC", "Europe/Zurich", "Asia/Kolkata"])) if calendar else "UTC",
        anchor=draw(st.integers(0, CALENDAR[window])) if calendar else 0,
    )


@st.composite
def scopes(draw: st.DrawFn) -> Scope:
    """Often one part, as the sections of a file have it; sometimes a mix, or every call."""
    parts = draw(st.lists(st.sampled_from(Scope._fields), max_size=3, unique=True))
    values = {part: str(draw(st.sampled_from(Environment))) if part == "environment" else draw(tags) for part in parts}
    return Scope(**values)


def _rules(scope: Scope) -> dict[str, st.SearchStrategy[Any]]:
    """Rules against runaways, and none that looks at each of what the scope has one of."""
    each = st.sampled_from([None, *[name for name in ("user", "feature") if getattr(scope, name) is None]])
    action = st.sampled_from(Action)
    loops = st.builds(Loops, st.integers(1, 1000), st.integers(1, 3600), action, each)
    velocity = st.builds(Velocity, st.integers(2, 1000), st.integers(1, 10**15), action, each)
    off = st.none() | st.just("off")
    return {"loops": off | loops, "velocity": off | velocity}


def _option(option: Option) -> st.SearchStrategy[Any]:
    """What can be stated of an option of a guard, in its canonical form."""
    if option.type == "boolean":
        return st.booleans()
    if option.type == "integer":
        return st.integers(option.minimum or 0, option.maximum or 10**15)
    if option.type == "object":
        return st.sampled_from([{}, {"type": "object", "properties": {"ü": {"type": "string"}}}])
    known = {"regions": ["US", "GB", "DE"], "allow": ["example.com", "*.example.org"]}
    items = st.sampled_from(option.choices or known.get(option.name, ["Project Falcon", 'a "word"', "Übung"]))
    return st.lists(items, min_size=option.minimum or 0, max_size=3, unique=True).map(sorted)


@st.composite
def guards(draw: st.DrawFn, info: GuardInfo) -> StatedGuard:
    """A guard that is stated in a way that means something."""
    name = f"custom.{draw(st.sampled_from(['tone', 'a-b_9']))}" if info.name == "custom" else info.name
    if draw(st.booleans()) and draw(st.booleans()):
        return StatedGuard(name, "off")
    action = draw(st.sampled_from(info.actions))
    places = draw(st.none() | st.sets(st.sampled_from(info.possible_places), min_size=1))
    stated = {one.name: draw(_option(one)) for one in info.options if one.required or draw(st.booleans())}
    for option, actions in {"restore": [GuardAction.REDACT], "repair": [GuardAction.REDACT, GuardAction.BLOCK]}.items():
        if action not in actions:
            stated.pop(option, None)
    ordered = None if places is None else tuple([place for place in Place if place in places])
    return StatedGuard(name, action, ordered, canonical(stated))


stated_guards = st.lists(st.sampled_from(CATALOGUE), max_size=3, unique_by=lambda info: info.name).flatmap(
    lambda infos: st.tuples(*[guards(info) for info in infos]).map(
        lambda found: tuple(sorted(found, key=lambda stated: stated.guard))
    )
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """A policy that a file can state."""
    scope = draw(scopes())
    stated = draw(st.lists(limits(), max_size=4, unique_by=counted_by))
    ceiling = draw(st.none() | st.integers(1, 10_000_000))
    return Policy(
        name=draw(st.just(scope.label) | tags),
        scope=scope,
        priority=draw(st.just(0) | st.integers(-1_000_000, 1_000_000)),
        limits=tuple([limit for limit in stated if limit.each is None or getattr(scope, limit.each) is None]),
        allow=draw(_names(globs)),
        deny=draw(_names(globs)),
        entitlements=draw(_names(tags)) if scope == Scope(plan=scope.plan) and scope.plan else None,
        requires=draw(_names(tags)),
        max_output_tokens=ceiling,
        default_output_tokens=draw(st.none() | st.integers(1, ceiling or 10_000_000)),
        max_prompt_characters=draw(st.none() | st.integers(1, 10**15)),
        unpriced=draw(
            st.none()
            | st.just({})
            | st.fixed_dictionaries({"input": rates}, optional={"output": rates, "requests": rates})
        ),
        clamp=draw(st.none() | st.booleans()),
        uncapped=draw(st.none() | st.booleans()),
        **{name: draw(rule) for name, rule in _rules(scope).items()},
        guards=draw(stated_guards),
        description=draw(st.none() | st.text(PRINTABLE | st.sampled_from("\n\t \"\\'"), min_size=1).filter(str.strip)),
    )


policy_sets = st.lists(policies(), max_size=3, unique_by=lambda policy: policy.name)


def every_example(template: str) -> str:
    """The template with all of its examples uncommented, in place of what they stand beside."""
    alone = template.replace('unpriced = "deny"', "", 1)
    return re.sub(r"(?m)^# (?=\[|\]|\w+ = |  [{#])", "", alone)
