"""The simulated provider as a fixture: a server in a thread, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aikit.sim import Simulator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running
