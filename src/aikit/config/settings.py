"""Settings: the environment, then `.env`, then `aikit.toml`, then defaults. Each value knows where it came from.

environment = "dev"                        # AIKIT_ENV
[database]
url = "postgresql://user@host/name"        # DATABASE_URL; none: the embedded PostgreSQL
data_dir = "/var/lib/aikit"                # AIKIT_DATA_DIR; for the embedded server and the spool
[streams]
drain_seconds = 5                          # AIKIT_DRAIN_SECONDS; how long a stream is read on that its caller has left
[idempotency]
keep_answers = true                        # encrypted with AIKIT_ENCRYPTION_KEY; the default where that is set
[signals]                                  # who hears of calls: see `aikit.config.signals`
[breaker]                                  # when a failing provider is left alone: see `aikit.config.breaker`
[prompts]
folder = "prompts"                         # beside aikit.toml; the default
[evals]
tenant = "evals"                           # in whose name `aikit eval` calls models; the default
[lint]                                     # what `aikit lint` looks at: see `aikit.config.lint`
[providers.ollama]
kind = "openai"                            # openai, anthropic or gemini
base_url = "http://127.0.0.1:11434/v1"
api_key_env = "OLLAMA_KEY"                 # absent: no key is needed
api_version = "…"                          # for providers that have one
model = "llama3.3"                         # used when a call names no model
[routes]
chat = ["anthropic/claude-haiku-4-5", "openai/gpt-5-mini"]   # see aikit.routing.routes
[prices."ollama/llama3.3"]                 # USD per million tokens, as strings
input = "0"
output = "0"
"""

from __future__ import annotations

import logging
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from aikit.config.breaker import DEFAULTS, BreakerTable
from aikit.config.invalid import invalid
from aikit.config.lint import LintTable
from aikit.config.providers import FILE, Provider, read_providers
from aikit.config.signals import QUIET, SignalSettings, SignalsTable, read_signals
from aikit.errors import ConfigError
from aikit.routing.routes import Route, read_routes
from aikit.safe import VARIABLE, Safe
from aikit.types import Environment, check_tag

log = logging.getLogger("aikit.config")

DRAIN_SECONDS = 5
MOST_DRAIN_SECONDS = 300


class DatabaseTable(BaseModel):
    """`[database]` as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True)
    url: str | None = None
    data_dir: str | None = None


class StreamsTable(BaseModel):
    """`[streams]` as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True)
    drain_seconds: int | None = None


class IdempotencyTable(BaseModel):
    """`[idempotency]` as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True)
    keep_answers: bool | None = None


class PromptsTable(BaseModel):
    """`[prompts]` as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True)
    folder: str = "prompts"


class EvalsTable(BaseModel):
    """`[evals]` as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True)
    tenant: str = "evals"


class File(BaseModel):
    """`aikit.toml` as a whole."""

    model_config = ConfigDict(extra="forbid", strict=True)
    environment: Literal["dev", "staging", "prod"] = "dev"
    database: DatabaseTable = DatabaseTable()
    streams: StreamsTable = StreamsTable()
    idempotency: IdempotencyTable = IdempotencyTable()
    signals: SignalsTable = SignalsTable()
    breaker: BreakerTable = DEFAULTS
    prompts: PromptsTable = PromptsTable()
    evals: EvalsTable = EvalsTable()
    lint: LintTable = LintTable()
    providers: dict[str, dict[str, Any]] = {}
    routes: dict[str, Any] = {}
    prices: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Settings:
    """What aikit runs with. `sources` says for each setting where its value came from."""

    environment: str
    database_url: str | None = field(repr=False)
    data_dir: Path
    providers: Mapping[str, Provider]
    prices: Mapping[str, Any]
    file: Path | None
    sources: Mapping[str, str]
    drain_seconds: int = DRAIN_SECONDS
    routes: Mapping[str, Route] = field(default_factory=dict)
    safe: Safe | None = field(default=None, repr=False)
    """Encrypts the answers that are kept for idempotency keys; None: none are kept."""
    vault: Safe | None = field(default=None, repr=False)
    """Encrypts tenants' own keys to providers, whether answers are kept or not; None: none can be stored or used."""
    signals: SignalSettings = QUIET
    breaker: BreakerTable = DEFAULTS
    prompts_folder: Path = Path("prompts")
    """Where the application's prompts are."""
    evals_tenant: str = "evals"
    """In whose name evals call models."""

    def provider(self, name: str) -> Provider:
        """Raises ConfigError for a name that is not configured."""
        try:
            return self.providers[name]
        except KeyError:
            raise ConfigError(
                f"There is no provider named {name!r}.",
                facts={"known": sorted(self.providers)},
                remedy=f"Known are {', '.join(sorted(self.providers))}; add [providers.{name}] to {FILE} for another.",
            ) from None


def stated(path: Path | None = None) -> tuple[File, Path | None]:
    """What `aikit.toml` says, and where it is: without other variables and keys. Raises ConfigError.

    Without `path` it is found as by `load`.
    """
    path = path or (Path(named) if (named := os.environ.get("AIKIT_CONFIG")) else _nearest())
    return (_read(path) if path else File()), path


