"""Of a key at most its last four characters are shown, and nothing of a short one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.setup.secrets import ending, misgivings, shown

OPENAI = "sk-proj-abcdefghijklmnopqrstuvwx"
ANTHROPIC = "sk-ant-api03-abcdefghijklmnop"
GEMINI = "AIzaSyABCDEFGHIJKLMNOPQRSTUVWXYZ0123456"


@given(st.text(max_size=11))
def test_nothing_of_a_short_key_is_shown(key: str) -> None:
    assert ending(key) == "" and shown(key) == "set"


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=12))
def test_of_a_key_its_last_four_characters_are_shown(key: str) -> None:
    assert shown(key) == f"set …{key[-4:]}"


@pytest.mark.parametrize(("kind", "key"), [("openai", OPENAI), ("anthropic", ANTHROPIC), ("gemini", GEMINI)])
def test_a_key_of_the_right_form_raises_no_doubt(kind: str, key: str) -> None:
    assert misgivings("KEY", kind, key) == ""


@pytest.mark.parametrize(
    ("kind", "key", "said"),
    [
        ("openai", ANTHROPIC, "of Anthropic, not of OpenAI"),
        ("anthropic", OPENAI, "of OpenAI, not of Anthropic"),
        ("openai", GEMINI, "of Google, not of OpenAI"),
        ("gemini", "hunter2hunter2hunter2", "does not look like a key of Google"),
        ("openai", f"{OPENAI} ", "a blank"),
        ("openai", f'"{OPENAI}"', "was it copied with"),
        ("openai", "sk-proj-…abc", "characters that no key has"),
        ("openai", "", "is empty"),
    ],
)
def test_a_doubt_says_why_and_nothing_of_the_key(kind: str, key: str, said: str) -> None:
    found = misgivings("KEY", kind, key)
    assert said in found
    assert not key.strip() or key.strip() not in found
    assert not any(key[at : at + 5] in found for at in range(len(key) - 5))
