"""All guards of one attempt: what of each text may pass, whole or in pieces, and what was found."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from aikit.guards.build import Facts, stage
from aikit.guards.catalogue import ORDER
from aikit.guards.flow import Ending, Flow, Stage
from aikit.guards.matches import CustomGuard, Match
from aikit.guards.redaction import Original, Placeholders, Restoring, label, redacted_kind
from aikit.types.guards import Finding, GuardAction, GuardRule, Place

MOST_FINDINGS = 100
MORE = "more"
SLICE = 8192
_RETURNED = (Place.OUTPUT, Place.TOOL_ARGUMENTS)


class Blocked(Exception):
    """A guard blocked a text.

    `findings` are those of the match that did it; `released` is the text before it that may be handed on still.
    """

    def __init__(self, findings: Sequence[Finding], released: str) -> None:
        super().__init__(", ".join(f"{found.guard}: {found.kind} in {found.place}" for found in findings))
        self.findings = tuple(findings)
        self.released = released


class Screening:
    """The guards of one attempt, made from the rules that apply to its caller.

    A text is what a person or a model would read: a decoded string, never JSON source. `secret` keys the hashes of
    findings. `canary` is the token that must not come out, `schema` the output schema of the prompt, `custom` the
    guards that the application registered by name. `taken(placeholder)` says whether the request has this text in it
    already.
    """

    def __init__(
        self,
        rules: Sequence[GuardRule],
        *,
        secret: bytes,
        canary: str | None = None,
        schema: Mapping[str, Any] | None = None,
        custom: Mapping[str, CustomGuard] | None = None,
        taken: Callable[[str], bool] = lambda placeholder: False,
    ) -> None:
        self._secret = secret
        self._rules = tuple(_numbered(rules))
        self._facts = Facts(canary, schema, custom or {})
        self._placeholders = Placeholders(self._hash, taken)
        self._found: dict[tuple[str, str, str, str, str, str], Finding] = {}
        self._more: Finding | None = None

    @property
    def findings(self) -> list[Finding]:
        """What was found so far, equal findings as one; after a hundred of them `more` counts the rest."""
        return [*self._found.values(), *([self._more] if self._more else [])]

    def applies(self, place: Place) -> bool:
        """Whether texts at this place have to be shown at all."""
        return any(place in ruled.rule.places for ruled in self._rules) or self._restores(place)

    def check(self, place: Place, at: str, text: str) -> str:
        """What may pass of a whole text. Raises `Blocked`."""
        channel = self.channel(place, at)
        return channel.finish(text)

    def channel(self, place: Place, at: str, *, answer: bool = True, restores: bool = True) -> Channel:
        """For a text that comes in pieces. `at` is the path to it, for the findings. What is no `answer`, but told
        beside it, follows no schema; without `restores` nothing is put back in it.
        """
        stages: list[Stage] = [
            stage(ruled.rule, place, Doing(self, ruled, place, at), self._facts)
            for ruled in self._rules
            if place in ruled.rule.places and (answer or ruled.rule.guard != "json_schema")
        ]
        if restores and self._restores(place):
            stages.append(Restoring(lambda placeholder: self._original(placeholder, place)))
        return Channel(stages, self.record)

    def restore(self, place: Place, text: str) -> str:
        """A text with what was redacted put back, and not checked at all."""
        return Restoring(lambda placeholder: self._original(placeholder, place)).feed(Flow(text, (), Ending())).text

    def record(self, finding: Finding) -> None:
        key = finding[:6]
        known = self._found.get(key)
        if known is not None:
            self._found[key] = known._replace(times=known.times + finding.times)
        elif len(self._found) < MOST_FINDINGS:
            self._found[key] = finding
        elif self._more is None:
            self._more = Finding(finding.guard, MORE, finding.place, finding.action, times=finding.times)
        else:
            self._more = self._more._replace(times=self._more.times + finding.times)

    def finding(self, rule: GuardRule, place: Place, at: str, kind: str, value: str) -> Finding:
        return Finding(rule.guard, kind, place, rule.action, at, self._hash(value) if value else "")

    def placeholder(self, ruled: Ruled, place: Place, group: Sequence[Match], text: str) -> str:
        kind = redacted_kind(group)
        given = self._placeholders.instead(text, label(ruled.prefix + kind) + ruled.suffix)
        if ruled.restores and place not in _RETURNED:
            self._placeholders.remember(given, Original(text, kind, ruled.rule))
        return given

    def _hash(self, value: str) -> str:
        return hmac.digest(self._secret, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:16]

    def _restores(self, place: Place) -> bool:
        return place in _RETURNED and any(ruled.restores for ruled in self._rules)

    def _original(self, placeholder: str, place: Place) -> str | None:
        original = self._placeholders.originals.get(placeholder)
        if original is None or any(self._opposes(ruled, original, place) for ruled in self._rules):
            return None
        return original.text

    @staticmethod
    def _opposes(ruled: Ruled, original: Original, place: Place) -> bool:
        """Whether another rule keeps what was redacted out of this place."""
        rule = ruled.rule
        return (
            rule is not original.rule
            and rule.guard == original.rule.guard
            and place in rule.places
            and rule.action in (GuardAction.REDACT, GuardAction.BLOCK)
            and not ruled.restores
            and original.kind in ruled.options.get("kinds", (original.kind,))
        )


class Channel:
    """One text on its way through the guards."""

    def __init__(self, stages: Sequence[Stage], record: Callable[[Finding], None]) -> None:
        self._stages = stages
        self._record = record
        self._blocked: tuple[Finding, ...] = ()

    def feed(self, piece: str) -> str:
        """What may be handed on now. Raises `Blocked`."""
        return self._pass(Flow(piece))

    def flush(self) -> str:
        """The text is at its end: what was held and may be handed on. Raises `Blocked`."""
        return self._pass(Flow("", (), Ending()))

    def finish(self, text: str) -> str:
        """The last piece and the end at once. Raises `Blocked`."""
        return self._pass(Flow(text, (), Ending()))

    def _pass(self, flow: Flow) -> str:
        """A long text goes through in slices: what a detector looks through again and again stays short."""
        released: list[str] = []
        text, at = flow.text, 0
        while len(text) - at > SLICE:
            released.append(self._slice(Flow(text[at : at + SLICE]), released))
            at += SLICE
        released.append(self._slice(Flow(text[at:], (), flow.ending), released))
        return "".join(released)

    def _slice(self, flow: Flow, released: Sequence[str]) -> str:
        if self._blocked:
            raise Blocked(self._blocked, "")
        for each in self._stages:
            flow = each.feed(flow)
        for _, finding in flow.marks:
            self._record(finding)
        if flow.ending is not None and flow.ending.blocked:
            self._blocked = flow.ending.blocked
            for finding in self._blocked:
                self._record(finding)
            raise Blocked(self._blocked, "".join(released) + flow.text)
        return flow.text


class Ruled(NamedTuple):
    """A rule, its options, and how its placeholders are named so that no other rule makes the same."""

    rule: GuardRule
    options: Mapping[str, Any]
    restores: bool
    prefix: str
    suffix: str


class Doing(NamedTuple):
    """What a rule does at one text."""

    screening: Screening
    ruled: Ruled
    place: Place
    at: str

    @property
    def action(self) -> GuardAction:
        return self.ruled.rule.action

    def finding(self, kind: str, value: str = "") -> Finding:
        return self.screening.finding(self.ruled.rule, self.place, self.at, kind, value)

    def instead(self, group: Sequence[Match], text: str) -> str:
        if self.ruled.rule.guard == "unicode":
            return ""
        return self.screening.placeholder(self.ruled, self.place, group, text)


def _numbered(rules: Sequence[GuardRule]) -> list[Ruled]:
    """The rules in the order in which they are applied; of one guard those that change nothing before those that
    block, and those that redact last, so that each of them sees the text as it came."""
    seen: dict[str, int] = {}
    numbered = []
    for rule in sorted(rules, key=_turn):
        options: Mapping[str, Any] = json.loads(rule.options)
        prefix = rule.guard.removeprefix("custom.") + "_" if rule.guard.startswith("custom.") else ""
        suffix = ""
        if rule.action is GuardAction.REDACT:
            seen[rule.guard] = seen.get(rule.guard, 0) + 1
            suffix = f"_{chr(64 + seen[rule.guard])}" if seen[rule.guard] > 1 else ""
        restores = rule.action is GuardAction.REDACT and options.get("restore") is True
        numbered.append(Ruled(rule, options, restores, prefix, suffix))
    return numbered


_TURNS = (GuardAction.ALLOW, GuardAction.FLAG, GuardAction.BLOCK, GuardAction.REDACT)


def _turn(rule: GuardRule) -> tuple[int, str, int]:
    name = rule.guard.partition(".")[0]
    turn = ORDER.index(name) if name in ORDER else len(ORDER)
    return turn, rule.guard, _TURNS.index(rule.action)
