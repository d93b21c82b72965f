"""Which models a call may use: globs of `provider/model`, deny over allow."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache


@lru_cache(maxsize=4096)
def forbids(allow: tuple[str, ...] | None, deny: tuple[str, ...], model: str) -> str:
    """The list that forbids a `provider/model`: "deny" or "allow", "" if it may be used. No allow list allows all."""
    if any(fnmatchcase(model, glob) for glob in deny):
        return "deny"
    if allow is not None and not any(fnmatchcase(model, glob) for glob in allow):
        return "allow"
    return ""
