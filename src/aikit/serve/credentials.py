"""The secret that a request comes with: wherever an SDK puts its key."""

from __future__ import annotations

from urllib.parse import parse_qsl

from aikit.errors import Unauthorized
from aikit.serve.model import Exchanged

PREFIX = "aik_"
KEY_HEADERS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "api-key"})
"""Where a caller's key may be. None of them is ever sent on."""


def secret_of(exchanged: Exchanged) -> str:
    """The secret: of several keys the first that looks like one of ours. Raises Unauthorized without any."""
    headers = exchanged.headers
    scheme, _, token = headers.get("authorization", "").partition(" ")
    found = [token.strip()] if scheme.lower() == "bearer" else []
    found += [headers[name] for name in ("x-api-key", "x-goog-api-key", "api-key") if name in headers]
    if b"key=" in exchanged.query and exchanged.path.startswith("/v1"):
        found += [value for name, value in parse_qsl(exchanged.query.decode("latin-1")) if name == "key"]
    for secret in found:
        if secret.startswith(PREFIX):
            return secret
    if secret := next(filter(None, found), ""):
        return secret
    raise Unauthorized(
        "The request has no key.",
        remedy="Send a key of this server: `Authorization: Bearer aik_…`, or where the provider's SDK puts its own.",
    )
