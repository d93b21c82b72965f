"""A prompt becomes one provider's request, or an error that says what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from aikit.completion import Dispatch, Prompt, dispatch
from aikit.config import Settings, load
from aikit.errors import AIKitError, ConfigError

MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash"}
KEYS = {"OPENAI_API_KEY": "k1", "ANTHROPIC_API_KEY": "k2", "GEMINI_API_KEY": "k3"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "aikit.toml").write_text("")
    return load(tmp_path / "aikit.toml", KEYS)


def sent(settings: Settings, prompt: Prompt, *, stream: bool = False, **ask: Any) -> Dispatch:
    return dispatch(settings, lambda provider, model: MODELS[provider] == model, prompt, ask, stream=stream)


def body(request: httpx2.Request) -> Any:
    return json.loads(request.content)


def test_each_provider_is_asked_in_its_own_way(settings: Settings) -> None:
    asked = {name: sent(settings, "Hi", model=f"{name}/{model}").request for name, model in MODELS.items()}
    assert {name: str(request.url) for name, request in asked.items()} == {
        "openai": "https://api.openai.com/v1/chat/completions",
        "anthropic": "https://api.anthropic.com/v1/messages",
        "gemini": "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
    }
    assert asked["openai"].headers["authorization"] == "Bearer k1"
    assert asked["anthropic"].headers["x-api-key"] == "k2"
    assert asked["gemini"].headers["x-goog-api-key"] == "k3"


def test_system_texts_go_where_each_provider_has_them(settings: Settings) -> None:
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "And?"},
    ]
    asked = {name: body(sent(settings, messages, model=f"{name}/m", system="Be brief.").request) for name in MODELS}
    assert asked["openai"]["messages"] == [{"role": "system", "content": "Be brief."}, *messages]
    assert asked["anthropic"]["system"] == "Be brief.\n\nBe kind."
    assert asked["anthropic"]["messages"] == messages[1:]
    assert asked["gemini"]["systemInstruction"] == {"parts": [{"text": "Be brief.\n\nBe kind."}]}
    assert [content["role"] for content in asked["gemini"]["contents"]] == ["user", "model", "user"]


def test_extra_fields_go_along_as_they_are(settings: Settings) -> None:
    asked = body(sent(settings, "Hi", model="openai/m", temperature=0.2, extra={"seed": 7}).request)
    assert (asked["temperature"], asked["seed"]) == (0.2, 7)


def test_a_timeout_is_passed_on(settings: Settings) -> None:
    assert sent(settings, "Hi", timeout=3.5).request.extensions["timeout"]["read"] == 3.5
    assert sent(settings, "Hi").request.extensions["timeout"]["read"] == 600


@pytest.mark.parametrize("model", [None, "gpt-4o-mini"])
def test_a_bare_model_or_none_goes_to_the_first_that_fits(settings: Settings, model: str | None) -> None:
    assert sent(settings, "Hi", model=model).provider.name == "openai"


def test_a_slash_in_a_model_is_no_provider_unless_there_is_one(settings: Settings) -> None:
    assert sent(settings, "Hi", model="openai/org/model").model == "org/model"
    with pytest.raises(ConfigError, match="org/model"):
        sent(settings, "Hi", model="org/model")


BAD_PROMPTS: list[Any] = [
    None,
    7,
    b"Hi",
    {"role": "user", "content": "Hi"},
    [],
    ["Hi"],
    [None],
    [{"role": "user"}],
    [{"content": "Hi"}],
    [{"role": "tool", "content": "Hi"}],
    [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    [{"role": "user", "content": None}],
]


@pytest.mark.parametrize("prompt", BAD_PROMPTS, ids=repr)
def test_an_unusable_prompt_is_refused_with_a_remedy(settings: Settings, prompt: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        sent(settings, prompt)
    assert refused.value.remedy


@pytest.mark.parametrize(
    "model", ["gemini/", "gemini/a:countTokens?x=", "gemini/../../v1/files", "gemini/a#b", "gemini/a/b"]
)
def test_a_model_that_would_lead_elsewhere_is_refused(settings: Settings, model: str) -> None:
    with pytest.raises(ConfigError, match="can't be used"):
        sent(settings, "Hi", model=model)


@pytest.mark.parametrize("value", [float("nan"), object()], ids=["nan", "object"])
def test_what_json_cannot_carry_is_refused(settings: Settings, value: Any) -> None:
    with pytest.raises(AIKitError):
        sent(settings, "Hi", extra={"x": value})


def test_half_a_character_is_sent_as_an_escape(settings: Settings) -> None:
    assert b"\\ud800" in sent(settings, "\ud800").request.content
