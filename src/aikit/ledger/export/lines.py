"""CSV and JSON lines: one row, one line. Unknown is an empty field or null; a text that is empty is quoted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import IO, Any

from aikit.ledger.export.fields import Field, Kind, stored
from aikit.money import usd_string

Row = Sequence[Any]


class CsvWriter:
    """Comma-separated, as RFC 4180 has it, in UTF-8, with a head; lines end as `\\n`."""

    def __init__(self, file: IO[bytes], fields: Sequence[Field]) -> None:
        self._file = file
        self._words = [_words(field) for field in fields]
        self._put([",".join(field.name for field in fields)])

    def write(self, rows: Iterable[Row]) -> None:
        self._put([",".join([word(value) for word, value in zip(self._words, row, strict=True)]) for row in rows])

    def close(self) -> None:
        """Nothing more to say."""

    def _put(self, lines: list[str]) -> None:
        self._file.write("".join([f"{line}\n" for line in lines]).encode())


class JsonlWriter:
    """One object a line, in UTF-8; dollars are strings, what was recorded as JSON is JSON."""

    def __init__(self, file: IO[bytes], fields: Sequence[Field]) -> None:
        self._file = file
        self._fields = [(f"{json.dumps(field.name)}: ", field.kind) for field in fields]

    def write(self, rows: Iterable[Row]) -> None:
        lines = []
        for row in rows:
            values = [name + _json(kind, value) for (name, kind), value in zip(self._fields, row, strict=True)]
            lines.append("{" + ", ".join(values) + "}\n")
        self._file.write("".join(lines).encode())

    def close(self) -> None:
        """Nothing more to say."""


def read_jsonl(file: IO[bytes], fields: Sequence[Field], at_once: int) -> Iterator[list[Row]]:
    """The rows of a file of JSON lines: the fields that are columns. Raises ValueError for one that is damaged."""
    wanted = stored(fields)
    while lines := list(islice(file, at_once)):
        yield [_row(line.decode(), wanted) for line in lines]


def _row(line: str, wanted: Sequence[Field]) -> Row:
    found = json.loads(line)
    values = []
    for field in wanted:
        value = found[field.name]
        if value is not None and field.kind is Kind.TIME:
            value = datetime.fromisoformat(value)
        if value is not None and field.kind is Kind.JSON:
            value = _recorded(line, field.name)
        values.append(value)
    return values


def _recorded(line: str, name: str) -> str:
    """A JSON value as it stands in the line. No text can contain its name so, with quotes that aren't escaped."""
    opening = f', "{name}": '
    start = line.index(opening) + len(opening)
    _, end = json.JSONDecoder().raw_decode(line, start)
    return line[start:end]


def _json(kind: Kind, value: Any) -> str:
    if value is None:
        return "null"
    match kind:
        case Kind.JSON:
            return str(value)
        case Kind.TIME:
            return f'"{_time(value)}"'
        case Kind.DOLLARS:
            return f'"{usd_string(value)}"'
        case _:
            return json.dumps(value, ensure_ascii=False)


def _words(field: Field) -> Callable[[Any], str]:
    words: dict[Kind, Callable[[Any], str]] = {
        Kind.TIME: _time,
        Kind.DOLLARS: usd_string,
        Kind.FLAG: lambda value: "true" if value else "false",
        Kind.INTEGER: str,
    }
    word = words.get(field.kind, _quoted)
    return lambda value: "" if value is None else word(value)


def _quoted(text: str) -> str:
    if text and not any(mark in text for mark in ',"\r\n'):
        return text
    return '"' + text.replace('"', '""') + '"'


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
