"""What a key may see: usage, limits, calls, decisions, breakers, prompts; of its own tenant and environment alone."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from aikit.database.connect import Database
from aikit.ledger.breakers import force_breaker
from support.control import MODEL, Plane
from support.kits import Books

READS = ("/v1/usage", "/v1/usage?by=user", "/v1/limits", "/v1/calls", "/v1/breakers", "/v1/prompts", "/v1/keys",
         "/v1/policies")  # fmt: skip


def spent(plane: Plane) -> tuple[str, str]:
    """A call of each of two users of acme, one of rival, one in acme's staging. The ids of u-1's and of rival's."""
    staging = plane.caller("aik_test_staging", environment="staging")
    ids = []
    for caller, user in ((plane.acme, "u-1"), (plane.acme, "u-2"), (plane.rival, "u-rival"), (staging, "u-staging")):
        hold = caller.evaluate(user=user)["hold"]["id"]
        assert caller.report(hold).status_code == 200
        ids.append(hold)
    return ids[0], ids[2]


def test_usage_limits_and_calls_are_those_of_the_tenant_and_environment(plane: Plane) -> None:
    mine, _ = spent(plane)
    said = plane.acme.get("/v1/usage?by=user").json()
    assert said["schema"] == "aikit.spend/1"
    assert {(row["user"], row["cost_usd"]) for row in said["data"]} == {("u-1", "0.000117"), ("u-2", "0.000117")}
    assert (said["totals"]["calls"], said["totals"]["cost_usd"]) == (2, "0.000234")
    assert plane.acme.get("/v1/usage?by=user&user=u-1").json()["totals"]["calls"] == 1
    assert plane.acme.get("/v1/usage?since=2020-01-01T00:00:00Z&until=2020-02-01T00:00:00Z").json()["data"] == []
    (limit,) = plane.acme.get("/v1/limits").json()["data"]
    assert (limit["source"], limit["used_usd"], limit["cap_usd"]) == ("tenant:acme", "0.000351", "1000000")
    calls = plane.acme.get("/v1/calls").json()["data"]
    assert [call["user"] for call in calls] == ["u-2", "u-1"] and calls[1]["attempt"] == mine
    for path in READS:
        answer = plane.acme.get(path)
        assert answer.status_code == 200, answer.text
        assert "rival" not in answer.text and "u-staging" not in answer.text, path


def test_a_decision_is_explained_to_its_tenant_and_is_not_there_for_others(plane: Plane, books: Books) -> None:
    mine, theirs = spent(plane)
    said = plane.acme.get(f"/v1/decisions/{mine}").json()["data"]
    assert (said["decision_id"], said["allowed"], said["cost_usd"]) == (mine, True, "0.000117")
    assert said["again"] == {"made": True, "same": True, "differences": [], "why_not": None}
    books.limit(usd="0")
    refused = plane.acme.evaluate()
    said = plane.acme.get(f"/v1/decisions/{refused['decision_id']}").json()["data"]
    assert (said["allowed"], said["reason_code"], said["remedy"]) == (False, refused["reason_code"], refused["remedy"])
    nobodys = str(uuid4())
    for id in (theirs, nobodys, "nonsense"):
        answer = plane.acme.get(f"/v1/decisions/{id}")
        assert answer.status_code == 404 and answer.text.replace(id, "ID") == plane.acme.get(
            f"/v1/decisions/{nobodys}"
        ).text.replace(nobodys, "ID")
    bound = plane.caller("aik_test_bound", user="u-2")
    assert bound.get(f"/v1/decisions/{mine}").status_code == 404


def test_recorded_usage_is_explained_as_such(plane: Plane) -> None:
    said = plane.acme.post("/v1/usage", {"model": MODEL, "usage": {"input": 3}, "usage_id": "1"}).json()
    found = plane.acme.get(f"/v1/decisions/{said['attempt']}").json()["data"]
    assert (found["reason_code"], found["again"]["made"]) == ("RECORDED", False)


