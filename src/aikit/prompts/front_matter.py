"""Reads the YAML front matter of a prompt strictly: plain values only, each key once, and the line of every field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml
from frontmatter.default_handlers import YAMLHandler

from aikit.errors import PromptInvalid

Path = tuple[str | int, ...]

DEEPEST = 24
_FENCE = re.compile(r"^---[ \t]*$\n?", re.MULTILINE)
_HOW = "Begin the file with a line ---, then the fields as YAML, then a line ---, then the body."


class FrontMatter(NamedTuple):
    """The fields as plain values, the line that each stands on, and the body with the line it begins on."""

    fields: dict[str, Any]
    lines: Mapping[Path, int]
    body: str
    body_line: int


class _Loader(yaml.SafeLoader):
    """YAML with the plain values of JSON: `yes`, `2026-11-01` and `1:30` are texts, and there are no aliases."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # that is how PyYAML declares it


for _tag, _pattern, _begins in (
    ("bool", r"(?:true|false)\Z", "tf"),
    ("null", r"(?:null|~|)\Z", ["n", "~", ""]),
    ("int", r"-?(?:0|[1-9][0-9]*)\Z", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)\Z", "-0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_begins))


def read_front_matter(text: str, where: str) -> FrontMatter:
    """The front matter and the body of a file. Raises PromptInvalid that names file, line and field."""
    handler = YAMLHandler(_FENCE)
    if not _FENCE.match(text):
        raise wrong(where, 1, "there is no front matter", _HOW)
    if len(_FENCE.findall(text)) < 2:
        raise wrong(where, 1, "the front matter has no end", _HOW)
    written, body = handler.split(text)
    reader = _Reader(where)
    root = _compose(written, where)
    if not isinstance(root, yaml.MappingNode):
        raise wrong(where, 2, "the front matter has no fields", "Write `description: what the prompt is for`.")
    fields = reader.mapping(root, ())
    return FrontMatter(fields, reader.lines, body, text[: len(text) - len(body)].count("\n") + 1)


def _compose(written: str, where: str) -> yaml.Node | None:
    try:
        loader = _Loader(written)
        found: yaml.Node | None = loader.get_single_node()
        return found
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 2 if mark else 2
        raise wrong(where, line, f"the front matter is not YAML: {error.problem or error.context}", _CORRECT) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise wrong(where, 2, f"the front matter is not YAML ({type(error).__name__})", _CORRECT) from None


_CORRECT = "Correct that line; texts with : or # in them need quotes."


class _Reader:
    """Turns YAML's nodes into plain values, and keeps the lines."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.lines: dict[Path, int] = {}
        self.seen: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 2
        self.lines.setdefault(path, line)
        if id(node) in self.seen:
            raise wrong(self.where, line, f"{said(path)} is an alias (*)", "Write it out; aliases can't be used.")
        self.seen.add(id(node))
        if len(path) > DEEPEST:
            raise wrong(self.where, line, f"{said(path)} is nested too deeply", "Write it in fewer levels.")
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self.value(item, (*path, number)) for number, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path, line)
        what = f"{said(path)} has a tag ({node.tag[:60]})"
        raise wrong(self.where, line, what, "Write plain values: texts, numbers, true, false, null, lists, mappings.")

    def scalar(self, node: yaml.ScalarNode, path: Path, line: int) -> Any:
        kind, text = node.tag.removeprefix("tag:yaml.org,2002:"), node.value
        try:
            return _SCALARS[kind](text)
        except (KeyError, ValueError, OverflowError):
            what = f"{said(path)} is no plain value (!!{kind[:40]})"
            raise wrong(self.where, line, what, "Write it as a text in quotes.") from None

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 2
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                what = f"a key in {said(path)} is not a text" if path else "a key is not a text"
                raise wrong(self.where, line, what, "Put it in quotes.")
            inner = (*path, key_node.value)
            if key_node.value in found:
                what = f"{said(inner)} is there twice, first in line {self.lines[inner]}"
                raise wrong(self.where, line, what, "Keep one of them.")
            self.lines[inner] = line
            found[key_node.value] = self.value(value_node, inner)
        return found


def _bool(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


def _int(text: str) -> int:
    if len(text) > 20:
        raise ValueError
    return int(text)


_SCALARS: dict[str, Any] = {"str": str, "bool": _bool, "int": _int, "float": float, "null": lambda _text: None}


def said(path: Path) -> str:
    """A path as people read it: `input.properties.thread`."""
    return ".".join(str(part) for part in path)[:200] or "the front matter"


def wrong(where: str, line: int, what: str, remedy: str) -> PromptInvalid:
    """The error for a line of a file."""
    return PromptInvalid(
        f"{where} line {line}: {what.rstrip('.')}.", facts={"file": where, "line": line}, remedy=remedy
    )
