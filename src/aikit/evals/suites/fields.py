"""The fields of a suite, of its scorers and of a case: one table for the reader, the JSON Schemas and the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aikit.evals.model import GateRule, ScorerSpec
from aikit.evals.scorers.catalogue import KINDS, ScorerKind
from aikit.evals.suites.kinds import (
    ANYTHING,
    FLAG,
    OBJECT,
    Field,
    Kind,
    Place,
    Schema,
    Wrong,
    as_mapping,
    many,
    mapping,
    number,
    patterned,
    suggestion,
    text,
    whole,
    words,
)
from aikit.evals.suites.special import FUNCTION, MODEL, PARAMETERS, REF, USD

MOST_TRIALS = 20
MOST_CONCURRENT = 1_000
NAME = r"^[a-z][a-z0-9_-]{0,63}$"
CASE_ID = r"^[a-z0-9][a-z0-9._-]{0,119}$"

_MAX_DROP = "How much worse its mean may be than the baseline's, in the scorer's unit."
_MIN = "What its mean must come to, at least."
_MAX = "What its mean may come to, at most."
_SHARE_GATE = mapping({"min": Field(number(0, 1), _MIN), "max_drop": Field(number(0, 1), _MAX_DROP)}, least=1)
_AMOUNT_GATE = mapping({"max": Field(number(0), _MAX), "max_drop": Field(number(0), _MAX_DROP)}, least=1)
_FREE_GATE = mapping(
    {
        "min": Field(number(None), _MIN),
        "max": Field(number(None), _MAX),
        "max_drop": Field(number(0), _MAX_DROP),
    },
    least=1,
)
"""For functions of one's own: their values can be anything."""


def _stated(kind: ScorerKind) -> Kind:
    use = Field(words(kind.name), "Which kind of scorer it is; need not be stated if that is its name.")
    gate = Field(_SHARE_GATE if kind.share else _AMOUNT_GATE if kind.unit else _FREE_GATE, "What a run must come to.")
    return mapping({"use": use, "gate": gate, **kind.options}, required=kind.required)


OPTIONS: Mapping[str, Kind] = {name: _stated(kind) for name, kind in KINDS.items()}
"""What can be stated for a scorer of each kind, its gate included."""


def _read_scorer(value: Any, place: Place) -> ScorerSpec | None:
    """One scorer; its name is the last part of the place. Its line is filled in by whoever knows the lines."""
    name = str(place.path[-1])
    stated = {} if value is None else as_mapping(value)
    use = stated.get("use", name)
    if not isinstance(use, str) or use not in KINDS:
        if "use" in stated:
            place.at("use").report(Wrong("is no kind of scorer", suggestion(use, tuple(KINDS))))
        else:
            place.report(Wrong("is no kind of scorer, and has no `use`", suggestion(name, tuple(KINDS))))
        return None
    kind = KINDS[use]
    before = len(place.problems)
    options = OPTIONS[use].read(stated, place)
    if len(place.problems) > before:
        return None
    for wrong in kind.check(options):
        place.report(wrong)
    options.pop("use", None)
    gate = options.pop("gate", None)
    return ScorerSpec(name, use, options, GateRule(**gate) if gate else None)


def _read_scorers(value: Any, place: Place) -> tuple[ScorerSpec, ...]:
    stated = as_mapping(value)
    if not stated:
        raise Wrong("is empty", f"State at least one scorer. {suggestion(None, tuple(KINDS))}")
    found = []
    for name, inner in stated.items():
        try:
            _SCORER_NAME.read(name, place)
            found.append(_read_scorer(inner, place.at(name)))
        except Wrong as wrong:
            place.at(name).report(wrong)
    return tuple([spec for spec in found if spec is not None])


_SCORER_NAME = patterned(NAME, "A name has a to z, 0 to 9, _ and -, and begins with a letter.")


