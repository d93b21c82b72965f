"""Metrics of a process: what counts where, and that no caller can make their number grow without bound."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from aikit.breaker.model import State
from aikit.config.signals import PrometheusSettings
from aikit.events import BreakerEvent, Event
from aikit.signals.prometheus import MOST_MODELS, MOST_TAGS, STATES, Prometheus
from aikit.types import TOKEN_CLASSES, Ending, Tags, Usage
from support.happenings import admitted, ended, refused

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def sink(*labels: str) -> Prometheus:
    return Prometheus(PrometheusSettings(labels=labels), lambda: 3, lambda: 2)  # type: ignore[arg-type]


def samples(told: Prometheus, *events: Event) -> Samples:
    for event in events:
        told.hear(event)
    text = told.exposition().body.decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def at(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


MODEL = {"provider": "openai", "model": "gpt-4o-mini"}


def test_an_ending_is_counted_with_its_tokens_by_class_and_its_cost() -> None:
    usage = Usage(input=10, cache_read=5, output=7, searches=2)
    found = samples(sink(), admitted(), ended(usage=usage), ended(ending=Ending.VOIDED, usage=None, nano=0))
    assert found[at("aikit_calls_total", **MODEL, ending="settled")] == 1
    assert found[at("aikit_calls_total", **MODEL, ending="voided")] == 1
    assert found[at("aikit_cost_nano_usd_total", **MODEL)] == 1_234
    tokens = {dict(labels)["class"]: n for (name, labels), n in found.items() if name == "aikit_tokens_total"}
    assert tokens == {"input": 10, "cache_read": 5, "output": 7}
    assert tokens.keys() <= set(TOKEN_CLASSES)
    assert found[at("aikit_call_seconds_count", provider="openai")] == 2
    assert found[at("aikit_call_seconds_sum", provider="openai")] == 0.84


def test_gauges_say_what_is_under_way_and_what_waits() -> None:
    found = samples(sink(), admitted(), admitted(), ended())
    assert found[at("aikit_holds_in_flight")] == 1
    assert found[at("aikit_spool_entries")] == 3
    assert found[at("aikit_events_dropped")] == 2
    assert found[at("aikit_admission_seconds_count")] == 2


def test_refusals_are_counted_by_code() -> None:
    found = samples(sink(), refused(), refused(), refused(code="NO_POLICY"))
    assert found[at("aikit_refusals_total", code="MONTHLY_BUDGET_EXCEEDED")] == 2
    assert found[at("aikit_refusals_total", code="NO_POLICY")] == 1


def test_tags_are_labels_only_where_that_was_asked_for() -> None:
    assert not [name for name, labels in samples(sink(), ended(), refused()) if "tenant" in dict(labels)]
    found = samples(sink("tenant", "feature"), ended(), refused(), ended(tags=Tags("other-tenant")))
    assert found[at("aikit_calls_total", **MODEL, ending="settled", tenant="acme", feature="chat")] == 1
    assert found[at("aikit_cost_nano_usd_total", **MODEL, tenant="other-tenant", feature="")] == 1_234
    assert found[at("aikit_refusals_total", code="MONTHLY_BUDGET_EXCEEDED", tenant="acme", feature="chat")] == 1


def test_made_up_models_and_tenants_end_under_other() -> None:
    told = sink("tenant")
    for number in range(MOST_MODELS + 50):
        told.hear(ended(model=f"m{number}"))
    for number in range(MOST_TAGS + 50):
        told.hear(refused(tags=Tags(f"t{number}")))
    found = samples(told)
    assert len([1 for name, _ in found if name == "aikit_calls_total"]) == MOST_MODELS + 1
    assert len([1 for name, _ in found if name == "aikit_refusals_total"]) == MOST_TAGS
    others = at("aikit_calls_total", provider="other", model="other", ending="settled", tenant="acme")
    assert found[others] == 50


def test_costs_are_exact_up_to_nine_million_dollars_a_series() -> None:
    found = samples(sink(), ended(nano=2**53 - 1), ended(nano=1))
    assert found[at("aikit_cost_nano_usd_total", **MODEL)] == 2**53


@pytest.mark.parametrize("state", list(State))
def test_a_breaker_has_a_number_for_each_of_its_states(state: State) -> None:
    event = BreakerEvent("breaker", datetime.now(UTC), "openai", "", "closed", state)
    assert samples(sink(), event)[at("aikit_breaker_state", provider="openai", model="")] == STATES[state]


def test_an_applications_own_registry_can_take_them_in() -> None:
    theirs, told = CollectorRegistry(), sink()
    theirs.register(told.registry)
    told.hear(ended())
    assert b'aikit_calls_total{ending="settled"' in generate_latest(theirs)


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    yield tmp_path


def test_workers_that_share_a_directory_are_exposed_together(shared: Path) -> None:
    import subprocess
    import sys

    script = """
import sys
sys.path.insert(0, "tests")
from aikit.config.signals import PrometheusSettings
from aikit.signals.prometheus import Prometheus
from support.happenings import admitted, ended
told = Prometheus(PrometheusSettings(), lambda: 1, lambda: 0)
told.hear(admitted()); told.hear(ended())
sys.stdout.write(told.exposition().body.decode())
"""
    outputs = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert 'aikit_calls_total{ending="settled",model="gpt-4o-mini",provider="openai"} 1.0' in outputs[0]
    assert 'aikit_calls_total{ending="settled",model="gpt-4o-mini",provider="openai"} 2.0' in outputs[1]
