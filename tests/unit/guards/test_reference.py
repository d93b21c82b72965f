"""The reference names all that the catalogue has; what is heavy is loaded when it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aikit.guards.catalogue import CATALOGUE, EVERYWHERE, GuardInfo

REFERENCE = (Path(__file__).parents[3] / "docs/reference/guards.md").read_text()


def section(guard: GuardInfo) -> str:
    title = "### `custom.NAME`" if guard.name == "custom" else f"### `{guard.name}`"
    return REFERENCE.partition(title)[2].partition("\n###")[0]


@pytest.mark.parametrize("guard", CATALOGUE, ids=lambda guard: guard.name)
def test_the_reference_says_of_a_guard_what_the_catalogue_does(guard: GuardInfo) -> None:
    said = section(guard)
    assert guard.doc in said
    assert f"Default: `{guard.action}` in " + ", ".join(f"`{place}`" for place in guard.places) + "." in said
    for kind in guard.kinds:
        assert f"| `{kind.name}` | {kind.doc} | {'on' if kind.on else 'off'} |" in said
    for option in guard.options:
        assert f"| `{option.name}` | {option.type} |" in said
        assert option.doc in said


def test_the_reference_says_what_kinds_every_guard_has() -> None:
    assert all(f"`{kind.name}`" in REFERENCE for kind in EVERYWHERE)


def test_guards_load_no_heavy_library_before_they_need_it() -> None:
    code = (
        "import sys, aikit.guards.screening as s, aikit.types.guards as t\n"
        "places = tuple(t.Place)\n"
        "rules = [t.GuardRule(name, t.GuardAction.FLAG, places) for name in ('pii', 'secrets', 'unicode')]\n"
        "s.Screening(rules, secret=b's').check(t.Place.INPUT, '', 'no number in this text')\n"
        "print([name for name in ('phonenumbers', 'stdnum', 'jsonschema', 'jinja2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
