"""What a prompt is filled in with: plain JSON values that are what it declares, else an error that names each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aikit.errors import PromptInputInvalid, PromptInvalid
from aikit.prompts.model import Prompt
from aikit.prompts.plain_yaml import Path
from aikit.prompts.schemas import SchemaWrong, problems, stated, type_of
from aikit.prompts.values import BITS

DEEPEST = 32
MOST_PARTS = 200_000
"""Values inside of the inputs, counted all together."""
MOST_CHARACTERS = 5_000_000
_PLAIN = "Pass str, int, float, bool, None, lists and dicts with str as keys."


def check_inputs(prompt: Prompt, inputs: Mapping[str, Any]) -> None:
    """Raises PromptInputInvalid that names every input which is missing, not declared, or not what is declared."""
    declared = declared_inputs(prompt.inputs)
    for name in inputs:
        if type(name) is not str:
            raise _wrong(prompt, [f"a name is {type(name).__name__}, and no text"], _PLAIN)
    _check_plain(prompt, inputs)
    found = [_words(path, keyword, value, inputs, declared) for path, keyword, value in _problems(prompt, inputs)]
    if found:
        raise _wrong(prompt, list(dict.fromkeys(word for words in found for word in words)), _remedy(declared))


def declared_inputs(schema: Mapping[str, Any]) -> dict[str, str]:
    """The names that a schema declares, and for each what it is: `string`, or `integer, optional`."""
    required = schema.get("required", [])
    properties = schema.get("properties", {})
    return {name: stated(_type(part)) + ("" if name in required else ", optional") for name, part in properties.items()}


def _type(part: Any) -> Any:
    if not isinstance(part, dict):
        return "anything"
    if "type" in part:
        return part["type"]
    return "one of " + stated(part["enum"]) if "enum" in part else part.get("$ref", "anything")


def _problems(prompt: Prompt, inputs: Mapping[str, Any]) -> list[tuple[Path, str, Any]]:
    try:
        return problems(prompt.inputs, dict(inputs))
    except SchemaWrong as error:
        raise PromptInvalid(
            f"{prompt.id.id}: its input schema can't be used: {error.message}.", remedy="Correct the schema."
        ) from None


def _words(path: Path, keyword: str, value: Any, inputs: Mapping[str, Any], declared: Mapping[str, str]) -> list[str]:
    at: Any = inputs
    for part in path:
        at = at[part]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    inside = f"{where}." if where else ""
    if keyword == "required" and isinstance(at, dict):
        return [f"{inside}{name} is missing" for name in value if name not in at]
    if keyword in ("additionalProperties", "unevaluatedProperties") and not where:
        return [f"{name[:80]} is not declared" for name in at if name not in declared]
    if keyword == "type":
        return [f"{where} must be {stated(value)}, and is {type_of(at)}"]
    return [f"{where or 'the whole'} does not meet {keyword}: {stated(value)}"]


def _remedy(declared: Mapping[str, str]) -> str:
    if not declared:
        return "It takes no inputs."
    return f"It takes {', '.join(f'{name} ({what})' for name, what in declared.items())}."


def _wrong(prompt: Prompt, found: list[str], remedy: str) -> PromptInputInvalid:
    return PromptInputInvalid(
        f"{prompt.id.id} can't be filled in: {'; '.join(found[:20])}.",
        facts={"prompt": prompt.id.id, "problems": found},
        remedy=remedy,
    )


def _check_plain(prompt: Prompt, inputs: Mapping[str, Any]) -> None:
    """Nothing but JSON values gets into a template: no object of the application, and no subclass of a plain type."""
    todo: list[tuple[str, Any, int]] = [(name, value, 1) for name, value in inputs.items()]
    parts = characters = 0
    while todo:
        where, value, depth = todo.pop()
        what = _unfit(value)
        if what is None and depth > DEEPEST:
            what = f"is nested more than {DEEPEST} deep"
        if what is not None:
            raise _wrong(prompt, [f"{where[:200]} {what}"], _PLAIN)
        if type(value) is dict:
            todo.extend((f"{where}.{key}", inner, depth + 1) for key, inner in value.items())
            characters += sum(map(len, value))
        elif type(value) is list:
            todo.extend((f"{where}[{number}]", inner, depth + 1) for number, inner in enumerate(value))
        elif type(value) is str:
            characters += len(value)
        parts += 1
        if parts + len(todo) > MOST_PARTS or characters > MOST_CHARACTERS:
            most = f"{MOST_PARTS:,} values or {MOST_CHARACTERS:,} characters"
            raise _wrong(prompt, [f"the inputs have more than {most}, at {where[:80]}"], "Pass less.")


def _unfit(value: Any) -> str | None:
    """Why a value can't be an input, apart from what is in it; None if it can."""
    kind = type(value)
    if kind not in (str, int, float, bool, type(None), list, dict):
        return f"is of the type {kind.__name__}, and no plain value"
    if kind is int and value.bit_length() > BITS:
        return f"is a number of more than {BITS} bits"
    if kind is float and not math.isfinite(value):
        return "is no number that JSON has"
    if kind is dict and any(type(key) is not str for key in value):
        return "has a key that is no text"
    texts = value if kind is dict else [value] if kind is str else []
    if any(not text.isascii() and _has_surrogate(text) for text in texts):
        return "has half of a character (a lone surrogate)"
    return None


def _has_surrogate(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
