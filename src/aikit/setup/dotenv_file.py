"""`.env`, changed one variable at a time: all else stays byte for byte, and only its owner may read it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from aikit.errors import ConfigError
from aikit.setup.atomic import replace

MODE = 0o600
LARGEST = 1_000_000
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
BOM = "\ufeff"
ESCAPES = {
    "\\": "\\\\",
    '"': '\\"',
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\f": "\\f",
    "\v": "\\v",
    "\a": "\\a",
    "\b": "\\b",
}
PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")
VALUE = re.compile(
    r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|(?:(?!\s+\#)[^\r\n])*?(?=\s*(?:\s\#|[\r\n]|\Z))""", re.DOTALL
)
"""A value as it is written; what follows it on its line is a comment."""


def set_variables(path: Path, values: Mapping[str, str]) -> None:
    """Write these variables into the file, which need not be there; those that are there get the new value.

    Raises ConfigError for a file that can't be read, naming the line, or a value that no such file can hold; then it is
    as it was.
    """
    before = read(path)
    after = changed(before, values, path.name)
    if after != before or not path.exists():
        replace(path, after.encode(), mode=MODE)


def read(path: Path) -> str:
    """The text of the file, "" if there is none. Raises ConfigError."""
    try:
        data = path.read_bytes()
        if len(data) > LARGEST:
            raise ConfigError(f"{path.name} has more than {LARGEST:,} bytes.", remedy="Is it a file of variables?")
        text = data.decode()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path.name} line {number} is not UTF-8.", remedy="Save it as UTF-8.") from None
    except OSError as error:
        raise ConfigError(f"{path.name} can't be read: {error.strerror}.", remedy="Check its rights.") from None
    wrong = next((binding for binding in _bindings(text) if binding.error), None)
    if wrong is not None:
        raise ConfigError(
            f"{path.name} line {_line(wrong)} can't be read; the file is left as it is.",
            facts={"file": str(path), "line": _line(wrong)},
            remedy="Correct that line; it should be NAME=value, with quotes around a value that needs them.",
        )
    return text


def values_of(text: str) -> dict[str, str | None]:
    """What python-dotenv reads from such a text."""
    unified = re.sub(r"\r\n?", "\n", text)  # as reading a file does
    return {binding.key: binding.value for binding in _bindings(unified) if binding.key is not None}


def changed(text: str, values: Mapping[str, str], where: str = ".env") -> str:
    """The text with these variables in it. Raises ConfigError for a name or a value that it can't hold."""
    for name, value in values.items():
        text = _with(text, name, value, where)
    return text


def _with(text: str, name: str, value: str, where: str) -> str:
    if not NAME.fullmatch(name):
        raise ConfigError(f"A variable can't be called {name!r:.60}.", remedy="Use letters, digits and _.")
    known = values_of(text)
    if known.get(name) == value:
        return text
    for written in _forms(value):
        after = _placed(text, name, written)
        if values_of(after) == known | {name: value}:
            return after
    raise ConfigError(f"The value of {name} can't be written to {where}.", remedy="Set it in the environment instead.")


def _placed(text: str, name: str, written: str) -> str:
    """In place of the value that counts, which is the last one; else on a line of its own at the end."""
    bom, body = (BOM, text[1:]) if text.startswith(BOM) else ("", text)
    bindings = list(_bindings(body))
    last = max((index for index, binding in enumerate(bindings) if binding.key == name), default=None)
    pieces = [binding.original.string for binding in bindings]
    if last is not None:
        pieces[last] = _revalued(pieces[last], written)
        return bom + "".join(pieces)
    end = "\r\n" if "\r\n" in body else "\n"
    gap = "" if not body or body.endswith(("\n", "\r")) else end
    return f"{bom}{body}{gap}{name}={written}{end}"


def _revalued(line: str, written: str) -> str:
    """The line, with what is before the value and the comment after it."""
    head = re.match(r"\s*(?:export[^\S\r\n]+)?(?:'[^']+'|[^=\#\s]+)[^\S\r\n]*", line)
    assert head is not None
    rest = line[head.end() :]
    if not rest.startswith("="):
        return f"{head[0]}={written}{rest}"
    gap = re.match(r"=[^\S\r\n]*", rest)
    assert gap is not None
    tail = rest[gap.end() :]
    if len(gap[0]) > 1 and tail.startswith("#"):
        return f"{head[0]}={written} {tail}"
    value = VALUE.match(tail)
    return f"{head[0]}{gap[0]}{written}{tail[value.end() if value else 0 :]}"


def _forms(value: str) -> Iterator[str]:
    """How it can be written, the plainest first."""
    if PLAIN.fullmatch(value):
        yield value
    if "\r" not in value:
        yield "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    yield '"' + "".join(ESCAPES.get(letter, letter) for letter in value) + '"'


def _bindings(text: str) -> list[Binding]:
    return list(parse_stream(io.StringIO(text, newline="")))


def _line(binding: Binding) -> int:
    blank = len(binding.original.string) - len(binding.original.string.lstrip("\r\n"))
    return binding.original.line + binding.original.string[:blank].count("\n")
