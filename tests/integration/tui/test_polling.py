"""One read at a time, the next when the last has ended; and nothing is left when it has ended."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from aikit.console.model import Query, Snapshot
from aikit.errors import AIKitError
from support.consoles import AWAY, Gate, a_console, answer, read_once, until
from support.snapshots import Scripted

TESTS = Path(__file__).parents[2]


class Counting(Scripted):
    """Knows how many reads are under way at once, and when each began and ended."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.now = self.most = 0
        self.times: list[tuple[float, float]] = []

    def read(self, query: Query) -> Snapshot:
        began = time.monotonic()
        self.now += 1
        self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        try:
            return super().read(query)
        finally:
            self.now -= 1
            self.times.append((began, time.monotonic()))


async def test_the_next_read_starts_when_the_last_has_ended() -> None:
    source = Counting(0.05)
    app = a_console(source, interval=0.03)
    async with app.run_test(size=(100, 30)) as pilot:
        for key in "1234567ttt+-+-r":
            await pilot.press({"+": "plus", "-": "minus"}.get(key, key))
            app.poller.interval = 0.03
        await until(pilot, lambda: len(source.times) > 12)
    assert source.most == 1
    gaps = [after[0] - before[1] for before, after in zip(source.times, source.times[1:], strict=False)]
    assert all(gap >= 0 for gap in gaps)


async def test_without_keys_it_waits_for_its_interval_after_each_read() -> None:
    source = Counting(0.02)
    app = a_console(source, interval=0.2)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: len(source.times) >= 4)
    gaps = [after[0] - before[1] for before, after in zip(source.times, source.times[1:], strict=False)]
    assert min(gaps) >= 0.19


async def test_another_interval_holds_at_once() -> None:
    source = Scripted()
    app = a_console(source, interval=60)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        for _ in range(6):
            await pilot.press("minus")
        assert app.poller.interval == 0.5
        reads = len(source.asked)
        began = time.monotonic()
        await until(pilot, lambda: len(source.asked) >= reads + 3)
        assert time.monotonic() - began < 10
        await pilot.press("minus")
        assert app.poller.interval == 0.5, "not faster than the fastest"
        for _ in range(9):
            await pilot.press("plus")
        assert app.poller.interval == 60.0
        await pilot.pause(0.1)
        reads = len(source.asked)
        await pilot.pause(1.2)
        assert len(source.asked) == reads


async def test_paused_nothing_is_read_but_by_r() -> None:
    source = Scripted()
    app = a_console(source, interval=0.2)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("space")
        await pilot.pause(0.1)
        reads = len(source.asked)
        await pilot.pause(0.8)
        assert len(source.asked) == reads
        await pilot.press("r")
        await until(pilot, lambda: len(source.asked) == reads + 1)
        await pilot.pause(0.6)
        assert len(source.asked) == reads + 1
        await pilot.press("space")
        await until(pilot, lambda: len(source.asked) >= reads + 3)


async def test_paused_another_tab_is_still_read_once() -> None:
    source = Scripted()
    app = a_console(source, interval=0.2)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("space", "2")
        await read_once(pilot)
        reads = len(source.asked)
        await pilot.pause(0.6)
        assert len(source.asked) == reads


async def test_after_failures_it_waits_longer_each_time_and_not_after_it_has_recovered() -> None:
    source = Scripted(*[AWAY] * 7)
    app = a_console(source)
    retries = []
    failed = app.poller._failed

    async def failed_again(error: AIKitError) -> None:
        await failed(error)
        assert app.poller.retry_at is not None
        retries.append(app.poller.retry_at - 1_000)
        app.poller.nudge()

    app.poller._failed = failed_again
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.snapshot is not None)
        assert retries == [1, 2, 4, 8, 10, 10, 10]
        assert app.poller.retry_at is None
        source.then(AWAY)
        app.poller.nudge()
        await until(pilot, lambda: len(retries) == 8)
        assert retries[-1] == 1


async def test_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    app = a_console(interval=0.02)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        for key in ("2", "enter", "escape", "3", "5", "d", "j", "d", "escape", "1"):
            await pilot.press(key)
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert set(threading.enumerate()) - before == set()


async def test_a_read_that_ends_after_the_console_has_ended_is_nobodys_trouble() -> None:
    gate = Gate()
    app = a_console(Scripted(answer, gate))
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("r")
        await until(pilot, gate.entered.is_set)
        await pilot.press("q")
    gate.open()
    await asyncio.sleep(0.05)
    assert app.return_code == 0


HANGING = """
import asyncio, sys, threading, time
sys.path.insert(0, {tests!r})
from aikit.tui import app
from aikit.tui.options import Options
from support.consoles import Notes
from support.snapshots import Scripted

entered = threading.Event()

class Hanging(Scripted):
    def read(self, query):
        entered.set()
        time.sleep(300)

mounted = app.Console.on_mount
began = []

def on_mount(console):
    mounted(console)
    console.run_worker(leave(console))

async def leave(console):
    while not entered.is_set():
        await asyncio.sleep(0.01)
    began.append(time.monotonic())
    await console.action_quit()

app.Console.on_mount = on_mount
code = app.run_console(Hanging(), Options(), Notes())
print(code, time.monotonic() - began[0])
"""


def test_leaving_while_a_read_hangs_takes_less_than_a_second(tmp_path: Path) -> None:
    script = tmp_path / "hanging.py"
    script.write_text(HANGING.format(tests=str(TESTS)))
    environ = {**os.environ, "TEXTUAL_DRIVER": "textual.drivers.headless_driver:HeadlessDriver"}
    done = subprocess.run([sys.executable, script], env=environ, capture_output=True, text=True, timeout=60)
    code, seconds = done.stdout.split()[-2:]
    assert (code, done.returncode) == ("0", 0), done.stderr
    assert float(seconds) < 1
