"""What templates can do, what inputs may be, and what is said about those that may not."""

from __future__ import annotations

from typing import Any

import pytest

from aikit.errors import PromptInputInvalid, PromptInvalid
from aikit.prompts.rendering import render
from unit.prompts.making import VALUES, filled, prompt, user

DOES = {
    "{{ text }}": "some text",
    "{{ text|upper }} {{ 'AB'|lower }} {{ ' a '|trim }}|": "SOME TEXT ab a|",
    "{{ 'a-b-c'|replace('-', '+') }}": "a+b+c",
    "{{ 'a\\nb'|indent(2) }}|{{ 'a\\n\\nb'|indent(2, true) }}": "a\n  b|  a\n\n  b",
    "{{ items|join(', ') }} {{ [1, 2.5, 'c']|join }}": "a, b 12.5c",
    "{{ items|length }} {{ text|count }} {{ items|first }}{{ items|last }}": "2 9 ab",
    "{{ table|tojson }} {{ [1, none, true]|tojson }}": '{"a": 1, "b": "two"} [1, null, true]',
    "{{ 'ä\"<'|tojson }}": '"ä\\"<"',
    "{{ {'a': [1]}|tojson(indent=1) }}": '{\n "a": [\n  1\n ]\n}',
    "{{ table.a }} {{ table['b'] }} {{ items[0] }} {{ items[-1] }} {{ 'abc'[1] }}": "1 two a b b",
    "{{ 'abcdef'[1:4] }} {{ 'abc'[::-1] }} {{ [1, 2, 3][1:]|join }}": "bcd cba 23",
    "{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ 7 % 4 }} {{ 2 ** 10 }} {{ -3|abs }}": "5.0 3 3 1024 3",
    "{{ 'a' + 'b' }} {{ ([1] + [2])|join }} {{ 'a' ~ 1 ~ 2.5 }}": "ab 12 a12.5",
    "{{ 3.7|int }} {{ '12'|int }} {{ '1.5'|float }} {{ 2.345|round(2) }} {{ 2.6|round }}": "3 12 1.5 2.35 3",
    "{{ [3, 1, 2]|sort|join }} {{ [3, 1, 2]|sort(reverse=true)|join }} {{ [1, 2]|reverse|join }}": "123 321 21",
    "{{ [1, 1, 2]|unique|join }} {{ [3, 1]|min }} {{ ['a', 'c']|max }} {{ [1, 2, 3]|sum }}": "12 1 c 6",
    "{% for key, value in table|items %}{{ key }}={{ value }};{% endfor %}": "a=1;b=two;",
    "{% for key in table %}{{ key }}{% endfor %}": "ab",
    "{% for x in items %}{{ loop.index }}/{{ loop.length }}{{ ' ' if not loop.last else '.' }}{% endfor %}": "1/2 2/2.",
    "{% for x in [] %}{{ x }}{% else %}none{% endfor %}": "none",
    "{% for x in range(5) if x is odd %}{{ x }}{% endfor %} {% for x in range(1, 9, 3) %}{{ x }}{% endfor %}": "13 147",
    "{% if 1 < 2 <= 2 != 3 and not 2 > 3 >= 1 and 'm' in text|lower %}yes{% endif %}": "yes",
    "{% if 'e' in text and 'z' not in items and 'a' in table %}yes{% else %}no{% endif %}": "yes",
    "{% set n = items|length %}{{ n + 1 }}": "3",
    "{{ 'many' if items|length > 1 else 'one' }}": "many",
    "{% if text is string and 1 is number and none is none %}yes{% endif %}": "yes",
    "{% if items is list and table is mapping %}yes{% endif %}": "yes",
    "{% if 4 is divisibleby(2) and 4 is even and 3 is odd and 1 is integer and 1.5 is float %}yes{% endif %}": "yes",
    "{% if true is boolean and true is true and false is false and text is defined %}yes{% endif %}": "yes",
    "{{ ''|default('empty', true) }} {{ table.zz|default('gone') }} {{ table.zz|d(1) }}": "empty gone 1",
    "{{ table.zz is undefined and 'yes' }}": "yes",
    "{# not seen #}a{%- if true -%}  b  {%- endif %}": "ab",
    "{% raw %}{{ text }}{% endraw %}": "{{ text }}",
    "a\n{% if true %}b{% endif %}\nc": "a\nb\nc",
}


@pytest.mark.parametrize(("template", "text"), DOES.items())
def test_a_template_does(template: str, text: str) -> None:
    assert filled(template) == text


def test_what_has_no_one_way_to_be_written_says_how_it_could_be() -> None:
    for template, what in [
        ("{{ items }}", "a list"),
        ("{{ text is string }}", "true or false"),
        ("{{ none }}", "none"),
    ]:
        with pytest.raises(PromptInvalid, match=f"{what} can't be written as it is: use .tojson") as refused:
            filled(template)
        assert "sample/v1.prompt line 10" in str(refused.value)


