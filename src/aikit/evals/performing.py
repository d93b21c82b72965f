"""Runs suites from first to last: where answers come from, what they cost, what is written down. For the command line,
for pytest, and for whoever else asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from aikit.config import Settings
from aikit.errors import ConfigError
from aikit.evals.model import Mode, Run, Suite
from aikit.evals.running import Options, Progress, run
from aikit.evals.sources import open_source
from aikit.prompts.model import Ref
from aikit.prompts.shipped import with_shipped


@dataclass(frozen=True, slots=True)
class Wish:
    """How suites are to be run. What is None is as the suite states it.

    `prompt` takes the place of the suite's own reference: `summarize@v3` in place of `summarize@candidate`.
    `simulated` says that the settings lead to the simulator, so that recordings and runs say so. With `prune`,
    recordings that this run did not use are dropped.
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
            options = Options(
                prompts=with_shipped(settings.prompts_folder),
                project=folder.parent,
                prompt=ref,
                trials=wish.trials,
                concurrency=wish.concurrency,
                progress=progress,
            )
            try:
                done = runner.run(run(suite, source, wish.mode, options))
            finally:
                source.close(prune=wish.prune)
            yield Performed(suite, done, source.notes)
            if done.interrupted:
                return


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
