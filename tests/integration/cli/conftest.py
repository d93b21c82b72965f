"""Runs `aikit`: in this process, where it is quick, or as the installed script, as a shell would."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from aikit.cli.app import command
from aikit.cli.errors import run
from aikit.database.connect import Database

SCRIPT = Path(sys.executable).with_name("aikit")


@dataclass(frozen=True)
class Ended:
    """How a run ended, and what it wrote."""

    code: int
    out: str
    err: str

    def json(self, schema: str) -> dict[str, Any]:
        """The one object on stdout, of that schema; returns it."""
        envelope = json.loads(self.out)
        assert list(envelope) == ["schema", "as_of", "data", "totals"]
        assert envelope["schema"] == schema
        assert datetime.fromisoformat(envelope["as_of"]).tzinfo == UTC
        return dict(envelope)


@dataclass(frozen=True)
class Cli:
    """`aikit` with an environment and a working directory of its own."""

    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str) -> Ended:
        """Run it to its end, in this process."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
        environ = patch.dict(os.environ, self.environ, clear=True)
        with environ, chdir(self.folder), redirect_stdout(out), redirect_stderr(err):
            code = run(lambda **options: command(list(arguments), prog_name="aikit", **options))
        return Ended(code, written(out), written(err))

    def script(self, *arguments: str) -> Ended:
        """Run the installed script to its end."""
        done = subprocess.run(
            [str(SCRIPT), *arguments],
            cwd=self.folder,
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments: str) -> Ended:
        """Run it; it must exit 0."""
        ended = self(*arguments)
        assert ended.code == 0, ended.err
        return ended

    def data(self, *arguments: str) -> Any:
        """The data of a run with `--json` that exits 0 and says nothing else."""
        ended = self.ok(*arguments, "--json")
        assert ended.err == ""
        return json.loads(ended.out)["data"]


def written(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


@pytest.fixture
def open_cli(tmp_path: Path) -> Callable[..., Cli]:
    """Makes an `aikit` with nothing configured but what is given."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}

    def opened(**environ: str) -> Cli:
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        return Cli(folder, {**kept, "AIKIT_DATA_DIR": str(tmp_path / "data"), **environ})

    return opened


@pytest.fixture
def cli(open_cli: Callable[..., Cli], ledger: Database) -> Cli:
    """`aikit` on a fresh ledger."""
    return open_cli(DATABASE_URL=ledger.conninfo)
