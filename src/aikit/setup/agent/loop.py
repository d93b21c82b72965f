"""The loop: the model is asked, one tool is used, the model is told. It ends with an outcome, never by raising."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from time import sleep
from typing import Any, Protocol

from aikit.errors import AIError, AIKitError, Refused
from aikit.setup.agent.acting import Toolbox
from aikit.setup.agent.bounds import Bounds, Exhausted
from aikit.setup.agent.model import End, History, Nonsense, Outcome, Result, Said, Told, Tool, ToolCall
from aikit.setup.agent.person import Left, Person
from aikit.setup.agent.redacting import Redactor
from aikit.setup.agent.tools import Refusal

LONGEST_RESULT = 6_000
LONGEST_MESSAGE = 40_000
"""Characters of an answer that is kept in the conversation."""
LONGEST_WAIT = 125.0
"""Seconds: what a minute's limit on requests counts is over by then."""
GO_ON = "Go on."
ONE_AT_A_TIME = "refused: one tool at a time; the first was used"
Keep = Callable[..., None]


class Asked(Protocol):
    """The line to the model."""

    def ask(self, history: History, tools: Sequence[Tool]) -> Said:
        """Raises Nonsense, AIKitError."""


class Loop:
    """One session. `keep` writes the transcript: a kind, and what belongs to it by name."""

    def __init__(
        self, line: Asked, toolbox: Toolbox, person: Person, redactor: Redactor, bounds: Bounds, keep: Keep
    ) -> None:
        self._line = line
        self._toolbox = toolbox
        self._person = person
        self._redactor = redactor
        self._bounds = bounds
        self._keep = keep
        self._history: list[Told | Said | tuple[Result, ...]] = []

    def run(self, opening: Sequence[str]) -> Outcome:
        """Lead, from what the model is told first. A KeyboardInterrupt passes; nothing else does."""
        try:
            for text in opening:
                self._tell(text)
            while not self._toolbox.done:
                self._turn()
            end, why = End.DONE, ""
        except Left:
            end, why = End.LEFT, "you left the agent"
        except Exhausted as error:
            end, why = End.FELL_BACK, str(error)
        except AIKitError as error:
            end, why = End.FELL_BACK, self._redactor.clean(f"{error.message} {error.remedy}".strip())
        except Exception as error:  # whatever a provider or a model makes of us, the plan can still go on
            end, why = End.FELL_BACK, f"the agent failed ({type(error).__name__})"
        self._keep("end", end=str(end), why=why, spent_nano=self._bounds.spent_nano)
        return Outcome(end, why, self._bounds.spent_nano)

    def _turn(self) -> None:
        self._bounds.begin_turn()
        try:
            said = self._line.ask(self._history, self._toolbox.tools)
        except Nonsense as error:
            self._keep("nonsense", why=str(error))
            self._bounds.strike(str(error))
            return
        except (AIError, Refused) as error:
            self._wait(error)
            return
        finally:
            self._person.spent(self._bounds.spent_nano, self._bounds.money_nano)
        said = self._kept(said)
        if said.text.strip():
            self._person.hear(said.text)
        if said.calls:
            self._answer_calls(said.calls)
        elif said.text.strip():
            self._persons_turn()
        else:
            self._bounds.strike("an empty answer")
            self._tell("That was empty. Call one tool.")

    def _wait(self, error: AIError | Refused) -> None:
        """For as long as it was told, if that is not long; else it is an end, and the error is raised."""
        seconds = error.retry_after
        if not error.retryable or seconds is None or seconds > LONGEST_WAIT or not self._bounds.wait():
            raise error
        self._keep("waiting", why=error.message, seconds=seconds)
        self._person.note(f"{error.message} Waiting {max(1, round(seconds))} s; Ctrl-C ends.")
        self._bounds.waiting(True)
        sleep(seconds)
        self._bounds.waiting(False)

    def _answer_calls(self, calls: Sequence[ToolCall]) -> None:
        """The first is carried out, the rest are not; each is answered, as the APIs ask for."""
        first = self._used(calls[0])
        results = [Result(calls[0], first), *(Result(call, _json({"error": ONE_AT_A_TIME})) for call in calls[1:])]
        self._history.append(tuple(results))
        self._bounds.grow(sum(len(result.text) for result in results))

    def _used(self, call: ToolCall) -> str:
        arguments = self._redactor.deep(call.arguments)
        signature = f"{call.name} {json.dumps(arguments, sort_keys=True, default=str)}"[:2_000]
        try:
            if not self._bounds.call(signature):
                raise Refusal("the same call was made before, and nothing has changed since")
            found = self._toolbox.use(call)
        except Refusal as refusal:
            self._keep("refused", tool=call.name, arguments=arguments, why=str(refusal))
            self._person.note(f"refused: {call.name} ({refusal})")
            self._bounds.strike(f"{call.name}: {refusal}")
            return _json({"refused": str(refusal)})
        if self._toolbox.changed:
            self._bounds.changed()
        self._bounds.good()
        text = _json(found)
        self._keep("tool", tool=call.name, arguments=arguments, result=found)
        return text if len(text) <= LONGEST_RESULT else _json({"result": text[:LONGEST_RESULT], "cut": True})

    def _persons_turn(self) -> None:
        words = self._person.turn()
        self._keep("person", text=words)
        if words:
            self._bounds.good()
        else:
            self._bounds.strike("words, and no tool")
        self._tell(_json({"newcomer": words}) if words else f"{GO_ON} Call one tool; done finishes.")

    def _kept(self, said: Said) -> Said:
        """The answer as it stays in the conversation. Raises Exhausted for one that is longer than any can be."""
        message = self._redactor.deep(said.message)
        size = len(_json(message))
        if size > LONGEST_MESSAGE:
            raise Exhausted("the agent's answer was too long")
        self._bounds.grow(size)
        known = self._redactor.known
        calls = tuple(ToolCall(known(call.id), known(call.name), call.arguments) for call in said.calls)
        kept = Said(self._redactor.clean(said.text), calls, message)
        self._history.append(kept)
        wanted = [[call.name, self._redactor.deep(call.arguments)] for call in calls]
        self._keep("model", text=kept.text, calls=wanted)
        return kept

    def _tell(self, text: str) -> None:
        self._history.append(Told(text))
        self._bounds.grow(len(text))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, default=str)
