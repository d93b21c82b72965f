"""Processes that call models, to be killed at any moment: forked by a process that has imported everything already."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from support.kits import TENANT
from support.reckoning import MAX_TOKENS


class Crew:
    """Starts and ends callers. A context manager; when it ends, or this process does, all of them end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = 0
        self._logs: list[Path] = []
        tests = Path(__file__).parents[1]
        path = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(tests)])
        self._errors = (folder / "callers.err").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "support.callers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._errors.close()

    def start(
        self,
        config: Path,
        *,
        tenants: tuple[str, ...] = (TENANT,),
        threads: int = 4,
        numbers: int = 2000,
        pause: float = 0.0,
        max_tokens: int = MAX_TOKENS,
        **fault: Any,
    ) -> int:
        """A caller that goes on calling, with numbers of its own, until `stop` or `kill`; its pid."""
        return self._start(
            task="on",
            config=str(config),
            tenants=tenants,
            threads=threads,
            first=self._started * numbers,
            numbers=numbers,
            pause=pause,
            max_tokens=max_tokens,
            fault=fault,
        )

    def once(
        self,
        config: Path,
        number: int,
        *,
        point: str,
        way: str,
        stream: bool,
        tenant: str = TENANT,
        max_tokens: int = MAX_TOKENS,
        **fault: Any,
    ) -> int:
        """A caller that calls twice, and stands still at this point of its second call, `number` + 1; its pid."""
        go = self._folder / f"go-{self._started}"
        return self._start(
            task="once",
            config=str(config),
            tenant=tenant,
            max_tokens=max_tokens,
            number=number,
            point=point,
            way=way,
            stream=stream,
            fault=fault,
            go=str(go),
        )

    def route(self, config: Path, model: str, *, threads: int, pause: float) -> int:
        """A caller that goes on calling this model, or route, until `stop` or `kill`; its pid."""
        return self._start(task="route", config=str(config), model=model, threads=threads, pause=pause)

    def kill(self, pid: int) -> bool:
        """`kill -9`; returns when the process is gone. False: it had ended by itself."""
        return bool(self._ask(pid=pid, signal=signal.SIGKILL, wait=True) == -signal.SIGKILL)

    def stop(self, pid: int) -> None:
        """Have it finish what it is calling, flush and end well."""
        code = self._ask(pid=pid, signal=signal.SIGTERM, wait=True)
        assert code == 0, self.errors()

    def pause(self, pid: int) -> None:
        self._ask(pid=pid, signal=signal.SIGSTOP, wait=False)

    def resume(self, pid: int) -> None:
        self._ask(pid=pid, signal=signal.SIGCONT, wait=False)

    def said(self) -> list[dict[str, Any]]:
        """What all callers have written so far."""
        return [line for log in self._logs for line in _lines(log)]

    def answered(self) -> list[dict[str, Any]]:
        """The calls that were answered."""
        return [line for line in self.said() if line.get("outcome") == "answered"]

    def errors(self) -> str:
        """What callers wrote to their standard error."""
        return Path(self._errors.name).read_text()

    def said_last(self) -> list[dict[str, Any]]:
        """What the caller that was started last has written so far."""
        return _lines(self._logs[-1])

    def go(self) -> None:
        """Let the caller that was started last go on from where it waits."""
        (self._folder / f"go-{self._started - 1}").touch()

    def _start(self, **job: Any) -> int:
        log = self._folder / f"caller-{self._started}.log"
        self._logs.append(log)
        pid = self._ask(job={**job, "log": str(log)})
        self._started += 1
        assert isinstance(pid, int)
        return pid

    def _ask(self, **order: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, self.errors()
        return json.loads(answer)


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    with Crew(tmp_path) as crew:
        yield crew
