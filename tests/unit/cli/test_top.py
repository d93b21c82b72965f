"""What `aikit top` starts: the console, here or behind a page, with the options that it was given."""

from __future__ import annotations

import sys

import pytest

from aikit.cli import top, top_web
from aikit.cli.app import command
from aikit.console.model import Period, Tab
from aikit.errors import ConfigError
from aikit.tui.options import Options

ALL = [
    Options(),
    Options(Tab.CALLS, Period.WEEK, "tenant:'two words' !status:ok", 0.5, True, True, "textual-light"),
    Options(filter="", theme="-odd"),
    Options(Tab.LIMITS, interval=60),
]


@pytest.mark.parametrize("options", ALL)
def test_a_console_behind_a_page_has_the_options_that_were_given(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Options] = []
    monkeypatch.setenv(top.DRIVER, "anything")
    monkeypatch.setattr(top, "_show", started.append)
    command(["top", *top_web.arguments(options)], prog_name="aikit", standalone_mode=False)
    assert started == [options]


def test_without_textual_serve_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.delitem(sys.modules, "aikit.cli.web.server", raising=False)
    with pytest.raises(ConfigError) as raised:
        top_web.serve(Options(), None)
    assert raised.value.remedy is not None
    assert "pip install 'aikit[web]'" in raised.value.remedy
