"""The texts of a message stream: each block has its own; the input of a tool waits for the block's end."""

from __future__ import annotations

from typing import Any

from aikit.types.guards import Place
from aikit.wire.characters import is_text
from aikit.wire.texts.anthropic_blocks import TEXTS, TOLD, around, beside, message, placing
from aikit.wire.texts.model import Event, Sort
from aikit.wire.texts.walk import Walk
from aikit.wire.texts.weaving import Make, Weaving, changes

_HEAD = b"event: content_block_delta"
_DELTAS = {"text": "text_delta", "thinking": "thinking_delta"}


class MessageStream(Weaving):
    def step(self, event: Event) -> None:
        told, index = event.data, event.data.get("index")
        match told.get("type"):
            case "ping":
                self.at_once(event)
                return
            case "message_start":
                changes(event, self.checks, lambda: message(_object(told, "message"), self.checks))
            case "message":  # no stream, though one was asked
                changes(event, self.checks, lambda: message(told, self.checks))
            case "content_block_start":
                self._start(event, _object(told, "content_block"), index)
            case "content_block_delta":
                self._delta(event, _object(told, "delta"), index)
            case "content_block_stop":
                self.close(lambda key: key[0] == index)
                self._settle(index, event)
                return
            case _:
                self.finish()
                changes(event, self.checks, lambda: around(told, self.checks, TOLD | {"delta"}))
                if isinstance(told.get("delta"), dict):
                    changes(event, self.checks, lambda: around(told["delta"], self.checks, TOLD))
        self.emit(event)

    def _settle(self, index: Any, stop: Event) -> None:
        self.emit(stop)
        self.settle(lambda key: key == index)

    def _start(self, event: Event, part: dict[str, Any], index: Any) -> None:
        """A block begins; most are empty, the results of tools are whole."""
        changes(event, self.checks, lambda: beside(part, self.checks, f"content/{index}"))
        kind = part.get("type")
        if isinstance(kind, str) and kind in TEXTS and isinstance(part.get(kind), str) and part[kind]:
            self._piece(event, part, index, kind, _DELTAS[kind])

    def _delta(self, event: Event, delta: dict[str, Any], index: Any) -> None:
        kind = delta.get("type")
        if kind == "input_json_delta":
            if self.checks.applies(Place.TOOL_ARGUMENTS) and isinstance(delta.get("partial_json"), str):
                self.wait(index, f"content/{index}/input", event, delta, "partial_json")
        elif kind == "citations_delta":
            flow = self.flows.get((index, "text"))
            event.dropped = flow is not None and flow.altered
            walk = Walk(self.checks, placing)
            changes(event, self.checks, lambda: walk.object(delta, Place.OUTPUT, f"content/{index}"))
        elif kind == "signature_delta":
            self.close(lambda key: key == (index, "thinking"))
        elif self.checks.applies(Place.OUTPUT):
            self._texts(event, delta, index, str(kind))

    def _texts(self, event: Event, delta: dict[str, Any], index: Any, kind: str) -> None:
        """All strings of a delta, which go on in the next one of its type; without its text it has nothing to say."""
        for key, text in list(delta.items()):
            if isinstance(text, str) and is_text(key, delta):
                self._piece(event, delta, index, key, kind)
                event.dropped = bool(text) and not delta[key] and len(delta) == 2

    def _piece(self, event: Event, holder: dict[str, Any], index: Any, key: str, kind: str) -> None:
        flow = self.flow((index, key), Place.OUTPUT, f"content/{index}/{key}", TEXTS.get(key, Sort.ASIDE))
        self.feed(event, holder, key, flow, _maker(index, key, kind))


def _object(told: dict[str, Any], name: str) -> dict[str, Any]:
    """Raises LookupError for a form that nobody foresaw."""
    found = told.get(name)
    if found is not None and not isinstance(found, dict):
        raise LookupError(f"{name} in a form that nobody foresaw")
    return found or {}


def _maker(index: Any, key: str, kind: str) -> Make:
    def make(text: str) -> Event:
        told = {"type": "content_block_delta", "index": index, "delta": {"type": kind, key: text}}
        return Event(told, head=_HEAD, changed=True)

    return make
