"""Suites of a project of their own, run against the simulator and a fresh ledger."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aikit.config import Settings
from aikit.evals.model import Mode, Run, Suite
from aikit.evals.performing import Performed, Wish, perform
from aikit.evals.simulated import answering
from aikit.evals.suites.reading import read_suite
from aikit.sim import Simulator
from support.eval_models import write_suite
from support.kits import Books, settings_for

TENANT = "evals"
REPOSITORY = Path(__file__).parents[3]


@dataclass(frozen=True)
class Project:
    """A folder with suites and prompts, what its settings lead to, and its ledger."""

    folder: Path
    settings: Settings
    simulator: Simulator
    books: Books

    def suite(self, cases: int = 3, **stated: Any) -> Suite:
        return write_suite(self.folder, cases, **stated)

    def summaries(self, cases: int) -> Suite:
        """The repository's own suite, with its first cases."""
        evals = self.folder / "evals"
        evals.mkdir()
        shutil.copytree(REPOSITORY / "prompts", self.folder / "prompts")
        (evals / "summarize.eval.yaml").write_text((REPOSITORY / "evals/summarize.eval.yaml").read_text())
        lines = (REPOSITORY / "evals/summarize.cases.jsonl").read_text().splitlines()[:cases]
        (evals / "summarize.cases.jsonl").write_text("\n".join(lines))
        return read_suite(evals / "summarize.eval.yaml")

    def perform(self, suite: Suite, mode: Mode = Mode.LIVE, **wish: Any) -> Performed:
        (done,) = perform([suite], Wish(mode, **wish), self.settings, folder=self.folder / "evals")
        return done

    def run(self, suite: Suite, mode: Mode = Mode.LIVE, **wish: Any) -> Run:
        return self.perform(suite, mode, **wish).run

    def entries(self) -> list[dict[str, Any]]:
        return [entry for entry in self.books.entries() if entry["tenant"] == TENANT]

    def spent(self) -> int:
        return sum(entry["nano"] for entry in self.entries())


@pytest.fixture
def project(tmp_path: Path, books: Books) -> Iterator[Project]:
    """The tenant of evals may spend a million dollars a month."""
    books.limit(TENANT)
    with Simulator(answering=answering) as simulator:
        yield Project(tmp_path, settings_for(tmp_path, simulator, books.dsn), simulator, books)
