"""Whether git would keep a file: asked of git itself."""

from __future__ import annotations

import os
import shlex
import subprocess
from enum import Enum
from pathlib import Path

from aikit.errors import ConfigError
from aikit.setup.atomic import replace

SECONDS = 5


class Standing(Enum):
    """What git makes of a file."""

    OUTSIDE = "outside of any repository"
    IGNORED = "ignored"
    WOULD_TRACK = "not ignored"
    TRACKED = "tracked"
    UNKNOWN = "unknown"


def root_of(folder: Path) -> Path | None:
    """The folder that has the `.git`, this one or one above."""
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)


def standing(path: Path) -> Standing:
    """How git sees the file that this path leads to. UNKNOWN: there is a repository, and git does not answer."""
    target = path.resolve()
    if root_of(target.parent) is None:
        return Standing.OUTSIDE
    tracked = _ask(target, "ls-files", "--error-unmatch", "--", target.name)
    if tracked == 0:
        return Standing.TRACKED
    ignored = _ask(target, "check-ignore", "--quiet", "--", target.name)
    if tracked != 1 or ignored not in (0, 1):
        return Standing.UNKNOWN
    return Standing.IGNORED if ignored == 0 else Standing.WOULD_TRACK


def require_private(path: Path) -> None:
    """Raises ConfigError, with the way out, if git tracks the file, would, or can't be asked."""
    found, name = standing(path), path.name
    target = path.resolve()
    place = shlex.quote(str(target.parent))
    if found is Standing.TRACKED:
        raise ConfigError(
            f"git tracks {name}: a key in it would be in the history for good, so none was written.",
            code="ENV_TRACKED",
            facts={"file": str(target)},
            remedy=f"Run: git -C {place} rm --cached {shlex.quote(target.name)} "
            f"&& echo {shlex.quote('/' + target.name)} >> {place}/.gitignore",
        )
    if found is Standing.WOULD_TRACK:
        raise ConfigError(
            f"git does not ignore {name}, so the next commit could take the key along; none was written.",
            code="ENV_NOT_IGNORED",
            facts={"file": str(target)},
            remedy=f"Run: echo {shlex.quote('/' + target.name)} >> {place}/.gitignore",
        )
    if found is Standing.UNKNOWN:
        raise ConfigError(
            f"git can't say whether it would keep {name}, so no key was written.",
            code="ENV_UNKNOWN",
            facts={"file": str(target)},
            remedy=f"See what it says: git -C {place} status. Or set the key in the environment instead.",
        )


def ignore(path: Path) -> None:
    """Append the file to the `.gitignore` beside it, unless it is ignored already. Raises ConfigError."""
    target = path.resolve()
    if standing(path) is not Standing.WOULD_TRACK:
        return
    list_of = target.with_name(".gitignore")
    try:
        before = list_of.read_bytes() if list_of.exists() else b""
    except OSError as error:
        raise ConfigError(f"{list_of} can't be read: {error.strerror}.", remedy="Check its rights.") from None
    gap = b"" if not before or before.endswith(b"\n") else b"\n"
    replace(list_of, before + gap + f"/{target.name}\n".encode(), mode=_mode(list_of))


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777 if path.exists() else 0o644


def _ask(target: Path, *question: str) -> int | None:
    """The exit code of git's answer; None if there is none."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        return subprocess.run(
            ["git", *question], cwd=target.parent, env=kept, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=SECONDS, check=False,
        ).returncode  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
