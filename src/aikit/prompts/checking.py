"""What a template may be made of: an allow-list of Jinja's syntax, checked before anything is compiled."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from typing import Any

from jinja2 import nodes

from aikit.prompts.filters import FILTERS, TESTS
from aikit.prompts.refs import closest
from aikit.prompts.sandbox import LOOP
from aikit.prompts.values import BITS

DEEPEST = 60
"""Levels of the tree of a template."""
MOST_PARTS = 5_000
"""Of the tree of the template of one message."""
DEEPEST_NESTING = 10
"""Loops and conditions inside of each other."""
RESERVED = frozenset({"caller", "kwargs", "loop", "range", "self", "super", "varargs"})
"""Names that mean something to Jinja or to us, so no input and no variable has them."""

ALLOWED = frozenset({
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign, nodes.Name, nodes.Const,
    nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Keyword,
    nodes.Call, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Concat, nodes.Compare, nodes.Operand,
    nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos,
    nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow,
})  # fmt: skip

TAGS: dict[type[nodes.Node], str] = {
    nodes.Block: "block", nodes.CallBlock: "call", nodes.Extends: "extends", nodes.FilterBlock: "filter",
    nodes.FromImport: "from", nodes.Import: "import", nodes.Include: "include", nodes.Macro: "macro",
    nodes.Scope: "autoescape", nodes.ScopedEvalContextModifier: "autoescape", nodes.With: "with",
}  # fmt: skip


class NotAllowed(Exception):
    """Something in a template may not be there. `line` is counted within the template."""

    def __init__(self, line: int | None, message: str, remedy: str) -> None:
        self.line, self.message, self.remedy = line or 1, message, remedy
        super().__init__(message)


def check(tree: nodes.Template) -> None:
    """Raises NotAllowed for the first thing, from above, that a template may not have."""
    for parts, (node, depth, nesting) in enumerate(_walk(tree)):
        if parts > MOST_PARTS:
            raise NotAllowed(node.lineno, f"it has more than {MOST_PARTS:,} parts", "Pass what is data as an input.")
        if depth > DEEPEST or nesting > DEEPEST_NESTING:
            raise NotAllowed(node.lineno, "this is nested too deeply", "Write it in simpler steps, with {% set %}.")
        if type(node) not in ALLOWED:
            _refuse(node)
        rule = _RULES.get(type(node))
        if rule is not None:
            rule(node)


def _walk(tree: nodes.Node) -> Iterator[tuple[nodes.Node, int, int]]:
    todo: list[tuple[nodes.Node, int, int]] = [(tree, 0, 0)]
    while todo:
        node, depth, nesting = todo.pop()
        yield node, depth, nesting
        inside = nesting + isinstance(node, nodes.If | nodes.For)
        below = list(node.iter_child_nodes())
        todo.extend((child, depth + 1, inside) for child in reversed(below))


def _refuse(node: nodes.Node) -> None:
    if tag := TAGS.get(type(node)):
        raise NotAllowed(node.lineno, f"{{% {tag} %}} can't be used", "A prompt is one file; use if, for and set.")
    if isinstance(node, nodes.AssignBlock):
        raise NotAllowed(node.lineno, "{% set %} without = can't be used", "Write {% set name = … %}.")
    if isinstance(node, nodes.NSRef):
        raise NotAllowed(node.lineno, "the field of a namespace can't be set", "Use the loop's own variables.")
    raise NotAllowed(node.lineno, f"{type(node).__name__} can't be used", "See what templates may do.")


def _call(node: nodes.Call) -> None:
    if isinstance(node.node, nodes.Name) and node.node.name == "range":
        if node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise NotAllowed(node.lineno, "range takes numbers only", "Write range(1, 10).")
        return
    what = node.node.attr if isinstance(node.node, nodes.Getattr) else getattr(node.node, "name", "this")
    like = f": |{what}." if what in FILTERS else f".{closest(str(what), list(FILTERS))}"
    raise NotAllowed(node.lineno, f"{what}(…) can't be called; only range(…) can", f"Use a filter{like}")


def _filter(node: nodes.Filter) -> None:
    if node.node is None:
        raise NotAllowed(node.lineno, "{% filter %} can't be used", "Write {{ value|filter }}.")
    work = FILTERS.get(node.name)
    if work is None:
        known = f"There are {', '.join(sorted(FILTERS))}.{closest(node.name, list(FILTERS))}"
        raise NotAllowed(node.lineno, f"there is no filter |{node.name}", known)
    _arguments(node, f"|{node.name}", inspect.signature(work), [None, None])


def _test(node: nodes.Test) -> None:
    work = TESTS.get(node.name)
    if work is None:
        known = f"There are {', '.join(sorted(TESTS))}.{closest(node.name, list(TESTS))}"
        raise NotAllowed(node.lineno, f"there is no test `is {node.name}`", known)
    _arguments(node, f"`is {node.name}`", inspect.signature(work), [None])


def _arguments(node: Any, what: str, signature: inspect.Signature, own: list[Any]) -> None:
    try:
        if node.dyn_args or node.dyn_kwargs:
            raise TypeError
        signature.bind(*own, *node.args, **{keyword.key: None for keyword in node.kwargs})
    except TypeError:
        takes = [str(name) for name in list(signature.parameters)[len(own) :]]
        remedy = f"It takes {', '.join(takes)}." if takes else "It takes none."
        raise NotAllowed(node.lineno, f"{what} does not take these arguments", remedy) from None


def _for(node: nodes.For) -> None:
    if node.recursive:
        raise NotAllowed(node.lineno, "recursive loops can't be used", "Write one loop inside of another.")


def _name(node: nodes.Name) -> None:
    if node.ctx != "load" and (node.name in RESERVED or node.name.startswith("_")):
        raise NotAllowed(node.lineno, f"{node.name} can't be a variable", "Choose another name.")


def _pair(node: nodes.Pair) -> None:
    if not (isinstance(node.key, nodes.Const) and isinstance(node.key.value, str)):
        raise NotAllowed(node.lineno, "the keys of a mapping are texts", 'Write {"key": value}.')


def _const(node: nodes.Const) -> None:
    value = node.value
    if (isinstance(value, int) and value.bit_length() > BITS) or (
        isinstance(value, float) and not math.isfinite(value)
    ):
        raise NotAllowed(node.lineno, "this number is too large", "Write a smaller one.")
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        raise NotAllowed(node.lineno, "this text has half of a character", "Write the character itself.")


_RULES: dict[type[nodes.Node], Any] = {
    nodes.Call: _call,
    nodes.Filter: _filter,
    nodes.Test: _test,
    nodes.For: _for,
    nodes.Name: _name,
    nodes.Pair: _pair,
    nodes.Const: _const,
}


def check_special_names(tree: nodes.Template) -> None:
    """`loop` is only for its fields, within a loop, and `range` only to be called."""
    proper: set[int] = set()
    asked: list[nodes.Getattr | nodes.Call] = [*tree.find_all(nodes.Getattr), *tree.find_all(nodes.Call)]
    for found in asked:
        inner = found.node
        if not isinstance(inner, nodes.Name):
            continue
        if (isinstance(found, nodes.Call) and inner.name == "range") or (
            isinstance(found, nodes.Getattr) and inner.name == "loop" and found.attr in LOOP
        ):
            proper.add(id(inner))
    for name in tree.find_all(nodes.Name):
        if name.name in RESERVED and id(name) not in proper:
            raise NotAllowed(
                name.lineno,
                f"{name.name} can't be used like this",
                f"Of loop there is {', '.join(f'loop.{field}' for field in sorted(LOOP))}; range can be called.",
            )
