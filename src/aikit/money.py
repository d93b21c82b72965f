"""Money: integer nano-USD inside, exact decimal strings at the edges, credits for caps.

One nano-USD is 1e-9 $. One credit is a whole number of nano-USD (100,000 unless the database was set up
otherwise), so 250,000 credits are $25. No float takes part anywhere.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

NANO_PER_USD = 1_000_000_000
MAX_NANO = 9_000_000_000_000_000_000
"""The largest amount a PostgreSQL bigint can hold with room to add: nine billion dollars."""
THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d*)?")


def parse_usd(text: str | int | Decimal) -> int:
    """`"12.50"`, `"$1,000"` or a Decimal in dollars → nano-USD, exactly.

    Raises ValueError for anything that is not a finite amount from zero to nine billion dollars, or that is
    finer than one nano-USD.
    """
    try:
        amount = Decimal(_plain(text) if isinstance(text, str) else text)
    except InvalidOperation:
        raise ValueError(f"not an amount in dollars: {text!r}") from None
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"an amount in dollars must be zero or more: {text!r}")
    if amount > MAX_NANO // NANO_PER_USD:
        raise ValueError(f"an amount can't exceed nine billion dollars: {text!r}")
    _, digits, exponent = amount.as_tuple()
    if amount and isinstance(exponent, int) and any(digits[min(0, exponent + 9) or len(digits) :]):
        raise ValueError(f"an amount can't be finer than one nano-dollar: {text!r}")
    return int(amount.scaleb(9))


def _plain(text: str) -> str:
    """Without the dollar sign and the commas between thousands; any other comma makes it no number."""
    text = text.strip().removeprefix("$")
    return text.replace(",", "") if THOUSANDS.fullmatch(text) else text


def usd(nano: int) -> Decimal:
    """Nano-USD → dollars, exactly."""
    return Decimal(nano).scaleb(-9)


def usd_string(nano: int) -> str:
    """Nano-USD → an exact decimal string without exponent or trailing zeros: 91_000 → `"0.000091"`."""
    sign, size = ("-", -nano) if nano < 0 else ("", nano)
    whole, rest = divmod(size, NANO_PER_USD)
    return f"{sign}{whole}.{rest:09d}".rstrip("0").rstrip(".") if rest else f"{sign}{whole}"


def format_usd(nano: int | None, *, floor: bool = False) -> str:
    """For people: cents when there are cents to show, otherwise the first significant digits. Unknown is `—`.

    With `floor` cents are rounded down, for what is left: nobody should read that more is left than there is.
    """
    if nano is None:
        return "—"
    sign, size = ("-", -nano) if nano < 0 else ("", nano)
    cent = NANO_PER_USD // 100
    if size == 0 or size >= cent:
        return f"{sign}${usd(size - size % cent if floor else size):,.2f}"
    return f"{sign}${usd(round_significant(size, 2)):f}".rstrip("0")


def round_significant(value: int, digits: int) -> int:
    """`value` rounded half up to that many significant digits: (91_499, 2) → 91_000."""
    step: int = 10 ** max(0, len(str(value)) - digits)
    return (value + step // 2) // step * step


def credits(nano: int, nano_per_credit: int) -> int:
    """Whole credits that cover `nano`, rounded up: a started credit is a used credit."""
    return -(-nano // nano_per_credit)
