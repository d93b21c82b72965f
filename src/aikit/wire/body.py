"""JSON request bodies: parsed strictly, read field by field, and written back only when something was added.

Strict, because the meter and the provider must read the same request: a key given twice, or a known field in other
capitals, is read differently by different servers, so such a body is refused rather than guessed at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from aikit.errors import RequestInvalid
from aikit.wire.codec import MAX_OUTPUT_TOKENS

MODEL_LENGTH = 200


class RequestBody:
    """One request body. `fields` is its JSON object; whatever is `write`n is listed in `wrote`."""

    def __init__(self, raw: bytes) -> None:
        """Raises RequestInvalid unless `raw` is one JSON object in UTF-8, free of duplicate keys."""
        self._raw = raw
        self._wrote: list[str] = []
        self.fields = parse(raw)

    @property
    def wrote(self) -> tuple[str, ...]:
        return tuple(self._wrote)

    def mentions(self, word: bytes) -> bool:
        """False only if `word` is surely no key or value of the body; an escape sequence may spell anything."""
        return word in self._raw or b"\\u" in self._raw

    def know(self, *names: str) -> None:
        """Raises RequestInvalid for a field that differs from one of `names` in capitals only."""
        for key in self.fields:
            if key not in names and key.casefold() in names:
                raise RequestInvalid(
                    f"The field {shown(key)} differs from {key.casefold()} in capitals only.",
                    facts={"field": key[:MODEL_LENGTH]},
                    remedy="Spell the field as the API does: some servers would read it, others not.",
                )

    def refuse(self, why: Mapping[str, str]) -> None:
        """Raises RequestInvalid for a field whose cost can't be bounded; `why` says so for each."""
        for name, reason in why.items():
            if self.fields.get(name):
                raise RequestInvalid(
                    f"The field {name} can't be metered: {reason}.",
                    facts={"field": name},
                    remedy=f"Send the request without {name}.",
                )

    def model(self) -> str:
        """The `model` field. Raises RequestInvalid if there is none that can be used."""
        return checked_model(self.fields.get("model"))

    def flag(self, name: str) -> bool:
        """A boolean field; absent and null are False. Raises RequestInvalid for anything else."""
        value = self.fields.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise RequestInvalid(f"The field {name} is {shown(value)}; it must be true or false.", facts={"field": name})

    def limit(self, name: str, within: Mapping[str, Any] | None = None) -> int | None:
        """A limit of 1 or more, None if absent or null. Raises RequestInvalid, naming field and value, otherwise."""
        value = (self.fields if within is None else within).get(name)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_OUTPUT_TOKENS:
            return value
        raise RequestInvalid(
            f"The field {name} is {shown(value)}; it must be a whole number from 1 to {MAX_OUTPUT_TOKENS:,}.",
            facts={"field": name, "value": shown(value)},
        )

    def write(self, name: str, value: Any, within: dict[str, Any] | None = None, label: str | None = None) -> None:
        """Put a field in, and remember it under `label` (by default its name)."""
        (self.fields if within is None else within)[name] = value
        self._wrote.append(label or name)

    def to_bytes(self) -> bytes:
        """What is to be sent: the very bytes that came, unless something was written."""
        return serialise(self.fields) if self._wrote else self._raw


def parse(raw: bytes) -> dict[str, Any]:
    """One JSON object. Raises RequestInvalid for anything else, however deep or odd."""
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise RequestInvalid("The request body is not UTF-8.", remedy="Send uncompressed JSON in UTF-8.") from None
    except RecursionError:
        raise RequestInvalid("The request body is nested too deeply to be read.") from None
    except ValueError as error:
        raise RequestInvalid(f"The request body is not JSON: {str(error)[:120]}.") from None
    if not isinstance(value, dict):
        raise RequestInvalid(f"The request body must be a JSON object, not {type(value).__name__}.")
    return value


def serialise(fields: Mapping[str, Any]) -> bytes:
    """Compact JSON in UTF-8, in the order of `fields`. Raises RequestInvalid for what JSON has no form for."""
    try:
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(fields, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        raise RequestInvalid("The request body has a number or a depth that JSON can't carry.") from None


def checked_model(value: object) -> str:
    """A usable model name. Raises RequestInvalid, without repeating a long value, for anything else."""
    if value is None or value == "":
        raise RequestInvalid("The request names no model.", facts={"field": "model"})
    if not isinstance(value, str):
        raise RequestInvalid(f"The field model must be a string, not {type(value).__name__}.", facts={"field": "model"})
    if len(value) > MODEL_LENGTH or not value.isprintable() or not value.strip():
        raise RequestInvalid(
            f"The field model has {len(value):,} characters; a model has at most {MODEL_LENGTH}, all printable.",
            facts={"field": "model"},
        )
    return value


def shown(value: object) -> str:
    """A value for a message: as JSON has it, shortened."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**40:
        return "a number of more than 40 digits"
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:40]}…"


def blocks(value: object, into: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Every object in `value`, going down lists and the keys in `into` only: content, not the data it carries."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            yield item
            stack.extend(item[key] for key in into if key in item)


def objects(value: object) -> list[dict[str, Any]]:
    """The objects of a list; whatever is no list or no object is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def dig(value: object, *path: str | int) -> Any:
    """The value at a path of keys and indexes, None if it leads nowhere."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def read_object(raw: bytes) -> dict[str, Any] | None:
    """A provider's JSON object, None if it is none. Never raises."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RequestInvalid(
            f"The request body has the key {shown(twice)} twice in one object.",
            facts={"field": twice[:MODEL_LENGTH]},
            remedy="Give each key once: the provider may read the other one.",
        )
    return found


def _no_constant(name: str) -> Any:
    raise RequestInvalid(f"The request body has {name}, which is not JSON.")
