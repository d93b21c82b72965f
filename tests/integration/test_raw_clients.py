"""What applications that use the metered HTTP client by itself can do with a response of ours."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from aikit.kit import AIKit
from aikit.types import Tags
from support.kits import Books

ASK: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("read", ["iter_raw", "iter_bytes", "read"])
def test_a_refusal_can_be_read_as_a_stream_like_any_response(kit: AIKit, books: Books, read: str) -> None:
    provider = kit.settings.provider("openai")
    client = kit.channels(provider, Tags("unknown-tenant")).sync(None)
    with client.stream("POST", f"{provider.base_url}/chat/completions", json=ASK) as response:
        body = response.read() if read == "read" else b"".join(getattr(response, read)())
    assert response.status_code == 403
    assert json.loads(body)["error"]["code"] == "TENANT_UNKNOWN"
    assert int(response.headers["content-length"]) == len(body)


async def test_a_refusal_can_be_read_as_a_stream_by_coroutines(kit: AIKit, books: Books) -> None:
    provider = kit.settings.provider("openai")
    client = kit.channels(provider, Tags("unknown-tenant")).asynchronous(None)
    async with client, client.stream("POST", f"{provider.base_url}/chat/completions", json=ASK) as response:
        body = b"".join([part async for part in response.aiter_raw()])
    assert isinstance(response, httpx2.Response)
    assert json.loads(body)["error"]["code"] == "TENANT_UNKNOWN"