def _scorers_schema() -> Schema:
    """A scorer is of the kind that `use` says, or of the kind that it is called after."""
    named: Schema = {
        "type": "object",
        "required": ["use"],
        "properties": {"use": {"type": "string", "enum": list(KINDS)}},
        "allOf": [
            {
                "if": {"properties": {"use": {"const": name}}, "required": ["use"]},
                "then": {"$ref": f"#/$defs/{name}"},
            }
            for name in KINDS
        ],
    }
    alone = {
        name: {
            "description": kind.doc,
            "if": {"type": "object", "required": ["use"]},
            "then": named,
            "else": {"anyOf": [{"$ref": f"#/$defs/{name}"}, *([] if kind.required else [{"type": "null"}])]},
        }
        for name, kind in KINDS.items()
    }
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": NAME},
        "properties": alone,
        "additionalProperties": named,
    }


SCORERS = Kind(_scorers_schema(), _read_scorers)

_TAG = patterned(r"^[a-z0-9][a-z0-9_.:-]{0,63}$", "Write a word of a to z, 0 to 9, _ . : and -.")

SUITE_FIELDS: Mapping[str, Field] = {
    "description": Field(text(2_000), "What the suite is for, in a sentence."),
    "prompt": Field(REF, "The prompt that is evaluated: summarize@v3, or summarize@candidate for its newest file."),
    "target": Field(
        patterned(rf"^{FUNCTION}$", "Write module:function (myapp.answers:reply)."),
        "In place of a prompt: the function that is called with a case's vars, `module:function`.",
    ),
    "model": Field(MODEL, "The model that is asked, in place of the prompt's own."),
    "parameters": Field(PARAMETERS, "Added to those of the prompt."),
    "cases": Field(
        patterned(r"^(?!/)[^\\]{1,500}\.jsonl$", "Write a path beside this file that ends in .jsonl."),
        "The file of the cases, from this file's folder; NAME.cases.jsonl unless stated.",
    ),
    "trials": Field(whole(1, MOST_TRIALS), "How often each case is tried; once unless stated."),
    "budget_usd": Field(USD, "What a run may cost, in dollars, judges included."),
    "concurrency": Field(whole(1, MOST_CONCURRENT), "How many calls may be under way at once."),
    "scorers": Field(SCORERS, "What looks at each answer, by a name of your choice."),
}
CASE_FIELDS: Mapping[str, Field] = {
    "id": Field(
        patterned(CASE_ID, "An id has a to z, 0 to 9, . _ and -, and begins with a letter or digit."),
        "The case's name, the same for ever: runs are compared by it.",
    ),
    "vars": Field(OBJECT, "The prompt's inputs, or what the target is called with."),
    "expected": Field(ANYTHING, "What answers are compared with."),
    "context": Field(text(1_000_000), "What an answer must be faithful to."),
    "tags": Field(many(_TAG, of="words"), "Words to find cases by."),
    "critical": Field(FLAG, "It may not fail in all trials where it passed before."),
}
SUITE = mapping(SUITE_FIELDS, required=("scorers",))
CASE = mapping(CASE_FIELDS, required=("id",))

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def suite_schema() -> dict[str, Any]:
    """The JSON Schema of suite files, for editors. It is made of the very fields that the reader knows.

    What it can't say, only the reader checks: that cases are there and have what scorers need, that a regular
    expression and a JSON Schema are ones, and what options mean together.
    """
    return {
        "$schema": _DRAFT,
        "title": "aikit eval suite",
        "description": "What a prompt is worth: cases to try it with, scorers that look at each answer, and gates.",
        **SUITE.schema,
        "oneOf": [{"required": ["prompt"]}, {"required": ["target"]}],
        "$defs": {name: {"description": kind.doc, **OPTIONS[name].schema} for name, kind in KINDS.items()},
    }


def case_schema() -> dict[str, Any]:
    """The JSON Schema of one line of a file of cases. Only the reader checks that an id is there once."""
    return {
        "$schema": _DRAFT,
        "title": "aikit eval case",
        "description": "One case: a line of NAME.cases.jsonl.",
        **CASE.schema,
    }
