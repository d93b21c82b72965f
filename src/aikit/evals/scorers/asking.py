"""Asks a model for a judgement by a prompt of the registry, and takes no answer but the one that was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from aikit.evals.model import ModelCall, Role
from aikit.evals.scorers.base import Context, Options, Unscored
from aikit.evals.scorers.fencing import fenced
from aikit.prompts.model import Prompt, Ref
from aikit.prompts.rendering import render
from aikit.prompts.schemas import SchemaWrong, problems, stated

Schema = Mapping[str, Any]
_FENCE = re.compile(r"\s*```(?:json)?[ \t]*\n(.*)\n[ \t]*```\s*", re.DOTALL)
UNTRUSTED = ("answer", "source", "context", "reference", "claim", "vars")
"""Inputs of judges whose text comes from a model or a case."""


async def ask(
    context: Context, ref: Ref, inputs: Mapping[str, Any], *, options: Options, needed: Schema
) -> dict[str, Any]:
    """What a judge says to these inputs, of which it is shown those that its prompt declares.

    Its answer must be what `needed` and the prompt's own output schema ask for. Raises Unscored if it is not,
    PromptError for a prompt that can't be used, and whatever the call raises.
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
    return read_judgement(answer.text, prompt, needed)


def read_judgement(text: str, prompt: Prompt, needed: Schema) -> dict[str, Any]:
    """The JSON object that a judge answered, alone or as the one code block. Raises Unscored for anything else."""
    block = _FENCE.fullmatch(text)
    try:
        found = json.loads(block[1] if block else text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Unscored(f"{prompt.id.id} did not answer in JSON: {_short(text)}") from None
    for schema in (needed, prompt.output or {}):
        _check(found, schema, prompt, text)
    return dict(found)


def _check(found: Any, schema: Schema, prompt: Prompt, text: str) -> None:
    try:
        wrong = problems(schema, found)
    except SchemaWrong as error:
        raise Unscored(f"{prompt.id.id}: its output schema can't be used: {error.message}") from None
    if wrong:
        path, keyword, value = wrong[0]
        at = ".".join(str(part) for part in path) or "the whole"
        raise Unscored(
            f"{prompt.id.id} answered what it may not: {at} against {keyword} {stated(value)}: {_short(text)}"
        )


def _no_number(written: str) -> Any:
    raise ValueError(f"{written} is no number that JSON has")


def _short(text: str) -> str:
    shown = " ".join(text.split())
    return (shown if len(shown) <= 200 else shown[:199] + "…") or "nothing"
