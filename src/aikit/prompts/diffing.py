"""What differs between two versions of a prompt: body, settings, inputs, output; and what breaks callers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher, unified_diff
from typing import Any, NamedTuple

from aikit.prompts.model import Block, Prompt
from aikit.prompts.schemas import stated

LIMITS = frozenset({
    "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "maxItems", "maxLength", "maxProperties", "maximum",
    "minItems", "minLength", "minProperties", "minimum", "multipleOf", "pattern", "uniqueItems",
})  # fmt: skip
"""Keywords without which more is right."""
WORDS = frozenset({"$comment", "default", "description", "examples", "title"})
"""Keywords that only people read."""


class BodyChange(NamedTuple):
    """A message that differs. `kind`: added, removed, changed. `lines` as a unified diff has them, without a head."""

    kind: str
    role: str
    number: int
    lines: tuple[str, ...]


class FieldChange(NamedTuple):
    """A field that differs. `part`: settings, input or output. `breaking`: those who use the prompt must change."""

    part: str
    field: str
    what: str
    breaking: bool = False


class PromptDiff(NamedTuple):
    """What differs."""

    before: Prompt
    after: Prompt
    body: tuple[BodyChange, ...]
    fields: tuple[FieldChange, ...]

    @property
    def breaking(self) -> bool:
        """Whoever fills it in, or reads what comes out, must change."""
        return any(change.breaking for change in self.fields)

    @property
    def same(self) -> bool:
        return not self.body and not self.fields


def compare(before: Prompt, after: Prompt) -> PromptDiff:
    """The difference between two versions, from one to the other."""
    fields = (*_settings(before, after), *_inputs(before, after), *_output(before, after))
    return PromptDiff(before, after, tuple(_body(before.blocks, after.blocks)), fields)


def _body(before: tuple[Block, ...], after: tuple[Block, ...]) -> Iterator[BodyChange]:
    """Messages are matched by their roles, in order."""
    match = SequenceMatcher(a=[block.role for block in before], b=[block.role for block in after], autojunk=False)
    for kind, a, a_end, b, b_end in match.get_opcodes():
        if kind == "equal":
            for number, (old, new) in enumerate(zip(before[a:a_end], after[b:b_end], strict=True), start=b + 1):
                if old.template != new.template:
                    yield BodyChange("changed", new.role, number, _lines(old.template, new.template))
            continue
        for number, old in enumerate(before[a:a_end], start=a + 1):
            yield BodyChange("removed", old.role, number, _lines(old.template, ""))
        for number, new in enumerate(after[b:b_end], start=b + 1):
            yield BodyChange("added", new.role, number, _lines("", new.template))


def _lines(old: str, new: str) -> tuple[str, ...]:
    return tuple(unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2))[2:]


def _settings(before: Prompt, after: Prompt) -> Iterator[FieldChange]:
    pairs = [
        ("description", before.description, after.description),
        ("model", before.model, after.model),
        ("tags", ", ".join(before.tags) or None, ", ".join(after.tags) or None),
    ]
    names = dict.fromkeys([*before.parameters, *after.parameters])
    pairs += [(f"parameters.{name}", before.parameters.get(name), after.parameters.get(name)) for name in names]
    for field, old, new in pairs:
        if old != new:
            yield FieldChange("settings", field, f"{_said(old)} → {_said(new)}")


def _inputs(before: Prompt, after: Prompt) -> Iterator[FieldChange]:
    old, new = _properties(before.inputs), _properties(after.inputs)
    was, now = set(before.inputs.get("required", [])), set(after.inputs.get("required", []))
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            yield FieldChange("input", name, "removed", breaking=True)
        elif name not in old:
            yield FieldChange("input", name, f"added, {'required' if name in now else 'optional'}", name in now)
        else:
            if old[name] != new[name]:
                yield FieldChange("input", name, _retyped(old[name], new[name]), _narrows(old[name], new[name]))
            if (name in was) != (name in now):
                yield FieldChange("input", name, "now required" if name in now else "now optional", name in now)
    yield from _rest("input", before.inputs, after.inputs)


def _output(before: Prompt, after: Prompt) -> Iterator[FieldChange]:
    if before.output is None or after.output is None:
        if before.output is not after.output:
            what = "declared" if before.output is None else "no longer declared"
            yield FieldChange("output", "output", what, after.output is None)
        return
    old, new = _properties(before.output), _properties(after.output)
    was, now = set(before.output.get("required", [])), set(after.output.get("required", []))
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            yield FieldChange("output", name, "removed", breaking=True)
        elif name not in old:
            yield FieldChange("output", name, "added")
        else:
            if old[name] != new[name]:
                yield FieldChange("output", name, _retyped(old[name], new[name]), _narrows(new[name], old[name]))
            if (name in was) != (name in now):
                yield FieldChange("output", name, "always there" if name in now else "may be absent", name in was)
    yield from _rest("output", before.output, after.output)


def _rest(part: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    """Keywords of the schema apart from its properties; what they mean for callers is not known, so they break them."""
    for keyword in dict.fromkeys([*before, *after]):
        if keyword in ("properties", "required", "title", "description", "$schema", "$comment"):
            continue
        old, new = before.get(keyword), after.get(keyword)
        if old != new:
            loosened = keyword == "additionalProperties" and part == "input" and new is not False
            yield FieldChange(part, keyword, f"{_said(old)} → {_said(new)}", not loosened)


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties", {})
    return {name: _meaningful(part) for name, part in found.items()} if isinstance(found, dict) else {}


def _meaningful(part: Any) -> Any:
    """A part of a schema without what only people read."""
    if not isinstance(part, dict):
        return part
    return {name: value for name, value in part.items() if name not in WORDS}


def _retyped(old: Any, new: Any) -> str:
    """How a part of a schema differs: its type, or else its keywords."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return f"{_said(old)} → {_said(new)}"
    if old.get("type") != new.get("type"):
        return f"{_said(old.get('type', 'anything'))} → {_said(new.get('type', 'anything'))}"
    names = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    return ", ".join(f"{name} {_said(old.get(name))} → {_said(new.get(name))}" for name in names)


def _narrows(old: Any, new: Any) -> bool:
    """Something may be right by the old and wrong by the new; True where that is not known."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return True
    for name in {*old, *new}:
        before, after = old.get(name), new.get(name)
        dropped = name in LIMITS and after is None
        grown = (
            name == "enum" and isinstance(after, list) and isinstance(before, list) and all(v in after for v in before)
        )
        if before != after and not (dropped or grown):
            return True
    return False


def _said(value: Any) -> str:
    return "none" if value is None else stated(value)
