"""The one form in which everything is read: as the commands write it with `--json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from aikit.serve.answers import Answer, of_json
from aikit.serve.endpoints import plain


@dataclass(frozen=True, slots=True)
class Listed:
    """What is answered: `{"schema": "aikit.NAME/1", "as_of", "data", "totals"}`; `one`: data is no list."""

    name: str
    row: type[BaseModel]
    one: bool = False

    def answer(self, data: Any, totals: Mapping[str, Any] | None = None, status: int = 200) -> Answer:
        """The answer with these rows."""
        rows = self._plain(data) if self.one else [self._plain(row) for row in data]
        now = datetime.now(UTC).replace(microsecond=0)
        said = {"schema": f"aikit.{self.name}/1", "as_of": now, "data": rows, "totals": dict(totals or {})}
        return of_json(said, status)

    def _plain(self, row: Any) -> Any:
        return plain(row if isinstance(row, BaseModel) else self.row(**row))

    def schema(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Its JSON Schema, given that of a row."""
        data = dict(row) if self.one else {"type": "array", "items": dict(row)}
        return {
            "type": "object",
            "required": ["schema", "as_of", "data", "totals"],
            "properties": {
                "schema": {"const": f"aikit.{self.name}/1"},
                "as_of": {"type": "string", "format": "date-time"},
                "data": data,
                "totals": {"type": "object"},
            },
        }
