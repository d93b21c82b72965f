"""What is heard of real calls: never a word of what was said, as much as the ledger has, and nobody's call waits."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sentry_sdk
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from aikit.async_kit import AsyncAIKit
from aikit.config import Settings
from aikit.config.breaker import BreakerTable
from aikit.config.signals import PrometheusSettings, SignalSettings, WebhookSettings
from aikit.errors import AIError, BreakerOpen, ConfigError, MeteringUnavailable, SpendCapExceeded
from aikit.events import AttemptEnded, AttemptRefused, Event
from aikit.kit import AIKit
from aikit.money import usd_string
from aikit.signals.webhook import LOT, Webhook
from aikit.sim import Simulator
from aikit.types import EVENT_KINDS
from support.happenings import ended
from support.kits import KEYS, TENANT, Books, write_config

CANARY = "canary-4711-sings"
HELLO: Any = [{"role": "user", "content": f'{CANARY} [[sim: {{"text": "{CANARY} back"}}]]'}]
SECRET = b"a secret to sign webhooks with"
CHAT, CLAUDE, GEMINI = "gpt-4o-mini", "claude-haiku-4-5", "gemini-2.5-flash"


@dataclass
class Receiver:
    """A webhook's other end. `answers` are the statuses it gives, the last one for ever."""

    answers: list[int] = field(default_factory=lambda: [204])
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for _, body in self.posts for event in json.loads(body)["events"]]


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    told = Receiver()
    told.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.hold.wait(30)
            body = self.rfile.read(int(self.headers["content-length"]))
            told.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(told.answers.pop(0) if len(told.answers) > 1 else told.answers[0])
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield told, f"http://127.0.0.1:{server.server_port}/hook"
    told.hold.set()
    server.shutdown()
    thread.join()
    server.server_close()


class Reported(Transport):
    """Takes what would go to Sentry."""

    def __init__(self) -> None:
        super().__init__()
        self.envelopes: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.envelopes.append(envelope)

    @property
    def events(self) -> list[Any]:
        found = [envelope.get_event() for envelope in self.envelopes]
        return [event for event in found if event is not None]

    def text(self) -> str:
        return "".join(envelope.serialize().decode("utf-8", "replace") for envelope in self.envelopes)


@pytest.fixture
def sentry() -> Iterator[Reported]:
    reported = Reported()
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1", transport=reported, attach_stacktrace=True, auto_enabling_integrations=False
    )
    yield reported
    sentry_sdk.get_global_scope().set_client(None)


SPANS, METRICS = InMemorySpanExporter(), InMemoryMetricReader()


@pytest.fixture(scope="module")
def sdk() -> None:
    """The global providers can be set once in a process."""
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(SPANS))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([METRICS]))


@pytest.fixture
def spans(sdk: None) -> Iterator[InMemorySpanExporter]:
    SPANS.clear()
    yield SPANS
    SPANS.clear()


def hearing(settings: Settings, **signals: Any) -> Settings:
    return replace(settings, signals=SignalSettings(**signals))


def posting_to(url: str, *kinds: Any) -> WebhookSettings:
    return WebhookSettings(url, kinds or EVENT_KINDS, SECRET)


