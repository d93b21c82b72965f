"""`kit.prompt` finds and fills in a prompt; `complete` and `stream` take it, and the ledger says which it was."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import aikit
from aikit.async_kit import AsyncAIKit
from aikit.completion import dispatch
from aikit.config import Settings
from aikit.errors import ConfigError, PromptError, PromptInputInvalid, PromptNotFound
from aikit.kit import AIKit
from aikit.ledger.prompt_labels import rollback
from aikit.ledger.prompts import Draft, publish
from aikit.prompts.model import PROMPT_HEADER
from aikit.prompts.reading import read_prompt
from aikit.prompts.shipped import shipped
from aikit.registry import open_registry
from aikit.sim import Simulator
from aikit.transport import PROMPT
from integration.prompts.conftest import NAME, a_prompt, production, write_folder
from support.kits import TENANT, Books, settings_for
from support.ledger import Database

REF = "summarize@production"
SAYS = 'Say it. [[sim: {"text": "Four little words here"}]]'
MODEL = "openai/gpt-4o-mini"


@pytest.fixture
def ledger(books: Books) -> Database:
    return Database(books.dsn, False, "test")


@pytest.fixture
def settings(tmp_path: Path, simulator: Simulator, books: Books) -> Settings:
    """With v1 and v2 in the folder, published, and the second in production."""
    write_folder(tmp_path / "prompts", 1, 2)
    production(Database(books.dsn, False, "test"), 1, 2)
    return settings_for(tmp_path, simulator, books.dsn)


@pytest.fixture
def kit(settings: Settings) -> Iterator[AIKit]:
    with AIKit.open(settings) as kit:
        yield kit


def test_a_prompt_is_found_and_filled_in(kit: AIKit) -> None:
    rendered = kit.prompt(REF, text="all of it")
    assert isinstance(rendered, aikit.Rendered) and isinstance(rendered.prompt, aikit.Prompt)
    assert rendered.messages == [{"role": "user", "content": "Summarize, the 2. way: all of it"}]
    assert rendered.id == a_prompt(2).id
    assert kit.prompt("summarize@v1", text="x").messages[0]["content"] == "Summarize, the 1. way: x"


def test_inputs_may_have_any_name(kit: AIKit) -> None:
    with pytest.raises(PromptInputInvalid, match="ref is not declared") as refused:
        kit.prompt(REF, ref="x", self="y")
    assert "text is missing" in refused.value.message


def assert_charged(books: Books, version: int) -> None:
    entry = books.entry()
    assert (entry["prompt"], entry["prompt_hash"]) == (f"summarize@v{version}", a_prompt(version).sha256)
    assert entry["model"] == "gpt-4o-mini"
    books.assert_balanced()


def test_a_completion_is_of_the_prompt_s_model_and_the_entry_names_its_version(
    kit: AIKit, books: Books, simulator: Simulator
) -> None:
    reply = kit.complete(kit.prompt(REF, text=SAYS), tenant=TENANT)
    kit.flush()
    assert (reply.text, f"{reply.provider}/{reply.model}") == ("Four little words here", MODEL)
    assert_charged(books, 2)


def test_a_stream_is_too(kit: AIKit, books: Books) -> None:
    with kit.stream(kit.prompt("summarize@v1", text=SAYS), tenant=TENANT) as stream:
        assert "".join(stream) == "Four little words here"
    kit.flush()
    assert_charged(books, 1)


async def test_coroutines_do_the_same(settings: Settings, books: Books) -> None:
    async with await asyncio.to_thread(AsyncAIKit.open, settings) as kit:
        reply = await kit.complete(await kit.prompt(REF, text=SAYS), tenant=TENANT)
        assert reply.text == "Four little words here"
        await asyncio.to_thread(kit.flush)
        assert_charged(books, 2)
        stream = await kit.stream(await kit.prompt(REF, text=SAYS), tenant=TENANT)
        assert "".join([piece async for piece in stream]) == "Four little words here"
        await asyncio.to_thread(kit.flush)
    assert [entry["prompt"] for entry in books.entries()] == ["summarize@v2"] * 2


async def test_a_prompt_that_must_be_read_first_does_not_hold_up_the_event_loop(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await asyncio.to_thread(AsyncAIKit.open, settings) as kit:
        here, read_in = threading.get_ident(), []
        get = kit.registry.get

        def slow(ref: str) -> aikit.Prompt:
            read_in.append(threading.get_ident())
            time.sleep(0.3)
            return get(ref)

        monkeypatch.setattr(kit.registry, "get", slow)
        asked = asyncio.ensure_future(kit.prompt(REF, text="x"))
        turns = 0
        while not asked.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert (await asked).id.id == "summarize@v2"
        assert turns > 10
        assert len(read_in) == 1 and read_in[0] != here
        await kit.prompt(REF, text="x")
        assert len(read_in) == 1


def test_what_the_call_says_goes_before_what_the_prompt_says(kit: AIKit, books: Books) -> None:
    reply = kit.complete(kit.prompt(REF, text=SAYS), tenant=TENANT, model="anthropic/claude-haiku-4-5", max_tokens=20)
    kit.flush()
    assert reply.provider == "anthropic"
    assert books.entry()["prompt"] == "summarize@v2"


def test_a_published_prompt_is_not_mistaken_for_one_of_the_kit_s_own(
    tmp_path: Path, simulator: Simulator, books: Books
) -> None:
    ours = shipped().names()[0]
    theirs = read_prompt(a_prompt(1).source, ours, 1)
    publish(Database(books.dsn, False, "test"), [Draft(theirs, None)])
    with AIKit.open(settings_for(tmp_path, simulator, books.dsn)) as kit:
        assert kit.prompt(f"{ours}@v1", text="x").prompt == theirs
        assert kit.registry.get(f"{shipped().names()[1]}@v1") == shipped().load(f"{shipped().names()[1]}@v1")


def test_a_prompt_s_model_may_be_a_route(tmp_path: Path, simulator: Simulator, books: Books) -> None:
    source = a_prompt(1).source.replace("openai/gpt-4o-mini", "routes.chat")
    prompt = read_prompt(source, NAME, 1)
    publish(Database(books.dsn, False, "test"), [Draft(prompt, None)])
    routes = '[routes]\nchat = ["gemini/gemini-2.5-flash", "openai/gpt-4o-mini"]'
    with AIKit.open(settings_for(tmp_path, simulator, books.dsn, routes)) as kit:
        reply = kit.complete(kit.prompt("summarize@v1", text=SAYS), tenant=TENANT)
        kit.flush()
    assert (reply.provider, [tried.model for tried in reply.tried]) == ("gemini", ["gemini/gemini-2.5-flash"])
    assert (books.entry()["prompt"], books.entry()["prompt_hash"]) == prompt.id


def test_the_request_carries_the_version_and_the_prompt_itself(kit: AIKit, settings: Settings) -> None:
    rendered = kit.prompt(REF, text="x")
    sent = dispatch(settings, lambda provider, model: True, rendered, {"model": MODEL}, stream=False)
    assert sent.request.headers[PROMPT_HEADER] == f"summarize@v2 {a_prompt(2).sha256}"
    assert sent.request.extensions[PROMPT] is rendered.prompt


def test_a_client_of_an_sdk_names_the_version_by_a_header(kit: AIKit, books: Books) -> None:
    rendered = kit.prompt(REF, text=SAYS)
    client = kit.openai(tenant=TENANT)
    client.chat.completions.create(
        model="gpt-4o-mini",
        messages=rendered.messages,
        extra_headers=rendered.headers,  # type: ignore[arg-type]
    )
    kit.flush()
    assert_charged(books, 2)


def test_what_is_no_prompt_is_refused_in_words(kit: AIKit) -> None:
    with pytest.raises(ConfigError, match="a text, a list of messages or a rendered prompt, not dict"):
        kit.complete({"role": "user"}, tenant=TENANT)  # type: ignore[arg-type]


def test_a_kit_follows_a_rollback(kit: AIKit, ledger: Database) -> None:
    assert kit.prompt(REF, text="x").id.id == "summarize@v2"
    rollback(ledger, NAME)
    deadline = time.monotonic() + 5
    while kit.prompt(REF, text="x").id.id != "summarize@v1":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_candidate_is_for_dev_and_for_evals(settings: Settings, ledger: Database, tmp_path: Path) -> None:
    (tmp_path / "prompts" / NAME / "v3.prompt").write_text(a_prompt(3).source)
    assert open_registry(settings, ledger).get("summarize@candidate") == a_prompt(3)
    object.__setattr__(settings, "environment", "prod")
    with pytest.raises(PromptError) as refused:
        open_registry(settings, ledger).get("summarize@candidate")
    assert refused.value.code == "CANDIDATE_NOT_ALLOWED"
    assert open_registry(settings, ledger, candidates=True).get("summarize@candidate") == a_prompt(3)


def test_a_reference_that_leads_nowhere_is_refused_in_words(kit: AIKit) -> None:
    with pytest.raises(PromptNotFound, match="summarize has no label staging"):
        kit.prompt("summarize@staging", text="x")
