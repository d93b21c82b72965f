"""`.env` on a disk: for its owner alone, whole or not at all, and never where git would keep it."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from pathlib import Path

import pytest

from aikit.errors import ConfigError
from aikit.setup import atomic, git
from aikit.setup.dotenv_file import set_variables
from integration.setup.conftest import GOOD, Project, nowhere
from support.doorman import Doorman
from support.terminal import left


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def repository(folder: Path) -> None:
    _git(folder, "init", "--quiet")


def _git(folder: Path, *arguments: str) -> None:
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "HOME": str(folder)}
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments], cwd=folder, check=True,
                   capture_output=True, env={**os.environ, **own})  # fmt: skip


def test_a_new_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        set_variables(tmp_path / ".env", {"KEY": "x"})
    finally:
        os.umask(before)
    assert mode(tmp_path / ".env") == 0o600


def test_a_file_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\n")
    file.chmod(0o644)
    set_variables(file, {"KEY": "x"})
    assert (mode(file), file.read_text()) == (0o600, "A=1\nKEY=x\n")


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    real, link = tmp_path / "shared" / "env", tmp_path / ".env"
    real.write_text("A=1\n")
    link.symlink_to("shared/env")
    set_variables(link, {"KEY": "x"})
    assert link.is_symlink() and real.read_text() == "A=1\nKEY=x\n" and mode(real) == 0o600
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".env", "env", "shared"]


@pytest.mark.parametrize(
    ("content", "line"), [(b"A=1\nKEY='never closed\nB=2\n", 2), (b"A=1\n\n=x\n", 3), (b"A=1\nB=\xff\n", 2)]
)
def test_a_file_that_cannot_be_read_is_left_alone_and_the_line_is_named(
    tmp_path: Path, content: bytes, line: int
) -> None:
    file = tmp_path / ".env"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"line {line}\b") as caught:
        set_variables(file, {"NEW": GOOD})
    assert file.read_bytes() == content
    nowhere("canary", str(caught.value), repr(caught.value.facts))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        set_variables(file, {"KEY": GOOD})
    assert file.read_text() == "A=1\n" and list(tmp_path.iterdir()) == [file]


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    left = tmp_path / f".env{atomic.MARK}0123abcd.tmp"
    left.write_text(f"KEY={GOOD}")
    set_variables(tmp_path / ".env", {"KEY": "x"})
    assert not left.exists()


def test_git_says_whether_it_would_keep_a_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert git.standing(file) is git.Standing.OUTSIDE
    repository(tmp_path)
    assert git.standing(file) is git.Standing.WOULD_TRACK
    git.ignore(file)
    assert git.standing(file) is git.Standing.IGNORED
    file.write_text("A=1\n")
    _git(tmp_path, "add", "--force", ".env")
    assert git.standing(file) is git.Standing.TRACKED


def test_the_file_that_a_link_leads_to_is_what_counts(tmp_path: Path) -> None:
    inside, outside = tmp_path / "repository", tmp_path / "elsewhere"
    inside.mkdir()
    outside.mkdir()
    repository(inside)
    (inside / ".env").symlink_to(outside / "env")
    assert git.standing(inside / ".env") is git.Standing.OUTSIDE
    (outside / ".env").symlink_to(inside / "env")
    assert git.standing(outside / ".env") is git.Standing.WOULD_TRACK


def test_a_repository_that_git_cannot_read_is_no_place_for_a_key(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")
    with pytest.raises(ConfigError, match="can't say"):
        git.require_private(tmp_path / ".env")


def test_gitignore_is_added_to_once_and_keeps_what_is_there(tmp_path: Path) -> None:
    repository(tmp_path)
    (tmp_path / ".gitignore").write_bytes(b"*.pyc\r\n# ours")
    for _ in range(2):
        git.ignore(tmp_path / ".env")
    assert (tmp_path / ".gitignore").read_bytes() == b"*.pyc\r\n# ours\n/.env\n"


def test_init_adds_env_to_gitignore_after_asking(openai: Project, database: str) -> None:
    repository(openai.folder)
    with openai.at_terminal("init", "--no-agent", DATABASE_URL=database) as terminal:
        terminal.wait_for("Number")
        terminal.type("1")
        terminal.wait_for("it is not shown")
        terminal.type(GOOD)
        terminal.wait_for("will add .env to it")
        terminal.wait_for("Apply these")
        assert ".gitignore" not in openai.tree()
        terminal.type("y")
        assert left(terminal) == 0, terminal.shown
    assert (openai.folder / ".gitignore").read_text() == "/.env\n"
    assert git.standing(openai.folder / ".env") is git.Standing.IGNORED


def test_a_key_is_not_written_to_a_file_that_git_tracks_until_the_remedy_is_followed(
    openai: Project, door: Doorman, database: str
) -> None:
    repository(openai.folder)
    openai.write(".env", "A=1\n")
    _git(openai.folder, "add", ".env")
    _git(openai.folder, "commit", "--quiet", "-m", "t")
    run = ["init", "--yes", "--key-stdin", "OPENAI_API_KEY"]
    failed = openai.run(*run, stdin=GOOD, DATABASE_URL=database)
    assert failed.returncode == 2 and "git tracks .env" in failed.stderr
    assert (openai.folder / ".env").read_text() == "A=1\n"
    nowhere("canary", failed.stdout, failed.stderr)
    remedy = failed.stderr.rsplit("Run: ", 1)[1].strip()
    assert remedy.startswith("git -C ")
    subprocess.run(remedy, shell=True, cwd=openai.folder, check=True, capture_output=True)
    mended = openai.run(*run, stdin=GOOD, DATABASE_URL=database)
    assert mended.returncode == 0, mended.stderr
    assert (openai.folder / ".env").read_text() == f"A=1\nOPENAI_API_KEY={GOOD}\n"


def test_a_key_in_the_environment_goes_first_and_that_is_told(openai: Project, database: str) -> None:
    failed = openai.run(
        "init", "--yes", "--key-stdin", "OPENAI_API_KEY", stdin=GOOD, DATABASE_URL=database, OPENAI_API_KEY="other"
    )
    assert failed.returncode == 2 and "unset OPENAI_API_KEY" in failed.stderr
    assert ".env" not in openai.tree()


@pytest.mark.parametrize(("name", "stdin"), [("NO_SUCH_KEY", GOOD), ("OPENAI_API_KEY", ""), ("OPENAI_API_KEY", "\n")])
def test_a_key_that_is_none_is_refused(openai: Project, name: str, stdin: str) -> None:
    failed = openai.run("init", "--yes", "--key-stdin", name, stdin=stdin)
    assert failed.returncode == 2
    assert list(openai.tree()) == ["aikit.toml"]
    nowhere("canary", failed.stdout, failed.stderr)


def test_a_new_file_is_written_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(atomic.os, "link", refused)
    file = tmp_path / "aikit.toml"
    assert atomic.write_new(file, b"one")
    assert not atomic.write_new(file, b"two")
    assert [each.name for each in tmp_path.iterdir()] == ["aikit.toml"]
    assert file.read_bytes() == b"one"


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "prompts").write_text("")
    with pytest.raises(ConfigError) as refused:
        atomic.write_new(tmp_path / "prompts" / "a" / "v1.prompt", b"")
    assert refused.value.remedy == f"{tmp_path / 'prompts'} is a file, and has to be a folder: move it away."
