"""`aikit eval`: suites are run, and each comes to a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aikit.cli.eval_files import Junit, Md, Written
from aikit.cli.options import Json
from aikit.cli.output import console, note

if TYPE_CHECKING:
    from aikit.config import Settings
    from aikit.evals.model import Mode, Suite
    from aikit.evals.performing import Wish
    from aikit.evals.reporting.outcome import Outcome, Stopped
    from aikit.evals.running import Progress
    from aikit.prompts.model import Ref

Names = Annotated[list[str] | None, typer.Argument(metavar="[SUITE]...", help="Suites in evals/; all without one.")]
Gate = Annotated[bool, typer.Option("--gate", help="Exit 1 if a gate fails. Without it that is only shown.")]
PromptRef = Annotated[
    str | None, typer.Option("--prompt", metavar="NAME@vN", help="This version in place of the suite's own.")
]
Replay = Annotated[bool, typer.Option("--replay", help="From recordings alone; the default.")]
Record = Annotated[bool, typer.Option("--record", help="Ask a model for what is not recorded, and record it.")]
Refresh = Annotated[bool, typer.Option("--refresh", help="Ask a model for everything, and record it anew.")]
Live = Annotated[bool, typer.Option("--live", help="Ask a model for everything, and record nothing.")]
Simulated = Annotated[bool, typer.Option("--simulated", help="Ask the simulator: no key, no bill, no meaning.")]
Trials = Annotated[int | None, typer.Option(min=1, max=20, metavar="N", help="In place of the suite's own.")]
Concurrency = Annotated[int | None, typer.Option(min=1, max=1000, metavar="N", help="Calls under way at once.")]
Budget = Annotated[str | None, typer.Option("--budget-usd", metavar="USD", help="What each suite may cost.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="What it would ask, and cost at most; nothing is asked.")]
NoStore = Annotated[bool, typer.Option("--no-store", help="Don't keep the run in evals/runs/.")]

Prune = Annotated[bool, typer.Option("--prune", help="Drop the recordings that this run does not use.")]


def run(
    suites: Names = None,
    prompt: PromptRef = None,
    gate: Gate = False,
    replay: Replay = False,
    record: Record = False,
    refresh: Refresh = False,
    live: Live = False,
    simulated: Simulated = False,
    trials: Trials = None,
    concurrency: Concurrency = None,
    budget_usd: Budget = None,
    dry_run: DryRun = False,
    json: Json = False,
    junit: Junit = None,
    md: Md = None,
    no_store: NoStore = False,
    prune: Prune = False,
) -> None:
    """Run suites, and decide. `run` need not be said: `aikit eval summarize --gate`.

    Exits 1 if a gate failed and --gate is given, 3 if anything is inconclusive: a missing recording, errors, over
    budget.
    """
    mode = _mode({"replay": replay, "record": record, "refresh": refresh, "live": live}, simulated=simulated)
    from aikit.cli.eval_found import found
    from aikit.evals.evaluating import chosen_suites
    from aikit.evals.performing import Wish

    wish = Wish(mode, _ref(prompt), trials, concurrency, _nano(budget_usd), simulated, prune)
    settings, folder = found()
    chosen = chosen_suites(folder, suites or (), wish.prompt)
    if dry_run:
        from aikit.cli.eval_estimate import estimate

        estimate(chosen, wish, settings, folder, json=json)
        return
    entries = _evaluate(chosen, wish, settings, folder, store=not no_store)
    raise typer.Exit(_conclude(entries, settings, Written(junit, md), gate=gate, json=json))


def _mode(wanted: Mapping[str, bool], *, simulated: bool) -> Mode:
    from aikit.evals.model import Mode

    named = [name for name, said in wanted.items() if said]
    if len(named) > 1:
        raise typer.BadParameter(f"say one of {', '.join(f'--{name}' for name in named)}", param_hint="mode")
    mode = Mode(named[0]) if named else Mode.REPLAY
    if simulated and mode is Mode.REPLAY:
        raise typer.BadParameter(
            "nobody is asked in replay: add --record, --refresh or --live", param_hint="--simulated"
        )
    return mode


def _ref(prompt: str | None) -> Ref | None:
    if prompt is None:
        return None
    from aikit.prompts.refs import parse_ref

    return parse_ref(prompt)


def _nano(amount: str | None) -> int | None:
    if amount is None:
        return None
    from aikit.money import parse_usd

    try:
        return parse_usd(amount)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--budget-usd") from None


def _evaluate(
    suites: Sequence[Suite], wish: Wish, settings: Settings, folder: Path, *, store: bool
) -> list[Outcome | Stopped]:
    from aikit.evals.evaluating import evaluate

    with _settings_for(wish, settings) as asked, _progress() as progress:
        return list(evaluate(suites, wish, asked, folder=folder, store=store, progress=progress, said=note))


def _conclude(entries: list[Outcome | Stopped], settings: Settings, written: Written, *, gate: bool, json: bool) -> int:
    from aikit.cli.eval_files import conclude
    from aikit.evals.reporting.outcome import Report

    report = Report(tuple(entries), gate)
    code = conclude(report, settings, json=json, written=written)
    if gate:
        from aikit.evals.recording_gate import remember

        for told in remember(settings, [outcome.verdict for outcome in report.outcomes]):
            note(told)
    return code


@contextmanager
def _settings_for(wish: Wish, settings: Settings) -> Iterator[Settings]:
    """With --simulated, those of a simulator of this run's own, and of a ledger that goes with it."""
    if not wish.simulated:
        yield settings
        return
    from aikit.demo.janitor import directory
    from aikit.evals.simulated import answering, settings_at
    from aikit.sim import Simulator

    with directory(keep=False) as ledger, Simulator(answering=answering) as simulator:
        yield settings_at(settings, simulator.url, ledger)


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None] | None]:
    """On stderr, if that is a terminal: a bar for the suite that is run, and what it has cost."""
    out = console(stderr=True)
    if not out.is_terminal:
        yield None
        return
    from rich import progress as bars

    from aikit.money import format_usd

    said = bars.TextColumn("{task.description}", markup=False)
    cost = bars.TextColumn("{task.fields[spent]}", markup=False)
    with bars.Progress(said, bars.BarColumn(24), bars.MofNCompleteColumn(), cost, console=out, transient=True) as shown:
        task = shown.add_task("", total=None, spent="")

        def moved(to: Progress) -> None:
            spent = format_usd(to.spent_nano) if to.spent_nano else ""
            shown.update(task, description=to.suite, completed=to.done, total=to.total, spent=spent)

        yield moved
