"""From the bytes of an export to a bill: CSV (commas or tabs) or the JSON of an API, gzipped or not."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aikit.bills.cells import BillUnreadable, Row
from aikit.bills.formats import FORMATS, Format
from aikit.bills.sides import Bill, Line

HALF_A_CENT = 5_000_000
GZIP = b"\x1f\x8b"


def read_bill(where: str, data: bytes, *, provider: str | None = None, kind: str | None = None) -> Bill:
    """Read an export; `where` is what errors call it. Its columns say what it is, unless `provider` or `kind` do.

    Raises BillUnreadable, which names file, line and column.
    """
    columns, rows, notes = _rows(where, _text(where, data))
    chosen = _recognise(where, columns, provider, kind)
    unknown = sorted(columns - chosen.known)
    if unknown:
        notes.append(f"{where}: ignored {', '.join(unknown)}.")
    lines = tuple(chosen.read(row) for row in rows)
    if not lines:
        raise BillUnreadable(f"{where} has no rows.", facts={"file": where}, remedy="Choose a period with usage.")
    return Bill(where, chosen.provider, chosen.kind, lines, _rounding(chosen, lines), tuple(notes))


def _recognise(where: str, columns: frozenset[str], provider: str | None, kind: str | None) -> Format:
    wanted = [one for one in FORMATS if provider in (None, one.provider) and kind in (None, one.kind)]
    closest = min(wanted, key=lambda one: len(one.missing(columns)) - len(one.known & columns) / 1000)
    missing = closest.missing(columns)
    if not missing:
        return closest
    facts = {"file": where, "columns": sorted(columns), "missing": missing}
    if len(missing) == len(closest.needed):
        names = ", ".join(one.name for one in wanted)
        raise BillUnreadable(
            f"{where} is no export that is known here: its columns are {', '.join(sorted(columns))[:200]}.",
            facts=facts,
            remedy=f"Known are {names}.",
        )
    raise BillUnreadable(
        f"{where}, line 1: a column is missing to be {closest.name}: {', '.join(missing)}.", facts=facts
    )


def _rounding(chosen: Format, lines: Iterable[Line]) -> int:
    amounts = [line.usd for line in lines if line.usd is not None]
    cents = chosen.to_the_cent and all(int(amount.as_tuple().exponent) >= -2 for amount in amounts)
    return HALF_A_CENT if cents else 0


def _text(where: str, data: bytes) -> str:
    try:
        text = (gzip.decompress(data) if data.startswith(GZIP) else data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BillUnreadable(f"{where} is not text in UTF-8 (byte {error.start}).", facts={"file": where}) from None
    except (OSError, EOFError, zlib.error):
        raise BillUnreadable(f"{where} is a damaged gzip file.", facts={"file": where}) from None
    if not text.strip():
        raise BillUnreadable(f"{where} is empty.", facts={"file": where})
    return text


def _rows(where: str, text: str) -> tuple[frozenset[str], list[Row], list[str]]:
    if text.lstrip()[0] in "{[":
        return _results(where, text)
    rows = _table(where, text)
    head = next(rows, None)
    if head is None:
        raise BillUnreadable(f"{where} has no head.", facts={"file": where})
    return frozenset(head.cells), list(rows), []


def _table(where: str, text: str) -> Iterator[Row]:
    """The head as a row of its own names, then the rows."""
    head, _, _ = text.lstrip().partition("\n")
    delimiter = "\t" if "\t" in head and "," not in head else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] | None = None
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if not any(stripped):
                continue
            if columns is None:
                columns = [cell.lower() for cell in stripped]
                if len(set(columns)) < len(columns):
                    twice = next(name for name in columns if columns.count(name) > 1)
                    raise _bad_line(where, reader.line_num, f"column {twice!r} is there twice")
                yield Row(where, "line 1", dict(zip(columns, stripped, strict=True)))
            elif len(stripped) != len(columns):
                raise _bad_line(where, reader.line_num, f"has {len(stripped)} columns, and the head {len(columns)}")
            else:
                yield Row(where, f"line {reader.line_num}", dict(zip(columns, stripped, strict=True)))
    except csv.Error as error:
        raise _bad_line(where, reader.line_num, f"is not CSV ({error})") from None


def _bad_line(where: str, number: int, what: str) -> BillUnreadable:
    return BillUnreadable(f"{where}, line {number}: {what}.", facts={"file": where, "line": number})


def _results(where: str, text: str) -> tuple[frozenset[str], list[Row], list[str]]:
    """One row a result of each bucket of each page, its nested fields joined by `_`, as the CSV exports have them.

    A bucket without results is a row of its times only.
    """
    try:
        read = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)  # as written, so exactly
    except (ValueError, RecursionError) as error:
        raise BillUnreadable(f"{where} is not JSON: {error}.", facts={"file": where}) from None
    pages = read if isinstance(read, list) else [read]
    rows: list[Row] = []
    columns: set[str] = set()
    for bucket in (bucket for page in pages for bucket in _buckets(where, page)):
        times = _flat({name: value for name, value in bucket.items() if name not in ("results", "object")})
        for result in bucket["results"] or [{}]:
            if not isinstance(result, dict):
                raise _not_a_page(where)
            cells = _flat(result)
            columns.update(times, cells)
            rows.append(Row(where, f"result {len(rows) + 1}", times | cells))
    last = pages[-1]
    more = isinstance(last, dict) and last.get("has_more") is True
    notes = [f"{where}: it ends where another page follows (has_more is true)."] if more else []
    return frozenset(columns), rows, notes


def _buckets(where: str, page: Any) -> list[dict[str, Any]]:
    buckets = page.get("data") if isinstance(page, dict) else None
    if not isinstance(buckets, list) or not all(
        isinstance(one, dict) and isinstance(one.get("results"), list) for one in buckets
    ):
        raise _not_a_page(where)
    return buckets


def _not_a_page(where: str) -> BillUnreadable:
    return BillUnreadable(
        f"{where} is JSON, but no page of a usage or cost API.",
        facts={"file": where},
        remedy='Such a page is {"data": [{…, "results": […]}], …}; several go into a list.',
    )


def _flat(fields: Mapping[str, Any], before: str = "") -> dict[str, str]:
    cells: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            cells |= _flat(value, f"{before}{name}_")
        else:
            cells[f"{before}{name}"] = "" if value is None else str(value).strip()
    return cells
