"""What differs between two versions, and which of it breaks those who use the prompt."""

from __future__ import annotations

import pytest

from aikit.prompts.diffing import compare
from unit.prompts.making import prompt

BODY = '{% role "user" %}\nx'


def inputs(*lines: str) -> str:
    return "".join(f"  {line}\n" for line in lines) or "  {}\n"


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (["a: string"], ["a: string"], []),
        (["a: string"], ["a: string", "b: string"], [("b", "added, required", True)]),
        (["a: string"], ["a: string", "b?: string"], [("b", "added, optional", False)]),
        (["a: string", "b?: string"], ["a: string"], [("b", "removed", True)]),
        (["a: string"], ["a: integer"], [("a", "string → integer", True)]),
        (["a: string"], ["a?: string"], [("a", "now optional", False)]),
        (["a?: string"], ["a: string"], [("a", "now required", True)]),
        (["a: {type: string}"], ["a: {type: string, description: other words}"], []),
        (["a: string"], ["a: {type: string, maxLength: 9}"], [("a", "maxLength none → 9", True)]),
        (["a: {type: string, maxLength: 9}"], ["a: string"], [("a", "maxLength 9 → none", False)]),
        (["a: {enum: [x]}"], ["a: {enum: [x, y]}"], [("a", "enum x → x or y", False)]),
        (["a: {enum: [x, y]}"], ["a: {enum: [x]}"], [("a", "enum x or y → x", True)]),
        (["a: {type: string, maxLength: 9}"], ["a: array"], [("a", "string → array", True)]),
    ],
)
def test_inputs(before: list[str], after: list[str], changes: list[tuple[str, str, bool]]) -> None:
    found = compare(prompt(BODY, inputs=inputs(*before)), prompt(BODY, inputs=inputs(*after), version=2))
    assert [(change.field, change.what, change.breaking) for change in found.fields] == changes
    assert {change.part for change in found.fields} <= {"input"}
    assert found.breaking is any(change[2] for change in changes)


def output(properties: str, required: str = "[]", rest: str = "") -> str:
    return f"output: {{type: object, properties: {{{properties}}}, required: {required}{rest}}}\n"


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("", output("a: {type: string}"), [("output", "declared", False)]),
        (output("a: {type: string}"), "", [("output", "no longer declared", True)]),
        (output("a: {type: string}"), output("a: {type: string}, b: {type: string}"), [("b", "added", False)]),
        (output("a: {type: string}, b: {type: string}"), output("a: {type: string}"), [("b", "removed", True)]),
        (output("a: {type: string}"), output("a: {type: integer}"), [("a", "string → integer", True)]),
        (output("a: {enum: [x]}"), output("a: {enum: [x, y]}"), [("a", "enum x → x or y", True)]),
        (output("a: {enum: [x, y]}"), output("a: {enum: [x]}"), [("a", "enum x or y → x", False)]),
        (output("a: {type: string}", "[a]"), output("a: {type: string}"), [("a", "may be absent", True)]),
        (output("a: {type: string}"), output("a: {type: string}", "[a]"), [("a", "always there", False)]),
        (output("a: {}"), output("a: {}", rest=", minProperties: 2"), [("minProperties", "none → 2", True)]),
    ],
)
def test_output(before: str, after: str, changes: list[tuple[str, str, bool]]) -> None:
    found = compare(prompt(BODY, fields=before), prompt(BODY, fields=after, version=2))
    assert [(change.field, change.what, change.breaking) for change in found.fields] == changes
    assert {change.part for change in found.fields} == {"output"}


def test_settings_are_never_breaking() -> None:
    before = prompt(BODY, fields="model: openai/gpt-5\nparameters: {max_tokens: 1, temperature: 1}\ntags: [a]\n")
    after = prompt(BODY, fields="model: openai/gpt-5-mini\nparameters: {max_tokens: 2}\n", version=2)
    assert [(change.part, change.field, change.what, change.breaking) for change in compare(before, after).fields] == [
        ("settings", "model", "openai/gpt-5 → openai/gpt-5-mini", False),
        ("settings", "tags", "a → none", False),
        ("settings", "parameters.max_tokens", "1 → 2", False),
        ("settings", "parameters.temperature", "1 → none", False),
    ]


def test_the_body_is_compared_message_by_message() -> None:
    before = prompt('{% role "system" %}\nA\nB\n{% role "user" %}\nU')
    after = prompt('{% role "system" %}\nA\nC\n{% role "user" %}\nU\n{% role "assistant" %}\nYes', version=2)
    found = compare(before, after)
    assert [(change.kind, change.role, change.number, change.lines[1:]) for change in found.body] == [
        ("changed", "system", 1, (" A", "-B", "+C")),
        ("added", "assistant", 3, ("+Yes",)),
    ]
    assert not found.breaking
    back = compare(after, before)
    assert [(change.kind, change.role) for change in back.body] == [("changed", "system"), ("removed", "assistant")]


def test_the_same_differs_in_nothing() -> None:
    assert compare(prompt(BODY), prompt(BODY, version=2)).same
