"""Suites as tests: `pytest --aikit-eval evals/`, and `@pytest.mark.aikit_eval("summarize", prompt="summarize@v3")`.

It runs in replay: no key, no network, no database. Nothing of evals is imported before a suite is collected or run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from aikit.evals.model import Verdict
    from aikit.evals.reporting.outcome import Report

MARK = "aikit_eval"
FIXTURE = "aikit_verdict"
FOLDER = "evals"
SUFFIX = ".eval.yaml"
NOT_PASSED = pytest.StashKey[str | None]()
ABOUT = (
    "aikit_eval(suite, prompt=None, trials=None, gate=True): run the suite of that name in evals/ in replay; the test "
    "fails if the verdict is no pass. With gate=False the test judges it by itself, from the fixture aikit_verdict."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("aikit")
    group.addoption(
        "--aikit-eval",
        action="store_true",
        help="Collect suites (*.eval.yaml) as tests; those of evals/, if no path is given.",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", ABOUT)
    if config.getoption("--aikit-eval") and config.args_source is not pytest.Config.ArgsSource.ARGS:
        folder = config.rootpath / FOLDER
        config.args = [*config.args, *([str(folder)] if folder.is_dir() and str(folder) not in config.args else [])]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if not parent.config.getoption("--aikit-eval") or not file_path.name.endswith(SUFFIX):
        return None
    return SuiteFile.from_parent(parent, path=file_path)


def pytest_itemcollected(item: pytest.Item) -> None:
    """A marked test has its verdict whether it asks for it or not."""
    if isinstance(item, pytest.Function) and item.get_closest_marker(MARK) and FIXTURE not in item.fixturenames:
        item.fixturenames.insert(0, FIXTURE)


@pytest.fixture
def aikit_verdict(request: pytest.FixtureRequest) -> Verdict:
    """What the suite of the test's mark comes to."""
    marker = request.node.get_closest_marker(MARK)
    if marker is None:
        raise pytest.UsageError(f'{request.node.name} asks for {FIXTURE} and has no @pytest.mark.{MARK}("SUITE").')
    wanted = _wanted(*marker.args, **marker.kwargs)
    report = _replayed(wanted["suite"], wanted["prompt"], wanted["trials"])
    if wanted["gate"]:
        request.node.stash[NOT_PASSED] = _not_passed(report)
    return report.outcomes[0].verdict


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """The verdict fails the test itself, and not its set-up."""
    if (text := item.stash.get(NOT_PASSED, None)) is not None:
        pytest.fail(text, pytrace=False)


class SuiteFile(pytest.File):
    """A suite's file."""

    def collect(self) -> Iterator[pytest.Item]:
        yield SuiteItem.from_parent(self, name=self.path.name.removesuffix(SUFFIX))


class SuiteFailed(Exception):
    """A suite has not passed; the text says why."""


class SuiteItem(pytest.Item):
    """A suite as a test."""

    def runtest(self) -> None:
        report = _replayed(self.name, None, None, folder=self.path.parent)
        text = _not_passed(report)
        if text is not None:
            raise SuiteFailed(text)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str | Any:
        if isinstance(excinfo.value, SuiteFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"aikit eval {self.name}"


def _wanted(suite: str, prompt: str | None = None, trials: int | None = None, gate: bool = True) -> dict[str, Any]:
    """What a mark asks for. Raises TypeError for anything that it can't say."""
    return {"suite": suite, "prompt": prompt, "trials": trials, "gate": gate}


def _replayed(suite: str, prompt: str | None, trials: int | None, folder: Path | None = None) -> Report:
    """What the suite comes to. What is wrong with its file is a failure without a traceback."""
    from aikit.config import load
    from aikit.errors import AIKitError
    from aikit.evals.evaluating import chosen_suites, evaluate
    from aikit.evals.folder import evals_folder
    from aikit.evals.performing import Wish
    from aikit.evals.reporting.block import report_lines
    from aikit.evals.reporting.outcome import Report
    from aikit.prompts.refs import parse_ref

    wrong = None
    try:
        settings = load()
        there = folder or evals_folder(settings)
        wish = Wish(prompt=parse_ref(prompt) if prompt else None, trials=trials)
        suites = chosen_suites(there, [suite], wish.prompt)
        report = Report(tuple(evaluate(suites, wish, settings, folder=there, store=False)), gate=True)
        wrong = None if report.outcomes else "\n".join(report_lines(report))
    except AIKitError as error:
        wrong = str(error)
    if wrong is not None:
        pytest.fail(wrong, pytrace=False)
    if any(outcome.run.interrupted for outcome in report.outcomes):
        raise KeyboardInterrupt
    return report


def _not_passed(report: Report) -> str | None:
    """The first lines of the report; None if it passed."""
    from aikit.evals.reporting.block import report_lines

    return "\n".join(report_lines(report)) if report.exit else None
