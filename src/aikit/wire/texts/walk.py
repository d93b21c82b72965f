"""Goes through JSON for its texts: all that a model reads or writes as text, as `wire.characters` counts it.

An unknown field is text. Values are checked, and put back where a check changed them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aikit.types.guards import Place
from aikit.wire.characters import FREE, is_text
from aikit.wire.texts.model import Checks, Sort

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_PLAIN_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_SCHEMA_WORDS = frozenset(
    {"type", "properties", "required", "description", "items", "enum", "object", "string", "integer", "number", "null"}
    | {"boolean", "array", "function", "name", "parameters", "strict", "additionalProperties", "input_schema", "title"}
    | {"default", "anyOf", "json_schema", "schema", "format", "minimum", "maximum", "$ref", "$defs"}
    | {"OBJECT", "STRING", "INTEGER", "NUMBER", "BOOLEAN", "ARRAY", "functionDeclarations", "function_declarations"}
)
"""Words of which tool definitions and schemas are made; no guard can have anything against them."""
_NOT_READ = frozenset({"authorization", "headers", "server_url", "mcpServers", "file_ids", "vector_store_ids"})
"""Fields of a tool that its provider needs to reach it and that no model reads; some are credentials."""
_IDS = frozenset({"container_id", "approval_request_id", "caller_id", "fingerprint", "obfuscation"})
"""More fields that are no text."""
_CALLED = frozenset({"arguments", "input", "code"})
"""Fields with what a tool is called with, which may be JSON in a string."""

Placing = Callable[[Mapping[str, Any], Place], tuple[Place, Mapping[str, Place]]]
"""The place of the texts in an object, and of those of its fields that stand elsewhere."""


class Walk:
    """Goes through the messages of one API. `placing` says where the texts of an object stand."""

    def __init__(self, checks: Checks, placing: Placing, sort: Sort = Sort.ASIDE) -> None:
        self._checks = checks
        self._placing = placing
        self._sort = sort

    def prose(self, value: Any, place: Place, at: str) -> Any:
        """Messages, instructions and the like. Returns the value, which is another one only for a text."""
        if value.__class__ is str:
            return self._checks.check(place, at, value, self._sort)
        if value.__class__ is list:
            self.each(value, enumerate(value), place, at)
        elif value.__class__ is dict:
            self.object(value, place, at)
        return value

    def each(self, holder: Any, items: Iterable[tuple[Any, Any]], place: Place, at: str) -> None:
        for key, value in items:
            if value.__class__ is str or value.__class__ is list or value.__class__ is dict:
                seen = self.prose(value, place, f"{at}/{key}")
                if seen is not value:
                    holder[key] = seen

    def object(self, item: dict[str, Any], place: Place, at: str, without: frozenset[str] = frozenset()) -> None:
        """The fields of an object, but for those named."""
        here, elsewhere = self._placing(item, place)
        above = f"{at}/" if at else ""
        for key, value in item.items():
            if value.__class__ is not str and value.__class__ is not list and value.__class__ is not dict:
                continue
            if key in without or key in _IDS or not is_text(key, item):
                continue
            where = elsewhere.get(key, here) if elsewhere else here
            seen = self._field(key, value, where, above + key)
            if seen is not value:
                item[key] = seen

    def _field(self, key: str, value: Any, place: Place, at: str) -> Any:
        if value.__class__ is str:
            if key in _CALLED:
                return arguments(value, place, at, self._checks)
            return self._checks.check(place, at, value, self._sort)
        if key in FREE:
            return leaves(value, place, at, self._checks)
        return self.prose(value, place, at)


def definitions(holder: dict[str, Any], key: str, checks: Checks, at: str | None = None) -> None:
    """Tools, functions and schemas: all their names and texts but the words that all of them are made of."""
    value = holder.get(key)
    at = at or key
    if isinstance(value, list):
        for number, tool in enumerate(value):
            value[number] = _definition(tool, f"{at}/{number}", checks)
    elif value is not None:
        holder[key] = _definition(value, at, checks)


def _definition(tool: Any, at: str, checks: Checks) -> Any:
    if not isinstance(tool, dict):
        return leaves(tool, Place.INPUT, at, checks, _SCHEMA_WORDS)
    for key, value in tool.items():
        if key not in _NOT_READ:
            tool[key] = leaves(value, Place.INPUT, at, checks, _SCHEMA_WORDS)
    return tool


def leaves(value: Any, place: Place, at: str, checks: Checks, known: frozenset[str] = frozenset()) -> Any:
    """Arguments, results and definitions: all keys and strings. Keys stay out of the path: they may be personal."""
    if value.__class__ is str:
        return value if value in known else checks.check(place, at, value, Sort.ASIDE)
    if value.__class__ is list:
        for number, item in enumerate(value):
            seen = leaves(item, place, at, checks, known)
            if seen is not item:
                value[number] = seen
    elif value.__class__ is dict:
        renamed = False
        pairs = []
        for key, item in value.items():
            name = key if key in known else checks.check(place, at, key, Sort.ASIDE)
            renamed = renamed or name is not key
            pairs.append((name, leaves(item, place, at, checks, known)))
        if renamed:
            value.clear()
        for name, item in pairs:
            value[name] = item
    return value


def arguments(text: str, place: Place, at: str, checks: Checks) -> str:
    """The arguments of a tool call as JSON in a string, whose strings and keys are checked; rewritten only if one of
    them changed. What is no JSON is checked as the text that it is.
    """
    if not checks.applies(place) or not text:
        return text
    value = _parsed(text)
    if value is None:
        return _unparsed(text, place, at, checks)
    before = checks.altered
    try:
        value = leaves(value, place, at, checks)
    except RecursionError:
        return _unparsed(text, place, at, checks)
    if checks.altered == before:
        return text
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _parsed(text: str) -> Any:
    """None unless it is JSON that can be read in one way only, and written again."""
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_none, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return value


def _unparsed(text: str, place: Place, at: str, checks: Checks) -> str:
    """Escape sequences hide nothing: with such, what they say is checked, and stands for them where it changed."""
    said = _ESCAPE.sub(_character, text) if "\\" in text else text
    checked = checks.check(place, at, said, Sort.ASIDE)
    return text if checked == said else checked


def _character(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return _PLAIN_ESCAPES.get(match[2], match[2])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _none(name: str) -> Any:
    raise ValueError(name)


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("too large a number")
    return number


def append(holder: Any, line: str) -> bool:
    """Writes a line at the end of a content: of its text, or of the last of its parts that is one."""
    content = holder.get("content") if isinstance(holder, dict) else None
    if isinstance(content, str) and content:
        holder["content"] = content + line
        return True
    return append_to_part(content, line)


def append_to_part(parts: Any, line: str) -> bool:
    """Writes a line at the end of the last part that has a text."""
    if not isinstance(parts, list):
        return False
    for number in range(len(parts) - 1, -1, -1):
        part = parts[number]
        if isinstance(part, str) and part:
            parts[number] = part + line
            return True
        if isinstance(part, dict) and isinstance(part.get("text"), str) and part["text"]:
            part["text"] += line
            return True
    return False
