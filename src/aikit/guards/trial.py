"""A text tried on guards: what each finds, where, and the text as it would pass. For people who set guards up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from aikit.guards.build import Facts, stage
from aikit.guards.catalogue import ORDER
from aikit.guards.flow import Ending, Flow
from aikit.guards.matches import CustomGuard, Match, covered
from aikit.guards.screening import Blocked, Ruled, Screening
from aikit.types.guards import Finding, GuardAction, GuardRule, Place

UNKEYED = b"trial"
"""Nothing of a trial is recorded, so nobody compares its hashes with others."""


class Found(NamedTuple):
    """What a guard found at `start` of the text, `length` characters long; None: it is not a part of the text."""

    guard: str
    kind: str
    action: GuardAction
    start: int | None = None
    length: int | None = None


class Trial(NamedTuple):
    """What came of it. `text` is what would pass, None if it was blocked: then the guards after that were not asked."""

    found: tuple[Found, ...]
    text: str | None

    @property
    def action(self) -> GuardAction:
        """The strongest of what was done: a guard that should block has repaired what passes, and one that should
        redact has blocked where it crashed."""
        if self.text is None:
            return GuardAction.BLOCK
        done = {GuardAction.REDACT if one.action is GuardAction.BLOCK else one.action for one in self.found}
        return max(done, key=tuple(GuardAction).index, default=GuardAction.ALLOW)


def try_guards(
    rules: Iterable[GuardRule], place: Place, text: str, custom: Mapping[str, CustomGuard] | None = None
) -> Trial:
    """Show a text to these guards, of each name at most one, in the order in which they look at a call's texts."""
    found: list[Found] = []
    earlier: list[list[Edit]] = []
    for rule in sorted(rules, key=_turn):
        if place not in rule.places:
            continue
        seen = Locating(rule)
        stage(rule, place, seen, Facts(None, None, custom or {})).feed(Flow(text, (), Ending()))
        spans = [(match.kind, match.start, match.end) for group in seen.groups for match in group]
        found += [Found(rule.guard, kind, rule.action, *_span(start, end, earlier)) for kind, start, end in spans]
        rest = Counter(seen.kinds) - Counter([kind for kind, _, _ in spans])
        found += [Found(rule.guard, kind, rule.action) for kind in rest.elements()]
        screening = Watched([rule], secret=UNKEYED, custom=custom, taken=text.__contains__)
        try:
            text = screening.check(place, "", text)
        except Blocked:
            return Trial(tuple(found), None)
        if rule.action is GuardAction.REDACT:
            earlier.append(_edits(seen.groups, screening.placeholders))
    return Trial(tuple(found), text)


class Edit(NamedTuple):
    """In place of `start` to `end` of a text there are `length` other characters."""

    start: int
    end: int
    length: int


class Locating:
    """Acts like a rule that redacts, whatever the rule does: so all that its guard finds is shown, and where."""

    action = GuardAction.REDACT

    def __init__(self, rule: GuardRule) -> None:
        self._rule = rule
        self.kinds: list[str] = []
        self.groups: list[Sequence[Match]] = []

    def finding(self, kind: str, value: str = "") -> Finding:
        self.kinds.append(kind)
        return Finding(self._rule.guard, kind, self._rule.places[0], self.action)

    def instead(self, group: Sequence[Match], text: str) -> str:
        self.groups.append(group)
        return text


class Watched(Screening):
    """Keeps the placeholders that it has put in, in their order."""

    def __init__(
        self,
        rules: Sequence[GuardRule],
        *,
        secret: bytes,
        custom: Mapping[str, CustomGuard] | None,
        taken: Callable[[str], bool],
    ) -> None:
        super().__init__(rules, secret=secret, custom=custom, taken=taken)
        self.placeholders: list[str] = []

    def placeholder(self, ruled: Ruled, place: Place, group: Sequence[Match], text: str) -> str:
        self.placeholders.append(super().placeholder(ruled, place, group, text))
        return self.placeholders[-1]


def _edits(groups: Iterable[Sequence[Match]], placeholders: Iterable[str]) -> list[Edit]:
    """Where there are no placeholders, what was found was removed."""
    pairs = zip_longest([covered(group) for group in groups], placeholders, fillvalue="")
    return [Edit(*reach, len(instead)) for reach, instead in pairs if not isinstance(reach, str)]


def _span(start: int, end: int, earlier: Sequence[Sequence[Edit]]) -> tuple[int, int]:
    """Where that stood, and how long it was, before all these edits."""
    last = end - 1
    for edits in reversed(earlier):
        start, last = _before(start, edits)[0], _before(last, edits)[1]
    return start, last + 1 - start


def _before(position: int, edits: Iterable[Edit]) -> tuple[int, int]:
    """The first and the last character that became the one at this position."""
    moved = 0
    for edit in edits:
        if position < edit.start + moved:
            break
        if position < edit.start + moved + edit.length:
            return edit.start, edit.end - 1
        moved += edit.length - (edit.end - edit.start)
    return position - moved, position - moved


def _turn(rule: GuardRule) -> tuple[int, str]:
    return ORDER.index(rule.guard.partition(".")[0]), rule.guard
