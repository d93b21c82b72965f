"""The scorers that there are: what each looks at, what can be stated for it, and which way is better.

Plain data, for the reader of suites, for the JSON Schema, for the documentation and for whoever compares runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aikit.evals.model import ScorerSpec
from aikit.evals.scorers import needs
from aikit.evals.scorers.needs import Need, Options
from aikit.evals.suites.kinds import (
    ANYTHING,
    FLAG,
    OBJECT,
    Field,
    Kind,
    Wrong,
    many,
    mapping,
    number,
    patterned,
    text,
    whole,
    words,
)
from aikit.evals.suites.special import FUNCTION, JSON_SCHEMA, MODEL, PARAMETERS, PATTERN, REF
from aikit.prompts.model import Ref
from aikit.prompts.refs import parse_ref

JUDGE, CLAIMS, VERDICT = Ref("judge", version=1), Ref("claims", version=1), Ref("verdict", version=1)
"""The kit's own prompts, which judge unless a suite names others."""
MATCHING_SECONDS = 2.0
CUSTOM_SECONDS = 30.0
MOST_CLAIMS = 40


def _fine(options: Options) -> Iterator[Wrong]:
    yield from ()


@dataclass(frozen=True, slots=True)
class ScorerKind:
    """One kind of scorer. `unit` is empty where values have none; `share` says that they are from 0 to 1; `asks` that
    it asks a model.
    """

    name: str
    doc: str
    options: Mapping[str, Field] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    higher_is_better: bool = True
    unit: str = ""
    share: bool = True
    asks: bool = False
    needs: Callable[[Options], tuple[Need, ...]] = needs.nothing
    """What each case must have for it."""
    check: Callable[[Options], Iterator[Wrong]] = _fine
    """What is wrong with its options taken together."""


_FIELD = Field(
    patterned(
        r"^[^.\s]{1,80}(\.[^.\s]{1,80}){0,9}$", "Write the names of fields with dots between them: result.summary."
    ),
    "Look at this field of the answer, which is JSON, instead of all of it: summary, result.items.0.",
)
_STRIP = Field(FLAG, "Leave out white space at both ends; true unless stated.")
_IGNORE_CASE = Field(FLAG, "Letters are the same in upper and lower case; false unless stated.")
_VALUE = Field(text(100_000), "What to compare with, for all cases, in place of each case's `expected`.")
_SOURCE = Field(
    patterned(r"^(context|vars\.[A-Za-z][A-Za-z0-9_]{0,63})$", "Write context, or vars.NAME (vars.thread)."),
    "The text that counts as the source: the case's context, which is the default, or one of its vars.",
)
_MODEL = Field(MODEL, "The model that is asked.")
_PARAMETERS = Field(PARAMETERS, "Added to those of the prompt.")
_MATCHING_SECONDS = Field(
    number(0.05, 60), f"After so many seconds of matching it is an error; {MATCHING_SECONDS:g} unless stated."
)
_TEXT = {"value": _VALUE, "strip": _STRIP, "ignore_case": _IGNORE_CASE, "field": _FIELD}
_CRITERION = mapping(
    {
        "criterion": Field(text(2_000), "What is judged, in a sentence."),
        "weight": Field(number(0.000001, 1_000_000), "How much it counts; 1 unless stated."),
    },
    required=("criterion",),
)


def _read_criterion(value: Any, place: Any) -> Any:
    if isinstance(value, str):
        return {"criterion": text(2_000).read(value, place), "weight": 1.0}
    return {"weight": 1.0, **_CRITERION.read(value, place)}


_RUBRIC = many(Kind({"anyOf": [text(2_000).schema, _CRITERION.schema]}, _read_criterion), of="criteria", least=1)
_SCALE = mapping(
    {
        "from": Field(number(-1_000_000, 1_000_000), "The score of the worst answer."),
        "to": Field(number(-1_000_000, 1_000_000), "The score of the best answer."),
    },
    required=("from", "to"),
)


def _check_judge(options: Options) -> Iterator[Wrong]:
    if "prompt" not in options:
        for name in ("task", "rubric"):
            if name not in options:
                yield Wrong(f"has no {name}", f"State `{name}`, which {JUDGE} asks for, or a `prompt` of your own.")
    scale = options.get("scale", {})
    if {"from", "to"} <= scale.keys() and not scale["from"] < scale["to"]:
        yield Wrong("has a scale that does not rise", "Write scale: {from: 1, to: 5}.")


def _check_contains(options: Options) -> Iterator[Wrong]:
    if any(not term for term in options.get("terms", ())):
        yield Wrong("has an empty term, which is in every text", "Remove it.")


