"""What stream readers gather."""

from __future__ import annotations

import pytest

from aikit.wire.reading import error_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("server_error", "server_error"),
        ("your prompt about the Zurich merger is too long", "error"),
        ({"code": 529}, "529"),
        ({"type": "overloaded_error", "message": "busy"}, "overloaded_error"),
        ({"message": "no code at all"}, "error"),
        ({"code": "not a code but a sentence"}, "error"),
        (None, None),
    ],
)
def test_of_an_error_only_what_looks_like_a_code_is_kept(error: object, code: str | None) -> None:
    assert error_code(error) == code
