"""Fills a prompt in: each message by itself, in the sandbox, within one budget. Pure.

What an input holds is text and nothing else: it can't begin a message, and no template is made of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import UndefinedError

from aikit.errors import PromptError, PromptInputInvalid, PromptInvalid
from aikit.prompts.budget import Budget, Exceeded
from aikit.prompts.compiling import Compiled, compile_block
from aikit.prompts.inputs import check_inputs, declared_inputs
from aikit.prompts.model import Block, Prompt, Rendered, RenderedMessage
from aikit.prompts.refs import closest
from aikit.prompts.values import Misused

_FAILURES = (ValueError, TypeError, ArithmeticError, LookupError, RecursionError, MemoryError, AttributeError)


def render(prompt: Prompt, inputs: Mapping[str, Any] | None = None) -> Rendered:
    """The messages of a prompt with these inputs.

    Raises PromptInputInvalid for inputs that are not what the prompt declares, PromptInvalid for a template that does
    what it may not; both name what, and neither shows a value.
    """
    filled = dict(inputs or {})
    check_inputs(prompt, filled)
    check_templates(prompt)
    budget = Budget()
    return Rendered(prompt, tuple(_message(prompt, block, filled, budget) for block in prompt.blocks))


def check_templates(prompt: Prompt) -> None:
    """Raises PromptInvalid for a template that can't be compiled, or that uses what the prompt does not declare."""
    declared = set(declared_inputs(prompt.inputs))
    for block in prompt.blocks:
        compiled = compile_block(block, where(prompt))
        for name in sorted(compiled.names - declared):
            line = block.line + _line_of(block, name) - 1
            takes = f"Declared are {', '.join(sorted(declared))}." if declared else "It declares none."
            raise PromptInvalid(
                f"{where(prompt)} line {line}: {name} is not declared as an input.",
                facts={"file": where(prompt), "line": line, "name": name, "declared": sorted(declared)},
                remedy=f"Declare it under `input` in the front matter. {takes}{closest(name, sorted(declared))}",
            )


def where(prompt: Prompt) -> str:
    """What to call a prompt's file."""
    return f"{prompt.name}/v{prompt.version}.prompt"


def _message(prompt: Prompt, block: Block, inputs: dict[str, Any], budget: Budget) -> RenderedMessage:
    compiled = compile_block(block, where(prompt))
    try:
        return RenderedMessage(block.role, "".join(_counted(compiled, inputs, budget)))
    except UndefinedError as error:
        line = block.line + compiled.line(error.__traceback__) - 1
        raise PromptInputInvalid(
            f"{where(prompt)} line {line}: {error.message}.",
            facts={"prompt": prompt.id.id, "file": where(prompt), "line": line},
            remedy="Pass it, or write `{% if … is defined %}` or `|default(…)` around it in a new version.",
        ) from None
    except Exceeded as error:
        raise _stopped(prompt, block, compiled, error, str(error), "Write less, or pass less.") from None
    except Misused as error:
        raise _stopped(prompt, block, compiled, error, str(error), "Correct that line.") from None
    except _FAILURES as error:
        what = f"this can't be worked out ({type(error).__name__})"
        raise _stopped(prompt, block, compiled, error, what, "Correct that line.") from None


def _counted(compiled: Compiled, inputs: dict[str, Any], budget: Budget) -> Iterator[str]:
    for piece in compiled.run(inputs, budget):
        budget.write(len(piece))
        yield piece


def _stopped(prompt: Prompt, block: Block, compiled: Compiled, error: Exception, what: str, remedy: str) -> PromptError:
    line = block.line + compiled.line(error.__traceback__) - 1
    facts = {"prompt": prompt.id.id, "file": where(prompt), "line": line}
    return PromptInvalid(f"{where(prompt)} line {line}: {what}.", facts=facts, remedy=remedy)


def _line_of(block: Block, name: str) -> int:
    """Where a name is used first, within a block; for a person to look at."""
    from jinja2 import nodes

    from aikit.prompts.sandbox import SANDBOX

    names = SANDBOX.parse(block.template).find_all(nodes.Name)
    return min((found.lineno for found in names if found.name == name), default=1)
