"""Runs suites from first to last: where answers come from, what they cost, what is written down. For the command line,
for pytest, and for whoever else asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from aikit.config import Settings
from aikit.errors import ConfigError
from aikit.evals.model import Mode, Run, Suite
from aikit.evals.running import Options, Progress, run
from aikit.evals.sources import open_source
from aikit.prompts.folder import PromptFolders
from aikit.prompts.model import Ref
from aikit.prompts.shipped import with_shipped


@dataclass(frozen=True, slots=True)
class Wish:
    """How suites are to be run. What is None is as the suite states it.

    `prompt` takes the place of the suite's own reference: `summarize@v3` in place of `summarize@candidate`.
    `simulated` says that the settings lead to the simulator, so that recordings and runs say so. With `prune`,
    recordings that this run did not use are dropped, those of other versions too, if it had an answer to everything.
    """

    mode: Mode = Mode.REPLAY
    prompt: Ref | None = None
    trials: int | None = None
    concurrency: int | None = None
    budget_nano: int | None = None
    simulated: bool = False
    prune: bool = False


class Performed(NamedTuple):
    """A suite that was run; its recordings are written. `notes` are sentences for people."""

    suite: Suite
    run: Run
    notes: tuple[str, ...]


def perform(
    suites: Sequence[Suite],
    wish: Wish,
    settings: Settings,
    *,
    folder: Path,
    progress: Callable[[Progress], None] | None = None,
) -> Iterator[Performed]:
    """Runs one suite after the other; each is yielded when it has ended. `folder` is that of the suites (`evals`).

    Ctrl-C ends the run with what is there (`Run.interrupted`), and no more suites are begun. In replay nothing is
    opened, neither a database nor a connection.

    Raises ConfigError and PromptError for a suite that can't be run, RecordingInvalid, DatabaseError, and what keeps
    every call from being answered: AIError (no key, a refused key) and Refused (a cap, a policy).
    """
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        source_of = stack.enter_context(open_source(wish.mode, settings, folder, runner, simulated=wish.simulated))
        for suite in suites:
            ref = chosen(suite, wish.prompt)
            source = source_of(suite, wish.budget_nano, wish.concurrency, record_command(suite, ref))
            estimated = None if wish.mode is Mode.REPLAY else _expected(suite, wish, settings, folder)
            options = Options(
                prompts=with_shipped(settings.prompts_folder),
                project=folder.parent,
                prompt=ref,
                trials=wish.trials,
                concurrency=wish.concurrency,
                progress=progress,
            )
            done: Run | None = None
            try:
                done = runner.run(run(suite, source, wish.mode, options))
            finally:
                source.close(prune=wish.prune and done is not None and _whole(done))
            if wish.mode is not Mode.REPLAY:
                done = replace(done, estimated_nano=estimated)
            yield Performed(suite, done, (*_unlocked(options.prompts, done), *source.notes))
            if done.interrupted:
                return


def _whole(done: Run) -> bool:
    """Everything was tried and scored, so what it has used is all that it needs."""
    scores = [score for trial in done.results for score in trial.scores.values()]
    failed = any(trial.error for trial in done.results) or any(score.error for score in scores)
    return len(done.results) == len(done.cases) * done.trials and not failed


def _unlocked(prompts: PromptFolders, done: Run) -> Iterator[str]:
    """A sentence for a prompt whose version is locked with another content than was evaluated."""
    if done.prompt is None:
        return
    name, _, version = done.prompt.id.rpartition("@v")
    locked = prompts.of(name).lock().find(name, int(version))
    if locked is not None and locked.sha256 != done.prompt.sha256:
        yield (
            f"{done.prompt.id} is not what was locked under this version: the file as it is now was evaluated. "
            "`aikit prompt check` tells more; `aikit prompt new` makes a version of it."
        )


def _expected(suite: Suite, wish: Wish, settings: Settings, folder: Path) -> int | None:
    """What it will cost by the recordings, in nano-USD; None if they do not say."""
    from aikit.evals.estimating import estimate

    return estimate(suite, wish, settings, folder=folder).expected_nano


def record_command(suite: Suite, prompt: Ref | None) -> str:
    """The command that records what a suite has no answer to."""
    other = f" --prompt {prompt}" if prompt is not None and prompt != suite.prompt else ""
    return f"aikit eval {suite.name}{other} --record"


def chosen(suite: Suite, prompt: Ref | None) -> Ref | None:
    """The reference that a suite is run with. Raises ConfigError for one of another prompt than the suite's."""
    if prompt is None:
        return suite.prompt
    if suite.prompt is None or suite.prompt.name != prompt.name:
        evaluates = suite.target or (suite.prompt and suite.prompt.name)
        raise ConfigError(
            f"{suite.name} evaluates {evaluates}, not {prompt.name}.",
            facts={"suite": suite.name, "prompt": str(prompt)},
            remedy=f"Name the suites that evaluate {prompt.name}, or leave --prompt out.",
        )
    return prompt
