"""Node and the official SDKs for it, installed once on this machine, outside of the checkout."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from support.tmux import program

PROGRAMS = Path(__file__).parents[1] / "node"
SECONDS = 120.0
ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}


def installed() -> Path:
    """The folder that has the packages of package.json. Fails the test where they can't be installed."""
    named = hashlib.sha256(b"".join([(PROGRAMS / name).read_bytes() for name in ("package.json", ".npmrc")]))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aikit-tests"
    folder = cache / f"node-{named.hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "node.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _install(cache, folder)
    return folder


def _install(cache: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache) as made:
        for name in ("package.json", ".npmrc"):
            shutil.copy(PROGRAMS / name, made)
        command = [program("npm"), "install", "--ignore-scripts", "--no-progress"]
        done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=600)
        if done.returncode:
            pytest.fail(f"npm could not install the SDKs of tests/node:\n{done.stderr[-2000:]}", pytrace=False)
        Path(made).rename(folder)
        Path(made).mkdir()


def run_node(name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a program of tests/node tells, by case."""
    folder = installed()
    for file in PROGRAMS.glob("*.mjs"):
        _put(file, folder / file.name)
    done = subprocess.run(
        [str(_node(folder)), name],
        cwd=folder,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _node(folder: Path) -> Path:
    machine = platform.machine()
    own = f"node-{platform.system().lower()}-{ARCHITECTURES.get(machine, machine)}"
    return folder / "node_modules" / own / "bin" / "node"


def _put(file: Path, there: Path) -> None:
    """A copy beside the packages, which Node looks for where the program is."""
    if not there.exists() or there.read_bytes() != file.read_bytes():
        with tempfile.NamedTemporaryFile(dir=there.parent, delete=False) as copy:
            copy.write(file.read_bytes())
        Path(copy.name).replace(there)
