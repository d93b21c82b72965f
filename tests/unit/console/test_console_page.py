"""The reference of the console has every key, every column and every field, as the code has them."""

from __future__ import annotations

from support.console_page import PAGE, written


def test_the_page_has_what_the_code_has() -> None:
    page = PAGE.read_text("utf-8")
    assert page == written(page), "PYTHONPATH=tests python -m support.console_page"
