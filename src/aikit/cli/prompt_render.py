"""`aikit prompt render`: a prompt filled in, as a model would get it; nothing is sent."""

from __future__ import annotations

import json as jsons
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.options import Json
from aikit.cli.output import emit_json, gap
from aikit.cli.prompt_show import message
from aikit.errors import PromptInputInvalid

if TYPE_CHECKING:
    from aikit.prompts.model import Prompt

Reference = Annotated[str, typer.Argument(metavar="REF", help="summarize@v3, summarize@production or @candidate.")]
Input = Annotated[list[str] | None, typer.Option("--input", metavar="NAME=VALUE", help="An input; repeatable.")]
InputFile = Annotated[
    list[str] | None, typer.Option("--input-file", metavar="NAME=PATH", help="An input whose text is in a file.")
]
Inputs = Annotated[str | None, typer.Option("--inputs", metavar="JSON", help="All inputs as JSON; - reads stdin.")]
LARGEST = 20_000_000
"""Bytes of a file of inputs."""


def render(
    ref: Reference, values: Input = None, files: InputFile = None, inputs: Inputs = None, json: Json = False
) -> None:
    """Fill a prompt in and print its messages. Nothing is sent to anybody.

    A VALUE is a text where the prompt declares one, and JSON where it declares something else: --input words=80.
    """
    from aikit.cli.prompt_found import find
    from aikit.prompts.rendering import render as fill_in

    prompt = find(ref)
    filled = fill_in(prompt, _inputs(prompt, values or [], files or [], inputs))
    if json:
        settings = {"model": prompt.model, "parameters": dict(prompt.parameters)}
        known = {"prompt": prompt.id.id, "sha256": prompt.sha256}
        characters = sum(len(part.text) for part in filled.parts)
        emit_json("prompt.render", known | settings | {"messages": filled.messages}, {"characters": characters})
        return
    for number, part in enumerate(filled.parts):
        if number:
            gap()
        message(part.role, part.text)


def _inputs(prompt: Prompt, values: list[str], files: list[str], inputs: str | None) -> dict[str, Any]:
    found = _all(inputs)
    for option, written in [("--input", text) for text in values] + [("--input-file", text) for text in files]:
        name, equals, value = written.partition("=")
        if not equals:
            raise typer.BadParameter(f"{written[:80]!r} has no =. Write NAME=VALUE.", param_hint=option)
        if name in found:
            raise typer.BadParameter(f"{name} is given twice.", param_hint=option)
        found[name] = _typed(prompt, name, value) if option == "--input" else _text(value)
    return found


def _all(inputs: str | None) -> dict[str, Any]:
    if inputs is None:
        return {}
    try:
        found = jsons.loads(sys.stdin.buffer.read(LARGEST).decode("utf-8") if inputs == "-" else inputs)
    except (ValueError, RecursionError) as error:
        raise PromptInputInvalid(
            f"--inputs is not JSON ({type(error).__name__}).", remedy='Write an object: --inputs \'{"thread": "…"}\'.'
        ) from None
    if not isinstance(found, dict):
        raise PromptInputInvalid("--inputs is no object.", remedy='Write --inputs \'{"thread": "…"}\'.')
    return found


def _typed(prompt: Prompt, name: str, value: str) -> Any:
    """The text itself, unless something else is declared: then what it is as JSON, if it is any."""
    declared = prompt.inputs.get("properties", {}).get(name, {})
    if not isinstance(declared, dict) or declared.get("type", "string") == "string":
        return value
    try:
        return jsons.loads(value)
    except (ValueError, RecursionError):
        return value


def _text(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError("it has more than 20 MB")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PromptInputInvalid(f"{path} is not UTF-8.", remedy="Save the file as UTF-8.") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise PromptInputInvalid(f"{path} can't be read: {why}.", remedy="Check the path.") from None
