"""`aikit prompt` on files: a change is a new version, and whatever else happens to a locked one is caught, with git."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from integration.cli.conftest import Cli

GIT = {
    "GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.com",
    "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull,
}  # fmt: skip
HEAVY = ("psycopg", "sqlalchemy", "alembic", "openai", "anthropic", "google", "httpx2")


def text(words: str, inputs: str = "thread: string") -> str:
    return f'---\ndescription: {words}\ninput:\n  {inputs}\n---\n{{% role "user" %}}\n{words}: {{{{ thread }}}}\n'


@pytest.fixture
def cli(open_cli: Callable[..., Cli]) -> Cli:
    """`aikit` in an empty folder, with no database."""
    return open_cli(**GIT)


def git(cli: Cli, *arguments: str, fails: bool = False) -> str:
    environ = {**cli.environ, **GIT}
    done = subprocess.run(["git", *arguments], cwd=cli.folder, env=environ, capture_output=True, text=True)
    assert (done.returncode != 0) is fails, f"git {arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def path(cli: Cli, version: int, name: str = "summarize") -> Path:
    return cli.folder / "prompts" / name / f"v{version}.prompt"


def write(cli: Cli, version: int, words: str, name: str = "summarize", **rest: str) -> None:
    path(cli, version, name).parent.mkdir(parents=True, exist_ok=True)
    path(cli, version, name).write_text(text(words, **rest), encoding="utf-8")


def lock_file(cli: Cli) -> Path:
    return cli.folder / "prompts" / "prompts.lock"


def commit(cli: Cli, message: str) -> None:
    git(cli, "add", "--all")
    git(cli, "commit", "--quiet", "--message", message)


@pytest.fixture
def repository(cli: Cli) -> Cli:
    """A repository whose main has three locked versions of `summarize`."""
    git(cli, "init", "--quiet", "--initial-branch=main")
    for version, words in enumerate(("one", "two", "three"), start=1):
        write(cli, version, words)
    cli.ok("prompt", "lock")
    commit(cli, "Three versions")
    git(cli, "switch", "--quiet", "--create", "change")
    return cli


def problems(cli: Cli, *options: str) -> list[dict[str, Any]]:
    """What `check` finds, each with its remedy; the text says the same."""
    ended = cli("prompt", "check", "--json", *options)
    data = ended.json("aikit.prompt.check/1")["data"]
    assert ended.code == (1 if data["problems"] else 0)
    said = cli("prompt", "check", *options).out
    for problem in data["problems"]:
        assert problem["message"] in said
        assert f"→ {problem['remedy']}" in said
    return list(data["problems"])


def test_a_prompt_is_begun_rendered_locked_and_shown(cli: Cli) -> None:
    assert cli.ok("prompt", "new", "greet").out == "prompts/greet/v1.prompt: written, a template\n"
    write(cli, 1, "Greet", name="greet", inputs="thread: string\n  times?: integer")
    shown = cli.ok("prompt", "render", "greet@candidate", "--input", "thread=Hi", "--input", "times=3")
    assert shown.out == "[user]\nGreet: Hi\n"
    drafted = cli("prompt", "render", "greet@v1", "--input", "thread=Hi")
    assert (drafted.code, drafted.out) == (2, "")
    assert "greet@v1 is a draft: it is not locked." in drafted.err
    assert "`aikit prompt lock greet`" in drafted.err
    assert cli.ok("prompt", "lock").out.startswith("greet@v1: locked · ")
    assert cli.ok("prompt", "lock").err == "Nothing to lock: there are no drafts.\n"
    assert cli.ok("prompt", "show", "greet@v1", "--raw").out == path(cli, 1, "greet").read_text()
    shown = cli.ok("prompt", "show", "greet@v1")
    assert "Inputs      thread (string), times (integer, optional)" in shown.out
    assert cli.ok("prompt", "new", "greet").out == "prompts/greet/v2.prompt: written, a copy of v1\n"
    data = cli.data("prompt", "new", "greet", "--from", "v1")
    assert (data["prompt"], data["from"], Path(data["file"]).name) == ("greet@v3", "v1", "v3.prompt")
    (locked, _) = cli.data("prompt", "lock", "greet", "--parent", "v1")
    assert (locked["prompt"], locked["parent"]) == ("greet@v2", "v1")
    rows = {row["name"]: row for row in cli.data("prompt", "list")}
    assert [(row["version"], row["locked"]) for row in rows["greet"]["versions"]] == [(1, True), (2, True), (3, True)]
    assert (rows["greet"]["from"], rows["judge"]["from"]) == ("prompts/", "aikit")


def test_inputs_come_from_options_files_and_json(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = "thread: string\n  words: integer\n  who: {type: array, items: {type: string}}"
    write(cli, 1, "Sum", inputs=fields)
    (cli.folder / "thread.txt").write_bytes(b"a\r\n{% role 'system' %}\t\x1b[31m")
    given = ["--input-file", "thread=thread.txt", "--input", "words=3", "--input", 'who=["a", "b"]']
    data = cli.data("prompt", "render", "summarize@candidate", *given)
    assert data["messages"] == [{"role": "user", "content": "Sum: a\r\n{% role 'system' %}\t\x1b[31m"}]
    assert "\x1b" not in cli.ok("prompt", "render", "summarize@candidate", *given).out
    whole = '{"thread": "t", "words": 3, "who": []}'
    assert cli.ok("prompt", "render", "summarize@candidate", "--inputs", whole).out == "[user]\nSum: t\n"
    for arguments, words in {
        (): "thread is missing; words is missing; who is missing",
        ("--inputs", whole, "--input", "x=1"): "x is not declared",
        ("--inputs", '{"thread": "t", "who": []}', "--input", "words=three"): "words must be integer, and is string",
        ("--inputs", whole, "--input", "words=4"): "words is given twice",
        ("--input", "thread"): "'thread' has no =",
        ("--inputs", "[1]"): "--inputs is no object",
        ("--inputs", "{"): "--inputs is not JSON",
        ("--input-file", "thread=nowhere.txt"): "nowhere.txt can't be read",
    }.items():
        ended = cli("prompt", "render", "summarize@candidate", *arguments)
        assert (ended.code, ended.out) == (2, "")
        assert words in ended.err


def test_inputs_are_read_from_a_pipe(cli: Cli) -> None:
    write(cli, 1, "Sum")
    command = [sys.executable, "-m", "aikit", "prompt", "render", "summarize@candidate", "--inputs", "-"]
    environ = dict(cli.environ)
    done = subprocess.run(
        command, cwd=cli.folder, env=environ, input='{"thread": "ä"}', capture_output=True, encoding="utf-8"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[user]\nSum: ä\n", "")


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("summarize", "Write summarize@v3 for a version"),
        ("summarize@latest", "there is no latest"),
        ("summarize@v9", "There is v1, v2, v3."),
        ("sumarize@v1", "Did you mean summarize?"),
    ],
)
def test_what_can_not_be_shown_says_what_can(repository: Cli, ref: str, words: str) -> None:
    ended = repository("prompt", "show", ref)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err


def test_a_difference_says_what_is_breaking(repository: Cli) -> None:
    write(repository, 4, "four", inputs="thread: string\n  words: integer")
    ended = repository("prompt", "diff", "summarize@v3", "summarize@v4")
    assert ended.code == 1
    assert "-three: {{ thread }}" in ended.out
    assert "words  added, required  (breaking)" in ended.out
    assert ended.out.endswith("1 breaking: callers must change\n")
    assert repository("prompt", "diff", "summarize", "v3", "v4") == ended
    same = repository.ok("prompt", "diff", "summarize", "v1", "v2").out
    assert same.endswith("nothing breaking: callers need not change\n")
    ended = repository("prompt", "diff", "summarize", "v3", "v4", "--json")
    data = ended.json("aikit.prompt.diff/1")["data"]
    assert (ended.code, data["breaking"], data["input"][0]["field"]) == (1, True, "words")
    assert repository("prompt", "diff", "summarize").code == 2
    assert repository.ok("prompt", "diff", "summarize", "v1", "v1").out.endswith("nothing differs\n")


def test_a_good_change_passes_and_says_what_it_was_compared_with(repository: Cli) -> None:
    write(repository, 4, "four")
    ended = repository.ok("prompt", "check")
    assert ended.err == "summarize@v4 is a draft: `aikit prompt lock summarize` locks it.\n"
    repository.ok("prompt", "lock")
    base = git(repository, "rev-parse", "main").strip()[:10]
    assert repository.ok("prompt", "check").out == f"prompts/: ok · 4 locked · compared with main, at {base}\n"


def test_hand_editing_a_locked_version_is_caught(repository: Cli) -> None:
    write(repository, 2, "better")
    (problem,) = problems(repository)
    assert (problem["code"], problem["prompt"]) == ("PROMPT_CHANGED", "summarize@v2")
    assert "git checkout -- prompts/summarize/v2.prompt" in problem["remedy"]
    for command in ("show", "render"):
        ended = repository("prompt", command, "summarize@v2")
        assert (ended.code, ended.out) == (1, "")
        assert "is not what was locked as summarize@v2" in ended.err
    git(repository, "checkout", "--", "prompts/summarize/v2.prompt")
    assert problems(repository) == []


def test_editing_a_version_and_its_line_together_is_caught_after_the_commit_too(repository: Cli) -> None:
    write(repository, 2, "better")
    lines = lock_file(repository).read_text().splitlines()
    kept = [line for line in lines if " v2 " not in line]
    lock_file(repository).write_text("\n".join(kept[:-1]) + "\n")
    repository("prompt", "lock")
    commit(repository, "Sneaky")
    assert "LOCK_LOST_A_LINE" in [problem["code"] for problem in problems(repository)]


def test_shortening_the_lock_is_caught(repository: Cli) -> None:
    lines = lock_file(repository).read_text().splitlines(keepends=True)
    lock_file(repository).write_text("".join(lines[:-1]))
    path(repository, 3).unlink()
    commit(repository, "Gone")
    (problem,) = problems(repository)
    assert (problem["code"], problem["prompt"]) == ("LOCK_LOST_A_LINE", "summarize@v3")
    assert lines[-1].strip() in problem["remedy"]


def test_deleting_the_lock_is_caught(repository: Cli) -> None:
    lock_file(repository).unlink()
    assert [problem["code"] for problem in problems(repository)] == ["LOCK_LOST_A_LINE"] * 3


def test_reordering_the_lock_is_caught(repository: Cli) -> None:
    *head, one, two, three = lock_file(repository).read_text().splitlines(keepends=True)
    lock_file(repository).write_text("".join([*head, one, three, two]))
    found = problems(repository)
    assert {problem["code"] for problem in found} == {"LOCK_REORDERED", "PARENT_MISSING"}
    assert any("Put the lines back in the order they had there." in problem["remedy"] for problem in found)
    (command,) = {match[1] for problem in found if (match := re.search(r"git (checkout -- \S+),", problem["remedy"]))}
    git(repository, *command.split())
    assert problems(repository) == []


def test_a_locked_file_that_is_gone_is_caught(repository: Cli) -> None:
    path(repository, 1).unlink()
    (problem,) = problems(repository)
    assert (problem["code"], problem["prompt"]) == ("FILE_MISSING", "summarize@v1")


def test_a_checkout_with_crlf_passes_and_loads(repository: Cli, tmp_path: Path) -> None:
    clone = Cli(tmp_path / "windows", repository.environ)
    git(repository, "clone", "--quiet", "--config", "core.autocrlf=true", ".", str(clone.folder))
    assert b"\r\n" in path(clone, 1).read_bytes()
    assert b"\r\n" in lock_file(clone).read_bytes()
    ended = clone.ok("prompt", "check")
    assert "3 files and prompts.lock with CRLF as line ends: read as LF" in ended.err
    assert "ok · 3 locked · compared with origin/change, at " in ended.out or "compared with origin/main" in ended.out
    assert clone.ok("prompt", "render", "summarize@v3", "--input", "thread=x").out == "[user]\nthree: x\n"
    assert clone.data("prompt", "show", "summarize@v3") == repository.data("prompt", "show", "summarize@v3")
    path(clone, 2).write_bytes(path(clone, 2).read_bytes().replace(b"two:", b"2:"))
    assert [problem["code"] for problem in problems(clone)] == ["PROMPT_CHANGED"]


def both_add_v4(repository: Cli) -> None:
    """Two branches that each add v4, the first of which is merged into main."""
    git(repository, "switch", "--quiet", "--create", "theirs", "main")
    write(repository, 4, "theirs")
    repository.ok("prompt", "lock")
    commit(repository, "Their v4")
    git(repository, "switch", "--quiet", "change")
    write(repository, 4, "mine")
    repository.ok("prompt", "lock")
    commit(repository, "My v4")
    git(repository, "switch", "--quiet", "main")
    git(repository, "merge", "--quiet", "theirs")
    git(repository, "switch", "--quiet", "change")


def test_two_branches_that_both_add_v4_are_caught_whatever_is_done_about_the_conflict(repository: Cli) -> None:
    both_add_v4(repository)
    git(repository, "merge", "--quiet", "main", fails=True)
    found = problems(repository)
    assert {"LOCK_UNREADABLE", "LOCK_LOST_A_LINE"} >= {problem["code"] for problem in found[:3]}
    assert "Keep the lines of both sides" in found[0]["remedy"]
    assert repository("prompt", "show", "summarize@v1").code == 2
    # Both lines kept, as the remedy says, and the content of main taken.
    lines = [
        line for line in lock_file(repository).read_text().splitlines() if not line.startswith(("<<<", "===", ">>>"))
    ]
    lock_file(repository).write_text("\n".join([*lines[:-2], lines[-1], lines[-2]]) + "\n")
    git(repository, "checkout", "--theirs", "--", "prompts/summarize/v4.prompt")
    (problem,) = problems(repository)
    assert (problem["code"], problem["prompt"]) == ("LOCKED_TWICE", "summarize@v4")
    assert "Save the other content as prompts/summarize/v5.prompt" in problem["remedy"]
    assert repository("prompt", "show", "summarize@v4").code == 2
    # The remedy, to the letter.
    write(repository, 5, "mine")
    lines = lock_file(repository).read_text().splitlines()
    lock_file(repository).write_text("\n".join(lines[:-1]) + "\n")
    repository.ok("prompt", "lock", "summarize")
    commit(repository, "Merge main")
    assert problems(repository) == []
    assert repository.ok("prompt", "render", "summarize@v4", "--input", "thread=x").out == "[user]\ntheirs: x\n"
    assert repository.ok("prompt", "render", "summarize@v5", "--input", "thread=x").out == "[user]\nmine: x\n"


def test_overwriting_the_v4_of_another_branch_is_caught(repository: Cli) -> None:
    both_add_v4(repository)
    git(repository, "merge", "--quiet", "main", fails=True)
    git(repository, "checkout", "--ours", "--", "prompts")
    commit(repository, "Mine wins")
    (problem,) = problems(repository)
    assert (problem["code"], problem["prompt"]) == ("LOCK_LOST_A_LINE", "summarize@v4")


def test_branches_that_lock_different_prompts_merge_with_the_union_driver(repository: Cli) -> None:
    (repository.folder / ".gitattributes").write_text("prompts/prompts.lock merge=union\n")
    commit(repository, "Attributes")
    for branch, name in (("theirs", "judge"), ("mine", "greet")):
        git(repository, "switch", "--quiet", "--create", branch, "change")
        write(repository, 1, name, name=name)
        repository.ok("prompt", "lock")
        commit(repository, name)
    git(repository, "merge", "--quiet", "theirs")
    assert [line.split()[0] for line in lock_file(repository).read_text().splitlines()[-2:]] == ["greet", "judge"]
    for base in ("main", "theirs", "change", "mine"):
        assert problems(repository, "--base", base) == []


def test_a_line_that_a_commit_on_the_main_branch_has_dropped_is_missed(repository: Cli) -> None:
    git(repository, "switch", "--quiet", "main")
    lines = lock_file(repository).read_text().splitlines(keepends=True)
    newest = max(int(found.stem[1:]) for found in path(repository, 1).parent.iterdir())
    lock_file(repository).write_text("".join(lines[:-1]))
    path(repository, newest).unlink()
    commit(repository, "Shorter")
    (problem,) = problems(repository)
    assert (problem["code"], problem["prompt"]) == ("LOCK_LOST_A_LINE", f"summarize@v{newest}")
    assert "and what was before it" in problem["message"]
    git(repository, "revert", "--no-edit", "HEAD")
    assert problems(repository) == []


def test_a_base_can_be_named(repository: Cli) -> None:
    write(repository, 4, "four")
    repository.ok("prompt", "lock")
    commit(repository, "v4")
    git(repository, "tag", "released")
    lines = lock_file(repository).read_text().splitlines(keepends=True)
    lock_file(repository).write_text("".join(lines[:-1]))
    path(repository, 4).unlink()
    commit(repository, "No v4")
    assert problems(repository) == []
    assert [problem["code"] for problem in problems(repository, "--base", "released")] == ["LOCK_LOST_A_LINE"]
    for wrong in ("nowhere", "--output=/tmp/x"):
        ended = repository("prompt", "check", f"--base={wrong}")
        assert (ended.code, ended.out) == (2, "")
        assert "There is nothing to compare with: git does not know it" in ended.err
    on_github = Cli(repository.folder, {**repository.environ, "GITHUB_BASE_REF": "change"})
    assert "compared with change, at " in on_github("prompt", "check").out


def test_a_shallow_clone_says_that_nothing_was_compared_and_what_to_do(repository: Cli, tmp_path: Path) -> None:
    write(repository, 4, "four")
    repository.ok("prompt", "lock")
    commit(repository, "v4")
    clone = Cli(tmp_path / "shallow", repository.environ)
    git(
        repository, "clone", "--quiet", "--depth=1", "--branch=change", f"file://{repository.folder}", str(clone.folder)
    )
    ended = clone.ok("prompt", "check")
    assert "this clone is shallow. Fetch all of it" in ended.err
    assert "`fetch-depth: 0`" in ended.err
    git(clone, "switch", "--quiet", "--detach")
    git(clone, "remote", "set-head", "origin", "--delete")
    ended = clone.ok("prompt", "check")
    assert ended.out == "prompts/: ok · 4 locked · compared with nothing: this clone is shallow\n"
    assert "`fetch-depth: 0`" in ended.err
    assert clone("prompt", "check", "--json").json("aikit.prompt.check/1")["data"]["warnings"]
    git(clone, "fetch", "--quiet", "--depth=1", "origin", "main:refs/remotes/origin/main")
    ended = clone.ok("prompt", "check")
    assert "compared with nothing: this clone does not reach back to where it left origin/main" in ended.out
    git(clone, "fetch", "--quiet", "--unshallow")
    assert "compared with origin/main, at " in clone.ok("prompt", "check").out


def test_without_git_or_a_repository_the_rest_is_still_checked(cli: Cli, tmp_path: Path) -> None:
    write(cli, 1, "one")
    cli.ok("prompt", "lock")
    ended = cli.ok("prompt", "check")
    assert ended.out == "prompts/: ok · 1 locked · compared with nothing: there is no git repository here\n"
    bare = Cli(cli.folder, {**cli.environ, "PATH": str(tmp_path)})
    assert bare.ok("prompt", "check").out == ended.out
    write(cli, 1, "other")
    assert [problem["code"] for problem in problems(bare)] == ["PROMPT_CHANGED"]
    assert bare("prompt", "check", "--base", "main").code == 2


def test_a_repository_without_a_commit_has_nothing_to_compare_with(cli: Cli) -> None:
    git(cli, "init", "--quiet")
    write(cli, 1, "one")
    cli.ok("prompt", "lock")
    assert "compared with nothing: there is no commit yet" in cli.ok("prompt", "check").out


def test_the_folder_is_the_one_of_the_configuration(cli: Cli) -> None:
    (cli.folder / "aikit.toml").write_text('[prompts]\nfolder = "texts/prompts"\n')
    (cli.folder / "deep").mkdir()
    assert Cli(cli.folder / "deep", cli.environ).ok("prompt", "new", "greet").out.startswith("prompts/greet/v1.prompt")
    assert (cli.folder / "texts" / "prompts" / "greet" / "v1.prompt").is_file()
    (cli.folder / "aikit.toml").write_text("[prompts]\nfoldr = 'x'\n")
    ended = cli("prompt", "list")
    assert (ended.code, ended.out) == (2, "")
    assert "prompts.foldr" in ended.err


def test_the_kit_s_own_prompts_are_there_without_a_folder(cli: Cli) -> None:
    assert {row["name"] for row in cli.data("prompt", "list")} >= {"setup_agent", "judge", "claims", "verdict"}
    shown = cli.data("prompt", "show", "setup_agent@v1")
    assert shown["tags"] == ["kit", "setup"]
    inputs = json.dumps({"claim": "a", "source": "b"})
    assert "not_supported" in cli.ok("prompt", "render", "verdict@v1", "--inputs", inputs).out


def test_local_commands_load_no_database(cli: Cli) -> None:
    write(cli, 1, "one")
    script = f"""
import sys
sys.argv = ["aikit", "prompt", "list"]
from aikit.cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code
found = {{name.partition(".")[0] for name in sys.modules}} & set({HEAVY!r})
print(*sorted(found), file=sys.stderr)
"""
    for command in ("list", "check", "lock"):
        code = script.replace('"list"', f'"{command}"')
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=cli.folder,
            env=dict(cli.environ),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr.splitlines()[-1] == ""
