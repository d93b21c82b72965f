"""Reads a prompt from the text of its file, checked in every part; nothing about it is left to be found out later."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from aikit.errors import PromptInvalid
from aikit.prompts.blocks import split_blocks
from aikit.prompts.checking import RESERVED
from aikit.prompts.front_matter import FrontMatter, read_front_matter, said, wrong
from aikit.prompts.model import Prompt
from aikit.prompts.plain_yaml import Path
from aikit.prompts.refs import check_name, closest
from aikit.prompts.rendering import check_templates
from aikit.prompts.schemas import SchemaWrong, check_schema

LARGEST = 262_144
"""Bytes of a file."""
FIELDS = ("description", "model", "parameters", "input", "output", "tags")
PARAMETERS = ("max_tokens", "temperature", "extra")
TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")
_MODEL = re.compile(r"routes\.[A-Za-z0-9_-]{1,64}|[A-Za-z0-9_.-]+/[^\s/][^\s]{0,199}")
_CONFLICT = ("<<<<<<< ", "=======", ">>>>>>> ")
_TAG = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,63}")
_INPUT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_WORDS = frozenset({"and", "else", "false", "if", "in", "is", "none", "not", "or", "true", "False", "None", "True"})


def normalised(data: bytes, where: str) -> str:
    """The text of a file with LF as line ends. Raises PromptInvalid for what is no UTF-8, or has a byte order mark."""
    if len(data) > LARGEST:
        raise PromptInvalid(
            f"{where} has more than {LARGEST:,} bytes.", remedy="A prompt is shorter; pass data as inputs."
        )
    if data.startswith(b"\xef\xbb\xbf"):
        raise wrong(where, 1, "the file begins with a byte order mark", "Save it as UTF-8 without one.")
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise wrong(where, line, "this is not UTF-8", "Save the file as UTF-8.") from None
    for bad, name in (("\r", "a carriage return that ends no line"), ("\0", "a NUL character")):
        if bad in text:
            raise wrong(where, text[: text.index(bad)].count("\n") + 1, f"there is {name}", "Remove it.")
    return text


def hash_of(source: str) -> str:
    """The SHA-256 of a file whose line ends are LF, in hexadecimal."""
    return hashlib.sha256(source.encode("utf-8")).hexdigest()


def read_prompt(content: bytes | str, name: str, version: int, *, where: str | None = None) -> Prompt:
    """The prompt that the content of a file is. Raises PromptInvalid that names file, line and field."""
    check_name(name)
    where = where or f"{name}/v{version}.prompt"
    source = normalised(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content, where)
    _check_merged(source, where)
    front = read_front_matter(source, where)
    fields = _Fields(front, where)
    prompt = Prompt(
        name=name,
        version=version,
        sha256=hash_of(source),
        source=source,
        description=fields.description(),
        blocks=split_blocks(front.body, first_line=front.body_line, where=where),
        model=fields.model(),
        parameters=fields.parameters(),
        inputs=fields.inputs(),
        output=fields.output(),
        tags=fields.tags(),
    )
    check_templates(prompt)
    return prompt


def _check_merged(source: str, where: str) -> None:
    """What git leaves of a merge conflict would be a text like any other, and be sent."""
    lines = source.split("\n")
    marks = [next((at for at, line in enumerate(lines, 1) if line.startswith(mark)), 0) for mark in _CONFLICT]
    if all(marks):
        raise wrong(where, marks[0], "here begins a merge conflict", "Resolve it, and remove the marks.")


class _Fields:
    """The fields of the front matter, each checked."""

    def __init__(self, front: FrontMatter, where: str) -> None:
        self.front, self.where = front, where
        self.written = front.fields
        self._known(self.written, FIELDS, ())

    def fail(self, path: Path, what: str, remedy: str) -> PromptInvalid:
        at = path
        while at and at not in self.front.lines:
            at = at[:-1]
        error = wrong(self.where, self.front.lines.get(at, 1), f"{said(path)} {what}", remedy)
        error.facts["field"] = said(path)
        return error

    def _known(self, table: Mapping[str, Any], known: tuple[str, ...], path: Path) -> None:
        for name in table:
            if name not in known:
                like = closest(name, list(known))
                raise self.fail((*path, name), "is not a field here", f"There are {', '.join(known)}.{like}")

    def description(self) -> str:
        found = self.written.get("description")
        if not isinstance(found, str) or not found.strip():
            raise self.fail(("description",), "must be a text", "Say in a sentence what the prompt is for.")
        return found.strip()

    def model(self) -> str | None:
        found = self.written.get("model")
        if found is None and "model" not in self.written:
            return None
        if not isinstance(found, str) or not _MODEL.fullmatch(found):
            raise self.fail(("model",), "names no model", "Write provider/model (openai/gpt-5-mini) or routes.NAME.")
        return found

    def parameters(self) -> dict[str, Any]:
        found = self._mapping("parameters")
        self._known(found, PARAMETERS, ("parameters",))
        tokens, heat = found.get("max_tokens", 1), found.get("temperature", 1)
        if type(tokens) is not int or not 1 <= tokens <= 10_000_000:
            raise self.fail(("parameters", "max_tokens"), "must be a whole number from 1", "Write max_tokens: 400.")
        if type(heat) not in (int, float) or not 0 <= heat <= 2:
            raise self.fail(("parameters", "temperature"), "must be a number from 0 to 2", "Write temperature: 0.2.")
        if not isinstance(found.get("extra", {}), dict):
            raise self.fail(("parameters", "extra"), "must be a mapping", "Write the provider's own fields under it.")
        return found

    def tags(self) -> tuple[str, ...]:
        found = self.written.get("tags", [])
        if not isinstance(found, list) or not all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in found):
            raise self.fail(("tags",), "must be a list of words", "Write tags: [support, internal].")
        if len(set(found)) != len(found):
            raise self.fail(("tags",), "has a word twice", "Keep one of them.")
        return tuple(found)

    def inputs(self) -> dict[str, Any]:
        """The input schema; the short form `thread: string` is written out."""
        found = self._mapping("input")
        is_schema = isinstance(found.get("properties"), dict) or found.get("type") == "object"
        schema = dict(found) if is_schema else self._written_out(found)
        if schema.setdefault("type", "object") != "object":
            raise self.fail(("input", "type"), "must be object", "Inputs have names, so their schema is an object's.")
        schema.setdefault("properties", {})
        schema.setdefault("additionalProperties", False)
        self._check(schema, "input", short=not is_schema)
        for name in schema["properties"]:
            if not _INPUT.fullmatch(name) or name in RESERVED | _WORDS:
                path: Path = ("input", "properties", name) if is_schema else ("input", name)
                raise self.fail(path, "can't be the name of an input", "Use a to z, A to Z, 0 to 9 and _.")
        for name in schema.get("required", []):
            if name not in schema["properties"]:
                raise self.fail(("input", "required"), f"names {name}, which is not declared", "Add it to properties.")
        return schema

    def _written_out(self, short: Mapping[str, Any]) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        required = []
        for written, what in short.items():
            name = written.removesuffix("?")
            if isinstance(what, str) and what not in TYPES:
                raise self.fail(
                    ("input", written), "is no type", f"There are {', '.join(TYPES)}.{closest(what, list(TYPES))}"
                )
            if not isinstance(what, str | dict):
                raise self.fail(("input", written), "is no type", "Write `name: string`, or a JSON Schema.")
            if name in properties:
                raise self.fail(("input", written), "is there twice", "Keep one of them.")
            properties[name] = {"type": what} if isinstance(what, str) else what
            if written == name:
                required.append(name)
        return {"type": "object", "properties": properties, "required": required}

    def output(self) -> dict[str, Any] | None:
        if "output" not in self.written:
            return None
        found = self._mapping("output")
        self._check(found, "output")
        return found

    def _mapping(self, name: str) -> dict[str, Any]:
        found = self.written.get(name, {})
        if not isinstance(found, dict):
            raise self.fail((name,), "must be a mapping", f"Write its fields under {name}:, indented.")
        return found

    def _check(self, schema: dict[str, Any], field: str, *, short: bool = False) -> None:
        """`short`: its properties are written without the keyword, some with a question mark."""
        try:
            check_schema(schema)
        except SchemaWrong as error:
            path = error.path
            if short and path[:1] == ("properties",):
                written = next((name for name in self.written[field] if name.removesuffix("?") == path[1]), "")
                path = (written, *path[2:])
            raise self.fail((field, *path), f"can't be used: {error.message}", "Correct the schema.") from None


def as_written(schema: Mapping[str, Any]) -> str:
    """A schema as text that can be compared line by line."""
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True)
