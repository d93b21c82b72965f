"""What a key of the server can be: its rights, its name, how often it may be used."""

from __future__ import annotations

from collections.abc import Iterable

from aikit.errors import ConfigError

RIGHTS = ("complete", "evaluate", "usage:read", "admin")
"""What a key may do; the same as `serve.model.Right`."""
NAME_LENGTH = 100
MOST_PER_MINUTE = 10_000_000


def checked_rights(rights: Iterable[str], tenant: str | None, bound: str | None) -> list[str]:
    given = {str(right) for right in rights}
    unknown = sorted(given - set(RIGHTS))
    known = f"The rights are {', '.join(RIGHTS)}."
    if unknown:
        raise ConfigError(f"{unknown[0][:80]!r} is no right of a key.", remedy=known)
    if not given:
        raise ConfigError("A key that may do nothing is no key.", remedy=f"Give it at least one right. {known}")
    if tenant is None and ("admin" not in given or given & {"complete", "evaluate"} or bound):
        raise ConfigError(
            "A key without a tenant is an operator's: it has the right admin, calls no models and is bound to nobody.",
            remedy="Name the tenant, or give it the rights admin and, if wanted, usage:read.",
        )
    return [right for right in RIGHTS if right in given]


def checked_name(name: str | None) -> str | None:
    if name is not None and (not name.strip() or len(name) > NAME_LENGTH or not name.isprintable()):
        raise ConfigError(
            f"The name of a key is 1 to {NAME_LENGTH} characters that can be printed.", remedy="Give another name."
        )
    return name


def checked_rate(per_minute: int | None) -> int | None:
    if per_minute is not None and not 1 <= per_minute <= MOST_PER_MINUTE:
        raise ConfigError(
            f"A key can't be used {per_minute:,} times a minute.",
            remedy=f"Give a number between 1 and {MOST_PER_MINUTE:,}, or none; to end a key, revoke it.",
        )
    return per_minute
