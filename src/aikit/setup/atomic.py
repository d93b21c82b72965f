"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

from aikit.errors import ConfigError

MARK = ".aikit-"
"""In the name of a file that is still being written; one that was left behind is removed at the next write."""
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What file systems say that have no hard links: memory cards, shares, folders of a container's host."""


def write_new(path: Path, data: bytes) -> bool:
    """Write a file that is not there yet. False: it is there, and stays as it is. Raises ConfigError."""
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _beside(path, data) as whole:
            try:
                os.link(whole, path)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                if path.exists():
                    return False
                whole.rename(path)
            _sync(path.parent)
            return True


def replace(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file in place of one that may be there. A symbolic link is kept, and what it points to is replaced.

    Raises ConfigError.
    """
    with _explained(path):
        target = path.resolve()
        with _beside(target, data, mode) as whole:
            whole.replace(target)
            _sync(target.parent)


class _beside:
    """The whole file under another name in the same folder; gone afterwards, under this name."""

    def __init__(self, path: Path, data: bytes, mode: int | None = None) -> None:
        """Without a mode it is as new files are here."""
        self._data, self._mode = data, mode
        for left in path.parent.glob(f"{path.name}{MARK}*.tmp"):
            with suppress(OSError):
                left.unlink()
        self._path = path.with_name(f"{path.name}{MARK}{secrets.token_hex(4)}.tmp")

    def __enter__(self) -> Path:
        try:
            first = 0o666 if self._mode is None else 0o600
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, first)
            with os.fdopen(file, "wb") as opened:
                if self._mode is not None:
                    os.fchmod(file, self._mode)
                opened.write(self._data)
                opened.flush()
                os.fsync(opened.fileno())
        except BaseException:
            self.__exit__()
            raise
        return self._path

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)


class _explained:
    """What the system refuses, in our words."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise ConfigError(
                f"{self._path} can't be written: {error.strerror or type(error).__name__}.",
                facts={"path": str(self._path)},
                remedy=_remedy(self._path, error),
            ) from None


def _remedy(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        file = next((each for each in path.parents if each.exists() and not each.is_dir()), None)
        if file is not None:
            return f"{file} is a file, and has to be a folder: move it away."
    if error.errno == errno.ENOSPC:
        return "The disk is full: make room on it."
    if error.errno == errno.EROFS:
        return "The disk can only be read: choose another folder."
    return "Check who owns the folder, and that the disk has room."


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
