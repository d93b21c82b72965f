"""Where answers come from: recordings, or a kit, or a kit whose answers are written down."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from aikit.errors import AIKitError, MissingRecording, RecordingInvalid
from aikit.evals.figures import counted
from aikit.evals.keys import key_of
from aikit.evals.model import ModelAnswer, ModelCall, Models
from aikit.evals.recordings import LIVE, SIMULATOR, Recordings
from aikit.evals.scrubbing import scrubbed_answer

WRITTEN_EACH = 100
"""After so many new answers the file is written, so that hardly any is lost with its process."""


class Hopeless(Exception):
    """No call of this run can be answered; `error` says why."""

    def __init__(self, error: AIKitError) -> None:
        super().__init__(str(error))
        self.error = error


class Source(Models, Protocol):
    """Models of one run. Nothing is asked before the first `ask`."""

    @property
    def spent_nano(self) -> int:
        """What this run has cost so far, in nano-USD."""

    @property
    def over_budget(self) -> bool:
        """A call did not fit the budget."""

    @property
    def simulated(self) -> bool:
        """Answers of this run were made by the simulator."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know of it, a sentence each."""

    def anew(self) -> Models:
        """The same, but for a second try: what has an answer is asked once more, where models are asked at all."""

    def close(self, *, prune: bool = False) -> None:
        """Write down what is to be kept; with `prune` without what this run did not use."""


class Replay:
    """Recordings and nothing else. `command` records what is missing."""

    spent_nano = 0
    over_budget = False

    def __init__(self, recordings: Recordings, command: str) -> None:
        self._recordings = recordings
        self._command = command
        self._notes: tuple[str, ...] = ()
        self._used: set[str] = set()

    @property
    def simulated(self) -> bool:
        return bool(self._used) and self._recordings.made_with == SIMULATOR

    @property
    def notes(self) -> tuple[str, ...]:
        return self._notes

    async def ask(self, call: ModelCall) -> ModelAnswer:
        """Raises MissingRecording."""
        key = key_of(call)
        found = self._recordings.find(key)
        if found is None:
            raise missing(call, key, self._recordings, self._command)
        self._used.add(key)
        return found

    def anew(self) -> Models:
        return self

    def close(self, *, prune: bool = False) -> None:
        """Writes nothing, but to prune."""
        if prune and (dropped := self._recordings.prune(self._used)):
            self._notes = (_dropped(dropped),)
            self._recordings.write(self._recordings.made_by)


class Recorder:
    """Asks for what is not recorded yet, with `refresh` for everything, and records it.

    A call that is made several times in a run is asked once, so that a replay of it says the same. What is handed on
    is what is written down: without secrets.
    """

    def __init__(self, recordings: Recordings, live: Source, *, refresh: bool, version: str) -> None:
        """Raises RecordingInvalid where live answers and simulated ones would stand side by side."""
        self._recordings = recordings
        self._live = live
        self._refresh = refresh
        self._version = version
        self._made: dict[str, _Asking] = {}
        self._used: set[str] = set()
        self._secrets: Counter[str] = Counter()
        self._notes: list[str] = []
        self._unwritten = 0
        self._begin(SIMULATOR if live.simulated else LIVE)

    def _begin(self, made_with: str) -> None:
        before = self._recordings.made_with
        if before not in (None, made_with) and len(self._recordings):
            if not self._refresh:
                raise RecordingInvalid(
                    f"{self._recordings.path} was recorded with {_with(before)}; answers of {_with(made_with)} can't "
                    "stand beside those.",
                    facts={"file": str(self._recordings.path), "made_with": before},
                    remedy="Record all of it anew with --refresh, and bless a new baseline"
                    + ("; or go on with the simulator: --simulated." if before == SIMULATOR else "."),
                )
            self._notes.append(f"Gone: {counted(len(self._recordings), 'recording')} made with {_with(before)}.")
            self._recordings.clear()
        self._recordings.made_with = made_with

    @property
    def spent_nano(self) -> int:
        return self._live.spent_nano

    @property
    def over_budget(self) -> bool:
        return self._live.over_budget

    @property
    def simulated(self) -> bool:
        return self._live.simulated

    @property
    def notes(self) -> tuple[str, ...]:
        found = [f"{kind} ({times} times)" if times > 1 else kind for kind, times in self._secrets.items()]
        said = [f"Secrets were taken out of what is recorded: {', '.join(found)}."] if found else []
        return (*self._live.notes, *self._notes, *said)

    async def ask(self, call: ModelCall) -> ModelAnswer:
        """Raises OverBudget, and whatever the call raises."""
        key = key_of(call)
        known = None if self._refresh else self._recordings.find(key)
        if known is not None and key not in self._made:
            self._used.add(key)
            return known
        if key not in self._made:
            self._made[key] = _Asking(asyncio.ensure_future(self._record(call)))
        return await self._answer(key, self._made[key])

    async def ask_anew(self, call: ModelCall) -> ModelAnswer:
        """The same, whatever is recorded."""
        key = key_of(call)
        self._made[key] = asking = _Asking(asyncio.ensure_future(self._record(call)))
        return await self._answer(key, asking)

    async def _answer(self, key: str, asking: _Asking) -> ModelAnswer:
        """One of those who wait for it; the last who leaves ends it."""
        asking.waiting += 1
        try:
            answer = await asyncio.shield(asking.task)
        except BaseException:
            if asking.waiting == 1:
                asking.task.cancel()
            if asking.task.done() or asking.waiting == 1:
                self._forget(key, asking)
            raise
        finally:
            asking.waiting -= 1
        self._used.add(key)
        return answer

    def _forget(self, key: str, asking: _Asking) -> None:
        if self._made.get(key) is asking:
            del self._made[key]

    async def _record(self, call: ModelCall) -> ModelAnswer:
        answer, kinds = scrubbed_answer(await self._live.ask(call))
        self._secrets.update(kinds)
        self._recordings.put(call, answer)
        self._unwritten += 1
        if self._unwritten >= WRITTEN_EACH:
            self._write()
        return answer

    def anew(self) -> Models:
        return _Anew(self)

    def close(self, *, prune: bool = False) -> None:
        """Raises ConfigError when the file can't be written."""
        if prune and (dropped := self._recordings.prune(self._used)):
            self._notes.append(_dropped(dropped))
        self._write()
        self._live.close()

    def _write(self) -> None:
        self._unwritten = 0
        self._recordings.write(self._version)


@dataclass(slots=True)
class _Asking:
    """A call under way, or answered, and how many wait for it."""

    task: asyncio.Future[ModelAnswer]
    waiting: int = 0


class _Anew:
    """A recorder that is asked a second time."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def ask(self, call: ModelCall) -> ModelAnswer:
        return await self._recorder.ask_anew(call)


def missing(call: ModelCall, key: str, recordings: Recordings, command: str) -> MissingRecording:
    """The error for a call that is not recorded."""
    what = f"{call.prompt.id} by {call.model}" if call.prompt else call.model
    return MissingRecording(
        f"{recordings.suite} has no recording of this call ({call.role} {what}, trial {call.trial}).",
        facts={"suite": recordings.suite, "role": call.role.value, "model": call.model, "key": key},
        remedy=f"Record it: `{command}`.",
    )


def _dropped(recordings: int) -> str:
    return f"{counted(recordings, 'recording')} that this run did not use dropped."


def _with(made_with: str | None) -> str:
    return "the simulator" if made_with == SIMULATOR else "live models"
