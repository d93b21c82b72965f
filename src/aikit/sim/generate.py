"""What the simulated model says and uses: a pure function of the model's name, the request's text and its wish."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import cycle, islice

from aikit.sim.api import Ask
from aikit.sim.wish import Wish
from aikit.types import Usage

MAX_PIECES = 64
"""A stream has at most this many pieces of text, however long the text."""
MAX_WORDS = 100_000
"""A dictated output is written out up to this many words; beyond it only the numbers grow."""

_WORD = re.compile(r"\s*\S+|\s+$")


def words_of(text: str) -> list[str]:
    """The text in words, each with the space before it; one word stands for one token. Joined, they are the text."""
    return _WORD.findall(text)


_OPENINGS = tuple(
    words_of(text)
    for text in (
        "Here is a simulated answer.",
        "Certainly, as a simulated model I can say this much.",
        "Good question, and this simulated reply takes it in order.",
        "In short, with the caution due to a simulated text:",
    )
)
_SENTENCES = tuple(
    words_of(f" {text}")
    for text in (
        "The first step is to write down what is known and what is only assumed.",
        "Each part was looked at on its own before the whole was put together.",
        "Two of the figures agree, and the third differs by less than one percent.",
        "Nothing in the request suggests that more than this is needed.",
        "The list below is complete, in the order in which things happened.",
        "A short summary follows, and after it the reasons one by one.",
        "If the numbers change tomorrow, the same steps lead to the new result.",
        "It helps to keep the record of what was done next to what was found.",
        "The shorter of the two ways is also the one that is easier to check.",
        "What remains is a matter of taste rather than of correctness.",
        "Readers in a hurry may stop here without missing anything important.",
    )
)


@dataclass(frozen=True, slots=True)
class Generation:
    """One generated answer. `cut` means that the output limit ended it; `tells_usage` is false to leave usage out."""

    pieces: tuple[str, ...]
    usage: Usage
    cut: bool
    tells_usage: bool = True

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def usage_after(self, pieces: int) -> Usage:
        """What has been used once that many pieces were generated; reasoning comes before the first piece."""
        if pieces >= len(self.pieces):
            return self.usage
        return replace(self.usage, output=-(-self.usage.output * pieces // len(self.pieces)))


def generate(ask: Ask, wish: Wish, said: str | None = None) -> Generation:
    """The answer to `ask`, with the text `said` unless the wish has one. Dictated usage is reported to the token, and
    its text has as many words as its output.
    """
    wish = replace(wish, text=said) if wish.text is None else wish
    seed = int.from_bytes(blake2b(f"{ask.model}\0{ask.prompt}".encode("utf-8", "replace"), digest_size=8).digest())
    if wish.usage is not None:
        words = words_of(wish.text) if wish.text is not None else _prose(seed, wish.usage.output // ask.choices)
        limit = None if ask.max_tokens is None else ask.max_tokens * ask.choices
        return Generation(_pieces(words), wish.usage, cut=limit is not None and wish.usage.output_tokens >= limit)
    words = words_of(wish.text) if wish.text is not None else _prose(seed)
    reasoning = 8 + seed % 57 if ask.reasons else 0
    cut = ask.max_tokens is not None and reasoning + len(words) > ask.max_tokens
    if cut and ask.max_tokens is not None:
        reasoning = min(reasoning, ask.max_tokens)
        words = words[: ask.max_tokens - reasoning]
    usage = replace(ask.input, output=len(words) * ask.choices, reasoning=reasoning * ask.choices)
    return Generation(_pieces(words), usage, cut)


def _prose(seed: int, length: int | None = None) -> list[str]:
    opening = _OPENINGS[seed % len(_OPENINGS)]
    if length is None:
        picks = (seed >> 8, seed >> 16, seed >> 24)
        return opening + [word for pick in picks for word in _SENTENCES[pick % len(_SENTENCES)]]
    start = seed >> 8
    turns = (_SENTENCES[(start + turn) % len(_SENTENCES)] for turn in range(len(_SENTENCES)))
    endless = cycle([word for sentence in turns for word in sentence])
    return [*opening, *islice(endless, min(length, MAX_WORDS))][: min(length, MAX_WORDS)]


def _pieces(words: list[str]) -> tuple[str, ...]:
    if len(words) <= MAX_PIECES:
        return tuple(words)
    size = -(-len(words) // MAX_PIECES)
    return tuple("".join(words[start : start + size]) for start in range(0, len(words), size))
