"""How OpenTelemetry's conventions for generative AI name what aikit knows: providers, operations, attributes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from aikit.config import Provider
from aikit.events import AttemptEnded, AttemptEvent, AttemptRefused
from aikit.money import usd_string
from aikit.types import Usage

Value = str | int | float | bool
Attributes = dict[str, Value]

DURATIONS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = tuple(4**power for power in range(14))
"""The boundaries that the conventions advise for their histograms, in seconds and in tokens."""
PROVIDERS = {
    "gemini": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "xai": "x_ai",
}
"""Well-known names of providers where ours may differ; all others stand as they are configured."""
OPERATIONS = {"openai.embeddings": "embeddings", "gemini.generate": "generate_content"}
"""By API; the operation of all others is chat."""
PORTS = {"http": 80, "https": 443}


def operation(event: AttemptEvent) -> str:
    """What is done: `chat`, `embeddings` or `generate_content`."""
    return OPERATIONS.get(event.api, "chat")


def error_type(event: AttemptEnded | AttemptRefused) -> str | None:
    """Our code for what went wrong; where nobody's code says it, the name of what was raised."""
    return event.code if isinstance(event, AttemptRefused) else event.failure or event.error


def common(event: AttemptEvent, server: Attributes) -> Attributes:
    """The attributes that spans and metrics share. They are bounded: no ids and no tags."""
    found: Attributes = {
        "gen_ai.operation.name": operation(event),
        "gen_ai.provider.name": PROVIDERS.get(event.provider, event.provider),
        **server,
    }
    if event.model:
        found["gen_ai.request.model"] = event.model
    if isinstance(event, AttemptEnded) and event.usage is not None:
        found["gen_ai.response.model"] = event.served_model or event.model
    return found


def of_span(event: AttemptEnded | AttemptRefused) -> Attributes:
    """What a span says beside that. The user is a person and is not named."""
    found: dict[str, Value | None] = {
        "gen_ai.request.stream": event.streamed or None,
        "error.type": error_type(event),
        "aikit.call_id": str(event.call_id),
        "aikit.attempt_id": str(event.attempt_id),
        "aikit.tenant": event.tags.tenant,
        "aikit.feature": event.tags.feature,
        "aikit.environment": event.tags.environment,
        "aikit.overhead_ms": round(event.overhead_ms, 3),
        "aikit.prompt": event.prompt,
        "aikit.findings": sum(finding.times for finding in event.findings) or None,
    }
    if isinstance(event, AttemptRefused):
        found["aikit.reason_code"] = event.code
    else:
        found |= {
            "aikit.ending": str(event.ending),
            "aikit.cost_usd": usd_string(event.nano),
            "aikit.estimated": event.estimated,
            "aikit.first_byte_ms": event.first_byte_ms,
            "http.response.status_code": event.status,
        }
        if event.usage is not None:
            found |= of_usage(event.usage)
    return {name: value for name, value in found.items() if value is not None}


def of_usage(usage: Usage) -> Attributes:
    """Tokens as the conventions count them: input includes what was cached, output what was reasoned."""
    parts = {
        "cache_read.input_tokens": usage.cache_read + usage.cache_read_audio,
        "cache_creation.input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "reasoning.output_tokens": usage.reasoning,
    }
    return {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        **{f"gen_ai.usage.{name}": count for name, count in parts.items() if count},
    }


def servers(providers: Mapping[str, Provider]) -> dict[str, Attributes]:
    """Where each provider is, by its name here."""
    found: dict[str, Attributes] = {}
    for name, provider in providers.items():
        parts = urlsplit(provider.base_url)
        port = parts.port or PORTS[parts.scheme]
        found[name] = {"server.address": parts.hostname or "", "server.port": port}
    return found
