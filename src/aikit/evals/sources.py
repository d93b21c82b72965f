"""Opens what a mode takes its answers from: recordings in replay, and a kit that is opened with the first call else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aikit.config import Settings
from aikit.evals.model import Mode, Suite
from aikit.evals.models import Recorder, Replay, Source
from aikit.evals.recordings import read_recordings, recordings_path

if TYPE_CHECKING:
    from aikit.async_kit import AsyncAIKit

SourceOf = Callable[[Suite, int | None, int | None, str], Source]
"""Of a suite, with a budget in nano-USD and a concurrency in place of its own, and the command that records it."""


@contextmanager
def open_source(
    mode: Mode, settings: Settings, folder: Path, runner: asyncio.Runner, *, simulated: bool
) -> Iterator[SourceOf]:
    """What makes the sources of suites, in the folder of the evals. What was opened for them is closed at the end."""
    kits = Kits(settings)

    def source_of(suite: Suite, budget_nano: int | None, concurrency: int | None, command: str) -> Source:
        recordings = read_recordings(recordings_path(folder, suite.name), suite.name)
        if mode is Mode.REPLAY:
            return Replay(recordings, command)
        live = _live(kits, settings, suite, budget_nano, concurrency, simulated=simulated)
        if mode is Mode.LIVE:
            return live
        from aikit import __version__

        return Recorder(recordings, live, refresh=mode is Mode.REFRESH, version=__version__)

    try:
        yield source_of
    finally:
        runner.run(kits.close())


class Kits:
    """The one kit of a run, opened when it is asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opening: asyncio.Lock | None = None
        self._kit: AsyncAIKit | None = None

    async def open(self) -> AsyncAIKit:
        """Raises ConfigError and DatabaseError."""
        if self._kit is None:
            self._opening = self._opening or asyncio.Lock()
            async with self._opening:
                if self._kit is None:
                    self._kit = await asyncio.to_thread(self._open)
        return self._kit

    def _open(self) -> AsyncAIKit:
        from aikit.async_kit import AsyncAIKit
        from aikit.evals.tenant import settle_in

        kit = AsyncAIKit.open(self._settings)
        settle_in(kit.database, self._settings.evals_tenant)
        return kit

    async def close(self) -> None:
        """Everything is settled when this returns."""
        if self._kit is not None:
            await self._kit.close()
            self._kit = None


def _live(
    kits: Kits,
    settings: Settings,
    suite: Suite,
    budget_nano: int | None,
    concurrency: int | None,
    *,
    simulated: bool,
) -> Source:
    from aikit.evals.bounding import Bounds
    from aikit.evals.budget import Budget
    from aikit.evals.limiting import DEFAULT, Limiter
    from aikit.evals.live import Live
    from aikit.evals.simulated import latency_ms

    return Live(
        kits.open,
        suite=suite.name,
        tenant=settings.evals_tenant,
        bounds=Bounds(settings),
        budget=Budget(suite.budget_nano if budget_nano is None else budget_nano),
        limiter=Limiter(concurrency or suite.concurrency or DEFAULT),
        simulated=simulated,
        latency=latency_ms if simulated else None,
    )
