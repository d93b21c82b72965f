"""The simulator's books and the wire codecs agree: what was billed is what is read back, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aikit.sim import anthropic, gemini, openai_chat, openai_embeddings, openai_responses
from aikit.sim.api import Api, encode
from aikit.sim.generate import generate
from aikit.sim.http import Request
from aikit.sim.wish import Wish
from aikit.types import Usage
from aikit.wire import anthropic as anthropic_wire
from aikit.wire import gemini as gemini_wire
from aikit.wire import openai_chat as chat_wire
from aikit.wire import openai_embeddings as embeddings_wire
from aikit.wire import openai_responses as responses_wire
from aikit.wire.codec import Codec, WireRequest

MESSAGES = [{"role": "user", "content": "hi"}]
CHAT = (openai_chat.API, chat_wire.CODEC, "/v1/chat/completions", {"model": "gpt-5", "messages": MESSAGES})
RESPONSES = (openai_responses.API, responses_wire.CODEC, "/v1/responses", {"model": "gpt-5", "input": "hi"})
EMBEDDINGS = (
    openai_embeddings.API,
    embeddings_wire.CODEC,
    "/v1/embeddings",
    {"model": "text-embedding-3-small", "input": "hi"},
)
CLAUDE = (
    anthropic.API,
    anthropic_wire.CODEC,
    "/v1/messages",
    {"model": "claude-sonnet-5", "max_tokens": 9, "messages": MESSAGES},
)
GEMINI_PATH = "/v1beta/models/gemini-2.5-flash"
GEMINI_BODY: dict[str, Any] = {"contents": [{"parts": [{"text": "hi"}]}]}
GEMINI = (gemini.API, gemini_wire.CODEC, f"{GEMINI_PATH}:generateContent", GEMINI_BODY)
GEMINI_STREAM = (gemini.API, gemini_wire.CODEC, f"{GEMINI_PATH}:streamGenerateContent", GEMINI_BODY)

unhurried = settings(deadline=None)


def usages(api: Api) -> st.SearchStrategy[Usage]:
    counts = dict.fromkeys(sorted(api.reportable), st.integers(0, 300)) | {"searches": st.just(0)}
    if "searches" in api.reportable:
        counts["searches"] = st.integers(0, 3)
    return st.builds(Usage, **counts | {"input": st.integers(1, 10_000)})


@pytest.mark.parametrize("row", [CHAT, RESPONSES, EMBEDDINGS, CLAUDE, GEMINI], ids=lambda row: row[0].name)
@unhurried
@given(data=st.data())
def test_a_whole_answer_is_read_as_it_was_billed(row: tuple[Api, Codec, str, dict[str, Any]], data: Any) -> None:
    api, codec, path, body = row
    usage = data.draw(usages(api))
    ask = api.read(Request("POST", path, {}, {}, json.dumps(body).encode(), True))
    reply = encode(api.reply(ask, generate(ask, Wish(usage=usage)), "sim-1"))
    outcome = codec.read_response(reply.encode())
    assert (outcome.usage, outcome.finished) == (usage, True)


STREAMS = [(CHAT, ""), (RESPONSES, ""), (CLAUDE, ""), (GEMINI_STREAM, "alt=sse"), (GEMINI_STREAM, "")]


@pytest.mark.parametrize(
    ("row", "query"), STREAMS, ids=lambda value: value or "plain" if isinstance(value, str) else value[0].name
)
@unhurried
@given(data=st.data())
def test_a_stream_is_read_as_it_was_billed(row: tuple[Api, Codec, str, dict[str, Any]], query: str, data: Any) -> None:
    api, codec, path, body = row
    usage = data.draw(usages(api))
    sent = json.dumps(body | ({} if api is gemini.API else {"stream": True})).encode()
    demand = codec.read_request(WireRequest("POST", path, {}, sent, query), default_output_tokens=100, native=True)
    request = Request("POST", path, {"alt": "sse"} if query else {}, {}, demand.body, True)
    ask = api.read(request)
    events = list(api.events(ask, generate(ask, Wish(usage=usage)), "sim-1"))
    reader = codec.stream_reader(demand)
    for index, event in enumerate(events):
        reader.feed(api.frame(request, event.data, event, index, index == len(events) - 1).encode())
    assert reader.done
    assert reader.outcome().usage == usage
