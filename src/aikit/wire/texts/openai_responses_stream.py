"""The texts of a stream of response events: each grows by deltas, and is told whole again when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aikit.types.guards import Place
from aikit.wire.texts.model import Asked, Checks, Event, Sort
from aikit.wire.texts.openai_items import content_part, output_item, placing, whole
from aikit.wire.texts.walk import Walk, arguments
from aikit.wire.texts.weaving import Flow, Make, Weaving, changes

_ANSWER = "response.output_text"
_WHERE = ("output_index", "content_index", "summary_index", "command_index")
_ABOUT = frozenset({"type", "item_id", "sequence_number", *_WHERE})
_TOLD = _ABOUT | {"delta", "logprobs", "item", "part", "response", "obfuscation", "partial_image_b64", "annotation"}
_SOUND = ("response.audio", "response.output_audio")
_LAST = ("response.completed", "response.incomplete", "response.failed", "response.cancelled", "error")


class ResponseStream(Weaving):
    def __init__(self, checks: Checks, asked: Mapping[str, Asked]) -> None:
        super().__init__(checks)
        self._asked = asked
        self._number: int | None = None

    def _take(self) -> list[Event]:
        return [self._numbered(event) for event in super()._take()]

    def _numbered(self, event: Event) -> Event:
        """Numbers rise, also where an event was put in."""
        number = event.data.get("sequence_number")
        if isinstance(number, int) and event.data.get("type") != "error":
            if self._number is not None and number <= self._number:
                event.data["sequence_number"], event.changed = self._number + 1, True
            self._number = event.data["sequence_number"]
        return event

    def step(self, event: Event) -> None:
        told, kind = event.data, str(event.data.get("type"))
        base, _, last = kind.rpartition(".")
        settled = False
        if last == "delta" and base not in _SOUND:
            self._delta(event, base)
        elif kind == "response.output_text.annotation.added":
            self._annotation(event)
        else:
            settled = self._close(told, base, last, kind)
            changes(event, self.checks, lambda: self._whole(told, base))
        self.emit(event)
        if settled:
            self._settle(told, kind)

    def _delta(self, event: Event, base: str) -> None:
        told, delta = event.data, event.data.get("delta")
        place = place_of(base)
        key, at = (base, *_where(told)), at_of(base, told)
        if not self.checks.applies(place):
            return
        if place is Place.TOOL_ARGUMENTS and isinstance(delta, str):
            self.wait(key, at, event, told, "delta", json=not base.endswith("command"))
        elif isinstance(delta, str):
            self._piece(event, told, "delta", key, (place, at), sort_of(base))
        elif isinstance(delta, dict):
            for name, text in list(delta.items()):
                if isinstance(text, str):
                    self._piece(event, delta, name, (*key, name), (place, f"{at}/{name}"), Sort.ASIDE)
        elif delta is not None:
            raise LookupError("a delta in a form that nobody foresaw")

    def _piece(
        self, event: Event, holder: dict[str, Any], name: str, key: Any, where: tuple[Place, str], sort: Sort
    ) -> None:
        flow = self.flow(key, *where, sort)
        text, beside = holder[name], event.data.get("logprobs")
        given = self.feed(event, holder, name, flow, _maker(event, holder, name, flow), beside)
        told = flow.beside()
        if told != (beside or []):
            event.data["logprobs"], event.changed = told, True
        event.dropped = bool(text) and not given and not told and holder is event.data

    def _annotation(self, event: Event) -> None:
        """Where in its text it stands is not known any more once that was altered."""
        flow = self.flows.get((_ANSWER, *_where(event.data)))
        event.dropped = flow is not None and flow.altered
        if isinstance(event.data.get("annotation"), dict):
            walk = Walk(self.checks, placing)
            at = f"{at_of('', event.data)}/annotations"
            changes(event, self.checks, lambda: walk.object(event.data["annotation"], Place.OUTPUT, at))

    def _close(self, told: Mapping[str, Any], base: str, last: str, kind: str) -> bool:
        """Ends the texts that this event ends, and says whether it ends calls."""
        if kind in _LAST:
            self.close(lambda key: True)
            return True
        if last != "done":
            return False
        if base == "response.output_item":
            self.close(lambda key: key[1] == told.get("output_index"))
        elif base in ("response.content_part", "response.reasoning_summary_part"):
            self.close(lambda key: key[1:5] == _where(told))
        else:
            self.close(lambda key: key[:5] == (base, *_where(told)))
        return True

    def _settle(self, told: Mapping[str, Any], kind: str) -> None:
        base, index = kind.removesuffix(".done"), told.get("output_index")
        if kind in _LAST:
            self.settle(lambda key: True)
        elif base == "response.output_item":
            self.settle(lambda key: key[1] == index)
        else:
            self.settle(lambda key: key == (base, *_where(told)))

    def _whole(self, told: dict[str, Any], base: str) -> None:
        """The texts that an event tells whole, for the first time or again."""
        at = at_of(base, told)
        place = place_of(base)
        if isinstance(told.get("response"), dict):
            whole(told["response"], self.checks, self._asked)
        if isinstance(told.get("item"), dict):
            output_item(told["item"], self.checks, f"output/{told.get('output_index')}")
        if isinstance(told.get("part"), dict):
            content_part(told["part"], self.checks, at_of("", told).removesuffix("/text"))
        walk = Walk(self.checks, placing)
        for name, value in told.items():
            if name in _TOLD:
                continue
            if not isinstance(value, str):
                walk.each(told, [(name, value)], place, at)
                continue
            if place is Place.TOOL_ARGUMENTS and not base.endswith("command"):
                checked = arguments(value, place, at, self.checks)
            else:
                checked = self.checks.check(place, at, value, sort_of(base))
            if checked != value:
                told[name] = checked
                if told.get("logprobs"):
                    told["logprobs"] = []


def place_of(base: str) -> Place:
    if "_call_output" in base:
        return Place.TOOL_RESULTS
    return Place.TOOL_ARGUMENTS if "_call_" in base else Place.OUTPUT


def sort_of(base: str) -> Sort:
    return Sort.ANSWER if base == _ANSWER else Sort.ASIDE


def at_of(base: str, told: Mapping[str, Any]) -> str:
    """The path that the text will have in the response."""
    output, content, summary, command = _where(told)
    at = "output" if output is None else f"output/{output}"
    name = base.rpartition(".")[2]
    if summary is not None:
        return f"{at}/summary/{summary}/text"
    if content is not None:
        field = {"": "", "refusal": "/refusal"}.get(name, "/text")
        return f"{at}/content/{content}{field}"
    if command is not None and "output" not in name:
        return f"{at}/action/commands/{command}"
    return f"{at}/{name.rpartition('_')[2] or name}"


def _where(told: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(told.get(name) for name in _WHERE)


def _maker(event: Event, holder: Mapping[str, Any], name: str, flow: Flow) -> Make:
    def make(text: str) -> Event:
        about = {key: value for key, value in event.data.items() if key in _ABOUT}
        about["delta"] = text if holder is event.data else {name: text}
        if "logprobs" in event.data:
            about["logprobs"] = flow.beside()
        return Event(about, head=event.head, changed=True)

    return make
