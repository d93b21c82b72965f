"""A request to a provider's API as it came, and as it is sent on to one of its providers. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, unquote

import httpx2

from aikit.config import Provider
from aikit.errors import UnmeteredEndpoint
from aikit.raw_headers import raw_headers
from aikit.serve.bodies import Named, model_in, with_model
from aikit.serve.model import Exchanged
from aikit.wire import registry

RawHeaders = list[tuple[bytes, bytes]]

OWN_KEY = "x-aikit-provider-key"
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    b"upgrade expect".split()
)
NOT_SENT_ON = HOP_BY_HOP | frozenset(
    b"host content-length accept-encoding authorization x-api-key x-goog-api-key api-key cookie forwarded via "
    b"x-real-ip".split()
)
"""Of this connection, of whoever stands between, or the caller's key. (x-aikit-… and idempotency-key: the exchange
reads some of them, and takes them out itself.)"""
WHOSE_ACCOUNT = frozenset(b"openai-organization openai-project x-goog-user-project".split())
"""Which of a provider's accounts pays: the operator's, unless the request comes with a key of its own."""
NOT_HANDED_ON = HOP_BY_HOP | frozenset(
    b"set-cookie strict-transport-security alt-svc server date via report-to nel location refresh".split()
)
"""Of the provider's host or of the connection to it, not of the answer. To follow a `location` would take a key of this
server there."""
SHORT = 300
"""Characters of a path whose URL is remembered."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`path` is the API's own, from its version on; `model` what the request names, None if it names none."""

    kind: str
    method: str
    path: str
    query: str
    headers: RawHeaders = field(repr=False)
    body: bytes = field(repr=False)
    model: str | None
    in_body: Named | None
    """Where the body names the model; None: the path does, or nothing."""
    own_key: str | None = field(repr=False)
    """A key to the provider for this request alone."""

    def request_to(self, provider: Provider, model: str, key: str | None) -> httpx2.Request:
        """The request to a provider, which knows the model by this name. `key` None: it needs none."""
        path, body = self.path, self.body
        if self.model is not None and model != self.model:
            if self.in_body is not None:
                body = with_model(body, self.in_body, model)
            else:
                path = _with_model(path, self.model, model)
        url = _url(provider.base_url, _below(self.kind, path), self.query)
        headers = [(b"host", url.netloc), *self._headers(provider, key)]
        if body or self.method == "POST":
            headers.append((b"content-length", b"%d" % len(body)))
        stream = httpx2.ByteStream(body)  # `content` costs 25 µs
        return httpx2.Request(self.method, url, headers=raw_headers(headers), stream=stream)

    def _headers(self, provider: Provider, key: str | None) -> RawHeaders:
        headers = [*self.headers, (b"accept-encoding", b"identity")]
        if self.own_key is None:
            headers = [item for item in headers if item[0] not in WHOSE_ACCOUNT]
        signed = registry.auth_headers(self.kind, key or "", provider.api_version)
        there = {name for name, _ in headers}
        for name, value in signed.items():
            if name.encode() not in there and (key is not None or name == "anthropic-version"):
                headers.append((name.encode(), value.encode("latin-1", "replace")))
        return headers


def asked(exchanged: Exchanged, kind: str) -> Asked:
    """What a request asks, as far as the server has to know. Raises UnmeteredEndpoint for a path that leads astray."""
    path, body = exchanged.path, exchanged.body
    if ("/." in path and not {".", ".."}.isdisjoint(path.split("/"))) or not path.isprintable():
        raise UnmeteredEndpoint(
            f"{exchanged.method} {path[:200]!r} leads to another path, so it is not sent.",
            remedy="Name the path itself, without . and .. and what can't be printed.",
        )
    in_path = _model_in_path(kind, exchanged.method, path)
    in_body = model_in(body) if body and in_path is None else None
    return Asked(
        kind=kind,
        method="GET" if exchanged.method == "HEAD" else exchanged.method,
        path=path,
        query=_without_key(exchanged.query.decode("latin-1")),
        headers=[item for item in exchanged.scope["headers"] if _is_sent_on(item[0])],
        body=body,
        model=in_body.model if in_body else in_path,
        in_body=in_body,
        own_key=exchanged.headers.get(OWN_KEY) or None,
    )


def handed_on(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """The headers of a provider's answer as the caller gets them."""
    return [(name, value) for name, value in headers if _is_handed_on(name)]


@lru_cache(maxsize=1024)
def _is_sent_on(name: bytes) -> bool:
    lower = name.lower()
    ours = lower.startswith(b"x-aikit-") and lower != b"x-aikit-prompt"
    return not ours and lower not in NOT_SENT_ON and not lower.startswith(b"x-forwarded-")


@lru_cache(maxsize=1024)
def _is_handed_on(name: bytes) -> bool:
    lower = name.lower()
    return lower not in NOT_HANDED_ON and not lower.startswith(b"access-control-")


def _url(base: str, path: str, query: str) -> httpx2.URL:
    return _usual_url(base, path) if not query and len(path) < SHORT else _any_url(base, path, query)


@lru_cache(maxsize=1024)
def _usual_url(base: str, path: str) -> httpx2.URL:
    return _any_url(base, path, "")


def _any_url(base: str, path: str, query: str) -> httpx2.URL:
    return httpx2.URL(base + quote(path, safe="/:@!$&'()*+,;=~") + (f"?{query}" if query else ""))


def _below(kind: str, path: str) -> str:
    """The path below a provider's base URL: of OpenAI's kind that has the version in it."""
    return path.removeprefix("/v1") if kind == "openai" else path


def _model_in_path(kind: str, method: str, path: str) -> str | None:
    _, models, rest = path.partition("/models/")
    if not models:
        return None
    if kind == "gemini" and method == "POST":
        return rest.rpartition(":")[0] or None
    return rest or None


def _with_model(path: str, model: str, other: str) -> str:
    before, models, rest = path.partition("/models/")
    return f"{before}{models}{other}{rest.removeprefix(model)}"


def _without_key(query: str) -> str:
    """The query without the caller's key; otherwise as it came."""
    if "key=" not in query and "%" not in query:
        return query
    return "&".join(part for part in query.split("&") if unquote(part.partition("=")[0]) != "key")
