"""A stored eval run in full: what its gate says, scorer by scorer, and its worst cases; and one case of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

from aikit.console.details.case import case_page
from aikit.console.details.words import UNKNOWN, gone, utc
from aikit.errors import AIKitError, EvalError
from aikit.evals.baselines import Baseline, baseline_path, read_baseline
from aikit.evals.evaluating import suite_of
from aikit.evals.gate import decide
from aikit.evals.model import GateResult, Run, Suite
from aikit.evals.reporting.outcome import Outcome
from aikit.evals.reporting.rows import detectable_line, p_text, result_word
from aikit.evals.reporting.words import UNKNOWN as NO_VALUE
from aikit.evals.reporting.words import bounds, change, gate_line, interval, signed, size, value
from aikit.evals.runs import load_run, runs_folder
from aikit.evals.scored import means_of, values_of
from aikit.money import format_usd
from aikit.page import Item, Page, Section

SEPARATOR = "\x1f"
"""Between the id of a run and that of a case."""
WORST = 20


def run_page(evals: Path | None, key: str) -> Page:
    """`key` is the id of a run, or that of one of its cases behind it, and SEPARATOR between them.

    Raises AIKitError for a run that is not stored any more or can't be read, and for a case that it does not have.
    """
    id, _, case = key.partition(SEPARATOR)
    if evals is None:
        raise gone("There is no folder of evals here.", "Start the console where aikit.toml is.")
    run = _stored(evals, id)
    if case:
        return case_page(evals, run, case)
    try:
        suite = suite_of(run, evals)
        baseline = read_baseline(baseline_path(evals, run.suite))
        return told(Outcome(suite, decide(run, suite, baseline), baseline))
    except AIKitError as error:
        return undecided(run, error)


def _stored(evals: Path, id: str) -> Run:
    try:
        return load_run(runs_folder(evals), id)
    except EvalError as error:
        raise gone(error.message, error.remedy or "Run the suite again: aikit eval.") from None


def told(outcome: Outcome) -> Page:
    """The page of a run that a gate has decided on, by the suite and the baseline as they are now."""
    run, verdict = outcome.run, outcome.verdict
    gates = tuple([_gate(outcome, result) for result in verdict.gates])
    return Page(
        f"{result_word(outcome.status)} {outcome.subject}",
        (*verdict.notes, *filter(None, [detectable_line(outcome)]), *_remedy(verdict.remedy)),
        (
            Section("Run", tuple(_facts(run, outcome.baseline))),
            Section("Gates", gates or (Item("none", "the suite states none"),)),
            *_ungated(run, outcome.suite),
            Section("Worst cases", tuple(_worst(outcome)) or (Item("none", "no case became worse"),)),
            Section("All cases", tuple(_cases(run))),
        ),
    )


def undecided(run: Run, error: AIKitError) -> Page:
    """The page of a run whose suite or baseline can't be read any more: its scores are still there."""
    return Page(
        f"? undecided {run.prompt.id if run.prompt else run.target or run.suite}",
        (error.message, *_remedy(error.remedy)),
        (
            Section("Run", tuple(_facts(run, None))),
            Section("Means", tuple(_means(run, _scorers(run), {}))),
            Section("All cases", tuple(_cases(run))),
        ),
    )


def _remedy(remedy: str) -> list[str]:
    return [f"→ {remedy}"] if remedy else []


def _facts(run: Run, baseline: Baseline | None) -> list[Item]:
    made = [
        ("simulated", run.simulated),
        ("over budget", run.over_budget),
        ("interrupted", run.interrupted),
    ]
    states = [name for name, there in made if there]
    against = "none yet: aikit eval bless makes one" if baseline is None else _against(baseline)
    return [
        Item("run", run.id),
        Item("suite", run.suite),
        Item("of", run.prompt.id if run.prompt else run.target or UNKNOWN),
        Item("model", run.model or UNKNOWN),
        Item("began", f"{utc(run.started_at)} · took {run.seconds:,.1f} s"),
        Item("size", size(run)),
        Item("answers", ", ".join([run.mode.value, *states])),
        Item("cost", format_usd(run.spent_nano)),
        Item("baseline", against),
    ]


def _against(baseline: Baseline) -> str:
    of = baseline.prompt.id if baseline.prompt else baseline.target or UNKNOWN
    return f"{of}, run {baseline.run}, blessed {utc(baseline.blessed_at)} by {baseline.blessed_by}"


def _gate(outcome: Outcome, result: GateResult) -> Item:
    """`0.71 · baseline 0.88 · -0.17 [-0.24, -0.10] · p 0.0004 · ✗ FAIL`, and the rule."""
    unit, lower = outcome.units.get(result.scorer, ""), result.scorer in outcome.lower
    p = result.p if result.p_adjusted is None else result.p_adjusted
    parts = [
        f"mean {value(result.mean, unit)}",
        f"baseline {value(result.baseline_mean, unit)}",
        f"change {signed(change(result, lower=lower), unit)} {interval(result.interval)}".removesuffix(f" {NO_VALUE}"),
        f"p {NO_VALUE if p is None else p_text(p)}",
        result_word(result.status),
    ]
    rule = f"decided by {result.rule}" if result.rule else "nothing against it"
    remarks = (f"asks for {bounds(result, unit, lower=lower)} · {rule}", gate_line(outcome, result))
    return Item(result.scorer, " · ".join(parts), remarks)


def _ungated(run: Run, suite: Suite) -> list[Section]:
    names = [spec.name for spec in suite.scorers if spec.gate is None]
    return [Section("Scorers without a gate", tuple(_means(run, names, {})))] if names else []


def _means(run: Run, scorers: Iterable[str], units: dict[str, str]) -> list[Item]:
    items = []
    for name in scorers:
        means = means_of(values_of(run, name))
        mean = fmean(means.values()) if means else None
        items.append(Item(name, f"mean {value(mean, units.get(name, ''))} of {len(means):,} cases"))
    return items or [Item("none", "nothing was scored")]


def _scorers(run: Run) -> list[str]:
    return list(dict.fromkeys([name for trial in run.results for name in trial.scores]))


def _worst(outcome: Outcome) -> list[Item]:
    run, items = outcome.run, []
    for row in outcome.verdict.worst[:WORST]:
        unit = outcome.units.get(row.scorer, "")
        said = f"{row.scorer} {value(row.before, unit)} → {value(row.after, unit)}"
        items.append(Item(row.case, said, opens=f"{run.id}{SEPARATOR}{row.case}"))
    more = len(outcome.verdict.worst) - WORST
    return [*items, Item("and", f"{more:,} more")] if more > 0 else items


def _cases(run: Run) -> list[Item]:
    """Every case with the means of its scores."""
    scorers = _scorers(run)
    means = {name: means_of(values_of(run, name)) for name in scorers}
    failed = {trial.case: trial.error for trial in run.results if trial.error}
    items = []
    for case in run.cases:
        scores = [f"{name} {value(means[name].get(case))}" for name in scorers]
        said = " · ".join([*scores, *(["an error"] if case in failed else [])]) or UNKNOWN
        critical = ("critical",) if case in run.critical else ()
        items.append(Item(case, said, critical, opens=f"{run.id}{SEPARATOR}{case}"))
    return items
