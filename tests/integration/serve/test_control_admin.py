"""Keys, policies and limits, managed in the name of a key."""

from __future__ import annotations

from typing import Any

import pytest

from aikit.serve.model import Right
from support.control import MODEL, Plane
from support.kits import Books

CAP = {"scope": {"tenant": "acme"}, "limits": [{"window": "day", "cap_usd": "0.0001"}]}


def audited(books: Books) -> list[tuple[str, str, str]]:
    return [(r["action"], r["subject"], r["who"]) for r in books.rows("SELECT * FROM aikit.audit ORDER BY seq")]


def test_a_key_is_made_told_once_rotated_and_ended(plane: Plane, books: Books) -> None:
    made = plane.acme.post("/v1/keys", {"rights": ["complete"], "user": "u-1", "per_minute": 60})
    assert made.status_code == 201
    key = made.json()["data"]
    assert (key["tenant"], key["environment"], key["user"], key["rights"]) == ("acme", "dev", "u-1", ["complete"])
    assert key["secret"].startswith("aik_test_")
    listed = plane.acme.get("/v1/keys")
    assert key["id"] in listed.text and key["secret"] not in listed.text
    rotated = plane.acme.post(f"/v1/keys/{key['id']}/rotate", {"overlap_seconds": 0}).json()["data"]
    assert rotated["replaces"] == key["id"] and rotated["secret"] != key["secret"]
    assert plane.acme.post(f"/v1/keys/{key['id']}/rotate").status_code == 409
    assert plane.acme.delete(f"/v1/keys/{rotated['id']}?why=left").json()["data"]["revoked"] is True
    assert plane.acme.delete(f"/v1/keys/{rotated['id']}").json()["data"]["revoked"] is False
    assert plane.acme.get("/v1/keys").json()["data"] == []
    assert len(plane.acme.get("/v1/keys?all=true").json()["data"]) == 2
    assert {who for action, _, who in audited(books) if action.startswith("key.")} == {"aik_test_all"}


def test_keys_of_another_tenant_environment_or_user_are_not_there(plane: Plane) -> None:
    made = plane.acme.post("/v1/keys", {"rights": ["complete"], "user": "u-1"}).json()["data"]["id"]
    others = (plane.rival, plane.caller("aik_test_st", environment="staging"), plane.caller("aik_test_u", user="u-2"))
    for caller in others:
        assert caller.get("/v1/keys?all=true").json()["data"] == []
        for id in (made, "key_none", "%00"):
            assert caller.delete(f"/v1/keys/{id}").status_code == 404
            assert caller.post(f"/v1/keys/{id}/rotate").status_code == 404
    assert plane.acme.delete(f"/v1/keys/{made}").json()["data"]["revoked"] is True


def test_a_tenants_admin_makes_no_keys_for_others(plane: Plane) -> None:
    for wanted in ({"tenant": "rival"}, {"environment": "prod"}):
        answer = plane.acme.post("/v1/keys", {"rights": ["complete"]} | wanted)
        assert (answer.status_code, answer.json()["reasonCode"]) == (403, "KEY_BOUND")
    bound = plane.caller("aik_test_bound", user="u-1")
    assert bound.post("/v1/keys", {"rights": ["complete"]}).json()["data"]["user"] == "u-1"
    assert bound.post("/v1/keys", {"rights": ["complete"], "user": "u-2"}).status_code == 403
    operator = plane.caller("aik_test_operator", tenant=None)
    made = operator.post("/v1/keys", {"rights": ["complete"], "tenant": "rival", "environment": "prod"})
    assert made.json()["data"]["tenant"] == "rival"
    assert operator.post("/v1/keys", {"rights": ["complete"], "tenant": "nobody"}).status_code in (400, 404)
    assert operator.post("/v1/keys", {"rights": ["complete"]}).status_code == 400


def test_a_policy_is_in_force_on_the_next_request_and_reads_back(plane: Plane, books: Books) -> None:
    put = plane.acme.put("/v1/policies/tenant:acme", CAP)
    assert (put.status_code, put.json()["data"]["changed"]) == (200, True), put.text
    assert plane.acme.evaluate()["reason_code"] == "DAILY_BUDGET_EXCEEDED"
    shown = plane.acme.get("/v1/policies/tenant:acme").json()["data"]["policy"]
    assert plane.acme.put("/v1/policies/tenant:acme", shown).json()["data"]["changed"] is False
    assert plane.acme.delete("/v1/policies/tenant:acme").status_code == 200
    assert plane.acme.get("/v1/policies/tenant:acme").status_code == 404
    assert plane.acme.delete("/v1/policies/tenant:acme").status_code == 404
    assert ("policy.change", "tenant:acme", "aik_test_all") in audited(books)


