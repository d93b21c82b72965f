"""`aikit eval` on small projects with recordings: what people see, what CI reads, how it exits."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from aikit.database.connect import Database
from aikit.evals.suites.fields import suite_schema
from aikit.ledger.prompt_gates import gate_of
from aikit.prompts.folder import PromptFolder
from integration.cli.conftest import SCRIPT, Cli
from support.eval_projects import BAD, GOOD, EvalProject

FAILED = """\
FAIL prompts/answer@v3
right 0.50 gate >= 0.80
1 regression — exit 1. Build blocked.
"""
NO_DATABASE = "No database is configured: that"


@pytest.fixture
def alone(open_cli: Callable[..., Cli]) -> Cli:
    """`aikit` without a database and without a key."""
    return open_cli(NO_COLOR="1")


@pytest.fixture
def project(alone: Cli) -> EvalProject:
    """v1 is good, v3 is right in half of the cases, v2 is not recorded."""
    made = EvalProject(alone.folder)
    for version in (1, 2, 3):
        made.prompt(version)
    made.suite()
    made.record([GOOD] * 12, prompt="answer@v1")
    made.record([GOOD] * 6 + [BAD] * 6, prompt="answer@v3")
    return made


def gated(made: EvalProject, gate: str = "{min: 0.80, max_drop: 0.05}") -> EvalProject:
    made.suite(gate=gate)
    return made


def at_a_terminal(cli: Cli, *arguments: str, columns: int = 100) -> str:
    """What `aikit` writes to a terminal so wide."""
    master, slave = pty.openpty()
    environ = {**cli.environ, "COLUMNS": str(columns), "TERM": "xterm-256color"}
    done = subprocess.Popen(
        [str(SCRIPT), *arguments], cwd=cli.folder, env=environ, stdin=subprocess.DEVNULL, stdout=slave,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(slave)
    written = b""
    try:
        while chunk := os.read(master, 65_536):
            written += chunk
    except OSError:
        pass
    finally:
        os.close(master)
        done.wait(timeout=60)
    return written.decode().replace("\r\n", "\n")


def plain(shown: str) -> str:
    """Without bold and dim, which NO_COLOR leaves."""
    return re.sub(r"\x1b\[[012]m", "", shown)


def test_a_worse_prompt_fails_with_these_lines(alone: Cli, project: EvalProject) -> None:
    ended = alone("eval", "--gate", "--prompt", "answer@v3")
    assert (ended.code, ended.out) == (1, FAILED)
    assert ended.err == f"{NO_DATABASE} answer@v3 failed answers is not on the record.\n"


def test_a_good_one_passes(alone: Cli, project: EvalProject) -> None:
    ended = alone("eval", "answers", "--gate")
    assert ended.code == 0
    assert ended.out == "PASS prompts/answer@v1\nright 1.00 gate >= 0.80\n0 regressions — exit 0.\n"


def test_a_green_one_of_few_cases_says_in_a_log_that_they_show_little(alone: Cli, project: EvalProject) -> None:
    cases = project.folder / "evals" / "answers.cases.jsonl"
    cases.write_text("".join(cases.read_text().splitlines(keepends=True)[:4]))
    ended = alone("eval", "answers")
    assert ended.out == "PASS prompts/answer@v1\nright 1.00 gate >= 0.80\n0 regressions — exit 0.\n"
    assert "answers: Underpowered: 4 cases; from 10 on a drop can be told from noise with some trust." in ended.err


def test_without_gate_a_failure_is_shown_and_exits_0(alone: Cli, project: EvalProject) -> None:
    ended = alone("eval", "--prompt", "answer@v3")
    assert ended.code == 0
    assert ended.out.startswith("FAIL prompts/answer@v3\n")


def test_an_unrecorded_version_is_inconclusive_with_and_without_gate(alone: Cli, project: EvalProject) -> None:
    for arguments in ([], ["--gate"]):
        ended = alone("eval", "--prompt", "answer@v2", *arguments)
        assert ended.code == 3
        assert ended.out.startswith("INCONCLUSIVE prompts/answer@v2\n12 of 12 trials have no recording: c00, ")
        assert "aikit eval answers --record --prompt answer@v2" in ended.out


def test_an_edited_prompt_is_inconclusive(alone: Cli, project: EvalProject) -> None:
    project.prompt(1, "Say yes, please, to {{ question }}")
    assert alone("eval", "--gate").code == 3


def test_the_worst_of_several_suites_decides(alone: Cli, project: EvalProject) -> None:
    project.suite("bad", prompt="answer@v3")
    project.record([BAD] * 12, suite="bad", prompt="answer@v3")
    project.suite("unrecorded", prompt="answer@v2")
    ended = alone("eval", "--gate")
    assert ended.code == 1
    assert re.findall(r"^[A-Z]{4,}", ended.out, re.MULTILINE) == ["PASS", "FAIL", "INCONCLUSIVE"]
    assert ended.out.endswith("3 suites: 1 failed, 1 inconclusive, 1 passed — exit 1. Build blocked.\n")
    assert alone("eval", "answers", "unrecorded", "--gate").code == 3
    assert alone("eval").code == 3


def test_deleted_cases_fail(alone: Cli, project: EvalProject) -> None:
    alone.ok("eval")
    alone.ok("eval", "bless")
    project.suite(cases=10)
    ended = alone("eval", "--gate")
    assert ended.code == 1
    assert ended.out.splitlines()[1] == "cases 10 gate >= 12: gone c10, c11"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "There is no suite 'nope' in evals/."),
        (["--prompt", "other@v1"], "No suite in evals/ evaluates other."),
        (["answers", "--prompt", "other@v1"], "answers evaluates answer, not other."),
        (["--prompt", "answer"], "names a prompt, but no version of it"),
        (["--live", "--record"], "say one of --record, --live"),
        (["--simulated"], "nobody is asked in replay"),
        (["--budget-usd", "ten"], "--budget-usd: not an amount in dollars: 'ten'"),
        (["--trials", "0"], "--trials"),
        (["--no-such-option"], "No such option"),
    ],
)
def test_what_can_not_be_meant_is_a_usage_error(
    alone: Cli, project: EvalProject, arguments: list[str], said: str
) -> None:
    ended = alone("eval", *arguments)
    assert ended.code == 2, ended.out
    assert said in ended.err
    assert ended.out == ""


def test_no_folder_no_suite_and_a_broken_one_are_told_apart(alone: Cli) -> None:
    ended = alone("eval", "--gate")
    assert (ended.code, "There is no folder evals/ here." in ended.err) == (2, True)
    made = EvalProject(alone.folder)
    made.evals.mkdir()
    ended = alone("eval", "--gate")
    assert (ended.code, "There are no suites in evals/." in ended.err) == (2, True)
    made.suite(gate="{min: 2}")
    ended = alone("eval", "--gate")
    assert ended.code == 2
    assert "evals/answers.eval.yaml line 9, scorers.right.gate.min: is 2." in ended.err


def test_a_missing_prompt_stops_that_suite_alone(alone: Cli, project: EvalProject) -> None:
    project.suite("other", prompt="nowhere@v1")
    ended = alone("eval", "--gate")
    assert ended.code == 2
    assert "PASS prompts/answer@v1" in ended.out
    assert "ERROR prompts/nowhere@v1" in ended.out


def test_everything_is_written_whatever_the_verdict_is(alone: Cli, project: EvalProject, tmp_path: Path) -> None:
    for version, code in (("v1", 0), ("v2", 3), ("v3", 1)):
        junit, md, summary = (tmp_path / f"{version}.{kind}" for kind in ("xml", "md", "summary"))
        cli = Cli(alone.folder, {**alone.environ, "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_ACTIONS": "true"})
        files = ("--junit", str(junit), "--md", str(md))
        ended = cli("eval", "--gate", "--json", "--prompt", f"answer@{version}", *files)
        assert ended.code == code
        assert ended.json("aikit.eval/1")["data"]["exit"] == code
        assert ElementTree.fromstring(junit.read_bytes()).tag == "testsuites"
        assert md.read_text("utf-8").startswith("<!-- aikit-eval -->\n")
        assert summary.read_text("utf-8") == md.read_text("utf-8")
        assert (version == "v1") == ("::" not in ended.err)


def test_an_interrupted_run_writes_what_it_has_and_exits_130(alone: Cli, project: EvalProject, tmp_path: Path) -> None:
    started, junit = tmp_path / "started", tmp_path / "junit.xml"
    slow = f"import pathlib, time\ndef score(*_):\n    pathlib.Path({str(started)!r}).touch()\n    time.sleep(60)\n"
    (alone.folder / "slow.py").write_text(slow)
    suite = project.evals / "answers.eval.yaml"
    suite.write_text(suite.read_text().replace('equals\n    value: "yes"', "custom\n    function: slow:score"))
    asked = [str(SCRIPT), "eval", "--gate", "--junit", str(junit)]
    running = subprocess.Popen(asked, cwd=alone.folder, env=dict(alone.environ), stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "interrupted — exit 130. Build blocked." in out
    assert junit.exists()


def test_annotations_go_to_stderr_and_only_on_github(alone: Cli, project: EvalProject) -> None:
    assert "::error" not in alone("eval", "--gate", "--prompt", "answer@v3").err
    on_github = Cli(alone.folder, {**alone.environ, "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(alone.folder)})
    ended = on_github("eval", "--gate", "--prompt", "answer@v3")
    title = "title=FAIL prompts/answer@v3"
    annotation, _ = ended.err.splitlines()
    assert annotation == f"::error file=prompts/answer/v3.prompt,line=1,{title}::right 0.50 gate >= 0.80"
    assert ended.out == FAILED


def test_the_summary_of_a_step_is_added_to(alone: Cli, project: EvalProject, tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    summary.write_text("# Before\n")
    Cli(alone.folder, {**alone.environ, "GITHUB_STEP_SUMMARY": str(summary)}).ok("eval")
    assert summary.read_text("utf-8").startswith("# Before\n<!-- aikit-eval -->")


def test_a_file_that_can_not_be_written_is_named_after_the_others_were(
    alone: Cli, project: EvalProject, tmp_path: Path
) -> None:
    md, nowhere = tmp_path / "ok.md", tmp_path / "no" / "x.xml"
    files = ("--junit", str(nowhere), "--md", str(md))
    ended = alone("eval", "--gate", *files)
    assert ended.code == 2
    assert f"{nowhere} can't be written" in ended.err
    assert ended.out.startswith("PASS")
    assert md.exists()
    assert alone("eval", "--gate", "--prompt", "answer@v3", *files).code == 1


def test_a_run_is_stored_blessed_decided_and_compared(alone: Cli, project: EvalProject) -> None:
    gated(project)
    assert alone("eval", "--gate").code == 3
    blessed = alone.ok("eval", "bless")
    assert blessed.out.splitlines()[0].startswith("answer@v1 is the baseline of answers · 12 cases · ")
    assert blessed.out.splitlines()[-1] == "→ git add evals/baselines/answers.json"
    assert alone("eval", "--gate").code == 0
    assert alone("eval", "--gate", "--prompt", "answer@v3").code == 1
    decided = alone("eval", "decide", "last")
    assert (decided.code, decided.out.splitlines()[1]) == (1, "right 0.50 gate >= 0.80")
    gated(project, "{max_drop: 0.6}")
    assert alone("eval", "decide").code == 0
    compared = alone.ok("eval", "compare", "v1", "v3", "--cases", "1")
    assert "c06  right 1.00 → 0.00\n  v1 │ yes\n  v3 │ no\n" in compared.out
    assert "5 more: --cases 6" in compared.out
    data = alone.data("eval", "compare")
    assert (data["before"]["baseline"], data["before"]["prompt"]["id"]) == (True, "answer@v1")
    assert data["cases"][0] == {
        "case": "c06", "scorer": "right", "before": 1.0, "after": 0.0, "before_outputs": ["yes"],
        "after_outputs": ["no"],
    }  # fmt: skip


def test_the_answers_of_the_baseline_come_from_recordings_where_no_run_is_stored(
    alone: Cli, project: EvalProject, tmp_path: Path
) -> None:
    gated(project)
    alone("eval")
    alone.ok("eval", "bless")
    shutil.rmtree(project.evals / "runs")
    md = tmp_path / "c.md"
    assert alone("eval", "--gate", "--prompt", "answer@v3", "--md", str(md)).code == 1
    assert "v1:\n\n<pre>\nyes\n</pre>\n\nv3:\n\n<pre>\nno\n</pre>" in md.read_text("utf-8")


def test_a_version_that_was_never_run_here_is_replayed_for_a_comparison(alone: Cli, project: EvalProject) -> None:
    assert "v1 │ yes" in alone.ok("eval", "compare", "answer@v1", "answer@v3").out
    assert not (project.evals / "runs").exists()


def test_equal_sides_have_no_changes(alone: Cli, project: EvalProject) -> None:
    assert alone.ok("eval", "compare", "v1", "v1").out.endswith("No case has changed.\n")


def test_a_run_below_its_minimum_is_blessed_with_a_reason_alone(alone: Cli, project: EvalProject) -> None:
    alone.ok("eval", "--prompt", "answer@v3")
    ended = alone("eval", "bless", "answers")
    assert ended.code == 1
    assert "right 0.50 is below the minimum 0.80" in ended.err
    alone.ok("eval", "bless", "--last", "--reason", "it is a start")
    assert "it is a start" in (project.evals / "baselines" / "answers.json").read_text("utf-8")


def test_nothing_is_stored_with_no_store(alone: Cli, project: EvalProject) -> None:
    alone.ok("eval", "--no-store")
    assert not (project.evals / "runs").exists()
    assert "No run is stored" in alone("eval", "decide").err
    assert alone("eval", "report").code == 2


def test_the_report_is_one_file(alone: Cli, project: EvalProject, tmp_path: Path) -> None:
    alone.ok("eval")
    alone("eval", "--prompt", "answer@v3")
    out = tmp_path / "report.html"
    ended = alone.ok("eval", "report", "--out", str(out))
    assert ended.out == f"{out}: answers (fail)\n"
    assert "right over 2 runs" in out.read_text("utf-8")
    assert "can't be written" in alone("eval", "report", "--out", str(tmp_path / "no" / "x.html")).err


def test_the_list_shows_the_last_run_and_the_baseline(alone: Cli, project: EvalProject) -> None:
    (row,) = alone.data("eval", "list")
    assert (row["suite"], row["of"], row["cases"], row["last_run"], row["baseline"]) == (
        "answers", "answer@v1", 12, None, None,
    )  # fmt: skip
    alone.ok("eval")
    alone.ok("eval", "bless")
    (row,) = alone.data("eval", "list")
    assert row["baseline"]["run"] == row["last_run"]["run"]


def test_a_suite_that_is_called_like_a_command_is_run_by_run(alone: Cli, project: EvalProject) -> None:
    project.suite("list")
    project.record([GOOD] * 12, suite="list")
    listed = alone.ok("eval", "list")
    assert "list is a command, too: run the suite by `aikit eval run list`." in listed.err
    assert alone.ok("eval", "run", "list").out.startswith("PASS prompts/answer@v1")
    assert alone.ok("eval", "--gate", "list").out.startswith("PASS prompts/answer@v1")


def test_the_schemas_are_those_of_the_reader(alone: Cli) -> None:
    assert json.loads(alone.ok("eval", "schema").out) == suite_schema()
    assert json.loads(alone.ok("eval", "schema", "case").out)["title"] == "aikit eval case"


def test_a_dry_run_asks_nobody(alone: Cli, project: EvalProject) -> None:
    ended = alone.ok("eval", "--dry-run", "--record", "--prompt", "answer@v2", "--json").json("aikit.eval.estimate/1")
    (row,) = ended["data"]
    assert (row["suite"], row["calls"], row["to_ask"]) == ("answers", 12, 12)
    assert float(row["most_usd"]) > 0
    assert ended["totals"]["to_ask"] == 12


def test_a_terminal_shows_the_table_and_no_markup_of_others(alone: Cli, project: EvalProject) -> None:
    gated(project)
    project.record([GOOD] * 6 + ["[bold]no[/bold]"] * 6, prompt="answer@v3")
    alone("eval")
    alone.ok("eval", "bless")
    shown = plain(at_a_terminal(alone, "eval", "--prompt", "answer@v3", columns=100))
    assert shown.startswith("FAIL prompts/answer@v3\nright 0.50 gate >= 0.80\n")
    assert re.search(r"^scorer +v1 +v3 +change +95 % +p +gate +result$", shown, re.MULTILINE)
    assert re.search(r"^right +1\.00 +0\.50 +-0\.50 .* ✗ FAIL$", shown, re.MULTILINE)
    assert "worst cases: c06 (1.00 → 0.00)" in shown
    assert "\x1b" not in shown
    beside = plain(at_a_terminal(alone, "eval", "compare", "v1", "v3", "--cases", "1", columns=120))
    assert re.search(r"yes +│ \[bold\]no\[/bold\]", beside)


def test_at_sixty_columns_no_line_of_the_table_is_longer(alone: Cli, project: EvalProject) -> None:
    gated(project)
    alone("eval")
    alone.ok("eval", "bless")
    shown = plain(at_a_terminal(alone, "eval", "--prompt", "answer@v3", columns=60))
    table = [line for line in shown.splitlines() if line.startswith(("scorer", "right  "))]
    assert len(table) == 2
    assert all(len(line) <= 60 for line in table)


def test_colours_are_those_of_a_terminal_alone(open_cli: Callable[..., Cli], project: EvalProject) -> None:
    cli = open_cli()
    assert "\x1b[1;31mFAIL" in at_a_terminal(cli, "eval", "--prompt", "answer@v3")
    assert "\x1b" not in cli.script("eval", "--prompt", "answer@v3").out


def test_replay_loads_no_sdk_and_no_database(alone: Cli, project: EvalProject) -> None:
    code = (
        "import sys\nfrom aikit.cli.app import command\nfrom aikit.cli.errors import run\n"
        "code = run(lambda **more: command(['eval', '--gate'], prog_name='aikit', **more))\n"
        "heavy = ['openai', 'anthropic', 'google.genai', 'sqlalchemy', 'psycopg', 'textual', 'junitparser']\n"
        "print(code, *[name for name in heavy if name in sys.modules])"
    )
    asked = [sys.executable, "-c", code]
    done = subprocess.run(asked, cwd=alone.folder, env=dict(alone.environ), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0"


def test_what_a_gate_said_of_a_prompt_is_on_the_record(cli: Cli, project: EvalProject, ledger: Database) -> None:
    for version, passed in (("v1", True), ("v3", False)):
        cli("eval", "--gate", "--prompt", f"answer@{version}")
        prompt = PromptFolder(cli.folder / "prompts").draft("answer", int(version[1:]))
        (result,) = gate_of(ledger, "answer", prompt.sha256).results
        assert (result.suite, result.passed, result.version) == ("answers", passed, int(version[1:]))
        assert result.run["gates"]["right"]["mean"] == (1.0 if passed else 0.5)
    cli("eval", "--gate", "--prompt", "answer@v2")
    unclear = PromptFolder(cli.folder / "prompts").draft("answer", 2)
    assert gate_of(ledger, "answer", unclear.sha256).results == ()


def test_without_gate_nothing_is_on_the_record(cli: Cli, project: EvalProject, ledger: Database) -> None:
    cli.ok("eval")
    prompt = PromptFolder(cli.folder / "prompts").draft("answer", 1)
    assert gate_of(ledger, "answer", prompt.sha256).results == ()


def test_live_without_a_key_exits_4_and_without_a_database_7(
    cli: Cli, open_cli: Callable[..., Cli], project: EvalProject
) -> None:
    ended = cli("eval", "--live", "--no-store")
    assert ended.code == 4
    assert ended.out.startswith("ERROR prompts/answer@v1\nopenai has no API key.\nno verdict — exit 4.\n→ Set OPENAI_")
    assert open_cli(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")("eval", "--live").code == 7


def test_a_database_that_is_away_changes_no_verdict(open_cli: Callable[..., Cli], project: EvalProject) -> None:
    ended = open_cli(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")("eval", "--gate")
    assert (ended.code, ended.out.splitlines()[0]) == (0, "PASS prompts/answer@v1")
    assert ended.err.startswith("That answer@v1 passed answers is not on the record.")


PLUGIN = ["-p", "no:aikit", "-p", "aikit.evals.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:asyncio", "-q"]
TESTS = """\
import pytest

