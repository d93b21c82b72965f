"""A template can't get out of its sandbox nor exhaust the process, and an input is never a template."""

from __future__ import annotations

import re
import statistics
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.errors import PromptError
from aikit.prompts.rendering import render
from unit.prompts.making import VALUES, filled, prompt, user
from unit.prompts.payloads import TEMPLATES, TEXTS

LEAK = re.compile(r"0x[0-9a-f]{6,}|<class|<function|<built|object at|LoopContext|/usr/|jinja2|site-packages|Traceback")
SLOWEST = 1.0
"""Seconds that an attack may take to be refused."""


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())
def test_an_attack_by_template_is_refused_at_once_and_learns_nothing(template: str) -> None:
    begun = time.process_time()
    with pytest.raises(PromptError) as refused:
        render(user(template), VALUES)
    assert time.process_time() - begun < SLOWEST
    said = f"{refused.value} {refused.value.facts}"
    assert not LEAK.search(said)
    assert refused.value.remedy
    assert len(said) < 2_000


def test_there_are_many_attacks() -> None:
    assert len(set(TEMPLATES.values())) == len(TEMPLATES) >= 200


@pytest.mark.parametrize("text", TEXTS)
def test_an_attack_by_input_is_only_text(text: str) -> None:
    found = render(prompt('{% role "system" %}\nFixed.\n{% role "user" %}\n[{{ text }}]'), VALUES | {"text": text})
    assert [(part.role, part.text) for part in found.parts] == [("system", "Fixed."), ("user", f"[{text}]")]


@given(st.text(st.characters(codec="utf-8"), max_size=300) | st.sampled_from(TEXTS), st.integers(0, 3))
def test_no_input_ever_forges_a_role(text: str, copies: int) -> None:
    body = '{% role "system" %}\nS {{ text }} S\n{% role "user" %}\n{% for x in items %}({{ x }}){% endfor %}!'
    found = render(prompt(body), VALUES | {"text": text, "items": [text] * copies})
    assert [(part.role, part.text) for part in found.parts] == [
        ("system", f"S {text} S"),
        ("user", f"({text})" * copies + "!"),
    ]


@pytest.mark.parametrize(
    "template",
    [
        "{{ text }}",
        "<doc>\n{{ text|trim }}\n</doc>",
        "{{ text|upper|replace('A', 'b') }}",
        "{{ {'text': text}|tojson }}",
        "{% for x in items %}{{ loop.index }}. {{ x }}{% endfor %}{{ text }}",
        "{{ text[:50000] ~ text[50000:] }}",
    ],
)
def test_inputs_of_100000_characters_are_filled_in_within_10_ms(template: str) -> None:
    values = VALUES | {"text": "lorem ipsum äöü " * 6_250}
    assert len(values["text"]) == 100_000
    made = user(template)
    took = []
    for _ in range(21):
        begun = time.perf_counter()
        render(made, values)
        took.append((time.perf_counter() - begun) * 1000)
    median = statistics.median(took)
    print(f"{template!r}: {median:.2f} ms")
    assert median < 10


def test_the_whole_of_all_messages_is_bounded() -> None:
    ten = '{% role "user" %}\n{{ big }}\n' * 10
    assert sum(len(part.text) for part in render(prompt(ten), VALUES).parts) == 1_000_000
    with pytest.raises(PromptError, match=r"more than 1,000,000 characters"):
        render(prompt(ten + '{% role "user" %}\nx'), VALUES)


def test_one_rendering_does_not_use_up_the_budget_of_the_next() -> None:
    assert {filled("{% for a in range(9000) %}.{% endfor %}") for _ in range(30)} == {"." * 9000}
