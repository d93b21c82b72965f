"""`aikit demo`: the cap holds, the books agree, nothing of the user's is touched, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aikit.database import embedded
from aikit.demo.janitor import directory

pytestmark = pytest.mark.xdist_group("demo")  # one worker, so that the demo is played once
AIKIT = [sys.executable, "-c", "from aikit.cli import main; main()"]
NOWHERE = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "OPENAI_BASE_URL": "http://127.0.0.1:1",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "AIKIT_CONFIG": "/nowhere/aikit.toml",
}
"""An environment that would lead the demo away from what is its own."""


def environment(temporary: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIKIT_", "DATABASE_"))}
    return kept | {"TMPDIR": str(temporary)} | more


def aikit(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*AIKIT, *arguments], env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.CompletedProcess[str]]:
    """A whole demo in an environment that leads elsewhere, with its database still there."""
    temporary = tmp_path_factory.mktemp("demo")
    yield aikit(
        "demo", "--json", "--keep", "--cap-usd", "0.01", "--processes", "3", env=environment(temporary, **NOWHERE)
    )
    for left in temporary.iterdir():
        embedded.stop(left / "postgres")


@pytest.fixture
def data(kept: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert kept.returncode == 0, kept.stderr
    found: dict[str, Any] = json.loads(kept.stdout)["data"]
    return found


def test_every_caller_is_stopped_and_the_cap_is_never_passed(data: dict[str, Any]) -> None:
    assert data["overshoot_usd"] == "0"
    assert data["callers_stopped"] == data["callers"] == 24
    assert 0 < Decimal(data["used_usd"]) <= Decimal(data["peak_usd"]) <= Decimal(data["cap_usd"]) == Decimal("0.01")
    assert data["held_usd"] == "0"


def test_the_provider_and_the_ledger_have_the_same_books(data: dict[str, Any]) -> None:
    assert data["provider"]["requests"] == data["admitted"] == data["ledger"]["entries"] > 0
    assert data["provider"]["tokens"] == data["ledger"]["tokens"]
    assert data["ledger"]["verified"]
    assert data["problems"] == []


def test_each_sdk_raises_its_own_exception_with_a_body_in_its_own_shape(data: dict[str, Any]) -> None:
    seen = {name: (refusal["exception"], refusal["status"]) for name, refusal in data["sdks"].items()}
    assert seen == {
        "openai": ("openai.APIStatusError", 402),
        "anthropic": ("anthropic.PaymentRequiredError", 402),
        "gemini": ("google.genai.errors.ClientError", 402),
    }
    assert data["sdks"]["openai"]["body"]["error"]["code"] == "MONTHLY_BUDGET_EXCEEDED"
    assert data["sdks"]["anthropic"]["body"]["type"] == "error"
    assert data["sdks"]["gemini"]["body"]["error"]["code"] == 402
    assert data["refusal"]["error"] == "spend_cap_exceeded"
    assert data["refusal"]["capCredits"] == 100


def test_what_is_kept_can_be_looked_at_with_the_ordinary_commands(data: dict[str, Any], tmp_path: Path) -> None:
    found = aikit("spend", "--json", env=environment(tmp_path, AIKIT_CONFIG=data["kept"]))
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["totals"]["cost_usd"] == data["used_usd"]


def test_progress_goes_to_stderr_and_says_that_it_is_simulated(kept: subprocess.CompletedProcess[str]) -> None:
    assert "simulated" in kept.stderr
    assert "DATABASE_URL is set, and ignored" in kept.stderr
    assert "acme has spent $" in kept.stderr
    assert kept.stdout.count("\n") == 1


def test_a_cap_beyond_the_highest_is_a_mistake_of_usage(tmp_path: Path) -> None:
    refused = aikit("demo", "--cap-usd", "1.01", env=environment(tmp_path))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "at most 1" in refused.stderr


def test_at_the_end_the_database_is_stopped_and_the_directory_gone() -> None:
    with directory(keep=False) as made:
        embedded.ensure(made / "postgres")
        pid = embedded.status(made / "postgres").pid
    assert pid is not None
    assert not made.exists()
    assert ended(pid)


@contextmanager
def started(temporary: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo whose database is running, and whose processes are getting ready."""
    demo = subprocess.Popen(
        [*AIKIT, "demo"], env=environment(temporary), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    with demo:
        assert demo.stderr
        try:
            while "embedded, for this demo alone" not in (line := demo.stderr.readline()):
                assert line, "the demo ended early"
            yield demo
        finally:
            demo.kill()


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc")
def test_a_killed_demo_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    with started(tmp_path) as demo:
        children = [int(pid) for pid in Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()]
        (made,) = tmp_path.iterdir()
        server = embedded.status(made / "postgres").pid
    assert len(children) == 5, "four processes and the janitor"
    wait_for_all([*children, server or 0])
    assert not list(tmp_path.iterdir())


def test_an_interrupted_demo_cleans_up_and_says_so_without_a_traceback(tmp_path: Path) -> None:
    with started(tmp_path) as demo:
        demo.send_signal(signal.SIGINT)
        said = demo.communicate(timeout=60)[1]
    assert demo.returncode == 130
    assert said.strip().endswith("Interrupted. What the demo had started is stopped and removed.")
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())


def wait_for_all(pids: list[int]) -> None:
    deadline = time.monotonic() + 30
    while not all(ended(pid) for pid in pids):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
