"""`aikit sim`: the simulated provider in the foreground."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from aikit.cli.output import emit_json, note
from aikit.errors import Exit


def sim(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 is any free one.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the URL and the process id as JSON.")] = False,
) -> None:
    """Run a simulated provider on this machine: six APIs, no key, no bill. For demos and tests."""
    from aikit.sim import serve

    def announce(url: str) -> None:
        for text in _how_to_use(url).splitlines():
            note(text)
        if json:
            emit_json("sim", {"url": url, "pid": os.getpid()})

    try:
        serve(port=port, on_ready=announce)
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


def _how_to_use(url: str) -> str:
    return f"""\
Simulated provider (not a real one) on {url}
  openai.OpenAI(base_url="{url}/v1", api_key="sim")
  anthropic.Anthropic(base_url="{url}", api_key="sim")
  genai.Client(api_key="sim", http_options={{"base_url": "{url}", "api_version": "v1beta"}})
What it served: {url}/sim/served   Stop it: Ctrl-C"""
