"""The upper bound of a request's input: its bytes, since a token is at least one byte, and what bytes don't show.

Three things make input tokens that are not in the text: the provider's own templates and tool prompts (an
allowance), media (a cap for each item instead of its base64 bytes), and what the provider adds from its side
(stored conversations, files, URLs, server tools): then the bound is open-ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aikit.types import Bound

TEMPLATE_TOKENS = 64
"""For the role markers and the like that a chat template adds to a plain request. Each message also has some 25 bytes
of JSON around its text, while templates add about 4 tokens to it."""

TOOL_TEMPLATE_TOKENS = 1_000
"""For the hidden prompt that tools or an output schema switch on. Anthropic documents 159 to 804 tokens by model and
tool choice ("Tool use pricing and tokens"); OpenAI and Google publish none and show fewer."""

INCLUDED_SEARCHES = 10
"""Web searches that a request may make when it names no limit; the limit is written into the request if the API has a
field for it."""


@dataclass(slots=True)
class Tally:
    """What is found while a request is read, and the bound that follows from it."""

    output_tokens: int
    templates: int = TEMPLATE_TOKENS
    media_tokens: int = 0
    media_bytes: int = 0
    open_ended: bool = False
    searches: int = 0
    input_classes: set[str] = field(default_factory=lambda: {"input", "cache_read"})
    output_classes: set[str] = field(default_factory=lambda: {"output", "reasoning"})

    def image(self, tokens: int, payload: int = 0) -> None:
        """An image costs at most `tokens`; `payload` bytes of base64 are no text."""
        self.media_tokens += tokens
        self.media_bytes += payload
        self.input_classes.add("input_image")

    def document(self, payload: int = 0) -> None:
        """A PDF, video or stored file: its tokens don't follow from its bytes, so the context window bounds them."""
        self.media_bytes += payload
        self.open_ended = True

    def bound(self, body: bytes) -> Bound:
        return Bound(
            input_tokens=len(body) - self.media_bytes + self.media_tokens + self.templates,
            output_tokens=self.output_tokens,
            input_classes=frozenset(self.input_classes),
            output_classes=frozenset(self.output_classes),
            open_ended=self.open_ended,
            searches=self.searches,
        )
