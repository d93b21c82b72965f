"""The embedded PostgreSQL and who runs it: a normal user, root with and without user namespaces, two containers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from aikit.database import embedded, processes
from aikit.errors import EmbeddedFailed
from support.embedded import (
    ask,
    moved,
    needs_root,
    nobody,
    postmaster,
    python,
    python_as_normal_user,
    refusing,
    result,
)

REPORT = """
from aikit.errors import EmbeddedFailed
try:
    print(embedded.ensure(root))
except EmbeddedFailed as error:
    print(error)
"""
NO_PTRACE = ("setpriv", "--bounding-set=-sys_ptrace")


def runs_as(root: Path) -> int:
    """The user of the running server, as the kernel has it."""
    return Path(f"/proc/{postmaster(root)}").stat().st_uid


def test_a_normal_user_runs_the_server_as_itself(open_directory: Path) -> None:
    root = open_directory / "pg"
    code = "print(embedded.ensure(root)); import os; print(os.geteuid(), embedded.status(root).running)"
    uid = nobody()[0] if os.geteuid() == 0 else os.geteuid()
    try:
        dsn, said = result(python_as_normal_user(code, root)).splitlines()
        assert said == f"{uid} True"
        assert ask(dsn, "SELECT 1") == "1"
        assert root.stat().st_uid == uid
        assert runs_as(root) == uid
    finally:
        assert result(python_as_normal_user("print(embedded.stop(root))", root)) == "True"


def test_a_directory_that_can_not_be_written_is_an_error_with_a_remedy(open_directory: Path) -> None:
    open_directory.chmod(0o500)
    said = result(python_as_normal_user(REPORT, open_directory / "pg"))
    assert "Permission denied" in said
    assert "Choose a data directory" in said


@needs_root
def test_a_directory_of_another_user_is_an_error_with_a_remedy(open_directory: Path) -> None:
    for owner, caller in ((0, python_as_normal_user), (nobody()[0], python)):
        os.chown(open_directory, owner, owner)
        open_directory.chmod(0o777)
        said = result(caller(REPORT, open_directory))
        assert f"belongs to user {owner}" in said
        assert "Run it as that user" in said
        assert list(open_directory.iterdir()) == []


@needs_root
def test_root_runs_the_server_in_a_user_namespace_and_keeps_its_files(made_root: Path) -> None:
    embedded.ensure(made_root)
    if subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode:
        pytest.skip("user namespaces are not permitted here")
    assert runs_as(made_root) == 0
    assert (made_root / "data").stat().st_uid == 0
    ours, theirs = (Path(f"/proc/{pid}/ns/user").readlink() for pid in ("self", postmaster(made_root)))
    assert ours != theirs


@needs_root
def test_without_user_namespaces_root_runs_the_server_as_nobody(root: Path, tmp_path: Path) -> None:
    shims = tmp_path / "shims"
    shims.mkdir()
    modes = [parent.stat().st_mode for parent in root.parents]
    assert root.parent.stat().st_mode & 0o077 == 0, "nobody could not enter without the right that it is given"
    dsn = result(python("print(embedded.ensure(root))", root, env=refusing(shims, "unshare")))
    assert ask(dsn, "SELECT 1") == "1"
    assert runs_as(root) == (root / "data").stat().st_uid == nobody()[0]
    assert modes == [parent.stat().st_mode for parent in root.parents]

    embedded.stop(root)
    embedded.ensure(root)
    assert runs_as(root) == nobody()[0], "the owner of the files runs the server, also where namespaces are permitted"


@needs_root
def test_root_of_a_container_recognises_the_server_of_nobody(root: Path, tmp_path: Path) -> None:
    """Docker's root may neither make user namespaces nor look at other users' processes."""
    shims = tmp_path / "shims"
    shims.mkdir()
    environment = refusing(shims, "unshare")
    code = """
print(embedded.ensure(root) == embedded.ensure(root), embedded.status(root).pid)
try:
    print(Path("/proc", str(embedded.status(root).pid), "exe").readlink())
except PermissionError:
    print("unreadable")