def wait_for(truth: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def call_all_ways(kit: AIKit, **more: Any) -> None:
    """All APIs by their SDKs, plain and streamed."""
    openai, claude, google = kit.openai(**more), kit.anthropic(**more), kit.gemini(**more)
    answer = openai.chat.completions.create(model=CHAT, messages=HELLO, extra_headers={"x-of-the-caller": CANARY})
    assert CANARY in str(answer), "what is looked for was never said"
    list(openai.chat.completions.create(model=CHAT, messages=HELLO, stream=True))
    openai.responses.create(model=CHAT, input=HELLO)
    list(openai.responses.create(model=CHAT, input=HELLO, stream=True))
    openai.embeddings.create(model="text-embedding-3-small", input=CANARY)
    claude.messages.create(model=CLAUDE, max_tokens=100, messages=HELLO)
    list(claude.messages.create(model=CLAUDE, max_tokens=100, messages=HELLO, stream=True))
    google.models.generate_content(model=GEMINI, contents=HELLO[0]["content"])
    list(google.models.generate_content_stream(model=GEMINI, contents=HELLO[0]["content"]))


async def call_all_ways_async(kit: AsyncAIKit, **more: Any) -> None:
    openai, claude, google = kit.openai(**more), kit.anthropic(**more), kit.gemini(**more)
    await openai.chat.completions.create(model=CHAT, messages=HELLO)
    async for _ in await openai.chat.completions.create(model=CHAT, messages=HELLO, stream=True):
        pass
    await claude.messages.create(model=CLAUDE, max_tokens=100, messages=HELLO)
    async for _ in await google.aio.models.generate_content_stream(model=GEMINI, contents=HELLO[0]["content"]):
        pass


def fail_all_ways(kit: AIKit, simulator: Simulator, books: Books) -> None:
    """Provider errors, a refusal of the provider's words, and refusals of ours."""
    more: dict[str, Any] = {"tenant": TENANT, "max_retries": 0}
    simulator.fault(status=500, count=1)
    with pytest.raises(Exception, match="500"):
        kit.openai(**more).chat.completions.create(model=CHAT, messages=HELLO)
    simulator.fault(status=429, count=1)
    with pytest.raises(Exception, match="429"):
        kit.anthropic(**more).messages.create(model=CLAUDE, max_tokens=9, messages=HELLO)
    simulator.fault(cut_after=2, count=1)
    with contextlib.suppress(Exception):
        list(kit.openai(**more).chat.completions.create(model=CHAT, messages=HELLO, stream=True))
    for model, tenant in (("no-such-model", TENANT), (CHAT, "nobody")):
        with pytest.raises(Exception, match="403"):
            kit.openai(tenant=tenant, max_retries=0).chat.completions.create(model=model, messages=HELLO)
    with pytest.raises(Exception, match="403"):
        kit.openai(**more).images.generate(prompt=CANARY, model="dall-e-3")
    books.limit(usd="0")
    with pytest.raises(Exception, match="402"):
        kit.openai(**more).chat.completions.create(model=CHAT, messages=HELLO)


@pytest.fixture
def every_sink(
    settings: Settings, receiver: tuple[Receiver, str], sentry: Reported, spans: InMemorySpanExporter
) -> Settings:
    return hearing(
        settings,
        otel=True,
        sentry=True,
        prometheus=PrometheusSettings(0, ("tenant", "feature")),
        webhook=posting_to(receiver[1]),
    )


def test_no_signal_has_a_prompt_an_answer_or_a_key_in_it(
    every_sink: Settings,
    books: Books,
    simulator: Simulator,
    receiver: tuple[Receiver, str],
    sentry: Reported,
    spans: InMemorySpanExporter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    books.policy('[tenants.acme]\nlimits = [{ cap_usd = "9", soft_cap_usd = "0.000001", window = "month" }]')
    heard: list[Event] = []
    with caplog.at_level(logging.DEBUG, "aikit"), AIKit.open(every_sink, on_event=heard.append) as kit:
        call_all_ways(kit, tenant=TENANT)
        fail_all_ways(kit, simulator, books)
        kit.flush()
        exposed = kit.metrics().body.decode()
    books.limit()
    with caplog.at_level(logging.DEBUG, "aikit"):
        asyncio.run(_async_calls(every_sink, heard))
    said = {
        "listener": repr(heard),
        "facts": json.dumps([event.facts() for event in heard]),
        "logs": "".join(
            f"{record.getMessage()} {record.__dict__}" for record in caplog.records if record.name.startswith("aikit")
        ),
        "spans": "".join(span.to_json() for span in spans.get_finished_spans()),
        "metrics": str(METRICS.get_metrics_data()),
        "prometheus": exposed,
        "webhook": "".join(f"{headers} {body.decode()}" for headers, body in receiver[0].posts),
        "sentry": sentry.text(),
    }
    assert {event.kind for event in heard} == {"admitted", "ended", "refused", "soft_cap"}
    for where, text in said.items():
        assert "openai" in text, f"nothing is said to {where}"
        for secret in (CANARY, *KEYS.values(), SECRET.decode()):
            assert secret not in text, where


async def _async_calls(settings: Settings, heard: list[Event]) -> None:
    async with await asyncio.to_thread(AsyncAIKit.open, settings, on_event=heard.append) as kit:
        await call_all_ways_async(kit, tenant=TENANT)


def test_all_sinks_count_what_the_ledger_has(
    every_sink: Settings,
    books: Books,
    simulator: Simulator,
    receiver: tuple[Receiver, str],
    spans: InMemorySpanExporter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[Event] = []
    with caplog.at_level(logging.INFO, "aikit.calls"), AIKit.open(every_sink, on_event=heard.append) as kit:
        call_all_ways(kit, tenant=TENANT)
        fail_all_ways(kit, simulator, books)
        wait_for(lambda: kit.flush() and books.holds() == 0)
        exposed = kit.metrics().body.decode()
    books.assert_balanced()
    entries, refusals = books.entries(), books.refusals()
    ended = [event for event in heard if isinstance(event, AttemptEnded)]
    assert {event.attempt_id: event.nano for event in ended} == {row["attempt"]: row["nano"] for row in entries}
    assert [event.attempt_id for event in heard if isinstance(event, AttemptRefused)] == [
        row["attempt"] for row in refusals
    ]
    total = sum(row["nano"] for row in entries)
    samples = [sample for family in text_string_to_metric_families(exposed) for sample in family.samples]

    def summed(name: str, **labels: str) -> float:
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    assert summed("aikit_cost_nano_usd_total") == total
    assert summed("aikit_calls_total") == len(entries)
    assert summed("aikit_calls_total", ending="voided") == [row["ending"] for row in entries].count("voided") == 2
    assert summed("aikit_refusals_total") == len(refusals) == 4
    assert summed("aikit_tokens_total", **{"class": "output"}) == sum(row["output"] or 0 for row in entries)
    assert summed("aikit_holds_in_flight") == summed("aikit_spool_entries") == 0
    assert summed("aikit_admission_seconds_count") == len(entries) + len(refusals)
    costs = [
        span.attributes["aikit.cost_usd"] for span in spans.get_finished_spans() if "aikit.ending" in span.attributes
    ]
    assert sorted(costs) == sorted(usd_string(row["nano"]) for row in entries)
    lines = [record for record in caplog.records if record.name == "aikit.calls"]
    assert len(lines) == len(entries) + len(refusals)
    posted = receiver[0].events
    assert len(posted) == len(heard)
    assert [event["cost_usd"] for event in posted if event["kind"] == "ended"] == [
        usd_string(event.nano) for event in ended
    ]


def test_a_span_is_a_child_of_what_was_current_for_the_caller_streams_too(
    settings: Settings, books: Books, spans: InMemorySpanExporter
) -> None:
    with AIKit.open(hearing(settings, otel=True)) as kit:
        client = kit.openai(tenant=TENANT)
        with trace.get_tracer("test").start_as_current_span("request") as parent:
            client.chat.completions.create(model=CHAT, messages=HELLO)
            stream = client.chat.completions.create(model=CHAT, messages=HELLO, stream=True)
        list(stream)  # read where another span, or none, is current
    found = [span for span in spans.get_finished_spans() if span.name == f"chat {CHAT}"]
    assert len(found) == 2
    for span in found:
        assert span.parent is not None and span.parent.span_id == parent.get_span_context().span_id
        assert span.start_time is not None and span.end_time is not None and span.start_time <= span.end_time
        assert span.attributes is not None
        assert span.attributes["server.address"] == "127.0.0.1"
        assert span.attributes["aikit.tenant"] == TENANT
    assert [span.attributes.get("gen_ai.request.stream") for span in found if span.attributes] == [None, True]


REQUEST: ContextVar[str] = ContextVar("request")


def test_a_listener_runs_in_another_thread_with_the_context_of_the_call(settings: Settings, books: Books) -> None:
    heard: list[tuple[str, int]] = []
    with AIKit.open(settings, on_event=lambda _: heard.append((REQUEST.get(), threading.get_ident()))) as kit:
        for name in ("first", "second"):
            REQUEST.set(name)
            kit.complete("Hi", model=f"openai/{CHAT}", tenant=TENANT)
        kit.flush()
        assert [name for name, _ in heard] == ["first", "first", "second", "second"]
        assert threading.get_ident() not in {thread for _, thread in heard}


def test_a_listener_that_fails_or_never_returns_slows_and_breaks_no_call(
    settings: Settings, books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = threading.Event()

    def listener(event: Event) -> None:
        if event.kind == "admitted":
            raise RuntimeError("broken")
        stuck.wait(30)

    kit = AIKit.open(settings, on_event=listener)
    began = time.monotonic()
    for _ in range(20):
        kit.complete("Hi", model=f"openai/{CHAT}", tenant=TENANT)
    assert kit.meter.flush()
    assert time.monotonic() - began < 15
    stuck.set()
    assert kit.close()
    assert len(books.entries()) == 20
    failures = [record for record in caplog.records if "failed to take an event" in record.getMessage()]
    assert len(failures) == 1


def test_a_dead_webhook_slows_no_call_and_closing_is_bounded(
    settings: Settings, books: Books, receiver: tuple[Receiver, str]
) -> None:
    told, url = receiver
    told.hold.clear()  # it takes connections and never answers
    kit = AIKit.open(hearing(settings, webhook=posting_to(url)))
    began = time.monotonic()
    for _ in range(20):
        kit.complete("Hi", model=f"openai/{CHAT}", tenant=TENANT)
    assert time.monotonic() - began < 15
    began = time.monotonic()
    assert kit.close()
    assert time.monotonic() - began < 10
    assert len(books.entries()) == 20


def test_a_webhook_is_signed_in_lots_and_tried_again_with_the_same_id(
    settings: Settings, books: Books, receiver: tuple[Receiver, str]
) -> None:
    import base64
    import hashlib
    import hmac

    told, url = receiver
    told.answers[:] = [503, 429, 200]
    with AIKit.open(hearing(settings, webhook=posting_to(url, "ended"))) as kit:
        for _ in range(5):
            kit.complete("Hi", model=f"openai/{CHAT}", tenant=TENANT, user="u1")
        wait_for(lambda: len(told.posts) >= 3)
    bodies = {body for _, body in told.posts[:3]}
    assert len(bodies) == 1 and len({headers["webhook-id"] for headers, _ in told.posts[:3]}) == 1
    for headers, body in told.posts:
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        signature = base64.b64encode(hmac.new(SECRET, content, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{signature}"
        assert abs(time.time() - int(headers["webhook-timestamp"])) < 60
    sent = json.loads(bodies.pop())
    assert sent["schema"] == "aikit.events/1"
    assert len(sent["events"]) <= LOT
    first = sent["events"][0]
    assert (first["kind"], first["tenant"], first["user"], first["ending"]) == ("ended", TENANT, "u1", "settled")
    assert len({event["attempt_id"] for event in told.events}) == 5


def test_a_lot_that_the_receiver_refuses_is_given_up_at_once_and_counted_in_the_next(
    settings: Settings, books: Books, receiver: tuple[Receiver, str]
) -> None:
    told, url = receiver
    told.answers[:] = [400, 200]
    with AIKit.open(hearing(settings, webhook=posting_to(url, "ended"))) as kit:
        kit.complete("Hi", model=f"openai/{CHAT}", tenant=TENANT)
        wait_for(lambda: len(told.posts) == 1)
        kit.complete("Hi", model=f"openai/{CHAT}", tenant=TENANT)
        wait_for(lambda: len(told.posts) == 2)
    assert json.loads(told.posts[0][1])["dropped"] == 0
    assert json.loads(told.posts[1][1])["dropped"] == 1


def test_what_is_left_is_posted_when_the_kit_closes(
    settings: Settings, books: Books, receiver: tuple[Receiver, str]
) -> None:
    with AIKit.open(hearing(settings, webhook=posting_to(receiver[1], "refused"))) as kit:
        for _ in range(3):
            with pytest.raises(Exception, match="not known"):
                kit.complete("Hi", model=f"openai/{CHAT}", tenant="nobody")
    assert [event["code"] for event in receiver[0].events] == ["TENANT_UNKNOWN"] * 3


def test_sentry_hears_of_failures_but_not_of_rate_limits_filters_and_refusals(
    settings: Settings, books: Books, simulator: Simulator, sentry: Reported
) -> None:
    with AIKit.open(hearing(settings, sentry=True)) as kit:
        for status in (500, 429, 529):
            simulator.fault(status=status, count=1)
            with pytest.raises(AIError), sentry_sdk.new_scope() as scope:
                scope.set_tag("request", f"r{status}")
                kit.complete(CANARY, model=f"openai/{CHAT}", tenant=TENANT)
        books.limit(usd="0")
        with pytest.raises(SpendCapExceeded):
            kit.complete(CANARY, model=f"openai/{CHAT}", tenant=TENANT)
        kit.flush()
        told = [(event["tags"]["aikit.code"], event["exception"]["values"][0]["type"]) for event in sentry.events]
        assert told == [("PROVIDER_ERROR", "AIError"), ("OVERLOADED", "AIError")]
        assert [event["tags"]["request"] for event in sentry.events] == ["r500", "r529"]
        assert sentry.events[0]["fingerprint"] == ["aikit", "openai", "PROVIDER_ERROR"]
        kit.meter.close()
        with pytest.raises(MeteringUnavailable):
            kit.complete(CANARY, model=f"openai/{CHAT}", tenant=TENANT)
        kit.signals.flush()
        assert sentry.events[-1]["tags"]["aikit.code"] == "METERING_UNAVAILABLE"
    assert CANARY not in sentry.text()


def test_metrics_are_served_on_loopback_until_the_kit_closes(settings: Settings, books: Books) -> None:
    with AIKit.open(hearing(settings, prometheus=PrometheusSettings(0))) as kit:
        kit.complete("Hi", model=f"openai/{CHAT}", tenant=TENANT)
        kit.flush()
        (sink,) = [sink for sink in kit.signals.sinks if sink.name == "prometheus"]
        port = sink.port  # type: ignore[attr-defined]
        served = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
        assert 'aikit_calls_total{ending="settled",model="gpt-4o-mini",provider="openai"} 1.0' in served
        assert TENANT not in served
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"http://127.0.0.1:{port}/metrics")


def test_a_second_process_on_the_same_port_goes_on_without(
    settings: Settings, books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    with AIKit.open(hearing(settings, prometheus=PrometheusSettings(0))) as kit:
        (sink,) = [sink for sink in kit.signals.sinks if sink.name == "prometheus"]
        port = sink.port  # type: ignore[attr-defined]
        with AIKit.open(hearing(settings, prometheus=PrometheusSettings(port))) as other:
            other.complete("Hi", model=f"openai/{CHAT}", tenant=TENANT)
            assert b"aikit_calls_total" in other.metrics().body
    assert f"port {port} of 127.0.0.1 can't be used" in caplog.text


def test_metrics_that_are_not_turned_on_are_an_error_that_says_how(kit: AIKit) -> None:
    with pytest.raises(ConfigError, match=r"\[signals.prometheus\]"):
        kit.metrics()


def test_a_lot_that_waits_to_be_tried_again_is_tried_once_more_when_the_kit_closes(
    settings: Settings, books: Books, receiver: tuple[Receiver, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aikit.signals.webhook.PAUSES", (60.0, 60.0))
    told, url = receiver
    told.answers[:] = [500, 200]
    with AIKit.open(hearing(settings, webhook=posting_to(url, "ended"))) as kit:
        kit.complete("Hi", model=f"openai/{CHAT}", tenant=TENANT)
        wait_for(lambda: len(told.posts) == 1)
    assert len(told.posts) == 2
    assert told.posts[0][1] == told.posts[1][1]


def test_many_threads_and_streams_that_are_left_are_counted_as_the_ledger_counts_them(
    settings: Settings, books: Books, simulator: Simulator
) -> None:
    def caller(kit: AIKit, number: int) -> None:
        client = kit.openai(tenant=TENANT, max_retries=0)
        for turn in range(10):
            if turn % 5 == 4:
                simulator.fault(status=500, count=1)
            stream = turn % 2 == 1
            with contextlib.suppress(Exception):
                answer: Any = client.chat.completions.create(model=CHAT, messages=HELLO, stream=stream)
                if stream and number % 2:
                    next(iter(answer))  # and nobody reads on
                elif stream:
                    list(answer)

    unbroken = replace(settings, breaker=BreakerTable(enabled=False))  # so that every call is sent
    with AIKit.open(hearing(unbroken, prometheus=PrometheusSettings())) as kit:
        threads = [threading.Thread(target=caller, args=(kit, number)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        gc.collect()  # streams that were left are parts of cycles
        books.wait_until_settled(60)
        exposed = kit.metrics().body.decode()
    samples = [sample for family in text_string_to_metric_families(exposed) for sample in family.samples]
    found = {(s.name, s.labels.get("ending") or s.labels.get("class")): s.value for s in samples}
    entries = books.entries()
    for ending in {row["ending"] for row in entries}:
        assert found["aikit_calls_total", ending] == [row["ending"] for row in entries].count(ending)
    assert found["aikit_tokens_total", "output"] == sum(row["output"] or 0 for row in entries)
    assert found["aikit_cost_nano_usd_total", None] == sum(row["nano"] for row in entries)
    assert found["aikit_holds_in_flight", None] == 0
    assert found["aikit_events_dropped", None] == 0


def test_a_process_that_exits_without_closing_has_told_everything(
    tmp_path: Path, simulator: Simulator, books: Books
) -> None:
    script = f"""
import logging, sys
logging.basicConfig(stream=sys.stdout, format="%(name)s %(message)s")
logging.getLogger("aikit.calls").setLevel(logging.INFO)
from aikit import AIKit
kit = AIKit.open()
for _ in range(3):
    kit.complete("Hi", model="openai/{CHAT}", tenant="{TENANT}")
"""
    environ = {**os.environ, **KEYS, "AIKIT_CONFIG": str(write_config(tmp_path, simulator.url, books.dsn))}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environ, cwd=tmp_path, check=True
    )
    assert done.stdout.count(f"aikit.calls settled openai/{CHAT} for {TENANT}: ok") == 3


def test_a_breaker_that_opens_is_told_of_with_the_calls_that_it_refuses(
    settings: Settings, books: Books, simulator: Simulator, receiver: tuple[Receiver, str]
) -> None:
    asked = hearing(settings, prometheus=PrometheusSettings(), webhook=posting_to(receiver[1], "breaker", "refused"))
    simulator.fault(status=500)
    with AIKit.open(asked) as kit:

        def refused() -> bool:
            with pytest.raises((AIError, BreakerOpen)) as caught:
                kit.complete("Hi", model=f"openai/{CHAT}", tenant=TENANT)
            kit.flush()
            return isinstance(caught.value, BreakerOpen)

        wait_for(refused)
        exposed = kit.metrics().body.decode()
    assert f'aikit_breaker_state{{model="{CHAT}",provider="openai"}} 2.0' in exposed
    assert 'aikit_refusals_total{code="BREAKER_OPEN"} 1.0' in exposed
    told = [(event["kind"], event.get("after"), event.get("code")) for event in receiver[0].events]
    assert ("breaker", "open", None) in told
    assert told[-1] == ("refused", None, "BREAKER_OPEN")


def test_what_waits_for_a_webhook_is_bounded_and_what_is_lost_is_counted(receiver: tuple[Receiver, str]) -> None:
    told, url = receiver
    told.hold.clear()
    sink = Webhook(posting_to(url), most_queued=10)
    for _ in range(1000):
        sink.hear(ended())
    assert sink.dropped >= 1000 - 10 - 2 * LOT
    told.hold.set()
    sink.close(20)
    assert len(told.events) + sink.dropped == 1000
