"""How far the words of an answer stand in its source: a tripwire for tasks whose answers quote, with no model asked."""

from __future__ import annotations

import re
import unicodedata
from statistics import fmean

from aikit.evals.model import Case, Score
from aikit.evals.scorers.base import Context, Options, Unscored, Worthless
from aikit.evals.scorers.needs import source_of
from aikit.evals.scorers.texts import bounded, part_of

_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])\s*|\n+")
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_IDEOGRAPHS}]|[^\W{_IDEOGRAPHS}]+(?:[.,:'’-][^\W{_IDEOGRAPHS}]+)*")
"""Letters of scripts without spaces are words by themselves; 1,250.00 and don't are one word."""


class Grounding:
    """The mean over the answer's sentences of `grounded`."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._where = options.get("source", "context")

    async def score(self, case: Case, output: str, context: Context) -> Score:
        source = source_of(case, self._where)
        if not source or not words_of(source):
            raise Unscored("the source has no words")
        answer = bounded(part_of(output, self._options), "the answer")
        shares = grounded(answer, bounded(source, "the source"))
        if not shares:
            raise Worthless("the answer has no words")
        lowest = min(shares, key=lambda found: found[1])
        return Score(fmean(share for _, share in shares), f"lowest {lowest[1]:.2f}: {lowest[0][:200]}")


def grounded(answer: str, source: str) -> list[tuple[str, float]]:
    """Each sentence of the answer, and how far it stands in the source, from 0 to 1.

    That is the mean of two shares: of its runs of three words, those that are in the source; and of its words, those
    that stand in the same order within two neighbouring sentences of the source, where most do.
    """
    from rapidfuzz.distance import LCSseq

    sentences = [words for sentence in _SENTENCE.split(source) if (words := words_of(sentence))]
    windows = [first + second for first, second in zip(sentences, [*sentences[1:], []], strict=True)]
    whole = words_of(source)
    runs = {length: _runs(whole, length) for length in (1, 2, 3)}
    found = []
    for sentence in _SENTENCE.split(answer):
        words = words_of(sentence)
        if not words:
            continue
        length = min(3, len(words))
        own = [tuple(words[at : at + length]) for at in range(len(words) - length + 1)]
        precision = sum(run in runs[length] for run in own) / len(own)
        in_order = max(LCSseq.similarity(words, window) for window in windows) / len(words)
        found.append((sentence.strip(), (precision + in_order) / 2))
    return found


def words_of(text: str) -> list[str]:
    """The words of a text, in which case and the way that letters are encoded do not count."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _runs(words: list[str], length: int) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + length]) for at in range(len(words) - length + 1)}
