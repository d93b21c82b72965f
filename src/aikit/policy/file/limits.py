"""A limit in the policy file: its fields, and what of them goes together."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import available_timezones

from aikit.money import MAX_NANO
from aikit.policy.file.kinds import USD, Field, Kind, Place, Schema, Wrong, shown, suggestion, table, whole, words
from aikit.policy.model import StatedLimit
from aikit.types import Action, Metric, Window

MOST = 10**15
"""The largest cap in a metric's own unit: far above what anyone uses, far below what a bigint can't hold."""

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
CALENDAR = (Window.DAY, Window.WEEK, Window.MONTH)
"""The windows that start by a calendar, so that a time zone and an anchor mean something."""


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    return frozenset({"UTC", *available_timezones()})


def _read_zone(value: Any, _: Place) -> str:
    if not isinstance(value, str) or value not in _time_zones():
        raise Wrong(f"is {shown(value)}", _zone_remedy(value))
    return value


def _zone_remedy(value: Any) -> str:
    close = suggestion(value, sorted(_time_zones()))
    return close if close.startswith("Did") else 'Write a name of the IANA time zone database, like "Europe/Zurich".'


def _read_anchor(value: Any, _: Place) -> str | int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Wrong(
            f"is {shown(value)}", "Write an hour (0 to 23), a weekday in quotes, or a day of the month (1 to 28)."
        )
    return value


_ZONE = Kind({"type": "string", "pattern": "^[A-Za-z0-9_+/-]+$", "examples": ["UTC", "Europe/Zurich"]}, _read_zone)
_ANCHOR = Kind(
    {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 28}, {"type": "string", "enum": list(DAYS)}]}, _read_anchor
)
FIELDS = {
    "metric": Field(words(Metric), "What is counted; credits if left out."),
    "window": Field(
        words(Window),
        "Over which time it is counted. `call` bounds each single attempt, `total` never resets. Every limit has one, "
        "except one of concurrency.",
    ),
    "cap": Field(
        whole(0, MOST),
        "At most so many, in the metric's unit: credits, tokens, requests, calls at once. 0: none at all.",
    ),
    "cap_usd": Field(USD, 'At most so many dollars, like "5.00"; instead of `cap`, for credits.'),
    "soft_cap": Field(
        whole(0, MOST), "Above this, calls still pass but are marked ALLOWED_SOFT_CAP. It must be below the cap."
    ),
    "soft_cap_usd": Field(USD, 'The soft cap in dollars, like "4.00"; for credits. It must be below the cap.'),
    "action": Field(words(Action), "What happens at the cap: block refuses (the default), warn only records it."),
    "each": Field(words(("user", "feature")), "Count every user, or every feature, by itself."),
    "time_zone": Field(
        _ZONE, "Where a day, week or month starts: a name of the IANA time zone database; UTC if left out."
    ),
    "anchor": Field(
        _ANCHOR,
        "When the window starts: the hour of a day (0 to 23), the weekday of a week, the day of a month "
        "(1 to 28). If left out: midnight, Monday, the 1st.",
    ),
}


class Rule(NamedTuple):
    """What goes together, for editors and for the reader. `check` raises Wrong."""

    schema: Schema
    check: Callable[[dict[str, Any]], None]


def _one_cap(stated: dict[str, Any]) -> None:
    if "cap" in stated and "cap_usd" in stated:
        raise Wrong("is there as well as cap", "Keep one of the two.", "cap_usd")
    if "cap" not in stated and "cap_usd" not in stated:
        raise Wrong("has no cap", 'Add cap = 100 or, for credits, cap_usd = "5.00".')


def _one_soft_cap(stated: dict[str, Any]) -> None:
    if "soft_cap" in stated and "soft_cap_usd" in stated:
        raise Wrong("is there as well as soft_cap", "Keep one of the two.", "soft_cap_usd")


def _dollars_are_for_credits(stated: dict[str, Any]) -> None:
    metric = stated.get("metric", Metric.CREDITS)
    for name in ("cap_usd", "soft_cap_usd"):
        if name in stated and metric != Metric.CREDITS:
            raise Wrong(f"is an amount of money, but the metric is {metric}", f"Write {name[:-4]} = 100.", name)


def _window_is_there(stated: dict[str, Any]) -> None:
    metric, window = stated.get("metric", Metric.CREDITS), stated.get("window")
    if metric == Metric.CONCURRENCY:
        if window is not None:
            raise Wrong("has no meaning for concurrency, which counts what runs now", "Leave it out.", "window")
    elif window is None:
        raise Wrong("is missing", f"Known: {', '.join(Window)}.", "window")


def _calls_count_nothing(stated: dict[str, Any]) -> None:
    if stated.get("window") != Window.CALL:
        return
    if stated.get("metric") == Metric.REQUESTS:
        raise Wrong("is call, and every call is one request", "Name a time, such as minute.", "window")
    if "each" in stated:
        raise Wrong("has no meaning for the window call: every call is bounded by itself", "Leave it out.", "each")


def _calendar(stated: dict[str, Any]) -> None:
    window = stated.get("window")
    for name in ("time_zone", "anchor"):
        if name in stated and window not in CALENDAR:
            what = "concurrency" if window is None else f"the window {window}"
            raise Wrong(f"has no meaning for {what}", "Leave it out, or use the window day, week or month.", name)


def _anchor_fits(stated: dict[str, Any]) -> None:
    anchor = stated.get("anchor")
    match stated.get("window"):
        case _ if anchor is None:
            return
        case Window.DAY if not isinstance(anchor, int) or not 0 <= anchor <= 23:
            remedy = "A day starts at an hour from 0 to 23."
        case Window.WEEK if anchor not in DAYS:
            remedy = suggestion(anchor, DAYS)
        case Window.MONTH if not isinstance(anchor, int) or not 1 <= anchor <= 28:
            remedy = "A month starts on a day from 1 to 28, which every month has."
        case _:
            return
    raise Wrong(f"is {shown(anchor)}", remedy, "anchor")


def _has(name: str, *values: str) -> Schema:
    """The field is there with one of these values."""
    return {"required": [name], "properties": {name: {"enum": [str(value) for value in values]}}}


def _without(*names: str) -> Schema:
    return {"not": {"anyOf": [{"required": [name]} for name in names]}}


def _when(condition: Schema, then: Schema) -> Schema:
    return {"if": condition, "then": then}


_CONCURRENCY = _has("metric", Metric.CONCURRENCY)
_MONTH_DAY = {"properties": {"anchor": {"type": "integer", "minimum": 1, "maximum": 28}}}
RULES = (
    Rule({"oneOf": [{"required": ["cap"]}, {"required": ["cap_usd"]}]}, _one_cap),
    Rule({"not": {"required": ["soft_cap", "soft_cap_usd"]}}, _one_soft_cap),
    Rule(
        _when(_has("metric", *[m for m in Metric if m is not Metric.CREDITS]), _without("cap_usd", "soft_cap_usd")),
        _dollars_are_for_credits,
    ),
    Rule({**_when(_CONCURRENCY, _without("window")), "else": {"required": ["window"]}}, _window_is_there),
    Rule(
        _when(
            _has("window", Window.CALL),
            {"allOf": [_without("each"), {"not": _has("metric", Metric.REQUESTS)}]},
        ),
        _calls_count_nothing,
    ),
    Rule({**_when(_has("window", *CALENDAR), {}), "else": _without("time_zone", "anchor")}, _calendar),
    Rule(
        {
            "allOf": [
                _when(
                    _has("window", Window.DAY),
                    {"properties": {"anchor": {"type": "integer", "minimum": 0, "maximum": 23}}},
                ),
                _when(_has("window", Window.WEEK), {"properties": {"anchor": {"type": "string"}}}),
                _when(_has("window", Window.MONTH), _MONTH_DAY),
            ]
        },
        _anchor_fits,
    ),
)
_TABLE = table(FIELDS)


def _read_limit(value: Any, place: Place) -> StatedLimit | None:
    stated = _TABLE.read(value, place)
    if not place.clean:
        return None
    for rule in RULES:
        rule.check(stated)
    metric = Metric(stated.get("metric", Metric.CREDITS))
    cap = _amount(stated, "cap", metric, place)
    soft_cap = _amount(stated, "soft_cap", metric, place) if {"soft_cap", "soft_cap_usd"} & stated.keys() else None
    if soft_cap is not None and soft_cap >= cap:
        key = "soft_cap" if "soft_cap" in stated else "soft_cap_usd"
        raise Wrong("is not below the cap", "Lower it: a soft cap is crossed before the cap is reached.", key)
    return StatedLimit(
        metric=metric,
        window=Window(stated.get("window", Window.TOTAL)),
        cap=cap,
        soft_cap=soft_cap,
        action=Action(stated.get("action", Action.BLOCK)),
        each=stated.get("each"),
        zone=stated.get("time_zone", "UTC"),
        anchor=_anchor(stated),
    )


def _amount(stated: dict[str, Any], name: str, metric: Metric, place: Place) -> int:
    """A cap in the unit that it is counted in; for credits that is nano-USD."""
    dollars = f"{name}_usd"
    amount: int = stated[dollars if dollars in stated else name]
    if dollars in stated or metric is not Metric.CREDITS:
        return amount
    if amount * place.nano_per_credit > MAX_NANO:
        raise Wrong(f"is {amount:,} credits", f"{MAX_NANO // place.nano_per_credit:,} are the most.", name)
    return amount * place.nano_per_credit


def _anchor(stated: dict[str, Any]) -> int:
    """As `aikit.types.Limit` counts it: hours, weekdays and days from 0."""
    anchor: int | str = stated.get("anchor", 0)
    if isinstance(anchor, str):
        return DAYS.index(anchor)
    return anchor - 1 if stated.get("window") == Window.MONTH and "anchor" in stated else anchor


LIMIT = Kind({**_TABLE.schema, "allOf": [rule.schema for rule in RULES]}, _read_limit)
"""Read as a `StatedLimit`; None if something in it is wrong."""
