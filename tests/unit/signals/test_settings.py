"""`[signals]` as it is written, and what is wrong with it; secrets are in no message."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from aikit.config import Settings, load
from aikit.config.signals import WORTH_TELLING, PrometheusSettings, SignalSettings
from aikit.errors import ConfigError
from aikit.signals.opening import open_signals

SECRET = "whsec_" + "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"


def read(tmp_path: Path, text: str, **environ: str) -> Settings:
    file = tmp_path / "aikit.toml"
    file.write_text(text)
    return load(file, environ)


def test_without_a_word_there_are_lines_for_the_log_and_nothing_else(tmp_path: Path) -> None:
    assert read(tmp_path, "").signals == SignalSettings(logs=True)


def test_everything_can_be_stated(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
        [signals]
        logs = false
        otel = true
        sentry = true
        [signals.prometheus]
        port = 9464
        labels = ["tenant", "tenant", "feature"]
        [signals.webhook]
        url = "https://ops.example/hook"
        events = ["refused", "breaker"]
        """,
        AIKIT_WEBHOOK_SECRET=SECRET,
    ).signals
    assert (found.logs, found.otel, found.sentry) == (False, True, True)
    assert found.prometheus == PrometheusSettings(9464, ("tenant", "feature"))
    assert found.webhook is not None
    assert found.webhook.events == ("refused", "breaker")
    assert found.webhook.secret == b"secret secret secret secret"
    assert "ops.example" not in repr(found) and "secret secret" not in repr(found)


def test_the_environment_alone_turns_the_webhook_on(tmp_path: Path) -> None:
    found = read(tmp_path, "", AIKIT_WEBHOOK_URL="https://ops.example/token", AIKIT_WEBHOOK_SECRET="x" * 16).signals
    assert found.webhook is not None
    assert (found.webhook.url, found.webhook.events) == ("https://ops.example/token", WORTH_TELLING)


@pytest.mark.parametrize(
    ("text", "environ", "said"),
    [
        ("[signals]\nlog = true", {}, "signals.log"),
        ('[signals.prometheus]\nlabels = ["user"]', {}, "signals.prometheus.labels"),
        ("[signals.prometheus]\nport = 99999", {}, "signals.prometheus.port"),
        ('[signals.webhook]\nevents = ["refused"]', {"AIKIT_WEBHOOK_SECRET": SECRET}, "there is no url"),
        ('[signals.webhook]\nurl = "https://a/"\nevents = ["calls"]', {}, "signals.webhook.events"),
        ('[signals.webhook]\nurl = "ftp://a-secret/"', {"AIKIT_WEBHOOK_SECRET": SECRET}, "http"),
        ('[signals.webhook]\nurl = "https://a-secret:x/"', {"AIKIT_WEBHOOK_SECRET": SECRET}, "http"),
        ('[signals.webhook]\nurl = "https://a/"', {}, "AIKIT_WEBHOOK_SECRET is not set"),
        ('[signals.webhook]\nurl = "https://a/"', {"AIKIT_WEBHOOK_SECRET": "a-secret"}, "too short"),
        ('[signals.webhook]\nurl = "https://a/"', {"AIKIT_WEBHOOK_SECRET": "whsec_a-secret!"}, "can't be read"),
    ],
)
def test_what_can_not_be_used_is_an_error_that_names_it(
    tmp_path: Path, text: str, environ: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, **environ)
    assert said in str(caught.value)
    assert "a-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "module", "extra"),
    [
        ("[signals]\notel = true", "opentelemetry", "aikit[otel]"),
        ("[signals]\nsentry = true", "sentry_sdk", "aikit[sentry]"),
        ("[signals.prometheus]", "prometheus_client", "aikit[prometheus]"),
    ],
)
def test_a_package_that_is_missing_is_an_error_that_names_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, module: str, extra: str
) -> None:
    ours = {"opentelemetry": "otel", "sentry_sdk": "sentry", "prometheus_client": "prometheus"}[module]
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"aikit.signals.{ours}", raising=False)
    with pytest.raises(ConfigError) as caught:
        open_signals(read(tmp_path, text), None, lambda: 0)
    assert extra in str(caught.value)


def test_no_package_is_imported_that_is_not_asked_for(tmp_path: Path) -> None:
    import subprocess

    script = """
import sys
from aikit.config import load
from aikit.signals.opening import open_signals
open_signals(load(), None, lambda: 0).close()
found = [name for name in ("opentelemetry", "prometheus_client", "sentry_sdk", "structlog") if name in sys.modules]
assert not found, found
"""
    environ: dict[str, Any] = {"PATH": "/usr/bin"}
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env=environ)


def test_signatures_are_those_of_standard_webhooks() -> None:
    # The example that the specification's libraries are tested with.
    import base64

    from aikit.signals.signature import signed

    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