"""
    first, again = (result(python(code, root, env=environment, before=NO_PTRACE)) for _ in range(2))
    assert first == again == f"True {postmaster(root)}\nunreadable"
    code = "from aikit.database import processes; print(embedded.stop(root), processes.serving(root / 'data'))"
    assert result(python(code, root, env=environment, before=NO_PTRACE)) == "True []"


@needs_root
def test_root_that_can_not_become_anyone_is_told_what_to_do(root: Path, tmp_path: Path) -> None:
    shims = tmp_path / "shims"
    shims.mkdir()
    said = result(python(REPORT, root, env=refusing(shims, "unshare", "setpriv")))
    assert "PostgreSQL does not run as root" in said
    assert "Run aikit as a normal user" in said


@needs_root
def test_a_server_in_another_container_is_used_and_not_doubled(made_root: Path) -> None:
    apart = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("PID namespaces are not permitted here")
    dsn = embedded.ensure(made_root)
    server = postmaster(made_root)
    assert result(python("print(embedded.ensure(root))", made_root, before=apart)) == dsn
    code = REPORT.replace("ensure", "stop")
    assert "can't signal it" in result(python(code, made_root, before=apart))
    assert postmaster(made_root) == server
    assert (made_root / "postgres.log").read_text().count(f"[{server}] LOG:  starting PostgreSQL") == 1


@needs_root
def test_a_server_inside_a_container_is_used_and_stopped_from_its_host(made_root: Path) -> None:
    apart = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("PID namespaces are not permitted here")
    inside = python("import time; print(embedded.ensure(root), flush=True); time.sleep(600)", made_root, before=apart)
    try:
        assert inside.stdout
        assert inside.stdout.readline().strip() == embedded.ensure(made_root)
        assert embedded.status(made_root).pid in processes.serving(made_root / "data")
        assert embedded.stop(made_root) is True
    finally:
        inside.kill()
        inside.communicate()


@pytest.mark.parametrize("room", ["size=16m", "nr_inodes=2"])
def test_a_full_disk_is_an_error_that_says_so_and_leaves_nothing_behind(tmp_path: Path, room: str) -> None:
    mount = 'mount -t tmpfs -o "$0" none "$1" && shift && exec "$@"'
    mounted = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, room, str(tmp_path)]
    if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a user namespace may not mount a small disk here")
    left = "print(sorted(entry.name for entry in root.glob('data*')))"
    said = result(python(REPORT + left, tmp_path / "pg", before=mounted))
    assert "No space left on device" in said
    assert "Free some space" in said or "on a disk with space" in said
    assert said.endswith("[]")


def test_a_disk_that_is_full_at_the_start_of_a_made_cluster_is_an_error_that_says_so(
    made_root: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=80m none "$1" && cp -r "$0" "$1/pg" && { cat /dev/zero > "$1/zero" || true; }'
    mount = [script + ' 2>/dev/null && shift && exec "$@"', str(made_root), str(disk)]
    mounted = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", *mount]
    if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a user namespace may not mount a small disk here")
    said = result(python(REPORT, disk / "pg", before=mounted))
    assert "No space left on device" in said


def test_no_binaries_are_an_error_that_says_what_to_install(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aikit.database import binaries

    monkeypatch.delenv(binaries.VARIABLE, raising=False)
    monkeypatch.setattr(binaries, "WHEEL", "no_such_wheel")
    monkeypatch.setattr(binaries, "SYSTEM", root)
    with pytest.raises(EmbeddedFailed, match=r"pip install 'aikit\[embedded\]'.*DATABASE_URL"):
        embedded.ensure(root)
    assert embedded.status(root).binaries is None
    monkeypatch.setenv(binaries.VARIABLE, str(root))
    with pytest.raises(EmbeddedFailed, match="AIKIT_POSTGRES_BIN is"):
        embedded.ensure(root)


def test_the_systems_own_binaries_serve_without_the_wheel(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aikit.database import binaries

    monkeypatch.delenv(binaries.VARIABLE, raising=False)
    monkeypatch.setattr(binaries, "WHEEL", "no_such_wheel")
    try:
        system = binaries.choose()
    except EmbeddedFailed:
        pytest.skip("no PostgreSQL of the system here")
    assert ask(embedded.ensure(root), "SHOW server_version").startswith(system.version)
    assert embedded.status(root).binaries == system.directory
    embedded.stop(root)
    monkeypatch.undo()
    assert ask(embedded.ensure(root), "SHOW server_version").startswith(system.version)


def test_a_cluster_is_never_run_by_another_version(made_root: Path) -> None:
    version = made_root / "data/PG_VERSION"
    real = version.read_text()
    version.write_text("99\n")
    try:
        with pytest.raises(EmbeddedFailed, match="made by PostgreSQL 99") as failed:
            embedded.ensure(made_root)
        assert "AIKIT_POSTGRES_BIN" in failed.value.remedy
    finally:
        version.write_text(real)


def test_a_server_with_another_home_than_its_own_is_not_taken_for_ours(made_root: Path, tmp_path: Path) -> None:
    with moved(made_root, tmp_path / "real"):
        embedded.ensure(tmp_path / "real")
        (made_root / "data").mkdir(parents=True)
        (made_root / "data/postmaster.pid").write_bytes((tmp_path / "real/data/postmaster.pid").read_bytes())
        assert embedded.status(made_root).running is False
        assert embedded.stop(made_root) is False
        (made_root / "data/postmaster.pid").unlink()
        (made_root / "data").rmdir()
        made_root.rmdir()
        assert embedded.status(tmp_path / "real").running is True
