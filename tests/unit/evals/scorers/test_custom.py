"""Scorers of one's own: functions of all sorts, and that what goes wrong in them is an error."""

from __future__ import annotations

import asyncio
import importlib.metadata
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from aikit.errors import ConfigError
from aikit.evals.model import Case, ModelAnswer, Score
from support.scoring import score

MODULE = """
import asyncio, sys, time
from aikit.evals.model import Score

def half(case, output, context): return 0.5
def true(case, output, context): return True
def whole(case, output, context): return 7
def full(case, output, context): return Score(0.25, "a quarter")
def gives_up(case, output, context): return Score(None, error="could not tell")
def words(case, output, context, *, least): return len(output.split()) >= least
def sees(case, output, context): return Score(1.0, f"{case.id} {output} {context.answer.text} {context.trial}")
async def later(case, output, context):
    await asyncio.sleep(0)
    return 0.75
def makes_a_coroutine(case, output, context): return later(case, output, context)
class Called:
    def __call__(self, case, output, context): return 0.125
    async def inner(self, case, output, context): return 0.375
called = Called()
def text(case, output, context): return "0.5"
def nothing(case, output, context): pass
def nan(case, output, context): return float("nan")
def endless(case, output, context): return float("inf")
def raises(case, output, context): raise LookupError("no such table")
def stops(case, output, context): raise StopIteration
def leaves(case, output, context): sys.exit(3)
async def raises_later(case, output, context): raise LookupError("no such table")
def sleeps(case, output, context): time.sleep(30)
async def waits(case, output, context): await asyncio.sleep(30)
not_a_function = 3
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    name = f"own_{tmp_path.name}_scorers".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def function(project: Path, name: str) -> dict[str, Any]:
    return {"function": f"{next(project.glob('*.py')).stem}:{name}"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("half", 0.5), ("true", 1.0), ("whole", 7.0), ("full", 0.25), ("later", 0.75), ("makes_a_coroutine", 0.75),
     ("called", 0.125), ("called.inner", 0.375)],
)  # fmt: skip
async def test_a_function_returns_a_number_a_truth_or_a_score(project: Path, name: str, value: float) -> None:
    found = await score("custom", "x", options=function(project, name), project=project)
    assert (found.value, found.error) == (value, None)


async def test_a_function_gets_its_options_and_sees_the_case_the_answer_and_the_context(project: Path) -> None:
    options = {**function(project, "words"), "options": {"least": 2}}
    assert (await score("custom", "a b", options=options, project=project)).value == 1
    assert (await score("custom", "a", options=options, project=project)).value == 0
    found = await score(
        "custom", "out", options=function(project, "sees"), project=project, case=Case("late-fee"), trial=3,
        answer=ModelAnswer("raw", "m"),
    )  # fmt: skip
    assert found.why == "late-fee out raw 3"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("gives_up", "could not tell"),
        ("text", "the function returned str, not a number"),
        ("nothing", "the function returned NoneType"),
        ("nan", "it gave nan, which is no score"),
        ("endless", "it gave inf, which is no score"),
        ("raises", "LookupError: no such table"),
        ("stops", "RuntimeError: StopIteration"),
        ("leaves", "RuntimeError: SystemExit: 3"),
        ("raises_later", "LookupError: no such table"),
        ("words", "TypeError: "),
    ],
)
async def test_what_goes_wrong_in_a_function_is_an_error(project: Path, name: str, error: str) -> None:
    found = await score("custom", "x", options=function(project, name), project=project)
    assert found.value is None
    assert error in (found.error or "")


@pytest.mark.parametrize("name", ["sleeps", "waits"])
async def test_a_function_that_takes_too_long_is_an_error_and_holds_up_nobody(project: Path, name: str) -> None:
    options = {**function(project, name), "timeout_seconds": 0.2}
    began = time.monotonic()
    found = await score("custom", "x", options=options, project=project)
    assert "took longer than 0.2 s" in (found.error or "")
    assert time.monotonic() - began < 10


def test_a_function_that_hangs_does_not_keep_the_program_from_ending(project: Path) -> None:
    options = {**function(project, "sleeps"), "timeout_seconds": 0.2}
    began = time.monotonic()
    asyncio.run(score("custom", "x", options=options, project=project))
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("no_such_module_here:f", "ModuleNotFoundError: No module named 'no_such_module_here'"),
        ("{module}:no_such", "AttributeError"),
        ("{module}:not_a_function", "it is no function"),
    ],
)
async def test_a_function_that_is_not_there_is_told_before_anything_runs(project: Path, named: str, why: str) -> None:
    named = named.format(module=next(project.glob("*.py")).stem)
    with pytest.raises(ConfigError, match=f"The function {named} can't be used: {why}"):
        await score("custom", "x", options={"function": named}, project=project)
    assert str(project) not in sys.path


class Point:
    name, value, group = "tidy", "x:y", "aikit.scorers"

    def load(self) -> Any:
        return lambda case, output, context: Score(1.0, "tidy")


async def test_an_installed_package_offers_scorers_as_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    from aikit.evals.scorers import custom

    def points(*, group: str, name: str | None = None) -> list[Point]:
        return [Point()] if group == "aikit.scorers" and name in (None, "tidy") else []

    monkeypatch.setattr(custom, "entry_points", points)
    assert (await score("custom", "x", options={"function": "tidy"})).why == "tidy"
    with pytest.raises(ConfigError, match=r"no scorer 'tidi' in the group aikit\.scorers\. Installed packages offer"):
        await score("custom", "x", options={"function": "tidi"})


def test_no_scorers_are_installed_with_this_package_alone() -> None:
    assert not importlib.metadata.entry_points(group="aikit.scorers")


async def test_the_agreement_of_a_judge_with_people_is_scored() -> None:
    project = Path(__file__).parents[4]
    options = {"function": "evals.agreement:agreement", "options": {"tolerance": 0.15}}
    for output, expected, value in [
        ('{"score": 0.9, "reason": ""}', 1.0, 1),
        ('{"score": 0.8, "reason": ""}', 1.0, 0),
        ('{"score": true}', 1.0, 0),
        ('{"reason": ""}', 0.0, 0),
        ("nonsense", 0.0, 0),
        ("[]", 0.0, 0),
    ]:
        found = await score("custom", output, options=options, case=Case("one", expected=expected), project=project)
        assert (found.value, found.error) == (value, None)
