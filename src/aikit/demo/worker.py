"""One process of the demo: callers that call until the cap has refused each of them. `python -m aikit.demo.worker SDK…`

It says `ready` when its SDKs are imported, is told in one JSON line what to do, and answers with one JSON line.
When its standard input ends, the demo is over or dead, and it ends at once.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib import import_module
from itertools import count, cycle
from pathlib import Path
from typing import Any

from aikit.demo.sdks import QUESTIONS, SDKS, Sdk
from aikit.kit import AIKit

READY = "ready\n"
PAUSE = 0.1
"""Seconds before another try when only calls that are still running stood in the way."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a process is told: the configuration to open, in whose name to call, with how many callers."""

    config: str
    tenant: str
    callers: int


@dataclass(slots=True)
class Report:
    """What one caller, or all callers of a process, did. `refusals` shows the last refusal in each SDK's own words."""

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


def work(job: Job, sdks: list[Sdk]) -> Report:
    """Call with as many callers as told, the SDKs in turn, until each was refused. Raises what an SDK raised else."""
    total = Report()
    with AIKit.open(config=Path(job.config)) as kit, ThreadPoolExecutor(job.callers) as pool:
        clients = {sdk.name: sdk.client(kit, job.tenant) for sdk in sdks}
        turns = zip(range(job.callers), cycle(sdks), strict=False)
        running = [pool.submit(_call_until_refused, sdk, clients[sdk.name], number) for number, sdk in turns]
        for caller in running:
            total.add(caller.result())
    return total


def _call_until_refused(sdk: Sdk, client: Any, number: int) -> Report:
    report = Report()
    for model, question, stream in _requests(sdk, number):
        try:
            sdk.call(client, model, question, stream)
        except Exception as error:
            response = getattr(error, "response", None)
            if getattr(response, "status_code", None) != 402:
                raise
            if response.headers["x-should-retry"] == "true":
                report.waited += 1
                time.sleep(PAUSE)
                continue
            report.stopped += 1
            report.refusals[sdk.name] = {
                "exception": f"{type(error).__module__}.{type(error).__qualname__}",
                "status": 402,
                "body": json.loads(response.text),
            }
            break
        report.calls += 1
    return report


def _requests(sdk: Sdk, number: int) -> Iterator[tuple[str, str, bool]]:
    """Models, questions, and plain or streamed, in turn; each caller begins elsewhere."""
    for turn in count(number):
        models, questions = len(sdk.models), len(QUESTIONS)
        yield sdk.models[turn % models], QUESTIONS[turn % questions], turn // models % 2 == 1


def _end_with_the_demo() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


def main(names: list[str]) -> None:
    answers, sys.stdout = sys.stdout, sys.stderr
    sdks = [SDKS[name] for name in names]
    for sdk in sdks:
        import_module(sdk.module)
    answers.write(READY)
    answers.flush()
    job = Job(**json.loads(sys.stdin.readline() or sys.exit(1)))
    threading.Thread(target=_end_with_the_demo, daemon=True).start()
    report = work(job, sdks)
    answers.write(json.dumps(asdict(report)) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
