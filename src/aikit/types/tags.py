"""In whose name a call is made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

TAG_LENGTH = 200


class Environment(StrEnum):
    """Where the application runs; a policy may apply to one of them or to all."""

    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


@dataclass(frozen=True, slots=True)
class Tags:
    """In whose name a call is made. `tenant` is required before anything is sent; the rest may be absent."""

    tenant: str | None = None
    user: str | None = None
    feature: str | None = None
    environment: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a tag that is empty, longer than 200 characters, or carries control characters."""
        for name in ("tenant", "user", "feature", "environment"):
            value = getattr(self, name)
            if value is not None:
                check_tag(name, value)

    def over(self, outer: Tags) -> Tags:
        """These tags, completed by `outer` where they say nothing."""
        return Tags(
            self.tenant if self.tenant is not None else outer.tenant,
            self.user if self.user is not None else outer.user,
            self.feature if self.feature is not None else outer.feature,
            self.environment if self.environment is not None else outer.environment,
        )


def check_tag(name: str, value: object) -> None:
    """Raises ValueError, with the tag's name and what is wrong but never a long value, for an unusable tag."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string, not {type(value).__name__}")
    _check_text(name, value)


@lru_cache(maxsize=4096)
def _check_text(name: str, value: str) -> None:
    if not value.strip():
        raise ValueError(f"{name} is empty")
    if len(value) > TAG_LENGTH:
        raise ValueError(f"{name} has {len(value):,} characters; {TAG_LENGTH} is the most")
    if not value.isprintable():
        raise ValueError(f"{name} has characters that can't be printed (a NUL, a line break or the like)")
    if name == "environment" and value not in set(Environment):
        raise ValueError(f"environment must be dev, staging or prod, not {value!r}")
