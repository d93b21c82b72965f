"""AK008: frameworks that make a client of their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aikit.lint.calls import Call
from aikit.lint.expressions import Expressions
from aikit.lint.hosts import provider_in
from aikit.lint.known import AGENTS_SETTER, AMBIGUOUS, FRAMEWORKS, INSTRUCTOR_TAKERS, Framework
from aikit.lint.values import Made, Path, Text

if TYPE_CHECKING:
    from aikit.lint.checks.looking import Looking

URL_ARGUMENTS = frozenset({"base_url", "api_base", "api_base_url", "anthropic_api_url"})
_LAST_NAMES = {
    (name.partition(".")[0], last): framework
    for name, framework in FRAMEWORKS.items()
    if (last := name.rpartition(".")[2])[0].isupper() and name.partition(".")[0] not in AMBIGUOUS
}
_ROOTS = frozenset(name.partition(".")[0] for name in FRAMEWORKS) | {"instructor"}


def call(looking: Looking, call: Call, walk: Expressions) -> None:
    for value in call.what:
        if not isinstance(value, Path):
            continue
        root = value.name.partition(".")[0]
        if root not in _ROOTS or (root in AMBIGUOUS and root in looking.own):
            continue
        if value.name == AGENTS_SETTER:
            looking.agents_are_set = True
        elif value.name in INSTRUCTOR_TAKERS:
            _handed(looking, call, value.name, walk)
        elif (framework := _framework(value.name)) is not None and not _served(framework, call, looking):
            message = f"{framework.name} makes a client of its own: {value.name}(…)."
            noted = looking.noted(walk, call.node, "AK008", message, framework.remedy)
            (looking.agents if root in AMBIGUOUS else looking.notes).append(noted)


def _framework(name: str) -> Framework | None:
    found = FRAMEWORKS.get(name)
    if found is None and "()" not in name:
        found = _LAST_NAMES.get((name.partition(".")[0], name.rpartition(".")[2]))
    return found


def _served(framework: Framework, call: Call, looking: Looking) -> bool:
    """Whether it needs no client of its own: it is given one, goes elsewhere, or names no model of a provider."""
    for name in framework.takes:
        if call.given(name) and not (name in URL_ARGUMENTS and _to_a_provider(call, name, looking)):
            return True
    if not framework.prefixes:
        return False
    model = next((value.text for value in call.argument(0, "model") if isinstance(value, Text)), "")
    return not re.match(rf"(?:{'|'.join(framework.prefixes)})[\w-]*[:/]", model)


def _to_a_provider(call: Call, name: str, looking: Looking) -> bool:
    return any(
        isinstance(value, Text) and provider_in(value.text, looking.project.hosts) for value in call.keywords[name]
    )


def _handed(looking: Looking, call: Call, name: str, walk: Expressions) -> None:
    """It is handed a client of an SDK that is made on the spot: one finding, not two."""
    for values in (*call.arguments[:1], *call.keywords.values()):
        for value in values:
            if isinstance(value, Made) and value.node in call.node.args + [word.value for word in call.node.keywords]:
                value.told = True
                message = f"{name}(…) is handed a client of {value.name} that is not metered."
                looking.note(walk, call.node, "AK008", message, FRAMEWORKS["instructor.from_provider"].remedy)
