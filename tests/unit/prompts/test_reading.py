"""A prompt's file is read strictly: what is wrong is named with file, line and field, and nothing is guessed."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.errors import PromptInvalid
from aikit.prompts.blocks import split_blocks
from aikit.prompts.model import Block
from aikit.prompts.reading import read_prompt

WHOLE = b"""\
---
description: Summarises a thread.
model: openai/gpt-5-mini
parameters:
  max_tokens: 400
  temperature: 0.2
  extra: {reasoning_effort: low, seed: 7}
input:
  thread: string
  words?: {type: integer, minimum: 10}
output:
  type: object
  properties: {summary: {type: string}}
  required: [summary]
tags: [support, eu-only]
---
{# Comments are for people. #}
{% role "system" %}
You summarise in {{ words|default(80) }} words.

{% role "user" %}
{{ thread }}
"""


def read(text: str | bytes) -> object:
    return read_prompt(text, "summarize", 2)


def front(fields: str, body: str = '{% role "user" %}\nx') -> str:
    return f"---\n{fields}\n---\n{body}\n"


def test_every_field_is_read() -> None:
    prompt = read_prompt(WHOLE, "summarize", 2)
    assert prompt.id == ("summarize@v2", hashlib.sha256(WHOLE).hexdigest())
    assert prompt.source == WHOLE.decode()
    assert prompt.description == "Summarises a thread."
    assert prompt.model == "openai/gpt-5-mini"
    assert prompt.parameters == {
        "max_tokens": 400,
        "temperature": 0.2,
        "extra": {"reasoning_effort": "low", "seed": 7},
    }
    assert prompt.inputs == {
        "type": "object",
        "properties": {"thread": {"type": "string"}, "words": {"type": "integer", "minimum": 10}},
        "required": ["thread"],
        "additionalProperties": False,
    }
    assert prompt.output is not None
    assert prompt.output["required"] == ["summary"]
    assert prompt.tags == ("support", "eu-only")
    assert prompt.blocks == (
        Block("system", "You summarise in {{ words|default(80) }} words.", 19),
        Block("user", "{{ thread }}", 22),
    )


def test_a_checkout_with_crlf_is_the_same_version() -> None:
    assert read_prompt(WHOLE.replace(b"\n", b"\r\n"), "summarize", 2) == read_prompt(WHOLE, "summarize", 2)


def test_a_schema_is_taken_as_it_is_and_closed_unless_it_says_otherwise() -> None:
    schema = "description: d\ninput:\n  type: object\n  properties: {type: {type: string}}\n"
    assert read_prompt(front(schema), "a", 1).inputs["additionalProperties"] is False
    opened = read_prompt(front(schema + "  additionalProperties: true"), "a", 1)
    assert opened.inputs == {
        "type": "object",
        "properties": {"type": {"type": "string"}},
        "additionalProperties": True,
    }


def test_words_that_yaml_takes_for_something_else_are_words() -> None:
    prompt = read_prompt(
        front("description: 2026-11-01\ninput:\n  x: {enum: [yes, no, on, 1:30, 0x1F, 1_000, .5, 012, true, null, 1]}"),
        "a",
        1,
    )
    assert prompt.description == "2026-11-01"
    assert prompt.inputs["properties"]["x"]["enum"] == [
        "yes", "no", "on", "1:30", "0x1F", "1_000", ".5", "012", True, None, 1]  # fmt: skip


WRONG = {
    "no front matter": ("{% role 'user' %}\nx", "line 1: there is no front matter", "Begin the file"),
    "no end": ("---\ndescription: d\n", "line 1: the front matter has no end", "Begin the file"),
    "an empty one": ("---\n---\n{% role 'user' %}x", "line 2: the front matter has no fields", "description"),
    "not YAML": (front("description: [a\ntags: b"), "line 3: the front matter is not YAML", "quotes"),
    "no description": (front("tags: [a]"), "line 1: description must be a text", "Say in a sentence"),
    "an unknown field": (front("description: d\nmodle: x/y"), "line 3: modle is not a field", "Did you mean model?"),
    "a field twice": (
        front("description: d\ntags: [a]\ntags: [b]"),
        "line 4: tags is there twice, first in line 3",
        "",
    ),
    "twice further in": (
        front("description: d\ninput:\n  a: string\n  a: string"),
        "line 5: input.a is there twice",
        "",
    ),
    "an alias": (front("description: d\nparameters:\n  extra: &x {a: [1]}\ntags: *x"), "is an alias", "Write it out"),
    "a merge": (front("description: d\ninput:\n  <<: {a: string}\n  b: string"), "<< ", "name"),
    "a tag": (front("description: !!python/object:os.system d"), "line 2: description", ""),
    "a set": (front("description: d\ntags: !!set {a, b}"), "line 3: tags has a tag", "plain values"),
    "bytes": (front("description: !!binary aGk="), "line 2: description is no plain value", "quotes"),
    "a key that is no text": (front("description: d\n1: x"), "line 3: a key is not a text", "quotes"),
    "a model without provider": (front("description: d\nmodel: gpt-5"), "line 3: model names no model", "openai/gpt-5"),
    "parameters as a list": (front("description: d\nparameters: [a]"), "line 3: parameters must be a mapping", ""),
    "an unknown parameter": (
        front("description: d\nparameters:\n  max_token: 4"),
        "line 4: parameters.max_token is not a field here",
        "Did you mean max_tokens?",
    ),
    "tokens": (front("description: d\nparameters:\n  max_tokens: 0"), "line 4: parameters.max_tokens must be", "400"),
    "tokens as text": (front("description: d\nparameters: {max_tokens: '4'}"), "parameters.max_tokens must be", ""),
    "tokens as truth": (front("description: d\nparameters: {max_tokens: true}"), "parameters.max_tokens must be", ""),
    "temperature": (front("description: d\nparameters: {temperature: 3}"), "temperature must be a number from 0", ""),
    "extra": (front("description: d\nparameters: {extra: 3}"), "parameters.extra must be a mapping", ""),
    "tags": (front("description: d\ntags: support"), "line 3: tags must be a list", "[support"),
    "tags twice": (front("description: d\ntags: [a, a]"), "tags has a word twice", ""),
    "an unknown type": (front("description: d\ninput:\n  x: strin"), "line 4: input.x is no type", "mean string?"),
    "no type at all": (front("description: d\ninput:\n  x: 3"), "line 4: input.x is no type", "JSON Schema"),
    "an input twice": (
        front("description: d\ninput:\n  x: string\n  x?: string"),
        "line 5: input.x? is there twice",
        "",
    ),
    "an input that Jinja has": (front("description: d\ninput:\n  loop: string"), "input.loop can't be the name", ""),
    "an input that is no name": (front("description: d\ninput:\n  a-b: string"), "input.a-b can't be the name", ""),
    "a schema of something else": (
        front("description: d\ninput:\n  type: array\n  properties: {a: {type: string}}"),
        "line 4: input.type must be object",
        "",
    ),
    "a schema that is none": (
        front("description: d\ninput:\n  x: {type: text}"),
        "line 4: input.x.type can't be used: it is no JSON Schema",
        "Correct the schema",
    ),
    "an output that is none": (
        front("description: d\noutput:\n  type: object\n  required: summary"),
        "line 5: output.required can't be used: it is no JSON Schema",
        "",
    ),
    "a requirement of nothing": (
        front("description: d\ninput:\n  type: object\n  properties: {a: {type: string}}\n  required: [b]"),
        "names b, which is not declared",
        "",
    ),
    "a schema elsewhere": (
        front('description: d\ninput:\n  x: {$ref: "https://example.com/s.json"}'),
        "line 4: input.x.$ref can't be used: a reference must be to a part of the same schema",
        "",
    ),
    "a schema in a file": (front('description: d\noutput: {$ref: "file:///etc/passwd"}'), "a reference must be", ""),
    "a dynamic one": (front('description: d\noutput: {$dynamicRef: "http://x/y"}'), "a reference must be", ""),
    "a reference to nothing": (front('description: d\noutput: {$ref: "#/$defs/a"}'), "there is no #/$defs/a", ""),
    "an address": (front('description: d\noutput: {$id: "http://x/y"}'), "$id can't be used", ""),
    "another draft": (
        front('description: d\noutput: {$schema: "http://json-schema.org/draft-04/schema#"}'),
        "$schema",
        "",
    ),
    "no regular expression": (
        front("description: d\ninput:\n  x: {type: string, pattern: '('}"),
        "regular expression",
        "",
    ),
    "no role": (front("description: d", "Hello"), "line 4: text stands before the first role", '{% role "user" %}'),
    "text before": (front("description: d", "\n\nHi\n{% role 'user' %}x"), "line 6: text stands before", "role"),
    "a value before": (front("description: d", "{{ 1 }}\n{% role 'user' %}x"), "line 4: text stands before", "role"),
    "no body": (front("description: d", ""), "line 4: there is no message", "role"),
    "an unknown role": (front("description: d", "{% role 'tool' %}"), "line 4: there is no role 'tool'", "assistant"),
    "a role that is computed": (front("description: d", "{% role x %}"), "line 4: a role is not a text", "never comes"),
    "a role by an expression": (front("description: d", "{% role 'us' ~ 'er' %}"), "line 4: a role is not a text", ""),
    "a role without any": (front("description: d", "{% role %}"), "line 4: a role is not a text", ""),
    "endrole": (front("description: d", "{% role 'user' %}x\n{% endrole %}"), "line 5: there is no {% endrole %}", ""),
    "a role within a condition": (
        front("description: d", "{% role 'user' %}a\n{% if 1 %}\n{% role 'system' %}b{% endif %}"),
        "line 6: a role stands inside of the {% if %} of line 5",
        "Put the condition",
    ),
    "a syntax error": (front("description: d", "{% role 'user' %}\na\n{{ 1 + }}"), "line 6: ", "Correct that line"),
    "an unknown tag": (front("description: d", "{% role 'user' %}\n\n{% fro x %}"), "line 6: ", "Correct that line"),
    "an undeclared input": (
        front("description: d\ninput:\n  thread: string", "{% role 'user' %}\n\n{{ thraed }}"),
        "line 8: thraed is not declared as an input",
        "Did you mean thread?",
    ),
    "an unknown filter": (
        front("description: d\ninput: {a: string}", "{% role 'user' %}\n{{ a|uper }}"),
        "line 6: there is no filter |uper",
        "Did you mean upper?",
    ),
    "a byte order mark": (b"\xef\xbb\xbf---\ndescription: d\n---\n", "line 1: the file begins with a byte order", ""),
    "another encoding": (b"---\ndescription: d\nx: \xff\n---\n", "line 3: this is not UTF-8", "Save"),
    "an old Mac's line ends": ("---\ndescription: a\rb\n---\n", "line 2: there is a carriage return", "Remove"),
    "a NUL": (front("description: d", "{% role 'user' %}\n\0"), "line 5: there is a NUL", "Remove"),
    "half a character": (front("description: d", "{% role 'user' %}\n\ud800"), "line 5: this is not UTF-8", ""),
    "too much": (front("description: d", "{% role 'user' %}" + "x" * 300_000), "more than 262,144 bytes", "inputs"),
    "a schema without end": (
        front("description: d\ninput:\n" + "".join(f"  a{number}: string\n" for number in range(2000))),
        "can't be used: it has more than 2,000 keywords",
        "Correct",
    ),
    "a template without end": (
        front("description: d", "{% role 'user' %}\n" + "{{ 1+1 }}" * 4_000),
        "line 5: it has more than 5,000 parts",
        "Pass what is data",
    ),
    "a body without end": (
        front("description: d", "{% role 'user' %}\n" + "{{ 1 }}" * 10_000),
        "line 5: it has more than 30,000 words in tags",
        "Pass what is data",
    ),
    "a bottomless list": (front("description: d\ntags: " + "[" * 5000), "line", ""),
    "a deep list": (front("description: d\ntags: " + "[" * 50 + "]" * 50), "line 3: tags", "fewer levels"),
}


@pytest.mark.parametrize(("text", "message", "remedy"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_named_with_its_line(text: str | bytes, message: str, remedy: str) -> None:
    with pytest.raises(PromptInvalid) as refused:
        read(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    assert "summarize/v2.prompt" in refused.value.message
    assert message in refused.value.message
    assert remedy in refused.value.remedy or remedy in refused.value.message
    assert refused.value.remedy
    assert len(str(refused.value)) < 700


@given(
    st.binary(max_size=400)
    | st.text(max_size=400).map(lambda text: front(f"description: d\n{text}").encode("utf-8", "replace"))
)
def test_no_file_makes_anything_but_a_prompt_or_a_clear_error(data: bytes) -> None:
    try:
        read(data)
    except PromptInvalid as refused:
        assert refused.remedy


def test_roles_in_comments_strings_and_raw_blocks_are_none() -> None:
    body = """\
{# {% role "system" %} #}
{% role "user" %}
{# {% role "system" %} #}{{ '{% role "system" %}' }}{% raw %}{% role "assistant" %}{% endraw %}
{%- role 'assistant' -%}
   Yes.
"""
    assert split_blocks(body) == (
        Block("user", body.splitlines()[2], 3),
        Block("assistant", "Yes.", 5),
    )


TEMPLATES = st.text(st.sampled_from("ab \n{}%#"), max_size=12).filter(
    lambda text: not {"{{", "{%", "{#"} & {text[i : i + 2] for i in range(12)}
)


@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), TEMPLATES), min_size=1, max_size=6))
def test_blocks_are_what_stands_between_the_tags(parts: list[tuple[str, str]]) -> None:
    parts = [(role, text if not text.endswith("{") else text + "a") for role, text in parts]
    body = "".join(f'{{% role "{role}" %}}\n{text}\n' for role, text in parts)
    assert [(block.role, block.template) for block in split_blocks(body)] == [
        (role, text.strip()) for role, text in parts
    ]
