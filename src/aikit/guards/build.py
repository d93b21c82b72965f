"""From a rule to the stage that carries it out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from aikit.guards import canary, injection, invisible, pii, secrets, structured, terms, urls
from aikit.guards.catalogue import defaults
from aikit.guards.custom import Blocks, installed
from aikit.guards.flow import Ending, Flow, Stage
from aikit.guards.matches import CustomGuard, Eyes
from aikit.guards.stages import CRASHED, Acting, Limit, Scan, Verdict, Whole
from aikit.types.guards import Finding, GuardAction, GuardRule, Place

_EYES: Mapping[str, Callable[[Mapping[str, Any]], Eyes]] = {
    "unicode": invisible.eyes,
    "urls": urls.eyes,
    "secrets": secrets.eyes,
    "pii": pii.eyes,
    "banned_terms": terms.eyes,
    "injection": injection.eyes,
}


_BLOCKING = (GuardAction.BLOCK, GuardAction.REDACT)


class Facts(NamedTuple):
    """What an attempt brings along for its guards."""

    canary: str | None
    schema: Mapping[str, Any] | None
    custom: Mapping[str, CustomGuard]


def stage(rule: GuardRule, place: Place, acting: Acting, facts: Facts) -> Stage:
    """The stage of a rule at one text. A guard that cannot be made counts as one that crashed."""
    try:
        made = _stage(rule, place, acting, facts)
    except Exception:
        made = None
    return Guarded(made, acting)


def _stage(rule: GuardRule, place: Place, acting: Acting, facts: Facts) -> Stage:
    if rule.guard.startswith("custom."):
        name = rule.guard.removeprefix("custom.")
        guard = facts.custom.get(name) or installed(name)
        if guard is None:
            raise LookupError(name)
        return Blocks(guard, place, acting)
    if rule.guard == "max_length":
        return Limit(_options(rule)["characters"], acting)
    if rule.guard == "json_schema":
        return Whole(_judge(_options(rule), facts, acting.action in _BLOCKING), acting)
    if rule.guard == "canary":
        return Scan(canary.eyes(facts.canary), acting)
    return Scan(_eyes(rule.guard, rule.options), acting)


def _judge(options: Mapping[str, Any], facts: Facts, may_change: bool) -> Callable[[str], Verdict]:
    schema = facts.schema if options["schema"] is None else options["schema"]
    repairs = options["repair"] is True and may_change
    return lambda text: structured.judge(text, schema, repairs)


def _options(rule: GuardRule) -> Mapping[str, Any]:
    return {**defaults(rule.guard), **json.loads(rule.options)}


@lru_cache(maxsize=256)
def _eyes(guard: str, options: str) -> Eyes:
    """The detectors of a guard with these options; made once, for they are the dear part."""
    return _EYES[guard]({**defaults(guard), **json.loads(options)})


class Guarded:
    """A stage that may crash. If its rule blocks or redacts, nothing passes from there on; else the text does, and a
    finding says that it was not looked at."""

    def __init__(self, inner: Stage | None, acting: Acting) -> None:
        self._inner = inner
        self._acting = acting
        self._told = False
        self._held = ""
        self._marks: list[Finding] = []

    def feed(self, flow: Flow) -> Flow:
        if self._inner is not None:
            try:
                out = self._inner.feed(flow)
            except Exception:
                self._inner = None
            else:
                self._keep(flow, out)
                return out
        if self._told:
            return flow
        self._told = True
        crashed = self._acting.finding(CRASHED)
        if self._acting.action in _BLOCKING:
            return Flow("", (), Ending((crashed,)))
        marks = [(0, crashed), *((0, mark) for mark in self._marks)]
        marks += [(len(self._held) + offset, mark) for offset, mark in flow.marks]
        return Flow(self._held + flow.text, tuple(marks), flow.ending)

    def _keep(self, flow: Flow, out: Flow) -> None:
        """Keeps what went in and has not come out yet, for a stage that leaves the text as it is."""
        if self._held or len(out.text) != len(flow.text):
            self._held = (self._held + flow.text)[len(out.text) :]
        if self._marks or flow.marks:
            gone = [mark for _, mark in out.marks]
            self._marks = [mark for mark in (*self._marks, *(mark for _, mark in flow.marks)) if mark not in gone]
