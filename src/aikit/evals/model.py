"""The eval words: a suite has cases, each is tried some times, scorers look at each trial, gates at all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from aikit.prompts.model import Ref, RenderedMessage
from aikit.types import PromptId


class Role(StrEnum):
    """Who asks a model during an eval: the prompt that is evaluated, or a scorer."""

    CANDIDATE = "candidate"
    JUDGE = "judge"


class Mode(StrEnum):
    """Where answers come from. Replay never calls a model; record calls it for what is not recorded yet, refresh for
    everything, and both write it down; live calls it and writes nothing down.
    """

    REPLAY = "replay"
    RECORD = "record"
    REFRESH = "refresh"
    LIVE = "live"


class GateRule(NamedTuple):
    """What a scorer's mean must come to: at least `min`, at most `max` (for cost and latency, of which less is better),
    and no more than `max_drop` worse than the baseline's. All in the scorer's unit.
    """

    min: float | None = None
    max_drop: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True)
class ScorerSpec:
    """A scorer as a suite states it. `use` is its kind, `options` is what else is stated for it; `line` in the file."""

    name: str
    use: str
    options: Mapping[str, Any] = field(default_factory=dict)
    gate: GateRule | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `vars` are the prompt's inputs. `context` is what an answer must be faithful to, `expected` what it is
    compared with. A `critical` one may not fail where it passed before. `line` is where it stands in its file.
    """

    id: str
    vars: Mapping[str, Any] = field(default_factory=dict)
    expected: Any = None
    context: str | None = None
    tags: tuple[str, ...] = ()
    critical: bool = False
    line: int = 0


@dataclass(frozen=True, slots=True)
class Suite:
    """`evals/NAME.eval.yaml`. Exactly one of `prompt` and `target` (`module:function`) is there.

    `model` overrides the prompt's own (`provider/model`), `parameters` add to its. `budget_nano` is in nano-USD.
    """

    name: str
    path: Path
    cases: tuple[Case, ...]
    scorers: tuple[ScorerSpec, ...]
    cases_path: Path
    description: str = ""
    prompt: Ref | None = None
    target: str | None = None
    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    trials: int = 1
    budget_nano: int | None = None
    concurrency: int | None = None
    """How many calls may be under way at once; None: as many as the default."""


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call of a model during an eval: what recordings are kept by, so everything that can change an answer.

    `trial` counts from 0: each trial has an answer of its own. `schema` is what the answer must be, if that is stated.
    """

    role: Role
    model: str
    messages: tuple[RenderedMessage, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    trial: int = 0
    schema: Mapping[str, Any] | None = None
    prompt: PromptId | None = None
    """For the ledger and for people; the rendered messages say all of it, so it is no part of the key."""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What a model answered. `nano` is what it cost in nano-USD when it was asked; None: nobody knows.

    `findings` are kinds of what guards found, `replayed` says that it is a recording.
    """

    text: str
    model: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    nano: int | None = None
    latency_ms: int | None = None
    findings: tuple[str, ...] = ()
    replayed: bool = False


class Models(Protocol):
    """The seam between evals and models. For several tasks at once."""

    async def ask(self, call: ModelCall) -> ModelAnswer:
        """Raises `MissingRecording` in replay, `OverBudget`, or whatever the call raises (Refused, AIError)."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a scorer says of one trial: a value, or an error, which is never a score. Higher is better, 0 to 1, unless
    the scorer says otherwise (cost, latency: dollars and seconds, lower is better).
    """

    value: float | None
    why: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One answer to one case, scored. `error` says why there is no answer; `missing` that it is a missing recording."""

    case: str
    trial: int
    output: str | None
    scores: Mapping[str, Score] = field(default_factory=dict)
    error: str | None = None
    missing: bool = False
    recovered: bool = False
    """It failed at first, and was tried once more."""
    nano: int | None = None
    judge_nano: int | None = None
    latency_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A suite that was run. `spent_nano` is what this run itself has cost; in replay that is nothing.

    `fingerprint` names what must be the same for two runs to be compared: the cases, the scorers, the judges and their
    prompts, the model, the number of trials; each part by its own hash.
    """

    id: str
    suite: str
    prompt: PromptId | None
    target: str | None
    model: str | None
    mode: Mode
    trials: int
    cases: tuple[str, ...]
    """The ids of all cases of the suite, in its order."""
    critical: frozenset[str]
    results: tuple[Trial, ...]
    fingerprint: Mapping[str, str]
    started_at: datetime
    seconds: float
    spent_nano: int = 0
    estimated_nano: int | None = None
    over_budget: bool = False
    simulated: bool = False
    """Its answers, or some, were made by the simulator."""
    interrupted: bool = False
    """Somebody stopped it before its end."""


class Status(StrEnum):
    """What a gate says. A warning passes; what is inconclusive neither passes nor fails (exit 3)."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Rule(StrEnum):
    """The rules of a gate, in the order in which they decide."""

    COVERAGE = "coverage"
    MINIMUM = "minimum"
    CRITICAL = "critical"
    REGRESSION = "regression"


@dataclass(frozen=True, slots=True)
class GateResult:
    """What one gate says of one scorer. Means, the drop (positive: worse) and the interval are in the scorer's unit."""

    scorer: str
    gate: GateRule
    status: Status
    rule: Rule | None
    """The rule that decided; None: none had anything against it."""
    mean: float | None
    baseline_mean: float | None = None
    drop: float | None = None
    interval: tuple[float, float] | None = None
    """95 %, of the difference (candidate minus baseline)."""
    p: float | None = None
    p_adjusted: float | None = None
    """After Holm, across the gates of the run."""
    smallest_drop: float | None = None
    """The smallest drop that these cases would show with a power of 80 %."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class CaseChange:
    """A case on both sides: the means of its trials, worst change first where they are listed."""

    case: str
    scorer: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run comes to. `notes` are sentences for people, such as that it is underpowered."""

    run: Run
    status: Status
    gates: tuple[GateResult, ...]
    scored_share: float
    worst: tuple[CaseChange, ...] = ()
    newly_failing: tuple[str, ...] = ()
    """Critical cases that passed in the baseline and fail in all trials now."""
    notes: tuple[str, ...] = ()
    remedy: str = ""

    @property
    def regressions(self) -> int:
        """The gates that failed."""
        return sum(gate.status is Status.FAIL for gate in self.gates)
