"""No secret reaches the model, the transcript or the screen: values that are known, and what looks like one."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from aikit.errors import AIKitError
from aikit.guards.trial import try_guards
from aikit.setup.model import Place
from aikit.types import guards
from aikit.types.guards import GuardAction, GuardRule

SHORTEST = 6
"""Characters of a value that is looked for: a shorter one is a part of ordinary words."""
SHORTEST_UNNAMED = 8
SHORTEST_LINE = 20
MOST_CHECKED = 20_000
"""Characters that the guards look at; the rest is left out."""
LEFT_OUT = "[left out: it could not be checked for secrets]"
_SECRET_NAME = re.compile(r"(?i)key|token|secret|passw|pwd|credential|dsn|auth|database_url")
_RULES = tuple(GuardRule(name, GuardAction.REDACT, (guards.Place.TOOL_RESULTS,)) for name in ("secrets", "pii"))


class Redactor:
    """Knows the secrets of a place by name, and looks for them in all forms that they usually come in."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def learn(self, name: str, value: str | None) -> None:
        """From now on the value is replaced by its name."""
        if value is None or len(value := value.strip()) < SHORTEST:
            return
        lines = [line.strip() for line in value.splitlines()] if "\n" in value else []
        for part in (value, *(line for line in lines if len(line) >= SHORTEST_LINE)):
            for form in _forms(part):
                self._names.setdefault(form, name)

    def learn_place(self, place: Place) -> None:
        """What the environment, `.env` and the settings hold now; settings that can't be read hold nothing."""
        for name, value in place.environ.items():
            if _SECRET_NAME.search(name):
                self._learn_url(name, value)
        for name, value in _dotenv(place).items():
            if _SECRET_NAME.search(name) or (len(value) >= SHORTEST_UNNAMED and not value.isalpha()):
                self._learn_url(name, value)
        self._learn_url("DATABASE_URL", place.choices.database_url or "")
        try:
            settings = place.settings
        except (AIKitError, OSError, ValueError):
            return
        self._learn_url("DATABASE_URL", settings.database_url or "")
        for provider in settings.providers.values():
            self.learn(provider.api_key_env or f"key of {provider.name}", provider.api_key)

    def knows(self, text: str) -> bool:
        """Whether a secret that is known stands in the text."""
        return any(value in text for value in self._names)

    def known(self, text: str) -> str:
        """The text with `[NAME]` in the place of each secret that is known, longest first."""
        for value in sorted(self._names, key=len, reverse=True):
            if value in text:
                text = text.replace(value, f"[{self._names[value]}]")
        return text

    def clean(self, text: str) -> str:
        """The text as it may leave: known secrets by name, and what looks like a secret or a person's data, by kind."""
        text = self.known(text)[:MOST_CHECKED]
        checked = try_guards(_RULES, guards.Place.TOOL_RESULTS, text).text
        return LEFT_OUT if checked is None else checked

    def deep(self, value: Any) -> Any:
        """The same JSON with `known` texts: for what a provider wants back as it sent it."""
        if isinstance(value, str):
            return self.known(value)
        if isinstance(value, Mapping):
            return {self.known(str(key)): self.deep(one) for key, one in value.items()}
        return [self.deep(one) for one in value] if isinstance(value, list | tuple) else value

    def _learn_url(self, name: str, value: str) -> None:
        self.learn(name, value)
        for password in _passwords(value):
            self.learn(f"password of {name}", password)


def _forms(value: str) -> Iterable[str]:
    """As it is, and as it stands in an address, in JSON and in a header."""
    encoded = base64.b64encode(value.encode()).decode().rstrip("=")
    forms = {value, quote(value, safe=""), quote(value), unquote(value), json.dumps(value)[1:-1], encoded}
    return [form for form in forms if len(form) >= SHORTEST]


def _passwords(value: str) -> list[str]:
    """Those in an address or a libpq string."""
    found = re.findall(r"(?i)\bpassword\s*=\s*'?([^\s'&]+)", value)
    if "://" in value:
        try:
            found.append(urlsplit(value).password or "")
        except ValueError:
            found += re.findall(r"://[^:/@\s]*:([^@\s]+)@", value)
    return [one for one in found if one]


def _dotenv(place: Place) -> Mapping[str, str]:
    from dotenv import dotenv_values

    file = place.folder / ".env"
    try:
        text = file.read_bytes().decode(errors="replace") if file.is_file() else ""
    except OSError:
        return {}
    values = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value for name, value in values.items() if value}
