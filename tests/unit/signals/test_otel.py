"""Spans and metrics as the conventions for generative AI clients name them."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as names
from opentelemetry.trace import SpanKind, StatusCode

from aikit.config import Provider
from aikit.events import AttemptEnded, AttemptRefused
from aikit.signals.otel import OpenTelemetry
from aikit.types import Ending, Usage
from support.happenings import AT, ended, refused

PROVIDERS = {
    "openai": Provider("openai", "openai", "https://api.openai.com/v1"),
    "gemini": Provider("gemini", "gemini", "https://generativelanguage.googleapis.com"),
    "local": Provider("local", "openai", "http://127.0.0.1:11434/v1"),
}


class Signals:
    """What one sink has said."""

    def __init__(self) -> None:
        self._spans, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.sink = OpenTelemetry(PROVIDERS, "1", tracers, MeterProvider([self._reader]))

    def span(self, event: AttemptEnded | AttemptRefused) -> ReadableSpan:
        self._spans.clear()
        self.sink.hear(event)
        (span,) = self._spans.get_finished_spans()
        return span

    def points(self, metric: str) -> list[Any]:
        data = self._reader.get_metrics_data()
        assert data is not None
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for one in scope.metrics
            if one.name == metric
            for point in one.data.data_points
        ]


@pytest.fixture
def signals() -> Signals:
    return Signals()


def test_a_span_is_named_and_timed_as_its_attempt(signals: Signals) -> None:
    span = signals.span(ended())
    assert (span.name, span.kind) == ("chat gpt-4o-mini", SpanKind.CLIENT)
    assert span.end_time == int(AT.timestamp()) * 1_000_000_000 + 345_000_000
    assert span.start_time == span.end_time - 420_000_000
    assert span.status.status_code is StatusCode.UNSET


def test_input_tokens_include_what_was_cached_and_output_what_was_reasoned(signals: Signals) -> None:
    usage = Usage(input=10, cache_read=30, cache_write_5m=4, cache_write_1h=2, output=7, reasoning=5)
    attributes = dict(signals.span(ended(usage=usage)).attributes or {})
    assert attributes[names.GEN_AI_USAGE_INPUT_TOKENS] == 46
    assert attributes[names.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 30
    assert attributes[names.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS] == 6
    assert attributes[names.GEN_AI_USAGE_OUTPUT_TOKENS] == 12
    assert attributes[names.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS] == 5
    tokens = {point.attributes["gen_ai.token.type"]: point.sum for point in signals.points("gen_ai.client.token.usage")}
    assert tokens == {"input": 46, "output": 12}


def test_a_span_says_who_was_asked_for_what_and_what_it_cost_but_no_user(signals: Signals) -> None:
    event = ended(served_model="gpt-4o-mini-2024", streamed=True)
    attributes = dict(signals.span(event).attributes or {})
    assert attributes == {
        names.GEN_AI_OPERATION_NAME: "chat",
        names.GEN_AI_PROVIDER_NAME: "openai",
        names.GEN_AI_REQUEST_MODEL: "gpt-4o-mini",
        names.GEN_AI_RESPONSE_MODEL: "gpt-4o-mini-2024",
        names.GEN_AI_REQUEST_STREAM: True,
        names.GEN_AI_USAGE_INPUT_TOKENS: 10,
        names.GEN_AI_USAGE_OUTPUT_TOKENS: 7,
        "server.address": "api.openai.com",
        "server.port": 443,
        "http.response.status_code": 200,
        "aikit.call_id": str(event.call_id),
        "aikit.attempt_id": str(event.attempt_id),
        "aikit.tenant": "acme",
        "aikit.feature": "chat",
        "aikit.environment": "prod",
        "aikit.ending": "settled",
        "aikit.cost_usd": "0.000001234",
        "aikit.estimated": False,
        "aikit.first_byte_ms": 80,
        "aikit.overhead_ms": 1.5,
    }


@pytest.mark.parametrize(
    ("api", "provider", "operation", "theirs", "address"),
    [
        ("gemini.generate", "gemini", "generate_content", "gcp.gemini", "generativelanguage.googleapis.com"),
        ("openai.responses", "openai", "chat", "openai", "api.openai.com"),
        ("openai.embeddings", "local", "embeddings", "local", "127.0.0.1"),
    ],
)
def test_operations_and_providers_have_their_well_known_names(
    signals: Signals, api: str, provider: str, operation: str, theirs: str, address: str
) -> None:
    span = signals.span(ended(api=api, provider=provider))
    assert span.attributes is not None
    assert span.name == f"{operation} gpt-4o-mini"
    assert span.attributes[names.GEN_AI_PROVIDER_NAME] == theirs
    assert span.attributes["server.address"] == address


def test_failed_operations_have_a_span_and_a_duration_with_their_error_and_no_tokens(signals: Signals) -> None:
    lost = ended(ending=Ending.VOIDED, usage=None, nano=0, status=529, error="overloaded_error")
    for event, error in ((lost, "OVERLOADED"), (refused(), "MONTHLY_BUDGET_EXCEEDED")):
        span = signals.span(event)
        assert span.status.status_code is StatusCode.ERROR and span.status.description is None
        assert (span.attributes or {})["error.type"] == error
    durations = {
        point.attributes["error.type"]: point.sum for point in signals.points("gen_ai.client.operation.duration")
    }
    assert durations == {"OVERLOADED": 0.42, "MONTHLY_BUDGET_EXCEEDED": 0.0015}
    assert signals.points("gen_ai.client.token.usage") == []


def test_metrics_have_the_advised_buckets_and_neither_ids_nor_tags(signals: Signals) -> None:
    signals.sink.hear(ended())
    (duration,) = signals.points("gen_ai.client.operation.duration")
    assert duration.explicit_bounds[0] == 0.01 and duration.explicit_bounds[-1] == 81.92
    tokens = signals.points("gen_ai.client.token.usage")
    assert tokens[0].explicit_bounds[-1] == 67_108_864
    for point in (duration, *tokens, *signals.points("aikit.cost")):
        assert not {name for name in point.attributes if name.startswith("aikit.")}


def test_cost_is_counted_in_whole_nano_usd_however_much(signals: Signals) -> None:
    signals.sink.hear(ended(nano=2**60 + 1))
    signals.sink.hear(ended(nano=1))
    (point,) = signals.points("aikit.cost")
    assert point.value == 2**60 + 2 and isinstance(point.value, int)


def test_embeddings_have_no_output_to_count(signals: Signals) -> None:
    signals.sink.hear(ended(api="openai.embeddings", usage=Usage(input=9)))
    assert [point.attributes["gen_ai.token.type"] for point in signals.points("gen_ai.client.token.usage")] == ["input"]


def test_an_sdk_that_is_set_up_after_the_kit_gets_everything_with_the_advised_buckets() -> None:
    import subprocess
    import sys

    script = """
import sys
sys.path.insert(0, "tests")
from aikit.signals.otel import OpenTelemetry
from support.happenings import ended
sink = OpenTelemetry({}, "1")
sink.hear(ended())  # nobody is there yet
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
spans, reader, tracers = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
tracers.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(tracers)
metrics.set_meter_provider(MeterProvider([reader]))
sink.hear(ended())
(span,) = spans.get_finished_spans()
(scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
bounds = {metric.name: getattr(metric.data.data_points[0], "explicit_bounds", [None])[-1] for metric in scope.metrics}
expected = {"gen_ai.client.operation.duration": 81.92, "gen_ai.client.token.usage": 67108864, "aikit.cost": None}
assert bounds == expected, bounds
"""
    subprocess.run([sys.executable, "-c", script], check=True)
