"""Asks a model for a judgement by a prompt of the registry, and takes no answer but the one that was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from aikit.evals.model import ModelCall, Role
from aikit.evals.scorers.base import Context, Options, Unscored
from aikit.evals.scorers.fencing import fenced
from aikit.prompts.model import Prompt, Ref
from aikit.prompts.rendering import render
from aikit.prompts.schemas import SchemaWrong, problems, stated

Wrong = Callable[[Mapping[str, Any]], str | None]
"""Says what is wrong with the fields of a judgement; None if nothing is."""
_FENCE = re.compile(r"\s*```(?:json)?[ \t]*\n(.*)\n[ \t]*```\s*", re.DOTALL)
UNTRUSTED = ("answer", "source", "context", "reference", "claim", "vars")
"""Inputs of judges whose text comes from a model or a case."""


async def ask(
    context: Context, ref: Ref, inputs: Mapping[str, Any], *, options: Options, wrong: Wrong
) -> dict[str, Any]:
    """What a judge says to these inputs, of which it is shown those that its prompt declares.

    There may be nothing `wrong` with its answer, and it must be what the prompt's own output schema asks for. Raises
    Unscored if it is not, PromptError for a prompt that can't be used, and whatever the call raises.
    """
    prompt = context.prompts.load(ref)
    declared = prompt.inputs.get("properties", {})
    shown = {name: value for name, value in inputs.items() if name in declared and value is not None}
    rendered = render(prompt, fenced(prompt, shown, UNTRUSTED))
    answer = await context.models.ask(
        ModelCall(
            role=Role.JUDGE,
            model=options["model"],
            messages=rendered.parts,
            parameters={**prompt.parameters, **options.get("parameters", {})},
            trial=context.trial,
            schema=prompt.output,
            prompt=rendered.id,
        )
    )
    return read_judgement(answer.text, prompt, wrong)


def read_judgement(text: str, prompt: Prompt, wrong: Wrong) -> dict[str, Any]:
    """The JSON object that a judge answered, alone or as the one code block. Raises Unscored for anything else."""
    block = _FENCE.fullmatch(text)
    try:
        found = json.loads(block[1] if block else text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Unscored(f"{prompt.id.id} did not answer in JSON: {_short(text)}") from None
    what = wrong(found) if isinstance(found, dict) else "it is no object"
    if what is None and prompt.output is not None:
        what = _against_schema(found, prompt.output, prompt)
    if what is not None:
        raise Unscored(f"{prompt.id.id} answered what it may not ({what}): {_short(text)}")
    return dict(found)


def _against_schema(found: Any, schema: Mapping[str, Any], prompt: Prompt) -> str | None:
    try:
        wrong = problems(schema, found)
    except SchemaWrong as error:
        raise Unscored(f"{prompt.id.id}: its output schema can't be used: {error.message}") from None
    if not wrong:
        return None
    path, keyword, value = wrong[0]
    at = ".".join(str(part) for part in path) or "the whole"
    return f"{at} does not meet {keyword}: {stated(value)}"


def _no_number(written: str) -> Any:
    raise ValueError(f"{written} is no number that JSON has")


def _short(text: str) -> str:
    shown = " ".join(text.split())
    return (shown if len(shown) <= 200 else shown[:199] + "…") or "nothing"
