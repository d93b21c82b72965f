"""POST /v1/usage and /v1/holds: reports settle once, whoever sends them and however often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

from aikit.database.connect import Database
from aikit.events import AttemptEnded, Event
from aikit.expiring import expire as end_expired
from aikit.meter.opening import open_meter
from aikit.meter.prices import PriceRow
from aikit.sim import Simulator
from support.control import MODEL, Plane, all_parts, plane_of
from support.kits import Books, settings_for, tokens
from support.serving import Serving, serving


class Listener:
    """Hears of what happens in the processes that it is put in."""

    awake = True

    def __init__(self, *serving: Serving) -> None:
        self.heard: list[Event] = []
        for one in serving:
            one.kit._desk.notify._teller = self

    def tell(self, event: Event, context: Context | None) -> None:
        self.heard.append(event)

    def endings(self) -> list[tuple[UUID, str, int]]:
        found = [(one.attempt_id, str(one.ending), one.nano) for one in self.heard if isinstance(one, AttemptEnded)]
        return sorted(found)


def in_the_ledger(books: Books) -> list[tuple[UUID, str, int]]:
    return sorted((entry["attempt"], entry["ending"], entry["nano"]) for entry in books.entries())


USED_USD = "0.000117"
"""300 input tokens and 120 output tokens of gpt-4o-mini."""
UNHELD = {"model": MODEL, "usage": {"input": 300, "output": 120}}


def expire(books: Books, folder: Path) -> None:
    """Have the holds expire, as the meter of any process does."""
    books.tell("UPDATE aikit.holds SET expires_at = now() - interval '1 second'")
    end_expired(Database(books.dsn, False, "test"))
    assert books.holds() == 0


def test_a_report_settles_its_hold_at_the_actual_usage(plane: Plane, books: Books) -> None:
    hold = plane.acme.evaluate(user="u-17")["hold"]["id"]
    answer = plane.acme.report(hold, duration_ms=840, served_model="gpt-4o-mini-2024-07-18")
    assert answer.status_code == 200
    said = answer.json()
    assert (said["state"], said["cost_usd"], said["estimated"], said["corrected"]) == (
        "settled",
        USED_USD,
        False,
        False,
    )
    assert answer.headers["x-aikit-cost-usd"] == USED_USD
    entry = books.entry()
    assert (entry["nano"], entry["user_id"], entry["status"], entry["duration_ms"]) == (117_000, "u-17", 200, 840)
    assert tokens(entry) == {"input": 300, "output": 120}
    books.assert_balanced()


def test_one_billed_request_is_one_evaluate_and_one_usage(plane: Plane, books: Books) -> None:
    books.policy('[default]\nlimits = [{ metric = "requests", window = "day", cap = 2 }]')
    for _ in range(2):
        assert plane.acme.report(plane.acme.evaluate()["hold"]["id"]).status_code == 200
    said = plane.acme.evaluate()
    assert (said["allowed"], said["reason_code"]) == (False, "DAILY_REQUEST_LIMIT_EXCEEDED")


def test_a_report_that_is_repeated_is_answered_alike_and_another_one_is_refused(plane: Plane, books: Books) -> None:
    hold = plane.acme.evaluate()["hold"]["id"]
    first, again = plane.acme.report(hold), plane.acme.report(hold)
    assert first.json() == again.json() and again.status_code == 200
    other = plane.acme.report(hold, usage={"input": 1})
    assert (other.status_code, other.json()["reasonCode"]) == (422, "IDEMPOTENCY_CONFLICT")
    assert plane.acme.post(f"/v1/holds/{hold}/void").status_code == 422
    assert plane.acme.post(f"/v1/holds/{hold}/extend").status_code == 422
    assert len(books.entries()) == 1
    books.assert_balanced()


def test_usage_above_the_hold_is_charged_in_full(plane: Plane, books: Books) -> None:
    hold = plane.acme.evaluate()["hold"]["id"]
    assert plane.acme.report(hold, usage={"input": 5000, "output": 5000}).json()["cost_usd"] == "0.00375"
    books.assert_balanced()


def test_a_report_without_usage_is_charged_at_the_hold_or_voided_after_an_error(plane: Plane, books: Books) -> None:
    unknown, failed = plane.acme.evaluate()["hold"]["id"], plane.acme.evaluate()["hold"]["id"]
    said = plane.acme.report(unknown, usage=None).json()
    assert (said["state"], said["cost_usd"], said["estimated"]) == ("settled", "0.00045", True)
    said = plane.acme.report(failed, usage=None, status=500, error="server_error").json()
    assert (said["state"], said["cost_usd"]) == ("voided", "0")
    books.assert_balanced()


def test_a_voided_hold_costs_nothing_and_can_be_voided_again(plane: Plane, books: Books) -> None:
    hold = plane.acme.evaluate()["hold"]["id"]
    first = plane.acme.post(f"/v1/holds/{hold}/void", {"reason": "the caller left"})
    again = plane.acme.post(f"/v1/holds/{hold}/void", {"reason": "the caller left"})
    assert first.json() == again.json() and first.json()["state"] == "voided"
    assert plane.acme.report(hold).status_code == 422
    assert books.entry()["nano"] == 0
    books.assert_balanced()


def test_a_hold_that_expired_is_put_right_by_a_late_report(plane: Plane, books: Books, tmp_path: Path) -> None:
    listener = Listener(plane.serving)
    late, free = plane.acme.evaluate()["hold"]["id"], plane.acme.evaluate()["hold"]["id"]
    expire(books, tmp_path)
    assert books.used()["month"] == 900_000
    first, again = plane.acme.report(late), plane.acme.report(late)
    assert first.status_code == 200 and first.json() == again.json()
    assert (first.json()["corrected"], first.json()["cost_usd"]) == (True, USED_USD)
    assert plane.acme.post(f"/v1/holds/{free}/void").json()["cost_usd"] == "0"
    assert plane.acme.report(late, usage={"input": 1}).status_code == 422
    assert books.used()["month"] == 117_000 and len(books.entries()) == 4
    assert listener.endings() == sorted([(UUID(late), "settled", 117_000), (UUID(free), "voided", 0)])
    books.assert_balanced()


def test_a_hold_is_extended_in_time_and_in_output(plane: Plane, books: Books) -> None:
    hold = plane.acme.evaluate()["hold"]["id"]
    books.tell("UPDATE aikit.holds SET expires_at = now() + interval '1 second'")
    said = plane.acme.post(f"/v1/holds/{hold}/extend", {"seconds": 3600, "output_tokens": 1000})
    assert said.status_code == 200, said.text
    assert (said.json()["output_tokens"], said.json()["cost_usd"]) == (1000, "0.00075")
    (row,) = books.rows("SELECT nano, expires_at > now() + interval '59 minutes' AS later FROM aikit.holds")
    assert row == {"nano": 750_000, "later": True}
    assert plane.acme.post(f"/v1/holds/{hold}/extend", {"output_tokens": 10}).status_code == 400
    assert plane.acme.report(hold).json()["cost_usd"] == USED_USD
    books.assert_balanced()


def test_more_output_than_a_cap_or_the_ceiling_allows_is_refused_and_the_hold_stays(plane: Plane, books: Books) -> None:
    books.limit(usd="0.0005")
    hold = plane.acme.evaluate()["hold"]["id"]
    answer = plane.acme.post(f"/v1/holds/{hold}/extend", {"output_tokens": 1000})
    assert (answer.status_code, answer.json()["reasonCode"]) == (402, "MONTHLY_BUDGET_EXCEEDED")
    answer = plane.acme.post(f"/v1/holds/{hold}/extend", {"output_tokens": 5000})
    assert (answer.status_code, answer.json()["reasonCode"]) == (400, "REQUEST_TOKENS_EXCEEDED")
    assert books.rows("SELECT nano FROM aikit.holds") == [{"nano": 450_000}]
    assert plane.acme.report(hold).status_code == 200
    books.assert_balanced()


def test_usage_without_a_hold_is_always_charged_and_once(plane: Plane, books: Books) -> None:
    books.limit(usd="0.0001")
    first = plane.acme.post("/v1/usage", UNHELD | {"usage_id": "r-1", "user": "u-17"})
    again = plane.acme.post("/v1/usage", UNHELD | {"user": "u-17"}, idempotency_key="r-1")
    assert first.status_code == 200 and first.json() == again.json()
    assert (first.json()["cost_usd"], first.json()["usage_id"]) == (USED_USD, "r-1")
    entry = books.entry()
    assert (entry["nano"], entry["reason_code"], entry["user_id"]) == (117_000, "RECORDED", "u-17")
    other = plane.acme.post("/v1/usage", UNHELD | {"usage_id": "r-1"})
    assert (other.status_code, other.json()["reasonCode"]) == (422, "IDEMPOTENCY_CONFLICT")
    assert plane.acme.evaluate(hold=False)["reason_code"] == "MONTHLY_BUDGET_EXCEEDED"
    assert books.used() == {"month": 117_000}
    assert plane.acme.post("/v1/usage", UNHELD | {"usage_id": "r-2"}).status_code == 200
    assert books.used() == {"month": 234_000}
    plane.serving.kit.flush()
    books.assert_balanced()


def test_usage_of_a_model_without_a_price_is_recorded_without_a_cost(plane: Plane, books: Books) -> None:
    body = {"model": "openai/no-such-model-9", "usage": {"input": 300}, "usage_id": "r-1"}
    said = plane.acme.post("/v1/usage", body).json()
    assert (said["cost_usd"], said["estimated"]) == (None, True)
    assert (books.entry()["price_id"], tokens(books.entry())) == (None, {"input": 300})
    assert plane.acme.evaluate(hold=False)["allowed"]
    books.assert_balanced()


def test_usage_without_a_hold_needs_a_key_of_its_own(plane: Plane) -> None:
    answer = plane.acme.post("/v1/usage", UNHELD)
    assert (answer.status_code, answer.json()["field"]) == (400, "usage_id")
    answer = plane.acme.post("/v1/usage", {"usage_id": "1", "usage": {"input": 1}})
    assert (answer.status_code, answer.json()["field"]) == (400, "model")
    answer = plane.acme.report(str(uuid4()), model="gpt-4o-mini")
    assert (answer.status_code, answer.json()["field"]) == (400, "model")


def test_any_process_ends_a_hold_that_another_took(
    plane: Plane, books: Books, tmp_path: Path, simulator: Simulator
) -> None:
    (tmp_path / "other").mkdir()
    with serving(settings_for(tmp_path / "other", simulator, books.dsn), more=all_parts) as second:
        other = plane_of(second).acme
        hold, spare = plane.acme.evaluate()["hold"]["id"], plane.acme.evaluate()["hold"]["id"]
        assert other.post(f"/v1/holds/{spare}/extend", {"output_tokens": 900}).status_code == 200
        assert other.report(hold).json() == plane.acme.report(hold).json()
        assert plane.acme.post(f"/v1/holds/{spare}/void").status_code == 200
    assert len(books.entries()) == 2
    books.assert_balanced()


def test_many_reports_of_one_hold_at_once_make_one_entry(
    plane: Plane, books: Books, tmp_path: Path, simulator: Simulator
) -> None:
    (tmp_path / "other").mkdir()
    with serving(settings_for(tmp_path / "other", simulator, books.dsn), more=all_parts) as second:
        callers, listener = [plane.acme, plane_of(second).acme], Listener(plane.serving, second)
        for _ in range(5):
            hold = plane.acme.evaluate()["hold"]["id"]
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda n: callers[n % 2].report(hold), range(8)))  # noqa: B023
            assert {answer.status_code for answer in answers} == {200}
            assert len({answer.text for answer in answers}) == 1
    assert len(books.entries()) == 5
    assert listener.endings() == in_the_ledger(books)
    books.assert_balanced()


def test_of_two_different_reports_at_once_one_counts_and_the_other_is_refused(plane: Plane, books: Books) -> None:
    listener = Listener(plane.serving)
    for _ in range(5):
        hold = plane.acme.evaluate()["hold"]["id"]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda n: plane.acme.report(hold, usage={"input": n % 2}), range(8)))  # noqa: B023
        assert sorted(answer.status_code for answer in answers) == [200] * 4 + [422] * 4
    assert len(books.entries()) == 5
    assert listener.endings() == in_the_ledger(books)
    books.assert_balanced()


def test_the_same_usage_reported_by_many_at_once_is_charged_once(
    plane: Plane, books: Books, tmp_path: Path, simulator: Simulator
) -> None:
    (tmp_path / "other").mkdir()
    with serving(settings_for(tmp_path / "other", simulator, books.dsn), more=all_parts) as second:
        callers, listener = [plane.acme, plane_of(second).acme], Listener(plane.serving, second)

        def report(n: int) -> Any:
            return callers[n % 2].post("/v1/usage", UNHELD | {"usage_id": f"r-{n // 8}"})

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(report, range(40)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(books.entries()) == 5
    assert listener.endings() == in_the_ledger(books)
    assert plane.acme.evaluate(hold=False)["allowed"]
    books.assert_balanced()


def test_what_died_between_its_key_and_its_entry_is_posted_by_the_repeat(plane: Plane, books: Books) -> None:
    body = UNHELD | {"usage_id": "r-1"}
    assert plane.acme.post("/v1/usage", body).status_code == 200
    attempt = UUID(int=books.entry()["attempt"].int + 1)
    books.tell("UPDATE aikit.idempotency_keys SET attempt = %s", attempt)
    assert plane.acme.post("/v1/usage", body).json()["attempt"] == str(attempt)
    assert plane.acme.post("/v1/usage", body).json()["attempt"] == str(attempt)
    assert len(books.entries()) == 2
    assert plane.acme.evaluate(hold=False)["allowed"]
    books.assert_balanced()


def test_holds_and_reports_of_another_tenant_are_not_there(plane: Plane, books: Books) -> None:
    hold, nobodys = plane.acme.evaluate()["hold"]["id"], str(uuid4())
    staging = plane.caller("aik_test_staging", environment="staging")
    bound = plane.caller("aik_test_bound", user="u-1")
    for caller in (plane.rival, staging, bound):
        for path in ("void", "extend"):
            theirs, none = (caller.post(f"/v1/holds/{id}/{path}") for id in (hold, nobodys))
            assert theirs.status_code == none.status_code == 404
            assert theirs.text.replace(hold, "ID") == none.text.replace(nobodys, "ID")
        assert caller.report(hold).status_code == caller.report(nobodys).status_code == 404
    assert plane.acme.post("/v1/holds/not-an-id/void").status_code == 404
    assert plane.acme.report(hold).status_code == 200
    books.assert_balanced()


def test_a_hold_of_a_call_that_is_sent_by_the_server_can_not_be_ended_by_its_id(
    plane: Plane, books: Books, tmp_path: Path
) -> None:
    from support.ledger import order

    prices: dict[str, PriceRow] = {}
    meter = open_meter(Database(books.dsn, False, "test"), tmp_path / "call", prices.__getitem__)
    asked = order("acme", 1000, price=None, environment="dev")
    hold = meter.admit(asked._replace(cost=None)).hold
    assert hold is not None
    assert plane.acme.post(f"/v1/holds/{hold.order.attempt}/void").status_code == 404
    assert plane.acme.report(str(hold.order.attempt)).status_code == 404
    assert books.holds() == 1
    from aikit.types import Ending, Entry

    meter.end(Entry(hold, Ending.VOIDED, 0))
    assert meter.close()
    books.assert_balanced()


def test_whatever_is_done_to_holds_by_many_at_once_each_ends_once_and_the_books_balance(
    plane: Plane, books: Books, tmp_path: Path, simulator: Simulator
) -> None:
    random = Random(20261121)
    (tmp_path / "other").mkdir()
    with serving(settings_for(tmp_path / "other", simulator, books.dsn), more=all_parts) as second:
        callers = [plane.acme, plane_of(second).acme]
        holds = [plane.acme.evaluate()["hold"]["id"] for _ in range(20)]
        acts = [(hold, random.choice(ACTS), random.choice(callers)) for hold in holds for _ in range(6)]
        random.shuffle(acts)

        def act(one: tuple[str, str, Any]) -> tuple[str, Any]:
            hold, what, caller = one
            if what == "expire":
                books.tell("UPDATE aikit.holds SET expires_at = now() - interval '1 second' WHERE attempt = %s", hold)
                end_expired(Database(books.dsn, False, "test"))
                return hold, None
            if what == "void":
                return hold, caller.post(f"/v1/holds/{hold}/void")
            if what == "extend":
                return hold, caller.post(f"/v1/holds/{hold}/extend", {"output_tokens": 600})
            return hold, caller.report(hold, usage={"input": len(what)})

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(act, acts))
        for hold in holds:
            said = {answer.text for at, answer in answers if at == hold and answer is not None and is_end(answer)}
            assert len(said) <= 1, said
            if not said:
                assert plane.acme.post(f"/v1/holds/{hold}/void").status_code == 200
    assert {answer.status_code for _, answer in answers if answer is not None} <= {200, 400, 404, 422}
    firsts = [entry["attempt"] for entry in books.entries() if entry["seq"] == 0]
    assert sorted(map(str, firsts)) == sorted(holds)
    books.assert_balanced()


ACTS = ("r", "report", "void", "extend", "expire")


def is_end(answer: Any) -> bool:
    """It says how a hold ended."""
    return answer.status_code == 200 and "state" in answer.json() and answer.json()["state"] != "held"
