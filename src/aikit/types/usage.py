"""What a provider reports for an attempt, and the most that one can use. Tokens are integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter


@dataclass(frozen=True, slots=True)
class Usage:
    """What a provider reports for one attempt, in disjoint classes of tokens that sum to the provider's total.

    `input` is plain input only: cached, written-to-cache, audio and image tokens are in classes of their own.
    Likewise `output` leaves out `reasoning` (thoughts), audio and image. `searches` counts web searches, which
    some providers bill by the piece; it is no token class.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    input_audio: int = 0
    input_image: int = 0
    cache_read_audio: int = 0
    output: int = 0
    reasoning: int = 0
    output_audio: int = 0
    output_image: int = 0
    searches: int = 0

    @property
    def input_tokens(self) -> int:
        """All input tokens of every class; decides the price tier."""
        return (
            self.input
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
            + self.input_audio
            + self.input_image
            + self.cache_read_audio
        )

    @property
    def output_tokens(self) -> int:
        """All output tokens of every class, reasoning included."""
        return self.output + self.reasoning + self.output_audio + self.output_image

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def counts(self) -> tuple[int, ...]:
        """Every class, zeros included, in the order of `USAGE_CLASSES`."""
        return _counts(self)

    def classes(self) -> dict[str, int]:
        """Every class by name, zeros included."""
        return dict(zip(USAGE_CLASSES, _counts(self), strict=True))


USAGE_CLASSES = tuple(f.name for f in fields(Usage))
INPUT_CLASSES = USAGE_CLASSES[:7]
OUTPUT_CLASSES = USAGE_CLASSES[7:11]
TOKEN_CLASSES = INPUT_CLASSES + OUTPUT_CLASSES
_counts: Callable[[Usage], tuple[int, ...]] = attrgetter(*USAGE_CLASSES)


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that one attempt can use, in tokens; a true upper bound.

    `input_classes` and `output_classes` name the usage classes that can occur, so that a request without cache
    control is not priced at the cache-write rate. `open_ended` says that the provider adds input of its own (stored
    conversations, files, URLs, server tools): then the model's context window bounds the input, if it is larger.
    """

    input_tokens: int
    output_tokens: int
    input_classes: frozenset[str] = frozenset({"input"})
    output_classes: frozenset[str] = frozenset({"output"})
    open_ended: bool = False
    searches: int = 0
