"""How much of a cap is really used when 64 callers race for the last of it: streams held whole, and held bit by bit.

Requests name no output limit, so each is held at 4,096 output tokens, and uses 40 to 800. A caller that is refused only
because others are in flight tries again; it stops when nothing that is in flight could make room for its request. The
cap is as much as 24 whole holds, so the callers that can't be admitted at once are the greater part.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from harness import a_ledger, add_tenants, report
from sdk import a_simulator

from aikit.async_kit import AsyncAIKit
from aikit.config import Settings, load
from aikit.database.connect import Database
from aikit.errors import AIKitError, SpendCapExceeded

CALLERS = 64
CAP = 60_000_000
"""Nano-USD: 24 holds of 4,096 output tokens and a short prompt at $0.60 a million tokens."""
SHORTEST, LONGEST = 40, 800
PAUSE = 0.05
KINDS: dict[str, dict[str, Any]] = {"whole holds": {}, "leases": {"lease": True}}
SAID = "What follows is dictated. [[sim: {}]]"


async def race(kit: AsyncAIKit, tenant: str) -> Counter[str]:
    """Let all callers call until each has been refused for good; how many calls came to what."""
    chance = random.Random(7)
    done: Counter[str] = Counter()

    async def caller() -> None:
        while True:
            usage = {"input": 20, "output": chance.randint(SHORTEST, LONGEST)}
            said = SAID.format(json.dumps({"usage": usage, "chunk_delay": 0.002}))
            began = False
            try:
                async with await kit.stream(said, model="openai/gpt-4o-mini", tenant=tenant) as stream:
                    async for _ in stream:
                        began = True
                done["answered"] += 1
            except AIKitError as error:
                if not began and not isinstance(error, SpendCapExceeded):
                    raise
                done["cut" if began else "waited"] += 1
                if not (began or error.retryable):
                    return
                await asyncio.sleep(PAUSE)

    await asyncio.gather(*[caller() for _ in range(CALLERS)])
    return done


def settings_for(database: Database, url: str, folder: str) -> Settings:
    config = Path(folder) / "aikit.toml"
    config.write_text(
        f"[database]\nurl = {json.dumps(database.conninfo)}\ndata_dir = {json.dumps(folder)}\n"
        f'[providers.openai]\nbase_url = "{url}/v1"\n'
    )
    return load(config, {**os.environ, "OPENAI_API_KEY": "simulated", "DATABASE_URL": ""})


async def figures_of(name: str, settings: Settings, database: Database) -> dict[str, float | int | str]:
    tenant = name.replace(" ", "-")
    async with AsyncAIKit.open(settings) as kit:
        start = time.perf_counter()
        done = await race(kit, tenant)
        seconds = time.perf_counter() - start
        await asyncio.to_thread(kit.flush)
    with database.connect(role="bench") as connection:
        (used,) = connection.execute(
            "SELECT coalesce(sum(nano), 0)::bigint FROM aikit.entries WHERE tenant = %s", (tenant,)
        ).fetchone() or (0,)
    assert used <= CAP, "the cap was overshot"
    return {
        f"{name}: share of the cap used, %": 100 * used / CAP,
        f"{name}: calls answered": done["answered"],
        f"{name}: streams cut for want of room": done["cut"],
        f"{name}: refusals because others were in flight": done["waited"],
        f"{name}: calls answered a second": done["answered"] / seconds,
    }


def main() -> None:
    with a_ledger() as database, a_simulator() as url, tempfile.TemporaryDirectory() as folder:
        settings = settings_for(database, url, folder)
        figures: dict[str, float | int | str] = {}
        for name, policy in KINDS.items():
            limit = {"metric": "credits", "window": "total", "cap": CAP}
            add_tenants(database, [name.replace(" ", "-")], [limit], **policy)
            figures |= asyncio.run(figures_of(name, settings, database))
        report("contention", figures)


if __name__ == "__main__":
    main()
