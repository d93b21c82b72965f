"""The providers' own APIs through the server: official SDKs, unmodified but for base URL and key."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest
from google import genai

from support.kits import Books
from support.sdks import Sdks, chat_request
from support.serving import SECRET, Serving


@pytest.fixture
def clients(served: Serving) -> Iterator[Sdks]:
    options = genai.types.HttpOptions(base_url=served.url, api_version="v1beta")
    with (
        openai.OpenAI(base_url=f"{served.url}/v1", api_key=SECRET, max_retries=0) as of_openai,
        anthropic.Anthropic(base_url=served.url, api_key=SECRET, max_retries=0) as of_anthropic,
        genai.Client(api_key=SECRET, http_options=options) as of_google,
    ):
        yield Sdks(of_openai, of_anthropic, of_google)


def test_a_chat_completion_is_answered_and_charged(clients: Sdks, served: Serving, books: Books) -> None:
    answer = clients.openai.chat.completions.create(**chat_request("Hello."))

    assert answer.choices[0].message.content
    served.kit.flush()
    assert books.entry()["tenant"] == "acme"
    books.assert_balanced()
