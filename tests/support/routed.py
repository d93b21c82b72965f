"""A process that makes calls through a route until it is told to stop, and writes down who served each; see `crew`."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from aikit.config import load
from aikit.errors import AIKitError
from aikit.kit import AIKit
from support.callers import Log
from support.kits import KEYS, TENANT


def call_by_route(job: dict[str, Any]) -> None:
    """Call with some threads until told to stop."""
    log, stop = Log(job["log"]), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with AIKit.open(load(Path(job["config"]), KEYS)) as kit:
        log.say(ready=os.getpid())
        threads = [threading.Thread(target=_call_on, args=(kit, job, log, stop)) for _ in range(job["threads"])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log.say(flushed=kit.flush())


def _call_on(kit: AIKit, job: dict[str, Any], log: Log, stop: threading.Event) -> None:
    while not stop.wait(job["pause"]):
        began = time.time()
        try:
            reply = kit.complete("Say it.", model=job["model"], tenant=TENANT, max_tokens=20)
        except AIKitError as error:
            log.say(process=os.getpid(), began=began, error=error.code, tried=error.facts.get("tried", []))
        else:
            tried = [[one.model, one.code] for one in reply.tried]
            log.say(process=os.getpid(), began=began, call=str(reply.call_id), tried=tried)
