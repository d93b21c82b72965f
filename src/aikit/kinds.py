"""What a field of a file that people write can be: each kind of value has its JSON Schema and its reader side by side.

The kinds that all such files have; `policy.file.kinds` and `evals.suites.kinds` add their own, and say it in the words
of TOML and YAML.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Self

Schema = dict[str, Any]
Path = tuple[str | int, ...]
"""The way to a value: keys of tables, and places in arrays, counted from 0."""


class Wrong(Exception):
    """A value that can't be used: what is wrong with it, and the remedy; `key` if it is only a part of the value."""

    def __init__(self, what: str, remedy: str, key: str | None = None) -> None:
        super().__init__(what)
        self.what, self.remedy, self.key = what, remedy, key


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file, and where."""

    path: Path
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where the reader is, and what it has found wrong so far."""

    problems: list[Problem] = field(default_factory=list)
    path: Path = ()

    def at(self, key: str | int) -> Self:
        """The place of a part."""
        return replace(self, path=(*self.path, key))

    def report(self, wrong: Wrong) -> None:
        """Note a problem here, or in the part that it names."""
        path = self.path if wrong.key is None else (*self.path, wrong.key)
        self.problems.append(Problem(path, wrong.what, wrong.remedy))

    @property
    def clean(self) -> bool:
        """Nothing has been found wrong here."""
        return not any(problem.path[: len(self.path)] == self.path for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value. `read` turns what is stated into what is meant; it raises Wrong, or reports at the place."""

    schema: Schema
    read: Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a table: what it can be, and what it is for."""

    kind: Kind
    about: str

    @property
    def schema(self) -> Schema:
        return {"description": self.about, **self.kind.schema}


def read_parts(item: Kind, values: Iterable[tuple[str | int, Any]], place: Place) -> list[Any]:
    """What is good among the parts of a value; what is not is reported where it stands."""
    found = []
    for key, value in values:
        try:
            found.append(item.read(value, place.at(key)))
        except Wrong as wrong:
            place.at(key).report(wrong)
    return found


@dataclass(frozen=True, slots=True)
class Language:
    """What a language calls things, and how they are written in it; and the kinds that are said in its words."""

    array: str
    table: str
    nothing: str
    floating: str
    write_array: str
    write_table: str
    names_all: bool
    """Whoever has mistyped a word is told the others, too: there are few, and no editor that knows them."""

    def shown(self, value: Any) -> str:
        """A value for a message, never a long one."""
        match value:
            case bool():
                return "true" if value else "false"
            case None:
                return self.nothing
            case str():
                return quoted(value) if len(value) <= 60 else f"a text of {len(value):,} characters"
            case int():
                return f"{value:,}" if abs(value) < 10**30 else "a very large number"
            case float():
                return self.floating.format(value)
            case list():
                return self.array
            case dict():
                return self.table
            case _:
                return f"a {type(value).__name__}"

    def suggestion(self, value: Any, known: Sequence[str]) -> str:
        """The nearest known word, or all of them."""
        close = get_close_matches(value, known, n=1, cutoff=0.5) if isinstance(value, str) else []
        near, every = [f"Did you mean {word}?" for word in close], f"Known: {', '.join(known)}."
        return " ".join([*near, every] if self.names_all or not near else near)

    def flag(self) -> Kind:
        """True or false."""

        def read(value: Any, _: Place) -> bool:
            if not isinstance(value, bool):
                raise Wrong(f"is {self.shown(value)}", "Write true or false, without quotes.")
            return value

        return Kind({"type": "boolean"}, read)

    def words(self, words: Iterable[str]) -> Kind:
        """One of some words; `read` returns it as it is among `words`."""
        known = tuple(words)

        def read(value: Any, _: Place) -> str:
            if not isinstance(value, str) or value not in known:
                raise Wrong(f"is {self.shown(value)}", self.suggestion(value, known))
            return known[known.index(value)]

        return Kind({"type": "string", "enum": [str(word) for word in known]}, read)

    def many(self, item: Kind, *, of: str, least: int = 0) -> Kind:
        """An array; read as a tuple of what is good in it."""

        def read(values: Any, place: Place) -> tuple[Any, ...]:
            if not isinstance(values, list):
                raise Wrong(f"is {self.shown(values)}", self.write_array.format(of))
            if len(values) < least:
                raise Wrong("is empty", self.write_array.format(of))
            return tuple(read_parts(item, enumerate(values), place))

        return Kind({"type": "array", "items": item.schema, **({"minItems": least} if least else {})}, read)

    def fields(
        self,
        fields: Mapping[str, Field],
        *,
        required: Sequence[str] = (),
        least: int = 0,
        elsewhere: Mapping[str, str] | None = None,
        references: bool = False,
    ) -> Kind:
        """A table with these fields; read as a dict of what is good in it. `least`: how many it has to state.

        `elsewhere` has remedies for fields that belong elsewhere. With `references` the schema names the fields in
        `$defs` instead of repeating them.
        """

        def read(value: Any, place: Place) -> dict[str, Any]:
            stated = self.as_table(value)
            found = {}
            for name, inner in stated.items():
                if name not in fields:
                    remedy = (elsewhere or {}).get(name) or self.suggestion(name, tuple(fields))
                    place.at(name).report(Wrong("is not a field here", remedy))
                    continue
                try:
                    found[name] = fields[name].kind.read(inner, place.at(name))
                except Wrong as wrong:
                    place.at(name).report(wrong)
            for name in required:
                if name not in stated:
                    place.at(name).report(Wrong("is missing", fields[name].about))
            if len(stated) < least:
                raise Wrong("states nothing", f"State at least one of {', '.join(fields)}.")
            return found

        schema: Schema = {
            "type": "object",
            "properties": {n: {"$ref": f"#/$defs/{n}"} if references else f.schema for n, f in fields.items()},
            "additionalProperties": False,
            **({"required": list(required)} if required else {}),
            **({"minProperties": least} if least else {}),
        }
        return Kind(schema, read)

    def as_table(self, value: Any) -> dict[str, Any]:
        """The value, if it is a table. Raises Wrong if not."""
        if not isinstance(value, dict):
            raise Wrong(f"is {self.shown(value)}", self.write_table)
        return value


def quoted(value: str) -> str:
    """A text on one line, in quotes."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
