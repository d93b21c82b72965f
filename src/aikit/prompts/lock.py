"""`prompts.lock`: which content every version has, one line a version. Text, append-only, and read to the letter."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from aikit.errors import PromptInvalid
from aikit.prompts.refs import parse_version

FILE = "prompts.lock"
HEADER = """\
# Which content every version of a prompt has. Append-only: `aikit prompt lock` adds lines, `aikit prompt check`
# compares them with the files, and no line is ever edited, moved or removed.
# name version sha256-of-the-file-with-LF parent date
"""
CONFLICT = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_LINE = re.compile(r"(\S+) (\S+) (\S+) (\S+) (\S+)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class Locked(NamedTuple):
    """One line: the content that a version has. `parent` is the version it was made from; `line` counts from 1."""

    name: str
    version: int
    sha256: str
    parent: int | None
    date: date
    line: int = 0

    @property
    def id(self) -> str:
        return f"{self.name}@v{self.version}"

    @property
    def text(self) -> str:
        """The line as it is written."""
        parent = "-" if self.parent is None else f"v{self.parent}"
        return f"{self.name} v{self.version} {self.sha256} {parent} {self.date.isoformat()}"


class BadLine(NamedTuple):
    """A line that is none of a lock."""

    line: int
    what: str
    remedy: str


class Lock(NamedTuple):
    """What a lock says, and what in it can't be read."""

    lines: tuple[Locked, ...] = ()
    bad: tuple[BadLine, ...] = ()

    def of(self, name: str) -> list[Locked]:
        """The lines of one prompt, in their order."""
        return [line for line in self.lines if line.name == name]

    def find(self, name: str, version: int) -> Locked | None:
        """The line of a version. Raises PromptInvalid if there are two that differ, or a line can't be read."""
        found = [line for line in self.of(name) if line.version == version]
        if self.bad:
            first = self.bad[0]
            raise PromptInvalid(f"{FILE} line {first.line}: {first.what}.", facts={"file": FILE}, remedy=first.remedy)
        if len({line.sha256 for line in found}) > 1:
            raise PromptInvalid(
                f"{FILE} has two contents for {found[0].id}, in lines {found[0].line} and {found[1].line}.",
                facts={"file": FILE, "prompt": found[0].id},
                remedy="`aikit prompt check` says how to resolve it.",
            )
        return found[0] if found else None


def read_lock(text: str) -> Lock:
    """What a lock says; whether its line ends are LF or CRLF is all the same."""
    lines, bad = [], []
    for number, written in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not written or written.startswith("#"):
            continue
        found = _read(written, number)
        if isinstance(found, Locked):
            lines.append(found)
        else:
            bad.append(found)
    return Lock(tuple(lines), tuple(bad))


def _read(written: str, number: int) -> Locked | BadLine:
    if written.startswith(CONFLICT):
        return BadLine(
            number,
            f"the mark of a merge conflict ({written[:7]})",
            "Keep the lines of both sides, those of the branch you merge into first, and remove the marks. If both "
            "added the same version, `aikit prompt check` then says how to resolve it.",
        )
    parts = _LINE.fullmatch(written)
    if parts is None:
        return BadLine(number, "this is no line of a lock: name, version, sha256, parent and date", _RESTORE)
    name, version, sha256, parent, day = parts.groups()
    wrong = [
        what
        for what, right in (
            ("name", _NAME.fullmatch(name)),
            ("version", parse_version(version)),
            ("sha256", _SHA256.fullmatch(sha256)),
            ("parent", parent == "-" or parse_version(parent)),
            ("date", _day(day)),
        )
        if not right
    ]
    if wrong:
        return BadLine(number, f"the {wrong[0]} can't be read", _RESTORE)
    return Locked(name, parse_version(version) or 0, sha256, parse_version(parent), date.fromisoformat(day), number)


_RESTORE = f"Restore the line (git log -p -- '*{FILE}'); nobody edits this file by hand."


def _day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def appended(text: str, new: Iterable[Locked]) -> str:
    """The text of a lock with lines added at its end; its line ends stay what they are."""
    end = "\r\n" if "\r\n" in text else "\n"
    begun = text or HEADER
    if not begun.endswith("\n"):
        begun += end
    return begun + "".join(line.text + end for line in new)
