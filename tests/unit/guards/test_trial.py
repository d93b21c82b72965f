"""A text tried on guards: what is found, where it stood in the text that was given, and what passes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.guards.matches import Match
from aikit.guards.screening import Blocked, Screening
from aikit.guards.trial import Found, Trial, try_guards
from aikit.types import GuardAction, GuardRule, Place

ALLOW, FLAG, REDACT, BLOCK = GuardAction
PLACES = tuple(Place)


def rule(guard: str, action: GuardAction = REDACT, places: tuple[Place, ...] = PLACES, **options: Any) -> GuardRule:
    return GuardRule(guard, action, places, json.dumps(options))


def tried(text: str, *rules: GuardRule, place: Place = Place.INPUT, **custom: Any) -> Trial:
    return try_guards(rules, place, text, custom)


def shown(trial: Trial, text: str) -> list[tuple[str, str]]:
    """Kinds, and the part of the text that each is said to stand at."""
    parts = [(one.kind, one.start or 0, one.length or 0) for one in trial.found]
    return [(kind, text[start : start + length]) for kind, start, length in parts]


MAIL = "Mail ann@example.com, then bob@example.org."


def test_what_is_flagged_is_located_and_passes() -> None:
    trial = tried(MAIL, rule("pii", FLAG))
    assert trial == Trial((Found("pii", "email", FLAG, 5, 15), Found("pii", "email", FLAG, 27, 15)), MAIL)
    assert trial.action is FLAG


def test_what_is_redacted_is_located_and_replaced() -> None:
    trial = tried(MAIL, rule("pii"))
    assert shown(trial, MAIL) == [("email", "ann@example.com"), ("email", "bob@example.org")]
    assert trial.text == "Mail [EMAIL_1], then [EMAIL_2]."
    assert trial.action is REDACT


def test_what_is_blocked_does_not_pass_and_later_guards_are_not_asked() -> None:
    trial = tried(MAIL, rule("pii", FLAG), rule("max_length", BLOCK, characters=3))
    assert trial == Trial((Found("max_length", "length", BLOCK),), None)
    assert trial.action is BLOCK


def test_nothing_found_passes_as_it_is() -> None:
    assert tried("hello", rule("pii"), rule("secrets", BLOCK)) == Trial((), "hello")
    assert tried("hello").action is ALLOW


def test_a_guard_that_looks_elsewhere_is_not_asked() -> None:
    assert tried(MAIL, rule("pii", BLOCK, (Place.OUTPUT,))).found == ()


def test_positions_are_those_of_the_text_that_was_given_whatever_guards_before_have_changed() -> None:
    text = "a\u200bb ann@example.com Falcon \u200bbob@example.org x\u200b"
    rules = [rule("unicode"), rule("pii"), rule("banned_terms", terms=["falcon"])]
    trial = tried(text, *rules)
    assert shown(trial, text) == [
        ("invisible", "\u200b"),
        ("invisible", "\u200b"),
        ("invisible", "\u200b"),
        ("email", "ann@example.com"),
        ("email", "bob@example.org"),
        ("term", "Falcon"),
    ]
    assert trial.text == "ab [EMAIL_1] [TERM_1] [EMAIL_2] x"


def test_what_an_earlier_guard_has_hidden_in_it_is_part_of_what_is_found() -> None:
    text = "write to ann@exa\u200bmple.com now"
    assert shown(tried(text, rule("unicode"), rule("pii", FLAG)), text)[-1] == ("email", "ann@exa\u200bmple.com")


def test_a_placeholder_that_is_in_the_text_already_is_not_given_again() -> None:
    assert tried("[EMAIL_1] ann@example.com", rule("pii")).text == "[EMAIL_1] [EMAIL_2]"


def test_output_that_is_repaired_passes_although_its_guard_blocks() -> None:
    fenced = '```json\n{"a": 1}\n```'
    trial = tried(fenced, rule("json_schema", BLOCK, (Place.OUTPUT,), repair=True), place=Place.OUTPUT)
    assert (trial.text, trial.action) == ('{"a": 1}', REDACT)
    assert [(one.kind, one.start) for one in trial.found] == [("repaired", None)]


def test_a_custom_guard_is_asked_and_one_that_crashes_is_told_of() -> None:
    def tone(text: str, place: Place) -> list[Match]:
        return [Match(0, 4, "rude")] if text.startswith("Oi, ") else []

    def broken(text: str, place: Place) -> list[Match]:
        raise RuntimeError

    assert shown(tried("Oi, you", rule("custom.tone"), tone=tone), "Oi, you") == [("rude", "Oi, ")]
    trial = tried("Oi, you", rule("custom.broken"), broken=broken)
    assert (trial.text, trial.action, [one.kind for one in trial.found]) == (None, BLOCK, ["crashed"])
    assert tried("Oi, you", rule("custom.broken", FLAG), broken=broken).text == "Oi, you"


PIECES = st.sampled_from(
    ["ann@example.com", "4242424242424242", "\u200b", "\U000e0041", "Falcon", " ", "x", "[EMAIL_1]"]
)
ACTIONS = st.sampled_from([ALLOW, FLAG, REDACT])


@given(st.lists(PIECES, max_size=12).map("".join), ACTIONS, ACTIONS, ACTIONS)
def test_what_passes_is_what_a_call_would_send(
    text: str, unicode: GuardAction, pii: GuardAction, terms: GuardAction
) -> None:
    rules = [rule("unicode", unicode), rule("pii", pii), rule("banned_terms", terms, terms=["Falcon"])]
    trial = tried(text, *rules)
    screening = Screening(rules, secret=b"secret", taken=text.__contains__)
    assert trial.text == screening.check(Place.INPUT, "messages/0/content", text)
    assert len(trial.found) == sum(finding.times for finding in screening.findings)
    whole = range(len(text) + 1)
    assert all(one.start in whole and (one.start or 0) + (one.length or 0) in whole for one in trial.found)


@pytest.mark.parametrize("text", [MAIL, "nothing"])
def test_it_is_blocked_when_a_call_would_be(text: str) -> None:
    rules = [rule("pii", BLOCK)]
    screening = Screening(rules, secret=b"secret")
    try:
        expected = screening.check(Place.INPUT, "", text)
    except Blocked:
        assert tried(text, *rules).text is None
    else:
        assert tried(text, *rules).text == expected


def test_a_comparison_with_an_address_is_found_though_a_version_may_look_like_one() -> None:
    assert shown(tried(text := "ip.src==8.8.4.4", rule("pii")), text) == [("ip", "8.8.4.4")]
    assert shown(tried(text := "firmware 8.8.4.4", rule("pii")), text) == []
