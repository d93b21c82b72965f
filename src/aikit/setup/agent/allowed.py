"""What the agent may set at all: a short list of settings that are no secret and lead nowhere outside. Pure.

What is missing here is missing on purpose: an address that a key or a prompt would be sent to (`base_url`, webhooks),
a name that a key is read by (`api_key_env`), where data is kept, and whatever would switch a check off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aikit.config.settings import MOST_DRAIN_SECONDS
from aikit.types import Environment, check_tag

MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,79}(/[A-Za-z0-9][A-Za-z0-9._:@+-]{0,79}){0,2}")
"""A name of a model; some have a publisher before it."""
_FOLDER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){0,4}")


class Allowed(NamedTuple):
    """A setting: what it takes, in words, and the reading of it, which raises ValueError."""

    takes: str
    read: Callable[[str], Any]


def _environment(value: str) -> str:
    return str(Environment(value))


def _seconds(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 4 and int(value) <= MOST_DRAIN_SECONDS):
        raise ValueError(value)
    return int(value)


def _folder(value: str) -> str:
    if not _FOLDER.fullmatch(value):
        raise ValueError(value)
    return value


def _tenant(value: str) -> str:
    check_tag("tenant", value)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value):
        raise ValueError(value)
    return value


SETTINGS: Mapping[str, Allowed] = {
    "environment": Allowed("dev, staging or prod", _environment),
    "streams.drain_seconds": Allowed(f"a whole number from 0 to {MOST_DRAIN_SECONDS}", _seconds),
    "prompts.folder": Allowed("a folder below the project's, such as prompts", _folder),
    "evals.tenant": Allowed("a name of letters, digits, dot, dash and underscore", _tenant),
}
