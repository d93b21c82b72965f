"""Which request is metered by which codec, which is free, and which is neither."""

import pytest

from aikit.errors import ConfigError
from aikit.wire import registry
from aikit.wire.codec import ChatCodec, Codec
from unit.wire.samples import ALL

METERED = [
    ("openai", "/v1/chat/completions", "openai.chat"),
    ("openai", "/chat/completions", "openai.chat"),
    ("openai", "/api/v1/chat/completions", "openai.chat"),
    ("openai", "/openai/deployments/my-gpt/chat/completions", "openai.chat"),
    ("openai", "/v1/responses", "openai.responses"),
    ("openai", "/v1/embeddings", "openai.embeddings"),
    ("anthropic", "/v1/messages", "anthropic.messages"),
    ("anthropic", "/anthropic/v1/messages", "anthropic.messages"),
    ("gemini", "/v1beta/models/gemini-2.5-flash:generateContent", "gemini.generate"),
    ("gemini", "/v1/models/gemini-2.5-flash:streamGenerateContent", "gemini.generate"),
    (
        "gemini",
        "/v1/projects/p/locations/eu/publishers/google/models/gemini-2.5-pro:streamGenerateContent",
        "gemini.generate",
    ),
]
NEITHER = [
    ("openai", "POST", "/v1/chat/completions/../images/generations"),
    ("openai", "POST", "/v1/images/../chat/completions"),
    ("openai", "POST", "/v1//chat/completions"),
    ("openai", "POST", "/v1/chat/completions/"),
    ("openai", "POST", "/v1/Chat/Completions"),
    ("openai", "POST", "/v1/chat%2Fcompletions"),
    ("openai", "POST", "/v1/x%2f..%2fchat/completions"),
    ("openai", "POST", "/v1/xchat/completions "),
    ("openai", "POST", "/v1/mychat/completions"),
    ("openai", "GET", "/v1/chat/completions"),
    ("openai", "GET", "/v1/responses/resp_1"),
    ("openai", "POST", "/v1/responses/resp_1/cancel"),
    ("openai", "POST", "/v1/responses/compact"),
    ("openai", "POST", "/v1/images/generations"),
    ("openai", "POST", "/v1/audio/speech"),
    ("openai", "POST", "/v1/completions"),
    ("openai", "POST", "/v1/messages"),
    ("openai", "GET", "/v1/realtime"),
    ("openai", "GET", "/v1/models/../files/f"),
    ("openai", "GET", "/v1/models/"),
    ("openai", "DELETE", "/v1/models/ft-1"),
    ("openai", "POST", "/v1/models"),
    ("anthropic", "POST", "/v1/messages/batches"),
    ("anthropic", "POST", "/v1/complete"),
    ("anthropic", "GET", "/v1/messages/count_tokens"),
    ("gemini", "POST", "/v1beta/models/gemini-2.5-flash:batchGenerateContent"),
    ("gemini", "POST", "/v1beta/models/gemini-2.5-flash:predict"),
    ("gemini", "GET", "/v1beta/models/gemini-2.5-flash:generateContent"),
    ("gemini", "POST", "/v1beta/models/x/y:generateContent"),
    ("gemini", "POST", "/v1beta/files"),
    ("martian", "POST", "/v1/chat/completions"),
    ("martian", "GET", "/v1/models"),
]
FREE = [
    ("openai", "GET", "/v1/models"),
    ("openai", "GET", "/v1/models/gpt-4o-mini"),
    ("anthropic", "GET", "/v1/models"),
    ("anthropic", "GET", "/v1/models/claude-haiku-4-5"),
    ("anthropic", "POST", "/v1/messages/count_tokens"),
    ("gemini", "GET", "/v1beta/models"),
    ("gemini", "GET", "/v1beta/models/gemini-2.5-flash"),
    ("gemini", "POST", "/v1beta/models/gemini-2.5-flash:countTokens"),
]


@pytest.mark.parametrize(("kind", "path", "name"), METERED)
def test_a_metered_call_is_found_whatever_the_base_path(kind: str, path: str, name: str) -> None:
    codec = registry.find(kind, "POST", path)
    assert codec is not None
    assert codec.name == name
    assert not registry.is_free(kind, "POST", path)


@pytest.mark.parametrize(("kind", "method", "path"), NEITHER)
def test_every_other_request_is_neither_metered_nor_free(kind: str, method: str, path: str) -> None:
    assert registry.find(kind, method, path) is None
    assert not registry.is_free(kind, method, path)


@pytest.mark.parametrize(("kind", "method", "path"), FREE)
def test_metadata_reads_are_free_and_unmetered(kind: str, method: str, path: str) -> None:
    assert registry.is_free(kind, method, path)
    assert registry.find(kind, method, path) is None


def test_all_built_in_codecs_satisfy_the_contract() -> None:
    assert list(ALL) == list(registry.codecs()[: len(ALL)])
    assert all(isinstance(codec, Codec) for codec in ALL)
    assert len({codec.name for codec in registry.codecs()}) == len(registry.codecs())


@pytest.mark.parametrize("kind", registry.KINDS)
def test_each_kind_has_a_codec_that_chats(kind: str) -> None:
    codec = registry.chat_codec(kind)
    assert isinstance(codec, ChatCodec)
    assert codec.kind == kind


def test_an_unknown_kind_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="openai, anthropic, gemini"):
        registry.chat_codec("martian")
    with pytest.raises(ConfigError):
        registry.auth_headers("martian", "k")


def test_each_kind_takes_its_key_in_its_own_header() -> None:
    assert registry.auth_headers("openai", "k") == {"authorization": "Bearer k"}
    assert registry.auth_headers("anthropic", "k") == {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    assert registry.auth_headers("anthropic", "k", "2027-01-01")["anthropic-version"] == "2027-01-01"
    assert registry.auth_headers("gemini", "k") == {"x-goog-api-key": "k"}


class _Entry:
    name = "third"
    module = "third.party"

    def __init__(self, loaded: object) -> None:
        self._loaded = loaded

    def load(self) -> object:
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


@pytest.mark.parametrize("loaded", [ImportError("no such module"), object()])
def test_a_codec_of_a_third_party_that_cannot_be_used_is_named(loaded: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [_Entry(loaded)])
    with pytest.raises(ConfigError, match="third"):
        registry.codecs.__wrapped__()


def test_a_codec_of_a_third_party_comes_after_the_built_in_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [_Entry(ALL[0])])
    assert registry.codecs.__wrapped__() == (*ALL, ALL[0])
