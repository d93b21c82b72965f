"""PostgreSQL is killed with -9 while labels are in use: what was known holds, and a later rollback is followed."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from aikit.database import embedded, processes
from aikit.database.connect import Database
from aikit.ledger.opening import migrate
from aikit.ledger.prompt_labels import promote, rollback
from aikit.ledger.prompt_line import PromptLine
from aikit.ledger.prompts import Draft, publish
from aikit.prompts.reading import read_prompt
from aikit.registry import FilesOf, Registry
from support.embedded import postmaster, wait_for
from support.ledger import tell

SOURCE = '---\ndescription: Sums up.\n---\n{{% role "user" %}}Summarize, the {}. way.\n'
DOWN = 5.0
"""Seconds without a server: long enough for everything that is known to be old."""
SLOWEST = 0.8
"""Seconds that anybody may wait for an answer meanwhile: less than for a server that says nothing."""


def test_a_label_holds_without_its_server_and_is_followed_when_it_is_back(
    made_root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Database(embedded.ensure(made_root), False, "test")
    migrate(ledger)
    try:
        prompts = [read_prompt(SOURCE.format(version), "summarize", version) for version in (1, 2)]
        publish(ledger, [Draft(prompts[0], None), Draft(prompts[1], 1)])
        for version in (1, 2):
            promote(ledger, "summarize", version, "production", force=True, why="a test")
        registry = Registry(PromptLine(ledger), FilesOf(tmp_path))
        seen: list[tuple[float, float, int]] = []
        over = threading.Event()

        def ask() -> None:
            while not over.is_set():
                began = time.monotonic()
                version = registry.get("summarize@production").version
                seen.append((began, time.monotonic() - began, version))
                time.sleep(0.01)

        registry.get("summarize@production")
        with caplog.at_level(logging.INFO, "aikit.prompts"):
            askers = [threading.Thread(target=ask) for _ in range(4)]
            for asker in askers:
                asker.start()
            os.kill(postmaster(made_root), signal.SIGKILL)
            wait_for(lambda: not processes.serving(made_root / "data"))
            time.sleep(DOWN)
            embedded.ensure(made_root)
            rollback(ledger, "summarize")
            rolled_back = time.monotonic()
            wait_for(lambda: seen[-1][2] == 1)
            over.set()
            for asker in askers:
                asker.join()
        assert {version for began, _, version in seen if began < rolled_back} <= {2, 1}
        assert {version for began, _, version in seen if began > rolled_back + 5} <= {1}
        assert next(began for began, _, version in seen if version == 1) < rolled_back + 5
        assert max(seconds for _, seconds, _ in seen) < SLOWEST
        said = [record.message for record in caplog.records if record.name == "aikit.prompts"]
        assert len(said) == 2
        assert said[0].startswith("labels of prompts stay as they were last read: The database")
        assert said[1] == "labels of prompts are followed again: the ledger answers"
    finally:
        tell(ledger, "DROP SCHEMA aikit CASCADE")
