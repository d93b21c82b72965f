"""A call as rules see it, and what rules are told."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Protocol

from aikit.lint.values import NOTHING, Values

if TYPE_CHECKING:
    from aikit.lint.expressions import Expressions


class Call:
    """A call as rules see it: what is called, and with what."""

    __slots__ = ("arguments", "keywords", "node", "spread", "target", "what")

    def __init__(self, node: ast.Call, what: Values, arguments: list[Values], keywords: dict[str, Values]) -> None:
        self.node = node
        self.target = node.func
        self.what = what
        self.arguments = arguments
        self.keywords = keywords
        self.spread = any(keyword.arg is None for keyword in node.keywords)

    def given(self, name: str) -> bool:
        """Whether a keyword is there and is not None."""
        return any(
            keyword.arg == name and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is None)
            for keyword in self.node.keywords
        )

    def argument(self, position: int, name: str) -> Values:
        """What is given at a position or by name."""
        if name in self.keywords:
            return self.keywords[name]
        return self.arguments[position] if position < len(self.arguments) else NOTHING


class Rules(Protocol):
    """Told of what is met. `call` answers what a call gives, None if that is nobody's business."""

    def call(self, call: Call, walk: Expressions) -> Values | None: ...

    def subscript(self, node: ast.Subscript, of: Values, index: Values, walk: Expressions) -> None: ...

    def assigned(self, node: ast.Attribute, of: Values, walk: Expressions) -> None: ...
