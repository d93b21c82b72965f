"""Prometheus: counters, histograms and gauges of this process, or of all worker processes where they share a directory.

Labels are bounded: a model that a caller makes up, or a tenant too many, is counted under `other`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from threading import Thread
from typing import NamedTuple
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from aikit.config.signals import PrometheusSettings
from aikit.events import AttemptAdmitted, AttemptEnded, AttemptEvent, AttemptRefused, BreakerEvent, Event
from aikit.signals.sink import Sink
from aikit.types import EventKind

log = logging.getLogger("aikit.signals")

SHARED = "PROMETHEUS_MULTIPROC_DIR"
MOST_MODELS = 500
MOST_TAGS = 5_000
MOST_KINDS = 500
OTHER = "other"
ADMISSIONS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.5, 10.0)
CALLS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
STATES = {"closed": 0, "half_open": 1, "open": 2, "forced_open": 3, "forced_closed": 4}


class Exposition(NamedTuple):
    """What a /metrics endpoint answers."""

    body: bytes
    content_type: str


class Bounded:
    """The first values of a label that are seen; any that come later are one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: set[tuple[str, ...]] = set()

    def __call__(self, *values: str) -> tuple[str, ...]:
        if values in self._seen:
            return values
        if len(self._seen) >= self._most:
            return (OTHER,) * len(values)
        self._seen.add(values)
        return values


class Prometheus(Sink):
    """Metrics in a registry of their own."""

    name = "prometheus"
    kinds: frozenset[EventKind] = frozenset({"admitted", "ended", "refused", "breaker"})

    def __init__(self, settings: PrometheusSettings, waiting: Callable[[], int], dropped: Callable[[], int]) -> None:
        """`waiting` says how many endings wait for the ledger, `dropped` how many events nobody was told of."""
        self.registry = CollectorRegistry()
        self._waiting = waiting
        self._dropped = dropped
        self._labels = settings.labels
        self._models, self._tags, self._kinds = Bounded(MOST_MODELS), Bounded(MOST_TAGS), Bounded(MOST_KINDS)
        self._make()
        self._server = self._serve(settings.port)

    @property
    def port(self) -> int | None:
        """Where the metrics are served on loopback."""
        return self._server and self._server[0].server_port

    def _make(self) -> None:
        into, more = self.registry, self._labels
        model = ("provider", "model")
        self._calls = Counter("aikit_calls", "Attempts that ended.", (*model, "ending", *more), registry=into)
        self._refusals = Counter("aikit_refusals", "Attempts that were not sent.", ("code", *more), registry=into)
        self._findings = Counter(
            "aikit_findings", "What guards found.", ("guard", "kind", "place", "action", *more), registry=into
        )
        self._tokens = Counter("aikit_tokens", "Tokens used, by class.", (*model, "class", *more), registry=into)
        self._cost = Counter(
            "aikit_cost_nano_usd", "What the ledger was charged, in nano-USD.", (*model, *more), registry=into
        )
        self._admission = Histogram(
            "aikit_admission_seconds", "What a decision took.", buckets=ADMISSIONS, registry=into
        )
        self._seconds = Histogram(
            "aikit_call_seconds", "From the request to its end.", ("provider",), buckets=CALLS, registry=into
        )
        self._holds = self._gauge("aikit_holds_in_flight", "Attempts of this process that have not ended.")
        self._spool = self._gauge("aikit_spool_entries", "Endings of this process that wait for the ledger.")
        self._lost = self._gauge("aikit_events_dropped", "Events that nobody was told of, for too many waited.")
        self._breaker = Gauge(
            "aikit_breaker_state",
            f"As of its last transition seen here: {', '.join(f'{n} {name}' for name, n in STATES.items())}.",
            model,
            registry=into,
            multiprocess_mode="livemostrecent",
        )

    def _gauge(self, name: str, says: str) -> Gauge:
        return Gauge(name, says, registry=self.registry, multiprocess_mode="livesum")

    def hear(self, event: Event) -> None:
        if isinstance(event, AttemptAdmitted):
            self._holds.inc()
            self._admission.observe(event.overhead_ms / 1000)
        elif isinstance(event, AttemptEnded):
            self._ended(event)
        elif isinstance(event, AttemptRefused):
            self._refusals.labels(event.code, *self._more(event)).inc()
            self._found(event)
            self._admission.observe(event.overhead_ms / 1000)
        elif isinstance(event, BreakerEvent):
            self._breaker.labels(*self._models(event.provider, event.model)).set(STATES[event.after])
        self._refresh()

    def _ended(self, event: AttemptEnded) -> None:
        model, more = self._models(event.provider, event.model), self._more(event)
        self._holds.dec()
        self._calls.labels(*model, event.ending, *more).inc()
        self._cost.labels(*model, *more).inc(event.nano)
        self._seconds.labels(model[0]).observe(event.duration_ms / 1000)
        self._found(event)
        if event.usage is not None:
            for name, count in event.usage.classes().items():
                if count and name != "searches":
                    self._tokens.labels(*model, name, *more).inc(count)

    def _found(self, event: AttemptEnded | AttemptRefused) -> None:
        for finding in event.findings:
            named = self._kinds(finding.guard, finding.kind)
            labels = (*named, finding.place, finding.action, *self._more(event))
            self._findings.labels(*labels).inc(finding.times)

    def _more(self, event: AttemptEvent) -> tuple[str, ...]:
        """The values of the labels that were asked for."""
        if not self._labels:
            return ()
        return self._tags(*[getattr(event.tags, name) or "" for name in self._labels])

    def _refresh(self) -> None:
        self._spool.set(self._waiting())
        self._lost.set(self._dropped())

    def exposition(self) -> Exposition:
        """All metrics as text; of all processes that share $PROMETHEUS_MULTIPROC_DIR, if it is set."""
        self._refresh()
        return Exposition(generate_latest(self._source()), CONTENT_TYPE_LATEST)

    def _source(self) -> CollectorRegistry:
        if SHARED not in os.environ:
            return self.registry
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return shared

    def _serve(self, port: int | None) -> tuple[WSGIServer, Thread] | None:
        if port is None:
            return None
        try:
            return start_http_server(port, "127.0.0.1", self._source())
        except OSError as error:
            log.warning("metrics are not served: port %d of 127.0.0.1 can't be used (%s)", port, error.strerror)
            return None

    def close(self, seconds: float) -> None:
        if self._server is not None:
            server, thread = self._server
            self._server = None
            server.shutdown()
            server.server_close()
            thread.join(seconds)
