"""The benches and soaks of the server: what they tell is what they say it is, and what they can't measure they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from aikit.sim import Simulator

TESTS = Path(__file__).parents[2]
SECONDS = 240


def ran(script: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TESTS / "bench" / script), *arguments],
        env={**os.environ, "PYTHONPATH": str(TESTS), **environ},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def loaded(simulator: Simulator, callers: int, *more: str) -> dict[str, Any]:
    done = ran("serve_load.py", f"{simulator.url}/v1/chat/completions", "none", str(callers), "1", *more)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["failed"] == 0
    return found


def test_what_the_provider_takes_is_no_part_of_a_calls_time(simulator: Simulator) -> None:
    found = loaded(simulator, 4, "--delay", "0.2")
    assert 4 <= found["calls"] <= 4 * 11
    assert 0 < found["p50"] < 100


def test_calls_that_are_due_count_their_wait_for_a_connection(simulator: Simulator) -> None:
    """Thirty are due in a second and one connection answers ten: the later ones waited, some were never asked."""
    found = loaded(simulator, 1, "--delay", "0.1", "--rate", "30")
    assert found["calls"] <= 11
    assert found["p99"] > 400
    assert 15 <= found["never_asked"] <= 29


def test_streams_that_stand_still_cost_little_and_end_well() -> None:
    done = ran("serve_streams.py", "--streams", "300", "--idle", "0.5", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["300 streams: resident memory a stream, KB"] < 100


def test_memory_under_calls_of_all_kinds_is_told_with_what_was_answered() -> None:
    done = ran("serve_steady.py", "--seconds", "5", "--rate", "40", "--users", "50", "--json")
    figures = json.loads(done.stdout)
    assert figures["calls"] == 200
    assert figures["answered: over its cap: 402"] == 10
    assert {line for line in done.stderr.splitlines() if line.startswith("Not so")} <= {"Not so: memory grows."}


def test_what_is_to_be_measured_beside_and_can_not_be_installed_is_a_failure(tmp_path: Path) -> None:
    nowhere = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    done = ran("serve.py", "--beside", "litellm", "--cache", str(tmp_path / "environment"), **nowhere)
    assert done.returncode == 1
    assert "LiteLLM can't be installed" in done.stderr and "No matching distribution" in done.stderr
    assert done.stdout == ""
