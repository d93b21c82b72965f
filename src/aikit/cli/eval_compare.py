"""`aikit eval compare`: two runs side by side, case by case, the worst change first, with what was answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aikit.cli.eval_found import OfSuite
from aikit.cli.options import Json
from aikit.cli.output import emit_json

if TYPE_CHECKING:
    from aikit.config import Settings
    from aikit.evals.comparing import Comparison
    from aikit.evals.model import Run, Suite
    from aikit.evals.sides import Replayed

Side = Annotated[
    str, typer.Argument(help="A stored run (its id, its beginning, last), a version (v2, summarize@v2), or baseline.")
]
Most = Annotated[int, typer.Option("--cases", min=0, metavar="N", help="So many cases with their answers.")]


def compare(a: Side = "baseline", b: Side = "last", suite: OfSuite = None, most: Most = 5, json: Json = False) -> None:
    """What has changed case by case, with both answers.

    From A to B, the worst change first. A version is the last stored run of it, or is replayed, which costs nothing.
    """
    from aikit.cli.eval_found import found
    from aikit.evals.answered import stored_of
    from aikit.evals.baselines import Baseline
    from aikit.evals.comparing import compare as compared
    from aikit.evals.scored import lower_ones
    from aikit.evals.sides import side_of

    settings, folder = found()
    of = _suite(a, b, suite, folder)
    before, after = (side_of(side, of, folder, _replayed(settings, folder)) for side in (a, b))
    if isinstance(after, Baseline):
        raise typer.BadParameter("the baseline comes first: compare baseline last", param_hint="B")
    stored = stored_of(before, folder) if isinstance(before, Baseline) else None
    _show(compared(before, after, lower=lower_ones(of), stored=stored), of, most, json=json)


def _show(found: Comparison, suite: Suite, most: int, *, json: bool) -> None:
    if json:
        from aikit.evals.reporting.changes import comparison_data

        emit_json("eval.compare", *comparison_data(found, suite))
        return
    from aikit.cli.eval_compare_words import show

    show(found, suite, most)


def _suite(a: str, b: str, named: str | None, folder: Path) -> Suite:
    """That which is named; else that of the run or the prompt that is named; else the only one."""
    from aikit.cli.eval_found import one_suite, stored
    from aikit.evals.evaluating import chosen_suites
    from aikit.evals.sides import is_run, version_of

    if named is None:
        for side in (a, b):
            if is_run(side):
                return stored(folder, side)[1]
        refs = [ref for side in (a, b) if (ref := version_of(side, None)) and ref.name]
        if refs and len(suites := chosen_suites(folder, (), refs[0])) == 1:
            return suites[0]
    return chosen_suites(folder, [one_suite(folder, named, "say which suite")], None)[0]


def _replayed(settings: Settings, folder: Path) -> Replayed:
    def replayed(suite: Suite, ref: object) -> Run:
        from aikit.evals.model import Mode
        from aikit.evals.performing import Wish, perform
        from aikit.prompts.refs import parse_ref

        wish = Wish(Mode.REPLAY, parse_ref(str(ref)))
        (done,) = perform([suite], wish, settings, folder=folder)
        return done.run

    return replayed
