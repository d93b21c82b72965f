"""What metering adds to a call of the official OpenAI SDK, against the simulated provider in a process of its own.

One caller: bare calls, metered calls and single-row UPDATE commits of the same database in turn, medians, and the
difference of the calls as a multiple of the commit. 16 callers (coroutines): calls a second, bare and metered in turn.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
from harness import a_ledger, add_tenants, commit_microseconds, report

from aikit.async_kit import AsyncAIKit
from aikit.config import load
from aikit.kit import AIKit

ROUNDS = 7
CALLS = 150
CONCURRENT = 16
ASK: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "Say in one sentence what a ledger is."}],
    "max_completion_tokens": 40,
}


@contextmanager
def a_simulator() -> Iterator[str]:
    """The simulated provider in a process of its own."""
    command = [sys.executable, "-m", "aikit", "sim", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["data"]["url"]
    finally:
        process.terminate()
        process.wait()


def one_caller(bare: openai.OpenAI, metered: openai.OpenAI, yardstick: Callable[[], Any]) -> list[float]:
    """Medians in µs of a metered call, a bare call, and a commit, taken in turn: all three meet the same machine."""
    calls = (  # the commit stands farthest from the metered call, whose settlement is posted behind it
        lambda: metered.chat.completions.create(**ASK),
        lambda: bare.chat.completions.create(**ASK),
        yardstick,
    )
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(3 * CALLS):
        for call, times in zip(calls, taken, strict=True):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    return [statistics.median(times[CALLS // 5 :]) * 1e6 for times in taken]


async def rate(call: Callable[[], Awaitable[object]]) -> float:
    """Calls a second with 16 callers."""

    async def caller() -> None:
        for _ in range(CALLS // 4):
            await call()

    start = time.perf_counter()
    await asyncio.gather(*[caller() for _ in range(CONCURRENT)])
    return CONCURRENT * (CALLS // 4) / (time.perf_counter() - start)


async def sixteen_callers(bare: openai.AsyncOpenAI, metered: openai.AsyncOpenAI) -> tuple[float, float, float]:
    """Medians of the rates, and the median of the ratios of neighbours."""
    rates: tuple[list[float], list[float]] = ([], [])
    for round_ in range(2 * ROUNDS + 2):
        client = (bare, metered)[round_ % 2]
        found = await rate(lambda client=client: client.chat.completions.create(**ASK))
        if round_ > 1:
            rates[round_ % 2].append(found)
    ratio = statistics.median(b / a for a, b in zip(*rates, strict=True))
    return statistics.median(rates[0]), statistics.median(rates[1]), ratio


def main() -> None:
    with a_ledger() as database, a_simulator() as url, tempfile.TemporaryDirectory() as folder:
        add_tenants(database, ["acme"])
        add_tenants(database, ["monthly"], [{"metric": "credits", "window": "month"}])
        config = Path(folder) / "aikit.toml"
        config.write_text(
            f"[database]\nurl = {json.dumps(database.conninfo)}\ndata_dir = {json.dumps(folder)}\n"
            f'[providers.openai]\nbase_url = "{url}/v1"\n'
        )
        settings = load(config, {**os.environ, "OPENAI_API_KEY": "simulated", "DATABASE_URL": ""})
        bare = openai.OpenAI(base_url=f"{url}/v1", api_key="simulated", max_retries=0)
        figures: dict[str, float | int | str] = {
            "single-row UPDATE commit in a tight loop, µs": commit_microseconds(database)
        }
        with AIKit.open(settings) as kit, database.connect(role="bench") as connection:
            update = "UPDATE yardstick SET n = n + 1 WHERE id = 1"
            for limits, tenant in (("one limit", "monthly"), ("four limits", "acme")):
                metered, plain, commit = one_caller(
                    bare, kit.openai(tenant=tenant), lambda: connection.execute(update, prepare=True)
                )
                figures |= {
                    f"{limits}, 1 caller: bare SDK call, µs": plain,
                    f"{limits}, 1 caller: metered SDK call, µs": metered,
                    f"{limits}, 1 caller: single-row UPDATE commit between them, µs": commit,
                    f"{limits}, 1 caller: added, µs": metered - plain,
                    f"{limits}, 1 caller: added, in commits (aim: at most 3)": (metered - plain) / commit,
                }

        async def concurrent() -> tuple[float, float, float]:
            async with AsyncAIKit.open(settings) as kit:
                bare = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="simulated", max_retries=0)
                return await sixteen_callers(bare, kit.openai(tenant="acme"))

        plain_rate, metered_rate, ratio = asyncio.run(concurrent())
        figures |= {
            "16 callers: bare SDK, calls/s": plain_rate,
            "16 callers: metered SDK, calls/s": metered_rate,
            "16 callers: metered / bare (aim: at least 0.90)": ratio,
        }
        report("sdk", figures)


if __name__ == "__main__":
    main()
