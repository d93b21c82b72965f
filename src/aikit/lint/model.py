"""The words of the linter: a rule, a finding, what is allowed, and what it is told about the project."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple


class Rule(NamedTuple):
    """One thing that is looked for. `bad` is found by it, `good` is not."""

    code: str
    name: str
    summary: str
    why: str
    remedy: str
    bad: str
    good: str


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that breaks a rule. Lines and columns count from 1, columns in characters; `cell` of a notebook, too.

    `reason` is why it is allowed; None: it is not.
    """

    path: str
    cell: int
    line: int
    column: int
    code: str
    message: str
    remedy: str = ""
    end_line: int = 0
    end_column: int = 0
    reason: str | None = None

    @property
    def where(self) -> str:
        """`app.py:3:9`, or `app.ipynb:cell 2:3:9`."""
        cell = f":cell {self.cell}" if self.cell else ""
        return f"{self.path}{cell}:{self.line}:{self.column}"


CONFIGURATION = ("config.py", "settings.py", "**/config.py", "**/settings.py", "**/config/**", "**/settings/**")
TESTS = (
    "tests/**",
    "**/tests/**",
    "test_*.py",
    "**/test_*.py",
    "**/*_test.py",
    "*_test.py",
    "conftest.py",
    "**/conftest.py",
    "evals/**",
    "**/evals/**",
)


def _no_complaint(name: str, version: int | None) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Project:
    """What is known of the project beside the file that is looked at.

    Globs are of paths from the project's root. `missing` says what is wrong with a prompt and a version of it (None:
    with its name alone), and None if nothing is; `key_names` are the variables that keys of providers are read from.
    """

    exclude: tuple[str, ...] = ()
    configuration: tuple[str, ...] = CONFIGURATION
    tests: tuple[str, ...] = TESTS
    default_tenant_ok: bool = False
    key_names: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    missing: Callable[[str, int | None], str | None] = field(default=_no_complaint)
