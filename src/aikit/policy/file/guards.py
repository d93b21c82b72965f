"""Guards in the policy file: what each may do, where it looks, and its options, as the catalogue has them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from aikit.guards.catalogue import BY_NAME, CATALOGUE, GuardInfo
from aikit.policy.file.guard_options import field_of, word
from aikit.policy.file.kinds import (
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
)
from aikit.policy.guards import CUSTOM, CUSTOM_NAME, options_of
from aikit.policy.model import StatedGuard
from aikit.types import GuardAction
from aikit.types import Place as TextPlace

OFF = "off"
SHOWN_ITEMS = 12
SHOWN_CHARACTERS = 80
MEANS_SOMETHING = {
    "restore": (GuardAction.REDACT,),
    "repair": (GuardAction.REDACT, GuardAction.BLOCK),
}
"""Options that mean something with these actions only."""


def _actions(info: GuardInfo) -> Kind:
    known = ", ".join(info.actions)
    not_here = {str(action): f"{info.name} can't do that. Known: {known}." for action in GuardAction}
    return word(info.actions, {**not_here, OFF: f'To switch it off, write {info.name} = "off" and nothing else.'})


def _places(info: GuardInfo) -> Kind:
    known = ", ".join(info.possible_places)
    not_here = {str(place): f"{info.name} can't look there. Known: {known}." for place in TextPlace}
    inner = many(word(info.possible_places, not_here), of="places")

    def read(value: Any, place: Place) -> tuple[TextPlace, ...]:
        found = set(inner.read(value, place))
        if not value:
            raise Wrong("names no place", f'Write {info.name} = "off" to switch it off. Known: {known}.')
        return tuple([one for one in TextPlace if str(one) in found])

    return Kind({**inner.schema, "minItems": 1}, read)


def _guard(info: GuardInfo) -> Field:
    """A guard: its action alone, or a table of that and all that can be set."""
    needed = [option.name for option in info.options if option.required]
    usual = ", ".join(info.places) if info.places != tuple(TextPlace) else "everywhere"
    fields = table(
        {
            "action": Field(_actions(info), f"What happens with what it finds; {info.action} if left out."),
            "on": Field(_places(info), f"Where it looks; if left out: {usual}."),
            **{option.name: field_of(option) for option in info.options},
        },
        required=needed,
    )
    alone = [OFF, *info.actions]
    words = word(alone, {str(a): f"{info.name} can't do that. Known: {', '.join(alone)}." for a in GuardAction})

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
