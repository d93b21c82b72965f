"""The policy file, `policies.toml`: read whole or not at all, with every problem named by line and field."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from aikit.errors import ConfigError
from aikit.policy.file.kinds import Field, Place, Problem, many, path_text, table
from aikit.policy.file.limits import LIMIT
from aikit.policy.file.lines import Path, line_of, lines_of
from aikit.policy.file.policies import NAMED, NAMED_FIELDS, section, sections
from aikit.policy.model import Policy

SHOWN = 10
"""Problems in the message; all of them are in the error's facts."""

SECTIONS = {
    "default": Field(section(None), "For every call."),
    "plans": Field(sections("plan"), "For tenants and users on a plan."),
    "features": Field(sections("feature"), "For a feature."),
    "tenants": Field(sections("tenant"), "For a tenant."),
    "users": Field(sections("user"), "For a user."),
    "environments": Field(sections("environment"), "For an environment: dev, staging or prod."),
    "policies": Field(many(NAMED, of="tables"), "For any combination of scopes, and for more than one policy a scope."),
}
_FILE = table(SECTIONS)
_AT = re.compile(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", re.DOTALL)


def read_policies(text: str, *, where: str, nano_per_credit: int) -> tuple[Policy, ...]:
    """The policies of a file, sorted by name. `where` is what messages call the file.

    Raises ConfigError that says line, field and remedy of what is wrong; `facts["problems"]` has every problem.
    """
    try:
        stated = tomllib.loads(text)
        lines = lines_of(text)
    except RecursionError:
        raise ConfigError(
            f"{where} is nested too deeply.", remedy="Nothing in it needs more than six levels."
        ) from None
    except ValueError as error:
        raise _no_toml(where, text, str(error)) from None
    place = Place(nano_per_credit=nano_per_credit)
    _FILE.read(stated, place)
    if place.problems:
        raise _invalid(where, place.problems, lines)
    return tuple([policy for _, (_, policy) in sorted(place.policies.items())])


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the file, for editors. It is made of the very fields that the reader knows.

    What it can't say, only the reader checks: that a soft cap is below its cap, that no two limits of a policy count
    the same, that names are unique, that a time zone exists.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "aikit policies",
        "description": "Who may spend what. A policy states some fields for a scope; for each field the most specific "
        "policy that states it wins.",
        **_FILE.schema,
        "$defs": {"limit": LIMIT.schema, **{name: field.schema for name, field in NAMED_FIELDS.items()}},
    }


def _no_toml(where: str, text: str, error: str) -> ConfigError:
    found = _AT.match(error)
    what, line, column = found.groups() if found else (error, None, None)
    at = f"line {line}, column {column}" if line else f"line {text.rstrip().count(chr(10)) + 1}"
    told = f"{where} {at}: {what}."
    return ConfigError(told, facts={"problems": [told]}, remedy="Correct that line; a table in { } must stay on one.")


def _invalid(where: str, problems: list[Problem], lines: dict[Path, int]) -> ConfigError:
    """One error for all problems, in the order of their lines."""
    placed = sorted([(line_of(lines, p.path), path_text(p.path), p) for p in problems], key=lambda found: found[0])
    whats = [f"{where} line {line}, {path}: {p.what}." for line, path, p in placed]
    told = [f"{what} {p.remedy}" for what, (_, _, p) in zip(whats, placed, strict=True)]
    facts = {"problems": told}
    if len(told) == 1:
        return ConfigError(whats[0], facts=facts, remedy=placed[0][2].remedy)
    more = [f"and {len(told) - SHOWN:,} more"] if len(told) > SHOWN else []
    message = "\n".join([f"{where} has {len(told):,} problems:", *told[:SHOWN], *more])
    return ConfigError(message, facts=facts, remedy="Correct these lines.")
