"""What an error body says, whichever provider worded it: its words, its number, its text. Nothing of it is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

_PARENTS = ("error", "response")
"""Under these an error body holds the next smaller one: OpenRouter nests errors, a failed response holds its error."""
_WORDS = ("code", "type", "status", "reason", "error_code")
_DEPTH = 4
_WORD = re.compile(r"(?=.{1,100}\Z)[A-Za-z][A-Za-z0-9]{0,29}(?:[_.][A-Za-z0-9]{1,29})*")
"""The form of a code. Keys don't have it: they have hyphens, or longer parts."""
MOST_TEXT = 10_000
"""Characters of a provider's text that are looked through."""
MAX_NAME = 200
"""Characters of a model's name or an error's code that are kept, if a provider gives longer ones."""


class Said(NamedTuple):
    """`words` are codes, types and reasons, the most telling first; `number` is a status that the body itself names."""

    words: tuple[str, ...] = ()
    number: int | None = None
    text: str = ""
    """Its sentence, in lower case. For looking through only."""
    quotas: tuple[str, ...] = ()
    """Google's ids of the quotas that are used up."""
    wait: object = None
    """Google's `retryDelay`, as it stands there."""
    flagged: bool = False
    """OpenRouter's word for a moderated prompt."""

    @property
    def word(self) -> str | None:
        """The code for the record."""
        return self.words[0] if self.words else None


def said(body: bytes) -> Said:
    """Read an error body. Never raises: what can't be read says nothing."""
    with suppress(ValueError, RecursionError):
        found = json.loads(body)
        return said_in(found[0] if isinstance(found, list) and found else found)
    return Said()


def said_in(found: object) -> Said:
    """The same for a body, or an event of a stream, that is JSON already."""
    error = _innermost(found)
    if isinstance(error, str):
        return Said(text=error[:MOST_TEXT].casefold())
    if not isinstance(error, Mapping):
        return Said()
    details = list(_details(error))
    metadata = error.get("metadata")
    return Said(
        words=tuple(_words(error, details)),
        number=_number(error.get("code")) or _number(error.get("status")),
        text=str(error.get("message") or "")[:MOST_TEXT].casefold(),
        quotas=tuple(_quotas(details)),
        wait=next((detail["retryDelay"] for detail in details if "retryDelay" in detail), None),
        flagged=isinstance(metadata, Mapping) and "flagged_input" in metadata,
    )


def plain(name: str | None) -> str | None:
    """A provider's word as any database can keep it: short, and free of what can't be printed or encoded."""
    if name is None or (len(name) <= MAX_NAME and name.isprintable()):
        return name
    return "".join([letter if letter.isprintable() else "\ufffd" for letter in name[:MAX_NAME]])


def _innermost(found: object) -> object:
    for _ in range(_DEPTH):
        inner = [found[name] for name in _PARENTS if found.get(name)] if isinstance(found, Mapping) else []
        if not inner:
            break
        found = inner[0]
    return found


def _words(error: Mapping[str, Any], details: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The error's own code goes first, then its type or status, then what stands deeper."""
    for source in (error, *details):
        for name in _WORDS:
            value = source.get(name)
            if isinstance(value, str) and _WORD.fullmatch(value) and value != "error":
                yield value


def _details(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Azure's `innererror`, Anthropic's `details`, Google's list of them, and its older `errors`."""
    for name in ("innererror", "details", "errors"):
        value = error.get(name)
        for detail in value if isinstance(value, list) else [value]:
            if isinstance(detail, Mapping):
                yield detail


def _quotas(details: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for detail in details:
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, Mapping) and isinstance(quota := violation.get("quotaId"), str):
                yield quota


def _number(value: object) -> int | None:
    """A status that stands in a body: as a number, or as Azure's string of one."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599 else None
