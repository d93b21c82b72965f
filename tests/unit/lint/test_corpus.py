"""The corpus: in `bad_*` what is found is marked by `# expect: CODE` on its line, in `good_*` there is nothing."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from aikit.lint.linting import lint
from aikit.lint.model import Project
from aikit.lint.rules import RULES

CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(CORPUS.glob("*.py.txt"))
BAD = [file for file in FILES if file.name.startswith("bad_")]
GOOD = [file for file in FILES if file.name.startswith("good_")]
_MARK = re.compile(r"  # expect: ((?:AK\d{3} ?)+)$")


def known(name: str, version: int | None) -> str | None:
    """A project with summarize v1 to v4, and judge v1."""
    versions = {"summarize": 4, "judge": 1}
    if name not in versions:
        return f"There is no prompt {name}."
    return f"There is no {name}@v{version}." if version is not None and version > versions[name] else None


PROJECT = replace(Project(), missing=known)


def found(file: Path, folder: Path) -> list[tuple[int, str]]:
    """Line and code of what is found in a file of the corpus, its marks removed, that nobody has allowed."""
    copy = folder / file.name.removesuffix(".txt")
    lines = file.read_text("utf-8").split("\n")
    copy.write_text("\n".join(_MARK.sub("", line) for line in lines), "utf-8")
    report = lint([copy], folder, PROJECT)
    return [(one.line, one.code) for one in report.open]


def expected(file: Path) -> list[tuple[int, str]]:
    marks = []
    for number, line in enumerate(file.read_text("utf-8").split("\n"), start=1):
        if mark := _MARK.search(line):
            marks += [(number, code) for code in mark[1].split()]
    return marks


def test_half_of_forty_files_are_clean() -> None:
    assert len(BAD) == len(GOOD) == 20
    assert all(expected(file) for file in BAD)
    assert not any(expected(file) for file in GOOD)


def test_the_corpus_has_every_rule() -> None:
    assert {code for file in BAD for _, code in expected(file)} == {rule.code for rule in RULES}


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.name)
def test_nothing_is_missed_and_nothing_else_is_found(file: Path, tmp_path: Path) -> None:
    assert sorted(found(file, tmp_path)) == sorted(expected(file))


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name)
def test_a_clean_file_raises_no_false_alarm(file: Path, tmp_path: Path) -> None:
    assert found(file, tmp_path) == []


def test_all_files_at_once_are_found_the_same(tmp_path: Path) -> None:
    for file in FILES:
        shutil.copy(file, tmp_path / file.name.removesuffix(".txt"))
    report = lint(sorted(tmp_path.glob("*.py")), tmp_path, PROJECT)
    assert report.files == 40
    dirty = {one.path for one in report.open}
    assert dirty == {file.name.removesuffix(".txt") for file in BAD}
