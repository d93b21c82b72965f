"""How the files of tests are spread over the workers of pytest-xdist: what takes longest begins first.

A file stays with one worker, so that what its tests share is made once. Left to itself, xdist begins with the files of
the most tests; those that start servers and wait for them have few, came last, and kept one worker busy to the end.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadFileScheduling

APART = (
    "integration/serve/test_running.py",
    "integration/serve/test_openapi.py",
    "integration/serve/test_keys_per_minute.py",
    "integration/console/test_tmux.py",
    "integration/console/test_web.py",
    "faults/test_console_database.py",
    "faults/test_servers_killed.py",
    "faults/test_embedded_crashes.py",
    "faults/test_serve_hostile.py",
    "faults/test_ledger_lost.py",
)
"""Files of half a minute and more whose tests share nothing: each may run on another worker."""
LONGEST = (
    *APART,
    "integration/serve/test_node.py",
    "integration/console/test_plans.py",
    "integration/tui/test_hostile.py",
    "integration/cli/test_script.py",
    "integration/cli/test_serve.py",
    "faults/test_killed_callers.py",
    "faults/test_reconnection.py",
    "faults/test_outage_drill.py",
    "faults/test_serve_killed.py",
    "faults/test_provider_moods.py",
    "integration/policy/test_rate_at_the_edge.py",
    "integration/policy/test_runaways.py",
    "integration/prompts/test_registry.py",
    "integration/serve/test_control_away.py",
    "integration/setup/test_newcomer.py",
    "unit/evals/test_statistics.py",
    "unit/breaker/test_interleavings.py",
)
"""Files that take long for the number of their tests; no more than a hint."""
ORDER = {file: place for place, file in enumerate(LONGEST)}


def file_of(nodeid: str) -> str:
    """The file of a test, from the folder of the tests on."""
    return nodeid.partition("::")[0].removeprefix("tests/")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On a worker: the longest files, then those with the most tests."""
    if not hasattr(config, "workerinput"):
        return
    tests = Counter(file_of(item.nodeid) for item in items)

    def place(item: pytest.Item) -> tuple[int, int]:
        file = file_of(item.nodeid)
        return ORDER.get(file, len(ORDER)), -tests[file]

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """With `--dist loadfile`: in the order of the collection, and the tests of some files one by one."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class InOrder(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if file_of(nodeid) in APART else str(super()._split_scope(nodeid))

    config.option.loadscopereorder = False
    return InOrder(config, log)
