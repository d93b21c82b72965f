"""The official SDKs raise their own exception for a refusal, at once, and retry only what can succeed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types

from aikit.errors import AIKitError, MeteringUnavailable, PolicyDenied, RateLimited, SpendCapExceeded
from aikit.wire import anthropic as anthropic_codec
from aikit.wire import gemini, openai_chat, openai_embeddings, openai_responses
from aikit.wire.codec import Codec

REFUSALS = [
    SpendCapExceeded("Used up.", code="MONTHLY_BUDGET_EXCEEDED"),
    PolicyDenied("Not this model.", code="MODEL_NOT_ALLOWED"),
    RateLimited("Too fast.", retry_after=30),
    MeteringUnavailable("No ledger.", retry_after=1),
]
HELLO: Any = [{"role": "user", "content": "hi"}]


class Refusing:
    """A transport that answers each request with the codec's refusal, or its error inside a stream."""

    def __init__(self, codec: Codec, error: AIKitError, *, mid_stream: bool = False) -> None:
        self.requests = 0
        self._codec, self._error, self._mid_stream = codec, error, mid_stream
        self.client = httpx2.Client(transport=httpx2.MockTransport(self._answer))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        if self._mid_stream:
            event = self._codec.stream_error(self._error, request_id="req_1")
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=event)
        reply = self._codec.refusal(self._error, request_id="req_1", metadata={"decision_id": "d-1"})
        return httpx2.Response(reply.status, headers=dict(reply.headers), content=reply.body)


def openai_client(transport: Refusing, retries: int) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", http_client=transport.client, max_retries=retries)


def chat(transport: Refusing, retries: int = 0, **more: Any) -> Any:
    client = openai_client(transport, retries)
    return client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, **more)


def responses(transport: Refusing, retries: int = 0, **more: Any) -> Any:
    return openai_client(transport, retries).responses.create(model="gpt-5-mini", input="hi", **more)


def embeddings(transport: Refusing, retries: int = 0) -> Any:
    return openai_client(transport, retries).embeddings.create(model="text-embedding-3-small", input="hi")


def messages(transport: Refusing, retries: int = 0, **more: Any) -> Any:
    client = anthropic.Anthropic(api_key="k", http_client=transport.client, max_retries=retries)
    return client.messages.create(model="claude-haiku-4-5", max_tokens=5, messages=HELLO, **more)


def gemini_client(transport: Refusing) -> genai.Client:
    return genai.Client(api_key="k", http_options=types.HttpOptions(httpx_client=transport.client))


def generate(transport: Refusing, retries: int = 0) -> Any:
    return gemini_client(transport).models.generate_content(model="gemini-2.5-flash", contents="hi")


def generate_stream(transport: Refusing, stream: bool = True) -> Any:
    return gemini_client(transport).models.generate_content_stream(model="gemini-2.5-flash", contents="hi")


OPENAI_CALLS = [(chat, openai_chat.CODEC), (responses, openai_responses.CODEC), (embeddings, openai_embeddings.CODEC)]
FINAL = [error for error in REFUSALS if not error.retryable]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: str(error.status))
@pytest.mark.parametrize(("call", "codec"), OPENAI_CALLS, ids=["chat", "responses", "embeddings"])
def test_openai_raises_its_own_error_at_once(call: Callable[..., Any], codec: Codec, error: AIKitError) -> None:
    transport = Refusing(codec, error)
    with pytest.raises(openai.APIStatusError) as caught:
        call(transport)
    assert (caught.value.status_code, caught.value.code, caught.value.request_id) == (error.status, error.code, "req_1")
    assert transport.requests == 1


NATIVE = {
    402: anthropic.PaymentRequiredError,
    403: anthropic.PermissionDeniedError,
    429: anthropic.RateLimitError,
    503: anthropic.APIStatusError,
}


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: str(error.status))
def test_anthropic_raises_its_own_error_at_once(error: AIKitError) -> None:
    transport = Refusing(anthropic_codec.CODEC, error)
    with pytest.raises(NATIVE[error.status]) as caught:
        messages(transport)
    assert caught.value.status_code == error.status
    assert caught.value.body["error"]["code"] == error.code
    assert caught.value.request_id == "req_1"
    assert transport.requests == 1


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: str(error.status))
def test_gemini_raises_its_own_error_at_once(error: AIKitError) -> None:
    transport = Refusing(gemini.CODEC, error)
    native = genai_errors.ServerError if error.status >= 500 else genai_errors.ClientError
    with pytest.raises(native) as caught:
        generate(transport)
    assert caught.value.code == error.status
    assert caught.value.details["error"]["details"][0]["reason"] == error.code
    assert error.message in caught.value.message
    assert transport.requests == 1


@pytest.mark.parametrize("error", FINAL, ids=lambda error: str(error.status))
@pytest.mark.parametrize(
    ("call", "codec", "native"),
    [
        (chat, openai_chat.CODEC, openai.APIStatusError),
        (messages, anthropic_codec.CODEC, anthropic.APIStatusError),
    ],
    ids=["openai", "anthropic"],
)
def test_with_retries_on_a_final_refusal_is_still_sent_once(
    call: Callable[..., Any], codec: Codec, native: type[Exception], error: AIKitError
) -> None:
    transport = Refusing(codec, error)
    with pytest.raises(native):
        call(transport, retries=3)
    assert transport.requests == 1


@pytest.mark.parametrize(
    ("call", "codec", "native"),
    [
        (chat, openai_chat.CODEC, openai.APIStatusError),
        (messages, anthropic_codec.CODEC, anthropic.PaymentRequiredError),
    ],
    ids=["openai", "anthropic"],
)
def test_holds_in_flight_are_waited_for(call: Callable[..., Any], codec: Codec, native: type[Exception]) -> None:
    transport = Refusing(codec, SpendCapExceeded("In flight.", retryable=True, reason="in_flight", retry_after=0.01))
    with pytest.raises(native):
        call(transport, retries=1)
    assert transport.requests == 2


@pytest.mark.parametrize(
    ("call", "codec", "native"),
    [
        (chat, openai_chat.CODEC, openai.APIError),
        (responses, openai_responses.CODEC, openai.APIError),
        (messages, anthropic_codec.CODEC, anthropic.APIStatusError),
        (generate_stream, gemini.CODEC, genai_errors.ClientError),
    ],
    ids=["chat", "responses", "anthropic", "gemini"],
)
def test_an_error_in_the_middle_of_a_stream_is_raised(
    call: Callable[..., Any], codec: Codec, native: type[Exception]
) -> None:
    transport = Refusing(codec, SpendCapExceeded("Used up."), mid_stream=True)
    with pytest.raises(native, match="Used up"):
        list(call(transport, stream=True))
    assert transport.requests == 1
