"""The simulated provider as a fixture, a server in a thread, fresh for each test; and the SDKs that talk to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from aikit.sim import Simulator

if TYPE_CHECKING:
    from support.sdks import Sdks


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def sdks(simulator: Simulator) -> Iterator[Sdks]:
    from support.sdks import connected

    with connected(simulator) as clients:
        yield clients
