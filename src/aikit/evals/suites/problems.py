"""One error for everything that is wrong in a file, in the order of its lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from aikit.errors import ConfigError
from aikit.evals.suites.kinds import Problem, path_text

if TYPE_CHECKING:
    from aikit.prompts.plain_yaml import Path

SHOWN = 10
"""Problems in the message; all of them are in the error's facts."""


class Told(NamedTuple):
    """A problem as a person reads it."""

    line: int
    what: str
    remedy: str


def told(where: str, problem: Problem, line: int) -> Told:
    at = f", {path_text(problem.path)}:" if problem.path else ":"
    return Told(line, f"{where} line {line}{at} {problem.what}.", problem.remedy)


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of a path, or of the nearest mapping around it; 1 for the whole file."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def error_of(where: str, found: list[Told]) -> ConfigError:
    """The error: one problem as it is, several as a list. `facts["problems"]` has all of them."""
    found = sorted(found)
    all_told = [f"{one.what} {one.remedy}" for one in found]
    if len(found) == 1:
        return ConfigError(found[0].what, facts={"problems": all_told}, remedy=found[0].remedy)
    more = [f"and {len(found) - SHOWN:,} more"] if len(found) > SHOWN else []
    message = "\n".join([f"{where} has {len(found):,} problems:", *all_told[:SHOWN], *more])
    return ConfigError(message, facts={"problems": all_told}, remedy="Correct these lines.")
