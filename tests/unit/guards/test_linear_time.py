"""Whatever a detector likes least takes time in proportion to its length: seconds a megabyte, not hours."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest

from aikit.guards import authorities, keys, wordings
from aikit.guards.build import _eyes
from aikit.guards.catalogue import BY_NAME
from aikit.guards.screening import Screening
from aikit.types.guards import GuardAction, GuardRule, Place

MEGABYTE = 1_000_000
PART = 40_000
"Several slices of those that a text is checked in; beyond one, time grows with their number."
SECONDS = 4
"What a part may take on a machine that is busy with other tests; one second is the longest that was seen."

NASTY = {
    "digits": "1234567890",
    "fours": "4",
    "spaced digits": "4 1 ",
    "pairs": "21 55 ",
    "phones": "2125550123 ",
    "grouped": "212 555 0123 ",
    "plus": "+1 2",
    "brackets": "(((+",
    "at": "a@",
    "dots": "a@a.a.",
    "mails": "a@a.aa ",
    "local parts": "a.b-c+d",
    "iban": "DE89 ",
    "capitals": "ABCD EFGH ",
    "colons": "a:b::",
    "ip": "8.8.8.",
    "sk": "sk-",
    "jwt": "eyJ",
    "jwts": "eyJhbGciOi.eyJ",
    "base64": "QUJDREVG",
    "begin": "-----BEGIN PRIVATE KEY-----",
    "begin only": "-----BEGIN ",
    "end": "-----BEGIN PRIVATE KEY-----\n-----END ",
    "schemes": "http://",
    "colon slashes": "a://b:c",
    "passwords": "a://b:cccc@d ",
    "bearer": "Bearer ",
    "bearers": "Bearer abcdefghijklmnop1234 ",
    "aws": "aws_secret_access_key= ",
    "images": "![",
    "links": "[a](",
    "html": "<img ",
    "urls": "https://a.b ",
    "slashes": "//",
    "zero width": "\u200b",
    "tags": "\U000e0041",
    "joiners": "a\u200d",
    "marks": "\u200fa",
    "selectors": "a\ufe0f",
    "ignore": "ignore all ",
    "ignore the": "ignore the the the your your ",
    "ai": "AI assistants ",
    "reveal": "reveal me the a a a a your ",
    "send": "send a a a a a api keys a a ",
    "decode": "decode and ",
    "marks of turns": "<|im_start|>",
    "terms": "foo ",
    "half terms": "foo  ba",
    "sharp s": "ß",
    "canary": "kestrel-93af-77b",
    "k": "k",
    "spaces": " ",
    "lines": "\n",
}  # fmt: skip
OPTIONS = {"banned_terms": {"terms": ["foo", "foo bar", "strasse"]}, "urls": {"allow": ["a.b"]}}
GUARDS = ("unicode", "canary", "urls", "secrets", "pii", "banned_terms", "injection")


def rule(guard: str, action: GuardAction) -> GuardRule:
    options = dict(OPTIONS.get(guard, {}))
    if guard in ("pii", "secrets", "unicode"):
        options["kinds"] = [kind.name for kind in BY_NAME[guard].kinds]  # type: ignore[assignment]
    return GuardRule(guard, action, tuple(Place), json.dumps(options))


@pytest.mark.parametrize("name", NASTY)
def test_what_a_detector_likes_least_is_checked_in_bounded_time(name: str) -> None:
    assert seconds(name, PART) < SECONDS


@pytest.mark.parametrize("name", ["digits", "base64", "begin", "schemes", "spaces", "canary"])
def test_a_megabyte_is_checked_in_bounded_time(name: str) -> None:
    assert seconds(name, MEGABYTE) < SECONDS * MEGABYTE / PART


def seconds(name: str, length: int) -> float:
    text = NASTY[name] * (length // len(NASTY[name]))
    rules = [rule(guard, GuardAction.FLAG) for guard in GUARDS]
    began = time.process_time()
    Screening(rules, secret=b"s", canary="kestrel-93af-77b1").check(Place.OUTPUT, "", text)
    return time.process_time() - began


def widest(pattern: str) -> int:
    return int(re._parser.parse(pattern).getwidth()[1])  # type: ignore[attr-defined]


def test_no_match_of_the_guard_injection_is_wider_than_what_is_held() -> None:
    assert all(widest(wording.pattern) < wordings.LONGEST for wording in wordings.WORDINGS)


def test_no_number_and_no_key_is_wider_than_what_is_held() -> None:
    from aikit.guards import pii, secrets

    numbers = [pattern for number in authorities.NUMBERS for pattern in (number.pattern, number.loose)]
    assert all(widest(pattern) + 3 < pii.LONGEST_NUMBER for pattern in numbers)
    assert all(widest(pattern) + 1 < secrets.LONGEST_WORD for _, _, _, pattern in keys.KEYS)


@pytest.mark.parametrize(
    "held", [lambda: _eyes("pii", "{}"), lambda: _eyes("secrets", "{}"), lambda: _eyes("urls", "{}")]
)
def test_ordinary_words_are_held_to_the_end_of_a_word_only(held: Callable[[], object]) -> None:
    undecided = held().undecided  # type: ignore[attr-defined]
    text = "It was a rainy day in spring, and the tram was lat"
    assert undecided(text, 0) >= text.rindex(" ")
