"""Reads a file as Python: its text as Python would decode it, or the code cells of a notebook one after another."""

from __future__ import annotations

import ast
import io
import json
import re
import symtable
import tokenize
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOTEBOOK = ".ipynb"
LARGEST = 20_000_000
_MAGIC = re.compile(r"^(\s*)[%!?].*$", re.MULTILINE)


class Unreadable(Exception):
    """It is no Python: what is wrong, and where."""

    def __init__(self, message: str, line: int = 1, column: int = 1, cell: int = 0) -> None:
        super().__init__(message)
        self.message, self.line, self.column, self.cell = message, line, column, cell


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file. `cells` are those of a notebook: the number of each and the line that it begins at."""

    text: str
    cells: tuple[tuple[int, int], ...] = ()

    def place(self, line: int) -> tuple[int, int]:
        """The cell, 0 if there is none, and the line in it, of a line of the text."""
        cell, first = 0, 1
        for number, begins in self.cells:
            if begins > line:
                break
            cell, first = number, begins
        return cell, line - first + 1


def read_source(path: Path) -> Source:
    """Raises Unreadable."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"it can't be read: {error.strerror}") from None
    if len(data) > LARGEST:
        raise Unreadable(f"it has more than {LARGEST:,} bytes")
    return notebook(data) if path.suffix == NOTEBOOK else Source(decoded(data))


def decoded(data: bytes) -> str:
    """Bytes as Python reads a file: by its byte order mark or its coding line, else as UTF-8. Raises Unreadable."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise Unreadable(f"it is no text: {error}") from None
    if "\0" in text:
        raise Unreadable("it has null bytes")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def notebook(data: bytes) -> Source:
    """The code cells, without lines that are for the notebook and not for Python. Raises Unreadable."""
    try:
        found: Any = json.loads(data)
        cells = [cell for cell in enumerate(found["cells"], start=1) if cell[1].get("cell_type") == "code"]
        texts = [(number, "".join(cell["source"])) for number, cell in cells]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Unreadable("it is no notebook") from None
    lines, starts = "", []
    line = 1
    for number, text in texts:
        starts.append((number, line))
        plain = "" if text.lstrip().startswith("%%") else _MAGIC.sub(r"\1pass", text)
        written = "\n".join(plain.splitlines()) + "\n"
        lines += written
        line += written.count("\n")
    return Source(lines, tuple(starts))


def check(source: Source) -> None:
    """Raises Unreadable for what is no Python. Cheaper by far than a tree."""
    _read(lambda: symtable.symtable(source.text, "<file>", "exec"), source)


def parse(source: Source) -> ast.Module:
    """The tree. Raises Unreadable."""
    tree = _read(lambda: ast.parse(source.text), source)
    assert isinstance(tree, ast.Module)
    return tree


def _read(reader: Any, source: Source) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return reader()
    except SyntaxError as error:
        cell, line = source.place(error.lineno or 1)
        raise Unreadable(error.msg or "invalid syntax", line, max(error.offset or 1, 1), cell) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unreadable(f"it is too deep or too odd to be read ({type(error).__name__})") from None
