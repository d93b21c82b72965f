"""A line for each ending and refusal, for stdlib logging and for structlog."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from aikit.signals.logs import Logs, log
from aikit.types import Ending
from support.happenings import ended, refused


@pytest.fixture(autouse=True)
def enabled(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, "aikit.calls"):
        yield


def test_a_line_has_the_facts_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    event = ended(ending=Ending.VOIDED, nano=0, usage=None, status=500, error="server_error")
    Logs().hear(event)
    (line,) = caplog.records
    assert line.getMessage() == "voided openai/gpt-4o-mini for acme: server_error, $0.00 in 420 ms"
    fields: dict[str, Any] = line.__dict__
    assert fields["call_id"] == str(event.call_id)
    assert fields["attempt_id"] == fields["decision_id"] == str(event.attempt_id)
    assert (fields["tenant"], fields["cost_usd"], fields["code"]) == ("acme", "0", "PROVIDER_ERROR")
    assert "user" not in fields


def test_a_refusal_has_a_line_with_its_code(caplog: pytest.LogCaptureFixture) -> None:
    Logs().hear(refused())
    (line,) = caplog.records
    assert line.getMessage() == "refused openai/gpt-4o-mini for acme: MONTHLY_BUDGET_EXCEEDED"
    assert line.__dict__["code"] == "MONTHLY_BUDGET_EXCEEDED"


def test_logs_sleep_unless_the_logger_is_enabled_for_info() -> None:
    assert Logs().awake
    log.setLevel(logging.WARNING)
    assert not Logs().awake


def test_structlog_renders_the_fields_as_json() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    log.addHandler(handler)
    try:
        Logs().hear(ended())
    finally:
        log.removeHandler(handler)
    line = json.loads(out.getvalue())
    assert (line["level"], line["tenant"], line["tokens"]) == ("info", "acme", {"input": 10, "output": 7})
    assert line["event"].startswith("settled openai/gpt-4o-mini for acme: ok, $0.0000012 in 420 ms")
