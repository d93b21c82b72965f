"""Which prompt a call was made with."""

from __future__ import annotations

from typing import NamedTuple


class PromptId(NamedTuple):
    """A version of a prompt (`summarize@v3`) and the SHA-256 of its file, in hexadecimal, line ends as LF."""

    id: str
    sha256: str