@pytest.mark.aikit_eval("answers", prompt="answer@v3")
def test_gated():
    raise AssertionError("the verdict comes first")

@pytest.mark.aikit_eval("answers", prompt="answer@v3", gate=False)
def test_of_its_own(aikit_verdict):
    assert (aikit_verdict.status, aikit_verdict.regressions) == ("fail", 1)

@pytest.mark.aikit_eval("answers")
def test_good(aikit_verdict):
    assert aikit_verdict.scored_share == 1.0

def test_without():
    pass
"""


def pytest_in(cli: Cli, *arguments: str) -> Any:
    asked = [sys.executable, "-m", "pytest", "--strict-markers", *PLUGIN, *arguments]
    return subprocess.run(asked, cwd=cli.folder, env=dict(cli.environ), capture_output=True, text=True, timeout=120)


def test_a_marked_test_fails_with_the_lines_of_the_verdict(alone: Cli, project: EvalProject) -> None:
    (alone.folder / "test_it.py").write_text(TESTS)
    done = pytest_in(alone, "test_it.py")
    assert done.returncode == 1
    assert FAILED in done.stdout
    assert "the verdict comes first" not in done.stdout
    assert "1 failed, 3 passed" in done.stdout


def test_suites_are_collected_as_tests_where_that_is_asked_for(alone: Cli, project: EvalProject) -> None:
    project.suite("bad", prompt="answer@v3")
    project.record([BAD] * 12, suite="bad", prompt="answer@v3")
    done = pytest_in(alone, "--aikit-eval", "evals")
    assert "FAIL prompts/answer@v3\nright 0.00 gate >= 0.80\n1 regression — exit 1. Build blocked.\n" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
    assert "1 failed, 1 passed" in pytest_in(alone, "--aikit-eval").stdout
    assert pytest_in(alone, "evals").returncode == 5


def test_the_plugin_imports_nothing_of_evals_until_it_is_used(alone: Cli) -> None:
    code = "import sys; import aikit.evals.pytest_plugin; print([n for n in sys.modules if n.startswith('aikit')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['aikit', 'aikit.evals', 'aikit.evals.pytest_plugin']"
