"""The filter: what it finds, what it refuses, and that it reads again what it was."""

from __future__ import annotations

from shlex import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.console.filtering import FIELDS, NOTHING, Term, parse

CALL = {"tenant": "Acme", "model": "claude-opus-5", "status": "ok", "user": "", "feature": "Sum up"}
values = st.text(max_size=12)
terms = st.builds(lambda name, value, negated: (name, value, negated), st.sampled_from(FIELDS), values, st.booleans())


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ("model:opus tenant:acme !status:refused", True),
        ("model:opus tenant:globex", False),
        ("!status:ok", False),
        ("OPUS", True),
        ("!opus", False),
        ("haiku", False),
        ("feature:'sum up'", True),
        ("'sum up'", True),
        ("ten:acme", True),
        ("code:X", False),
        ("!code:X", True),
        ("user:", True),
        ("!", True),
    ],
)
def test_all_words_must_be_found_and_those_with_an_exclamation_mark_must_not(text: str, fits: bool) -> None:
    assert parse(text).fits(CALL) is fits


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("colour:red", "there is no field 'colour'"),
        (":x", "there is no field ''"),
        ("p:x", "'p' may be provider or prompt"),
        ("'open", "a quote is not closed"),
        ("s:x", "'s' may be status, source, suite or subject"),
        ("tenant:\\", "a quote is not closed"),
    ],
)
def test_what_it_can_not_mean_is_told(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(text)


@given(st.lists(terms, max_size=5))
def test_what_is_quoted_is_read_as_it_was_written(wanted: list[tuple[str, str, bool]]) -> None:
    text = " ".join([("!" if negated else "") + quote(f"{name}:{value}") for name, value, negated in wanted])
    found = parse(text)
    assert found.terms == tuple([Term(value.casefold(), name, negated) for name, value, negated in wanted])
    assert parse(found.text) == found


@given(terms)
def test_a_word_and_its_opposite_never_agree_on_what_has_the_field(term: tuple[str, str, bool]) -> None:
    name, value, _ = term
    fields = {name: f"before {value} after"}
    assert parse(quote(f"{name}:{value}")).fits(fields)
    assert not parse("!" + quote(f"{name}:{value}")).fits(fields)


def test_a_field_may_be_shortened_unless_two_begin_so() -> None:
    assert parse("mod:x").terms == (Term("x", "model"),)
    with pytest.raises(ValueError, match="'m' may be model or metric"):
        parse("m:x")


def test_nothing_fits_everything() -> None:
    assert not NOTHING
    assert NOTHING.fits({})
    assert parse("  ") == NOTHING


def test_only_some_fields() -> None:
    wanted = parse("tenant:acme !model:opus word")
    assert wanted.only("model").terms == (Term("opus", "model", True),)
    assert not wanted.only("user")
