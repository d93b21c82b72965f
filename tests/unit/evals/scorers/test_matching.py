"""Regular expressions and schemas are matched in a process that is ended when it takes too long."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aikit.evals.model import Case
from aikit.evals.scorers.base import Unscored
from aikit.evals.scorers.matching import Matcher
from support.scoring import score

ENDLESS = r"(a+)+$"
LONG = "a" * 40 + "b"

REGEX: dict[str, tuple[dict[str, Any], str, float]] = {
    "found": ({"pattern": r"\d{4}"}, "invoice 4471.", 1),
    "not found": ({"pattern": r"\d{5}"}, "invoice 4471.", 0),
    "all of it": ({"pattern": r"\d+", "match": "full"}, "4471", 1),
    "not all of it": ({"pattern": r"\d+", "match": "full"}, "4471.", 0),
    "a line end is not all of it": ({"pattern": r"\d+$", "match": "full"}, "4471\n", 0),
    "absent": ({"pattern": "sorry", "match": "absent"}, "Thanks.", 1),
    "not absent": ({"pattern": "sorry", "match": "absent"}, "I'm sorry.", 0),
    "in any case": ({"pattern": "SORRY", "ignore_case": True}, "I'm sorry.", 1),
    "each line": ({"pattern": "^b$", "multiline": True}, "a\nb\nc", 1),
    "not each line": ({"pattern": "^b$"}, "a\nb\nc", 0),
    "over lines": ({"pattern": "a.c", "dot_all": True}, "a\nc", 1),
    "letters of other scripts": ({"pattern": r"\w+ \w+", "match": "full"}, "Größe 東京", 1),
    "half of a character": ({"pattern": "x"}, "\ud800x", 1),
    "nothing in nothing": ({"pattern": "^$"}, "", 1),
    "a field": ({"pattern": "^a$", "field": "x"}, '{"x": "a"}', 1),
}


@pytest.mark.parametrize(("options", "output", "value"), REGEX.values(), ids=REGEX)
async def test_an_expression_is_found_or_not(options: dict[str, Any], output: str, value: float) -> None:
    found = await score("regex", output, options=options)
    assert (found.value, found.error) == (value, None)


async def test_the_expression_can_be_what_a_case_expects() -> None:
    assert (await score("regex", "35 dollars", case=Case("one", expected=r"^\d+ dollars$"))).value == 1
    assert (await score("regex", "x", case=Case("one", expected="("))).error is not None


async def test_an_expression_that_takes_for_ever_is_an_error_and_holds_up_nobody() -> None:
    began, ticks = time.monotonic(), 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    found = await score("regex", LONG, options={"pattern": ENDLESS, "timeout_seconds": 0.4})
    ticking.cancel()
    assert (found.value, found.error) == (None, "matching took longer than 0.4 s")
    assert time.monotonic() - began < 10
    assert ticks >= 10, "the event loop went on"


async def test_after_a_match_that_took_too_long_the_next_one_is_made() -> None:
    matcher = Matcher()
    slow = {"kind": "regex", "pattern": ENDLESS, "flags": 0, "full": False, "text": LONG}
    quick = {**slow, "text": "aaa"}
    assert (await matcher.match(quick, 5))["found"] is True
    with pytest.raises(Unscored):
        await matcher.match(slow, 0.2)
    assert (await matcher.match(quick, 5))["found"] is True
    matcher.close()


async def test_many_matches_at_once_each_get_their_own_answer() -> None:
    matcher = Matcher()
    jobs = [
        {"kind": "regex", "pattern": f"^{n % 7}$", "flags": 0, "full": False, "text": str(n % 5)} for n in range(200)
    ]
    found = await asyncio.gather(*[matcher.match(job, 5) for job in jobs])
    assert [said["found"] for said in found] == [n % 7 == n % 5 for n in range(200)]
    matcher.close()


async def test_a_process_that_was_ended_is_begun_again() -> None:
    matcher = Matcher()
    job = {"kind": "regex", "pattern": "a", "flags": 0, "full": False, "text": "a"}
    await matcher.match(job, 5)
    process = matcher._process
    assert process is not None
    process.kill()
    process.wait()
    assert (await matcher.match(job, 5))["found"] is True
    matcher.close()


async def test_the_process_ends_with_its_matcher() -> None:
    matcher = Matcher()
    await matcher.match({"kind": "regex", "pattern": "a", "flags": 0, "full": False, "text": "a"}, 5)
    process = matcher._process
    assert process is not None
    del matcher
    deadline = time.monotonic() + 5
    while process.poll() is None:  # the thread that asked it may still hold it for a moment
        assert time.monotonic() < deadline
        gc.collect()
        await asyncio.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


SCHEMA = {
    "type": "object",
    "properties": {"summary": {"type": "string", "pattern": "^[A-Z]"}, "open": {"type": "array"}},
    "required": ["summary"],
    "additionalProperties": False,
}
SCHEMAS: dict[str, tuple[dict[str, Any], str, float, str]] = {
    "allowed": ({}, '{"summary": "Paid."}', 1, ""),
    "spaces around": ({}, '\n {"summary": "Paid."} ', 1, ""),
    "a field missing": ({}, "{}", 0, 'the whole does not meet required: ["summary"]'),
    "another type": ({}, '{"summary": "A", "open": "x"}', 0, "open does not meet type: array"),
    "a pattern": ({}, '{"summary": "paid"}', 0, "summary does not meet pattern: ^[A-Z]"),
    "talk around": ({}, 'Here: {"summary": "Paid."}', 0, "the answer is not JSON (line 1, column 1)"),
    "a code block": ({}, '```json\n{"summary": "Paid."}\n```', 0, "the answer is not JSON (line 1, column 1)"),
    "no number": ({}, '{"summary": NaN}', 0, "the answer is not JSON"),
    "a field of it": ({"field": "result"}, '{"result": {"summary": "Paid."}}', 1, ""),
}


@pytest.mark.parametrize(("options", "output", "value", "why"), SCHEMAS.values(), ids=SCHEMAS)
async def test_an_answer_is_what_a_schema_allows_or_not(
    options: dict[str, Any], output: str, value: float, why: str
) -> None:
    found = await score("json_schema", output, options={"schema": SCHEMA, **options})
    assert (found.value, found.error) == (value, None)
    assert found.why.replace("'", '"') == why


async def test_a_schema_with_a_pattern_that_takes_for_ever_is_an_error() -> None:
    options = {"schema": {"type": "string", "pattern": ENDLESS}, "timeout_seconds": 0.4}
    assert (await score("json_schema", f'"{LONG}"', options=options)).error == "matching took longer than 0.4 s"


async def test_a_schema_that_refers_to_itself_without_end_is_an_error() -> None:
    options = {"schema": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}}
    found = await score("json_schema", "{}", options=options)
    assert (found.value, "can't be matched" in (found.error or "")) == (None, True)


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
@settings(deadline=None, max_examples=50)
async def test_an_escaped_text_is_found_wherever_it_stands(before: str, text: str, after: str) -> None:
    import re

    assert (await score("regex", before + text + after, options={"pattern": re.escape(text) or "^"})).value == 1
