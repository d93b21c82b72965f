"""The texts that scorers compare: a field of the answer, what is expected, and what does not count."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from aikit.evals.model import Case
from aikit.evals.scorers.base import Options, Unscored, Worthless

LONGEST = 200_000
"""Characters of a text that is compared piece by piece."""


def part_of(output: str, options: Options) -> str:
    """The answer, or the field of it that the options name: a text as it is, anything else as JSON.

    Raises Worthless for an answer that does not have the field.
    """
    if "field" not in options:
        return output
    found = field_of(as_json(output), options["field"])
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, sort_keys=True)


def value_of(output: str, options: Options) -> Any:
    """The JSON value that the answer is, or that the field of it has. Raises Worthless if there is none."""
    found = as_json(output)
    return field_of(found, options["field"]) if "field" in options else found


def field_of(found: Any, field: str) -> Any:
    for name in field.split("."):
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and _is_index(name) and int(name) < len(found):
            found = found[int(name)]
        else:
            raise Worthless(f"the answer has no field {field}")
    return found


def as_json(text: str) -> Any:
    """The value that a text is in JSON. Raises Worthless for what is none."""
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        at = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Worthless(f"the answer is not JSON{at}") from None


def expected_text(case: Case, options: Options) -> str:
    """What is expected, as a text. Raises Unscored if it is none."""
    found = options.get("value", case.expected)
    if not isinstance(found, str):
        raise Unscored("there is no expected text to compare with")
    return found


def prepared(text: str, options: Options) -> str:
    """A text without what does not count. The same letters written in two ways (é) are the same."""
    found = unicodedata.normalize("NFC", text)
    if options.get("strip", True):
        found = found.strip()
    return folded(found) if options.get("ignore_case") else found


def folded(text: str) -> str:
    """A text in which upper and lower case are the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def bounded(text: str, what: str) -> str:
    """The text. Raises Unscored for one that is too long to be compared piece by piece."""
    if len(text) > LONGEST:
        raise Unscored(f"{what} has {len(text):,} characters; {LONGEST:,} are the most")
    return text


def _no_number(written: str) -> Any:
    raise ValueError(f"{written} is no number that JSON has")


def _is_index(name: str) -> bool:
    return name.isascii() and name.isdecimal() and len(name) < 10
