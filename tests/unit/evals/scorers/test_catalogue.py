"""The catalogue says of every scorer what it is, and the reference says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aikit.evals.model import ScorerSpec
from aikit.evals.scorers.catalogue import KINDS, higher_is_better, judged_by, unit_of
from aikit.evals.scorers.scoring import _MAKERS
from aikit.evals.suites.fields import CASE_FIELDS, SUITE_FIELDS
from aikit.prompts.model import Ref
from aikit.prompts.shipped import shipped

REFERENCE = (Path(__file__).parents[4] / "docs/reference/evals.md").read_text(encoding="utf-8")


def test_every_kind_can_be_made() -> None:
    assert {*_MAKERS, "custom"} == set(KINDS)


def test_less_is_better_only_of_cost_and_latency_and_of_functions_that_say_so() -> None:
    specs = [ScorerSpec(name, name) for name in KINDS]
    assert [spec.use for spec in specs if not higher_is_better(spec)] == ["cost", "latency"]
    assert {spec.use: unit_of(spec) for spec in specs if unit_of(spec)} == {"cost": "USD", "latency": "s"}
    assert not higher_is_better(ScorerSpec("x", "custom", {"function": "a:b", "lower_is_better": True}))


def test_it_is_known_by_which_prompts_and_which_model_is_judged() -> None:
    asking = {name for name, kind in KINDS.items() if kind.asks}
    assert asking == {name for name in KINDS if judged_by(ScorerSpec(name, name, {"model": "a/b"}))[1]}
    assert judged_by(ScorerSpec("x", "faithfulness", {"model": "a/b", "verdict": "own@v3"})) == (
        (Ref("claims", version=1), Ref("own", version=3)),
        "a/b",
    )
    assert judged_by(ScorerSpec("x", "equals")) == ((), None)


@pytest.mark.parametrize("name", sorted(name for name, kind in KINDS.items() if kind.asks))
def test_the_kits_own_judges_are_there_and_locked(name: str) -> None:
    for ref in judged_by(ScorerSpec(name, name, {"model": "a/b"}))[0]:
        assert shipped().load(ref).output is not None


def section(name: str) -> str:
    found = re.search(rf"^### `{name}`\n(.*?)(?=^##|\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/reference/evals.md has no section on {name}"
    return found[1]


@pytest.mark.parametrize("name", KINDS)
def test_the_reference_tells_of_every_scorer_and_its_options_and_limits(name: str) -> None:
    told = section(name)
    assert KINDS[name].doc in told
    assert all(f"`{option}`" in told for option in KINDS[name].options)
    assert all(f"**{word}**" in told for word in ("Sees", "Can't", "For"))


def test_the_reference_tells_of_every_field_of_suites_and_cases() -> None:
    for fields in (SUITE_FIELDS, CASE_FIELDS):
        assert all(f"| `{name}` | {field.about}" in REFERENCE for name, field in fields.items())
