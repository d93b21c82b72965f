"""Compares bills with the ledger: an outer join by provider, UTC day and model. Amounts are nano-USD, exact."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Literal

from aikit.bills.cells import EXACT
from aikit.bills.names import Family, families
from aikit.bills.sides import MEASURES, Bill, Line, Ours

By = Literal["day", "model", "day,model"]

Key = tuple[str, date | None, str | None]


@dataclass(frozen=True, slots=True)
class Row:
    """One provider's model, day or both. A side is None where it has nothing: no calls, or no line on the bill."""

    provider: str
    day: date | None
    model: str | None
    ours: int | None
    theirs: int | None
    our_tokens: Mapping[str, int] | None
    their_tokens: Mapping[str, int] | None
    """By the measures of the provider's usage exports; None where no such export was given."""
    calls: int = 0
    estimated: int = 0
    presumed: int = 0
    unpriced_calls: int = 0
    rounding: int = 0
    """By how much `theirs` may be off because the export rounds its lines."""
    priced: bool = True
    """Whether a cost export was given, so that money can be compared."""
    agrees: bool = True

    @property
    def difference(self) -> int:
        """What we have more than they; negative if they have more."""
        return (self.ours or 0) - (self.theirs or 0) if self.priced else 0

    @property
    def only(self) -> Literal["ours", "theirs"] | None:
        """The one side that has this row."""
        mine = self.calls > 0 or bool(self.ours)
        billed = self.theirs is not None or self.their_tokens is not None
        return None if mine == billed else "ours" if mine else "theirs"


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all rows, in nano-USD. `within` is what the rows that agree differ by, taken together."""

    ours: int
    theirs: int
    within: int
    only_ours: int
    only_theirs: int
    estimated: int
    presumed: int
    rounding: int
    unpriced_calls: int

    @property
    def difference(self) -> int:
        return self.ours - self.theirs


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rows, in order of provider, day and model; those that don't agree are `differing`."""

    by: By
    rows: tuple[Row, ...]
    priced: bool
    counted: bool
    """Whether money, and whether tokens, were compared."""
    mapped: tuple[tuple[str, Family], ...]
    """By provider, the names that were taken to be the same though they are written otherwise."""
    notes: tuple[str, ...] = ()
    totals: Totals = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "totals", _totals(self.rows))

    @property
    def differing(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if not row.agrees)

    @property
    def agrees(self) -> bool:
        return not self.differing


@dataclass(slots=True)
class _Sums:
    ours: list[Ours] = field(default_factory=list)
    lines: list[tuple[Line, int]] = field(default_factory=list)
    """With the rounding of their bill."""


def compare(bills: Sequence[Bill], ours: Iterable[Ours], *, by: By, tolerance: int) -> Comparison:
    """Compare. Rows agree that differ by `tolerance` nano-USD at most, rounding of the export's lines left aside; where
    only tokens are known, by none. Both sides must be of the same days, and `ours` of providers named as the bills'.

    A bill that names no models at all is compared by day, with a note.
    """
    mine = list(ours)
    notes = [note for bill in bills for note in bill.notes] + _twice(bills)
    if "model" in by and not any(line.model for bill in bills for line in bill.lines):
        by, notes = "day", [*notes, "The bill names no models, so days are compared."]
    rows: list[Row] = []
    mapped: list[tuple[str, Family]] = []
    for provider in sorted({bill.provider for bill in bills}):
        theirs = [bill for bill in bills if bill.provider == provider]
        local = [one for one in mine if one.provider == provider]
        named = _families(local, theirs)
        if "model" in by:
            mapped += [(provider, family) for family in named if family.mapped]
        rows += _rows(provider, theirs, local, _labels(named), by, tolerance)
    return Comparison(
        by,
        tuple(rows),
        any(bill.kind == "cost" for bill in bills),
        any(bill.kind == "usage" for bill in bills),
        tuple(mapped),
        tuple(notes),
    )


def nano(amounts: Iterable[Decimal]) -> int:
    """The exact sum of amounts in dollars, in nano-USD; rounded, half to even, once and at the end."""
    with localcontext(EXACT):
        whole = sum(amounts, Decimal(0)).scaleb(9)
    return int(whole.to_integral_value(ROUND_HALF_EVEN))


def _families(ours: Iterable[Ours], bills: Iterable[Bill]) -> list[Family]:
    served: dict[str, frozenset[str]] = {}
    for one in ours:
        served[one.model] = served.get(one.model, frozenset()) | one.served
    return families(served, [line.model for bill in bills for line in bill.lines if line.model])


