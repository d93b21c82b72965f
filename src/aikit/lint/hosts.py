"""The hosts of model providers: one table, for the linter and for `aikit.strict`."""

from __future__ import annotations

import re
from collections.abc import Set
from functools import lru_cache

HOSTS: dict[str, str] = {
    "api.openai.com": "OpenAI",
    "eu.api.openai.com": "OpenAI",
    "us.api.openai.com": "OpenAI",
    "api.anthropic.com": "Anthropic",
    "generativelanguage.googleapis.com": "Google Gemini",
    "aiplatform.googleapis.com": "Google Vertex AI",
    "api.mistral.ai": "Mistral",
    "codestral.mistral.ai": "Mistral",
    "api.groq.com": "Groq",
    "api.cohere.com": "Cohere",
    "api.cohere.ai": "Cohere",
    "openrouter.ai": "OpenRouter",
    "api.deepseek.com": "DeepSeek",
    "api.x.ai": "xAI",
    "api.together.xyz": "Together",
    "api.together.ai": "Together",
    "api.fireworks.ai": "Fireworks",
    "api.perplexity.ai": "Perplexity",
    "api.cerebras.ai": "Cerebras",
    "api.sambanova.ai": "SambaNova",
    "api.voyageai.com": "Voyage",
    "api.ai21.com": "AI21",
    "api.replicate.com": "Replicate",
    "api-inference.huggingface.co": "Hugging Face",
    "router.huggingface.co": "Hugging Face",
    "models.inference.ai.azure.com": "GitHub Models",
    "models.github.ai": "GitHub Models",
    "integrate.api.nvidia.com": "NVIDIA",
    "dashscope.aliyuncs.com": "Alibaba",
    "api.moonshot.ai": "Moonshot",
}
"""Hosts by name, and whose they are."""

PATTERNS: tuple[tuple[str, str], ...] = (
    (r"[a-z0-9-]+\.openai\.azure\.com", "Azure OpenAI"),
    (r"[a-z0-9-]+\.cognitiveservices\.azure\.com", "Azure AI"),
    (r"[a-z0-9-]+\.services\.ai\.azure\.com", "Azure AI"),
    (r"[a-z0-9-]+\.models\.ai\.azure\.com", "Azure AI"),
    (r"bedrock-(runtime|mantle)(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|api\.aws)", "Amazon Bedrock"),
    (r"[a-z0-9-]+-aiplatform\.googleapis\.com", "Google Vertex AI"),
    (r"aiplatform\.[a-z0-9-]+\.rep\.googleapis\.com", "Google Vertex AI"),
)
"""Hosts with a region or a resource in their name."""

_PATTERN = re.compile("|".join(f"(?P<p{number}>{pattern})" for number, (pattern, _) in enumerate(PATTERNS)))
_HOST = re.compile(r"(?:(?:https?|wss?)://)(?:[^/@\s]*@)?([a-zA-Z0-9.-]+)(?::(\d{1,5}))?(?=[/?#\s]|$)", re.IGNORECASE)
_HEAD = re.compile(r"(?:https?|wss?)://", re.IGNORECASE)


@lru_cache(maxsize=1024)
def provider_of(host: str) -> str | None:
    """Whose host it is; None if it is nobody's that is known."""
    name = host.lower().rstrip(".")
    if (known := HOSTS.get(name)) is not None:
        return known
    found = _PATTERN.fullmatch(name)
    if found is None:
        return None
    return next(PATTERNS[int(group[1:])][1] for group, text in found.groupdict().items() if text is not None)


def provider_in(url: str, more: Set[str] = frozenset()) -> tuple[str, str] | None:
    """The host in a URL and whose it is, if it is a provider's. `more` are `host` or `host:port` of others."""
    found = _HOST.match(url)
    if found is None:
        return None
    host, port = found[1].lower().rstrip("."), found[2]
    if (whose := provider_of(host)) is not None:
        return host, whose
    named = host if port is None else f"{host}:{port}"
    return (named, "a configured provider") if named in more else None


def is_url(text: str) -> bool:
    """Whether a text begins like a URL of HTTP or a WebSocket."""
    return _HEAD.match(text) is not None
