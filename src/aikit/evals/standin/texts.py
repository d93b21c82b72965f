"""Sentences, words and numbers of a text, as crudely as a stand-in needs them."""

from __future__ import annotations

import json
import re

_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?![\s\"”)]|$)[^.!?\n]*)*[.!?]*[\"”)]*")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_COMMON = frozenset(
    re.findall(
        "[a-z]+",
        """
    a all an and are as at be been both but by can did do does everybody everything for from get gets got had
    has have he her his i if in into is it its me my no not of on or our out she so than that the their them
    then there they this to too up was we were what when which who will with would you your
    """,
    )
)


def sentences(text: str) -> list[str]:
    """Those of each line, without the space around them."""
    return [found for line in text.split("\n") for part in _SENTENCE.findall(line) if (found := part.strip())]


def count_words(text: str) -> int:
    return len(text.split())


def stems(text: str) -> set[str]:
    """What words begin with: the same for wait, waits and waiting. Common words say nothing, and are left out."""
    words = (word.lower().removesuffix("'s") for word in _WORD.findall(text))
    return {word[:5] for word in words if word not in _COMMON and "'" not in word}


def numbers(text: str) -> set[str]:
    """`$1,304` is 1304."""
    return {found.replace(",", "") for found in _NUMBER.findall(text)}


def names(text: str) -> set[str]:
    """Capitalised words that do not begin a sentence, or begin one as names of people do."""
    return {word for word in re.findall(r"\b[A-Z][a-z]{2,}\b", text) if word.lower() not in _COMMON}


def quoted(label: str, text: str) -> str:
    """The text that stands as JSON after a label, at the end of its line. Raises ValueError if there is none."""
    found = re.search(rf"^{label}: (\".*\")$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"there is no {label}")
    value = json.loads(found[1])
    return str(value)
