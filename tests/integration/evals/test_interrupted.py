"""Ctrl-C, in a process of its own: what is there is stored, readable, settled, and never green."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from aikit.errors import Exit
from aikit.evals.gate import decide
from aikit.evals.model import Mode, Status
from aikit.evals.recordings import read_recordings, recordings_path
from aikit.evals.runs import load_run, runs_folder
from integration.evals.conftest import Project
from support.kits import KEYS

SCRIPT = Path(sys.executable).with_name("aikit")


def test_an_interrupted_run_is_stored_as_far_as_it_came(project: Project) -> None:
    suite = project.suite(40, concurrency=2, trials=2)
    project.simulator.fault(delay=0.1)
    ended = _interrupted(project, "eval", "sums", "--record", "--gate", after=6)
    assert ended.returncode == Exit.INTERRUPTED, ended.stderr
    assert "Traceback" not in ended.stderr
    found = load_run(runs_folder(project.folder / "evals"), "last")
    assert found.interrupted and 0 < len(found.results) < 80
    verdict = decide(found, suite, None)
    assert (verdict.status, verdict.notes) == (Status.INCONCLUSIVE, ("It was interrupted.",))
    recorded = read_recordings(recordings_path(project.folder / "evals", "sums"), "sums")
    assert len(recorded) >= len(found.results)
    project.books.wait_until_settled(len(recorded))
    project.books.assert_balanced()


def test_what_was_recorded_before_is_not_asked_again(project: Project) -> None:
    suite = project.suite(20, concurrency=2)
    project.simulator.fault(delay=0.1)
    _interrupted(project, "eval", "sums", "--record", after=4)
    recorded = len(read_recordings(recordings_path(project.folder / "evals", "sums"), "sums"))
    project.simulator.reset()
    found = project.run(suite, Mode.RECORD)
    assert len(found.results) == 20 and not found.interrupted
    assert project.simulator.served()["totals"]["completed"] == 20 - recorded


def _interrupted(project: Project, *arguments: str, after: int) -> subprocess.CompletedProcess[str]:
    """Runs it, and sends SIGINT once so many calls have ended."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AIKIT", "DATABASE"))}
    process = subprocess.Popen(
        [SCRIPT, *arguments],
        cwd=project.folder,
        env={**environ, **KEYS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while len(project.entries()) < after and process.poll() is None:
            assert time.monotonic() < deadline, "no calls were made"
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)
