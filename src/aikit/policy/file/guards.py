"""Guards in the policy file: what each may do, where it looks, and its options, as the catalogue has them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from aikit.guards.catalogue import BY_NAME, CATALOGUE, GuardInfo, Option
from aikit.policy.file.kinds import (
    FLAG,
    Field,
    Kind,
    Place,
    Schema,
    Wrong,
    as_table,
    many,
    shown,
    suggestion,
    table,
    whole,
)
from aikit.policy.file.limits import MOST
from aikit.policy.guards import CUSTOM, CUSTOM_NAME, options_of
from aikit.policy.model import StatedGuard
from aikit.types import GuardAction
from aikit.types import Place as TextPlace

OFF = "off"
LONGEST_TEXT = 200
LONGEST_SCHEMA = 100_000
SHOWN_ITEMS = 12
SHOWN_CHARACTERS = 80
MEANS_SOMETHING = {
    "restore": (GuardAction.REDACT,),
    "repair": (GuardAction.REDACT, GuardAction.BLOCK),
}
"""Options that mean something with these actions only."""

_HOST = re.compile(r"^(\*\.)?[\w-]+(\.[\w-]+)*$")
_REGION = re.compile(r"^[A-Z]{2}$")


def _read_word(value: Any, known: Iterable[str], why_not: Mapping[str, str]) -> str:
    """One of the words; of those that are words, but not here, `why_not` says why."""
    words = [str(word) for word in known]
    if not isinstance(value, str) or value not in words:
        why = why_not.get(value, "") if isinstance(value, str) else ""
        raise Wrong(f"is {shown(value)}", why or suggestion(value, words))
    return value


def _word(known: Iterable[str], why_not: Mapping[str, str]) -> Kind:
    words = [str(word) for word in known]
    return Kind({"type": "string", "enum": words}, lambda value, _: _read_word(value, words, why_not))


def _actions(info: GuardInfo) -> Kind:
    known = ", ".join(info.actions)
    not_here = {str(action): f"{info.name} can't do that. Known: {known}." for action in GuardAction}
    return _word(info.actions, {**not_here, OFF: f'To switch it off, write {info.name} = "off" and nothing else.'})


def _places(info: GuardInfo) -> Kind:
    known = ", ".join(info.possible_places)
    not_here = {str(place): f"{info.name} can't look there. Known: {known}." for place in TextPlace}
    inner = many(_word(info.possible_places, not_here), of="places")

    def read(value: Any, place: Place) -> tuple[TextPlace, ...]:
        found = set(inner.read(value, place))
        if not value:
            raise Wrong("names no place", f'Write {info.name} = "off" to switch it off. Known: {known}.')
        return tuple([one for one in TextPlace if str(one) in found])

    return Kind({**inner.schema, "minItems": 1}, read)


@lru_cache(maxsize=1)
def _regions() -> tuple[str, ...]:
    from phonenumbers import SUPPORTED_REGIONS

    return tuple(sorted(SUPPORTED_REGIONS))


def _read_region(value: Any, _: Place) -> str:
    if not isinstance(value, str) or value not in _regions():
        close = isinstance(value, str) and value.upper() in _regions()
        raise Wrong(
            f"is {shown(value)}",
            f"Did you mean {value.upper()}?" if close else 'Write the two letters of a country, like "US" or "GB".',
        )
    return value


def _read_host(value: Any, _: Place) -> str:
    if not isinstance(value, str) or not _HOST.search(value):
        raise Wrong(f"is {shown(value)}", 'Write a host alone, like "docs.example.com", or "*.example.com".')
    return value


def _read_text(value: Any, _: Place) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Wrong(f"is {shown(value)}", "Write text in quotes.")
    if len(value) > LONGEST_TEXT:
        raise Wrong(f"has {len(value):,} characters", f"It must have 1 to {LONGEST_TEXT}.")
    return value


_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}
ITEMS = {
    "regions": Kind({"type": "string", "pattern": _REGION.pattern, "examples": ["US", "GB"]}, _read_region),
    "allow": Kind({"type": "string", "pattern": _HOST.pattern, "examples": ["*.example.com"]}, _read_host),
}
"""What is in a list that has no choices, by the name of the option; any text if it is not here."""


def _texts(option: Option) -> Kind:
    item = _word(option.choices, {}) if option.choices else ITEMS.get(option.name, Kind(_TEXT, _read_text))
    inner = many(item, of="texts")
    least, most = option.minimum or 0, option.maximum or 10_000

    def read(value: Any, place: Place) -> list[str]:
        found = sorted(set(inner.read(value, place)))
        if not least <= len(value) <= most:
            raise Wrong(f"has {len(value):,}", f"Write {least:,} to {most:,} of them.")
        return found

    bounds = ({"minItems": least} if least else {}) | ({"maxItems": option.maximum} if option.maximum else {})
    return Kind({**inner.schema, **bounds}, read)


def _read_schema(value: Any, _: Place) -> dict[str, Any]:
    """A JSON Schema, as JSON in quotes or as a table. It may refer to parts of itself alone: nothing is downloaded."""
    text = value if isinstance(value, str) else _as_json(value)
    if len(text) > LONGEST_SCHEMA:
        raise Wrong(f"has {len(text):,} characters", f"{LONGEST_SCHEMA:,} are the most.")
    try:
        stated = json.loads(text)
    except (ValueError, RecursionError):
        raise Wrong("is not JSON", """Write a JSON Schema in single quotes, like '{"type": "object"}'.""") from None
    if not isinstance(stated, dict):
        raise Wrong("is no JSON object", """Write a JSON Schema, like '{"type": "object"}'.""")
    _check_schema(stated)
    return stated


def _check_schema(schema: dict[str, Any]) -> None:
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.validators import validator_for

    outside = [ref for ref in _references(schema) if not ref.startswith("#")]
    if outside:
        raise Wrong(f"refers to {shown(outside[0])}", 'Refer to its own parts only, like "#/$defs/name".')
    try:
        validator_for(schema, default=Draft202012Validator).check_schema(schema)
    except SchemaError as error:
        at = "/".join([str(part) for part in error.absolute_path])
        raise Wrong(f"is no JSON Schema: {error.message[:100]}{f' at {at}' if at else ''}", "Correct it.") from None


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield value
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _as_json(value: Any) -> str:
    if not isinstance(value, dict):
        raise Wrong(f"is {shown(value)}", """Write a JSON Schema in single quotes, like '{"type": "object"}'.""")
    try:
        return json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        raise Wrong("has something that JSON can't say", "Write it as JSON, in single quotes.") from None


_SCHEMA = Kind({"anyOf": [{"type": "string", "minLength": 2}, {"type": "object"}]}, _read_schema)


def _option(option: Option) -> Field:
    match option.type:
        case "boolean":
            kind = FLAG
        case "integer":
            kind = whole(option.minimum or 0, option.maximum or MOST)
        case "texts":
            kind = _texts(option)
        case "object":
            kind = _SCHEMA
    return Field(kind, option.doc)


def _guard(info: GuardInfo) -> Field:
    """A guard: its action alone, or a table of that and all that can be set."""
    needed = [option.name for option in info.options if option.required]
    usual = ", ".join(info.places) if info.places != tuple(TextPlace) else "everywhere"
    fields = table(
        {
            "action": Field(_actions(info), f"What happens with what it finds; {info.action} if left out."),
            "on": Field(_places(info), f"Where it looks; if left out: {usual}."),
            **{option.name: _option(option) for option in info.options},
        },
        required=needed,
    )
    alone = [OFF, *info.actions]
    words = _word(alone, {str(a): f"{info.name} can't do that. Known: {', '.join(alone)}." for a in GuardAction})

    def read(value: Any, place: Place) -> StatedGuard | None:
        name = ".".join([str(part) for part in place.path[-2:]]) if info.name == CUSTOM else info.name
        if not isinstance(value, dict):
            action = words.read(value, place)
            if action != OFF and needed:
                raise Wrong(f"does not say {needed[0]}", f'Write {name} = {{ action = "{action}", {needed[0]} = … }}.')
            return StatedGuard(name, "off" if action == OFF else GuardAction(action))
        stated = fields.read(value, place)
        if not place.clean:
            return None
        action = GuardAction(stated.pop("action", info.action))
        places = stated.pop("on", None)
        _check_options(stated, action)
        return StatedGuard(name, action, places, canonical(stated))

    by_itself = [OFF] if needed else [str(word) for word in alone]
    return Field(Kind({"anyOf": [{"type": "string", "enum": by_itself}, fields.schema]}, read), info.doc)


def _check_options(stated: Mapping[str, Any], action: GuardAction) -> None:
    for name, actions in MEANS_SOMETHING.items():
        if stated.get(name) and action not in actions:
            raise Wrong(
                f"has no meaning with the action {action}", f"Leave it out, or choose {' or '.join(actions)}.", name
            )


_GUARDS = {info.name: _guard(info) for info in CATALOGUE if info.name != CUSTOM}
_ONE_CUSTOM = _guard(BY_NAME[CUSTOM])
_NAMES: Schema = {"type": "string", "pattern": f"^{CUSTOM_NAME.pattern}$"}


def _read_custom(value: Any, place: Place) -> list[StatedGuard | None]:
    if not isinstance(value, dict):
        raise Wrong(f"is {shown(value)}", 'Write the name of the guard as well: custom.NAME = "flag".')
    found = []
    for name, stated in value.items():
        try:
            if not CUSTOM_NAME.fullmatch(name):
                raise Wrong("can't be a guard's name", "Use lower-case letters, digits, _ and -, like toxicity.")
            found.append(_ONE_CUSTOM.kind.read(stated, place.at(name)))
        except Wrong as wrong:
            place.at(name).report(wrong)
    return found


_CUSTOM = Kind({"type": "object", "propertyNames": _NAMES, "additionalProperties": _ONE_CUSTOM.schema}, _read_custom)


def _read_guards(value: Any, place: Place) -> tuple[StatedGuard, ...]:
    found: list[StatedGuard | None] = []
    for name, stated in as_table(value).items():
        try:
            if name == CUSTOM:
                found += _CUSTOM.read(stated, place.at(name))
            elif name in _GUARDS:
                found.append(_GUARDS[name].kind.read(stated, place.at(name)))
            else:
                raise Wrong("is not a guard", suggestion(name, [*_GUARDS, CUSTOM]))
        except Wrong as wrong:
            place.at(name).report(wrong)
    return tuple(sorted([stated for stated in found if stated is not None], key=lambda stated: stated.guard))


GUARDS = Kind(
    {
        "type": "object",
        "properties": {
            **{name: field.schema for name, field in _GUARDS.items()},
            CUSTOM: {"description": BY_NAME[CUSTOM].doc, **_CUSTOM.schema},
        },
        "additionalProperties": False,
    },
    _read_guards,
)
"""Read as a tuple of `StatedGuard`, sorted by name."""


def canonical(options: Mapping[str, Any]) -> str:
    """Options as `GuardRule` has them."""
    return json.dumps(options, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def as_stated(guards: Iterable[StatedGuard]) -> dict[str, Any]:
    """The table of guards as the file has it, and as it is stored."""
    found: dict[str, Any] = {}
    for stated in guards:
        options = options_of(stated)
        on = {} if stated.places is None else {"on": [str(place) for place in stated.places]}
        value = {"action": str(stated.action), **on, **options} if on or options else str(stated.action)
        group, dot, name = stated.guard.partition(".")
        if dot:
            found.setdefault(group, {})[name] = value
        else:
            found[group] = value
    return found


def from_stated(value: Any) -> tuple[StatedGuard, ...]:
    """The guards that `as_stated` wrote. Raises ValueError for what this version does not know."""
    place = Place(nano_per_credit=1)
    found = _read_guards(value, place)
    for problem in place.problems:
        raise ValueError(f"{'.'.join(map(str, problem.path))} {problem.what}")
    return found


def in_words(stated: StatedGuard) -> str:
    """`redact (kinds card, email; restore) on input, tool_results`."""
    options = "; ".join([_option_words(name, value) for name, value in options_of(stated).items()])
    where = "" if stated.places is None else f" on {', '.join(stated.places)}"
    return f"{stated.action}{f' ({options})' if options else ''}{where}"


def _option_words(name: str, value: Any) -> str:
    match value:
        case bool():
            return name if value else f"no {name}"
        case int():
            return f"{name} {value:,}"
        case list():
            more = f" and {len(value) - SHOWN_ITEMS:,} more" if len(value) > SHOWN_ITEMS else ""
            return f"{name} {', '.join(value[:SHOWN_ITEMS]) or 'none'}{more}"
        case _:
            text = canonical(value)
            return f"{name} {text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + '…'}"