def test_the_line_of_a_failure_is_the_one_in_the_file() -> None:
    with pytest.raises(PromptInvalid) as refused:
        filled("a\nb\n{% for x in items %}\n{{ x }}\n{{ x + 1 }}\n{% endfor %}")
    assert refused.value.message == "sample/v1.prompt line 14: + takes numbers, and this is a text and a number."
    assert refused.value.facts == {"prompt": "sample@v1", "file": "sample/v1.prompt", "line": 14}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ text.upper }}", r"\.upper was asked of a text, and only mappings have fields"),
        ("{{ text.upper() }}", r"upper\(…\) can't be called; only range\(…\) can\. Use a filter: \|upper"),
        ("{{ table.items() }}", r"Use a filter: \|items"),
        ("{{ items|truncate }}", r"there is no filter \|truncate\. There are abs, "),
        ("{{ text|replace('a') }}", r"\|replace does not take these arguments\. It takes old, new"),
        ("{{ 'a' * 3 }}", r"\* takes numbers, and this is a text and a number"),
        ("{{ items['a'] }}", r"\[…\] with a text was asked of a list"),
        ("{% for x in text %}{% endfor %}", "for goes through a list or a mapping, and this is a text"),
        ("{{ 'x' if 'a' < 1 }}", "only two numbers or two texts have an order"),
        ("{{ text|int }}", "int takes a number, or a text that is one, and this text is none"),
        ("{{ ('1' * 1)|float }}", r"\* takes numbers"),
        ("{{ '\\ud800' }}", "this text has half of a character"),
        ("{% include 'a' %}", r"{% include %} can't be used\. A prompt is one file"),
        ("{% for a, b in [[1]] %}{% endfor %}", r"this can't be worked out \(ValueError\)"),
    ],
)
def test_what_a_template_may_not_do_is_named(template: str, words: str) -> None:
    with pytest.raises(PromptInvalid, match=words):
        filled(template)


def test_messages_are_in_the_forms_of_the_apis() -> None:
    made = prompt(
        '{% role "system" %}\nA\n{% role "user" %}\n{{ text }}\n{% role "assistant" %}\nC\n{% role "system" %}\nD'
    )
    found = render(made, VALUES)
    assert found.system == "A\n\nD"
    assert found.turns == [{"role": "user", "content": "some text"}, {"role": "assistant", "content": "C"}]
    assert found.headers == {"x-aikit-prompt": f"sample@v1 {made.sha256}"}


class Text(str):
    """What looks like a text, and is more."""


class Sly:
    def __str__(self) -> str:
        return "sly"


LOOP: list[Any] = []
LOOP.append(LOOP)

UNFIT = {
    "missing": ({}, "thread is missing; words is missing"),
    "not declared": ({"thread": "a", "words": 1, "x": 1, "y": 2}, "x is not declared; y is not declared"),
    "of another type": (
        {"thread": 1, "words": "a"},
        "thread must be string, and is integer; words must be integer, and is string",
    ),
    "true for a number": ({"thread": "a", "words": True}, "words must be integer, and is boolean"),
    "too small": ({"thread": "a", "words": 0}, "words does not meet minimum: 1"),
    "an object": ({"thread": Sly(), "words": 1}, "thread is of the type Sly, and no plain value"),
    "a text that is more": ({"thread": Text("a"), "words": 1}, "thread is of the type Text"),
    "bytes": ({"thread": b"a", "words": 1}, "thread is of the type bytes"),
    "a tuple": ({"thread": ("a",), "words": 1}, "thread is of the type tuple"),
    "something inside": ({"thread": "a", "words": [{"a": [Sly()]}]}, "words[0].a[0] is of the type Sly"),
    "no number": ({"thread": "a", "words": float("nan")}, "words is no number that JSON has"),
    "without end": ({"thread": "a", "words": float("inf")}, "words is no number that JSON has"),
    "a number too large": ({"thread": "a", "words": 2**200}, "words is a number of more than 128 bits"),
    "a key that is none": ({"thread": "a", "words": {1: 2}}, "words has a key that is no text"),
    "half a character": ({"thread": "a\ud800", "words": 1}, "thread has half of a character"),
    "half of a key": ({"thread": "a", "words": {"\udfff": 1}}, "words has half of a character"),
    "itself inside": ({"thread": "a", "words": LOOP}, "is nested more than 32 deep"),
    "too much": ({"thread": "a", "words": ["a" * 1_000_000] * 6}, "more than 200,000 values or 5,000,000 characters"),
    "too many": ({"thread": "a", "words": [1] * 300_000}, "more than 200,000 values"),
    "a name that is none": ({1: "a"}, "a name is int, and no text"),
}


@pytest.mark.parametrize(("inputs", "words"), UNFIT.values(), ids=UNFIT.keys())
def test_inputs_that_do_not_fit_are_each_named_without_their_values(inputs: dict[Any, Any], words: str) -> None:
    made = user("{{ thread }}", inputs="  thread: string\n  words: {type: integer, minimum: 1}\n")
    with pytest.raises(PromptInputInvalid) as refused:
        render(made, inputs)
    assert words in refused.value.message
    assert refused.value.remedy
    assert "sly" not in str(refused.value)
    if "declared" in words or "must be" in words or "missing" in words:
        assert refused.value.remedy == "It takes thread (string), words (integer)."


def test_an_optional_input_that_is_used_without_asking_is_named_with_its_line() -> None:
    made = user("a\n{{ note }}", inputs="  note?: string\n")
    assert render(made, {"note": "n"}).parts[0].text == "a\nn"
    with pytest.raises(PromptInputInvalid, match=r"sample/v1\.prompt line 8: note was not given\.") as refused:
        render(made)
    assert "|default(…)" in refused.value.remedy


def test_a_schema_that_never_ends_is_an_error_of_the_prompt() -> None:
    made = user("a", inputs="  x: {$ref: '#/properties/x'}\n")
    with pytest.raises(PromptInvalid, match="refers to itself without end"):
        render(made, {"x": 1})


def test_a_prompt_without_inputs_says_that_it_takes_none() -> None:
    with pytest.raises(PromptInputInvalid, match=r"text is not declared\. It takes no inputs\."):
        render(user("a", inputs="  {}\n"), {"text": "a"})
