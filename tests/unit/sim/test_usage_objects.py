"""Each API's usage object says what was billed: read back by an independent reader, genai-prices."""

from __future__ import annotations

from typing import Any

from genai_prices import extract_usage
from hypothesis import given, settings
from hypothesis import strategies as st

from aikit.sim import anthropic, gemini, openai_chat, openai_responses
from aikit.types import Usage

TOKENS = st.integers(0, 10_000_000)
unhurried = settings(deadline=None)  # the reader loads its data at the first call


def usages(reportable: frozenset[str]) -> st.SearchStrategy[Usage]:
    return st.builds(Usage, **dict.fromkeys(sorted(reportable), TOKENS))


def read_back(body: dict[str, Any], provider: str, flavor: str) -> dict[str, int]:
    read = extract_usage(body, provider_id=provider, api_flavor=flavor).usage
    names = (
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "input_audio_tokens",
        "input_image_tokens",
        "output_audio_tokens",
        "output_image_tokens",
        "cache_audio_read_tokens",
        "output_reasoning_tokens",
    )
    return {name: reported(read, name) for name in names}


def reported(read: object, name: str) -> int:
    try:
        return getattr(read, name, None) or 0
    except ValueError:  # raised for an overlap, such as cached audio, that the API does not report
        return 0


def expected(usage: Usage, **more: int) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read + usage.cache_read_audio,
        "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_write_5m_tokens": 0,
        "cache_write_1h_tokens": 0,
        "input_audio_tokens": usage.input_audio,
        "input_image_tokens": 0,
        "output_audio_tokens": usage.output_audio,
        "output_image_tokens": usage.output_image,
        "cache_audio_read_tokens": usage.cache_read_audio,
        "output_reasoning_tokens": usage.reasoning,
        **more,
    }


@unhurried
@given(usage=usages(openai_chat.API.reportable))
def test_openai_chat_reports_what_was_billed(usage: Usage) -> None:
    body = {"model": "gpt-4o-mini", "usage": openai_chat.usage_object(usage)}
    assert read_back(body, "openai", "chat") == expected(usage)


@unhurried
@given(usage=usages(openai_responses.API.reportable))
def test_openai_responses_reports_what_was_billed(usage: Usage) -> None:
    body = {"model": "gpt-5", "usage": openai_responses.usage_object(usage)}
    assert read_back(body, "openai", "responses") == expected(usage)


@unhurried
@given(usage=usages(anthropic.API.reportable))
def test_anthropic_reports_what_was_billed(usage: Usage) -> None:
    body = {"model": "claude-sonnet-5", "usage": anthropic.usage_object(usage)}
    split = {"cache_write_5m_tokens": usage.cache_write_5m, "cache_write_1h_tokens": usage.cache_write_1h}
    assert read_back(body, "anthropic", "default") == expected(usage, **split)


@unhurried
@given(usage=usages(gemini.API.reportable))
def test_gemini_reports_what_was_billed(usage: Usage) -> None:
    body = {"modelVersion": "gemini-2.5-flash", "usageMetadata": gemini.usage_object(usage)}
    inclusive = {
        "input_audio_tokens": usage.input_audio + usage.cache_read_audio,
        "input_image_tokens": usage.input_image,
    }
    assert read_back(body, "google", "default") == expected(usage, **inclusive)