def _labels(named: Iterable[Family]) -> tuple[dict[str, str], dict[str, str]]:
    """What a name of ours, and a name of theirs, is shown as."""
    found: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for family in named:
        found[0].update(dict.fromkeys(family.ours, family.label))
        found[1].update(dict.fromkeys(family.theirs, family.label))
    return found


def _rows(
    provider: str,
    bills: Sequence[Bill],
    ours: Iterable[Ours],
    labels: tuple[dict[str, str], dict[str, str]],
    by: By,
    tolerance: int,
) -> list[Row]:
    sums: defaultdict[Key, _Sums] = defaultdict(_Sums)
    for one in ours:
        sums[_key(provider, one.day, labels[0][one.model], by)].ours.append(one)
    for bill in bills:
        for line in bill.lines:
            if line.usd is not None or line.tokens:
                label = labels[1][line.model] if line.model else None
                sums[_key(provider, line.day, label, by)].lines.append((line, bill.rounding))
    priced = any(bill.kind == "cost" for bill in bills)
    measures = {name for bill in bills for line in bill.lines for name in line.tokens}
    in_order = sorted(sums, key=lambda key: (key[1] or date.min, key[2] or ""))
    return [_row(key, sums[key], priced, measures, tolerance) for key in in_order]


def _key(provider: str, day: date, label: str | None, by: By) -> Key:
    return provider, day if "day" in by else None, label if "model" in by else None


def _row(key: Key, sums: _Sums, priced: bool, measures: set[str], tolerance: int) -> Row:
    amounts = [line.usd for line, _ in sums.lines if line.usd is not None]
    counted = [line.tokens for line, _ in sums.lines if line.tokens]
    used = {name for tokens in counted for name in tokens} or measures
    theirs = {name: sum(tokens.get(name, 0) for tokens in counted) for name in sorted(used)}
    mine = {name: _of_measure(key[0], name, sums.ours) for name in sorted(used)}
    our_nano = sum(one.nano for one in sums.ours) if sums.ours else None
    their_nano = nano(amounts) if amounts else None
    rounding = sum(off for line, off in sums.lines if line.usd is not None)
    if priced:
        agrees = abs((our_nano or 0) - (their_nano or 0)) <= tolerance + rounding
    else:
        agrees = mine == theirs
    return Row(
        *key,
        ours=our_nano,
        theirs=their_nano,
        our_tokens=mine if measures and sums.ours else None,
        their_tokens=theirs if counted else None,
        calls=sum(one.calls for one in sums.ours),
        estimated=sum(one.estimated_nano for one in sums.ours),
        presumed=sum(one.presumed_nano for one in sums.ours),
        unpriced_calls=sum(one.unpriced_calls for one in sums.ours),
        rounding=rounding,
        priced=priced,
        agrees=agrees,
    )


def _of_measure(provider: str, measure: str, ours: Iterable[Ours]) -> int:
    classes = MEASURES[provider][measure]
    return sum(one.tokens.get(name, 0) for one in ours for name in classes)


def _totals(rows: Sequence[Row]) -> Totals:
    return Totals(
        ours=sum(row.ours or 0 for row in rows),
        theirs=sum(row.theirs or 0 for row in rows if row.priced),
        within=sum(row.difference for row in rows if row.agrees),
        only_ours=sum(row.ours or 0 for row in rows if row.only == "ours"),
        only_theirs=sum(row.theirs or 0 for row in rows if row.only == "theirs"),
        estimated=sum(row.estimated for row in rows),
        presumed=sum(row.presumed for row in rows),
        rounding=sum(row.rounding for row in rows),
        unpriced_calls=sum(row.unpriced_calls for row in rows),
    )


def _twice(bills: Sequence[Bill]) -> list[str]:
    """Two exports of one kind may be of two projects, or the same one twice; only the reader can tell."""
    notes = []
    for i, bill in enumerate(bills):
        for other in bills[:i]:
            shared = bill.days & other.days
            if shared and (bill.provider, bill.kind) == (other.provider, other.kind):
                notes.append(
                    f"{other.where} and {bill.where} both have {min(shared)} and {len(shared) - 1} more days; "
                    "what is in both counts twice."
                    if len(shared) > 1
                    else f"{other.where} and {bill.where} both have {min(shared)}; what is in both counts twice."
                )
    return notes
