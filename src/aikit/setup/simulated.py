"""The simulated provider that stands in where there is no key: its table in aikit.toml, and running it meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from aikit.config import Settings
from aikit.errors import ConfigError
from aikit.setup.place import SIMULATOR
from aikit.sim import Simulator

PORT = 8099
"""What it listens on, if that is free."""
MODEL = "gpt-5-mini"
SECONDS = 2
PRICE = {"input": "0.25", "output": "2.00"}
"""Pretended, in USD per million tokens, so that there is something to see in reports."""


def table(url: str) -> dict[str, dict[str, object]]:
    """What aikit.toml says of it, by table."""
    provider: dict[str, object] = {"kind": "openai", "base_url": f"{url}/v1", "model": MODEL}
    return {f"providers.{SIMULATOR}": provider, f"prices.{SIMULATOR}/*": dict(PRICE)}


def port_of(settings: Settings) -> int | None:
    """Where it is configured to listen; None if it is not configured."""
    provider = settings.providers.get(SIMULATOR)
    return urlsplit(provider.base_url).port if provider else None


@contextmanager
def standing_in(port: int | None) -> Iterator[str]:
    """Have a simulator at this port while this lasts; yields its URL. One that runs there already is used, and stays.

    Without a port it takes its usual one, or any that is free. Raises ConfigError if something else is there.
    """
    if port is not None and answers(port):
        yield f"http://127.0.0.1:{port}"
        return
    running = _started(port)
    try:
        yield running.url
    finally:
        running.stop()


def answers(port: int) -> bool:
    """Whether a simulator listens there."""
    try:
        with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/healthz", timeout=SECONDS) as answer:
            return b'"simulated"' in answer.read(200)
    except (URLError, OSError, ValueError):
        return False


def _started(port: int | None) -> Simulator:
    if port is not None:
        return Simulator(port).start()
    try:
        return Simulator(PORT).start()
    except ConfigError:
        return Simulator(0).start()
