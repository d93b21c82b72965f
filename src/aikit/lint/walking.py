"""Reads a module from top to bottom and keeps track of what each name stands for; calls are given to the rules.

Bodies of functions come after the module, when all of its names are known. Nothing is imported and nothing is run.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from aikit.lint.known import STARS
from aikit.lint.values import (
    NOTHING,
    Class,
    Function,
    Kit,
    KitCall,
    Local,
    Made,
    Path,
    Result,
    Scope,
    Text,
    Values,
    joined,
)

KIT_TYPES = frozenset({"AIKit", "AsyncAIKit"})
KIT_NAMES = frozenset({"kit", "_kit", "ai_kit", "_ai_kit", "async_kit", "_async_kit", "my_kit"})
KIT_METHODS = frozenset({"openai", "anthropic", "gemini", "wrap", "complete", "stream", "prompt"})
TAGS = frozenset({"aikit.tags", "aikit.context.tags"})
KEPT = frozenset({"strip", "rstrip", "lstrip", "lower", "encode"})
"""Methods of a text that leave its beginning as it is, for what it matters here."""


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

    def call(self, call: Call, walk: Walk) -> Values | None: ...

    def subscript(self, node: ast.Subscript, of: Values, index: Values, walk: Walk) -> None: ...

    def assigned(self, node: ast.Attribute, of: Values, walk: Walk) -> None: ...


class Walk:
    """One pass over a module."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.scope = Scope(None, "module")
        self.statement = 1
        self.functions: list[Function] = []
        self._branches = 0
        self._later: deque[tuple[Scope, Callable[[], None]]] = deque()

    @property
    def tagged(self) -> bool:
        """Whether a tenant is set around here."""
        return self.scope.tagged > 0

    def module(self, tree: ast.Module) -> None:
        self._body(tree.body)
        while self._later:
            self.scope, then = self._later.popleft()
            then()

    # Statements

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

    def _target(self, target: ast.expr, values: Values, source: ast.expr | None = None) -> None:
        if isinstance(target, ast.Name):
            self._bind(target.id, values)
        elif isinstance(target, ast.Attribute):
            of = self.value(target.value)
            self._rules.assigned(target, of, self)
            for owner in of:
                if isinstance(owner, Class):
                    owner.attributes[target.attr] = owner.attributes.get(target.attr, NOTHING) + values
        elif isinstance(target, (ast.Tuple, ast.List)):
            same = isinstance(source, (ast.Tuple, ast.List)) and len(source.elts) == len(target.elts)
            for number, each in enumerate(target.elts):
                part = source.elts[number] if same else None  # type: ignore[union-attr]  # `same` says that it has some
                self._target(each, self._peek(part) if part is not None else NOTHING)
        elif isinstance(target, ast.Starred):
            self._target(target.value, NOTHING)
        else:
            self.value(target)

    def _peek(self, node: ast.expr) -> Values:
        """What a plain name or text stands for, without telling the rules again."""
        return self.value(node) if isinstance(node, (ast.Name, ast.Constant)) else NOTHING

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

    def _parameters(self, arguments: ast.arguments) -> Scope:
        """The scope of a function's body. Defaults and annotations are read where it stands."""
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self.value(default)
        scope = Scope(self.scope, "function", tagged=self.scope.tagged)
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        for parameter in every:
            if parameter is None:
                continue
            values: Values = NOTHING
            if parameter.annotation is not None:
                self.value(parameter.annotation)
                values = (Kit(),) if self._is_kit(parameter.annotation) else NOTHING
                if not values and parameter.arg in KIT_NAMES:
                    values = (Local(),)
            scope.names[parameter.arg] = values
        return scope

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

    def _tags(self, node: ast.expr) -> bool:
        """Whether this is `aikit.tags(tenant=…)`."""
        if not isinstance(node, ast.Call):
            return False
        if not any(isinstance(value, Path) and value.name in TAGS for value in self._quiet(node.func)):
            return False
        return any(
            keyword.arg is None
            or (
                keyword.arg == "tenant"
                and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is None)
            )
            for keyword in node.keywords
        )

    def _bind(self, name: str, values: Values) -> None:
        self.scope.bind(name, values, maybe=self._branches > 0)

    def _is_kit(self, annotation: ast.expr) -> bool:
        """Whether an annotation names a kit: `AIKit`, `aikit.AIKit | None`, or either as a text."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            return any(annotation.value.rpartition(".")[2].startswith(name) for name in KIT_TYPES)
        if isinstance(annotation, ast.BinOp):
            return self._is_kit(annotation.left) or self._is_kit(annotation.right)
        if isinstance(annotation, ast.Subscript):
            return self._is_kit(annotation.slice)
        return any(isinstance(value, Path) and is_kit_type(value.name) for value in self._quiet(annotation))

    def _quiet(self, node: ast.expr) -> Values:
        """The same as `value` for names and their attributes, which no rule looks at."""
        if isinstance(node, ast.Name):
            return self.scope.find(node.id)
        if isinstance(node, ast.Attribute):
            return tuple(
                Path(f"{value.name}.{node.attr}") for value in self._quiet(node.value) if isinstance(value, Path)
            )
        return NOTHING

    # Expressions

    def value(self, node: ast.expr) -> Values:
        """What an expression may stand for. Everything in it is looked at once."""
        handler = _EXPRESSIONS.get(type(node))
        if handler is not None:
            return handler(self, node)
        self._children(node)
        return NOTHING

    def _name(self, node: ast.Name) -> Values:
        return self.scope.find(node.id)

    def _constant(self, node: ast.Constant) -> Values:
        return (Text(node.value),) if isinstance(node.value, str) else NOTHING

    def _attribute(self, node: ast.Attribute) -> Values:
        of = self.value(node.value)
        if node.attr in KIT_METHODS and looks_like_a_kit(node.value, of):
            return (KitCall(node.attr),)
        found: list[Values] = []
        for value in of:
            if isinstance(value, Path):
                found.append((Path(f"{value.name}.{node.attr}"),))
            elif isinstance(value, Class):
                found.append(value.attributes.get(node.attr, NOTHING))
            elif isinstance(value, Text):
                found.append((value,) if node.attr in KEPT else (_formatted(value),) if node.attr == "format" else ())
            elif isinstance(value, (Local, Made, Kit)):
                found.append((Local(),))
        return tuple(value for values in found for value in values)

    def _joined(self, node: ast.JoinedStr) -> Values:
        parts = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                values = self.value(part.value)
                parts.append(values if part.conversion == -1 and part.format_spec is None else NOTHING)
            else:
                parts.append(self.value(part))
        return joined(parts)

    def _operation(self, node: ast.BinOp) -> Values:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Add):
            return joined([left, right])
        if isinstance(node.op, ast.Mod):
            return tuple(Text(value.text.partition("%")[0], False) for value in left if isinstance(value, Text))
        return NOTHING

    def _either(self, node: ast.IfExp) -> Values:
        self.value(node.test)
        return self.value(node.body) + self.value(node.orelse)

    def _any(self, node: ast.BoolOp) -> Values:
        return tuple(value for each in node.values for value in self.value(each))

    def _awaited(self, node: ast.Await) -> Values:
        return self.value(node.value)

    def _walrus(self, node: ast.NamedExpr) -> Values:
        values = self.value(node.value)
        self._target(node.target, values)
        return values

    def _lambda(self, node: ast.Lambda) -> Values:
        scope = self._parameters(node.args)
        outer, self.scope = self.scope, scope
        values = self.value(node.body)
        self.scope = outer
        function = Function([value for value in values if isinstance(value, Made)])
        self.functions.append(function)
        return (function,)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Values:
        outer = self.scope
        self.scope = Scope(outer, "comprehension", outer.of, outer.tagged)
        for generator in node.generators:
            self.value(generator.iter)
            self._target(generator.target, NOTHING)
            for condition in generator.ifs:
                self.value(condition)
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for result in results:
            self.value(result)
        self.scope = outer
        return NOTHING

    def _subscript(self, node: ast.Subscript) -> Values:
        of, index = self.value(node.value), self.value(node.slice)
        self._rules.subscript(node, of, index, self)
        return NOTHING

    def _call(self, node: ast.Call) -> Values:
        what = self.value(node.func)
        arguments = [self.value(argument) for argument in node.args]
        keywords = {keyword.arg or "**": self.value(keyword.value) for keyword in node.keywords}
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("enter_context", "enter_async_context"):
            self.scope.tagged += sum(self._tags(argument) for argument in node.args)
        call = Call(node, what, arguments, keywords)
        answer = self._rules.call(call, self)
        if answer is not None:
            return answer
        found: list[Values] = []
        for value in what:
            if isinstance(value, Path):
                found.append((Kit(),) if makes_kit(value.name) else (Path(f"{value.name}()"),))
            elif isinstance(value, Function):
                value.calls += 1
                found.append((Kit(),) if value.gives_kit else (Result(value),))
            elif isinstance(value, Text):
                found.append((value,))
            elif isinstance(value, (Class, Local)):
                found.append((Local(),))
        return tuple(value for values in found for value in values)


def _formatted(value: Text) -> Text:
    head, brace, _ = value.text.partition("{")
    return Text(head, not brace)


def is_kit_type(name: str) -> bool:
    """Whether a full name is that of AIKit or AsyncAIKit."""
    root, _, last = name.rpartition(".")
    return last in KIT_TYPES and root.partition(".")[0] == "aikit"


def makes_kit(name: str) -> bool:
    """Whether a call of this gives a kit."""
    return is_kit_type(name.removesuffix(".open"))


def looks_like_a_kit(node: ast.expr, values: Values) -> bool:
    """It is a kit, or is called like one and is nothing else that is known."""
    if any(isinstance(value, Kit) for value in values):
        return True
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    if name not in KIT_NAMES:
        return False
    return all(isinstance(value, Path) and _may_be_a_kit(value.name) for value in values)


def _may_be_a_kit(name: str) -> bool:
    """Imported from somewhere, or what a function such as `get_kit` gives; not a module, and not another's class."""
    last = name.rpartition(".")[2]
    return "." in name.strip(".") and (not last.endswith("()") or ("kit" in last and last.islower()))


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
_EXPRESSIONS: dict[type, Callable[..., Values]] = {
    ast.Name: Walk._name,
    ast.Constant: Walk._constant,
    ast.Attribute: Walk._attribute,
    ast.JoinedStr: Walk._joined,
    ast.BinOp: Walk._operation,
    ast.IfExp: Walk._either,
    ast.BoolOp: Walk._any,
    ast.Await: Walk._awaited,
    ast.NamedExpr: Walk._walrus,
    ast.Lambda: Walk._lambda,
    ast.ListComp: Walk._comprehension,
    ast.SetComp: Walk._comprehension,
    ast.GeneratorExp: Walk._comprehension,
    ast.DictComp: Walk._comprehension,
    ast.Subscript: Walk._subscript,
    ast.Call: Walk._call,
}
