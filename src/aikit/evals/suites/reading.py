"""Suites from files: `NAME.eval.yaml` and its cases, read whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aikit.errors import ConfigError
from aikit.evals.model import Case, ScorerSpec, Suite
from aikit.evals.scorers.catalogue import KINDS
from aikit.evals.suites.cases import read_cases
from aikit.evals.suites.fields import SUITE
from aikit.evals.suites.kinds import Place, Problem, suggestion
from aikit.evals.suites.problems import error_of, line_of, told
from aikit.prompts.refs import parse_ref

if TYPE_CHECKING:
    from aikit.prompts import plain_yaml

SUFFIX = ".eval.yaml"
LIKE_SUITES = (".eval.yml", ".evals.yaml", ".evals.yml", ".eval.json")
"""What files are called that somebody takes for suites."""
LARGEST = 1_000_000
LARGEST_CASES = 200_000_000
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def list_suites(folder: Path) -> dict[str, Path]:
    """The files of the suites in a folder, by name, sorted. Raises ConfigError for a name that can't be used, or is
    there twice, and for a file that looks like a suite and is not called like one.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*")):
        if like := next((suffix for suffix in LIKE_SUITES if path.name.lower().endswith(suffix)), None):
            name = path.name[: -len(like)]
            raise ConfigError(
                f"{_shown(path)} is no suite: their names end in {SUFFIX}.", remedy=f"Call it {name}{SUFFIX}."
            )
        if not path.name.endswith(SUFFIX):
            continue
        name = path.name.removesuffix(SUFFIX)
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{_shown(path)}: {name!r} can't be the name of a suite.",
                remedy="A name has a to z, 0 to 9, . _ and -, and begins with a letter or digit.",
            )
        found[name] = path
    return found


def read_suites(folder: Path, names: Sequence[str] = ()) -> tuple[Suite, ...]:
    """The suites of these names, or all. Raises ConfigError, also for a name that there is none of, and for none."""
    known = list_suites(folder)
    if not known:
        raise ConfigError(
            f"There are no suites in {folder.name}/.", remedy=f"Write {folder.name}/NAME{SUFFIX}, and its cases."
        )
    for name in names:
        if name not in known:
            raise ConfigError(
                f"There is no suite {name!r} in {folder.name}/.",
                facts={"suite": name, "known": list(known)},
                remedy=suggestion(name, tuple(known)),
            )
    return tuple([read_suite(known[name]) for name in dict.fromkeys(names or known)])


def read_suite(path: Path) -> Suite:
    """The suite that a file states, with its cases. Raises ConfigError that says file, line, field and remedy of
    what is wrong; `facts["problems"]` has every problem.
    """
    where = _shown(path)
    stated, lines = _fields(_text(path, LARGEST), where)
    place = Place()
    found = SUITE.read(stated, place)
    for problem in _between_fields(stated):
        place.problems.append(problem)
    if place.problems:
        raise error_of(where, [told(where, problem, line_of(lines, problem.path)) for problem in place.problems])
    name = path.name.removesuffix(SUFFIX)
    cases_path = path.parent / found.get("cases", f"{name}.cases.jsonl")
    cases = read_cases(_text(cases_path, LARGEST_CASES, named_in=where), _shown(cases_path))
    specs = tuple([replace(spec, line=line_of(lines, ("scorers", spec.name))) for spec in found["scorers"]])
    unmet = [problem for spec in specs for problem in _unmet(spec, cases)]
    if unmet:
        raise error_of(where, [told(where, problem, line_of(lines, problem.path)) for problem in unmet])
    return Suite(
        name=name,
        path=path,
        cases=cases,
        scorers=specs,
        cases_path=cases_path,
        description=found.get("description", "").strip(),
        prompt=parse_ref(found["prompt"]) if "prompt" in found else None,
        target=found.get("target"),
        model=found.get("model"),
        parameters=found.get("parameters", {}),
        trials=found.get("trials", 1),
        budget_nano=found.get("budget_usd"),
        concurrency=found.get("concurrency"),
    )


def _between_fields(stated: Mapping[str, Any]) -> list[Problem]:
    if "prompt" in stated and "target" in stated:
        return [Problem(("target",), "is there beside `prompt`", "A suite evaluates one of them: remove the other.")]
    if "prompt" not in stated and "target" not in stated:
        how = "Write prompt: NAME@candidate, or target: module:function."
        return [Problem((), "it names neither a prompt nor a target", how)]
    return []


def _unmet(spec: ScorerSpec, cases: Sequence[Case]) -> list[Problem]:
    """What a scorer needs of cases, and some do not have."""
    found = []
    for need in KINDS[spec.use].needs(spec.options):
        without = [case for case in cases if not need.met(case)]
        if without:
            some = ", ".join([f"{case.id} (line {case.line})" for case in without[:3]])
            more = f" and {len(without) - 3:,} more" if len(without) > 3 else ""
            what = f"needs {need.what}, which is not in {some}{more}"
            found.append(Problem(("scorers", spec.name), what, "Add it to the cases, or state it for the scorer."))
    return found


def _fields(text: str, where: str) -> tuple[dict[str, Any], Mapping[plain_yaml.Path, int]]:
    from aikit.prompts.plain_yaml import YAMLWrong, read_plain

    try:
        found = read_plain(text, "the suite", "Write prompt: NAME@candidate, and scorers under scorers:.")
    except YAMLWrong as error:
        told_once = told(where, Problem((), error.told().rstrip("."), error.remedy), error.line)
        raise error_of(where, [told_once]) from None
    return found.fields, found.lines


def _text(path: Path, most: int, *, named_in: str | None = None) -> str:
    where = _shown(path)
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise ConfigError(f"{where} has more than {most:,} bytes.", remedy="Split it into several suites.")
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{where} line {line}: this is not UTF-8.", remedy="Save the file as UTF-8.") from None
    except OSError as error:
        if isinstance(error, FileNotFoundError) and named_in is not None:
            raise ConfigError(
                f"{where}, the cases of {named_in}, is not there.",
                remedy=f"Write the cases in it, one JSON object a line, or name another file as `cases` in {named_in}.",
            ) from None
        raise ConfigError(f"{where} can't be read: {error.strerror}.", remedy="Check its name and rights.") from None


def _shown(path: Path) -> str:
    """A file's name for people, without where the folder is."""
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name
