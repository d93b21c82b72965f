"""`aikit policy init`, `schema` and `check`: the policy file, without a database."""

from __future__ import annotations

import json as jsons
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.options import Json
from aikit.cli.output import emit_json, line, note
from aikit.errors import ConfigError

if TYPE_CHECKING:
    from aikit.policy.model import Policy

File = Annotated[str, typer.Argument(metavar="FILE", help="A policy file; - reads it from stdin.")]

SCHEMA = "policies.schema.json"
"""What the first line of the template names; it lies beside the file."""
USUAL_CREDIT = 100_000
"""Nano-USD per credit, unless a database was set up otherwise (aikit/ledger/sql/0001_ledger.sql)."""
LARGEST = 10_000_000
"""Bytes of a file that are read; ten thousand policies come to a tenth of that."""


def init(
    file: Annotated[Path, typer.Option("--file", metavar="PATH", help="Where to write it.")] = Path("policies.toml"),
    json: Json = False,
) -> None:
    """Write a commented policy file to begin with.

    Beside it goes its JSON Schema, with which editors complete and check it.
    """
    from aikit.policy.file.example import TEMPLATE

    beside = file.with_name(SCHEMA)
    write_new(file, TEMPLATE)
    fresh = not beside.exists()
    if fresh:
        write_new(beside, _schema_text())
    if json:
        emit_json("policy.init", {"file": str(file), "schema": str(beside), "schema_written": fresh})
        return
    line(f"{file}: written{f', and {beside}' if fresh else f'; {beside} was there already'}")
    note(f"Edit it, then look at what it changes: aikit policy diff {file}")


def schema(json: Json = False) -> None:
    """Print the JSON Schema of the policy file, for editors."""
    from aikit.policy.file import json_schema

    if json:
        emit_json("policy.schema", json_schema())
    else:
        typer.echo(_schema_text(), nl=False)


def check(file: File, json: Json = False) -> None:
    """Whether a policy file can be used; needs no database. Exits 2, with line and field, if it can't."""
    text, where = read_text(file)
    policies = parse(text, where, USUAL_CREDIT)
    limits = sum(len(policy.limits) for policy in policies)
    guards = sum(len(policy.guards) for policy in policies)
    in_credits = parse(text, where, 1) != policies
    if json:
        data = {"file": where, "valid": True, "policies": len(policies), "limits": limits, "guards": guards}
        emit_json("policy.check", data | {"nano_usd_per_credit": USUAL_CREDIT if in_credits else None})
        return
    parts = [_count(limits, "limit", "limits"), *([_count(guards, "guard", "guards")] if guards else [])]
    line(f"{where}: valid, {_count(len(policies), 'policy', 'policies')} with {' and '.join(parts)}")
    if in_credits:
        note("Caps in credits were read at $0.0001 a credit, which a database can be set up to have otherwise.")


def parse(text: str, where: str, nano_per_credit: int) -> tuple[Policy, ...]:
    """The policies of a file. Raises ConfigError that names line and field of what is wrong."""
    from aikit.policy.file import read_policies

    return read_policies(text, where=where, nano_per_credit=nano_per_credit)


def read_text(file: str) -> tuple[str, str]:
    """The text of a file, with or without a byte order mark, and what to call it. Raises ConfigError."""
    where = "stdin" if file == "-" else Path(file).name
    try:
        if file == "-":
            found = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(file).open("rb") as opened:
                found = opened.read(LARGEST + 1)
        text = found.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line_number = found[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{where} line {line_number} is not UTF-8.", remedy="Save the file as UTF-8, which TOML requires."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"{file} can't be read: {reason}.", remedy="`aikit policy init` writes a policies.toml to begin with."
        ) from None
    if len(found) > LARGEST:
        raise ConfigError(f"{where} has more than {LARGEST:,} bytes.", remedy="Is it a policy file?")
    return text, where


def write_new(path: Path, text: str) -> None:
    """Write a file that must not be there yet. Raises ConfigError."""
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(
            f"{path} is there already, and was left as it is.", remedy="Name another one with --file."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}.", remedy="Choose another directory.") from None


def _schema_text() -> str:
    from aikit.policy.file import json_schema

    found: dict[str, Any] = json_schema()
    return jsons.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
