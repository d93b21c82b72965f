"""The model in a body is found and replaced, and not a byte else changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.serve.bodies import model_in, with_model

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["model", "a", "é"]), inner, max_size=3)
    ),
    max_leaves=12,
)
fields = st.dictionaries(st.text(max_size=8).filter(lambda name: name != "model"), json_values, max_size=4)


@given(fields, fields, st.text(), st.text(), st.booleans(), st.sampled_from([None, 1]))
def test_only_the_models_name_is_replaced(
    before: dict[str, Any], after: dict[str, Any], model: str, other: str, escaped: bool, indent: int | None
) -> None:
    after = {name: value for name, value in after.items() if name not in before}
    body = {**before, "model": model, **after}
    raw = json.dumps(body, ensure_ascii=escaped, indent=indent).encode("utf-8", "surrogatepass")
    named = model_in(raw)
    assert named is not None and named.model == model
    changed = with_model(raw, named, other)
    assert json.loads(changed) == body | {"model": other}
    begin = len(raw.decode()[: named.begin].encode())
    end = len(raw.decode()[: named.end].encode())
    assert changed[:begin] == raw[:begin] and changed.endswith(raw[end:])


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b'"model"', b"{", b'{"model"', b'{"model":', b'{"model": 1}', b'{"a": {"model": "x"}}', b"\xff",
        b'{"a": 1 "model": "x"}', b'{model: "x"}', b"{}", b'{"a": ' + b"[" * 100_000, b'{"model": null}',
    ],
)  # fmt: skip
def test_a_body_that_names_no_model_is_left_to_its_codec(raw: bytes) -> None:
    assert model_in(raw) is None


def test_a_large_body_is_not_read_beyond_its_model() -> None:
    named = model_in(b'{"model": "m", "messages": this is no JSON')
    assert named is not None and named.model == "m"
