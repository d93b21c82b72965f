"""What rows come to, taken from a table and from a file, so that the two can be compared.

How many there are, the sum of every number, and a digest of every value of every row, in any order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from aikit.ledger.export.fields import Field, Kind, as_text, fields_of, plain, stored
from aikit.ledger.export.lines import read_jsonl
from aikit.ledger.export.parquet import read_parquet
from aikit.ledger.export.rows import AT_ONCE, Row

READERS: dict[str, Callable[[IO[bytes], Sequence[Field], int], Iterator[list[Row]]]] = {
    "jsonl": read_jsonl,
    "parquet": read_parquet,
}
"""The formats that can be read back to the last bit."""
DIGEST_BYTES = 7


@dataclass(frozen=True, slots=True)
class Tally:
    """`sums` of the numbers by column, in nano-USD, tokens or milliseconds; unknown counts as 0 there."""

    rows: int
    digest: int
    sums: tuple[tuple[str, int], ...]

    @property
    def nano(self) -> int:
        return dict(self.sums)["nano"]


def tally_query(relation: str, part: str) -> str:
    """The SQL that takes a tally of a table: the rows, the digest, then the sums."""
    columns = stored(fields_of(relation))
    row = f"concat_ws(E'\\x1f', {', '.join(map(as_text, columns))})"
    hash = f"substr(sha256(convert_to({row}, 'UTF8')), 1, {DIGEST_BYTES})"
    digest = f"('x' || encode({hash}, 'hex'))::bit({8 * DIGEST_BYTES})::bigint"
    sums = [f"coalesce(sum({name}), 0)" for name in _numbers(columns)]
    return f'SELECT count(*), coalesce(sum({digest}), 0), {", ".join(sums)} FROM aikit."{part}"'


def tally_found(relation: str, found: Sequence[Any]) -> Tally:
    """The tally that the row of `tally_query` says."""
    rows, digest, *sums = map(int, found)
    return Tally(rows, digest, tuple(zip(_numbers(stored(fields_of(relation))), sums, strict=True)))


def tally_file(path: Path, relation: str, format: str) -> Tally | None:
    """The tally of a file; None for one that can't be read as rows of `relation`."""
    fields = fields_of(relation)
    try:
        with path.open("rb") as file:
            return tally_rows(stored(fields), READERS[format](file, fields, AT_ONCE))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def tally_rows(columns: Sequence[Field], batches: Iterable[Sequence[Row]]) -> Tally:
    """The tally of rows that have a value for each of these columns."""
    numbers = [place for place, field in enumerate(columns) if field.kind is Kind.INTEGER]
    count, digest, sums = 0, 0, [0] * len(numbers)
    for rows in batches:
        for row in rows:
            count += 1
            digest += _digest(columns, row)
            for at, place in enumerate(numbers):
                sums[at] += row[place] or 0
    return Tally(count, digest, tuple(zip(_numbers(columns), sums, strict=True)))


def _digest(columns: Sequence[Field], row: Row) -> int:
    text = "\x1f".join([plain(field, value) for field, value in zip(columns, row, strict=True)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:DIGEST_BYTES])


def _numbers(columns: Sequence[Field]) -> list[str]:
    return [field.name for field in columns if field.kind is Kind.INTEGER]
