"""Bad input is answered in the provider's own shape and recorded; nothing is sent, and the meter works on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import openai
import psycopg
import pytest

import aikit
from aikit.config import Settings, load
from aikit.database.connect import Database
from aikit.errors import ConfigError, DatabaseError, DatabaseUnavailable, SchemaBehind
from aikit.kit import AIKit
from aikit.sim import Simulator
from aikit.types import Tags
from support.kits import KEYS, TENANT, Books, write_config
from support.postgres import create_database, drop_database

HELLO: Any = [{"role": "user", "content": "Hello there"}]
PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/gemini-2.5-flash:generateContent",
}
TEN_MEGABYTES = "x" * 10_000_000


def post(kit: AIKit, provider: str, body: bytes, path: str | None = None, **headers: str) -> httpx2.Response:
    """Send raw bytes through a metered connection, as no SDK would."""
    named = kit.settings.provider(provider)
    client = kit.channels(named, Tags(TENANT)).sync(None)
    host = named.base_url.removesuffix("/v1")
    return client.post(host + (path or PATHS[provider]), content=body, headers=headers)


def message_of(response: httpx2.Response) -> str:
    """The error's message, which all three APIs have in the same place."""
    return str(response.json()["error"]["message"])


@pytest.fixture(autouse=True)
def nothing_is_sent(kit: AIKit, books: Books, simulator: Simulator) -> Any:
    """After each test here: nothing reached the provider, and a good call still passes."""
    yield
    assert simulator.served()["totals"]["requests"] == 0
    kit.complete("Hi", model="openai/gpt-4o-mini", tenant=TENANT)
    kit.flush()
    books.assert_balanced()


UNREADABLE: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "a number": b"7",
    "no UTF-8": b'{"model": "\xff"}',
    "too deep": b"[" * 200_000,
    "a key twice": b'{"model": "gpt-4o-mini", "model": "gpt-5"}',
    "NaN": b'{"model": "gpt-4o-mini", "temperature": NaN}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_body_that_cannot_be_read_is_refused(kit: AIKit, books: Books, body: bytes) -> None:
    for provider in PATHS:
        response = post(kit, provider, body)
        assert (response.status_code, response.headers["x-should-retry"]) == (400, "false")
        assert message_of(response)
    kit.flush()
    assert [row["reason_code"] for row in books.refusals()] == ["REQUEST_INVALID"] * 3


def test_a_request_without_a_model_is_refused(kit: AIKit) -> None:
    for provider in ("openai", "anthropic"):
        for model in ({}, {"model": ""}, {"model": None}, {"model": 7}, {"model": TEN_MEGABYTES}, {"model": "a\0b"}):
            response = post(kit, provider, json.dumps({"messages": HELLO, **model}).encode())
            assert response.status_code == 400
            assert "model" in message_of(response)
            assert len(response.content) < 2_000


LIMITS: list[Any] = [-1, 0, 10**30, 10**7 + 1, 1.5, "100", True, [], {}]


@pytest.mark.parametrize("value", LIMITS, ids=repr)
def test_an_impossible_output_limit_is_refused_by_name(kit: AIKit, value: Any) -> None:
    bodies = {
        "openai": ("max_completion_tokens", {"model": "gpt-4o-mini", "max_completion_tokens": value}),
        "anthropic": ("max_tokens", {"model": "claude-haiku-4-5", "max_tokens": value}),
        "gemini": ("maxOutputTokens", {"generationConfig": {"maxOutputTokens": value}}),
    }
    for provider, (name, body) in bodies.items():
        response = post(kit, provider, json.dumps(body).encode())
        assert response.status_code == 400
        assert name in message_of(response)
        assert len(response.content) < 2_000


def test_an_absurd_but_possible_limit_is_priced_and_capped(kit: AIKit, books: Books) -> None:
    stated = "max_output_tokens = 10_000_000\ndefault_output_tokens = 100"
    books.policy(f'[tenants.acme]\n{stated}\nlimits = [{{ cap_usd = "1", window = "month" }}]')
    with pytest.raises(openai.APIStatusError) as refused:
        kit.openai(tenant=TENANT).chat.completions.create(model="gpt-5", messages=HELLO, max_tokens=10_000_000)
    assert refused.value.status_code == 402


def test_an_endpoint_that_is_not_metered_is_refused(kit: AIKit, books: Books) -> None:
    for provider in PATHS:
        for path in (
            "/v1/anything",
            "/",
            "/v1/chat/completions/../images",
            "/v1//chat/completions%00",
            "/" + "x" * 5_000,
        ):
            response = post(kit, provider, b"{}", path)
            assert response.status_code == 403
            assert len(response.content) < 2_000
    kit.flush()
    assert {row["reason_code"] for row in books.refusals()} == {"UNMETERED_ENDPOINT"}


BAD_TAGS: dict[str, str] = {
    "NUL": "a\0b",
    "ten megabytes": TEN_MEGABYTES,
    "a line break": "a\r\nb",
    "empty": "",
    "blank": "   ",
    "half a character": "\ud800",
}
TAGS = ("tenant", "user", "feature")
each_bad_tag = pytest.mark.parametrize("value", BAD_TAGS.values(), ids=BAD_TAGS.keys())


