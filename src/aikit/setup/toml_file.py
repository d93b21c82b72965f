"""`aikit.toml`, changed one setting at a time: comments and order stay, and what it would say is read before it is."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import ValidationError
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from aikit.config.invalid import invalid
from aikit.config.settings import File
from aikit.errors import ConfigError
from aikit.setup.atomic import replace

SETTABLE = re.compile(r"environment|streams\.drain_seconds|evals\.tenant|prompts\.folder|providers\.[a-z0-9_-]+\.model")
"""What may be set by name: nothing that says where keys are sent, or where the database is."""


def check_setting(name: str) -> None:
    """Raises ConfigError for a setting that can't be set by its name."""
    if not SETTABLE.fullmatch(name):
        raise ConfigError(
            f"{name!r:.80} can't be set here.",
            remedy="These can: environment, streams.drain_seconds, evals.tenant, prompts.folder, providers.NAME.model.",
        )


def coerced(name: str, value: str) -> str | int:
    return int(value) if name == "streams.drain_seconds" and value.isascii() and value.isdigit() else value


def says(path: Path, dotted: str) -> Any:
    """What the file says for a setting; None for nothing, or if it can't be read."""
    try:
        found: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    for part in dotted.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def set_settings(path: Path, settings: Mapping[str, str]) -> None:
    """Write settings by their dotted names. Raises ConfigError; then the file is as it was."""
    document = _read(path)
    for name, value in settings.items():
        check_setting(name)
        *tables, key = name.split(".")
        inner: Any = document
        for part in tables:
            inner = inner.setdefault(part, tomlkit.table(is_super_table=part == "providers"))
            _check_table(inner, path, name, part)
        inner[key] = coerced(name, value)
    _write(path, document)


def add_tables(path: Path, tables: Mapping[str, Mapping[str, object]], comment: str) -> None:
    """Write whole tables, `group.name`, each in place of one of that name. Raises ConfigError."""
    document = _read(path)
    for dotted, fields in tables.items():
        group, _, name = dotted.partition(".")
        outer: Any = document.setdefault(group, tomlkit.table(is_super_table=True))
        _check_table(outer, path, dotted, group)
        outer[name] = _table(fields, comment)
    _write(path, document)


def _check_table(found: object, path: Path, name: str, part: str) -> None:
    """Raises ConfigError for what stands where a table must."""
    if not isinstance(found, Mapping):
        raise ConfigError(
            f"{path.name}: {part} holds a value, and not a table, so {name} can't be written.",
            facts={"file": str(path), "field": part},
            remedy=f"Remove `{part} = …` from {path.name}, or make it a table.",
        )


def _table(fields: Mapping[str, object], comment: str) -> Table:
    made = tomlkit.table()
    made.comment(comment)
    for key, value in fields.items():
        made[key] = value
    return made


def _read(path: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(path.read_bytes().decode())
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise ConfigError(f"{path.name} can't be read ({type(error).__name__}).", remedy="Correct it.") from None


def _write(path: Path, document: tomlkit.TOMLDocument) -> None:
    if not path.resolve().is_relative_to(path.parent.resolve()):
        raise ConfigError(
            f"{path.name} is a link that leads elsewhere.", remedy="Change the file it points to by hand."
        )
    text = tomlkit.dumps(document)
    try:
        File.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise invalid(path.name, error) from None
    replace(path, text.encode(), mode=path.stat().st_mode & 0o777)
