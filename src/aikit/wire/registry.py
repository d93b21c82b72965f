"""Finds the codec of a request, and says which requests are free and how each kind of provider takes its key."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module
from importlib.metadata import entry_points

from aikit.errors import ConfigError
from aikit.wire.codec import ChatCodec, Codec
from aikit.wire.paths import ends_with, is_plain

KINDS = ("openai", "anthropic", "gemini")
ANTHROPIC_VERSION = "2023-06-01"
SHORT = 300
"""Characters of a path whose codec is remembered."""

_GROUP = "aikit.codecs"
_BUILT_IN = (
    "aikit.wire.openai_chat",
    "aikit.wire.openai_responses",
    "aikit.wire.openai_embeddings",
    "aikit.wire.anthropic",
    "aikit.wire.gemini",
)
_CHAT = {"openai": "openai.chat", "anthropic": "anthropic.messages", "gemini": "gemini.generate"}


def find(kind: str, method: str, path: str) -> Codec | None:
    """The codec that meters this request, None if no codec does: then it must not be sent, unless it `is_free`."""
    return _usual(kind, method, path) if len(path) < SHORT else _find(kind, method, path)


def _find(kind: str, method: str, path: str) -> Codec | None:
    return next((codec for codec in codecs() if codec.kind == kind and codec.matches(method, path)), None)


_usual = lru_cache(maxsize=1024)(_find)


def chat_codec(kind: str) -> ChatCodec:
    """The codec that `complete` uses for a kind of provider. Raises ConfigError for a kind that there is not."""
    wanted = _CHAT.get(kind)
    codec = next((codec for codec in codecs() if codec.name == wanted), None)
    if not isinstance(codec, ChatCodec):
        raise ConfigError(f"There is no provider of kind {kind!r}.", remedy=f"Use one of {', '.join(KINDS)}.")
    return codec


def is_free(kind: str, method: str, path: str) -> bool:
    """Reads that no provider bills and that may pass unmetered: model lists, one model, token counting."""
    free = _FREE.get(kind)
    return free is not None and is_plain(path) and free(method, path)


def auth_headers(kind: str, key: str, api_version: str | None = None) -> dict[str, str]:
    """The headers that carry an API key to a kind of provider. Raises ConfigError for a kind that there is not."""
    match kind:
        case "openai":
            return {"authorization": f"Bearer {key}"}
        case "anthropic":
            return {"x-api-key": key, "anthropic-version": api_version or ANTHROPIC_VERSION}
        case "gemini":
            return {"x-goog-api-key": key}
    raise ConfigError(f"There is no provider of kind {kind!r}.", remedy=f"Use one of {', '.join(KINDS)}.")


@cache
def codecs() -> tuple[Codec, ...]:
    """The built-in codecs, then those that other packages add. Raises ConfigError if one of theirs can't be used."""
    built_in: list[Codec] = [import_module(module).CODEC for module in _BUILT_IN]
    added = [entry for entry in entry_points(group=_GROUP) if entry.module not in _BUILT_IN]
    return (*built_in, *(_load(entry.name, entry.load) for entry in added))


def _load(name: str, load: Callable[[], object]) -> Codec:
    try:
        codec = load()
    except Exception as error:
        raise ConfigError(
            f"The codec {name!r} can't be loaded: {type(error).__name__}.",
            facts={"entry_point": name},
            remedy="Update or remove the package that adds it.",
        ) from error
    if not isinstance(codec, Codec):
        raise ConfigError(f"The codec {name!r} does not satisfy aikit.wire.codec.Codec.", facts={"entry_point": name})
    return codec


def _reads_models(method: str, path: str) -> bool:
    parent, _, last = path.rpartition("/")
    return method == "GET" and ":" not in last and (last == "models" or parent.endswith("/models"))


def _free_openai(method: str, path: str) -> bool:
    return _reads_models(method, path)


def _free_anthropic(method: str, path: str) -> bool:
    return _reads_models(method, path) or (method == "POST" and ends_with(path, "/v1/messages/count_tokens"))


def _free_gemini(method: str, path: str) -> bool:
    parent, _, last = path.rpartition("/")
    counts = method == "POST" and parent.endswith("/models") and last.endswith(":countTokens")
    return counts or _reads_models(method, path)


_FREE = {"openai": _free_openai, "anthropic": _free_anthropic, "gemini": _free_gemini}
