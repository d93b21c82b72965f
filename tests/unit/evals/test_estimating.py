"""What a run would cost, before anything is asked; and that a replay opens nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from aikit.config import load
from aikit.evals.bounding import Bounds
from aikit.evals.estimating import Estimate, estimate
from aikit.evals.model import Mode, ModelAnswer, ModelCall
from aikit.evals.models import Recorder
from aikit.evals.performing import Performed, Wish, perform
from aikit.evals.recordings import read_recordings, recordings_path
from aikit.evals.running import run
from support.eval_models import JUDGED, Answers, is_judge, options_for, write_suite

JUDGE = {"judge": {"use": "llm_judge", "model": "openai/gpt-4o", "task": "Sum up", "rubric": ["short"]}}
REPOSITORY = Path(__file__).parents[3]


def estimated(folder: Path, wish: Wish, **stated: object) -> Estimate:
    suite = write_suite(folder, 4, **stated)  # type: ignore[arg-type]
    settings = replace(load(None, {}), prompts_folder=folder / "prompts")
    return estimate(suite, wish, settings, folder=folder / "evals")


async def record(folder: Path, **stated: object) -> None:
    suite = write_suite(folder, 4, **stated)  # type: ignore[arg-type]
    recordings = read_recordings(recordings_path(folder / "evals", "sums"), "sums")
    recorder = Recorder(recordings, Answers(_answer), refresh=False, version="0")
    await run(suite, recorder, Mode.RECORD, options_for(folder))
    recorder.close()


def _answer(call: ModelCall) -> ModelAnswer:
    return ModelAnswer(JUDGED if is_judge(call) else "text", call.model, 10, 3, nano=700 if is_judge(call) else 300)


async def test_without_recordings_only_the_most_is_known(tmp_path: Path) -> None:
    found = estimated(tmp_path, Wish(Mode.RECORD), trials=2, budget_usd="1.50")
    assert (found.calls, found.to_ask, found.trials) == (8, 8, 2)
    assert (found.expected_nano, found.budget_nano) == (None, 1_500_000_000)
    assert found.most_nano and found.most_nano > 0


async def test_what_is_recorded_is_not_asked_and_says_what_to_expect(tmp_path: Path) -> None:
    await record(tmp_path, scorers=JUDGE)
    found = estimated(tmp_path, Wish(Mode.RECORD), scorers=JUDGE)
    assert (found.to_ask, found.expected_nano) == (0, 4 * (300 + 700))
    again = estimated(tmp_path, Wish(Mode.REFRESH, budget_nano=5), scorers=JUDGE, trials=3)
    assert (again.to_ask, again.expected_nano, again.budget_nano) == (12, 12 * 1_000, 5)


async def test_a_replay_costs_nothing(tmp_path: Path) -> None:
    found = estimated(tmp_path, Wish())
    assert (found.to_ask, found.most_nano, found.expected_nano) == (0, 0, 0)


async def test_judges_are_part_of_the_most(tmp_path: Path) -> None:
    alone = estimated(tmp_path, Wish(Mode.LIVE)).most_nano or 0
    judged = estimated(tmp_path, Wish(Mode.LIVE), scorers=JUDGE).most_nano or 0
    faithful = estimated(
        tmp_path, Wish(Mode.LIVE), scorers={"faithfulness": {"model": "openai/gpt-4o", "most_claims": 7}}
    ).most_nano
    assert 0 < alone < judged < (faithful or 0)


async def test_a_call_never_costs_more_than_its_share_of_the_most(tmp_path: Path) -> None:
    """All that is asked, judges included, fits within what was said beforehand."""
    bounds = Bounds(load(None, {}))
    source = Answers(_answer)
    suite = write_suite(tmp_path, 4, scorers=JUDGE)
    await run(suite, source, Mode.LIVE, options_for(tmp_path))
    found = estimated(tmp_path, Wish(Mode.LIVE), scorers=JUDGE)
    assert sum(map(bounds.most, source.calls)) <= (found.most_nano or 0)


async def test_where_a_price_is_not_known_that_is_said(tmp_path: Path) -> None:
    found = estimated(tmp_path, Wish(Mode.LIVE), model="openai/of-my-own")
    assert found.most_nano is None and "openai/of-my-own has no known price" in found.why


REPLAY = """
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from aikit.config import load
from aikit.evals.performing import Wish, perform
from aikit.evals.suites.reading import read_suites
root = Path(sys.argv[1])
settings = replace(load(None, {}), prompts_folder=root / "prompts")
runs = [done.run for done in perform(read_suites(root / "evals"), Wish(), settings, folder=root / "evals")]
assert all(trial.error is None and not trial.missing for run in runs for trial in run.results), runs
heavy = {"httpx2", "psycopg", "sqlalchemy", "openai", "anthropic", "aikit.async_kit", "aikit.kit_core", "aikit.sim"}
print(len(runs), sorted(heavy & set(sys.modules)))
"""


def test_this_repository_is_replayed_without_a_kit_a_database_or_a_network(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", REPLAY, str(REPOSITORY)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.stdout, ended.stderr) == ("3 []\n", "")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_of_the_example_is_recorded(version: int) -> None:
    lines = (REPOSITORY / "evals/recordings/summarize.jsonl").read_text().splitlines()
    assert sum(f'"prompt":"summarize@v{version}"' in line for line in lines) == 28


async def test_only_a_complete_run_drops_what_it_does_not_use(tmp_path: Path) -> None:
    await record(tmp_path)
    settings = replace(load(None, {}), prompts_folder=tmp_path / "prompts")
    path = recordings_path(tmp_path / "evals", "sums")

    def pruned(cases: int) -> tuple[int, tuple[str, ...]]:
        suite = write_suite(tmp_path, cases)
        (done,) = await_in_thread(lambda: list(perform([suite], Wish(prune=True), settings, folder=suite.path.parent)))
        return len(read_recordings(path, "sums")), done.notes

    assert pruned(5) == (4, ())
    assert pruned(3) == (3, ("1 recording that this run did not use dropped.",))


async def test_a_locked_file_that_was_edited_is_told(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, 1)
    settings = replace(load(None, {}), prompts_folder=tmp_path / "prompts")
    file = tmp_path / "prompts/sum/v1.prompt"
    file.write_text(file.read_text().replace("Sum it up.", "Sum it up well."))
    (done,) = await_in_thread(lambda: list(perform([suite], Wish(), settings, folder=suite.path.parent)))
    assert done.notes and done.notes[0].startswith("sum@v1 is not what was locked under this version")


def await_in_thread(work: Callable[[], list[Performed]]) -> list[Performed]:
    """What brings a loop of its own can't run within one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()
