"""An evening to look at: tenants with caps, prompts and evals of this repository, a provider that fails, a runaway.

Everything is real but the providers: the kit, the official SDKs in processes of the demo's, PostgreSQL, the gate.
"""

from __future__ import annotations

import io
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from threading import Event

from aikit.cli.app import command
from aikit.cli.errors import run
from aikit.demo.crew import crew, environment
from aikit.demo.sdks import QUESTIONS
from aikit.demo.stage import THINKING_SECONDS, Stage, stage
from aikit.demo.worker import Job
from aikit.errors import AIKitError
from aikit.kit import AIKit

ROOT = Path(__file__).parents[2]
HAIKU, MINI = "anthropic/claude-haiku-4-5", "openai/gpt-5-mini"
FLASH, LITE = "gemini/gemini-2.5-flash", "gemini/gemini-2.5-flash-lite"
THREAD = "Ann: The invoice of March lists the same late fee twice. Bob: Please credit one of them before Friday. " * 30
A_SECOND = 0.005
"""Dollars: what acme may spend for each second that the evening lasts, which the loop comes to before the end."""
SET_UP = (
    "tenant add acme",
    "tenant add globex",
    "tenant add initech",
    "tenant add new-team --uncapped",
    "limit set --tenant acme --window day --usd {cap:.2f} --soft-usd {soft:.2f} --reason agreed-with-sales",
    "limit set --tenant acme --window month --usd 40.00",
    "limit set --tenant globex --window day --usd {small:.2f}",
    "limit set --tenant initech --window month --usd 20.00",
    "limit set --tenant initech --metric requests --window minute --cap 300",
    "prompt publish",
    "eval summarize --prompt summarize@v1",
    "eval summarize --gate",
    "eval verdict --gate",
    "eval judge --gate",
    "prompt promote summarize@v1 production --force --reason first-version",
    "prompt promote summarize@v2 production --reason says-what-is-open",
    "eval summarize --prompt summarize@v3",
    "eval summarize --gate",
)


@dataclass(frozen=True)
class Caller:
    """One thread's calls. `share` of the evening is when it begins, `pause` is in seconds."""

    tenant: str
    feature: str
    model: str
    pause: float
    begins: float = 0.0
    prompt: str | None = None


CALLERS = (
    Caller("acme", "summarize", HAIKU, 0.6, prompt="summarize@production"),
    Caller("acme", "chat", MINI, 0.9),
    Caller("globex", "extract", LITE, 0.5),
    Caller("globex", "chat", FLASH, 1.1, begins=0.2),
    Caller("initech", "search", MINI, 0.4),
    Caller("initech", "summarize", HAIKU, 1.5, begins=0.3, prompt="summarize@production"),
    Caller("new-team", "trial", FLASH, 1.0, begins=0.5),
    *[Caller("acme", "summarize", HAIKU, 0.05, begins=0.6, prompt="summarize@production")] * 3,
)
"""The last are the retry loop around a retry loop."""


@contextmanager
def evening(at: Path, seconds: float) -> Iterator[Stage]:
    """Play it in this folder, for so many seconds and then on until whoever looks at it has seen enough."""
    for name in set(os.environ) - set(environment(os.environ)):
        del os.environ[name]
    os.environ.update(environment(os.environ) | {"AIKIT_ACTOR": "ops@db1"})
    for name in ("prompts", "evals"):
        shutil.copytree(ROOT / name, at / name, ignore=shutil.ignore_patterns("runs", "__pycache__"))
    with crew([("openai",), ("anthropic",)], at) as members, stage(at) as on:
        cap = max(0.2, seconds * A_SECOND)
        for line in SET_UP:
            _aikit(at, line.format(cap=cap, soft=cap * 0.75, small=cap * 0.4))
        for member in members:
            member.tell(Job(str(on.config), "globex", 2))
        for member in members:
            member.wait()
        enough = Event()
        with ThreadPoolExecutor(len(CALLERS)) as pool:
            for each in CALLERS:
                pool.submit(_call, on.kit, each, time.monotonic() + each.begins * seconds, enough)
            try:
                time.sleep(seconds * 0.4)
                for member in members:
                    member.begin()
                time.sleep(seconds * 0.4)
                _aikit(at, "prompt promote summarize@v3 production --force --reason friendlier")
                time.sleep(seconds * 0.2)
                on.simulator.reset()
                on.simulator.fault(model="gemini-2.5-flash", status=503)
                on.simulator.fault(delay=THINKING_SECONDS)
                time.sleep(8)
                yield on
            finally:
                enough.set()


def _call(kit: AIKit, caller: Caller, begins: float, enough: Event) -> None:
    enough.wait(max(0.0, begins - time.monotonic()))
    for number, question in enumerate(cycle(QUESTIONS)):
        if enough.is_set():
            return
        with suppress(AIKitError):
            asked = kit.prompt(caller.prompt, thread=THREAD) if caller.prompt else f"{question}\n{THREAD}"
            kit.complete(
                asked, model=caller.model, tenant=caller.tenant, feature=caller.feature, user=f"u-{number % 7}",
                max_tokens=200,
            )  # fmt: skip
        enough.wait(caller.pause)


def _aikit(at: Path, line: str) -> None:
    """As a shell in that folder would run it; a gate may say no."""
    said = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with chdir(at), redirect_stdout(said), redirect_stderr(said):
        code = run(lambda **options: command(line.split(), prog_name="aikit", **options))
    if code not in (0, 1):
        said.seek(0)
        raise SystemExit(f"aikit {line}\n{said.read()}")
