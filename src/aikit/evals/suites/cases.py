"""Cases from JSONL: one JSON object a line, each checked; blank lines are nothing."""

from __future__ import annotations

import json
from typing import Any

from aikit.evals.model import Case
from aikit.evals.suites.fields import CASE
from aikit.evals.suites.kinds import Place, Problem, Wrong
from aikit.evals.suites.problems import Told, error_of, told

MOST = 100_000


def read_cases(text: str, where: str) -> tuple[Case, ...]:
    """The cases of a file, in its order. Raises ConfigError that names every line and field that is wrong."""
    cases: dict[str, Case] = {}
    problems: list[Told] = []
    for line, written in enumerate(text.split("\n"), start=1):
        if not written.strip():
            continue
        place = Place()
        case = _read(written, line, place)
        if case is not None and case.id in cases:
            place.at("id").report(
                Wrong(f"{case.id} is also in line {cases[case.id].line}", "Give it an id of its own.")
            )
        problems += [told(where, problem, line) for problem in place.problems]
        if case is not None:
            cases.setdefault(case.id, case)
    if not problems and not cases:
        problems = [told(where, Problem((), "there are no cases", _EXAMPLE), 1)]
    if len(cases) > MOST:
        problems = [told(where, Problem((), f"there are {len(cases):,} cases", f"{MOST:,} are the most."), 1)]
    if problems:
        raise error_of(where, problems)
    return tuple(cases.values())


_EXAMPLE = 'Write one a line: {"id": "late-fee", "vars": {"thread": "…"}}. A run without cases shows nothing.'


def _read(written: str, line: int, place: Place) -> Case | None:
    try:
        stated = CASE.read(_object(written), place)
    except Wrong as wrong:
        place.report(wrong)
        return None
    if "id" not in stated:
        return None
    return Case(
        id=stated["id"],
        vars=stated.get("vars", {}),
        expected=stated.get("expected"),
        context=stated.get("context"),
        tags=stated.get("tags", ()),
        critical=stated.get("critical", False),
        line=line,
    )


def _object(written: str) -> Any:
    if written.lstrip().startswith(("//", "#")):
        raise Wrong("this is a comment, and JSON has none", "Say it in `tags`, or in the suite's file after a #.")
    try:
        found = json.loads(written, object_pairs_hook=_once, parse_constant=_no_number)
        written.encode("utf-8")
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        raise Wrong(f"this is not JSON: {error.msg} (column {error.colno})", _ONE_LINE) from None
    except UnicodeEncodeError:
        raise Wrong("there is half of a character (a lone surrogate)", "Write the character itself.") from None
    except (RecursionError, ValueError) as error:
        raise Wrong(f"this can't be read ({type(error).__name__})", _ONE_LINE) from None
    if not isinstance(found, dict):
        raise Wrong("this is no JSON object", _EXAMPLE)
    return found


_ONE_LINE = "Each case is one JSON object on one line."


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise Wrong(f"{name[:80]} is there twice", "Keep one of them.")
        found[name] = value
    return found


def _no_number(written: str) -> Any:
    raise Wrong(f"{written} is no number that JSON has", "Leave it out, or write null.")
