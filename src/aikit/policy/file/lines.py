"""On which line each key of a TOML text stands: `tomllib` says what a file states, not where."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left

Path = tuple[str | int, ...]
"""The way to a value: keys of tables, and places in arrays, counted from 0."""

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_SCALAR = re.compile(r"[^,\]}#\n]+")


def lines_of(text: str) -> dict[Path, int]:
    """The line, counted from 1, on which each key and each element of an array begins. `text` must be valid TOML."""
    return _Scanner(text).scan()


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of a path, or of the nearest table around it; 1 for the whole file."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


class _Scanner:
    """Walks once over a text that is known to be valid, so it need not tell wrong from right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.breaks = [found.start() for found in re.finditer("\n", text)]
        self.lines: dict[Path, int] = {}
        self.lengths: dict[Path, int] = {}
        """How many tables each array of tables has so far."""

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip_blank():
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self.lines

    def _header(self) -> Path:
        """`[a.b]` or `[[a.b]]`: the path of the table that it opens."""
        start = self.at
        many = self.text.startswith("[[", start)
        self.at += 2 if many else 1
        *around, last = self._key()
        self.at += 2 if many else 1
        path: Path = ()
        for part in around:
            path = self._mark((*path, part), start)
            if path in self.lengths:
                path = (*path, self.lengths[path] - 1)
        path = self._mark((*path, last), start)
        if many:
            place = self.lengths.get(path, 0)
            self.lengths[path] = place + 1
            path = self._mark((*path, place), start)
        return path

    def _pair(self, table: Path) -> None:
        """`key = value`, in a table of either form."""
        start = self.at
        path = table
        for part in self._key():
            path = self._mark((*path, part), start)
        self.at += 1  # the equals sign
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip_blank()
        opening = self.text[self.at]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        elif opening in "\"'":
            self._take(_STRING)
        else:
            self._take(_SCALAR)

    def _array(self, path: Path) -> None:
        self.at += 1
        place = 0
        while self._next_item() != "]":
            self._value(self._mark((*path, place), self.at))
            place += 1
        self.at += 1

    def _inline_table(self, path: Path) -> None:
        self.at += 1
        while self._next_item() != "}":
            self._pair(path)
        self.at += 1

    def _next_item(self) -> str:
        """Go to what follows a comma or an opening bracket, and return its first character."""
        self._skip_blank()
        if self.text[self.at] == ",":
            self.at += 1
            self._skip_blank()
        return self.text[self.at]

    def _key(self) -> list[str]:
        """The parts of a dotted key."""
        parts = []
        while True:
            self._skip_blank()
            quoted = self.text[self.at] in "\"'"
            part = self._take(_STRING if quoted else _BARE_KEY)
            parts.append(tomllib.loads(f"key = {part}")["key"] if quoted else part)
            if _DOT.match(self.text, self.at) is None:
                self._skip_blank()
                return parts
            self._take(_DOT)

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise ValueError(f"no valid TOML at character {self.at}")
        self.at = found.end()
        return found[0]

    def _skip_blank(self) -> bool:
        """Go on past white space, line breaks and comments; whether anything follows."""
        self._take(_BLANK)
        return self.at < len(self.text)

    def _mark(self, path: Path, start: int) -> Path:
        """Note where a path is first mentioned."""
        self.lines.setdefault(path, bisect_left(self.breaks, start) + 1)
        return path
