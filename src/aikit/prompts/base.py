"""The lock as it was where a branch began: read from git, if there is one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from aikit.errors import PromptInvalid
from aikit.prompts.lock import FILE

SECONDS = 30
"""That git may take to answer."""
GITHUB = "GITHUB_BASE_REF"
"""What GitHub Actions calls the branch that a pull request goes to."""


class Base(NamedTuple):
    """What a lock is compared with, and in `said` what that is. `lock` None: there is nothing, and `said` says why."""

    said: str
    lock: str | None = None
    warning: str | None = None
    """There should have been something."""


def find_base(folder: Path, ref: str | None = None, environ: Mapping[str, str] | None = None) -> Base:
    """The lock of `folder` at the merge base with `ref`, or else with the main branch.

    Raises PromptInvalid for a `ref` that git does not know. Without git or a repository, there is nothing to compare.
    """
    if _git(folder, "rev-parse", "--is-inside-work-tree") is None:
        if ref is not None:
            raise _unknown(ref, "there is no git repository")
        return Base("nothing: there is no git repository here")
    if _commit(folder, "HEAD") is None:
        return Base("nothing: there is no commit yet")
    names = [ref] if ref is not None else list(_candidates(folder, os.environ if environ is None else environ))
    for name in names:
        if _commit(folder, name) is not None:
            return _compared(folder, name, stated=ref is not None)
    if ref is not None:
        raise _unknown(ref, "git does not know it")
    if _shallow(folder):
        return Base("nothing: this clone is shallow", warning=_SHALLOW)
    return Base("nothing: there is no main, no master and no upstream branch")


_SHALLOW = (
    "The lock was not compared with its past, since this clone is shallow. "
    "Fetch all of it: `git fetch --unshallow`, or `fetch-depth: 0` for actions/checkout."
)


def _unknown(ref: str, why: str) -> PromptInvalid:
    return PromptInvalid(
        f"There is nothing to compare with: {why} ({ref[:100]!r}).",
        facts={"base": ref[:100]},
        remedy="Name a branch, a tag or a commit that is here: --base origin/main.",
    )


def _candidates(folder: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """The branches that this one may have begun at; the first that is there counts."""
    if target := environ.get(GITHUB):
        yield from (f"refs/remotes/origin/{target}", f"refs/heads/{target}")
    head = _git(folder, "symbolic-ref", "--quiet", "refs/remotes/origin/HEAD")
    if head:
        yield head.strip()
    for branch in ("main", "master"):
        yield f"refs/remotes/origin/{branch}"
    for branch in ("main", "master"):
        yield f"refs/heads/{branch}"
    yield "@{upstream}"


def _compared(folder: Path, name: str, *, stated: bool) -> Base:
    shown = name.removeprefix("refs/heads/").removeprefix("refs/remotes/")
    found = _git(folder, "merge-base", "HEAD", name)
    if not found:
        if _shallow(folder):
            return Base(f"nothing: this clone does not reach back to where it left {shown}", warning=_SHALLOW)
        return Base(f"nothing: this branch and {shown} have no commit in common")
    commit = found.split()[0]
    text = _git(folder, "show", f"{commit}:./{FILE}")
    said = f"{shown}, at {commit[:10]}"
    only_itself = not stated and commit == (_commit(folder, "HEAD") or "").strip()
    warning = _SHALLOW if only_itself and _shallow(folder) else None
    if only_itself and (before := _git(folder, "show", f"{commit}^:./{FILE}")):
        text, said = _both(before, text or ""), f"{said}, and what was before it"
    return Base(said, text, warning) if text is not None else Base(f"{said}, which has no {FILE} yet", "", warning)


def _both(before: str, text: str) -> str:
    """All lines of a lock before a commit, and those that the commit has added: else a line that it dropped, once it is
    on the main branch, would never be missed."""
    lines = before.splitlines()
    return "\n".join([*lines, *(line for line in text.splitlines() if line not in lines)])


def _commit(folder: Path, name: str) -> str | None:
    if name.startswith("-"):
        return None
    return _git(folder, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")


def _shallow(folder: Path) -> bool:
    return (_git(folder, "rev-parse", "--is-shallow-repository") or "").strip() == "true"


def _git(folder: Path, *arguments: str) -> str | None:
    """What git writes; None if it fails or is not installed."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
