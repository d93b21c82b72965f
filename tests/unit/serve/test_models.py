"""Which provider a model is asked of."""

from __future__ import annotations

from pathlib import Path

import pytest

from aikit.config import Settings, load
from aikit.errors import RequestInvalid
from aikit.serve.models import choose

CONFIG = """
[providers.near]
kind = "openai"
base_url = "http://127.0.0.1:1/v1"
[providers.far]
kind = "openai"
base_url = "http://127.0.0.1:2/v1"
api_key_env = "FAR_KEY"
[routes]
mixed = ["anthropic/claude-haiku-4-5", "openai/gpt-5-mini", "near/llama"]
[routes.weighted]
models = ["anthropic/claude-haiku-4-5", "openai/gpt-5-mini", "near/llama"]
weights = [5, 0, 0]
attempts = 7
deadline = 9
downgrade = true
"""
PRICED = {("openai", "gpt-5-mini"), ("near", "llama"), ("near", "gpt-5-mini"), ("far", "far-model")}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "aikit.toml"
    file.write_text(CONFIG)
    return load(file, {"OPENAI_API_KEY": "o", "ANTHROPIC_API_KEY": "a"})


def chosen(settings: Settings, kind: str, model: str | None, *, brought: bool = False) -> tuple[str, ...]:
    return choose(settings, lambda *of: of in PRICED, kind, model, brought=brought).route.models


def test_a_named_provider_serves_whether_it_is_ready_or_not(settings: Settings) -> None:
    assert chosen(settings, "openai", "far/anything") == ("far/anything",)
    assert chosen(settings, "openai", "near/org/model") == ("near/org/model",)


def test_a_bare_model_goes_to_the_first_that_is_ready_and_knows_it(settings: Settings) -> None:
    assert chosen(settings, "openai", "gpt-5-mini") == ("openai/gpt-5-mini",)
    assert chosen(settings, "openai", "llama") == ("near/llama",)
    assert chosen(settings, "openai", "unknown") == ("openai/unknown",)
    assert chosen(settings, "openai", "org/unknown") == ("openai/org/unknown",)
    assert chosen(settings, "openai", None) == ("openai/",)


def test_a_request_with_a_key_of_its_own_needs_none_of_ours(settings: Settings) -> None:
    assert chosen(settings, "openai", "far-model") == ("openai/far-model",)
    assert chosen(settings, "openai", "far-model", brought=True) == ("far/far-model",)


def test_of_a_kind_without_any_key_the_first_is_asked(settings: Settings) -> None:
    assert chosen(settings, "gemini", "gemini-2.5-flash") == ("gemini/gemini-2.5-flash",)


def test_a_route_is_narrowed_to_what_speaks_the_api(settings: Settings) -> None:
    assert chosen(settings, "openai", "routes.mixed") == ("openai/gpt-5-mini", "near/llama")
    assert chosen(settings, "anthropic", "routes.mixed") == ("anthropic/claude-haiku-4-5",)
    route = choose(settings, lambda *_: True, "openai", "routes.weighted", brought=False).route
    assert route.models == ("openai/gpt-5-mini", "near/llama")
    assert (route.weights, route.attempts, route.deadline, route.downgrade) == ((), 7, 9, True)


@pytest.mark.parametrize(
    ("kind", "model", "told"),
    [
        ("gemini", "routes.mixed", "None of the models of routes.mixed speaks the API of gemini"),
        ("openai", "routes.other", "no route named"),
        ("openai", "anthropic/claude", "openai, near, far"),
        ("openai", "near/", "names no model"),
    ],
)
def test_what_can_not_serve_is_refused_with_what_can(settings: Settings, kind: str, model: str, told: str) -> None:
    with pytest.raises(RequestInvalid) as raised:
        chosen(settings, kind, model)
    assert told in str(raised.value)
    assert (raised.value.status, raised.value.code) == (400, "MODEL_UNUSABLE")