def load(path: Path | None = None, environ: Mapping[str, str] | None = None, *, folder: Path | None = None) -> Settings:
    """Read the settings. Without `path`, `AIKIT_CONFIG` or the nearest `aikit.toml` above the working directory.

    With `folder` they are those of that folder, whether it has an `aikit.toml` yet or not.
    Raises ConfigError that names the file and the field; no secret is in it.
    """
    variables = dict(os.environ) if environ is None else dict(environ)
    origin = dict.fromkeys(variables, "environment")
    if folder is not None:
        path = found if (found := folder / FILE).is_file() else None
    else:
        path = path or (Path(named) if (named := variables.get("AIKIT_CONFIG")) else _nearest())
        folder = path.parent if path else Path.cwd()
    for name, value in _dotenv(folder / ".env").items():
        if name not in variables:
            variables[name], origin[name] = value, ".env"
    file = _read(path) if path else File()
    sources: dict[str, str] = {}

    def pick(setting: str, variable: str, written: str | None, default: str | None) -> str | None:
        if variables.get(variable):
            sources[setting] = f"{variable} ({origin[variable]})"
            return variables[variable]
        sources[setting] = FILE if written is not None else "default"
        return written if written is not None else default

    named_environment = file.environment if "environment" in file.model_fields_set else None
    environment = pick("environment", "AIKIT_ENV", named_environment, Environment.DEV)
    if environment not in set(Environment):
        raise ConfigError(f"AIKIT_ENV is {environment!r}.", remedy="It must be dev, staging or prod.")
    url = pick("database.url", "DATABASE_URL", file.database.url, None)
    data_dir = pick("database.data_dir", "AIKIT_DATA_DIR", file.database.data_dir, None)
    written = file.streams.drain_seconds
    drain = pick("streams.drain_seconds", "AIKIT_DRAIN_SECONDS", None if written is None else str(written), None)
    providers = read_providers(file.providers, variables, origin)
    vault = _vault(variables.get(VARIABLE, ""))
    return Settings(
        environment=str(environment),
        database_url=url,
        data_dir=Path(data_dir).expanduser() if data_dir else _user_data_dir(),
        providers=providers,
        routes=read_routes(file.routes, providers, FILE),
        prices=file.prices,
        file=path,
        sources=sources,
        drain_seconds=DRAIN_SECONDS if drain is None else _drain_seconds(drain, sources["streams.drain_seconds"]),
        safe=_safe(vault, file.idempotency.keep_answers),
        vault=vault,
        signals=read_signals(file.signals, variables, FILE),
        breaker=file.breaker,
        evals_tenant=_tenant(file.evals.tenant),
        prompts_folder=folder / Path(file.prompts.folder).expanduser(),
    )


def _vault(keys: str) -> Safe | None:
    given = [key.strip() for key in keys.split(",") if key.strip()]
    return Safe(given) if given else None


def _safe(vault: Safe | None, keep_answers: bool | None) -> Safe | None:
    """What encrypts the answers that are kept; None if none are."""
    if keep_answers and vault is None:
        raise ConfigError(
            f"{FILE} [idempotency]: keep_answers is true, but there is no key to encrypt them with.",
            remedy=f"Set {VARIABLE} (openssl rand -base64 32 | tr '+/' '-_'), or leave keep_answers out.",
        )
    return None if keep_answers is False else vault


def _tenant(stated: str) -> str:
    try:
        check_tag("tenant", stated)
    except ValueError as error:
        raise ConfigError(f"{FILE} [evals]: {error}.", remedy="Name another tenant, such as evals.") from None
    return stated


def _drain_seconds(stated: str, source: str) -> int:
    if stated.isascii() and stated.isdigit() and len(stated) < 9 and int(stated) <= MOST_DRAIN_SECONDS:
        return int(stated)
    raise ConfigError(
        f"drain_seconds is {stated[:20]!r}, by {source}.",
        facts={"field": "streams.drain_seconds", "value": stated[:20]},
        remedy=f"It must be a whole number of seconds from 0 to {MOST_DRAIN_SECONDS}; 0 hangs up at once.",
    )


def _nearest() -> Path | None:
    here = Path.cwd()
    return next((found for folder in (here, *here.parents) if (found := folder / FILE).is_file()), None)


def _read(path: Path) -> File:
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
        if "defaults" in written:
            raise ConfigError(
                f"{path.name}: [defaults] output_tokens is not read any more: policies say it.",
                remedy="Remove [defaults], and state default_output_tokens under [default] in policies.toml.",
            )
        return File.model_validate(written)
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}.", remedy="Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}.", remedy="Correct that line.") from error
    except ValidationError as error:
        raise invalid(path.name, error) from error


def _dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    from dotenv.parser import parse_stream

    try:
        with path.open(encoding="utf-8") as file:
            found = list(parse_stream(file))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigError(f"{path} can't be read: {why}.", remedy="Correct the file, or move it away.") from None
    for each in found:
        if each.error:
            _passed_over(path, each.original.line)
    return {each.key: each.value for each in found if each.key is not None and each.value is not None}


@cache
def _passed_over(path: Path, line: int) -> None:
    """Says it once in a process, however often the settings are read."""
    log.warning("%s line %d can't be read, and is passed over: it should be NAME=value.", path.name, line)


def _user_data_dir() -> Path:
    from platformdirs import user_data_path

    return user_data_path("aikit", appauthor=False)
