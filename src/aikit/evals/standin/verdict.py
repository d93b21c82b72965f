"""Holds a claim against a source by the words, numbers and names that both have."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from aikit.evals.standin.texts import names, numbers, quoted, sentences, stems

ASKED = re.compile(r"^You compare one claim", re.MULTILINE)
_NEGATION = re.compile(r"\b(no|not|never|none|nobody|nothing|without|cannot)\b|n't\b", re.IGNORECASE)
_CONTRAST = re.compile(r"\b(in place of|instead|rather than)\b", re.IGNORECASE)
"""Where it stands, a sentence says one thing and denies another."""
_SPEAKER = re.compile(r"^[^\W\d_]+: ")
_OPPOSITES = (("in stock", "sold out"), ("only if", "either way"), ("open", "closed"), ("refused", "accepted"))
_CERTAIN = re.compile(r"\b(exactly|certainly|always|guaranteed|definitely)\b", re.IGNORECASE)
_VAGUE = re.compile(r"\b(around|about|perhaps|usually|almost|may|hope|planned)\b", re.IGNORECASE)
_ENOUGH = 0.8
"""The share of a claim's words that its source must have."""
_SAME_THING = 2
"""So many words in common, and a sentence is about the same thing as a claim."""


class Verdict(NamedTuple):
    verdict: str
    quote: str | None
    reason: str


def answer(told: str, given: str) -> str:
    said = judged(quoted("Claim", given), quoted("Source", given))
    return json.dumps(said._asdict(), ensure_ascii=False)


def judged(claim: str, source: str) -> Verdict:
    """supported, contradicted or not_supported."""
    if (said := _SPEAKER.sub("", claim)) in source:
        return Verdict("supported", said, "The source says it in these words.")
    words = stems(claim)
    nearest = max(sentences(source), key=lambda text: len(words & stems(text)), default="")
    common = len(words & stems(nearest))
    if wrong := numbers(claim) - numbers(source):
        if common >= _SAME_THING and numbers(nearest):
            return Verdict("contradicted", nearest, f"The source has another figure than {', '.join(sorted(wrong))}.")
        return Verdict("not_supported", None, f"{', '.join(sorted(wrong))} is not in the source.")
    if unknown := {name for name in names(claim) if name.lower() not in source.lower()}:
        return Verdict("not_supported", None, f"The source does not know {', '.join(sorted(unknown))}.")
    for one, other in (*_OPPOSITES, *((other, one) for one, other in _OPPOSITES)):
        if one in claim.lower() and other in source.lower() and one not in source.lower():
            return Verdict("contradicted", nearest, f"The source says {other}.")
    if _CERTAIN.search(claim) and _VAGUE.search(nearest):
        return Verdict("not_supported", nearest, "The source is less certain.")
    share = len(words & stems(source)) / len(words) if words else 0
    if share < _ENOUGH:
        return Verdict("not_supported", None, "The source does not say so.")
    denies = bool(_NEGATION.search(claim)) != bool(_NEGATION.search(nearest))
    if denies and not _CONTRAST.search(nearest) and common == len(words):
        return Verdict("contradicted", nearest, "The source says the opposite.")
    return Verdict("supported", nearest, "The source says so.")
