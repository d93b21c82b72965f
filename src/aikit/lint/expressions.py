"""What an expression stands for. Calls in it are given to the rules; nothing is imported and nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Callable

from aikit.lint.calls import Call, Rules
from aikit.lint.kit_names import KIT_METHODS, KIT_NAMES, KIT_TYPES, is_kit_type, looks_like_a_kit, makes_kit
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
    Table,
    Text,
    Values,
    joined,
    text_of,
)

TAGS = frozenset({"aikit.tags", "aikit.context.tags"})
KEPT = frozenset({"strip", "rstrip", "lstrip", "lower", "encode"})
"""Methods of a text that leave its beginning as it is, for what it matters here."""


class Expressions:
    """Reads expressions in the scope where they stand. Each is read once."""

    def __init__(self, rules: Rules) -> None:
        self.scope = Scope(None, "module")
        self.statement = 1
        self.functions: list[Function] = []
        self._rules = rules
        self._branches = 0

    @property
    def tagged(self) -> bool:
        """Whether a tenant is set around here."""
        return self.scope.tagged > 0

    def _children(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)
            else:
                self._children(child)

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

    def _parameters(self, arguments: ast.arguments) -> Scope:
        """The scope of a function's body. Defaults and annotations are read where it stands."""
        positional = [*arguments.posonlyargs, *arguments.args]
        defaults = dict(
            zip(reversed(positional), (self.value(one) for one in reversed(arguments.defaults)), strict=False)
        )
        for parameter, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            defaults[parameter] = self.value(default) if default is not None else NOTHING
        scope = Scope(self.scope, "function", tagged=self.scope.tagged)
        for each in (*positional, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
            if each is not None:
                scope.names[each.arg] = self._parameter(each, defaults.get(each, NOTHING))
        return scope

    def _parameter(self, parameter: ast.arg, default: Values) -> Values:
        """What a parameter may stand for: a kit by its annotation, else its default."""
        if parameter.annotation is None:
            return default
        self.value(parameter.annotation)
        if self._is_kit(parameter.annotation):
            return (Kit(),)
        return default or ((Local(),) if parameter.arg in KIT_NAMES else NOTHING)

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
        return tuple(each for value in of if isinstance(value, Table) for each in value.at(text_of(index)))

    def _dict(self, node: ast.Dict) -> Values:
        items: dict[str, Values] = {}
        for key, each in zip(node.keys, node.values, strict=True):
            name, values = text_of(self.value(key)) if key is not None else None, self.value(each)
            if name is not None and values:
                items[name] = values
        return (Table(items),) if items else NOTHING

    def _call(self, node: ast.Call) -> Values:
        what = self.value(node.func)
        arguments = [self.value(argument) for argument in node.args]
        keywords = {keyword.arg or "**": self.value(keyword.value) for keyword in node.keywords}
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("enter_context", "enter_async_context"):
            self.scope.tagged += sum(self._tags(argument) for argument in node.args)
        call = Call(node, what, arguments, keywords)
        if (named := _by_name(call)) is not None:
            return (named,)
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


def _by_name(call: Call) -> Path | None:
    """What `import_module("openai")`, `__import__("openai")` and `getattr(openai, "OpenAI")` stand for."""
    builtin = call.target.id if isinstance(call.target, ast.Name) and not call.what else ""
    first = call.arguments[0] if call.arguments else NOTHING
    if builtin == "__import__" or Path("importlib.import_module") in call.what:
        stated = text_of(first)
        return Path(stated.partition(".")[0] if builtin else stated) if stated else None
    if builtin == "getattr" and len(call.arguments) > 1 and (name := text_of(call.arguments[1])):
        return next((Path(f"{value.name}.{name}") for value in first if isinstance(value, Path)), None)
    return None


def _formatted(value: Text) -> Text:
    head, brace, _ = value.text.partition("{")
    return Text(head, not brace)


_EXPRESSIONS: dict[type, Callable[..., Values]] = {
    ast.Name: Expressions._name,
    ast.Constant: Expressions._constant,
    ast.Attribute: Expressions._attribute,
    ast.JoinedStr: Expressions._joined,
    ast.BinOp: Expressions._operation,
    ast.IfExp: Expressions._either,
    ast.BoolOp: Expressions._any,
    ast.Await: Expressions._awaited,
    ast.NamedExpr: Expressions._walrus,
    ast.Lambda: Expressions._lambda,
    ast.ListComp: Expressions._comprehension,
    ast.SetComp: Expressions._comprehension,
    ast.GeneratorExp: Expressions._comprehension,
    ast.DictComp: Expressions._comprehension,
    ast.Subscript: Expressions._subscript,
    ast.Dict: Expressions._dict,
    ast.Call: Expressions._call,
}