def test_a_key_of_a_user_sees_that_user_alone(plane: Plane) -> None:
    spent(plane)
    bound = plane.caller("aik_test_bound", user="u-2")
    assert [row["user"] for row in bound.get("/v1/usage?by=user").json()["data"]] == ["u-2"]
    assert [row["user"] for row in bound.get("/v1/calls").json()["data"]] == ["u-2"]
    for path in ("/v1/usage", "/v1/calls", "/v1/limits"):
        answer = bound.get(f"{path}?user=u-1")
        assert (answer.status_code, answer.json()["reasonCode"]) == (403, "KEY_BOUND")


def test_a_tenants_key_names_no_other_and_an_operators_names_one(plane: Plane) -> None:
    spent(plane)
    for query in ("tenant=rival", "environment=prod"):
        assert plane.acme.get(f"/v1/usage?{query}").status_code == 403
    operator = plane.caller("aik_test_operator", tenant=None)
    answer = operator.get("/v1/usage")
    assert (answer.status_code, answer.json()["field"]) == (400, "tenant")
    assert operator.get("/v1/usage?tenant=rival").json()["totals"]["calls"] == 1
    assert operator.get("/v1/usage?tenant=acme&environment=staging").json()["totals"]["calls"] == 1
    assert operator.post("/v1/evaluate", {"model": MODEL, "input_tokens": 1}).status_code == 403


def test_breakers_are_told_without_the_traffic_of_others(plane: Plane, books: Books) -> None:
    database = Database(books.dsn, False, "test")
    force_breaker(database, ("openai", ""), open=True, lasting=timedelta(minutes=5), who="jo", why="a secret reason")
    answer = plane.acme.get("/v1/breakers")
    (row,) = answer.json()["data"]
    assert (row["breaker"], row["state"], row["calls"]) == ("openai", "forced_open", None)
    assert "jo" not in answer.text and "a secret reason" not in answer.text
    operator = plane.caller("aik_test_operator", tenant=None)
    assert operator.get("/v1/breakers?tenant=acme").json()["data"][0]["calls"] == 0


def test_published_prompts_are_listed_with_their_labels(plane: Plane, books: Books) -> None:
    from aikit.ledger.prompts import Draft, publish
    from aikit.prompts.shipped import shipped

    database = Database(books.dsn, False, "test")
    prompt = shipped().find("judge", 1)
    assert prompt is not None
    publish(database, [Draft(prompt, None)])
    (found,) = plane.acme.get("/v1/prompts").json()["data"]
    assert (found["name"], found["versions"][0]["sha256"], found["versions"][0]["source"]) == (
        "judge",
        prompt.sha256,
        None,
    )
    shown = plane.acme.get("/v1/prompts/judge").json()["data"]
    assert shown["versions"][0]["source"] == prompt.source
    assert plane.acme.get("/v1/prompts/none").status_code == plane.acme.get("/v1/prompts/%00").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/v1/usage?by=colour", "/v1/usage?since=yesterday", "/v1/usage?since=2026-01-01T00:00:00", "/v1/usage?user=",
     "/v1/usage?by=user&by=model", "/v1/calls?limit=0", "/v1/limits?surprise=1", "/v1/usage?user=%00",
     "/v1/usage?since=0001-01-01T00:00:00Z", "/v1/usage?since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z"],
)  # fmt: skip
def test_a_query_that_can_not_be_used_is_refused(plane: Plane, path: str) -> None:
    answer = plane.acme.get(path)
    assert (answer.status_code, answer.json()["reasonCode"]) == (400, "REQUEST_INVALID"), answer.text


@pytest.mark.parametrize("path", READS[:6])
def test_reading_takes_the_right_to_read(plane: Plane, path: str) -> None:
    from aikit.serve.model import Right

    caller = plane.caller("aik_test_caller", rights=frozenset({Right.COMPLETE, Right.EVALUATE}))
    assert caller.get(path).status_code == 403
    assert plane.caller("aik_test_no", rights=frozenset({Right.USAGE_READ})).get(path).status_code == 200
