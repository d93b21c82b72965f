"""Scorers that ask nobody: what each says of which answer."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aikit.evals.model import Case, ModelAnswer
from aikit.evals.scorers.similarity import alike
from support.scoring import score

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"
TABLE: dict[str, tuple[str, dict[str, Any], Any, str, float]] = {
    "equal": ("equals", {}, "Oslo", "Oslo", 1),
    "another text": ("equals", {}, "Oslo", "oslo", 0),
    "space around": ("equals", {}, "Oslo", " Oslo\n", 1),
    "space that counts": ("equals", {"strip": False}, "Oslo", "Oslo\n", 0),
    "case that does not count": ("equals", {"ignore_case": True}, "STRASSE", "straße", 1),
    "the same letters in two ways": ("equals", {}, COMPOSED, DECOMPOSED, 1),
    "a stated value": ("equals", {"value": "yes"}, "no", "yes", 1),
    "a number as text": ("equals", {}, "1", "1.0", 0),
    "JSON in another order": ("equals", {"json": True}, {"a": 1, "b": [1, None]}, '{"b": [1, null], "a": 1.0}', 1),
    "JSON of another value": ("equals", {"json": True}, {"a": 1}, '{"a": 2}', 0),
    "JSON with more": ("equals", {"json": True}, {"a": 1}, '{"a": 1, "b": 2}', 0),
    "true is not 1": ("equals", {"json": True}, [1, 0], "[true, false]", 0),
    "true is true": ("equals", {"json": True}, [True], "[true]", 1),
    "a list that is shorter": ("equals", {"json": True}, [1, 2], "[1]", 0),
    "no JSON": ("equals", {"json": True}, {"a": 1}, "a: 1", 0),
    "NaN is no JSON": ("equals", {"json": True}, 1, "NaN", 0),
    "a field": ("equals", {"field": "verdict"}, "yes", '{"verdict": "yes", "why": "x"}', 1),
    "a field further in": ("equals", {"field": "a.1.b"}, "yes", '{"a": [{}, {"b": "yes"}]}', 1),
    "a field as a value": ("equals", {"field": "n", "json": True}, 3, '{"n": 3}', 1),
    "a field that is no text": ("equals", {"field": "n"}, "3", '{"n": 3}', 1),
    "a field that is not there": ("equals", {"field": "x"}, "yes", '{"verdict": "yes"}', 0),
    "a place that is not there": ("equals", {"field": "a.2"}, "yes", '{"a": ["yes"]}', 0),
    "a field of no JSON": ("equals", {"field": "x"}, "yes", "yes", 0),
    "all terms": ("contains", {}, ["a", "b"], "b a", 1),
    "half of the terms": ("contains", {}, ["a", "z"], "b a", 0),
    "one term": ("contains", {}, "a", "cat", 1),
    "stated terms": ("contains", {"terms": ("x",)}, "a", "x", 1),
    "any term": ("contains", {"match": "any"}, ["a", "z"], "b a", 1),
    "not any": ("contains", {"match": "any"}, ["y", "z"], "b a", 0),
    "none": ("contains", {"match": "none"}, ["y", "z"], "b a", 1),
    "not none": ("contains", {"match": "none"}, ["y", "a"], "b a", 0),
    "a term in capitals": ("contains", {}, "Oslo", "OSLO", 0),
    "in any case": ("contains", {"ignore_case": True}, "Oslo", "in OSLO!", 1),
    "a term in other letters": ("contains", {}, COMPOSED, f"one {DECOMPOSED}", 1),
    "Turkish i": ("contains", {"ignore_case": True}, "İstanbul", "in İSTANBUL", 1),
    "a space as a term": ("contains", {}, " ", "a b", 1),
    "levenshtein, the same": ("levenshtein", {}, "kitten", "kitten", 1),
    "levenshtein, as published": ("levenshtein", {}, "kitten", "sitting", 1 - 3 / 7),
    "levenshtein, nothing alike": ("levenshtein", {}, "abc", "xyz", 0),
    "levenshtein, no answer": ("levenshtein", {}, "abc", "", 0),
    "levenshtein, astral letters are one": ("levenshtein", {}, "a😀b", "a😁b", 2 / 3),
    "levenshtein, in any case": ("levenshtein", {"ignore_case": True}, "ABC", "abc", 1),
    "similarity, words in another order": ("similarity", {}, "late fee waived", "waived fee late", 1),
    "similarity, order that counts": ("similarity", {"ratio": "ratio"}, "ab", "ba", 0.5),
    "similarity, a part": ("similarity", {"ratio": "token_set"}, "late fee", "the late fee is waived", 1),
    "similarity, nothing alike": ("similarity", {}, "abc", "xyz", 0),
    "similarity, no answer": ("similarity", {}, "abc", "", 0),
}


@pytest.mark.parametrize(("use", "options", "expected", "output", "value"), TABLE.values(), ids=TABLE)
async def test_an_answer_scores_what_it_is_worth(
    use: str, options: dict[str, Any], expected: Any, output: str, value: float
) -> None:
    found = await score(use, output, options=options, case=Case("one", expected=expected))
    assert found.error is None
    assert found.value == pytest.approx(value)


async def test_a_lower_score_says_why() -> None:
    found = await score("contains", "a", options={"terms": ("a", "Ω", "z")})
    assert found.why == 'it does not have "Ω", "z"'


ANSWER = ModelAnswer("x", "m", nano=1_234_567, latency_ms=1500, findings=("email", "card"))


@pytest.mark.parametrize(
    ("use", "options", "answer", "value"),
    [
        ("cost", {}, ANSWER, 0.001234567),
        ("cost", {}, ModelAnswer("x", "m", nano=0), 0.0),
        ("latency", {}, ANSWER, 1.5),
        ("findings", {}, ANSWER, 0.0),
        ("findings", {}, ModelAnswer("x", "m"), 1.0),
        ("findings", {"kinds": ("iban", "ssn")}, ANSWER, 1.0),
        ("findings", {"kinds": ("iban", "card")}, ANSWER, 0.0),
    ],
)
async def test_what_is_known_of_the_call_is_scored(
    use: str, options: dict[str, Any], answer: ModelAnswer, value: float
) -> None:
    assert (await score(use, "x", options=options, answer=answer)).value == pytest.approx(value)


@pytest.mark.parametrize(
    ("use", "answer", "error"),
    [
        ("cost", ModelAnswer("x", "m"), "nobody knows what the answer cost"),
        ("cost", None, "nobody knows what the answer cost"),
        ("latency", ModelAnswer("x", "m"), "nobody knows how long the answer took"),
        ("findings", None, "no call of a model is known"),
    ],
)
async def test_what_is_not_known_is_an_error_and_never_zero(use: str, answer: ModelAnswer | None, error: str) -> None:
    found = await score(use, "x", answer=answer)
    assert found.value is None
    assert error in (found.error or "")


@pytest.mark.parametrize("use", ["equals", "contains", "regex", "levenshtein", "similarity", "grounding"])
async def test_a_case_that_lacks_what_is_compared_with_is_an_error(use: str) -> None:
    found = await score(use, "x", case=Case("one"))
    assert (found.value, bool(found.error)) == (None, True)


@pytest.mark.parametrize("use", ["levenshtein", "similarity", "grounding"])
async def test_a_text_that_is_too_long_to_be_compared_is_an_error(use: str) -> None:
    found = await score(use, "a " * 150_000 + ".", case=Case("one", expected="a", context="a"))
    assert "are the most" in (found.error or "")


texts = st.text(max_size=60)


@given(texts, texts)
@settings(deadline=None)
async def test_distances_are_shares_and_the_same_in_both_directions(left: str, right: str) -> None:
    for use, options in (
        ("levenshtein", {}),
        ("similarity", {}),
        ("similarity", {"ratio": "ratio"}),
        ("similarity", {"ratio": "token_set"}),
    ):
        there = await score(use, left, options=options, case=Case("one", expected=right))
        back = await score(use, right, options=options, case=Case("one", expected=left))
        assert there.value is not None and 0 <= there.value <= 1
        assert there.value == pytest.approx(back.value)


@given(texts)
@settings(deadline=None)
async def test_a_text_is_wholly_like_itself(text: str) -> None:
    for use in ("equals", "levenshtein", "similarity"):
        assert (await score(use, text, case=Case("one", expected=text))).value == 1
    assert all(alike(text, text, ratio) == 1 for ratio in ("ratio", "token_sort", "token_set"))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), texts, texts)
@settings(deadline=None)
async def test_a_term_is_found_wherever_it_stands_by_itself(term: str, before: str, after: str) -> None:
    found = await score("contains", f"{before} {term} {after}", options={"terms": (term,), "ignore_case": True})
    assert found.value == 1


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.booleans(), max_size=4))
@settings(deadline=None)
async def test_a_value_equals_itself_written_in_any_order(value: dict[str, Any]) -> None:
    import json

    turned = json.dumps(dict(reversed(value.items())))
    found = await score("equals", turned, options={"json": True}, case=Case("one", expected=value))
    assert found.value == 1


def test_scores_that_are_averaged_are_finite() -> None:
    assert math.isfinite(alike("", "a", "token_set"))
