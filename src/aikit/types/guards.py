"""Guards as policies state them, and what one found in a text. A finding never carries the text itself."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

GUARD_BLOCKED = "GUARD_BLOCKED"
UNGUARDED = "UNGUARDED"
"""Not refused: the request has not passed the guards that its policies ask for, and is to be asked for again."""


class GuardAction(StrEnum):
    """What happens with what a guard finds. `ALLOW` records it and nothing else; `FLAG` tells of it as well."""

    ALLOW = "allow"
    FLAG = "flag"
    REDACT = "redact"
    BLOCK = "block"


class Place(StrEnum):
    """Where a text stands: what goes to a model, what comes from it, what a tool is called with, what it returned."""

    INPUT = "input"
    OUTPUT = "output"
    TOOL_ARGUMENTS = "tool_arguments"
    TOOL_RESULTS = "tool_results"


class GuardRule(NamedTuple):
    """One guard as it applies to a caller.

    `guard` is its name (`pii`, or `custom.NAME`), `options` a canonical JSON object of what else is stated (sorted
    keys, compact), `source` the policy that states it. Rules are equal if they ask for the same.
    """

    guard: str
    action: GuardAction
    places: tuple[Place, ...]
    options: str = "{}"
    source: str = ""


class Finding(NamedTuple):
    """What a guard found, by kind, place and hash: `times` times the same text.

    `at` is the path to it in the request or the response (`messages/2/content`). `hash` is 16 hexadecimal digits of a
    keyed hash of the text, the same for the same text within one database; empty where there is no text to speak of
    (`max_length`, a guard that crashed).
    """

    guard: str
    kind: str
    place: Place
    action: GuardAction
    at: str = ""
    hash: str = ""
    times: int = 1
