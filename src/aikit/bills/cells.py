"""One row of an export, and how its cells are read: exactly, or with an error that names file, row and column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation

from aikit.errors import ConfigError

YEARS = range(2000, 3000)
MOST_USD = 9_000_000_000
FINEST = -100
"""Amounts are written with up to some forty decimals; below 1e-100 is a mistake, unless it is zero."""
EXACT = Context(prec=400, traps=[Inexact])
"""Whatever such amounts are added up in: it loses no digit, and would raise if it did."""


class BillUnreadable(ConfigError):
    """The export can't be read."""

    code = "BILL_UNREADABLE"
    remedy = "Download the export again, and give it as it is."


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row by column, stripped. `at` says where: `line 7`, or `result 7` of a JSON file."""

    where: str
    at: str
    cells: Mapping[str, str]

    def text(self, *columns: str) -> str:
        """The first of these columns that is there and not empty; else an empty string."""
        return next((cell for column in columns if (cell := self.cells.get(column, ""))), "")

    def usd(self, column: str) -> Decimal:
        """An amount, exactly. It may be negative: providers credit, too."""
        cell = self.text(column)
        try:
            amount = Decimal(cell.replace("$", "", 1))
        except InvalidOperation:
            raise self.unreadable(column, "an amount") from None
        if not amount:
            return Decimal(0)
        if not amount.is_finite() or not -MOST_USD <= amount <= MOST_USD or int(amount.as_tuple().exponent) < FINEST:
            raise self.unreadable(column, "an amount")
        return amount

    def cents(self, column: str) -> Decimal:
        """An amount in cents, exactly, in dollars."""
        return EXACT.scaleb(self.usd(column), Decimal(-2))

    def count(self, column: str) -> int:
        """A whole number; `59200.0` is one. An empty cell is 0."""
        cell = self.text(column)
        try:
            amount = Decimal(cell or 0)
            if amount >= 0 and amount < 10**18 and amount == amount.to_integral_value():
                return int(amount)
        except InvalidOperation:
            pass
        raise self.unreadable(column, "a number of tokens")

    def day(self, *columns: str) -> date:
        """The UTC day of the first of these columns that has a time: seconds since 1970, or written as ISO 8601."""
        return self._moment(*columns).date()

    def one_day(self, starts: tuple[str, ...], ends: tuple[str, ...]) -> date:
        """The UTC day that a row covers from its start to its end. A row of more than one day can't be compared."""
        start = self._moment(*starts)
        if self.text(*ends) and (self._moment(*ends) - timedelta(seconds=1)).date() > start.date():
            written = f"{self.text(*starts)} to {self.text(*ends)}"
            raise BillUnreadable(
                f"{self.where}, {self.at}: covers {written}, which is not within one UTC day.",
                facts={"file": self.where, "at": self.at},
                remedy="Export it by day, or by hour.",
            )
        return start.date()

    def unreadable(self, column: str, wanted: str) -> BillUnreadable:
        return BillUnreadable(
            f"{self.where}, {self.at}, column {column}: {self.text(column)[:60]!r} is not {wanted}.",
            facts={"file": self.where, "at": self.at, "column": column},
        )

    def _moment(self, *columns: str) -> datetime:
        column = next((name for name in columns if self.text(name)), columns[0])
        cell = self.text(column)
        try:
            if cell.removesuffix(".0").isdigit():
                moment = datetime.fromtimestamp(int(cell.removesuffix(".0")), UTC)
            else:
                written = datetime.fromisoformat(cell)
                moment = (written if written.tzinfo else written.replace(tzinfo=UTC)).astimezone(UTC)
            if moment.year in YEARS:
                return moment
        except (ValueError, OverflowError, OSError):
            pass
        raise self.unreadable(column, "a date or time")