_KINDS = (
    ScorerKind(
        "equals",
        "1 if the answer is what is expected, else 0.",
        {
            **_TEXT,
            "value": Field(ANYTHING, "What to compare with, for all cases, in place of each case's `expected`."),
            "json": Field(FLAG, "Compare values: the answer is read as JSON, in which order and spaces are nothing."),
        },
        needs=needs.expected_value,
        check=lambda options: (
            iter([Wrong("has a value that is no text", "Add `json: true`, or write the value in quotes.")])
            if not options.get("json") and not isinstance(options.get("value", ""), str)
            else iter(())
        ),
    ),
    ScorerKind(
        "contains",
        "1 if all of the terms, any, or none are in the answer, else 0.",
        {
            "terms": Field(many(text(10_000), of="texts", least=1), "What to look for, in place of `expected`."),
            "match": Field(words("all", "any", "none"), "How many must be there; all unless stated."),
            "ignore_case": _IGNORE_CASE,
            "field": _FIELD,
        },
        needs=needs.terms,
        check=_check_contains,
    ),
    ScorerKind(
        "regex",
        "1 if a regular expression is found in the answer, or matches all of it, else 0.",
        {
            "pattern": Field(PATTERN, "The expression, as Python has them, in place of each case's `expected`."),
            "match": Field(words("search", "full", "absent"), "Found somewhere, all of it, or nowhere; search first."),
            "ignore_case": _IGNORE_CASE,
            "multiline": Field(FLAG, "^ and $ are at each line; false unless stated."),
            "dot_all": Field(FLAG, "A dot is a line end too; false unless stated."),
            "field": _FIELD,
            "timeout_seconds": _MATCHING_SECONDS,
        },
        needs=needs.pattern,
    ),
    ScorerKind(
        "json_schema",
        "1 if the answer is JSON, with nothing around it, that a schema allows, else 0.",
        {
            "schema": Field(JSON_SCHEMA, "A JSON Schema, draft 2020-12."),
            "field": _FIELD,
            "timeout_seconds": _MATCHING_SECONDS,
        },
        required=("schema",),
    ),
    ScorerKind(
        "levenshtein",
        "1 less the share of characters that would have to change for the answer to be what is expected.",
        _TEXT,
        needs=needs.expected_text,
    ),
    ScorerKind(
        "similarity",
        "How alike the answer and what is expected are, by their characters or their words.",
        {
            **_TEXT,
            "ratio": Field(words("token_sort", "token_set", "ratio"), "How it is counted; token_sort unless stated."),
        },
        needs=needs.expected_text,
    ),
    ScorerKind(
        "grounding",
        "How far the words of the answer stand in its source in the same order. A tripwire for extractive tasks.",
        {"source": _SOURCE, "field": _FIELD},
        needs=needs.source,
    ),
    ScorerKind(
        "llm_judge",
        "What a model says the answer is worth, by a rubric.",
        {
            "model": _MODEL,
            "prompt": Field(REF, f"The prompt that judges; {JUDGE} unless stated."),
            "task": Field(text(20_000), "What the answer was asked for; the case's vars are shown with it."),
            "rubric": Field(_RUBRIC, "Criteria: texts, or {criterion, weight}."),
            "scale": Field(_SCALE, "The scores that the prompt gives; 0 to 1 unless stated."),
            "parameters": _PARAMETERS,
            "field": _FIELD,
        },
        required=("model",),
        asks=True,
        check=_check_judge,
    ),
    ScorerKind(
        "faithfulness",
        "The share of the answer's claims that its source supports, each judged by a model.",
        {
            "model": _MODEL,
            "claims": Field(REF, f"The prompt that lists claims; {CLAIMS} unless stated."),
            "verdict": Field(REF, f"The prompt that judges a claim; {VERDICT} unless stated."),
            "source": _SOURCE,
            "abstention": Field(words("error", "allow"), "An answer without claims is an error, or allowed and 1."),
            "most_claims": Field(whole(1, 100), f"More claims than these are an error; {MOST_CLAIMS} unless stated."),
            "parameters": _PARAMETERS,
            "field": _FIELD,
        },
        required=("model",),
        asks=True,
        needs=needs.source,
    ),
    ScorerKind("cost", "What the answer cost, in dollars.", higher_is_better=False, unit="USD", share=False),
    ScorerKind("latency", "How long the answer took, in seconds.", higher_is_better=False, unit="s", share=False),
    ScorerKind(
        "findings",
        "1 if guards found nothing of the stated kinds in the call, else 0.",
        {"kinds": Field(many(text(100), of="kinds", least=1), "Kinds of findings (email, card); all unless stated.")},
    ),
    ScorerKind(
        "custom",
        "What a function of yours says.",
        {
            "function": Field(
                patterned(
                    rf"^({FUNCTION}|[A-Za-z_][A-Za-z0-9_.-]{{0,199}})$",
                    "Write module:function, or the name of an entry point in the group aikit.scorers.",
                ),
                "`module:function`, or the name of an entry point in the group `aikit.scorers`.",
            ),
            "options": Field(OBJECT, "Passed to the function by name."),
            "lower_is_better": Field(FLAG, "The less the better; false unless stated."),
            "timeout_seconds": Field(number(0.05, 3600), f"{CUSTOM_SECONDS:g} unless stated."),
        },
        required=("function",),
        share=False,
    ),
)
KINDS: Mapping[str, ScorerKind] = {kind.name: kind for kind in _KINDS}


def higher_is_better(spec: ScorerSpec) -> bool:
    """False for what is better the less it is: dollars, seconds, and functions that say so."""
    return KINDS[spec.use].higher_is_better and spec.options.get("lower_is_better") is not True


def unit_of(spec: ScorerSpec) -> str:
    """`USD`, `s`, or nothing for a share from 0 to 1."""
    return KINDS[spec.use].unit


def judged_by(spec: ScorerSpec) -> tuple[tuple[Ref, ...], str | None]:
    """The prompts that a scorer asks with, and the model that it asks; none and None for one that asks nobody."""
    match spec.use:
        case "llm_judge":
            return (_ref(spec, "prompt", JUDGE),), spec.options["model"]
        case "faithfulness":
            return (_ref(spec, "claims", CLAIMS), _ref(spec, "verdict", VERDICT)), spec.options["model"]
        case _:
            return (), None


def _ref(spec: ScorerSpec, option: str, default: Ref) -> Ref:
    return parse_ref(spec.options[option]) if option in spec.options else default
