"""A project in an empty folder, with a door to the simulated provider, at a terminal or in a script."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aikit.database import embedded
from aikit.sim import Simulator
from support.doorman import Doorman
from support.terminal import SCRIPT, Terminal

GOOD = "sk-good-canary-7Qx2mVt9RzLw4KpY"
BAD = "sk-evil-canary-3Hn8bWs5JdFc6TgB"


@dataclass(frozen=True)
class Project:
    """A folder and an environment in which `aikit` runs."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def at_terminal(self, *arguments: str, **environ: str) -> Terminal:
        return Terminal(*arguments, folder=self.folder, environ=self.environ | environ)

    def run(self, *arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, without a terminal."""
        return subprocess.run(
            [str(SCRIPT), *arguments], cwd=self.folder, env=self.environ | environ, input=stdin, capture_output=True,
            encoding="utf-8", timeout=120, check=False,
        )  # fmt: skip

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def tree(self) -> dict[str, str]:
        """What is in the folder: the hash of each file and its mode."""
        return {
            path.relative_to(self.folder).as_posix(): f"{hashlib.sha256(path.read_bytes()).hexdigest()} "
            f"{path.stat().st_mode:o}"
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and ".git/" not in path.as_posix()
        }


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty folder. The embedded server that is started there is stopped."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "AIKIT_POSTGRES_BIN") if name in os.environ}
    home, folder, data = tmp_path / "home", tmp_path / "project", tmp_path / "d"
    home.mkdir()
    folder.mkdir()
    yield Project(folder, {**kept, "HOME": str(home), "AIKIT_DATA_DIR": str(data), "NO_PROXY": "*"})
    embedded.stop(data / "postgres")
    shutil.rmtree(data, ignore_errors=True)


@pytest.fixture
def door(simulator: Simulator) -> Iterator[Doorman]:
    """A provider that takes the key `GOOD`."""
    with Doorman(simulator.url, GOOD) as opened:
        yield opened


@pytest.fixture
def openai(project: Project, door: Doorman) -> Project:
    """The project, with the provider openai behind that door."""
    project.write("aikit.toml", f'[providers.openai]\nbase_url = "{door.url}/v1"\n')
    return project


def nowhere(canary: str, *texts: str | Mapping[str, str]) -> None:
    """Assert that this is in none of them."""
    for text in texts:
        assert canary not in str(text)
