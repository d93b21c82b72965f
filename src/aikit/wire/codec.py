"""What a wire codec is: it reads one provider API, so that the exchange can meter it without knowing it.

A codec does no I/O. It sees a request and says what it demands at most; it sees a response, whole or as a stream,
and says what was used; it words a refusal the way its API would. To add an API, write a module with a `CODEC` that
satisfies `Codec` and name it in the entry point group `aikit.codecs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from aikit.errors import AIKitError
from aikit.types import Bound, Usage

MAX_OUTPUT_TOKENS = 10_000_000
"""A request for more output tokens than this is a mistake, not a request: no model writes as much."""


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request on the wire. `path` is the URL's path without host and query; header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: str = ""
    call: UUID | None = None
    """The call that it belongs to; None: one of its own."""
    attempt: UUID | None = None
    """The attempt that it is to be; None: a new one."""
    schema: Mapping[str, Any] | None = None
    """What its answer must be, as a JSON Schema, where its prompt says so."""


@dataclass(frozen=True, slots=True)
class WireReply:
    """A whole response: status, headers, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Demand:
    """What a request asks for. `body` is to be sent: the very bytes that came, unless something was written in."""

    model: str
    stream: bool
    bound: Bound
    body: bytes
    service_tier: str | None = None
    wrote: tuple[str, ...] = ()
    """Names of fields that were written into the body, for the record."""
    hide_usage_event: bool = False
    """The usage event of the stream was asked for by us and is not shown to a caller who did not ask."""
    named_output: bool = True
    """The request names its output limit itself, or its API has no output."""
    answers: int = 1
    """The alternative answers that it asks for, each of which may be as long as the limit."""
    least_output_tokens: int = 1
    """The fewest output tokens, of all answers together, with which the API would still take it."""
    characters: int = 0
    """The characters of the prompt's text: messages, instructions, tools and what they returned; media are none."""
    visible_output: bool = False
    """A stream shows all output that it bills as it is generated: no hidden thoughts, no tools that a server runs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a response says. `usage` None means it did not say; `finished` means it ended the way its API ends."""

    usage: Usage | None
    finished: bool
    model: str | None = None
    service_tier: str | None = None
    error: str | None = None
    """The code of an error that the provider put into its stream."""
    output_bytes: int = 0
    """Bytes of output seen so far; a token is at least one byte, so they bound the tokens. Of a leased stream they are
    those of generated text, arguments and thoughts only, of any other the JSON around it counts, too."""


class StreamReader(Protocol):
    """Reads one response stream as it passes. Pure: bytes in, bytes out."""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; return what to hand on now (usually the same object)."""

    def flush(self) -> bytes:
        """The stream ended: return anything that was held back."""

    @property
    def done(self) -> bool:
        """The terminal event has passed, usage included: the attempt can be settled."""

    def outcome(self) -> Outcome:
        """What has been seen so far."""

    def cut(self, event: bytes) -> bytes:
        """Nothing more is handed on but `event`, an error of ours: return it as it must stand in this stream."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as `complete` takes it. Roles: system, user, assistant."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A provider-neutral chat request, as `complete` and `stream` make it."""

    model: str
    messages: Sequence[Message]
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    stream: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Provider-specific fields, merged into the body as they are."""
    native: bool = True
    """False for a compatible server, which may know only the older field names."""


@runtime_checkable
class Codec(Protocol):
    """One provider API. `name` is shown in the ledger (`openai.chat`), `kind` is the provider kind it belongs to.

    `least_output_tokens` is the smallest output limit that the API takes.
    """

    name: str
    kind: str
    least_output_tokens: int

    def matches(self, method: str, path: str) -> bool:
        """Is this request one of this API's metered calls?"""

    def read_request(
        self,
        request: WireRequest,
        *,
        default_output_tokens: int,
        native: bool,
        most_output_tokens: int | None = None,
    ) -> Demand:
        """What the request demands at most.

        A request without an output limit gets one written into it, so that all its alternative answers together have
        `default_output_tokens`. With `most_output_tokens`, which is for all answers too, a larger limit is lowered to
        it; without, no limit that a caller named is changed. Each answer gets 1 token at least. `native` is true for
        the provider's own service and false for a compatible server, which may know only the older field names.
        Raises RequestInvalid for a body that is no JSON object, has no model, or an impossible output limit.
        """

    def read_response(self, body: bytes) -> Outcome:
        """What a whole 2xx response says. Never raises: what can't be read is an Outcome without usage."""

    def stream_reader(self, demand: Demand, *, leased: bool = False) -> StreamReader:
        """A reader for one 2xx stream that answers `demand`. With `leased` it hands on whole events only."""

    def refusal(self, error: AIKitError, *, request_id: str, metadata: Mapping[str, Any]) -> WireReply:
        """The error in this API's own shape, with the status and retry headers that make its SDKs behave."""

    def stream_error(self, error: AIKitError, *, request_id: str) -> bytes:
        """The error as an event in the middle of a stream, in this API's own form."""


@runtime_checkable
class ChatCodec(Codec, Protocol):
    """A codec that can also carry `complete` and `stream`."""

    def compose(self, chat: ChatRequest) -> tuple[str, dict[str, Any]]:
        """The path below the provider's base URL and the JSON body."""

    def reply_text(self, body: Mapping[str, Any]) -> str:
        """The text of a whole response."""

    def delta_text(self, event: Mapping[str, Any]) -> str:
        """The text that one stream event adds, or an empty string."""
