"""Asks a provider for the list of its models: free, needs the key, and tells what stands in the way apart."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from aikit.config import Provider
from aikit.errors import Exit
from aikit.failures.codes import code_of
from aikit.failures.said import plain, said

SECONDS = 5.0
LARGEST = 5_000_000
ANTHROPIC_VERSION = "2023-06-01"


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of asking. `problem` is a word: None, or what stands in the way; `what` says it in a sentence.

    `models` are the ids that it lists; `ms` is how long it took.
    """

    ms: int
    models: tuple[str, ...] = ()
    problem: str | None = None
    what: str = ""
    remedy: str = ""
    exit: Exit = Exit.UNREACHABLE
    status: int | None = None


def list_models(provider: Provider, *, seconds: float = SECONDS) -> Reached:
    """Ask; answers within `seconds`, whatever the network does. Never raises for what the network or the provider do.

    Nothing that the provider says is passed on but the ids of models and one word of its error.
    """
    found: list[Reached] = []
    start = time.monotonic()
    try:
        _host(provider)
    except ValueError:
        problem, what, remedy = _no_address(provider)
        return Reached(0, problem=problem, what=what, remedy=remedy, exit=Exit.USAGE)
    if provider.api_key and not (provider.api_key.isascii() and provider.api_key.isprintable()):
        return _no_key(provider)
    asking = threading.Thread(target=lambda: found.append(_asked(provider, seconds, start)), daemon=True)
    asking.start()
    asking.join(seconds + 0.5)
    return found[0] if found else _late(provider, seconds, start)


def _asked(provider: Provider, seconds: float, start: float) -> Reached:
    try:
        return _ask(provider, seconds, start)
    except httpx2.TimeoutException:
        return _late(provider, seconds, start)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        problem, what, remedy = _unreached(provider, error)
        return Reached(_since(start), problem=problem, what=what, remedy=remedy)


def _ask(provider: Provider, seconds: float, start: float) -> Reached:
    url, headers = _request(provider)
    body = bytearray()
    with (
        httpx2.Client(timeout=httpx2.Timeout(seconds), follow_redirects=False) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        for chunk in answer.iter_bytes():
            body += chunk
            if time.monotonic() - start > seconds:
                return _late(provider, seconds, start)
            if len(body) > LARGEST:
                break
    if answer.status_code != 200:
        return _refused(provider, answer.status_code, bytes(body), _since(start))
    try:
        models = tuple(_ids(json.loads(body)))
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError):
        return Reached(
            _since(start),
            problem="no_json",
            what=f"{provider.name} at {_host(provider)} answered with something that is no list of models.",
            remedy=f"Check base_url of [providers.{provider.name}] in aikit.toml: is it the address of the API?",
            status=200,
        )
    return Reached(_since(start), models)


def _request(provider: Provider) -> tuple[str, dict[str, str]]:
    key = provider.api_key
    match provider.kind:
        case "anthropic":
            headers = {"anthropic-version": ANTHROPIC_VERSION} | ({"x-api-key": key} if key else {})
            return f"{provider.base_url}/v1/models?limit=1000", headers
        case "gemini":
            headers = {"x-goog-api-key": key} if key else {}
            return f"{provider.base_url}/{provider.api_version or 'v1beta'}/models?pageSize=1000", headers
        case _:
            return f"{provider.base_url}/models", {"authorization": f"Bearer {key}"} if key else {}


def _ids(found: Any) -> Iterator[str]:
    for model in found["models"] if "models" in found else found["data"]:
        name = model.get("name") if "models" in found else model["id"]
        yield str(plain(str(name))).removeprefix("models/")


