"""Stored JSON, read to the letter: every error names the file and the field, and a field that nobody knows is one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from aikit.errors import EvalError
from aikit.types import PromptId

Word = TypeVar("Word", bound=StrEnum)


def read_json(path: Path, kind: type[EvalError], remedy: str) -> dict[str, Any] | None:
    """The object that a file holds; None if there is no such file. Raises `kind`."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise kind(f"{path} can't be read: {reason}.", facts={"file": str(path)}, remedy=remedy) from None
    try:
        found = json.loads(text, parse_constant=_refused, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, _Twice) else "it is no JSON"
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise kind(f"{path}{line} can't be read: {why}.", facts={"file": str(path)}, remedy=remedy) from None
    if not isinstance(found, dict):
        raise kind(f"{path} holds no JSON object.", facts={"file": str(path)}, remedy=remedy)
    return found


class _Twice(ValueError):
    """A field is there twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(f"`{next(name for name in names if names.count(name) > 1)}` is in it twice")
    return found


def _refused(constant: str) -> NoReturn:
    raise ValueError(constant)


class Fields:
    """The fields of one object. What is asked for has to be there, and has to be what is asked for."""

    def __init__(
        self, found: Mapping[str, Any], file: str, kind: type[EvalError], remedy: str, place: str = ""
    ) -> None:
        self._found = found
        self._file, self._kind, self._remedy, self._place = file, kind, remedy, place
        self._asked: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def fail(self, name: str, what: str) -> NoReturn:
        """Raises: `name` of this object is wrong, `what` says how."""
        field = f"{self._place}{name}"
        raise self._kind(
            f"{self._file}: `{field}` {what}.", facts={"file": self._file, "field": field}, remedy=self._remedy
        )

    def schema(self, wanted: str) -> None:
        """Of a later version of aikit, or of something else."""
        found = self.text("schema")
        if found != wanted:
            self.fail("schema", f"is {found!r}; this version of aikit reads {wanted!r}")

    def nothing_else(self) -> None:
        for name in self._found:
            if name not in self._asked:
                self.fail(name, "is a field that this version of aikit does not know")

    def mapping(self, name: str) -> Fields:
        return self._within(self._take(name, dict, "an object"), f"{name}.")

    def objects(self, name: str) -> list[Fields]:
        rows: list[Any] = self._take(name, list, "a list")
        for position, row in enumerate(rows):
            if not isinstance(row, dict):
                self.fail(f"{name}.{position}", "is no object")
        return [self._within(row, f"{name}.{position}.") for position, row in enumerate(rows)]

    def names(self, name: str) -> tuple[str, ...]:
        """A list of texts, each there once."""
        found: list[Any] = self._take(name, list, "a list")
        if not all(isinstance(one, str) for one in found) or len(set(found)) < len(found):
            self.fail(name, "is no list of different texts")
        return tuple(found)

    def texts(self, name: str) -> dict[str, str]:
        inside = self.mapping(name)
        return {one: inside.text(one) for one in inside}

    def text(self, name: str) -> str:
        found: str = self._take(name, str, "a text")
        return found

    def text_or_none(self, name: str) -> str | None:
        return None if self.is_null(name) else self.text(name)

    def truth(self, name: str) -> bool:
        found: bool = self._take(name, bool, "true or false")
        return found

    def whole(self, name: str, least: int = 0) -> int:
        found = self._take(name, int, "a whole number")
        if isinstance(found, bool) or found < least:
            self.fail(name, f"is no whole number from {least} on")
        return int(found)

    def whole_or_none(self, name: str) -> int | None:
        return None if self.is_null(name) else self.whole(name)

    def number(self, name: str) -> float:
        found = self._take(name, (int, float), "a number")
        if not _is_number(found):
            self.fail(name, "is no number")
        return float(found)

    def number_or_none(self, name: str) -> float | None:
        return None if self.is_null(name) else self.number(name)

    def values(self, name: str, many: int) -> list[float | None]:
        """A list of so many numbers, or nulls."""
        found: list[Any] = self._take(name, list, "a list")
        if len(found) != many or not all(one is None or _is_number(one) for one in found):
            self.fail(name, f"is no list of {many} numbers, one a trial")
        return [None if one is None else float(one) for one in found]

    def one_of(self, name: str, words: type[Word]) -> Word:
        found = self.text(name)
        if found not in list(words):
            self.fail(name, f"is {found!r}, and none of {', '.join(words)}")
        return words(found)

    def moment(self, name: str) -> datetime:
        """In UTC."""
        try:
            found = datetime.fromisoformat(self.text(name))
        except ValueError:
            self.fail(name, "is no time")
        if found.tzinfo is None:
            self.fail(name, "is a time without a zone")
        return found.astimezone(UTC)

    def is_null(self, name: str) -> bool:
        """It is there, and null."""
        self._asked.add(name)
        return name in self._found and self._found[name] is None

    def _take(self, name: str, kind: type | tuple[type, ...], what: str) -> Any:
        self._asked.add(name)
        if name not in self._found:
            self.fail(name, "is missing")
        if not isinstance(self._found[name], kind):
            self.fail(name, f"is not {what}")
        return self._found[name]

    def _within(self, found: Mapping[str, Any], place: str) -> Fields:
        return Fields(found, self._file, self._kind, self._remedy, self._place + place)


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and _finite(found)


def _finite(found: float) -> bool:
    try:
        return isfinite(found)
    except OverflowError:
        return False


def prompt_stated(fields: Fields, name: str) -> PromptId | None:
    """A prompt's version and hash, or null."""
    if fields.is_null(name):
        return None
    inside = fields.mapping(name)
    stated = PromptId(inside.text("id"), inside.text("sha256"))
    inside.nothing_else()
    return stated


def written_prompt(prompt: PromptId | None) -> dict[str, str] | None:
    """As `prompt_stated` reads it."""
    return None if prompt is None else {"id": prompt.id, "sha256": prompt.sha256}
