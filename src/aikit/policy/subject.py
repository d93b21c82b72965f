"""Whose attempts are counted together: all of a tenant's, or those of one environment, feature or user, or of a mix.

A counter belongs to a subject. Every attempt of a subject is counted by all of the subject's counters, so each can be
computed again from the ledger.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from aikit.types import Tags

SEPARATOR = "\x1f"
"""Between the parts of a key; no tag can contain it."""


class Subject(NamedTuple):
    """Part of a tenant's attempts. None stands for all; a user or feature of "" for attempts that name none."""

    environment: str | None = None
    feature: str | None = None
    user: str | None = None

    @property
    def key(self) -> str:
        """The subject as a counter is found by: `feature=chat`, `user=u1`, both, or "" for the whole tenant."""
        return SEPARATOR.join([f"{name}={value}" for name, value in self._asdict().items() if value is not None])

    @property
    def words(self) -> str:
        """The same for people: `feature chat, user u1`; "" for the whole tenant."""
        parts = [(name, value) for name, value in self._asdict().items() if value is not None]
        return ", ".join([f"{name} {value}" if value else f"no {name}" for name, value in parts])

    def covers(self, tags: Tags) -> bool:
        """Whether an attempt with these tags is one of the subject's."""
        return (
            self.environment in (None, str(tags.environment))
            and self.feature in (None, tags.feature or "")
            and self.user in (None, tags.user or "")
        )


@lru_cache(maxsize=4096)
def subject_of(key: str) -> Subject:
    """The subject with this key."""
    parts = [part.partition("=") for part in key.split(SEPARATOR)] if key else []
    return Subject(**{name: value for name, _, value in parts})
