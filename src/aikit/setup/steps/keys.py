"""The keys of providers: where each one is, and those that were typed go to `.env`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aikit.config import BUILT_IN
from aikit.errors import Exit
from aikit.setup import git
from aikit.setup.dotenv_file import read, set_variables, values_of
from aikit.setup.model import Check, Place, Progress, Row
from aikit.setup.secrets import misgivings, shown
from aikit.setup.steps.base import Looking, broken, missing, ok, warning

HOW = "aikit init --key-stdin {}"


class Keys(Looking):
    """Whether some provider can be called at all."""

    name = "keys"
    title = "keys"

    def look(self, place: Place) -> Check:
        there = values_of(read(env_file(place)))
        providers = place.settings.providers.values()
        facts = {each.name: {"variable": each.api_key_env, "set": each.api_key is not None} for each in providers}
        if place.choices.keys:
            if hidden := sorted(name for name in place.choices.keys if _in_the_way(place, name)):
                return broken(
                    f"{hidden[0]} is set in the environment, too, which goes before .env.",
                    f"Run: unset {' '.join(hidden)}",
                    Exit.USAGE,
                )
            if place.choices.keys.items() - there.items():
                names = ", ".join(place.choices.keys)
                return missing(f"{names} not in .env yet", HOW.format(names.split(",")[0]), Exit.CREDENTIALS)
        wanted = place.settings.providers.get(place.choices.provider or "")
        if wanted is not None and not wanted.configured:
            variable = str(wanted.api_key_env)
            return missing(f"{variable} is not set", HOW.format(variable), Exit.CREDENTIALS, **facts)
        if not any(each.configured for each in providers) and not place.choices.simulator:
            remedy = f"{HOW.format(_first_variable())}, or `aikit init --simulator`, which needs none"
            return missing("no provider has a key", remedy, Exit.CREDENTIALS, **facts)
        doubts = [
            said
            for each in providers
            if each.api_key and each.native and each.api_key_env
            if (said := misgivings(each.api_key_env, each.kind, each.api_key))
        ]
        if doubts:
            return warning(doubts[0], "If the provider refuses it, make a new one.", Exit.CREDENTIALS, **facts)
        working = [each.name for each in providers if each.configured]
        return ok(", ".join(working) or "none needed: simulated", **facts)

    def describe(self, place: Place) -> list[Row]:
        return [*self._rows(place), *_gitignore_row(place)]

    def _rows(self, place: Place) -> Iterator[Row]:
        there = values_of(read(env_file(place)))
        for provider in place.settings.providers.values():
            variable = provider.api_key_env
            if variable is None:
                yield Row(provider.name, "needs no key", provider.source)
            elif provider.api_key is None:
                yield Row(variable, "missing", "", "")
            elif variable in place.choices.keys:
                will = "" if there.get(variable) == provider.api_key else "will write it to .env, for you alone to read"
                yield Row(variable, shown(provider.api_key), "typed", will)
            else:
                source = "environment" if variable in place.environ else ".env"
                yield Row(variable, shown(provider.api_key), source)

    def apply(self, place: Place, progress: Progress) -> None:
        """Write the keys that were typed. Raises ConfigError if git would keep the file."""
        if place.choices.keys:
            write_private(place, place.choices.keys)


def env_file(place: Place) -> Path:
    return place.folder / ".env"


def write_private(place: Place, values: dict[str, str]) -> None:
    """Into `.env`, if git keeps out of it. Raises ConfigError."""
    file = env_file(place)
    if place.choices.gitignore:
        git.ignore(file)
    git.require_private(file)
    set_variables(file, values)
    place.reload()


def writes_secrets(place: Place) -> bool:
    """Whether something was chosen that goes to `.env`."""
    return bool(place.choices.keys) or place.choices.database_url is not None


def _gitignore_row(place: Place) -> list[Row]:
    if writes_secrets(place) and git.standing(env_file(place)) is git.Standing.WOULD_TRACK:
        return [Row(".gitignore", "does not name .env", "git", "will add .env to it")]
    return []


def _in_the_way(place: Place, variable: str) -> bool:
    return place.environ.get(variable) not in (None, "", place.choices.keys[variable])


def _first_variable() -> str:
    return next(iter(BUILT_IN.values()))["api_key_env"]