@each_bad_tag
def test_an_unusable_tag_is_refused_as_an_argument(kit: AIKit, value: str) -> None:
    for tag in TAGS:
        for make in (kit.openai, kit.anthropic, kit.gemini):
            with pytest.raises(ValueError, match=f"^{tag} ") as refused:
                make(**{"tenant": TENANT, tag: value})
            assert len(str(refused.value)) < 200
        for ask in (kit.complete, kit.stream):
            with pytest.raises(ValueError, match=f"^{tag} "):
                ask("Hi", model="openai/gpt-4o-mini", **{"tenant": TENANT, tag: value})
        with pytest.raises(ValueError, match=f"^{tag} "):
            kit.wrap(openai.OpenAI(api_key="k"), provider="openai", **{tag: value})


@each_bad_tag
def test_an_unusable_tag_is_refused_in_the_context(value: str) -> None:
    for tag in (*TAGS, "environment"):
        with pytest.raises(ValueError, match=f"^{tag} "), aikit.tags(**{tag: value}):
            pass


@pytest.mark.parametrize(
    "value",
    [value for name, value in BAD_TAGS.items() if name != "half a character"] + ["\x7f", "x" * 201],
    ids=lambda value: repr(value[:8]),
)
def test_an_unusable_tag_is_refused_in_a_header(kit: AIKit, books: Books, value: str) -> None:
    for tag in (*TAGS, "environment"):
        with pytest.raises(openai.BadRequestError) as refused:
            kit.openai(tenant=TENANT).chat.completions.create(
                model="gpt-4o-mini", messages=HELLO, extra_headers={f"x-aikit-{tag}": value}
            )
        assert tag in str(refused.value)
        assert len(refused.value.response.content) < 2_000
    kit.flush()
    assert {row["reason_code"] for row in books.refusals()} == {"REQUEST_INVALID"}


def test_a_tag_of_another_type_is_refused(kit: AIKit) -> None:
    value: Any
    for value in (7, b"acme", ["acme"]):
        with pytest.raises(ValueError, match="tenant must be a string"):
            kit.openai(tenant=value)


def test_a_tag_in_another_script_is_kept_as_it_is(kit: AIKit, simulator: Simulator, books: Books) -> None:
    names = ['Zoë "O\'Neil" \\ {}, $1', "株式会社", "ليلى", "🦊 NULL"]
    for name in names:
        kit.complete("Hi", model="openai/gpt-4o-mini", tenant=TENANT, user=name, feature=name)
    kit.flush()
    assert [(e["user_id"], e["feature"]) for e in books.entries()] == [(name, name) for name in names]
    simulator.reset()


def test_an_unknown_environment_in_a_header_is_refused(kit: AIKit) -> None:
    with pytest.raises(openai.BadRequestError, match="dev, staging or prod"):
        kit.openai(tenant=TENANT).chat.completions.create(
            model="gpt-4o-mini", messages=HELLO, extra_headers={"x-aikit-environment": "production"}
        )


def opening(tmp_path: Path, dsn: str) -> Settings:
    return load(write_config(tmp_path, "http://127.0.0.1:9", dsn), KEYS)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://joe:hush-hush@127.0.0.1:9/books?connect_timeout=2",
        "host=127.0.0.1 port=9 user=joe password=hush-hush dbname=books",
        "postgresql+psycopg://joe:hush-hush@127.0.0.1:9/books",
        "host=/nowhere/at/all user=joe password=hush-hush",
    ],
)
def test_a_database_that_is_down_is_named_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(DatabaseUnavailable) as refused:
        AIKit.open(opening(tmp_path, url))
    told = f"{refused.value} {refused.value.facts}"
    assert "joe@" in told and "hush-hush" not in told
    assert refused.value.remedy


def test_a_wrong_password_is_not_shown(tmp_path: Path, books: Books) -> None:
    dsn = psycopg.conninfo.make_conninfo(books.dsn, user="nobody-of-that-name", password="hush-hush")
    with pytest.raises(DatabaseError) as refused:
        AIKit.open(opening(tmp_path, dsn))
    assert "hush-hush" not in f"{refused.value} {refused.value.facts}"


def test_a_database_without_the_schema_says_how_to_get_it(tmp_path: Path, postgres_server: str) -> None:
    dsn = create_database(postgres_server)
    try:
        with pytest.raises(SchemaBehind, match="aikit db upgrade"):
            AIKit.open(opening(tmp_path, dsn))
        assert Database(dsn, False, "test").connect(role="test").execute("SELECT 1").fetchone() == (1,)
    finally:
        drop_database(dsn)


def test_a_schema_from_the_future_is_refused(tmp_path: Path, books: Books) -> None:
    books.tell("UPDATE aikit.schema_version SET version_num = '9999'")
    try:
        with pytest.raises(DatabaseError, match="Upgrade aikit"):
            AIKit.open(opening(tmp_path, books.dsn))
    finally:
        books.tell("UPDATE aikit.schema_version SET version_num = '0001'")


@pytest.mark.parametrize("url", ["postgresql://[", "not a url at all", "mysql://joe:hush-hush@db/books"])
def test_a_url_that_cannot_be_read_is_not_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="can't be read") as refused:
        AIKit.open(opening(tmp_path, url))
    assert "hush-hush" not in str(refused.value)
    assert "postgresql://" in refused.value.remedy
