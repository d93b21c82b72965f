"""All checks over one file: told of calls, keys and settings, they note what they find."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from aikit.lint.calls import Call
from aikit.lint.checks import clients, frameworks, http, keys, kits
from aikit.lint.expressions import Expressions
from aikit.lint.model import Project
from aikit.lint.rules import BY_CODE
from aikit.lint.values import Made, Values
from aikit.lint.walking import Walk


@dataclass(frozen=True, slots=True)
class Note:
    """Something found, at a node; `statement` is the first line of the statement that it is in."""

    node: ast.AST
    statement: int
    code: str
    message: str
    remedy: str


@dataclass
class Looking:
    """What is found in one file. `configuration`, `test`: what kind of file it is; `own`: packages beside it."""

    project: Project
    configuration: bool = False
    test: bool = False
    own: frozenset[str] = frozenset()
    notes: list[Note] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    agents: list[Note] = field(default_factory=list)
    agents_are_set: bool = False

    def note(self, walk: Expressions, node: ast.AST, code: str, message: str, remedy: str = "") -> None:
        self.notes.append(self.noted(walk, node, code, message, remedy))

    def noted(self, walk: Expressions, node: ast.AST, code: str, message: str, remedy: str = "") -> Note:
        return Note(node, walk.statement, code, message, remedy or BY_CODE[code].remedy)

    def call(self, call: Call, walk: Expressions) -> Values | None:
        keys.call(self, call, walk)
        kits.call(self, call, walk)
        if (answer := http.call(self, call, walk)) is not None:
            return answer
        frameworks.call(self, call, walk)
        return clients.call(self, call, walk)

    def subscript(self, node: ast.Subscript, of: Values, index: Values, walk: Expressions) -> None:
        keys.subscript(self, node, of, index, walk)

    def assigned(self, node: ast.Attribute, of: Values, walk: Expressions) -> None:
        clients.assigned(self, node, of, walk)

    def look(self, tree: ast.Module) -> list[Note]:
        """All that is found in a module."""
        walk = Walk(self)
        walk.module(tree)
        clients.finish(self, walk)
        if not self.agents_are_set:
            self.notes.extend(self.agents)
        return self.notes
