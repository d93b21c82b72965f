"""Reads the YAML front matter of a prompt strictly: plain values only, each key once, and the line of every field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from frontmatter.default_handlers import YAMLHandler

from aikit.errors import PromptInvalid
from aikit.prompts import plain_yaml
from aikit.prompts.plain_yaml import Path, YAMLWrong, read_plain

_FENCE = re.compile(r"^---[ \t]*$\n?", re.MULTILINE)
_HOW = "Begin the file with a line ---, then the fields as YAML, then a line ---, then the body."
_WHOLE = "the front matter"


class FrontMatter(NamedTuple):
    """The fields as plain values, the line that each stands on, and the body with the line it begins on."""

    fields: dict[str, Any]
    lines: Mapping[Path, int]
    body: str
    body_line: int


def read_front_matter(text: str, where: str) -> FrontMatter:
    """The front matter and the body of a file. Raises PromptInvalid that names file, line and field."""
    handler = YAMLHandler(_FENCE)
    if not _FENCE.match(text):
        raise wrong(where, 1, "there is no front matter", _HOW)
    if len(_FENCE.findall(text)) < 2:
        raise wrong(where, 1, "the front matter has no end", _HOW)
    written, body = handler.split(text)
    try:
        found = read_plain(written, _WHOLE, "Write `description: what the prompt is for`.")
    except YAMLWrong as error:
        raise wrong(where, error.line + 1, error.told(above=1), error.remedy) from None
    lines = {path: line + 1 for path, line in found.lines.items()}
    return FrontMatter(found.fields, lines, body, text[: len(text) - len(body)].count("\n") + 1)


def said(path: Path) -> str:
    """A path as people read it: `input.properties.thread`."""
    return plain_yaml.said(path, _WHOLE)


def wrong(where: str, line: int, what: str, remedy: str) -> PromptInvalid:
    """The error for a line of a file."""
    return PromptInvalid(
        f"{where} line {line}: {what.rstrip('.')}.", facts={"file": where, "line": line}, remedy=remedy
    )
