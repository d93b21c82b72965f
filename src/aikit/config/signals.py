"""What is to be heard of calls, and where: `[signals]` of the configuration.

[signals]
logs = true                                # a line for each ending and refusal, on the logger aikit.calls at INFO
otel = true                                # spans and metrics through opentelemetry-api; default: false
sentry = true                              # failures of providers and of the ledger; default: false
[signals.prometheus]                       # its being there turns it on
port = 9464                                # served on 127.0.0.1; absent: only by kit.metrics()
labels = ["tenant"]                        # of tenant, feature, environment; default: none
[signals.webhook]
url = "https://ops.example/aikit"          # AIKIT_WEBHOOK_URL; signed with AIKIT_WEBHOOK_SECRET
events = ["refused", "breaker"]
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from aikit.errors import ConfigError
from aikit.types import EventKind

SECRET = "AIKIT_WEBHOOK_SECRET"
URL = "AIKIT_WEBHOOK_URL"
PREFIX = "whsec_"
LEAST_SECRET = 16
"""Bytes of a secret that is no guess."""
Label = Literal["tenant", "feature", "environment"]
WORTH_TELLING: tuple[EventKind, ...] = ("refused", "soft_cap", "would_refuse", "ledger_failure", "breaker")


class PrometheusTable(BaseModel):
    """`[signals.prometheus]` as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True)
    port: int | None = Field(None, ge=0, le=65535)
    labels: list[Label] = []


class WebhookTable(BaseModel):
    """`[signals.webhook]` as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True)
    url: str | None = None
    events: list[EventKind] = list(WORTH_TELLING)


class SignalsTable(BaseModel):
    """`[signals]` as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True)
    logs: bool = True
    otel: bool = False
    sentry: bool = False
    prometheus: PrometheusTable | None = None
    webhook: WebhookTable | None = None


@dataclass(frozen=True, slots=True)
class PrometheusSettings:
    """`port` is served on loopback, 0 is any that is free, None is none. `labels` are those beside the bounded ones."""

    port: int | None = None
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where events of these kinds go. The URL may be a secret as well, and is not shown either."""

    url: str = field(repr=False)
    events: tuple[EventKind, ...]
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignalSettings:
    """Who hears of calls beside the application's own listener."""

    logs: bool = True
    otel: bool = False
    sentry: bool = False
    prometheus: PrometheusSettings | None = None
    webhook: WebhookSettings | None = None


QUIET = SignalSettings()


def read_signals(table: SignalsTable, variables: Mapping[str, str], where: str) -> SignalSettings:
    """Raises ConfigError for an unusable URL or secret; neither is in it."""
    stated = table.prometheus
    prometheus = None if stated is None else PrometheusSettings(stated.port, tuple(dict.fromkeys(stated.labels)))
    return SignalSettings(table.logs, table.otel, table.sentry, prometheus, _webhook(table.webhook, variables, where))


def _webhook(table: WebhookTable | None, variables: Mapping[str, str], where: str) -> WebhookSettings | None:
    url = variables.get(URL) or (table.url if table else None)
    if url is None:
        if table is not None:
            raise ConfigError(f"{where} [signals.webhook]: there is no url.", remedy=f"State one there, or set {URL}.")
        return None
    events = tuple(table.events) if table else WORTH_TELLING
    return WebhookSettings(_checked(url, where), events, _secret(variables.get(SECRET, "").strip()))


def _checked(url: str, where: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            f"The url of the webhook can't be used, by {where} [signals.webhook] or {URL}.",
            remedy="It must start with http:// or https:// and name a host.",
        )
    return url


def _secret(stated: str) -> bytes:
    """`whsec_` and base64, as Standard Webhooks writes secrets, or any other text as it is."""
    try:
        found = base64.b64decode(stated[len(PREFIX) :], validate=True) if stated.startswith(PREFIX) else stated.encode()
    except binascii.Error:
        found = b""
    if len(found) < LEAST_SECRET:
        state = "can't be read or is too short" if stated else "is not set"
        raise ConfigError(
            f"The webhook needs a secret to sign with, and {SECRET} {state}.",
            remedy=f'Make one: export {SECRET}="whsec_$(openssl rand -base64 32)"; the receiver needs it, too.',
        )
    return found
