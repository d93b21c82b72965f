"""What was said in a session, kept for the person: redacted, bounded, and readable by nobody else."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aikit.setup.agent.redacting import Redactor

FOLDER = ("setup", "transcripts")
MOST_TEXT = 8_000
"""Characters of one text."""
MOST_BYTES = 2_000_000
MOST_KEPT = 50
"""Transcripts; older ones are removed."""


class Transcript:
    """A file of JSON lines, each with `at`, `kind` and what belongs to it."""

    def __init__(self, data_dir: Path, redactor: Redactor) -> None:
        """Raises OSError if there is no place for it."""
        self._redactor = redactor
        folder = data_dir.joinpath(*FOLDER)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _prune(folder)
        self.path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}.jsonl"
        opened = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_APPEND, 0o600)
        self._file = os.fdopen(opened, "w", encoding="utf-8")
        self._left = MOST_BYTES

    def keep(self, kind: str, **what: Any) -> None:
        """One line more; nothing beyond the bound, and nothing that can't be written stops the session."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"at": at, "kind": kind, **self._cleaned(what)}) + "\n"
        if self._left <= 0:
            return
        self._left -= len(line)
        if self._left <= 0:
            line = json.dumps({"at": at, "kind": "bound", "bytes": MOST_BYTES}) + "\n"
        with suppress(OSError, ValueError):
            self._file.write(line)
            self._file.flush()

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()

    def _cleaned(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._redactor.clean(value)[:MOST_TEXT]
        if isinstance(value, dict):
            return {self._redactor.clean(str(key))[:MOST_TEXT]: self._cleaned(one) for key, one in value.items()}
        return [self._cleaned(one) for one in value] if isinstance(value, list | tuple) else value


def _prune(folder: Path) -> None:
    for old in sorted(folder.glob("*.jsonl"))[: -(MOST_KEPT - 1)]:
        with suppress(OSError):
            old.unlink()
