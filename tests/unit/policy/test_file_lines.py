"""Where the keys of a TOML text stand."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from aikit.policy.file.lines import Path, line_of, lines_of

TEXT = '''\
# a comment with [brackets] and "quotes
top = 1 # and = another
dotted . "quoted.key" = "a # no comment"

[plans.free]
limits = [  # several lines
  { cap = 1, window = "day" },
  # { cap = 9 },

  { cap = 2,  each = { a.b = [1,
     2] } }, 5,
]
many = """
[no.table]
key = 1 \\"""
"""  # done
literal = \'\'\'
x = 'y' \'\'\'\'
date = 1979-05-27 07:32:00

["plans" . 'pro']
"a\\u0062c" = true
[[policies]]
name = "one"
[policies.scope]
user = "u"
[[policies]]
name = ""
models.deny = []
models.allow = [
  "x",
  "y" ]
[[policies.more]]
[[policies.more]]
[policies.more.z]
last = -1.5e3'''

EXPECTED: dict[Path, int] = {
    ("top",): 2,
    ("dotted",): 3,
    ("dotted", "quoted.key"): 3,
    ("plans",): 5,
    ("plans", "free"): 5,
    ("plans", "free", "limits"): 6,
    ("plans", "free", "limits", 0): 7,
    ("plans", "free", "limits", 0, "cap"): 7,
    ("plans", "free", "limits", 0, "window"): 7,
    ("plans", "free", "limits", 1): 10,
    ("plans", "free", "limits", 1, "cap"): 10,
    ("plans", "free", "limits", 1, "each"): 10,
    ("plans", "free", "limits", 1, "each", "a"): 10,
    ("plans", "free", "limits", 1, "each", "a", "b"): 10,
    ("plans", "free", "limits", 1, "each", "a", "b", 0): 10,
    ("plans", "free", "limits", 1, "each", "a", "b", 1): 11,
    ("plans", "free", "limits", 2): 11,
    ("plans", "free", "many"): 13,
    ("plans", "free", "literal"): 17,
    ("plans", "free", "date"): 19,
    ("plans", "pro"): 21,
    ("plans", "pro", "abc"): 22,
    ("policies",): 23,
    ("policies", 0): 23,
    ("policies", 0, "name"): 24,
    ("policies", 0, "scope"): 25,
    ("policies", 0, "scope", "user"): 26,
    ("policies", 1): 27,
    ("policies", 1, "name"): 28,
    ("policies", 1, "models"): 29,
    ("policies", 1, "models", "deny"): 29,
    ("policies", 1, "models", "allow"): 30,
    ("policies", 1, "models", "allow", 0): 31,
    ("policies", 1, "models", "allow", 1): 32,
    ("policies", 1, "more"): 33,
    ("policies", 1, "more", 0): 33,
    ("policies", 1, "more", 1): 34,
    ("policies", 1, "more", 1, "z"): 35,
    ("policies", 1, "more", 1, "z", "last"): 36,
}


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every value in a document."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key)
        yield from paths(part, (*path, key))


def at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def test_every_form_of_key_is_found_on_its_line() -> None:
    assert set(paths(tomllib.loads(TEXT))) == set(EXPECTED)
    assert lines_of(TEXT) == EXPECTED


def test_windows_line_ends_count_once() -> None:
    assert lines_of(TEXT.replace("\n", "\r\n")) == EXPECTED


def test_what_is_missing_is_on_the_line_of_the_table_around_it() -> None:
    assert line_of(EXPECTED, ("plans", "free", "limits", 1, "window")) == 10
    assert line_of(EXPECTED, ("nothing", "here")) == 1


keys = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=6)
leaves = st.integers() | st.booleans() | st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=9)
documents = st.dictionaries(
    keys,
    st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=9
    ),
    max_size=4,
)


@given(documents)
def test_all_keys_of_any_document_are_found(document: dict[str, Any]) -> None:
    text = tomlkit.dumps(document)
    stated = tomllib.loads(text)
    lines = lines_of(text)
    assert set(lines) == set(paths(stated))
    for path in paths(stated):
        value = at(stated, path)
        if type(value) is int:
            assert str(value) in text.split("\n")[lines[path] - 1]
