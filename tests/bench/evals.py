"""How long a large suite takes in replay, from files to verdict; and how well calls saturate a slow provider."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx2
from harness import a_ledger

from aikit.config import Settings, load
from aikit.evals.gate import decide
from aikit.evals.model import Mode, ModelAnswer, ModelCall, Suite
from aikit.evals.models import Recorder
from aikit.evals.performing import Wish, perform
from aikit.evals.recordings import read_recordings, recordings_path
from aikit.evals.running import run
from aikit.evals.runs import runs_folder, save_run
from aikit.evals.suites.reading import read_suite
from support.eval_models import Answers, options_for, steady_rate, text_of, write_suite

CASES, TRIALS = 2_000, 3
SECONDS = 10
SLOW = 0.2
SCORERS = {
    "equals": {"gate": {"min": 0.5, "max_drop": 0.05}},
    "contains": {"gate": {"min": 0.5}},
    "form": {"use": "regex", "pattern": "text \\d+", "match": "full", "gate": {"min": 0.5}},
    "levenshtein": {"gate": {"max_drop": 0.05}},
    "similarity": {},
    "grounding": {},
    "cost": {},
}


def main() -> None:
    found = [replayed(), *(saturated(limit) for limit in (8, 32, 64))]
    for row in found:
        print(json.dumps(row) if "--json" in sys.argv else "  ".join(f"{name} {value}" for name, value in row.items()))


def replayed() -> dict[str, object]:
    """Read, run, decide and store; the median of three."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        suite = write_suite(folder, CASES, scorers=SCORERS, trials=TRIALS)
        recordings = read_recordings(recordings_path(folder / "evals", suite.name), suite.name)
        recorder = Recorder(recordings, Answers(_answer), refresh=True, version="0")
        asyncio.run(run(suite, recorder, Mode.REFRESH, options_for(folder)))
        recorder.close()
        settings = replace(load(None, {}), prompts_folder=folder / "prompts")
        took = [_once(suite, settings, folder / "evals") for _ in range(3)]
    seconds = statistics.median(took)
    return {"bench": "replay", "cases": CASES, "trials": TRIALS, "seconds": round(seconds, 2), "most": SECONDS}


def _answer(call: ModelCall) -> ModelAnswer:
    return ModelAnswer(text_of(call), call.model, 10, 3, nano=4_200, latency_ms=300)


def _once(suite: Suite, settings: Settings, evals: Path) -> float:
    begun = time.perf_counter()
    read = read_suite(suite.path)
    (done,) = perform([read], Wish(), settings, folder=evals)
    verdict = decide(done.run, read, None)
    save_run(runs_folder(evals), done.run)
    assert len(done.run.results) == CASES * TRIALS and verdict.scored_share == 1.0
    return time.perf_counter() - begun


@contextmanager
def a_simulator() -> Iterator[str]:
    """In a process of its own, so that it takes no time from those who call it; every answer takes 200 ms."""
    with subprocess.Popen([sys.executable, "-m", "aikit", "sim", "--json"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            found = json.JSONDecoder().raw_decode(_object(process.stdout))[0]
            url = str(found["data"]["url"])
            httpx2.post(f"{url}/sim/faults", json={"delay": SLOW}).raise_for_status()
            yield url
        finally:
            process.terminate()


def _object(lines: IO[bytes]) -> str:
    """The lines up to the one that ends the object."""
    text = ""
    while not text or text.count("{") > text.count("}"):
        line = lines.readline().decode()
        assert line, "the simulator did not start"
        text += line
    return text


def saturated(limit: int) -> dict[str, object]:
    """Calls a second at a provider that takes 200 ms, by the endings in the ledger."""
    calls = limit * 25
    with tempfile.TemporaryDirectory() as made, a_simulator() as url, a_ledger() as database:
        folder = Path(made)
        (folder / "aikit.toml").write_text(
            f'[database]\nurl = "{database.conninfo}"\n[providers.openai]\nbase_url = "{url}/v1"\n'
        )
        settings = load(folder / "aikit.toml", {"OPENAI_API_KEY": "bench", "AIKIT_DATA_DIR": str(folder)})
        suite = write_suite(folder, calls)
        (done,) = perform([suite], Wish(Mode.LIVE, concurrency=limit), settings, folder=folder / "evals")
        assert all(trial.error is None for trial in done.run.results)
        with database.connect(role="bench") as connection:
            ended = [row[0] for row in connection.execute("SELECT settled_at FROM aikit.entries")]
    rate, best = steady_rate(ended, limit), limit / SLOW
    return {"bench": "saturation", "limit": limit, "calls_per_second": round(rate, 1), "of": best,
            "share": round(rate / best, 3)}  # fmt: skip


if __name__ == "__main__":
    main()
