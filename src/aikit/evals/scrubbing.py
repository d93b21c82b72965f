"""Nothing that looks like a key or a password is written into recordings: the guard `secrets` takes it out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from aikit.evals.model import ModelAnswer
from aikit.guards.trial import try_guards
from aikit.types.guards import GuardAction, GuardRule, Place


class Scrubbed(NamedTuple):
    """A text without secrets, and the kinds of those that were in it."""

    text: str
    kinds: tuple[str, ...]


def scrubbed(text: str) -> Scrubbed:
    """The text with a placeholder in the place of each secret, `[OPENAI_KEY_1]`."""
    tried = try_guards([_RULE], Place.OUTPUT, text)
    return Scrubbed(_LEFT_OUT if tried.text is None else tried.text, _kinds(found.kind for found in tried.found))


def scrubbed_answer(answer: ModelAnswer) -> tuple[ModelAnswer, tuple[str, ...]]:
    """The answer as it may be written down, and the kinds of secrets that were in it."""
    text, kinds = scrubbed(answer.text)
    return (replace(answer, text=text), kinds) if kinds else (answer, ())


_RULE = GuardRule("secrets", GuardAction.REDACT, (Place.OUTPUT,))
_LEFT_OUT = "[left out: it could not be checked for secrets]"


def _kinds(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))
