"""Rewrites the tree of a checked template so that whatever can grow or take long is paid for from the budget."""

from __future__ import annotations

from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from aikit.prompts.sandbox import COMPARED, EACH, JOINED, RANGE, SANDBOX, SLICE, STEP


def rewritten(tree: nodes.Template) -> nodes.Template:
    """The same tree, changed in place."""
    changed = _Rewriter().visit(tree)
    changed.set_environment(SANDBOX)
    return changed  # type: ignore[no-any-return]  # what a visitor of Jinja returns is Any


def _paid(name: str, value: Any, args: list[Any], line: int) -> nodes.Filter:
    return nodes.Filter(value, name, args, [], None, None, lineno=line)


def _const(value: Any, line: int) -> nodes.Const:
    return nodes.Const(value, lineno=line)


class _Rewriter(NodeTransformer):
    def visit_For(self, node: nodes.For) -> nodes.Node:
        """Every turn costs as much as there is in the body; the condition of a loop is a turn, too."""
        line, parts = node.lineno, 1 + sum(1 for inner in node.body for _ in inner.find_all(nodes.Node))
        self.generic_visit(node)
        turn = nodes.ExprStmt(_paid(STEP, _const(parts + len(node.body), line), [], line), lineno=line)
        node.body = [turn, *node.body]
        node.iter = _paid(EACH, node.iter, [], line)
        if node.test is not None:
            cost = 1 + sum(1 for _ in node.test.find_all(nodes.Node))
            node.test = nodes.And(_paid(STEP, _const(cost, line), [], line), node.test, lineno=line)
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        self.generic_visit(node)
        return _paid(RANGE, nodes.List(node.args, lineno=node.lineno), [], node.lineno)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _paid(JOINED, nodes.List(node.nodes, lineno=node.lineno), [], node.lineno)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        return node if node.ctx != "load" else nodes.List(node.items, lineno=node.lineno)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        line, left = node.lineno, node.expr
        found: nodes.Expr | None = None
        for operand in node.ops:
            one = _paid(COMPARED, left, [_const(operand.op, line), operand.expr], line)
            found = one if found is None else nodes.And(found, one, lineno=line)
            left = operand.expr
        return found or node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        bounds = [bound or _const(None, node.lineno) for bound in (node.arg.start, node.arg.stop, node.arg.step)]
        return _paid(SLICE, node.node, bounds, node.lineno)
