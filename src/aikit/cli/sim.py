"""`aikit sim`: the simulated provider in the foreground."""

from __future__ import annotations

import json as jsonlib
import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from aikit.errors import Exit


def sim(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 is any free one.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the URL and the process id as JSON.")] = False,
) -> None:
    """Run a simulated provider on this machine: six APIs, no key, no bill. For demos and tests."""
    from aikit.sim import serve

    def announce(url: str) -> None:
        typer.echo(f"Simulated provider (not a real one) on {url}", err=True)
        typer.echo(_how_to_use(url), err=True)
        if json:
            print_ready(url)

    try:
        serve(port=port, on_ready=announce)
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


def print_ready(url: str) -> None:
    """One line on stdout as soon as it listens."""
    envelope = {
        "schema": "aikit.sim/1",
        "as_of": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "data": {"url": url, "pid": os.getpid()},
        "totals": {},
    }
    typer.echo(jsonlib.dumps(envelope))


def _how_to_use(url: str) -> str:
    return f"""\
  openai.OpenAI(base_url="{url}/v1", api_key="sim")
  anthropic.Anthropic(base_url="{url}", api_key="sim")
  genai.Client(api_key="sim", http_options={{"base_url": "{url}", "api_version": "v1beta"}})
What it served: {url}/sim/served   Stop it: Ctrl-C"""
