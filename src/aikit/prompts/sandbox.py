"""The sandbox that templates run in: Jinja's immutable one, with every operation replaced by one that is paid for.

`values.py` has the operations, `filters.py` the filters; `checking.py` refuses what is in neither, and `rewriting.py`
turns the rest of the syntax into calls of the internal filters here, whose names no template can write.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from jinja2 import StrictUndefined, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from aikit.prompts.budget import Budget
from aikit.prompts.filters import FILTERS, TESTS
from aikit.prompts.values import (
    Misused,
    added,
    calculated,
    compared,
    concatenated,
    each,
    given,
    kind,
    power,
    ranged,
    sliced,
    written,
)

BUDGET = " budget"
"""Where a rendering's budget is in its context; no template can name it."""
LOOP = frozenset({"first", "index", "index0", "last", "length", "revindex", "revindex0"})
"""What may be read of `loop`."""


class Missing(StrictUndefined):
    """What is not there: using it is an error, which says so without the name of any class."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return self._undefined_hint or f"{self._undefined_name} was not given"


class Sandbox(ImmutableSandboxedEnvironment):
    """Reads items of mappings and lists, and nothing else; calls nothing."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    intercepted_unops = frozenset({"+", "-"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext) and attribute in LOOP:
            return getattr(obj, attribute)
        if type(given(obj)) is not dict:
            raise Misused(f".{attribute} was asked of {kind(obj)}, and only mappings have fields")
        return obj[attribute] if attribute in obj else Missing(f"a mapping has no .{attribute}")

    def getitem(self, obj: Any, argument: Any) -> Any:
        held, asked = type(given(obj)), type(given(argument))
        if held is dict and asked is str:
            return obj[argument] if argument in obj else Missing("a mapping has no item of that name")
        if held in (list, str) and asked is int:
            return obj[argument] if -len(obj) <= argument < len(obj) else Missing(f"{kind(obj)} has no item {argument}")
        raise Misused(f"[…] with {kind(argument)} was asked of {kind(obj)}")

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        raise Misused("nothing can be called here")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "+":
            return added(context.parent[BUDGET], left, right)
        if operator == "**":
            return power(left, right)
        return calculated(operator, self.binop_table[operator], left, right)

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        return calculated(operator, self.binop_table[operator], 0, arg)


def _paid(work: Callable[..., Any]) -> Callable[..., Any]:
    """A filter as Jinja calls it: with the context, in which the budget is."""

    @pass_context
    @wraps(work)
    def filtered(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        for argument in (*args, *kwargs.values()):
            given(argument)
        return work(context.parent[BUDGET], value, *args, **kwargs)

    return filtered


@pass_context
def _finalize(context: Context, value: Any) -> str:
    text = written(value)
    context.parent[BUDGET].text(len(text))
    return text


def _step(budget: Budget, parts: int) -> bool:
    budget.spend(parts)
    return True


STEP, EACH, RANGE, SLICE, JOINED, COMPARED = " step", " each", " range", " slice", " joined", " compared"
INTERNAL: dict[str, Callable[..., Any]] = {
    STEP: _step,
    EACH: each,
    RANGE: ranged,
    SLICE: sliced,
    JOINED: concatenated,
    COMPARED: compared,
}


def new_sandbox() -> Sandbox:
    """The one that all prompts share; it holds nothing of any of them."""
    made = Sandbox(
        undefined=Missing,
        autoescape=False,
        optimized=False,
        keep_trailing_newline=True,
        finalize=_finalize,
        cache_size=0,
    )
    made.globals.clear()
    made.filters.clear()
    made.tests.clear()
    made.filters.update({name: _paid(work) for name, work in {**FILTERS, **INTERNAL}.items()})
    made.tests.update(TESTS)
    return made


SANDBOX = new_sandbox()