def _refused(provider: Provider, status: int, body: bytes, ms: int) -> Reached:
    told = said(body)
    word = f" ({plain(told.word)})" if told.word else ""
    code = code_of(status, told) if status >= 400 else ""
    key = provider.api_key_env or "the key"
    answered = f"{provider.name} answered {status}{word}"
    exit = Exit.UNREACHABLE
    if status == 407:
        problem, what = "proxy", f"The proxy {_proxy(provider) or ''} wants a user and a password (407)."
        remedy = "Put them into HTTPS_PROXY as http://user:password@host:port."
    elif code == "AUTHENTICATION_FAILED" and status != 403:
        problem, what = "401", f"{answered}: it does not accept {key}."
        remedy, exit = _new_key(provider), Exit.CREDENTIALS
    elif status == 403:
        problem, what = "403", f"{answered}: {key} may not list models."
        remedy, exit = "Give the key the right to list models, or use another one.", Exit.CREDENTIALS
    elif code == "INSUFFICIENT_QUOTA":
        problem, what = "quota", f"{answered}: the account has nothing left to spend."
        remedy = "Add credit at the provider, then run it again."
    elif status == 429:
        problem, what, remedy = "429", f"{answered}: too many requests.", "Wait a minute, then run it again."
    elif status >= 500:
        problem, what, remedy = "5xx", f"{answered}: it has a problem.", "Run it again later; see its status page."
    elif status == 404:
        problem, what = "404", f"{answered}: there is no API at {_host(provider)}."
        remedy = f"Check base_url of [providers.{provider.name}] in aikit.toml."
    else:
        problem, what = "4xx" if status >= 400 else "3xx", f"{answered}."
        remedy = f"Check base_url of [providers.{provider.name}] in aikit.toml."
    return Reached(ms, problem=problem, what=what, remedy=remedy, exit=exit, status=status)


def _unreached(provider: Provider, error: Exception) -> tuple[str, str, str]:
    host, proxy = _host(provider), _proxy(provider)
    chain = list(_causes(error))
    if isinstance(error, httpx2.ProxyError) or (proxy and not any(isinstance(one, ssl.SSLError) for one in chain)):
        where = proxy or "of the environment"
        return "proxy", f"The proxy {where}, through which {host} is asked, fails.", PROXY
    for one in chain:
        if isinstance(one, ssl.SSLError):
            why = getattr(one, "verify_message", "") or getattr(one, "reason", "") or "handshake failed"
            return "tls", f"The TLS connection to {host} failed: {str(why).replace('_', ' ').lower()}.", TLS
        if isinstance(one, socket.gaierror):
            return "dns", f"The name {host} is not known here (DNS).", "Check the network, and the name in base_url."
        if isinstance(one, ConnectionRefusedError):
            return "refused", f"Nothing listens on {host}: the connection was refused.", _refused_remedy(provider)
    if isinstance(error, (httpx2.InvalidURL, httpx2.UnsupportedProtocol, ValueError)):
        return _no_address(provider)
    return "lost", f"The connection to {host} broke ({type(error).__name__}).", "Check the network, then run it again."


PROXY = "Check HTTPS_PROXY and HTTP_PROXY, or name the host in NO_PROXY."
TLS = "If a proxy of your company is in between, name its certificate: export SSL_CERT_FILE=/path/to/ca.pem"


def _no_key(provider: Provider) -> Reached:
    what = f"{provider.api_key_env} has characters that no key has, so {provider.name} was not asked."
    return Reached(0, problem="key", what=what, remedy=_new_key(provider), exit=Exit.CREDENTIALS)


def _new_key(provider: Provider) -> str:
    return f"Make a new key, and set it: aikit init --key-stdin {provider.api_key_env}"


def _no_address(provider: Provider) -> tuple[str, str, str]:
    return "url", f"The address of {provider.name} can't be used.", f"Correct base_url of [providers.{provider.name}]."


def _refused_remedy(provider: Provider) -> str:
    port = urlsplit(provider.base_url).port
    if provider.name == "simulator":
        return f"Start it: aikit sim --port {port}"
    return f"Start that server, or correct base_url of [providers.{provider.name}] in aikit.toml."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _late(provider: Provider, seconds: float, start: float) -> Reached:
    proxy = _proxy(provider)
    via = f" through the proxy {proxy}" if proxy else ""
    what = f"{_host(provider)} did not answer within {seconds:.0f} s{via}."
    return Reached(_since(start), problem="timeout", what=what, remedy="Check the network, then run it again.")


def address(provider: Provider) -> str:
    """Where its API is, without a user and a password that may be in the URL. Raises ValueError for no URL."""
    return f"{urlsplit(provider.base_url).scheme}://{_host(provider)}{urlsplit(provider.base_url).path}"


def _host(provider: Provider) -> str:
    parts = urlsplit(provider.base_url)
    return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or provider.name


def _proxy(provider: Provider) -> str | None:
    """`host:port` of the proxy that is in between, without its password."""
    parts, proxies = urlsplit(provider.base_url), getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    if not found or proxy_bypass(parts.netloc):
        return None
    proxy = urlsplit(found if "://" in found else f"http://{found}")
    return f"{proxy.hostname}:{proxy.port}" if proxy.port else proxy.hostname


def _since(start: float) -> int:
    return round((time.monotonic() - start) * 1000)
