"""One attempt under its guards: what is sent and what is handed on, checked at the wire. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aikit.types.guards import Finding, GuardRule
from aikit.wire.codec import Codec


class Guarding:
    """The guards of one attempt: `request` first, then `response` or `stream`."""

    def __init__(
        self,
        codec: Codec,
        rules: tuple[GuardRule, ...],
        *,
        secret: bytes,
        tenant: str,
        schema: Mapping[str, Any] | None = None,
        custom: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        """`secret` keys the hashes of findings and the canary, which is the same for all requests of a `tenant`.
        `schema` is the output schema of the prompt, for a `json_schema` guard that states none of its own.
        """
        raise NotImplementedError

    @property
    def input_findings(self) -> tuple[Finding, ...]:
        """What was found in the request, the same text once with its `times`; also after a block."""
        raise NotImplementedError

    @property
    def output_findings(self) -> tuple[Finding, ...]:
        """What was found in the response so far, likewise."""
        raise NotImplementedError

    def request(self, body: bytes) -> bytes:
        """The body to be read, bounded and sent; the same object if nothing changed.

        Raises GuardBlocked; RequestInvalid for a body that can't be read; PolicyDenied (`GUARD_UNSUPPORTED`) if there
        are rules and the codec can't show its texts.
        """
        raise NotImplementedError

    def response(self, body: bytes) -> bytes:
        """A whole 2xx answer as it is handed on; the same object if nothing changed. Raises GuardBlocked."""
        raise NotImplementedError

    def stream(self) -> StreamGuard:
        """For one 2xx stream; behind the codec's reader, which must see what the provider sent."""
        raise NotImplementedError


class StreamGuard:
    """One stream under its guards: only checked text is handed on. After a block nothing more is."""

    def feed(self, chunk: bytes) -> bytes:
        """The next bytes; returns whole events that may be handed on. Raises GuardBlocked, whose `released: bytes`
        may be handed on before the error.
        """
        raise NotImplementedError

    def flush(self) -> bytes:
        """The stream is at its end, or was cut off: what was held back. Raises GuardBlocked like `feed`."""
        raise NotImplementedError

    def cut(self, event: bytes) -> bytes:
        """Nothing more is handed on but `event`, an error of ours (`codec.stream_error`): as it must stand behind what
        this has handed on. To be asked instead of the reader's `cut`, which knows only what the provider sent.
        """
        raise NotImplementedError
