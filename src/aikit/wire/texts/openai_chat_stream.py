"""The texts of a chat stream: each string of a choice's delta is a text of its own; tool calls wait for their end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from aikit.types.guards import Place
from aikit.wire.body import dig, objects
from aikit.wire.characters import is_text
from aikit.wire.texts.model import Checks, Event, Sort
from aikit.wire.texts.openai_chat_choice import KNOWN, choices_of, index_of, said
from aikit.wire.texts.walk import Walk
from aikit.wire.texts.weaving import Flow, Make, Weaving, changes

_GROWING = frozenset({"text", "content", "thinking", "transcript", "summary", "reasoning", "reasoning_content"})
"""Strings deeper in a delta that go on from event to event; all others are whole in theirs."""
_CALLS = frozenset({"tool_calls", "function_call"})
_CALLED = (("function", "name"), ("function", "arguments"), ("custom", "name"), ("custom", "input"))
_EMPTIED = KNOWN - {"message"}
_ABOUT = frozenset({"id", "object", "created", "model", "system_fingerprint", "service_tier", "provider"})
_TOLD = _ABOUT | {"choices", "usage", "obfuscation", "request_id", "prompt_filter_results", "timings", "x_groq"}
"""Fields of an event, or of a response, that are no text or gone through apart."""

Path = tuple[str | int, ...]


class Found(NamedTuple):
    """A string in a delta; it grows if it goes on in later events."""

    path: Path
    text: str
    grows: bool


class ChatStream(Weaving):
    """A choice ends with its finish reason; what is held back of it comes before, or in that very event."""

    drops = False

    def step(self, event: Event) -> None:
        choices = choices_of(event.data)
        if event.data.get("error"):
            self.finish()
        emptied = [self._choice(event, choice, number) for number, choice in enumerate(choices)]
        changes(event, self.checks, lambda: around(event.data, self.checks))
        if not (any(emptied) and _says_nothing(event.data, choices)):
            self.emit(event)
        ended = [index_of(choice, number) for number, choice in enumerate(choices) if choice.get("finish_reason")]
        self.settle(lambda key: key[0] in ended)

    def _choice(self, event: Event, choice: dict[str, Any], number: int) -> bool:
        """One choice of an event; True if it lost the text that it had."""
        index, delta = index_of(choice, number), choice.get("delta")
        at = f"choices/{index}/message"
        fed: dict[Any, tuple[Any, Any]] = {}
        emptied = False
        if isinstance(delta, dict):
            if self.checks.applies(Place.TOOL_ARGUMENTS):
                self._wait_for_calls(event, delta, index, at)
            if self.checks.applies(Place.OUTPUT):
                for found in list(_strings(delta)):
                    if found.grows:
                        emptied = self._feed(event, choice, found, (index, *_names(found.path)), at, fed) or emptied
                    else:
                        self._check(event, delta, found, Place.OUTPUT, at)
                content = self.flows.get((index, "content"))
                if content is not None and content.altered and delta.get("annotations"):
                    delta["annotations"], event.changed = [], True
        changes(event, self.checks, lambda: said(choice, self.checks, f"choices/{index}"))
        if choice.get("finish_reason"):
            self._end(event, choice, index, fed)
        return emptied

    def _feed(self, event: Event, choice: dict[str, Any], found: Found, key: Any, at: str, fed: dict[Any, Any]) -> bool:
        """A piece of a text that grows; True if nothing of it is left in the event."""
        first, field = found.path[0], found.path[-1]
        flow = self.flow(key, Place.OUTPUT, "/".join((at, *key[1:])), Sort.ANSWER if first == "content" else Sort.ASIDE)
        odds = choice.get("logprobs")
        beside = odds.get(first) if isinstance(odds, dict) else None
        holder = dig(choice["delta"], *found.path[:-1])
        fed[key] = (holder, field)
        given = self.feed(event, holder, field, flow, _maker(event, choice, found.path, flow), beside)
        if isinstance(odds, dict):
            told = flow.beside()
            if told != (beside or []):
                odds[first], event.changed = told or None, True
        return bool(found.text) and not given

    def _end(self, event: Event, choice: dict[str, Any], index: Any, fed: Mapping[Any, tuple[Any, Any]]) -> None:
        """The choice is at its end: what was held back goes into this event where it has a piece of the same text."""
        for key in [key for key in self.flows if key[0] == index and key in fed]:
            flow, (holder, field) = self.flows[key], fed[key]
            rest = flow.flush()
            del self.flows[key]
            if rest:
                holder[field], event.changed = holder[field] + rest, True
            odds, told = choice.get("logprobs"), flow.beside()
            if told and isinstance(odds, dict):
                odds[key[1]], event.changed = [*(odds.get(key[1]) or []), *told], True
        self.close(lambda key: key[0] == index)

    def _wait_for_calls(self, event: Event, delta: dict[str, Any], index: Any, at: str) -> None:
        for number, call in enumerate(objects(delta.get("tool_calls"))):
            place = call.get("index", number)
            called = call.get("id") or self._latest(index, place)
            above = f"{at}/tool_calls/{place}"
            for kind, field in _CALLED:
                self._wait_for(event, (index, place, called, kind, field), call.get(kind), field, f"{above}/{kind}")
            for found in list(_strings(call, _CALLED_KINDS)):
                self._check(event, call, found, Place.TOOL_ARGUMENTS, above)
        for field in ("name", "arguments"):
            key = (index, "function_call", field)
            self._wait_for(event, key, delta.get("function_call"), field, f"{at}/function_call")

    def _wait_for(self, event: Event, key: Any, holder: Any, field: str, at: str) -> None:
        if isinstance(holder, dict) and isinstance(holder.get(field), str):
            self.wait(key, f"{at}/{field}", event, holder, field, json=field != "name")

    def _latest(self, index: Any, place: Any) -> Any:
        """The call that goes on: its later pieces don't repeat its id."""
        return next((key[2] for key in reversed(self.calls) if key[:2] == (index, place)), None)

    def _check(self, event: Event, root: Any, found: Found, place: Place, at: str) -> None:
        """A string that is whole in its event."""
        checked = self.checks.check(place, "/".join((at, *map(str, found.path))), found.text, Sort.ASIDE)
        if checked != found.text:
            dig(root, *found.path[:-1])[found.path[-1]], event.changed = checked, True


