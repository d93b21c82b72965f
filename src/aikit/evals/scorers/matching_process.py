"""A process that matches texts, one line of JSON in and one out: Python can't stop a slow match, only its process.

Run as a script; it ends with its standard input.
"""

from __future__ import annotations

import json
import re
import sys
from functools import lru_cache
from typing import Any


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """What the match says; `error` if it can't be made."""
    try:
        return _regex(job) if job["kind"] == "regex" else _json_schema(job)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {str(error)[:300]}"}


def _regex(job: dict[str, Any]) -> dict[str, Any]:
    found = re.compile(job["pattern"], job["flags"])
    return {"found": bool(found.fullmatch(job["text"]) if job["full"] else found.search(job["text"]))}


def _json_schema(job: dict[str, Any]) -> dict[str, Any]:
    errors = list(_validator(job["schema"]).iter_errors(json.loads(job["text"])))
    return {"found": not errors, "problems": [_problem(error) for error in errors[:5]], "count": len(errors)}


def _problem(error: Any) -> str:
    at = ".".join(str(part) for part in error.absolute_path)
    return f"{at or 'the whole'} does not meet {error.validator}: {str(error.validator_value)[:120]}"


@lru_cache(maxsize=8)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))


if __name__ == "__main__":
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(json.dumps(answer(json.loads(line))).encode() + b"\n")
        sys.stdout.buffer.flush()
