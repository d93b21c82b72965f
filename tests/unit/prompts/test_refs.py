"""References name a version or a label; whatever else is written, the error says what to write."""

from __future__ import annotations

import pytest

from aikit.errors import PromptInvalid
from aikit.prompts.model import Ref
from aikit.prompts.refs import parse_ref


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("summarize@v3", Ref("summarize", version=3)),
        ("a@v1", Ref("a", version=1)),
        ("setup_agent@v120", Ref("setup_agent", version=120)),
        ("summarize@production", Ref("summarize", label="production")),
        ("summarize@candidate", Ref("summarize", label="candidate")),
        ("a-b_c1@eu-west_1", Ref("a-b_c1", label="eu-west_1")),
    ],
)
def test_a_reference_is_read_and_written_the_same(text: str, ref: Ref) -> None:
    assert parse_ref(text) == ref
    assert str(ref) == text


WRONG = {
    "summarize": ("no version", "summarize@v3"),
    "summarize@": ("neither a version nor a label", "v1, v2"),
    "summarize@latest": ("there is no latest", "summarize@candidate"),
    "summarize@3": ("neither", "Did you mean summarize@v3?"),
    "summarize@V3": ("neither", "Did you mean summarize@v3?"),
    "summarize@v03": ("neither", "Did you mean summarize@v3?"),
    "summarize@v0": ("neither", "v1, v2"),
    "summarize@v1.2": ("neither", "a label has"),
    "summarize@Production": ("neither", "a label has"),
    "summarize@prod@v3": ("neither", "a label has"),
    "summarize@v" + "9" * 5000: ("neither", "A version"),
    "Summarize@v3": ("no name", "NAME@vN"),
    "../etc/passwd@v1": ("no name", "NAME@vN"),
    "a/b@v1": ("no name", "NAME@vN"),
    "a" * 65 + "@v1": ("no name", "at most 64"),
    "@v1": ("no name", "NAME@vN"),
    "": ("no name", "NAME@vN"),
    "summarize@v3\n": ("neither", "A version"),
    "sümmarize@v3": ("no name", "NAME@vN"),
    "summarize@v٣": ("neither", "A version"),
}


@pytest.mark.parametrize(("text", "words"), WRONG.items())
def test_what_is_no_reference_is_told_what_to_write(text: str, words: tuple[str, str]) -> None:
    with pytest.raises(PromptInvalid) as refused:
        parse_ref(text)
    message, remedy = words
    assert message in refused.value.message
    assert remedy in refused.value.remedy
    assert len(str(refused.value)) < 600
