"""POST /v1/evaluate: decisions without dispatch, their holds, and who may ask."""

from __future__ import annotations

import pytest

from support.control import MODEL, Plane
from support.kits import Books

BOUND_USD = "0.00045"
"""1,000 input tokens at $0.15 and 500 output tokens at $0.60 a million."""


def test_a_question_is_decided_and_takes_nothing(plane: Plane, books: Books) -> None:
    said = plane.acme.evaluate(hold=False)
    assert (said["allowed"], said["reason_code"], said["status"]) == (True, "ALLOWED", 200)
    assert (said["hold"], said["output_tokens"], said["cost_usd"]) == (None, 500, BOUND_USD)
    assert (books.holds(), books.entries(), books.refusals()) == (0, [], [])
    books.policy('[tenants.acme]\nlimits = [{ metric = "requests", window = "day", cap = 1 }]')
    for _ in range(3):
        assert plane.acme.evaluate(hold=False)["allowed"]


def test_a_question_with_a_hold_holds_the_upper_bound(plane: Plane, books: Books) -> None:
    said = plane.acme.evaluate(user="u-17", feature="search")
    (hold,) = books.rows("SELECT * FROM aikit.holds")
    assert said["hold"]["id"] == said["decision_id"] == str(hold["attempt"])
    assert (hold["tenant"], hold["environment"], hold["user_id"], hold["feature"]) == ("acme", "dev", "u-17", "search")
    assert (hold["nano"], hold["output_tokens"], said["hold"]["cost_usd"]) == (450_000, 500, BOUND_USD)
    assert plane.acme.report(said["hold"]["id"]).status_code == 200
    books.assert_balanced()


def test_a_refusal_is_answered_as_a_decision_and_is_on_record(plane: Plane, books: Books) -> None:
    books.limit(usd="0.0003")
    said = plane.acme.evaluate()
    assert (said["allowed"], said["status"], said["hold"]) == (False, 402, None)
    assert said["reason_code"] == "MONTHLY_BUDGET_EXCEEDED" and said["failing"][0]["cap_usd"] == "0.0003"
    assert 0 < said["max_affordable_output_tokens"] < 500
    fits = plane.acme.evaluate(output_tokens=said["max_affordable_output_tokens"])
    assert fits["allowed"] and plane.acme.post(f"/v1/holds/{fits['hold']['id']}/void").status_code == 200
    (refusal,) = books.refusals()
    assert str(refusal["attempt"]) == said["decision_id"]
    assert plane.acme.evaluate(hold=False)["reason_code"] == "MONTHLY_BUDGET_EXCEEDED"
    plane.serving.kit.flush()
    books.assert_balanced()


def test_holds_of_questions_stand_in_each_others_way(plane: Plane, books: Books) -> None:
    books.limit(usd="0.001")
    first, second, third = plane.acme.evaluate(), plane.acme.evaluate(), plane.acme.evaluate()
    assert (first["allowed"], second["allowed"], third["allowed"]) == (True, True, False)
    assert third["retryable"] and third["retry_after"]
    for one in (first, second):
        assert plane.acme.report(one["hold"]["id"]).status_code == 200
    assert plane.acme.evaluate(hold=False)["allowed"]
    books.assert_balanced()


def test_the_output_limit_is_the_policys_where_none_is_named(plane: Plane, books: Books) -> None:
    books.policy("[default]\ndefault_output_tokens = 200\nmax_output_tokens = 300")
    assert plane.acme.evaluate(hold=False, output_tokens=None)["output_tokens"] == 200
    said = plane.acme.evaluate(hold=False, output_tokens=301)
    assert (said["reason_code"], said["status"]) == ("REQUEST_TOKENS_EXCEEDED", 400)


def test_characters_and_texts_are_bounded_by_their_bytes(plane: Plane) -> None:
    by_text = plane.acme.evaluate(hold=False, input_tokens=None, text="ä" * 1000)
    by_count = plane.acme.evaluate(hold=False, input_tokens=None, characters=1000)
    assert (by_text["cost_usd"], by_count["cost_usd"]) == ("0.0006096", "0.0009096")


def test_input_that_may_be_written_to_a_cache_is_bounded_at_that_price(plane: Plane) -> None:
    dear = plane.acme.evaluate(hold=False, model="anthropic/claude-sonnet-4-5")
    plain = plane.acme.evaluate(hold=False, model="anthropic/claude-sonnet-4-5", input_classes=["input"])
    assert float(dear["cost_usd"]) > float(plain["cost_usd"])


