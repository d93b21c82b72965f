"""`.env` is changed one variable at a time, and any value comes back as it went in."""

from __future__ import annotations

import io

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from aikit.errors import ConfigError
from aikit.setup.dotenv_file import changed

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
BEFORE = (
    "",
    "# a comment\n\nOTHER=1\n",
    "OTHER='it\\'s'\nKEY='old'  # kept\n",
    'export KEY=old # kept\nOTHER="two\nlines"\n',
    "OTHER=1\r\nKEY=old\r\n",
    "KEY= # kept\nOTHER=1\n",
    "KEY\nOTHER=1",
    "\ufeffOTHER=1\n",
    "KEY=first\nOTHER=1\nKEY=second # kept\n",
)


def read(text: str) -> dict[str, str | None]:
    """As python-dotenv reads it from a file."""
    stream = io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8", newline=None)
    return dict(dotenv_values(stream=stream, interpolate=False))


@given(value=TEXTS, before=st.sampled_from(BEFORE))
def test_any_value_comes_back_and_the_others_stay(value: str, before: str) -> None:
    after = changed(before, {"KEY": value})
    assert read(after) == read(before) | {"KEY": value}
    assert after.count("# kept") == before.count("# kept")


@pytest.mark.parametrize(
    "value", ["a b", "it's", 'say "hi"', "a#b", "a #b", "$HOME ${X}", "two\nlines", "end\\", "", " x "]
)
def test_values_that_need_care_come_back(value: str) -> None:
    for before in BEFORE:
        assert read(changed(before, {"KEY": value}))["KEY"] == value


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "KEY=new\n"),
        ("A=1", "A=1\nKEY=new\n"),
        ("A=1\r\n", "A=1\r\nKEY=new\r\n"),
        ("# c\n\n  KEY = old   # why\nB=2\n", "# c\n\n  KEY = new   # why\nB=2\n"),
        ("export KEY='old' # why\n", "export KEY=new # why\n"),
        ("KEY=one\nKEY=two\n", "KEY=one\nKEY=new\n"),
        ("KEY=a b#c # d\n", "KEY=new # d\n"),
        ("KEY=old\nthis is no variable\n", "KEY=new\nthis is no variable\n"),
    ],
)
def test_all_else_stays_byte_for_byte(before: str, after: str) -> None:
    assert changed(before, {"KEY": "new"}) == after


def test_a_value_that_is_there_changes_nothing() -> None:
    assert changed('KEY="new" # as I like it\n', {"KEY": "new"}) == 'KEY="new" # as I like it\n'


@pytest.mark.parametrize("name", ["", "A B", "1A", "A=B", "Ä", "A\n"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        changed("", {name: "x"})
