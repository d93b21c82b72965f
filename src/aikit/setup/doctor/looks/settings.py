"""Whether the settings can be read and are kept private, where each comes from, and what looks like one and is none."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from shlex import quote
from typing import Any

from aikit.config import FILE, Settings
from aikit.errors import ConfigError, Exit
from aikit.setup import git
from aikit.setup.doctor.model import broken, fine, warning
from aikit.setup.doctor.patient import Patient
from aikit.setup.dotenv_file import values_of
from aikit.setup.model import Check

OURS = "AIKIT_"
VARIABLES = frozenset(
    {
        "AIKIT_ACTOR",
        "AIKIT_CONFIG",
        "AIKIT_DATA_DIR",
        "AIKIT_DRAIN_SECONDS",
        "AIKIT_ENCRYPTION_KEY",
        "AIKIT_ENV",
        "AIKIT_POSTGRES_BIN",
        "AIKIT_TRACEBACK",
        "AIKIT_WEBHOOK_SECRET",
        "AIKIT_WEBHOOK_URL",
    }
)
"""Those that aikit reads by itself; a test holds them against the code. Those that aikit.toml names come beside."""
OTHERS = ("DATABASE_URL",)
LIKE_OURS = 0.85


def readable(patient: Patient) -> Check:
    """Every value with its source; no secret is in them."""
    settings = patient.settings
    values = stated(settings)
    sources = Counter(source.rpartition("(")[2].rstrip(")") or source for _, source in values.values())
    said = ", ".join([f"{count} by {source}" for source, count in sources.most_common()])
    where = str(settings.file) if settings.file else f"no {FILE}"
    facts = {name: {"value": value, "source": source} for name, (value, source) in values.items()}
    return fine(f"{where}; {said}", file=str(settings.file) if settings.file else None, values=facts)


def stated(settings: Settings) -> dict[str, tuple[Any, str]]:
    """The settings by dotted name, each with its value and its source. Of a secret it says only that it is set."""
    written = _written(settings)
    found: dict[str, Any] = {
        "environment": settings.environment,
        "database.url": "set" if settings.database_url else None,
        "database.data_dir": str(settings.data_dir),
        "streams.drain_seconds": settings.drain_seconds,
        "prompts.folder": str(settings.prompts_folder),
        "evals.tenant": settings.evals_tenant,
        "idempotency.keep_answers": settings.safe is not None,
        **{f"breaker.{name}": value for name, value in settings.breaker.model_dump().items()},
        **{f"routes.{name}": ", ".join(route.models) for name, route in sorted(settings.routes.items())},
        **{f"prices.{name}": "set" for name in sorted(settings.prices)},
    }
    for name, provider in sorted(settings.providers.items()):
        found[f"providers.{name}.base_url"] = _without_password(provider.base_url)
        found[f"providers.{name}.model"] = provider.model
    sources = {name: FILE if name in written else "default" for name in found}
    known = {name: (value, settings.sources.get(name, sources[name])) for name, value in found.items()}
    return known | {
        f"providers.{name}.key": (
            "not needed" if provider.api_key_env is None else "set" if provider.api_key else "not set",
            provider.source if provider.api_key else "default",
        )
        for name, provider in sorted(settings.providers.items())
    }


def _written(settings: Settings) -> set[str]:
    """The dotted names that aikit.toml states."""
    if settings.file is None:
        return set()
    return set(_dotted("", tomllib.loads(settings.file.read_text(encoding="utf-8"))))


def _dotted(before: str, table: Mapping[str, Any]) -> Iterator[str]:
    for name, value in table.items():
        yield f"{before}{name}"
        if isinstance(value, Mapping):
            yield from _dotted(f"{before}{name}.", value)


def variables(patient: Patient) -> Check:
    """Whether a variable of the environment looks like one of ours and is none."""
    known = VARIABLES | set(_named_by(patient.settings))
    there = patient.place.environ.keys() | _in_dotenv(patient)
    strange = {name: _meant(name, known) for name in sorted(there) if _is_strange(name, known)}
    if strange:
        name, meant = next(iter(strange.items()))
        others = f", and {len(strange) - 1} more like it" if len(strange) > 1 else ""
        rename = f"Did you mean {meant}? Rename it, or `unset {name}`." if meant else f"Remove it: `unset {name}`."
        return warning(f"{name} is nothing that aikit reads{others}", rename, unknown=strange)
    ours = sorted((known | {*OTHERS}) & there)
    return fine(", ".join(ours) if ours else "none of aikit's is set", set=ours)


def private(patient: Patient) -> Check:
    """Whether the keys in `.env` are kept from git, and from others on this machine."""
    if not _in_dotenv(patient):
        return fine("no .env here")
    path = patient.place.folder / ".env"
    try:
        git.require_private(path)
    except ConfigError as error:
        if error.code == "ENV_TRACKED":
            what = "git tracks .env: what is in it is in the history, and goes wherever that goes"
            return broken(what, f"{error.remedy}; then make new keys.", Exit.NO)
        if error.code == "ENV_NOT_IGNORED":
            return warning("git does not ignore .env: the next commit could take it along", error.remedy)
        return warning("git can't say whether it would keep .env", error.remedy)
    target = path.resolve()
    mode = target.stat().st_mode & 0o777
    if mode & 0o077:
        return warning(f"others on this machine may read .env (mode {mode:o})", f"Run: chmod 600 {quote(str(target))}")
    return fine(".env is for you alone to read, and not in git")


def _in_dotenv(patient: Patient) -> set[str]:
    """The names in `.env`; their values are nobody's business here."""
    path = patient.place.folder / ".env"
    return set(values_of(path.read_text(encoding="utf-8"))) if path.is_file() else set()


def _is_strange(name: str, known: Iterable[str]) -> bool:
    if name in known or name in OTHERS:
        return False
    return name.upper().startswith((OURS, "AI_KIT_")) or bool(get_close_matches(name, OTHERS, 1, LIKE_OURS))


def _meant(name: str, known: Iterable[str]) -> str | None:
    return next(iter(get_close_matches(name.upper(), [*known, *OTHERS], 1, 0.6)), None)


def _named_by(settings: Settings) -> Iterable[str]:
    """The variables that settings name: those of keys."""
    return [provider.api_key_env for provider in settings.providers.values() if provider.api_key_env]


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
