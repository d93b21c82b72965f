"""Runs a suite: cases, trials and scorers, many at once; what comes of it does not depend on who is first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from aikit.evals.fingerprint import fingerprint_of
from aikit.evals.limiting import DEFAULT
from aikit.evals.model import Case, Mode, Run, Suite, Trial
from aikit.evals.models import Hopeless, Source
from aikit.evals.planning import Plan, planned
from aikit.evals.runs import new_run_id
from aikit.evals.trying import Trier
from aikit.prompts.folder import PromptFolders
from aikit.prompts.model import Ref

AT_ONCE = 2
"""Trials under way for each call that may be, so that a place is taken again at once while answers are scored."""


class Progress(NamedTuple):
    """How far a run is: trials that are done, of so many, and what it has cost so far in nano-USD."""

    suite: str
    done: int
    total: int
    spent_nano: int


@dataclass(frozen=True, slots=True)
class Options:
    """`prompts` are the files that prompts are read from, `project` is the folder that modules are imported from.

    `prompt`, `trials` and `concurrency` take the place of what the suite states. `progress` is told of each trial.
    """

    prompts: PromptFolders
    project: Path
    prompt: Ref | None = None
    trials: int | None = None
    concurrency: int | None = None
    progress: Callable[[Progress], None] | None = None


async def run(suite: Suite, source: Source, mode: Mode, options: Options) -> Run:
    """Tries every case. What goes wrong with a trial is in that trial; its results stand in the suite's order.

    If the task is cancelled, as by Ctrl-C, what is there is returned, marked as interrupted. Raises ConfigError and
    PromptError for what no trial could do without, and what keeps every call from being answered: AIError (no key),
    Refused (a cap, a policy), DatabaseError.
    """
    plan = planned(suite, options.prompts, options.project, options.prompt, options.trials)
    started, begun = datetime.now(UTC), time.monotonic()
    done: dict[tuple[int, int], Trial] = {}
    rounds = _rounds(plan)
    trier = Trier(plan, source, again=mode is not Mode.REPLAY)

    async def work() -> None:
        for place, case, trial in rounds:
            if source.over_budget:
                return
            done[place, trial] = await trier.tried(case, trial)
            if options.progress is not None:
                total = len(suite.cases) * plan.trials
                options.progress(Progress(suite.name, len(done), total, source.spent_nano))

    workers = AT_ONCE * (options.concurrency or suite.concurrency or DEFAULT)
    interrupted = await _finished(work, workers)
    return Run(
        id=new_run_id(suite.name, started),
        suite=suite.name,
        prompt=plan.prompt.id if plan.prompt else None,
        target=suite.target,
        model=plan.model,
        mode=mode,
        trials=plan.trials,
        cases=tuple(case.id for case in suite.cases),
        critical=frozenset(case.id for case in suite.cases if case.critical),
        results=tuple(done[place] for place in sorted(done)),
        fingerprint=fingerprint_of(
            suite, model=plan.model, parameters=suite.parameters, trials=plan.trials, judges=plan.judges
        ),
        started_at=started,
        seconds=time.monotonic() - begun,
        spent_nano=source.spent_nano,
        over_budget=source.over_budget,
        simulated=source.simulated,
        interrupted=interrupted,
    )


def _rounds(plan: Plan) -> Iterator[tuple[int, Case, int]]:
    """Every case once, then every case again: if a run ends early, it has seen as many cases as it could."""
    for trial in range(plan.trials):
        for place, case in enumerate(plan.suite.cases):
            yield place, case, trial


async def _finished(work: Callable[[], Coroutine[Any, Any, None]], workers: int) -> bool:
    """Let so many work until all is done. True: somebody has interrupted it."""
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
        return True
    except BaseExceptionGroup as several:
        first = several.exceptions[0]
        raise (first.error if isinstance(first, Hopeless) else first) from None
    return False
