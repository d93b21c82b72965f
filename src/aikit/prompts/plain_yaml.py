"""Reads YAML strictly: the plain values of JSON only, each key once, no aliases, and the line of every field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

Path = tuple[str | int, ...]

DEEPEST = 24
_CORRECT = "Correct that line; texts with : or # in them need quotes."


class YAMLWrong(Exception):
    """It can't be used. `line` counts from 1 in the text that was read; so does `first`, where a key stood before."""

    def __init__(self, line: int, what: str, remedy: str, first: int | None = None) -> None:
        super().__init__(what)
        self.line, self.what, self.remedy, self.first = line, what, remedy, first

    def told(self, above: int = 0) -> str:
        """What is wrong, where the text begins `above` lines below the beginning of its file."""
        return self.what if self.first is None else f"{self.what}, first in line {self.first + above}"


class Plain(NamedTuple):
    """What a text states: the fields of its mapping, and the line that each stands on, from 1."""

    fields: dict[str, Any]
    lines: Mapping[Path, int]


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


def read_plain(text: str, whole: str, example: str) -> Plain:
    """What a text states. `whole` is what messages call it, `example` what could be written. Raises YAMLWrong."""
    root = _compose(text, whole)
    if not isinstance(root, yaml.MappingNode):
        raise YAMLWrong(1, f"{whole} has no fields", example)
    reader = _Reader(whole)
    return Plain(reader.mapping(root, ()), reader.lines)


def said(path: Path, whole: str) -> str:
    """A path as people read it: `input.properties.thread`; `whole` for the empty one."""
    return ".".join(str(part) for part in path)[:200] or whole


def _compose(written: str, whole: str) -> yaml.Node | None:
    try:
        loader = _Loader(written)
        found: yaml.Node | None = loader.get_single_node()
        return found
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise YAMLWrong(line, f"{whole} is not YAML: {error.problem or error.context}", _CORRECT) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise YAMLWrong(1, f"{whole} is not YAML ({type(error).__name__})", _CORRECT) from None


class _Reader:
    """Turns YAML's nodes into plain values, and keeps the lines."""

    def __init__(self, whole: str) -> None:
        self.whole = whole
        self.lines: dict[Path, int] = {}
        self.seen: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        stands = self.lines.setdefault(path, line)
        if id(node) in self.seen:
            raise YAMLWrong(stands, f"{self._said(path)} is an alias (*)", "Write it out; aliases can't be used.")
        self.seen.add(id(node))
        if len(path) > DEEPEST:
            raise YAMLWrong(line, f"{self._said(path)} is nested too deeply", "Write it in fewer levels.")
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self.value(item, (*path, number)) for number, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path, line)
        what = f"{self._said(path)} has a tag ({node.tag[:60]})"
        raise YAMLWrong(line, what, "Write plain values: texts, numbers, true, false, null, lists, mappings.")

    def scalar(self, node: yaml.ScalarNode, path: Path, line: int) -> Any:
        kind, text = node.tag.removeprefix("tag:yaml.org,2002:"), node.value
        try:
            return _SCALARS[kind](text)
        except (KeyError, ValueError, OverflowError):
            what = f"{self._said(path)} is no plain value (!!{kind[:40]})"
            raise YAMLWrong(line, what, "Write it as a text in quotes.") from None

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                what = f"a key in {self._said(path)} is not a text" if path else "a key is not a text"
                raise YAMLWrong(line, what, "Put it in quotes.")
            inner = (*path, key_node.value)
            if key_node.value in found:
                raise YAMLWrong(line, f"{self._said(inner)} is there twice", "Keep one of them.", self.lines[inner])
            self.lines[inner] = line
            found[key_node.value] = self.value(value_node, inner)
        return found

    def _said(self, path: Path) -> str:
        return said(path, self.whole)


def _bool(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


def _int(text: str) -> int:
    if len(text) > 20:
        raise ValueError
    return int(text)


_SCALARS: dict[str, Any] = {"str": str, "bool": _bool, "int": _int, "float": float, "null": lambda _text: None}
