"""Calls that arrive while the console looks: so many a second through a real meter, from a process of its own.

Run by itself it goes on until its standard input is closed, ends what is in flight, and says on stdout what it did.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from aikit.database.connect import Database
from aikit.meter.engine import Meter
from aikit.meter.opening import open_meter
from aikit.meter.prices import PriceRow
from aikit.types import Call, Cost, Decision, Ending, Entry, Order, PromptId, Tags, Usage, new_id
from bench.console_world import CAUTIOUS, FEATURES, MODELS, USERS, Model, drafts, tenant

STEP = 0.05
"""Seconds between two handfuls of calls."""
OF_PRICE = {model.price.id: model.price for model in MODELS}
PROMPTS = {draft.prompt.name: draft.prompt.id for draft in drafts()}
"""The newest version of each."""


def price_row(price_id: str) -> PriceRow:
    price = OF_PRICE[price_id]
    return PriceRow(price.id, price.provider, price.model, price.source, price.version, json.dumps(price.to_json()))


class Talk(NamedTuple):
    """A conversation: who with what on which model."""

    tags: Tags
    model: Model
    prompt: PromptId | None


TALKS: deque[Talk] = deque(maxlen=1_000)
"""The newest; three of four calls are part of one."""


def talk() -> Talk:
    if TALKS and random.random() < 0.75:
        return random.choice(TALKS)
    feature = random.choices(FEATURES, (45, 25, 20, 10))[0]
    models = [number for number in feature.models if number != CAUTIOUS]
    user = f"user-{1 + int(USERS * random.random() ** 2)}"
    tags = Tags(tenant(int(2001 ** random.random())), user, feature.name, "prod")
    prompt = PROMPTS[feature.prompt] if feature.prompt else None
    TALKS.append(Talk(tags, MODELS[random.choice(models) - 1], prompt))
    return TALKS[-1]


def draw() -> tuple[Order, Model]:
    """A short call, by whom and for what as in the seeded database."""
    tags, model, prompt = talk()
    call = Call(new_id(), tags, model.provider, model.name, model.api, False, prompt)
    paid, most = 200 * max(model.input, model.cache_write), 100
    nano = paid + most * model.output
    cost = Cost(((paid, model.output),), 1)
    return Order(new_id(), call, nano, 200 + most, model.price.id, output_tokens=most, cost=cost), model


def ending(decision: Decision, model: Model, began: float) -> Entry:
    assert decision.hold is not None
    took = round((time.monotonic() - began) * 1000)
    if random.random() < 0.01:
        return Entry(decision.hold, Ending.VOIDED, 0, status=500, error="server_error", duration_ms=took)
    usage = Usage(input=random.randint(20, 90), output=random.randint(5, 60))
    nano = model.price.cost(usage)
    return Entry(decision.hold, Ending.SETTLED, nano, usage, status=200, duration_ms=took)


async def drive(meter: Meter, rate: int, stop: threading.Event) -> Counter[str]:
    """Start `rate` calls a second, evenly, whatever the ones before are at."""
    told: Counter[str] = Counter()
    ending_now = asyncio.Event()

    async def one() -> None:
        order, model = draw()
        began = time.monotonic()
        decision = await meter.admit_async(order)
        told["admitted" if decision.allowed else "refused"] += 1
        if decision.allowed:
            lasts = random.lognormvariate(0, 0.5)
            with suppress(TimeoutError):
                await asyncio.wait_for(ending_now.wait(), lasts)
            meter.end(ending(decision, model, began))

    running: set[asyncio.Task[None]] = set()
    start, asked = time.monotonic(), 0
    while not stop.is_set():
        due = int((time.monotonic() - start) * rate)
        for _ in range(due - asked):
            task = asyncio.ensure_future(one())
            running.add(task)
            task.add_done_callback(running.discard)
        asked = due
        await asyncio.sleep(STEP)
    seconds = time.monotonic() - start
    ending_now.set()
    await asyncio.gather(*running)
    return told + Counter({"seconds": round(seconds)})


@contextmanager
def traffic(database: Database, rate: int) -> Iterator[None]:
    """Calls arrive at this rate until the end of the block; says on stderr how many did. 0: none."""
    if not rate:
        yield
        return
    command = [sys.executable, "-m", "bench.console_traffic", database.conninfo, str(rate)]
    pipe, tests = subprocess.PIPE, Path(__file__).parents[1]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True, cwd=tests) as process:
        assert process.stdin and process.stdout
        try:
            yield
            if process.poll() is not None:
                raise RuntimeError(f"the calls stopped arriving: exit code {process.returncode}")
        finally:
            process.stdin.close()
            print(f"calls: {process.stdout.read().decode().strip()}", file=sys.stderr)


def main() -> None:
    conninfo, rate = sys.argv[1], int(sys.argv[2])
    stop = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.buffer.read()
        stop.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    database = Database(conninfo, True, "bench")
    with tempfile.TemporaryDirectory() as folder, open_meter(database, Path(folder), price_row) as meter:
        told = asyncio.run(drive(meter, rate, stop))
        assert meter.flush()
    per_second = (told["admitted"] + told["refused"]) / max(1, told["seconds"])
    print(json.dumps({**told, "per_second": round(per_second, 1)}))


if __name__ == "__main__":
    main()
