"""However a text is cut into pieces, what comes out and what is found is what the whole text gives."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aikit.guards.catalogue import BY_NAME
from aikit.guards.matches import Match
from aikit.guards.screening import Blocked, Screening
from aikit.types.guards import Finding, GuardAction, GuardRule, Place
from support.guard_samples import FRAGMENTS

CANARY = "kestrel-93af-77b1"


class _Shouting:
    """A custom guard: runs of three exclamation marks and more, up to twelve."""

    window = 14

    def __call__(self, text: str, place: Place, /) -> Iterable[Match]:
        at = 0
        while (at := text.find("!!!", at)) >= 0:
            end = at
            while end < len(text) and text[end] == "!" and end - at < 12:
                end += 1
            yield Match(at, end, "shouting")
            at = end


class _Failing(_Shouting):
    """A custom guard that fails at some texts."""

    def __call__(self, text: str, place: Place, /) -> Iterable[Match]:
        if "boom" in text:
            raise RuntimeError("boom")
        return list(super().__call__(text, place))


def _unwindowed(text: str, place: Place) -> Iterable[Match]:
    return [Match(at, at + 3, "abc") for at in range(len(text) - 2) if text[at : at + 3] == "abc"]


CUSTOM: dict[str, Any] = {"shouting": _Shouting(), "failing": _Failing(), "whole": _unwindowed}
ALL_KINDS = {
    name: [kind.name for kind in BY_NAME[name].kinds] for name in ("pii", "secrets", "unicode", "urls", "injection")
}
OPTIONS: dict[str, dict[str, Any]] = {
    "pii": {"kinds": ALL_KINDS["pii"], "regions": ["US", "DE", "FR"]},
    "secrets": {"kinds": ALL_KINDS["secrets"]},
    "unicode": {"kinds": ALL_KINDS["unicode"]},
    "urls": {"allow": ["ok.example", "*.ok.example"]},
    "injection": {"kinds": ALL_KINDS["injection"]},
    "canary": {},
    "max_length": {"characters": 180},
    "banned_terms": {"terms": ["foo", "foo bar", "straße", "c++", "project x", "kilo"]},
    "json_schema": {"schema": {"type": "object"}, "repair": True},
    "custom.shouting": {},
    "custom.failing": {},
    "custom.whole": {},
}
GUARDS = tuple(OPTIONS)


def rule(guard: str, action: GuardAction, restore: bool = False) -> GuardRule:
    options = {**OPTIONS[guard], **({"restore": True} if restore else {})}
    return GuardRule(guard, action, tuple(Place), json.dumps(options, sort_keys=True))


def screening(rules: Iterable[GuardRule]) -> Screening:
    made = Screening(list(rules), secret=b"a secret", canary=CANARY, custom=CUSTOM)
    if any('"restore": true' in each.options for each in rules):
        with suppress(Blocked):
            made.check(Place.INPUT, "", "write to jo@ok.example or +1 415 555 2671")
    return made


def whole(rules: list[GuardRule], text: str) -> tuple[str, bool, list[Finding]]:
    made = screening(rules)
    try:
        return made.check(Place.OUTPUT, "at", text), False, made.findings
    except Blocked as blocked:
        return blocked.released, True, made.findings


def streamed(rules: list[GuardRule], pieces: Iterable[str]) -> tuple[str, bool, list[Finding]]:
    made = screening(rules)
    channel = made.channel(Place.OUTPUT, "at")
    out = ""
    try:
        for piece in pieces:
            out += channel.feed(piece)
        return out + channel.flush(), False, made.findings
    except Blocked as blocked:
        return out + blocked.released, True, made.findings


def cut(text: str, cuts: Iterable[int]) -> list[str]:
    positions = [0, *sorted({at % (len(text) + 1) for at in cuts}), len(text)]
    return [text[a:b] for a, b in pairwise(positions)]


alphabet = st.sampled_from(
    "abcxyzAEISX0123456789 \n\t.,:;-_/\\@+()[]<>{}!?'\"#=%&|*~`"
    "ßſıİK\u200b\u200d\u200c\u202e\u200f\ufe0f\ufe00\U000e0041\U000e007f\U0001f3f4👨👩❤می한ㅤ١²\u00a0\ufeff"
)
fragments = st.one_of(
    st.sampled_from(FRAGMENTS),
    st.sampled_from(FRAGMENTS),
    st.sampled_from(FRAGMENTS).flatmap(lambda whole: st.integers(0, len(whole)).map(lambda at: whole[:at])),
    st.sampled_from(FRAGMENTS).flatmap(lambda whole: st.integers(0, len(whole)).map(lambda at: whole[at:])),
    st.text(alphabet, max_size=12),
    st.sampled_from([" ", "\n", ", ", " boom ", "!!!!!", "[EMAIL_1]", "[PHONE_1]", "[EMAIL_", CANARY, CANARY[::-1]]),
)
texts = st.lists(fragments, max_size=12).map("".join)
cuts = st.lists(st.integers(0, 2000), max_size=12)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("action", list(GuardAction))
@pytest.mark.parametrize("guard", GUARDS)
@MANY
@given(text=texts, at=cuts)
def test_a_guard_alone_says_the_same_of_a_stream(guard: str, action: GuardAction, text: str, at: list[int]) -> None:
    rules = [rule(guard, action)]
    expected = whole(rules, text)
    assert streamed(rules, cut(text, at)) == expected
    assert streamed(rules, text) == expected


some_rules = st.lists(
    st.tuples(st.sampled_from(GUARDS), st.sampled_from(list(GuardAction)), st.booleans()), min_size=2, max_size=9
)


@settings(MANY, max_examples=300)
@given(text=texts, at=cuts, chosen=some_rules)
def test_guards_together_say_the_same_of_a_stream(
    text: str, at: list[int], chosen: list[tuple[str, GuardAction, bool]]
) -> None:
    rules = [rule(guard, action, restore and guard in ("pii", "secrets")) for guard, action, restore in chosen]
    expected = whole(rules, text)
    assert streamed(rules, cut(text, at)) == expected
    assert streamed(rules, text) == expected


@pytest.mark.parametrize("action", list(GuardAction))
def test_long_documents_say_the_same_in_pieces_of_twenty_characters(action: GuardAction) -> None:
    draw = random.Random(7)
    rules = [rule(guard, action) for guard in GUARDS if guard not in ("max_length", "json_schema", "custom.failing")]
    for _ in range(3):
        text = (
            " ".join(draw.choice(FRAGMENTS) for _ in range(600)) if action is not GuardAction.BLOCK else "word " * 9000
        )
        text += "jo@ok.example"
        pieces = [text[at : at + 20] for at in range(0, len(text), 20)]
        assert streamed(rules, pieces) == whole(rules, text)
