"""Prices that a user sets in aikit.toml: parsed strictly, because a wrong price is a wrong bill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any

from aikit.errors import ConfigError
from aikit.pricing.names import canonical
from aikit.pricing.price import Price
from aikit.pricing.rates import PRICED, Rate, complete

SOURCE = "aikit.toml"
VERSION = "override"

HIGHEST_RATE = 1_000_000
"""USD per million tokens (or thousand pieces): a dollar a token is a slip of the keyboard, not a price."""

FINEST_PLACES = 12
"""Decimal places of a rate; finer ones are a slip of the keyboard, too."""

FIELDS = (*PRICED, "context_window", "from")


@dataclass(frozen=True)
class Override:
    """One price of one entry of `[prices]`. `model` is an exact id, or begins what a `glob` matches."""

    key: str
    provider: str
    model: str
    glob: bool
    rates: Mapping[str, Rate]
    context_window: int | None = None
    valid_from: date | None = None

    def matches(self, provider: str, model: str) -> bool:
        """Whether this is for the model, by canonical names; upper and lower case are the same."""
        if provider != self.provider:
            return False
        return model.lower().startswith(self.model.lower()) if self.glob else model.lower() == self.model.lower()

    def price(self, context_window: int | None = None) -> Price:
        """As a price; `context_window` is the book's, for an override that names none."""
        return Price(
            provider=self.provider,
            model=self.model + "*" * self.glob,
            source=SOURCE,
            version=VERSION,
            rates=complete(self.rates),
            as_of=self.valid_from,
            context_window=self.context_window or context_window,
        )


def parse_overrides(table: Mapping[str, Any]) -> tuple[Override, ...]:
    """The `[prices]` table of aikit.toml.

    Raises ConfigError that names the key and the field for anything that is not a complete, exact price.
    """
    return tuple(override for key, value in table.items() for override in _parse_entry(key, value))


def choose(overrides: Iterable[Override], provider: str, model: str, today: date) -> Override | None:
    """The override in force: an exact id beats a glob, a longer glob a shorter one, then the latest date wins."""
    in_force = [
        override
        for override in overrides
        if override.matches(provider, model) and (override.valid_from is None or override.valid_from <= today)
    ]
    return max(in_force, key=_precedence, default=None)


def _precedence(override: Override) -> tuple[bool, int, date]:
    return not override.glob, len(override.model), override.valid_from or date.min


def _parse_entry(key: str, value: Any) -> list[Override]:
    tables = value if isinstance(value, list) else [value]
    if not tables or not all(isinstance(table, Mapping) for table in tables):
        raise _wrong(key, None, "is not a table", 'Write it as [prices."provider/model"].')
    overrides = [_parse_table(key, table) for table in tables]
    if len({override.valid_from for override in overrides}) < len(overrides):
        raise _wrong(key, "from", "is the same in two prices", "Give each price of a model a date of its own.")
    return overrides


def _parse_table(key: str, table: Mapping[str, Any]) -> Override:
    provider, slash, model = key.partition("/")
    glob = model.endswith("*")
    model = model.removesuffix("*")
    if not slash or not provider.strip() or not (model or glob) or "*" in provider + model:
        raise _wrong(key, None, "is not provider/model", 'Write it like "ollama/llama3.3", or "ollama/*" for several.')
    for field in table:
        if field not in FIELDS:
            close = get_close_matches(field, FIELDS, n=1)
            remedy = f"Did you mean {close[0]}?" if close else f"Known fields: {', '.join(FIELDS)}."
            raise _wrong(key, field, "is not a field of a price", remedy)
    if "input" not in table:
        raise _wrong(key, "input", "is missing", 'Set it, in USD per million tokens; "0" if input is free.')
    provider, model = canonical(provider, model)
    return Override(
        key=key,
        provider=provider,
        model=model,
        glob=glob,
        rates={name: Rate(_parse_rate(key, name, table[name])) for name in PRICED if name in table},
        context_window=_parse_window(key, table.get("context_window")),
        valid_from=_parse_date(key, table.get("from")),
    )


def _parse_rate(key: str, field: str, value: Any) -> Decimal:
    if isinstance(value, float):
        raise _wrong(key, field, f"is the float {value}, which is not exact", f'Put it in quotes: {field} = "{value}".')
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _wrong(key, field, "is not a decimal in quotes", f'Write it like {field} = "0.15".')
    try:
        rate = Decimal(value)
    except InvalidOperation:
        raise _wrong(key, field, "is not a decimal", f'Write it like {field} = "0.15".') from None
    if not rate.is_finite() or rate.is_signed():
        raise _wrong(key, field, "is not zero or more", "A price can't be negative or infinite.")
    if rate > HIGHEST_RATE or -int(rate.as_tuple().exponent) > FINEST_PLACES:
        raise _wrong(
            key,
            field,
            f"is above {HIGHEST_RATE:,} or finer than {FINEST_PLACES} decimal places",
            "Rates are in USD per million tokens; searches and requests in USD per thousand.",
        )
    return rate


def _parse_window(key: str, value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise _wrong(key, "context_window", "is not a positive whole number", "Give the model's window in tokens.")
    return value


def _parse_date(key: str, value: Any) -> date | None:
    if value is not None and (isinstance(value, datetime) or not isinstance(value, date)):
        raise _wrong(key, "from", "is not a date", "Write it without quotes: from = 2026-01-01.")
    return value


def _wrong(key: str, field: str | None, what: str, remedy: str) -> ConfigError:
    where = f'[prices."{key}"]' + (f" {field}" if field else "")
    return ConfigError(f"{where} {what}.", facts={"key": key, "field": field}, remedy=remedy)
