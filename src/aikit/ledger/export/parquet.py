"""Parquet, by pyarrow (extra `parquet`): times in UTC, money as integers and as decimals, never as floats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import IO, Any

from aikit.errors import ConfigError
from aikit.ledger.export.fields import Field, Kind, stored
from aikit.money import usd

Row = Sequence[Any]


class ParquetWriter:
    """A row group for each batch of rows, compressed, with a checksum on every page."""

    def __init__(self, file: IO[bytes], fields: Sequence[Field]) -> None:
        """Raises ConfigError without pyarrow."""
        self._arrow, parquet = load()
        self._dollars = [field.kind is Kind.DOLLARS for field in fields]
        self._schema = self._arrow.schema([(field.name, _type(self._arrow, field)) for field in fields])
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd", write_page_checksum=True)

    def write(self, rows: Iterable[Row]) -> None:
        columns = list(zip(*rows, strict=True))
        arrays = []
        for column, type, dollars in zip(columns, self._schema.types, self._dollars, strict=True):
            values = [None if value is None else usd(value) for value in column] if dollars else column
            arrays.append(self._arrow.array(values, type))
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def read_parquet(file: IO[bytes], fields: Sequence[Field], at_once: int) -> Iterator[list[Row]]:
    """The rows of a file: the fields that are columns. Raises ValueError or OSError for one that is damaged."""
    _, parquet = load()
    wanted = [field.name for field in stored(fields)]
    with parquet.ParquetFile(file, page_checksum_verification=True) as source:
        for batch in source.iter_batches(batch_size=at_once, columns=wanted):
            yield list(zip(*[batch.column(name).to_pylist() for name in wanted], strict=True))


def load() -> tuple[ModuleType, ModuleType]:
    """pyarrow and its Parquet. Raises ConfigError if it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigError(
            "Parquet needs pyarrow, which is not installed.",
            remedy="pip install 'aikit[parquet]', or choose another format.",
        ) from None
    return pyarrow, pyarrow.parquet


def _type(arrow: Any, field: Field) -> Any:
    match field.kind:
        case Kind.INTEGER:
            return arrow.int64()
        case Kind.FLAG:
            return arrow.bool_()
        case Kind.TIME:
            return arrow.timestamp("us", tz="UTC")
        case Kind.DOLLARS:
            return arrow.decimal128(19, 9)
        case _:
            return arrow.string()
