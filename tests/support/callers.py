"""The program behind `support.crew`: it imports what callers need, once, and forks a caller for each job it is told.

A caller calls models in all ways there are until it is told to stop (SIGTERM), or killed. It writes what came of each
call to a file, a line of JSON each, before it makes the next.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai

from aikit.config import load
from aikit.context import tags
from aikit.errors import AIKitError, DatabaseUnavailable
from aikit.kit import AIKit
from aikit.types import Tags
from support.kits import KEYS
from support.reckoning import question

MODELS = ("openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash-lite")
WAYS = ("sdk", "raw", "complete")


class Caller:
    """Calls through one kit, in one of the ways, plain or streamed."""

    def __init__(self, kit: AIKit, max_tokens: int) -> None:
        self._kit = kit
        self._max_tokens = max_tokens
        provider = kit.settings.provider("openai")
        self._sdk = kit.openai(max_retries=0)
        self._raw = kit.channels(provider, Tags()).sync(None)
        self._url = f"{provider.base_url}/chat/completions"

    def call(self, number: int, tenant: str, way: str, stream: bool, **fault: Any) -> None:
        """Make call `number`. Raises what that way raises."""
        text = question(number, self._max_tokens, **fault)
        with tags(tenant=tenant, user=f"n{number}"):
            if way == "complete":
                self._complete(number, text, stream)
            elif way == "sdk":
                self._by_sdk(text, stream)
            else:
                self._by_http(text, stream)

    def _complete(self, number: int, text: str, stream: bool) -> None:
        model = MODELS[number // 6 % len(MODELS)]
        if stream:
            for _ in self._kit.stream(text, model=model, max_tokens=self._max_tokens):
                pass
        else:
            self._kit.complete(text, model=model, max_tokens=self._max_tokens)

    def _by_sdk(self, text: str, stream: bool) -> None:
        reply = self._sdk.chat.completions.create(**self._body(text, stream))
        if stream:
            for _ in reply:
                pass

    def _by_http(self, text: str, stream: bool) -> None:
        with self._raw.stream("POST", self._url, json=self._body(text, stream)) as response:
            for _ in response.iter_bytes():
                pass
            response.raise_for_status()

    def _body(self, text: str, stream: bool) -> dict[str, Any]:
        messages = [{"role": "user", "content": text}]
        most = {"max_completion_tokens": self._max_tokens}
        return {"model": "gpt-4o-mini", "messages": messages, "stream": stream, **most}


class Log:
    """Lines of JSON in a file. A line is there, whole, once `say` has returned, whatever becomes of the process."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def say(self, **facts: Any) -> None:
        os.write(self._file, (json.dumps({"at": time.time(), **facts}) + "\n").encode())


def wait_until_quiet(kit: AIKit) -> None:
    """Until the meter has looked for what others left behind: from then on only calls go over the line."""
    workers = kit.meter._workers
    while not workers._expire_at or workers._turns.due is not None:
        time.sleep(0.005)


def call_on(job: dict[str, Any]) -> None:
    """Call with some threads until told to stop."""
    log, stop = Log(job["log"]), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    numbers = iter(range(job["first"], job["first"] + job["numbers"]))
    lock = threading.Lock()

    def run(caller: Caller) -> None:
        for number in _drawn(numbers, lock):
            tenant = job["tenants"][number % len(job["tenants"])]
            began = time.monotonic()
            outcome = _outcome(caller, number, tenant, job["fault"])
            log.say(n=number, outcome=outcome, seconds=round(time.monotonic() - began, 4))
            if stop.is_set():
                return
            time.sleep(job["pause"])

    with _opened(Path(job["config"])) as kit:
        log.say(ready=os.getpid())
        threads = [threading.Thread(target=run, args=(Caller(kit, job["max_tokens"]),)) for _ in range(job["threads"])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log.say(flushed=kit.flush())


def _opened(config: Path) -> AIKit:
    """A kit, once there is a ledger: what starts a process anew when that has gone would do the same."""
    while True:
        try:
            return AIKit.open(load(config, KEYS))
        except DatabaseUnavailable:
            time.sleep(0.05)


def _drawn(numbers: Iterator[int], lock: threading.Lock) -> Iterator[int]:
    while True:
        with lock:
            number = next(numbers, None)
        if number is None:
            return
        yield number


def _outcome(caller: Caller, number: int, tenant: str, fault: dict[str, Any]) -> str:
    """Make the call, in all ways in turn, and say what came of it."""
    try:
        caller.call(number, tenant, WAYS[number % 3], number % 2 == 0, **fault)
    except Exception as error:
        status = getattr(getattr(error, "response", error), "status_code", None) or getattr(error, "status", None)
        return f"refused {status}" if status in (402, 403, 429, 503) else f"{type(error).__name__} {status}"
    return "answered"


def call_once(job: dict[str, Any]) -> None:
    """Make a call, and another one that stands still at the point that the job names (`support.kill_points`).

    The first lets the meter know the counters, so that the second is admitted, and posted, by one statement each.
    """
    from support.kill_points import stand_still_at

    log = Log(job["log"])
    with AIKit.open(load(Path(job["config"]), KEYS)) as kit:
        wait_until_quiet(kit)
        caller = Caller(kit, job["max_tokens"])
        caller.call(job["number"], job["tenant"], "complete", False)
        assert kit.flush()
        log.say(ready=os.getpid())
        stand_still_at(job["point"], log.say, job["go"])
        try:
            caller.call(job["number"] + 1, job["tenant"], job["way"], job["stream"], **job["fault"])
            kit.flush()
        except (AIKitError, openai.APIError) as error:
            log.say(error=repr(error))


def main() -> None:
    orders, answers = sys.stdin, os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    children: set[int] = set()
    for line in orders:
        order = json.loads(line)
        if job := order.get("job"):
            pid = os.fork()
            if not pid:
                _be_caller(job)
            children.add(pid)
            answer: Any = pid
        else:
            pid = order["pid"]
            assert pid in children
            os.kill(pid, order["signal"])
            answer = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if order["wait"] else None
            if order["wait"]:
                children.remove(pid)
        print(json.dumps(answer), file=answers, flush=True)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _be_caller(job: dict[str, Any]) -> None:
    code = 1
    try:
        parent = os.getppid()
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        if job["task"] == "route":
            from support.routed import call_by_route

            call_by_route(job)
        else:
            {"on": call_on, "once": call_once}[job["task"]](job)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    main()
