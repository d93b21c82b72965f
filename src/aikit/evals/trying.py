"""One trial: the candidate's answer, what every scorer says of it, and a second try where that may help."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from aikit.errors import AIKitError, MissingRecording, OverBudget
from aikit.evals.model import Case, ModelAnswer, ModelCall, Models, Role, Score, Trial
from aikit.evals.models import Hopeless, Source
from aikit.evals.planning import Plan
from aikit.evals.scorers.base import Context
from aikit.evals.scorers.catalogue import KINDS
from aikit.evals.scorers.scoring import Ready, scored
from aikit.prompts.model import RenderedMessage
from aikit.prompts.rendering import render


class Tab:
    """Models, and what asking them has come to: in nano-USD, None as soon as nobody knows."""

    def __init__(self, models: Models) -> None:
        self.models = models
        self.asked = False
        self.nano: int | None = 0

    async def ask(self, call: ModelCall) -> ModelAnswer:
        answer = await self.models.ask(call)
        self.asked = True
        self.nano = None if self.nano is None or answer.nano is None else self.nano + answer.nano
        return answer


@dataclass(slots=True)
class Attempted:
    """How far a trial has come. `error` is why there is no answer; `hopes` that trying once more may give one."""

    answer: ModelAnswer | None = None
    error: str | None = None
    hopes: bool = False
    missing: bool = False
    scores: dict[str, Score] = field(default_factory=dict)


class Trier:
    """Makes the trials of a plan. With `again`, what has failed and may work later is tried once more."""

    def __init__(self, plan: Plan, source: Source, *, again: bool) -> None:
        self._plan = plan
        self._source = source
        self._again = again
        self._rendered: dict[str, tuple[RenderedMessage, ...]] = {}

    async def tried(self, case: Case, trial: int) -> Trial:
        """Raises Hopeless where no other trial can do better."""
        tab = Tab(self._source)
        attempted = Attempted()
        await self._answer(attempted, case, trial, self._source)
        recovered = False
        if self._again and attempted.hopes:
            attempted = Attempted()
            await self._answer(attempted, case, trial, self._source.anew())
            recovered = attempted.answer is not None
        if attempted.answer is not None:
            await self._score(attempted, self._plan.scorers, case, trial, attempted.answer, tab)
            if self._again and (failed := self._failed(attempted.scores)) and not self._source.over_budget:
                tab.models = self._source.anew()
                await self._score(attempted, failed, case, trial, attempted.answer, tab)
                recovered = recovered or not self._failed(attempted.scores)
        return self._trial(attempted, case, trial, tab, recovered=recovered)

    async def _answer(self, attempted: Attempted, case: Case, trial: int, models: Models) -> None:
        try:
            attempted.answer = await self._asked(case, trial, models)
        except Hopeless:
            raise
        except MissingRecording as error:
            attempted.missing, attempted.error = True, _told(error)
        except AIKitError as error:
            attempted.error, attempted.hopes = _told(error), error.retryable
        except Exception as error:
            attempted.error = _told(error)

    async def _asked(self, case: Case, trial: int, models: Models) -> ModelAnswer:
        plan = self._plan
        if plan.target is not None:
            return await plan.target.answer(case)
        assert plan.prompt is not None and plan.model is not None
        call = ModelCall(
            role=Role.CANDIDATE,
            model=plan.model,
            messages=self._messages(case),
            parameters=plan.parameters,
            trial=trial,
            schema=plan.prompt.output,
            prompt=plan.prompt.id,
        )
        return await models.ask(call)

    def _messages(self, case: Case) -> tuple[RenderedMessage, ...]:
        if case.id not in self._rendered:
            assert self._plan.prompt is not None
            self._rendered[case.id] = render(self._plan.prompt, case.vars).parts
        return self._rendered[case.id]

    async def _score(
        self, attempted: Attempted, scorers: tuple[Ready, ...], case: Case, trial: int, answer: ModelAnswer, tab: Tab
    ) -> None:
        """All at once where models are asked; the others need no waiting."""
        context = Context(tab, self._plan.prompts, answer, trial)
        asking = [ready for ready in scorers if _asks(ready)]
        tasks = [asyncio.ensure_future(self._one(attempted, ready, case, answer, context)) for ready in asking]
        try:
            for ready in scorers:
                if not _asks(ready):
                    attempted.scores[ready.spec.name] = await self._one(attempted, ready, case, answer, context)
            for ready, task in zip(asking, tasks, strict=True):
                attempted.scores[ready.spec.name] = await task
        finally:
            for task in tasks:
                task.cancel()

    async def _one(
        self, attempted: Attempted, ready: Ready, case: Case, answer: ModelAnswer, context: Context
    ) -> Score:
        try:
            return await scored(ready, case, answer.text, context, through=(MissingRecording, OverBudget, Hopeless))
        except MissingRecording as error:
            attempted.missing = True
            return Score(None, error=_told(error))
        except OverBudget as error:
            return Score(None, error=_told(error))

    def _failed(self, scores: Mapping[str, Score]) -> tuple[Ready, ...]:
        """The scorers that ask models and have got nowhere: a flake, or an answer that is none."""
        return tuple(
            ready for ready in self._plan.scorers if _asks(ready) and scores[ready.spec.name].error is not None
        )

    def _trial(self, attempted: Attempted, case: Case, trial: int, tab: Tab, *, recovered: bool) -> Trial:
        answer = attempted.answer
        scores = {ready.spec.name: attempted.scores[ready.spec.name] for ready in self._plan.scorers if answer}
        return Trial(
            case=case.id,
            trial=trial,
            output=answer.text if answer else None,
            scores=scores,
            error=attempted.error,
            missing=attempted.missing,
            recovered=recovered,
            nano=answer.nano if answer else None,
            judge_nano=tab.nano if tab.asked else None,
            latency_ms=answer.latency_ms if answer else None,
        )


def _asks(ready: Ready) -> bool:
    return KINDS[ready.spec.use].asks


def _told(error: Exception) -> str:
    return f"{error.code}: {error.message}" if isinstance(error, AIKitError) else f"{type(error).__name__}: {error}"
