"""AK003: keys of providers read from the environment outside of configuration."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from aikit.lint.calls import Call
from aikit.lint.expressions import Expressions
from aikit.lint.known import ENVIRONMENT_READERS, KEYS
from aikit.lint.values import Path, Values, text_of

if TYPE_CHECKING:
    from aikit.lint.checks.looking import Looking

ENVIRONMENTS = frozenset({"os.environ", "os.environb", "dotenv.dotenv_values()"})


def call(looking: Looking, call: Call, walk: Expressions) -> None:
    for value in call.what:
        if isinstance(value, Path) and (
            value.name in ENVIRONMENT_READERS or value.name.endswith("dotenv_values().get")
        ):
            position = 1 if value.name == "dotenv.get_key" else 0
            _look(looking, call.node, call.argument(position, "key"), walk)


def subscript(looking: Looking, node: ast.Subscript, of: Values, index: Values, walk: Expressions) -> None:
    if isinstance(node.ctx, ast.Load) and any(isinstance(value, Path) and value.name in ENVIRONMENTS for value in of):
        _look(looking, node, index, walk)


def _look(looking: Looking, node: ast.AST, named: Values, walk: Expressions) -> None:
    name = text_of(named)
    if name is not None and not looking.configuration and (name in KEYS or name in looking.project.key_names):
        looking.note(walk, node, "AK003", f"{name} is read outside of configuration.")
