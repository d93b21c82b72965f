"""Sets up what hears of events, as the configuration says."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from aikit.config import Settings
from aikit.signals.delivery import Delivery
from aikit.signals.logs import Logs
from aikit.signals.sink import Listener, ListenerSink, Sink, missing


def open_signals(settings: Settings, listener: Listener | None, waiting: Callable[[], int]) -> Delivery:
    """`waiting` says how many endings wait for the ledger. Raises ConfigError if a package is missing."""
    asked = settings.signals
    sinks: list[Sink] = []
    if listener is not None:
        sinks.append(ListenerSink(listener))
    if asked.logs:
        sinks.append(Logs())
    if asked.otel:
        sinks.append(_otel(settings))
    if asked.sentry:
        sinks.append(_sentry())
    delivery: list[Delivery] = []
    if asked.prometheus is not None:
        try:
            from aikit.signals.prometheus import Prometheus
        except ImportError:
            raise missing("prometheus", "prometheus") from None
        sinks.append(Prometheus(asked.prometheus, waiting, lambda: delivery[0].dropped if delivery else 0))
    if asked.webhook is not None:
        from aikit.signals.webhook import Webhook

        sinks.append(Webhook(asked.webhook))
    delivery.append(Delivery(sinks))
    return delivery[0]


def _otel(settings: Settings) -> Sink:
    try:
        from aikit.signals.otel import OpenTelemetry
    except ImportError:
        raise missing("otel", "otel") from None
    return OpenTelemetry(settings.providers, version("aikit"))


def _sentry() -> Sink:
    try:
        from aikit.signals.sentry import Sentry
    except ImportError:
        raise missing("sentry", "sentry") from None
    return Sentry()
