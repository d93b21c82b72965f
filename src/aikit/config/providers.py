"""The providers: those that need no configuration, and those of `[providers.NAME]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from aikit.config.invalid import invalid
from aikit.errors import ConfigError

FILE = "aikit.toml"

Kind = Literal["openai", "anthropic", "gemini"]
BUILT_IN: dict[str, dict[str, str]] = {
    "openai": {
        "kind": "openai",
        "base_url": "https://api.openai.com/v1",
        "api_key_env": "OPENAI_API_KEY",
        "model": "gpt-5-mini",
    },
    "anthropic": {
        "kind": "anthropic",
        "base_url": "https://api.anthropic.com",
        "api_key_env": "ANTHROPIC_API_KEY",
        "model": "claude-haiku-4-5",
    },
    "gemini": {
        "kind": "gemini",
        "base_url": "https://generativelanguage.googleapis.com",
        "api_key_env": "GEMINI_API_KEY",
        "api_version": "v1beta",
        "model": "gemini-2.5-flash",
    },
}
"""The providers that need no configuration, in the order in which one is chosen when a call names none."""


class ProviderTable(BaseModel):
    """`[providers.NAME]` as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True)
    kind: Kind
    base_url: str
    api_key_env: str | None = None
    api_version: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider's API is and how to sign in. The key is never shown."""

    name: str
    kind: str
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    api_key_env: str | None = None
    api_version: str | None = None
    model: str | None = None
    source: str = "default"

    @property
    def configured(self) -> bool:
        """A key is there, or none is needed."""
        return self.api_key is not None or self.api_key_env is None

    @property
    def native(self) -> bool:
        """The provider's own service, as opposed to a server that is compatible with it."""
        return _is_native(self.kind, self.base_url)


def read_providers(
    tables: Mapping[str, dict[str, Any]], variables: Mapping[str, str], origin: Mapping[str, str]
) -> dict[str, Provider]:
    """The providers by name. Raises ConfigError that names the table and the field."""
    found = {}
    for name in [*BUILT_IN, *(name for name in tables if name not in BUILT_IN)]:
        try:
            table = ProviderTable.model_validate(BUILT_IN.get(name, {}) | tables.get(name, {}))
        except ValidationError as error:
            raise invalid(f"{FILE} [providers.{name}]", error) from error
        if _scheme(table.base_url) not in ("http", "https"):
            raise ConfigError(
                f"{FILE} [providers.{name}]: base_url is {table.base_url!r}.",
                remedy="It must start with http:// or https://.",
            )
        variable = table.api_key_env
        key = variables.get(variable) if variable else None
        found[name] = Provider(
            name=name,
            kind=table.kind,
            base_url=table.base_url.rstrip("/"),
            api_key=key or None,
            api_key_env=variable,
            api_version=table.api_version,
            model=table.model,
            source=f"{variable} ({origin[variable]})" if key and variable else FILE if name in tables else "default",
        )
    return found


@lru_cache(maxsize=256)
def _is_native(kind: str, base_url: str) -> bool:
    return urlsplit(base_url).hostname == urlsplit(BUILT_IN[kind]["base_url"]).hostname


def _scheme(url: str) -> str | None:
    """None for what is no URL at all."""
    try:
        return urlsplit(url).scheme
    except ValueError:
        return None