def test_a_tenants_admin_has_policies_of_its_tenant_alone(plane: Plane, books: Books) -> None:
    books.policy("[default]\nmax_output_tokens = 2000\n[plans.free]\nmax_output_tokens = 9")
    named = [policy["name"] for policy in plane.acme.get("/v1/policies").json()["data"]]
    assert named == ["tenant:acme"]
    everywhere: dict[str, Any] = {"scope": {}, "max_output_tokens": 1}
    for name, body in (
        ("default", everywhere),
        ("tenant:rival", {"scope": {"tenant": "rival"}, "max_output_tokens": 1}),
        ("tenant:rival", CAP),
        ("plan:free", CAP),
        ("anything", CAP),
    ):
        answer = plane.acme.put(f"/v1/policies/{name}", body)
        assert (answer.status_code, answer.json()["reasonCode"]) == (403, "POLICY_NOT_YOURS"), name
    for name in ("default", "plan:free", "tenant:rival"):
        assert plane.acme.get(f"/v1/policies/{name}").status_code == 404
        assert plane.acme.delete(f"/v1/policies/{name}").status_code == 404
    assert plane.acme.put("/v1/policies/tenant:acme/nights", CAP).status_code == 200
    operator = plane.caller("aik_test_operator", tenant=None)
    assert operator.put("/v1/policies/default", everywhere).status_code == 200
    assert {"default", "plan:free"} <= {one["name"] for one in operator.get("/v1/policies").json()["data"]}


def test_a_limit_is_set_for_the_own_tenant(plane: Plane, books: Books) -> None:
    answer = plane.acme.put("/v1/limits", {"window": "month", "cap_usd": "0.0001"})
    assert (answer.status_code, answer.json()["data"]["replaced"]) == (200, True), answer.text
    assert plane.acme.evaluate()["reason_code"] == "MONTHLY_BUDGET_EXCEEDED"
    assert plane.rival.evaluate(hold=False)["allowed"]
    assert plane.acme.put("/v1/limits?tenant=rival", {"window": "month", "cap_usd": "1"}).status_code == 403
    operator = plane.caller("aik_test_operator", tenant=None)
    assert operator.put("/v1/limits", {"window": "month", "cap_usd": "1"}).status_code == 400
    assert operator.put("/v1/limits?tenant=rival", {"window": "month", "cap_usd": "0"}).status_code == 200
    assert plane.rival.evaluate(hold=False)["allowed"] is False
    assert (
        plane.caller("aik_test_b", user="u-1").put("/v1/limits", {"window": "day", "cap_usd": "1"}).status_code == 403
    )


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/policies/tenant:acme", {"scope": {"tenant": "acme"}, "surprise": 1}, "surprise"),
        ("/v1/policies/tenant:acme", {"scope": {"tenant": "acme"}, "limits": [{"window": "day"}]}, "limits[0]"),
        ("/v1/policies/tenant:acme", {"scope": "acme"}, "scope"),
        ("/v1/policies/tenant:acme", {"scope": {"tenant": "acme"}, "max_output_tokens": None}, "max_output_tokens"),
        ("/v1/limits", {"window": "year", "cap_usd": "1"}, "window"),
        ("/v1/limits", {"window": "day", "cap_usd": "lots"}, "cap_usd"),
    ],
)
def test_what_a_policy_file_could_not_say_is_refused(plane: Plane, path: str, body: Any, field: str) -> None:
    answer = plane.acme.put(path, body)
    assert answer.status_code == 400 and answer.json()["field"].startswith(field.partition("[")[0]), answer.text


def test_managing_takes_the_right_to_manage(plane: Plane) -> None:
    caller = plane.caller("aik_test_caller", rights=frozenset(Right) - {Right.ADMIN})
    answers = [
        caller.get("/v1/keys"),
        caller.post("/v1/keys", {"rights": ["admin"]}),
        caller.delete("/v1/keys/key_1"),
        caller.put("/v1/policies/tenant:acme", CAP),
        caller.put("/v1/limits", {"window": "day", "cap_usd": "1"}),
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert caller.post("/v1/evaluate", {"model": MODEL, "input_tokens": 1}).status_code == 200
