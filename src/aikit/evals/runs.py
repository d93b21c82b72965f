"""Stored runs, `evals/runs/ID.json`: all that a run has given, so that it can be decided, compared and shown again.

They hold what models have answered, so the folder ignores itself in git and is private.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from aikit.errors import RunInvalid, RunNotFound
from aikit.evals.figures import listed
from aikit.evals.model import Run
from aikit.evals.run_text import read_run, run_text
from aikit.ledger.export.files import made, written

KEPT = 50
"""So many runs of each suite are kept."""
LAST = "last"
_ID = re.compile(r"(\d{8}T\d{9}Z)-(.+)-[0-9a-f]{6}")
_TIME = "%Y%m%dT%H%M%S%f"


class StoredRun(NamedTuple):
    """A stored run, as its file's name tells."""

    id: str
    suite: str
    started_at: datetime
    path: Path


def new_run_id(suite: str, started_at: datetime) -> str:
    """`20261121T170434123Z-summarize-3f9a2c`: in the order of time, in UTC, to the millisecond."""
    return f"{started_at.astimezone(UTC).strftime(_TIME)[:-3]}Z-{suite}-{secrets.token_hex(3)}"


def runs_folder(evals: Path) -> Path:
    """Where runs are stored, in the folder of the evals."""
    return evals / "runs"


def save_run(folder: Path, run: Run, *, spared: Collection[str] = ()) -> Path:
    """Stores it, and deletes the oldest of the same suite beyond `KEPT`, but none of `spared` (what baselines are of).

    Raises ConfigError when it can't be written.
    """
    _ignore(made(folder))
    path = folder / f"{run.id}.json"
    with written(path) as file:
        file.write(run_text(run).encode())
    for old in stored_runs(folder, run.suite)[KEPT:]:
        if old.id != run.id and old.id not in spared:
            old.path.unlink(missing_ok=True)
    return path


def stored_runs(folder: Path, suite: str | None = None) -> list[StoredRun]:
    """The newest first, of one suite or of all. Other files in the folder are left alone."""
    found = (_stored(path) for path in folder.glob("*.json"))
    wanted = [run for run in found if run is not None and suite in (None, run.suite)]
    return sorted(wanted, key=lambda run: run.id, reverse=True)


def load_run(folder: Path, ref: str, suite: str | None = None) -> Run:
    """By its id, the beginning of its id, or `last`; of one suite or of all.

    Raises RunNotFound if there is none, or there are several that begin so; RunInvalid, naming file and field.
    """
    runs = stored_runs(folder, suite)
    found = runs[:1] if ref == LAST else [run for run in runs if ref and run.id.startswith(ref)]
    if len(found) != 1:
        raise _not_found(folder, ref, suite, found)
    run = read_run(found[0].path)
    if run.id != found[0].id:
        raise RunInvalid(f"{found[0].path} holds another run, {run.id}.", facts={"file": str(found[0].path)})
    return run


def _not_found(folder: Path, ref: str, suite: str | None, found: list[StoredRun]) -> RunNotFound:
    facts = {"folder": str(folder), "run": ref}
    if found:
        several = f"{len(found)} stored runs begin with {ref}: {listed(run.id for run in found)}."
        return RunNotFound(several, facts=facts, remedy="Give more of the id.")
    of = f" of {suite}" if suite else ""
    what = f"No run{of} is stored" if ref == LAST else f"No stored run{of} begins with {ref!r}"
    return RunNotFound(f"{what} in {folder}.", facts=facts, remedy="`aikit eval` stores each run that it makes.")


def _stored(path: Path) -> StoredRun | None:
    parts = _ID.fullmatch(path.stem)
    if parts is None:
        return None
    try:
        started = datetime.strptime(parts[1][:-1], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return StoredRun(path.stem, parts[2], started, path)


def _ignore(folder: Path) -> None:
    ignore = folder / ".gitignore"
    if not ignore.exists():
        with written(ignore) as file:
            file.write(b"# What models have answered is no part of the repository.\n*\n")
