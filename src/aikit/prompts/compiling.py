"""Compiles the template of one message: parsed, checked against the allow-list, rewritten; cached by its text."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from types import TracebackType
from typing import NamedTuple

from jinja2 import Template, TemplateSyntaxError, meta

from aikit.errors import PromptInvalid
from aikit.prompts.budget import Budget
from aikit.prompts.checking import NotAllowed, check, check_special_names
from aikit.prompts.model import Block
from aikit.prompts.rewriting import rewritten
from aikit.prompts.sandbox import BUDGET, SANDBOX

FILE = "<prompt>"
CACHED = 512
"""Templates of messages; more than all labels of an application point to."""


class Compiled(NamedTuple):
    """A template that can run, and the names that it takes from its inputs."""

    template: Template
    names: frozenset[str]

    def run(self, inputs: dict[str, object], budget: Budget) -> Iterator[str]:
        """The pieces of the text."""
        context = self.template.new_context({**inputs, BUDGET: budget})
        return self.template.root_render_func(context)

    def line(self, trace: TracebackType | None) -> int:
        """The line of the template that an error comes from."""
        found = 1
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == FILE:
                found = self.template.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        return found


def compile_block(block: Block, where: str) -> Compiled:
    """Raises PromptInvalid that names file, line and remedy."""
    try:
        return _compiled(block.template)
    except NotAllowed as error:
        raise _wrong(where, block, error.line, error.message, error.remedy) from None
    except TemplateSyntaxError as error:
        raise _wrong(where, block, error.lineno, error.message or "a syntax error", "Correct that line.") from None
    except (SyntaxError, RecursionError, MemoryError, ValueError, OverflowError) as error:
        what = f"it can't be compiled ({type(error).__name__})"
        raise _wrong(where, block, 1, what, "Write it in simpler steps.") from None


@lru_cache(CACHED)
def _compiled(template: str) -> Compiled:
    tree = SANDBOX.parse(template)
    check(tree)
    check_special_names(tree)
    names = meta.find_undeclared_variables(tree) - {"range"}
    code = SANDBOX.compile(rewritten(tree), filename=FILE)
    return Compiled(Template.from_code(SANDBOX, code, {}), frozenset(names))


def _wrong(where: str, block: Block, line: int, what: str, remedy: str) -> PromptInvalid:
    at = block.line + line - 1
    return PromptInvalid(f"{where} line {at}: {what.rstrip('.')}.", facts={"file": where, "line": at}, remedy=remedy)
