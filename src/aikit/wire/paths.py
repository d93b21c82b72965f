"""Which request paths are taken at their word: a plain path, matched by how it ends, whatever base it has."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"(?:/[A-Za-z0-9_.~@:+=,!$-]+)+")
_DEPLOYMENT = re.compile(r"/deployments/([^/]+)/")


def is_plain(path: str) -> bool:
    """No empty, `.` or `..` segment, no escape, no trailing slash: the server can't read another path in it."""
    return _PLAIN.fullmatch(path) is not None and not any(part in (".", "..") for part in path.split("/"))


def ends_with(path: str, ending: str) -> bool:
    """`path` is plain and its last segments are `ending`, letter by letter."""
    return path.endswith(ending) and is_plain(path)


def deployment(path: str) -> str | None:
    """The Azure deployment that a path names: there it decides the model, and the body's `model` is ignored."""
    match = _DEPLOYMENT.search(path)
    return match[1] if match else None
