"""Reads a module from top to bottom and keeps track of what each name stands for.

Bodies of functions come after the module, when all of its names are known.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable, Iterable

from aikit.lint.calls import Rules
from aikit.lint.expressions import Expressions
from aikit.lint.known import STARS
from aikit.lint.values import NOTHING, Class, Function, Kit, Made, Path, Scope


class Walk(Expressions):
    """One pass over a module."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(rules)
        self._later: deque[tuple[Scope, Callable[[], None]]] = deque()

    def module(self, tree: ast.Module) -> None:
        self._body(tree.body)
        while self._later:
            self.scope, then = self._later.popleft()
            then()

    def _body(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            self._one(statement)

    def _one(self, node: ast.stmt) -> None:
        before, self.statement = self.statement, node.lineno
        handler = _STATEMENTS.get(type(node))
        if handler is not None:
            handler(self, node)
        else:
            self._children(node)
        self.statement = before

    def _children(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)
            elif isinstance(child, ast.stmt):
                self._one(child)
            else:
                self._children(child)

    def _branch(self, node: ast.AST) -> None:
        self._branches += 1
        self._children(node)
        self._branches -= 1

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            self._bind(alias.asname or name, (Path(name),))

    def _import_from(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            if alias.name == "*":
                for name in STARS.get(module, ()):
                    self._bind(name, (Path(f"{module}.{name}"),))
            else:
                self._bind(alias.asname or alias.name, (Path(f"{module}.{alias.name}"),))

    def _assign(self, node: ast.Assign) -> None:
        values = self.value(node.value)
        for target in node.targets:
            self._target(target, values, node.value)

    def _annotated(self, node: ast.AnnAssign) -> None:
        if self._is_kit(node.annotation):
            self._target(node.target, (Kit(),))
            if node.value is not None:
                self.value(node.value)
        elif node.value is not None:
            self._target(node.target, self.value(node.value))
        self.value(node.annotation)

    def _augmented(self, node: ast.AugAssign) -> None:
        self.value(node.value)
        self._target(node.target, NOTHING)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        tagged = sum(self._tags(decorator) for decorator in node.decorator_list)
        for decorator in node.decorator_list:
            self.value(decorator)
        function = Function(gives_kit=node.returns is not None and self._is_kit(node.returns))
        self.functions.append(function)
        scope = self._parameters(node.args)
        scope.function, scope.tagged = function, scope.tagged + tagged
        scope.outside = frozenset(name for child in node.body if isinstance(child, ast.Global) for name in child.names)
        owner = self.scope.of if self.scope.kind == "class" else None
        self._bind(node.name, (function,))
        if owner is not None:
            owner.attributes[node.name] = (function,)
            first = next(iter([*node.args.posonlyargs, *node.args.args]), None)
            if first is not None:
                scope.names[first.arg] = (owner,)
        self._later.append((scope, lambda: self._body(node.body)))

    def _class(self, node: ast.ClassDef) -> None:
        bases = [value for base in node.bases for value in self.value(base)]
        for each in (*node.decorator_list, *(keyword.value for keyword in node.keywords)):
            self.value(each)
        names = [value.name for value in bases if isinstance(value, Path)]
        names += [name for value in bases if isinstance(value, Class) for name in value.bases]
        made = Class(tuple(names))
        for base in bases:
            if isinstance(base, Class):
                made.attributes.update(base.attributes)
        self._bind(node.name, (made,))
        outer, self.scope = self.scope, Scope(self.scope, "class", of=made, tagged=self.scope.tagged)
        self._body(node.body)
        made.attributes.update(self.scope.names)
        self.scope = outer

    def _return(self, node: ast.Return) -> None:
        values = self.value(node.value) if node.value is not None else NOTHING
        if self.scope.function is not None:
            self.scope.function.returns.extend(value for value in values if isinstance(value, Made))

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        before = self.scope.tagged
        for item in node.items:
            tagged = self._tags(item.context_expr)
            values = self.value(item.context_expr)
            if item.optional_vars is not None:
                self._target(item.optional_vars, values)
            self.scope.tagged += tagged
        self._body(node.body)
        self.scope.tagged = before

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        self.value(node.iter)
        self._target(node.target, NOTHING)
        self._body([*node.body, *node.orelse])


_STATEMENTS: dict[type, Callable[..., None]] = {
    ast.Import: Walk._import,
    ast.ImportFrom: Walk._import_from,
    ast.Assign: Walk._assign,
    ast.AnnAssign: Walk._annotated,
    ast.AugAssign: Walk._augmented,
    ast.FunctionDef: Walk._function,
    ast.AsyncFunctionDef: Walk._function,
    ast.ClassDef: Walk._class,
    ast.Return: Walk._return,
    ast.With: Walk._with,
    ast.AsyncWith: Walk._with,
    ast.For: Walk._for,
    ast.AsyncFor: Walk._for,
    ast.If: Walk._branch,
    ast.Try: Walk._branch,
    ast.TryStar: Walk._branch,
    ast.While: Walk._branch,
    ast.Match: Walk._branch,
}
