"""One process of the demo: callers that call until the cap has refused each of them. `python -m aikit.demo.worker SDK…`

It imports its SDKs, reads its job (a JSON line), says `ready`, waits for `go`, and answers with its report (a JSON
line). When its standard input ends, the demo is over or dead, and it ends at once.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib import import_module
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

from aikit.demo.sdks import QUESTIONS, SDKS, Sdk

READY, GO = "ready\n", "go\n"
PAUSE = 0.1
"""Seconds before another try when only calls that are still running stood in the way."""
STREAMED = 4
"""One call in so many is streamed."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a process is told: the configuration to open, in whose name to call, with how many callers."""

    config: str
    tenant: str
    callers: int


@dataclass(slots=True)
class Report:
    """What one caller, or many, did. `refusals` has, by SDK, the last refusal as that SDK raised it."""

    calls: int = 0
    waited: int = 0
    """Refusals because only calls in flight stood in the way; the caller tried again."""
    stopped: int = 0
    """Refusals because the cap is used up; the caller stopped."""
    refusals: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, other: Report) -> None:
        self.calls += other.calls
        self.waited += other.waited
        self.stopped += other.stopped
        self.refusals |= other.refusals


def main(names: Sequence[str]) -> None:
    answers, sys.stdout = sys.stdout, sys.stderr
    _import([SDKS[name].module for name in names])
    job = Job(**json.loads(sys.stdin.readline() or sys.exit(1)))
    from aikit.kit import AIKit

    with AIKit.open(config=Path(job.config)) as kit:
        clients = {name: SDKS[name].client(kit, job.tenant) for name in names}
        print(READY, end="", file=answers, flush=True)
        if sys.stdin.readline() != GO:
            sys.exit(1)
        threading.Thread(target=_end_with_the_demo, daemon=True).start()
        report = call_until_refused(clients, job.callers)
    print(json.dumps(asdict(report)), file=answers, flush=True)
    os._exit(0)  # to take the SDKs apart again would take longer than the calls


def call_until_refused(clients: Mapping[str, Any], callers: int) -> Report:
    """Call with so many threads, through the SDKs in turn. Raises what an SDK raised that was no refusal by the cap."""
    total = Report()
    with ThreadPoolExecutor(callers) as pool:
        names = islice(cycle(clients), callers)
        running = [pool.submit(_caller, SDKS[name], clients[name], number) for number, name in enumerate(names)]
        for caller in running:
            total.add(caller.result())
    return total


def _caller(sdk: Sdk, client: Any, number: int) -> Report:
    report = Report()
    for model, question, stream in _requests(sdk, number):
        try:
            sdk.call(client, model, question, stream)
            report.calls += 1
        except Exception as error:
            response = getattr(error, "response", None)
            if response is None or response.status_code != 402:
                raise
            if response.headers["x-should-retry"] == "false":
                report.stopped += 1
                report.refusals[sdk.name] = _seen(error, response)
                break
            report.waited += 1
            time.sleep(PAUSE)
    return report


def _requests(sdk: Sdk, number: int) -> Iterator[tuple[str, str, bool]]:
    """Models, questions, and plain or streamed, in turn; each caller begins elsewhere."""
    for turn in count(number):
        yield sdk.models[turn % len(sdk.models)], QUESTIONS[turn % len(QUESTIONS)], turn % STREAMED == 0


def _seen(error: Exception, response: Any) -> dict[str, Any]:
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    return {"exception": name, "status": response.status_code, "body": json.loads(response.text)}


def _import(modules: Sequence[str]) -> None:
    """Collecting garbage while nothing but long-lived objects is made costs a fifth of the time."""
    gc.disable()
    for name in (*modules, "aikit.kit"):
        import_module(name)
    gc.freeze()
    gc.enable()


def _end_with_the_demo() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
