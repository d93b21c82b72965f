"""What an expression may stand for, as far as the rules care: found by reading, never by running."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import NamedTuple


class Path(NamedTuple):
    """Something of an imported module by its full name; what a call of it gives ends in `()`."""

    name: str


class Text(NamedTuple):
    """A text that is written in the file; not `whole`: only how it begins is known."""

    text: str
    whole: bool = True


class Kit(NamedTuple):
    """An open kit."""


class KitCall(NamedTuple):
    """A method of a kit; `tenant`: it has been given one already."""

    method: str
    tenant: bool = False


class Local(NamedTuple):
    """Something that is made in this file, and is none of the above."""


@dataclass(eq=False, slots=True)
class Table:
    """A dict that is written in the file; what its keys that are texts stand for."""

    items: dict[str, Values]

    def at(self, key: str | None) -> Values:
        """What a key stands for; any of them, if it is not known which."""
        if key is not None:
            return self.items.get(key, NOTHING)
        return tuple(value for values in self.items.values() for value in values)


@dataclass(eq=False, slots=True)
class Made:
    """A client of an SDK that was made here. `metered`: it is handed to the kit; `told`: another rule has it."""

    name: str
    node: ast.AST
    statement: int
    metered: bool = False
    told: bool = False


@dataclass(eq=False, slots=True)
class Function:
    """A function of this file. Its result is metered if every call of it is an argument of `kit.wrap`."""

    returns: list[Made] = field(default_factory=list)
    gives_kit: bool = False
    calls: int = 0
    wraps: int = 0


@dataclass(eq=False, slots=True)
class Result:
    """What a call of a function of this file gives."""

    function: Function


@dataclass(eq=False, slots=True)
class Class:
    """A class of this file: what it is derived from, and what is known of its attributes."""

    bases: tuple[str, ...] = ()
    attributes: dict[str, Values] = field(default_factory=dict)


Value = Path | Text | Table | Kit | KitCall | Local | Made | Function | Result | Class
Values = tuple[Value, ...]
NOTHING: Values = ()


@dataclass(eq=False, slots=True)
class Scope:
    """Names and what they stand for. `of` is the class that methods in it belong to."""

    outer: Scope | None
    kind: str
    of: Class | None = None
    tagged: int = 0
    names: dict[str, Values] = field(default_factory=dict)
    function: Function | None = None
    outside: frozenset[str] = frozenset()

    def find(self, name: str) -> Values:
        """What a name stands for; nothing if that is not known. Bodies of classes are seen from themselves only."""
        scope: Scope | None = self
        while scope is not None:
            if (found := scope.names.get(name)) is not None and (scope is self or scope.kind != "class"):
                return found
            scope = scope.outer
        return NOTHING

    def bind(self, name: str, values: Values, *, maybe: bool = False) -> None:
        """Let a name stand for something; `maybe`: or for what it stood for before."""
        target = self.module if name in self.outside else self
        before = target.names.get(name, NOTHING) if maybe else NOTHING
        target.names[name] = before + tuple(value for value in values if value not in before)

    @property
    def module(self) -> Scope:
        scope = self
        while scope.outer is not None:
            scope = scope.outer
        return scope


def joined(parts: list[Values]) -> Values:
    """The text that is made of parts, as far as it is known from its beginning."""
    head = ""
    for values in parts:
        found = next((value for value in values if isinstance(value, Text)), None)
        if found is None:
            return (Text(head, False),) if head else NOTHING
        head += found.text
        if not found.whole:
            return (Text(head, False),)
    return (Text(head),)


def text_of(values: Values) -> str | None:
    """The text, if it is known whole."""
    return next((value.text for value in values if isinstance(value, Text) and value.whole), None)
