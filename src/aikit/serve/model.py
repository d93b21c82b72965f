"""What a request to the server is made by, and what a server is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from aikit.async_kit import AsyncAIKit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Handler = Callable[["Exchanged", Receive, Send], Awaitable[None]]
"""Answers one request."""

MEGABYTE = 1024 * 1024


class Right(StrEnum):
    """What a key may do."""

    COMPLETE = "complete"
    """Call models, by the providers' APIs or the native one."""
    EVALUATE = "evaluate"
    """Ask for decisions, take holds, and report what was used."""
    USAGE_READ = "usage:read"
    """See usage, limits, decisions, breakers and prompts of its tenant and environment."""
    ADMIN = "admin"
    """Manage keys and policies: of its tenant, or, for a key without a tenant, of all."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as the ledger knows it; the secret itself is nowhere. `tenant` None: an operator's, for all tenants.

    `user` and `feature` bind what is done with it: another one can't be claimed. `per_minute` is how many requests may
    be made with it, None: any number.
    """

    id: str
    tenant: str | None
    environment: str
    user: str | None
    feature: str | None
    rights: frozenset[Right]
    per_minute: int | None
    expires_at: datetime | None


class KeyRing(Protocol):
    """Knows whose a secret is."""

    async def find(self, secret: str) -> Key:
        """The key, as it stands at this moment in the ledger: one that was revoked is not found any more.

        Raises Unauthorized (401) for one that is unknown, expired or revoked, RateLimited for one that was used too
        often this minute, MeteringUnavailable if the ledger can't be asked.
        """
        ...

    async def provider_key(self, tenant: str, environment: str, provider: str) -> str | None:
        """The tenant's own key to a provider, decrypted; None: it has none. Raises MeteringUnavailable."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What `aikit serve` was asked for. Seconds and bytes."""

    host: str = "127.0.0.1"
    port: int = 8410
    workers: int = 1
    most_body: int = 32 * MEGABYTE
    """Larger requests are refused with 413 before they are read."""
    most_bodies: int = 128 * MEGABYTE
    """Of all requests in a process together, at least two of the largest; who finds no room hears 503."""
    body_seconds: float = 30.0
    """A request that takes longer to arrive is refused with 408."""
    head_seconds: float = 10.0
    """A request whose head takes longer from its first byte on is refused with 408."""
    take_seconds: float = 60.0
    """A caller who takes nothing of an answer for so long is taken for gone."""
    most_running: int = 256
    """Requests at once in a process; more wait."""
    most_waiting: int = 512
    """Those that wait at once; more are refused with 503 and Retry-After."""
    drain_seconds: float = 30.0
    """After SIGTERM, for streams that are running."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    """Whose X-Forwarded-For and X-Forwarded-Proto are believed."""


@dataclass(frozen=True, slots=True)
class Service:
    """What handlers work with."""

    kit: AsyncAIKit
    ring: KeyRing
    options: ServeOptions


class Exchanged:
    """One request on its way: its head, the key that it came with, and its body once that has been read.

    `headers` are in lower case; of several with one name the last counts. `key` is there before a handler sees it.
    """

    __slots__ = (
        "body",
        "headers",
        "key",
        "method",
        "params",
        "path",
        "query",
        "raw_path",
        "scope",
        "service",
        "started",
    )

    def __init__(self, scope: Scope, service: Service, started: float) -> None:
        self.scope = scope
        self.service = service
        self.started = started
        """By the monotonic clock."""
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.raw_path: bytes = scope.get("raw_path") or self.path.encode()
        self.query: bytes = scope.get("query_string", b"")
        self.headers: Mapping[str, str] = {
            name.decode("latin-1").lower(): value.decode("utf-8", "replace") for name, value in scope["headers"]
        }
        self.key: Key | None = None
        self.body: bytes = b""
        self.params: dict[str, str] = {}
        """What the parts of its path in braces came to."""
