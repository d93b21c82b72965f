"""`aikit lint`: what it shows, writes and exits with; which files it looks at; what it needs to start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from aikit.lint.rules import RULES
from integration.cli.conftest import Cli

CLIENT = "import openai\n\nclient = openai.OpenAI()\n"
KEY = 'import os\n\nkey = os.environ["OPENAI_API_KEY"]\n'


@pytest.fixture
def project(open_cli: Any) -> Cli:
    """A project without a database or a key, with one finding."""
    cli: Cli = open_cli(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    write(cli, "app/main.py", CLIENT)
    write(cli, "app/clean.py", "print(1)\n")
    return cli


def write(cli: Cli, name: str, text: str) -> Path:
    file = cli.folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def git(cli: Cli, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(cli.folder), *arguments], check=True, capture_output=True)


def paths(cli: Cli, *arguments: str) -> set[str]:
    return {row["path"] for row in json.loads(cli("lint", *arguments, "--json").out)["data"]}


def test_a_finding_is_shown_with_its_remedy_and_exits_1(project: Cli) -> None:
    ended = project("lint", "app")
    assert ended.code == 1
    assert ended.out.splitlines() == [
        "app/main.py:3:10 AK001 openai.OpenAI(…) makes a client that is not metered.",
        "  → Use kit.openai(tenant=…), kit.anthropic(…) or kit.gemini(…), or hand it to kit.wrap(client, tenant=…).",
        "1 finding in 2 files",
    ]


def test_a_clean_project_exits_0(project: Cli) -> None:
    assert project.ok("lint", "app/clean.py").out == "Nothing found in 1 file\n"


def test_what_is_allowed_is_counted_and_exits_0(project: Cli) -> None:
    write(project, "app/main.py", CLIENT.rstrip() + "  # aikit: allow AK001 lists models only\n")
    assert project.ok("lint").out == "Nothing found in 2 files, 1 allowed\n"
    (row,) = project.data("lint")
    assert (row["allowed"], row["reason"]) == (True, "lists models only")


def test_json_has_every_finding_and_totals(project: Cli) -> None:
    ended = project("lint", "app", "--json")
    envelope = ended.json("aikit.lint/1")
    assert ended.code == 1
    assert envelope["totals"] == {"files": 2, "findings": 1, "allowed": 0, "by_code": {"AK001": 1}}
    assert envelope["data"][0]["path"] == "app/main.py"
    assert {envelope["data"][0][name] for name in ("line", "end_line")} == {3}


def test_github_gets_annotations_from_its_checkout(project: Cli) -> None:
    inner = Cli(project.folder / "app", {**project.environ, "GITHUB_WORKSPACE": str(project.folder)})
    ended = inner("lint", "--github")
    assert ended.code == 1
    assert ended.out.startswith("::error file=app/main.py,line=3,col=10,title=AK001 client-outside-the-kit::openai.")


def test_sarif_is_written_beside_the_text(project: Cli) -> None:
    ended = project("lint", "app", "--sarif", "lint.sarif")
    assert ended.code == 1
    assert "1 finding in 2 files" in ended.out
    written = json.loads((project.folder / "lint.sarif").read_text("utf-8"))
    (result,) = written["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "app/main.py"


def test_rules_are_selected_and_ignored(project: Cli) -> None:
    write(project, "app/keys.py", KEY)
    assert paths(project, "--select", "AK003") == {"app/keys.py"}
    assert paths(project, "--ignore", "AK003") == {"app/main.py"}
    project.ok("lint", "--ignore", "ak001,AK003")


def test_stats_count(project: Cli) -> None:
    ended = project("lint", "--stats")
    assert ended.code == 1
    assert "AK001  client-outside-the-kit         1" in ended.out


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_each_rule_is_explained(project: Cli, rule: Any) -> None:
    page = project.ok("lint", "--explain", rule.code.lower()).out
    assert page.startswith(f"{rule.code} {rule.name}\n")
    assert rule.why in page
    assert project.ok("lint", "--explain", rule.code, "--json").json("aikit.lint.rule/1")["data"] == rule._asdict()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "There is no nowhere."),
        (["--select", "AK1"], "--select: there is no rule 'AK1'"),
        (["--explain", "E501"], "--explain: there is no rule 'E501'"),
        (["--json", "--github"], "--github"),
        (["--sarif", "no/such/folder/x.sarif"], "can't be written"),
    ],
)
def test_wrong_usage_exits_2(project: Cli, arguments: list[str], said: str) -> None:
    ended = project("lint", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[lint]\nexclude = 'vendor'", "lint.exclude"),
        ("[lint]\nexclude = ['']", "lint.exclude"),
        ("[lint]\ndefault_tenant_ok = 'yes'", "lint.default_tenant_ok"),
        ("[lint]\nexcludes = []", "lint.excludes"),
        ("[lint", "is not TOML"),
    ],
)
def test_a_configuration_that_cant_be_used_exits_2_and_names_the_field(project: Cli, toml: str, said: str) -> None:
    write(project, "aikit.toml", toml)
    ended = project("lint")
    assert ended.code == 2
    assert said in ended.err


def test_the_configuration_holds_from_its_folder_on(project: Cli) -> None:
    write(project, "app/keys.py", KEY)
    write(project, "vendor/theirs.py", CLIENT)
    write(project, "app/calls.py", 'def f(kit):\n    kit.complete("Hello")\n')
    write(
        project,
        "aikit.toml",
        '[lint]\nexclude = ["vendor", "app/main.py"]\nconfiguration = ["app/keys.py"]\ndefault_tenant_ok = true\n',
    )
    assert paths(project) == set()
    inner = Cli(project.folder / "app", project.environ)
    assert inner.ok("lint").out == "Nothing found in 3 files\n"
    assert project.ok("lint", "vendor/theirs.py").out.startswith("Nothing found in 0 files")


def test_secrets_that_only_production_has_are_not_needed(project: Cli) -> None:
    write(project, "aikit.toml", '[signals.webhook]\nurl = "https://ops.example"\n[idempotency]\nkeep_answers = true\n')
    assert project("lint").code == 1


def test_prompts_are_looked_for_in_the_folder_of_the_project(project: Cli) -> None:
    write(project, "app/main.py", 'def f(kit):\n    kit.prompt("greet@v1")\n    kit.prompt("greet@v2")\n')
    write(project, "texts/greet/v1.prompt", "Hello\n")
    write(project, "aikit.toml", '[prompts]\nfolder = "texts"\n')
    rows = json.loads(project("lint", "--json").out)["data"]
    assert [(row["code"], row["line"], row["message"]) for row in rows] == [
        ("AK005", 3, "There is no greet@v2; the newest is greet@v1.")
    ]


def test_what_git_ignores_and_virtual_environments_are_left_out(project: Cli) -> None:
    for name in ("ignored/a.py", "env3/lib/a.py", ".venv/a.py", "node_modules/a.py", "new.py", "tracked.py"):
        write(project, name, CLIENT)
    write(project, "env3/pyvenv.cfg", "")
    write(project, ".gitignore", "ignored/\ntracked.py\nenv3/\n")
    git(project, "init", "-q")
    git(project, "add", "-f", "tracked.py")
    assert paths(project) == {"app/main.py", "new.py", "tracked.py"}
    assert paths(project, "ignored") == {"ignored/a.py"}
    assert paths(project, "ignored/a.py", "app") == {"ignored/a.py", "app/main.py"}


def test_without_git_virtual_environments_are_left_out(project: Cli) -> None:
    for name in ("env3/lib/a.py", ".venv/a.py", "deep/node_modules/a.py", "deep/b.py"):
        write(project, name, CLIENT)
    write(project, "env3/pyvenv.cfg", "")
    empty = project.folder / "empty"
    empty.mkdir()
    alone = Cli(project.folder, {**project.environ, "PATH": str(empty)})
    assert paths(alone) == {"app/main.py", "deep/b.py"}


def test_names_and_texts_of_files_never_control_the_terminal(project: Cli) -> None:
    name = "app/\x1b[2J\u202e.py"
    write(project, name, CLIENT)
    write(project, "app/odd.py", 'def f(kit):\n    kit.prompt("\\x1b[31m@v1")\n')
    ended = project("lint")
    assert "\x1b" not in ended.out
    assert "\u202e" not in ended.out


def test_nothing_is_run(project: Cli) -> None:
    write(project, "app/main.py", "import pathlib\npathlib.Path('ran').touch()\nimport openai\nopenai.OpenAI()\n")
    write(project, "app/openai.py", "raise SystemExit(9)\n")
    assert project.script("lint").code == 1
    assert not (project.folder / "ran").exists()


def test_no_sdk_and_no_database_is_loaded(project: Cli) -> None:
    code = (
        "import sys; from aikit.cli.app import command\n"
        "try: command(['lint'], standalone_mode=False)\n"
        "except BaseException: pass\n"
        "names = {'openai', 'anthropic', 'google.genai', 'httpx2', 'sqlalchemy', 'psycopg', 'jinja2'}\n"
        "print(*names & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project.folder, env=dict(project.environ), capture_output=True, text=True
    )
    assert done.stderr.strip() == ""


def test_the_sources_of_the_kit_itself_are_clean(project: Cli) -> None:
    root = Path(__file__).parents[3]
    ended = Cli(root, project.environ).ok("lint", "src", "scripts", "evals")
    assert ended.out.startswith("Nothing found in ")


def test_installed_sdks_are_read_without_a_crash(project: Cli) -> None:
    import anthropic
    import openai

    folders = [str(Path(module.__file__).parent) for module in (openai, anthropic)]
    begun = time.monotonic()
    rows = json.loads(project("lint", *folders, "--json", "--ignore", "AK001,AK003").out)
    assert rows["totals"]["files"] > 1000
    assert rows["data"] == []
    assert time.monotonic() - begun < 60


def test_the_hook_for_pre_commit_names_the_command() -> None:
    import yaml

    (hook,) = yaml.safe_load((Path(__file__).parents[3] / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert hook["entry"].split() == ["aikit", "lint"]
    assert hook["id"] == "aikit-lint"
    assert os.sep not in hook["id"]