_CALLED_KINDS = frozenset({"function", "custom"})


def around(told: dict[str, Any], checks: Checks) -> None:
    """What servers tell beside the choices: an error, the sources of a search."""
    Walk(checks, lambda item, place: (place, {})).object(told, Place.OUTPUT, "", without=_TOLD)


def _strings(value: Any, without: frozenset[str] = _CALLS, path: Path = (), grows: bool = True) -> Iterator[Found]:
    """All texts in a delta."""
    named = isinstance(value, dict)
    for key, item in value.items() if named else enumerate(value):
        if named and ((not path and key in without) or not is_text(str(key), value)):
            continue
        if isinstance(item, str):
            yield Found((*path, key), item, grows and (not path or key in _GROWING))
        elif isinstance(item, dict | list):
            yield from _strings(item, without, (*path, key), grows and key != "annotations")


def _names(path: Path) -> Iterator[str]:
    return (step for step in path if isinstance(step, str))


def _maker(event: Event, choice: Mapping[str, Any], path: Path, flow: Flow) -> Make:
    """An event like this one with a piece of this text alone, and the odds of what was handed on of it."""

    def make(text: str) -> Event:
        told = flow.beside()
        alone: dict[str, Any] = {"index": choice.get("index", 0), "delta": _alone(choice["delta"], path, text)}
        alone["logprobs"] = {"content": None, "refusal": None, path[0]: told} if told else None
        about = {key: value for key, value in event.data.items() if key in _ABOUT}
        return Event(about | {"choices": [alone | {"finish_reason": None}]}, changed=True)

    return make


def _alone(value: Any, path: Path, text: str) -> Any:
    """This string, with nothing around it but what says where it stands."""
    if not path:
        return text
    inner = _alone(value[path[0]], path[1:], text)
    if isinstance(value, list):
        return [inner]
    about = {key: value[key] for key in ("type", "index", "id", "format") if key in value}
    return about | {path[0]: inner}


def _says_nothing(told: Mapping[str, Any], choices: list[dict[str, Any]]) -> bool:
    """Whether an event that lost its text has nothing else to say."""
    if told.get("usage") or not told.keys() <= _ABOUT | {"choices", "usage", "obfuscation"}:
        return False
    return all(
        not choice.get("finish_reason")
        and not any((choice.get("logprobs") or {}).values())
        and not any(choice[name] for name in choice.keys() - _EMPTIED)
        and not any(value for value in (choice.get("delta") or {}).values())
        for choice in choices
    )
