"""`aikit prompt check`: whether files, lock and the lock's past agree. Each problem says what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from aikit.errors import PromptError
from aikit.prompts.base import Base
from aikit.prompts.folder import PromptFolder, changed
from aikit.prompts.lock import FILE, Lock, Locked, read_lock
from aikit.prompts.reading import hash_of, normalised


class Problem(NamedTuple):
    """Something that is not as it must be. `code` is stable; `prompt` is NAME@vN, `line` one of the lock."""

    code: str
    message: str
    remedy: str
    prompt: str | None = None
    line: int | None = None


class Checked(NamedTuple):
    """What was found, and what else a person should know."""

    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    locked: int
    drafts: tuple[str, ...]
    compared_with: str


def check_folder(folder: PromptFolder, base: Base) -> Checked:
    """Everything that is wrong with a folder of prompts, and with its lock against the one of `base`."""
    text = folder.lock_text()
    lock = read_lock(text)
    found = [
        *_unreadable(lock),
        *_twice(folder, lock),
        *_disorder(folder, lock),
        *_parents(folder, lock),
        *_contents(folder, lock),
        *_past(lock, base),
        *_files(folder, lock),
    ]
    drafts = tuple(_drafts(folder, lock))
    warnings = [base.warning] if base.warning else []
    warnings += [f"{draft} is a draft: `aikit prompt lock {draft.partition('@')[0]}` locks it." for draft in drafts]
    crlf = _with_crlf(folder, lock, text)
    notes = [f"{crlf} with CRLF as line ends: read as LF, which is what the hashes are of."] if crlf else []
    return Checked(tuple(found), tuple(warnings), tuple(notes), len(lock.lines), drafts, base.said)


def _unreadable(lock: Lock) -> Iterator[Problem]:
    for bad in lock.bad:
        yield Problem("LOCK_UNREADABLE", f"{FILE} line {bad.line}: {bad.what}.", bad.remedy, line=bad.line)


def _twice(folder: PromptFolder, lock: Lock) -> Iterator[Problem]:
    """Two branches that each added the same version leave two lines for it."""
    seen: dict[tuple[str, int], Locked] = {}
    for line in lock.lines:
        first = seen.setdefault((line.name, line.version), line)
        if first is line:
            continue
        free = max(other.version for other in lock.of(line.name)) + 1
        if first.sha256 == line.sha256:
            remedy = f"Remove line {line.line}: both say the same."
        else:
            remedy = (
                f"Keep the line that was merged first. Save the other content as {folder.shown(line.name, free)}, "
                f"remove its line, and lock it as v{free}: aikit prompt lock {line.name}."
            )
        yield Problem(
            "LOCKED_TWICE",
            f"{line.id} is locked twice, in lines {first.line} and {line.line} of {FILE}: two branches have added it.",
            remedy,
            line.id,
            line.line,
        )


def _disorder(folder: PromptFolder, lock: Lock) -> Iterator[Problem]:
    for name in dict.fromkeys(line.name for line in lock.lines):
        for before, after in pairwise(lock.of(name)):
            if after.version < before.version or after.date < before.date:
                what = "version" if after.version < before.version else "date"
                yield Problem(
                    "LOCK_REORDERED",
                    f"{FILE} line {after.line}: {after.id} stands below {before.id}, whose {what} is later.",
                    f"Put the lines back in their order: git checkout -- {folder.shown_lock}, "
                    "then `aikit prompt lock` what is new.",
                    after.id,
                    after.line,
                )


def _parents(folder: PromptFolder, lock: Lock) -> Iterator[Problem]:
    for line in lock.lines:
        known = {other.version for other in lock.of(line.name) if other.line < line.line}
        if line.parent is not None and line.parent not in known:
            yield Problem(
                "PARENT_MISSING",
                f"{FILE} line {line.line}: {line.id} was made from v{line.parent}, of which no line above it knows.",
                f"Restore the line of {line.name}@v{line.parent}: git log -p -- {folder.shown_lock}.",
                line.id,
                line.line,
            )


def _contents(folder: PromptFolder, lock: Lock) -> Iterator[Problem]:
    for line in {(line.name, line.version): line for line in reversed(lock.lines)}.values():
        wanted = {other.sha256 for other in lock.lines if (other.name, other.version) == (line.name, line.version)}
        path, shown = folder.file(line.name, line.version), folder.shown(line.name, line.version)
        if not path.is_file():
            remedy = f"Restore it: git checkout -- {shown}. What was locked stays: somebody may be using it."
            yield Problem("FILE_MISSING", f"{shown} is gone, and {line.id} is locked.", remedy, line.id, line.line)
            continue
        try:
            sha256 = hash_of(normalised(path.read_bytes(), shown))
            if sha256 not in wanted:
                raise changed(line, sha256, shown)
            folder.draft(line.name, line.version)
        except PromptError as error:
            yield Problem(error.code, error.message, error.remedy, line.id, line.line)


def _past(lock: Lock, base: Base) -> Iterator[Problem]:
    """What the base has, in its order, the lock must have; between and below may stand what is new."""
    if base.lock is None:
        return
    here = {line.text: number for number, line in enumerate(lock.lines)}
    last: tuple[int, Locked] | None = None
    there = read_lock(base.lock).lines
    kept = {(line.name, line.version) for line in there if line.text in here}
    for line in there:
        at = here.get(line.text)
        if at is None and (line.name, line.version) in kept:
            continue  # locked twice there, which is resolved here
        if at is None:
            now = next(
                (other for other in lock.lines if (other.name, other.version) == (line.name, line.version)), None
            )
            what = f"was changed, now in line {now.line}" if now else "is gone"
            yield Problem(
                "LOCK_LOST_A_LINE",
                f"{FILE}: the line of {line.id} {what}. It was there in {base.said}.",
                f"The lock only grows. Put the line back: {line.text}",
                line.id,
                now.line if now else None,
            )
        elif last is not None and at < last[0]:
            yield Problem(
                "LOCK_REORDERED",
                f"{FILE} line {lock.lines[at].line}: {line.id} stands above {last[1].id}, and below it in {base.said}.",
                "Put the lines back in the order they had there.",
                line.id,
                lock.lines[at].line,
            )
        else:
            last = (at, line)


def _files(folder: PromptFolder, lock: Lock) -> Iterator[Problem]:
    for stray in folder.strays():
        shown = stray.path.relative_to(folder.path.parent)
        yield Problem("NOT_A_VERSION", f"{shown} is no prompt: {stray.what}.", "Rename it, or move it elsewhere.")
    for draft in _drafts(folder, lock):
        name, _, number = draft.partition("@v")
        newest = max((line.version for line in lock.of(name)), default=0)
        if int(number) < newest:
            yield Problem(
                "NOT_LOCKED",
                f"{draft} has a file and no line in {FILE}, though v{newest} has one.",
                f"If its line was lost, put it back (git log -p -- {folder.shown_lock}). "
                f"Otherwise rename the file to v{newest + 1}, and lock that.",
                draft,
            )
        try:
            folder.draft(name, int(number))
        except PromptError as error:
            yield Problem(error.code, error.message, error.remedy, draft)


def _drafts(folder: PromptFolder, lock: Lock) -> Iterator[str]:
    locked = {(line.name, line.version) for line in lock.lines}
    for name in folder.names():
        for version in folder.versions(name):
            if (name, version) not in locked:
                yield f"{name}@v{version}"


def _with_crlf(folder: PromptFolder, lock: Lock, text: str) -> str:
    """Which files are checked out with CRLF, in words; empty if none are."""
    files = 0
    for line in lock.lines:
        path = folder.file(line.name, line.version)
        files += path.is_file() and b"\r\n" in path.read_bytes()
    parts = [f"{files} file{'s' if files != 1 else ''}"] if files else []
    return " and ".join([*parts, *([FILE] if "\r\n" in text else [])])
