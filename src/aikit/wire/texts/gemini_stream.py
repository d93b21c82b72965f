"""The texts of Gemini's candidates: parts of one kind that follow each other are one text, in whatever events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aikit.types.guards import Place
from aikit.wire.body import objects
from aikit.wire.texts.model import Checks, Event, Sort
from aikit.wire.texts.walk import Walk
from aikit.wire.texts.weaving import Flow, Make, Weaving, changes

_ABOUT = frozenset({"modelVersion", "responseId", "createTime"})
_TOLD = _ABOUT | {"candidates", "usageMetadata", "modelStatus"}
_OF_A_CANDIDATE = frozenset({"content", "finishReason", "safetyRatings", "logprobsResult", "index"})
_SILENT = frozenset({"thoughtSignature", "thought_signature", "thought"})
_CALLED = ("functionCall", "function_call", "executableCode", "executable_code", "toolCall", "tool_call")
_RESPONSES = ("functionResponse", "function_response", "toolResponse", "tool_response")
_RETURNED = (*_RESPONSES, "codeExecutionResult", "code_execution_result")
_PARTS: Mapping[str, Place] = {
    **dict.fromkeys(_CALLED, Place.TOOL_ARGUMENTS),
    **dict.fromkeys(_RETURNED, Place.TOOL_RESULTS),
}


def placing(item: Mapping[str, Any], place: Place) -> tuple[Place, Mapping[str, Place]]:
    return place, _PARTS


@dataclass(slots=True)
class Run:
    """Where a candidate is: the number of its part, were those of one text one, and whether that is a thought."""

    number: int = -1
    thought: bool | None = None
    calls: int = 0
    altered: bool = False


class CandidateStream(Weaving):
    drops = False

    def __init__(self, checks: Checks) -> None:
        super().__init__(checks)
        self._runs: dict[Any, Run] = {}

    def whole(self, reply: dict[str, Any]) -> None:
        """All texts of a whole response."""
        event = Event(reply)
        for number, candidate in enumerate(_candidates(reply)):
            self._candidate(event, candidate, number, ends=True)
        self.settle(lambda key: True)
        changes(event, self.checks, lambda: self._around(reply))
        self.checks.altered += event.changed

    def step(self, event: Event) -> None:
        candidates = _candidates(event.data)
        if event.data.get("error"):
            self.finish()
        for number, candidate in enumerate(candidates):
            self._candidate(event, candidate, number, ends=bool(candidate.get("finishReason")))
        changes(event, self.checks, lambda: self._around(event.data))
        self.emit(event)
        self.settle(lambda key: key[1] < self._runs[key[0]].calls)

    def _around(self, told: dict[str, Any]) -> None:
        Walk(self.checks, placing).object(told, Place.OUTPUT, "", without=_TOLD)

    def _candidate(self, event: Event, candidate: dict[str, Any], number: int, *, ends: bool) -> None:
        index = candidate.get("index", number)
        run = self._runs.setdefault(index, Run())
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        if self.checks.applies(Place.OUTPUT):
            self._texts(event, candidate, index, run, ends=ends)
        for place, part in enumerate(objects(parts)):
            at = f"candidates/{index}/content/parts/{place}"
            self._calls(event, part, index, run, at)
            walk = Walk(self.checks, placing)
            self._check(event, walk, part, at, frozenset({"text"}))
        if ends:
            run.calls += 1
        self._check(event, Walk(self.checks, placing), candidate, f"candidates/{index}", _OF_A_CANDIDATE)

    def _check(self, event: Event, walk: Walk, item: dict[str, Any], at: str, without: frozenset[str]) -> None:
        changes(event, self.checks, lambda: walk.object(item, Place.OUTPUT, at, without=without))

    def _texts(self, event: Event, candidate: dict[str, Any], index: Any, run: Run, *, ends: bool) -> None:
        """The texts of a candidate's parts. One that ends here and was held back gets a part before the next."""
        content = candidate.get("content")
        given = content.get("parts") if isinstance(content, dict) else None
        odds = candidate.get("logprobsResult")
        parts: list[Any] = []
        slot: dict[str, Any] | None = None
        flow: Flow | None = None
        told: list[Any] = []
        for part in given if isinstance(given, list) else []:
            if not isinstance(part, dict) or not part.keys() - _SILENT:
                parts.append(part)
                continue
            thought = bool(part.get("thought")) if isinstance(part.get("text"), str) else None
            if thought is None or thought is not run.thought:
                told += self._end(event, index, run, parts, slot)
                run.number, run.thought, slot = run.number + 1, thought, None
            parts.append(part)
            if thought is not None:
                sort = Sort.ASIDE if thought else Sort.ANSWER
                at = f"candidates/{index}/content/parts/{run.number}/text"
                flow = self.flow((index, run.number), Place.OUTPUT, at, sort)
                self.feed(event, part, "text", flow, _maker(event, index, flow, thought=thought), odds and [odds])
                odds, slot = None, part
                told += flow.beside()
                run.altered = run.altered or flow.altered
        if ends:
            told += self._end(event, index, run, parts, slot)
            run.thought = None
        if parts != (given or []):
            event.changed = True
            content = content if isinstance(content, dict) else {"role": "model"}
            candidate["content"] = content | {"parts": parts}
        self._beside(event, candidate, run, told)

    def _end(self, event: Event, index: Any, run: Run, parts: list[Any], slot: dict[str, Any] | None) -> list[Any]:
        """The run is at its end; what was held back goes into its last part here, or one of its own."""
        flow = self.flows.pop((index, run.number), None)
        if flow is None:
            return []
        if slot is not None:
            rest = flow.flush()
            slot["text"] += rest
        else:
            slot = {"text": ""} | ({"thought": True} if run.thought else {})
            rest = self.rest(slot, "text", flow)
            if rest:
                parts.append(slot)
        event.changed = event.changed or bool(rest)
        run.altered = run.altered or flow.altered
        return flow.beside()

    def _beside(self, event: Event, candidate: dict[str, Any], run: Run, told: list[Any]) -> None:
        """What spells a text or points into it goes once that was altered; the odds come with what they are of."""
        if "logprobsResult" in candidate or told:
            odds = _joined(told)
            if odds != candidate.get("logprobsResult"):
                event.changed = True
                candidate.pop("logprobsResult", None)
                candidate |= {"logprobsResult": odds} if odds else {}
        if not run.altered:
            return
        grounding = candidate.get("groundingMetadata")
        if isinstance(grounding, dict) and grounding.pop("groundingSupports", None):
            event.changed = True
        if candidate.pop("citationMetadata", None):
            event.changed = True

    def _calls(self, event: Event, part: dict[str, Any], index: Any, run: Run, at: str) -> None:
        """Arguments that come in pieces wait for the piece that says there are no more."""
        call = part.get("functionCall")
        if not isinstance(call, dict):
            return
        if self.checks.applies(Place.TOOL_ARGUMENTS):
            for piece in objects(call.get("partialArgs")):
                if isinstance(piece.get("stringValue"), str):
                    key = (index, run.calls, piece.get("jsonPath"))
                    self.wait(key, f"{at}/functionCall/args", event, piece, "stringValue", json=False)
        if not call.get("willContinue"):
            run.calls += 1


