"""The three official SDKs against a simulator, requests to send with them, and looks into its books."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
from google import genai

from aikit.sim import Simulator

CHAT_MODEL, CLAUDE, GEMINI = "gpt-5-mini", "claude-sonnet-5", "gemini-2.5-flash"


def says(directive: dict[str, Any]) -> str:
    return f"Say something. [[sim: {json.dumps(directive)}]]"


@dataclass(frozen=True)
class Sdks:
    """The three official clients, against one simulator."""

    openai: openai.OpenAI
    anthropic: anthropic.Anthropic
    gemini: genai.Client


@contextmanager
def connected(simulator: Simulator) -> Iterator[Sdks]:
    """The clients, closed at the end."""
    options = genai.types.HttpOptions(base_url=simulator.url, api_version="v1beta")
    with (
        openai.OpenAI(base_url=f"{simulator.url}/v1", api_key="sim", max_retries=0) as of_openai,
        anthropic.Anthropic(base_url=simulator.url, api_key="sim", max_retries=0) as of_anthropic,
        genai.Client(api_key="sim", http_options=options) as of_google,
    ):
        yield Sdks(of_openai, of_anthropic, of_google)


def chat_request(text: str) -> dict[str, Any]:
    return {"model": CHAT_MODEL, "messages": [{"role": "user", "content": text}]}


def messages_request(text: str) -> dict[str, Any]:
    return {"model": CLAUDE, "max_tokens": 2000, "messages": [{"role": "user", "content": text}]}


def billed(sim: Simulator) -> dict[str, int]:
    told = sim.served()
    assert told["in_flight"] == 0
    return told["totals"]["billed"]


def last_ending(sim: Simulator) -> tuple[str, dict[str, int]]:
    request = sim.served(limit=1)["requests"][-1]
    return request["ending"], request["billed"]


def wait_until_idle(sim: Simulator) -> None:
    deadline = time.monotonic() + 10
    while sim.served(limit=0)["in_flight"]:
        assert time.monotonic() < deadline, "the simulator did not notice that its client left"
        time.sleep(0.005)
