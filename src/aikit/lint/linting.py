"""Looks at files one by one, and says for each finding whether it is allowed."""

from __future__ import annotations

import ast
import gc
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aikit.lint.allows import Allow, allows, reason_for
from aikit.lint.checks.looking import Looking, Note
from aikit.lint.files import matches, relative
from aikit.lint.hosts import HOSTS
from aikit.lint.known import AMBIGUOUS, KEYS, PACKAGES
from aikit.lint.model import Finding, Project
from aikit.lint.rules import BY_CODE
from aikit.lint.source import Source, Unreadable, check, parse, read_source

_IMPORTS = re.compile(rf"(?:^|[;:])[ \t]*(?:from|import)\b[^\n#]*\b(?:{'|'.join(sorted(PACKAGES))})\b", re.MULTILINE)
_WORDS = ("AIKit", "prompt(", "aikit: allow", "aikit:allow", "import_module", "__import__")
_A_KIT = re.compile(r"(?<!ai)kit\.")
_SHORTEST = 5
_DOMAINS = {host.split(".")[-2] if len(host.split(".")[-2]) >= _SHORTEST else host for host in HOSTS}
"""Parts of hosts, for a host may be put together: `"https://api." + "openai.com"`."""
_HOSTS = re.compile("|".join(map(re.escape, sorted({*_DOMAINS, "azure.com", "amazonaws", "api.aws"}))), re.IGNORECASE)
_KEYS = re.compile("|".join(sorted(KEYS)))


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, allowed or not, and in how many files."""

    findings: tuple[Finding, ...]
    files: int

    @property
    def open(self) -> tuple[Finding, ...]:
        """Those that nobody has allowed."""
        return tuple(finding for finding in self.findings if finding.reason is None)

    @property
    def allowed(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.reason is not None)

    def only(self, select: frozenset[str], ignore: frozenset[str]) -> Report:
        """What rules that are selected (none: all) and not ignored have found."""
        kept = [one for one in self.findings if (not select or one.code in select) and one.code not in ignore]
        return replace(self, findings=tuple(kept))


def lint(files: Iterable[Path], root: Path, project: Project, here: Path | None = None) -> Report:
    """All findings of these files, by place. Globs start from `root`, paths in the report from `here`; else alike."""
    found: list[Finding] = []
    count = 0
    with _no_collecting():
        for file in files:
            found.extend(lint_file(file, root, project, here or root))
            count += 1
    return Report(tuple(sorted(found, key=lambda one: (one.path, one.cell, one.line, one.column, one.code))), count)


def lint_file(file: Path, root: Path, project: Project, here: Path) -> list[Finding]:
    """The findings of one file. A file that can't be read is one itself."""
    shown = relative(file, here)
    try:
        source = read_source(file)
        return lint_source(
            source,
            shown,
            project,
            configuration=matches(file, root, project.configuration),
            test=matches(file, root, project.tests),
            own=_own(file, root) if "agents" in source.text else frozenset(),
        )
    except Unreadable as error:
        said = error.message.rstrip(".")
        message = f"It can't be read as Python: {said}{'' if said.endswith('?') else '.'}"
        return [Finding(shown, error.cell, error.line, error.column, "AK009", message, BY_CODE["AK009"].remedy)]


def lint_source(
    source: Source,
    shown: str,
    project: Project,
    *,
    configuration: bool = False,
    test: bool = False,
    own: frozenset[str] = frozenset(),
) -> list[Finding]:
    """The findings of a text. Raises Unreadable."""
    if not _worth_reading(source.text, project):
        check(source)
        return []
    tree = parse(source)
    try:
        notes = Looking(project, configuration, test, own).look(tree)
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    known, lines = allows(source.text), source.text.split("\n")
    found = [_finding(note, shown, source, lines, known) for note in _once(notes)]
    return found + [finding for allow in known for finding in _bad(allow, shown, source)]


def _worth_reading(text: str, project: Project) -> bool:
    """Whether anything in it could break a rule. Most files of a project can't, and a tree is dear."""
    if any(word in text for word in _WORDS) or any(name in text for name in (*project.key_names, *project.hosts)):
        return True
    if "kit." in text and _A_KIT.search(text):
        return True
    if ("_KEY" in text or "_TOKEN" in text) and _KEYS.search(text):
        return True
    if ("://" in text or "Connection" in text) and _HOSTS.search(text):
        return True
    return _IMPORTS.search(text) is not None


def _once(notes: list[Note]) -> Iterator[Note]:
    seen = set()
    for note in notes:
        key = (note.code, getattr(note.node, "lineno", 0), getattr(note.node, "col_offset", 0))
        if key not in seen:
            seen.add(key)
            yield note


def _finding(note: Note, shown: str, source: Source, lines: list[str], known: list[Allow]) -> Finding:
    node = note.node
    assert isinstance(node, ast.expr)
    end = node.end_lineno or node.lineno
    cell, line = source.place(node.lineno)
    return Finding(
        path=shown,
        cell=cell,
        line=line,
        column=_column(lines, node.lineno, node.col_offset),
        code=note.code,
        message=note.message,
        remedy=note.remedy,
        end_line=source.place(end)[1],
        end_column=_column(lines, end, node.end_col_offset or 0),
        reason=reason_for(known, note.code, {node.lineno, note.statement}),
    )


def _column(lines: list[str], line: int, offset: int) -> int:
    """A column in characters, counted from 1; trees count bytes from 0."""
    text = lines[line - 1] if line <= len(lines) else ""
    return len(text.encode()[:offset].decode("utf-8", "replace")) + 1


def _bad(allow: Allow, shown: str, source: Source) -> Iterator[Finding]:
    """What is wrong with a comment."""
    if not allow.codes:
        says = ["it names no rule"]
    elif not allow.reason:
        says = ["it gives no reason"]
    else:
        says = [
            f"there is no rule {code}" if code not in BY_CODE else f"{code} is not found here"
            for code in allow.codes
            if code not in allow.used
        ]
    cell, line = source.place(allow.line)
    for what in says:
        message = f"This comment allows nothing: {what}."
        end = allow.column + 1
        yield Finding(shown, cell, line, allow.column, "AK000", message, BY_CODE["AK000"].remedy, line, end)


def _own(file: Path, root: Path) -> frozenset[str]:
    """Which of the packages with everyday names the project has itself, beside the file or above it."""
    above = file.absolute().parents
    inside = [folder for folder in above if folder.is_relative_to(root)] or [above[0]]
    return frozenset(
        name
        for name in AMBIGUOUS
        if any((folder / name).is_dir() or (folder / f"{name}.py").is_file() for folder in (*inside, root / "src"))
    )


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Trees have no garbage to be looked for, and looking for it takes as long as building them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
