"""OpenTelemetry: a span for each attempt and refusal, and the metrics of the conventions for generative AI clients.

Only the API is used: what becomes of spans and metrics is up to the SDK that the application has set up, if it has.
A span is made when its attempt is over, with the times that it had, as a child of what was current for the caller when
the attempt began.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from aikit.config import Provider
from aikit.events import AttemptEnded, AttemptRefused, Event
from aikit.signals import conventions
from aikit.signals.sink import Sink
from aikit.types import EventKind

SCOPE = "aikit"


class OpenTelemetry(Sink):
    """Spans and metrics, by the application's global providers unless others are given."""

    name = "otel"
    kinds: frozenset[EventKind] = frozenset({"ended", "refused"})

    def __init__(
        self,
        providers: Mapping[str, Provider],
        version: str,
        tracers: trace.TracerProvider | None = None,
        meters: metrics.MeterProvider | None = None,
    ) -> None:
        self._servers = conventions.servers(providers)
        self._tracer = trace.get_tracer(SCOPE, version, tracers)
        meter = metrics.get_meter(SCOPE, version, meters)
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=conventions.TOKENS,
        )
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "GenAI operation duration.",
            explicit_bucket_boundaries_advisory=conventions.DURATIONS,
        )
        self._cost = meter.create_counter("aikit.cost", "{nano_usd}", "What the ledger was charged, in nano-USD.")

    def hear(self, event: Event) -> None:
        if not isinstance(event, AttemptEnded | AttemptRefused):
            return
        seconds = (event.duration_ms if isinstance(event, AttemptEnded) else event.overhead_ms) / 1000
        common = conventions.common(event, self._servers.get(event.provider, {}))
        error = conventions.error_type(event)
        self._span(event, seconds, common, error)
        self._duration.record(seconds, {**common, "error.type": error} if error else common)
        if isinstance(event, AttemptEnded):
            self._cost.add(event.nano, common)
            if event.usage is not None:
                self._tokens.record(event.usage.input_tokens, {**common, "gen_ai.token.type": "input"})
                if conventions.operation(event) != "embeddings":
                    self._tokens.record(event.usage.output_tokens, {**common, "gen_ai.token.type": "output"})

    def _span(
        self,
        event: AttemptEnded | AttemptRefused,
        seconds: float,
        common: conventions.Attributes,
        error: str | None,
    ) -> None:
        span = self._tracer.start_span(
            f"{common['gen_ai.operation.name']} {event.model}".strip(),
            kind=SpanKind.CLIENT,
            attributes={**common, **conventions.of_span(event)},
            start_time=_ns(event.at - timedelta(seconds=seconds)),
        )
        if error is not None:
            span.set_status(Status(StatusCode.ERROR))
        span.end(_ns(event.at))


def _ns(at: datetime) -> int:
    seconds = int(at.timestamp())
    return seconds * 1_000_000_000 + at.microsecond * 1000
