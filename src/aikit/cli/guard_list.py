"""`aikit guard list`: which guards there are, what each finds, and what can be set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.options import Json
from aikit.cli.output import emit_json, gap, note, table
from aikit.cli.policy_page import Item, section
from aikit.errors import ConfigError

if TYPE_CHECKING:
    from aikit.guards.catalogue import GuardInfo, Option


def list_(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One guard with all its kinds and options.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """The built-in guards, and those that installed packages offer.

    Those that an application makes known by `kit.guard` are known to that application alone.
    """
    from aikit.guards.catalogue import CATALOGUE

    infos = [info for info in CATALOGUE if info.name != "custom"]
    custom = _installed()
    if name is not None:
        check_known(name)
        infos = [info for info in infos if info.name == name]
    if json:
        totals = {"built_in": len(infos), "custom": 0 if name else len(custom)}
        emit_json("guard.list", [_data(info) for info in infos] + ([] if name else custom), totals)
    elif name is not None:
        _print_one(infos[0])
    else:
        _print(infos)
        _print_custom(custom)


def check_known(name: str) -> None:
    """Raises ConfigError for what is no built-in guard."""
    from aikit.guards.catalogue import CATALOGUE
    from aikit.policy.file.kinds import suggestion

    known = [info.name for info in CATALOGUE if info.name != "custom"]
    if name not in known:
        raise ConfigError(f"There is no built-in guard {name!r}.", remedy=suggestion(name, known))


def _installed() -> list[dict[str, Any]]:
    """The entry points, none of which is loaded."""
    from importlib.metadata import entry_points

    from aikit.guards.custom import GROUP

    found = sorted(
        {(point.name, point.value, point.dist.name if point.dist else None) for point in entry_points(group=GROUP)}
    )
    return [{"guard": f"custom.{name}", "about": None, "object": value, "package": dist} for name, value, dist in found]


def _print(infos: list[GuardInfo]) -> None:
    columns = ["Guard", "Action", "Looks at", "Finds"]
    table("Built-in guards", columns, [[info.name, info.action, _places(info), info.doc] for info in infos])
    note("`aikit guard list NAME` has the kinds and options of one; action and places are as they are unless stated.")


def _print_custom(custom: list[dict[str, Any]]) -> None:
    if custom:
        gap()
        cells = [[one["guard"], one["package"] or "—", one["object"]] for one in custom]
        table("Installed guards", ["Guard", "Package", "Object"], cells)


def _print_one(info: GuardInfo) -> None:
    section(
        f"{info.name}: {info.doc}",
        [
            Item("action", f"{info.action} if not stated; off, {', '.join(info.actions)}"),
            Item("on", f"{_places(info)} if not stated; can look at {', '.join(info.possible_places)}"),
            *[Item(option.name, _option_words(option)) for option in info.options],
        ],
    )
    gap()
    kinds = [Item(kind.name, kind.doc + ("" if kind.on else " (only if `kinds` names it)")) for kind in info.kinds]
    section("Kinds", kinds)


def _places(info: GuardInfo) -> str:
    from aikit.types import Place

    return "everything" if info.places == tuple(Place) else ", ".join(info.places)


def _option_words(option: Option) -> str:
    """`What to look for.`, and what it is if it is not stated."""
    if option.required:
        return f"{option.doc} It must be stated."
    match option.default:
        case bool() as flag:
            usual = "true" if flag else "false"
        case list() as items if option.choices:
            usual = "all kinds" if len(items) == len(option.choices) else f"{len(items)} of {len(option.choices)} kinds"
        case list() as items:
            usual = ", ".join(items) or "none"
        case _:
            return option.doc
    return f"{option.doc} If not stated: {usual}."


def _data(info: GuardInfo) -> dict[str, Any]:
    return {
        "guard": info.name,
        "about": info.doc,
        "action": str(info.action),
        "actions": [str(action) for action in info.actions],
        "on": [str(place) for place in info.places],
        "places": [str(place) for place in info.possible_places],
        "kinds": [{"kind": kind.name, "about": kind.doc, "usual": kind.on} for kind in info.kinds],
        "options": [
            {
                "option": option.name,
                "type": option.type,
                "about": option.doc,
                "usual": option.default,
                "required": option.required,
                "choices": list(option.choices) or None,
                "minimum": option.minimum,
                "maximum": option.maximum,
            }
            for option in info.options
        ],
    }