def _candidates(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Raises LookupError if they have a form that nobody foresaw."""
    candidates = told.get("candidates") or []
    if not isinstance(candidates, list) or not all(map(_is_candidate, candidates)):
        raise LookupError("candidates in a form that nobody foresaw")
    return candidates


def _is_candidate(candidate: Any) -> bool:
    content = (isinstance(candidate, dict) and candidate.get("content")) or {}
    parts = (isinstance(content, dict) and content.get("parts")) or []
    return (
        isinstance(candidate, dict)
        and isinstance(content, dict)
        and isinstance(parts, list)
        and all(isinstance(part, dict) for part in parts)
    )


def _joined(told: list[Any]) -> dict[str, Any]:
    """The odds of several events as those of one."""
    found: dict[str, Any] = {}
    for odds in told:
        for name, value in odds.items():
            found[name] = found[name] + value if isinstance(value, list) and name in found else value
    return found


def _maker(event: Event, index: Any, flow: Flow, *, thought: bool) -> Make:
    def make(text: str) -> Event:
        part = {"text": text} | ({"thought": True} if thought else {})
        candidate: dict[str, Any] = {"content": {"parts": [part], "role": "model"}, "index": index}
        odds = _joined(flow.beside())
        candidate |= {"logprobsResult": odds} if odds else {}
        about = {key: value for key, value in event.data.items() if key in _ABOUT}
        return Event({"candidates": [candidate]} | about, changed=True)

    return make
