"""What a report is made of: for each suite its verdict and what it was compared with, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aikit.errors import AIKitError, Exit
from aikit.evals.baselines import Baseline
from aikit.evals.model import Run, ScorerSpec, Status, Suite, Verdict
from aikit.evals.scored import lower_ones
from aikit.evals.scorers.catalogue import unit_of
from aikit.types import PromptId


@dataclass(frozen=True, slots=True)
class Outcome:
    """A suite that came to a verdict. `then` is what was answered when the baseline was made, by case and trial, as far
    as that is still there.
    """

    suite: Suite
    verdict: Verdict
    baseline: Baseline | None = None
    then: Mapping[str, Sequence[str | None]] = field(default_factory=dict)

    @property
    def run(self) -> Run:
        return self.verdict.run

    @property
    def status(self) -> Status:
        return self.verdict.status

    @property
    def subject(self) -> str:
        """`prompts/summarize@v3`, or the function."""
        return subject_of(self.run.prompt, self.run.target or self.suite.name)

    @property
    def units(self) -> dict[str, str]:
        """By scorer: `USD`, `s`, or nothing."""
        return {spec.name: unit_of(spec) for spec in self.suite.scorers}

    @property
    def lower(self) -> frozenset[str]:
        """The scorers of which less is better."""
        return lower_ones(self.suite)

    def spec(self, scorer: str) -> ScorerSpec | None:
        return next((spec for spec in self.suite.scorers if spec.name == scorer), None)

    @property
    def sides(self) -> tuple[str, str]:
        """What the baseline and the candidate are called beside each other: `v2` and `v3`, if they are versions."""
        before = self.baseline.prompt if self.baseline else None
        return side_names(before, self.run.prompt)


@dataclass(frozen=True, slots=True)
class Stopped:
    """A suite that came to no verdict, as something went wrong that is not about its cases."""

    suite: Suite
    error: AIKitError
    prompt: str | None = None
    """The prompt that was to be evaluated, if not the suite's own."""

    @property
    def exit(self) -> Exit:
        """What the error exits with."""
        return self.error.exit

    @property
    def subject(self) -> str:
        named = self.prompt or (str(self.suite.prompt) if self.suite.prompt else None)
        return f"prompts/{named}" if named else self.suite.target or self.suite.name


@dataclass(frozen=True, slots=True)
class Report:
    """All suites of one command. `gate`: a failed gate is an exit of 1; without, it is only shown."""

    entries: tuple[Outcome | Stopped, ...]
    gate: bool = False

    @property
    def outcomes(self) -> list[Outcome]:
        return [entry for entry in self.entries if isinstance(entry, Outcome)]

    @property
    def exit(self) -> Exit:
        """The worst decides: Ctrl-C, a failed gate, what stopped a suite, what is inconclusive, as nothing is."""
        if any(outcome.run.interrupted for outcome in self.outcomes):
            return Exit.INTERRUPTED
        statuses = {outcome.status for outcome in self.outcomes}
        if self.gate and Status.FAIL in statuses:
            return Exit.NO
        for entry in self.entries:
            if isinstance(entry, Stopped):
                return entry.exit
        return Exit.INCONCLUSIVE if Status.INCONCLUSIVE in statuses or not self.entries else Exit.OK


def subject_of(prompt: PromptId | None, otherwise: str) -> str:
    """What was evaluated, as the first line of a report names it."""
    return f"prompts/{prompt.id}" if prompt else otherwise


def side_names(before: PromptId | None, after: PromptId | None) -> tuple[str, str]:
    """`v2`, `v3` for versions of one prompt; where that does not tell them apart, `baseline` and what it is."""
    if after is None:
        return "baseline", "candidate"
    name, _, version = after.id.partition("@")
    if before is None or before.id == after.id:
        return "baseline", version or "candidate"
    before_name, _, before_version = before.id.partition("@")
    return (before_version, version) if before_name == name else (before.id, after.id)


def answers_of(run: Run) -> dict[str, list[str | None]]:
    """By case, what was answered in each trial; None: nothing."""
    found: dict[str, list[str | None]] = {case: [] for case in run.cases}
    for trial in run.results:
        found.setdefault(trial.case, []).append(trial.output)
    return found
