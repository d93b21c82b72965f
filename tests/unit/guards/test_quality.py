"""Floors under what guards find, and over what they wrongly find; the figures are in docs/reference/guards.md."""

from __future__ import annotations

from functools import cache

import pytest

from support import guard_quality, guard_samples
from support.guard_quality import Figures
from support.injection_samples import SEEN

WEAK = {"ca.sin": 0.85, "card": 0.95}
"A checksum of one digit is right by chance once in ten."


KINDS = [
    *(("pii", kind) for kind in guard_samples.PII),
    *(("secrets", kind) for kind in guard_samples.SECRETS),
    *(("unicode", kind) for kind in guard_samples.UNICODE),
    *(("urls", kind) for kind in guard_samples.URLS),
]


@cache
def figures() -> dict[tuple[str, str], Figures]:
    return {(row.guard, row.kind): row for row in guard_quality.all_figures(each=120, seed=23)}


@pytest.mark.parametrize(("guard", "kind"), KINDS)
def test_a_kind_is_found_and_what_looks_like_it_is_not(guard: str, kind: str) -> None:
    row = figures()[guard, kind]
    assert row.planted >= 120
    assert row.recall >= 0.97
    assert row.precision >= WEAK.get(kind, 0.98)


def test_a_phone_number_is_found_with_its_country_code_or_in_a_region_that_is_set() -> None:
    abroad, at_home, elsewhere = (row for _, row in guard_quality.phones_elsewhere(120, 23))
    assert abroad.recall >= 0.97
    assert at_home.recall >= 0.95
    assert at_home.precision >= 0.95
    assert elsewhere.recall <= 0.05, "the documentation says that these are not found"


def test_injections_that_the_wording_was_chosen_by_are_all_found() -> None:
    rows = guard_quality.injections(SEEN)
    assert all(row.missed == 0 for row in rows)
    assert rows[0].wrong == 0


def test_about_two_of_three_injections_that_it_was_not_chosen_by_are_found() -> None:
    rows = guard_quality.injections()
    assert sum(row.found for row in rows) / sum(row.planted for row in rows) >= 0.6
    assert rows[0].wrong <= 5