def test_an_unknown_model_is_refused_as_a_call_would_be(plane: Plane) -> None:
    said = plane.acme.evaluate(model="openai/no-such-model-9", hold=True)
    assert (said["allowed"], said["reason_code"], said["status"]) == (False, "PRICE_UNKNOWN", 403)
    answer = plane.acme.post("/v1/evaluate", {"model": "no-such-model-9", "input_tokens": 1})
    assert (answer.status_code, answer.json()["field"]) == (400, "model")


def test_the_same_question_with_the_same_key_takes_one_hold(plane: Plane, books: Books) -> None:
    first = plane.acme.evaluate(idempotency_key="order-1")
    again = plane.acme.evaluate(idempotency_key="order-1")
    assert again["replayed"] and again["hold"]["id"] == first["hold"]["id"] and books.holds() == 1
    other = plane.acme.post(
        "/v1/evaluate", {"model": MODEL, "input_tokens": 5, "hold": True, "idempotency_key": "order-1"}
    )
    assert (other.status_code, other.json()["reasonCode"]) == (422, "IDEMPOTENCY_CONFLICT")
    assert plane.acme.report(first["hold"]["id"]).status_code == 200
    assert plane.acme.evaluate(idempotency_key="order-1")["hold"]["state"] == "settled"
    assert plane.rival.evaluate(idempotency_key="order-1")["replayed"] is False
    assert books.holds() == 1


def test_guards_look_at_the_text_or_ask_for_it(plane: Plane, books: Books) -> None:
    books.policy('[default.guards]\npii = "redact"\nsecrets = "block"')
    answer = plane.acme.post("/v1/evaluate", {"model": MODEL, "input_tokens": 10})
    assert (answer.status_code, answer.json()["reasonCode"]) == (400, "TEXT_REQUIRED")
    said = plane.acme.evaluate(hold=False, text="Write to jane.doe@example.com, please.")
    assert said["allowed"] and "jane.doe" not in said["text"] and said["findings"]
    said = plane.acme.evaluate(hold=False, text="key AKIAIOSFODNN7EXAMPLA, AKIAZ3MSJV4WWNKWW7QX")
    assert (said["reason_code"], said["status"]) == ("GUARD_BLOCKED", 422)


def test_an_open_breaker_refuses_and_a_question_is_no_probe(plane: Plane, books: Books) -> None:
    from datetime import timedelta

    from aikit.database.connect import Database
    from aikit.ledger.breakers import force_breaker

    database = Database(books.dsn, False, "test")
    force_breaker(database, ("openai", ""), open=True, lasting=timedelta(minutes=5))
    assert plane.acme.evaluate()["reason_code"] == "BREAKER_OPEN"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"surprise": 1}, "surprise"),
        ({"output_tokens": -1}, "output_tokens"),
        ({"output_tokens": 1.5}, "output_tokens"),
        ({"input_tokens": None}, "body"),
        ({"model": ""}, "model"),
        ({"model": "a\x00b"}, "model"),
        ({"user": "\n"}, "user"),
        ({"input_classes": ["thoughts"]}, "input_classes.0"),
        ({"characters": 1, "text": "a"}, "body"),
    ],
)
def test_a_body_that_can_not_be_used_is_refused_and_the_field_is_named(
    plane: Plane, change: dict[str, object], field: str
) -> None:
    body = {"model": MODEL, "input_tokens": 10, "output_tokens": 10} | change
    answer = plane.acme.post("/v1/evaluate", body)
    assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text


def test_a_key_without_the_right_and_a_user_of_another_key_are_refused(plane: Plane) -> None:
    from aikit.serve.model import Right

    reader = plane.caller("aik_test_reader", rights=frozenset({Right.COMPLETE, Right.USAGE_READ}))
    assert reader.post("/v1/evaluate", {"model": MODEL, "input_tokens": 1}).status_code == 403
    bound = plane.caller("aik_test_bound", user="u-1")
    assert bound.evaluate(hold=False)["allowed"] and bound.evaluate(hold=False, user="u-1")["allowed"]
    answer = bound.post("/v1/evaluate", {"model": MODEL, "input_tokens": 1, "user": "u-2"})
    assert (answer.status_code, answer.json()["reasonCode"]) == (403, "KEY_BOUND")
