"""Text of others is never markup and never a command."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.evals.reporting import escaping

TEXTS = st.text(st.characters(), max_size=80)


@given(TEXTS)
def test_a_line_is_one_printable_line(text: str) -> None:
    shown = escaping.one_line(text)
    assert shown.isprintable()
    assert len(shown) <= escaping.LONG


@given(TEXTS)
def test_whatever_it_is_xml_can_hold_it(text: str) -> None:
    element = ElementTree.Element("a")
    element.text = escaping.xml(text)
    assert ElementTree.fromstring(ElementTree.tostring(element, "utf-8")).tag == "a"


@given(TEXTS)
def test_markdown_keeps_nothing_that_could_mean_something(text: str) -> None:
    assert not re.search(r"[`*_\[\]<>|~@:$\\\n]", escaping.markdown(text))
    assert re.fullmatch(r"([^&#]|&#\d+;)*", escaping.markdown(text))


def test_long_ids_are_shortened() -> None:
    assert escaping.short("x" * 3_000) == "x" * 79 + "…"
    assert escaping.code("x" * 3_000, 120) == f"<code>{'x' * 119}…</code>"


def test_links_that_need_no_markup_are_none() -> None:
    assert escaping.markdown("see www.example.org") == "see www&#46;example.org"


def test_a_block_keeps_its_lines_and_ends_where_we_end_it() -> None:
    assert escaping.block("a\n\n</pre><b>", 100) == "<pre>\na\n\n&lt;/pre&gt;&lt;b&gt;\n</pre>"


def test_annotations_are_escaped_as_github_asks() -> None:
    assert escaping.annotation("50%\r\n::error::x") == "50%25%0D%0A::error::x"
    assert escaping.annotation_property("a:b,c%") == "a%3Ab%2Cc%25"


@pytest.mark.parametrize("text", ["::error::x", "  ::warning::x", "a\n::set-env::b", "some ##[error]x"])
def test_a_log_has_no_command_in_it(text: str) -> None:
    shown = escaping.no_command(text)
    assert not re.search(r"^\s*::|##\[", shown, re.MULTILINE)
