"""`aikit explain`: a decision as it was recorded, made again."""

from __future__ import annotations

from uuid import UUID

import pytest

from aikit.cli.calls import SHORT
from aikit.database.connect import Database
from integration.cli.conftest import Cli
from support.ledger import Till, order, tell
from support.ledger import rows as read

LIMITS = """
[tenants.acme]
limits = [
  { cap_usd = "0.0015", soft_cap_usd = "0.0005", window = "month" },
  { metric = "requests", window = "day", cap = 1, each = "user", action = "warn" },
]
"""


@pytest.fixture
def acme(cli: Cli, till: Till) -> Till:
    """acme may spend little, and that has been stated before its first call."""
    (cli.folder / "policies.toml").write_text(LIMITS, encoding="utf-8")
    cli.ok("policy", "apply", "policies.toml", "--yes")
    cli.ok("tenant", "add", "acme")
    return till


def refused(till: Till) -> UUID:
    """The id of a decision against an attempt: another one is running and leaves too little."""
    till.admit(user="ann", feature="chat")
    decision = till.ask(user="ann", feature="chat")
    assert decision.reason_code == "MONTHLY_BUDGET_EXCEEDED"
    till.flush()
    return decision.id


def test_a_refusal_is_explained_in_words_with_the_limit_that_stood_in_the_way(cli: Cli, acme: Till) -> None:
    id = refused(acme)
    page = cli.ok("explain", str(id)).out
    lines = page.splitlines()
    assert lines[0] == "Refused: MONTHLY_BUDGET_EXCEEDED"
    assert lines[1].startswith("acme: $0.0005 of $0.0015 this month are left, and this call may cost up to $0.001.")
    assert lines[2].startswith("→ ")
    assert "in the name of  tenant acme · user ann · feature chat · environment prod" in page
    assert "$0.0015, soft cap $0.0005 · counts the whole tenant · tenant:acme" in page
    assert "used $0.00 · held $0.001 · left $0.0005 · resets 20" in page
    assert "→ refused it" in page
    assert "What would have fit" in page
    assert lines[-1].startswith("Made again from policy version")
    assert lines[-1].endswith("the same answer.")


def test_an_explanation_in_json_has_everything_and_exact_amounts(cli: Cli, acme: Till) -> None:
    id = refused(acme)
    data = cli.data("explain", str(id))
    assert data["decision_id"] == str(id)
    assert (data["allowed"], data["reason_code"], data["bound_usd"]) == (False, "MONTHLY_BUDGET_EXCEEDED", "0.001")
    month, day = data["limits"]
    assert (month["cap_usd"], month["held_usd"], month["remaining_usd"], month["role"]) == (
        "0.0015",
        "0.001",
        "0.0005",
        "refused it",
    )
    assert (day["metric"], day["action"], day["counts"]) == ("requests", "warn", "user ann")
    assert data["fields"]["max_output_tokens"] == {"value": 4096, "policy": "built-in", "note": "", "overruled": []}
    assert data["again"] == {"made": True, "same": True, "differences": [], "why_not": None}


def test_an_allowed_call_says_which_soft_cap_it_crossed_and_what_only_warned(cli: Cli, acme: Till) -> None:
    acme.spend(user="ann")
    acme.flush()
    id = acme.spend(user="ann").hold.order.attempt
    acme.flush()
    page = cli.ok("explain", str(id)).out
    assert page.startswith("Allowed: ALLOWED_SOFT_CAP\n")
    assert "→ its soft cap was crossed" in page
    assert "→ would have refused it, but only warns" in page
    assert "A limit that only warns would have refused it: DAILY_REQUEST_LIMIT_EXCEEDED." in page
    data = cli.data("explain", str(id))
    assert (data["allowed"], data["would_refuse"]) == (True, "DAILY_REQUEST_LIMIT_EXCEEDED")


def test_a_running_call_is_explained_too(cli: Cli, acme: Till) -> None:
    hold = acme.admit()
    assert cli.data("explain", str(hold.order.attempt))["again"]["same"] is True


def test_a_decision_is_found_by_a_prefixed_id_the_end_of_it_or_its_call(cli: Cli, acme: Till) -> None:
    entry = acme.spend()
    acme.flush()
    asked = entry.hold.order
    whole = cli.data("explain", str(asked.attempt))
    assert cli.data("explain", f"d_{asked.attempt}") == whole
    assert cli.data("explain", f"d_{asked.attempt.hex}") == whole
    assert cli.data("explain", asked.attempt.hex[-SHORT:]) == whole
    assert cli.data("explain", str(asked.call.id)) == whole


def test_an_old_decision_is_made_by_the_policies_of_its_time(cli: Cli, acme: Till) -> None:
    id = refused(acme)
    (cli.folder / "policies.toml").write_text(LIMITS.replace("0.0015", "99.00"), encoding="utf-8")
    cli.ok("policy", "apply", "policies.toml", "--yes")
    assert cli.data("explain", str(id))["limits"][0]["cap_usd"] == "0.0015"


def test_a_decision_that_comes_out_otherwise_exits_1_and_says_how(cli: Cli, acme: Till, ledger: Database) -> None:
    id = refused(acme)
    tell(ledger, "UPDATE aikit.policies SET body = jsonb_set(body, '{limits,0,cap}', '99000000000')")
    ended = cli("explain", str(id))
    assert ended.code == 1
    assert "not the same." in ended.out
    assert "credits/month of tenant:acme" in ended.out
    data = cli("explain", str(id), "--json").json("aikit.explain/1")["data"]
    assert (data["again"]["same"], bool(data["again"]["differences"])) == (False, True)


def test_an_unknown_tenant_is_explained_with_the_way_out(cli: Cli, till: Till) -> None:
    decision = till.ask("globex")
    till.flush()
    page = cli.ok("explain", str(decision.id)).out
    assert page.startswith(
        "Refused: TENANT_UNKNOWN\nThe tenant 'globex' is not known.\n→ Add it: aikit tenant add globex\n"
    )


def test_what_was_refused_before_any_policy_is_not_made_again(cli: Cli, till: Till, ledger: Database) -> None:
    till.refuse(None)
    till.flush()
    ((id,),) = read(ledger, "SELECT attempt FROM aikit.refusals")
    ended = cli.ok("explain", str(id))
    assert ended.out.startswith("Refused: TENANT_REQUIRED\n")
    assert "Not made again: it was refused before any policy was asked." in ended.out
    assert cli.data("explain", str(id))["again"]["made"] is False


def test_a_refused_model_names_the_policy(cli: Cli, till: Till) -> None:
    (cli.folder / "p.toml").write_text(
        '[default]\nmodels = { deny = ["openai/*"] }\nlimits = [{ cap_usd = "1.00", window = "day" }]\n',
        encoding="utf-8",
    )
    cli.ok("policy", "apply", "p.toml", "--yes")
    cli.ok("tenant", "add", "acme")
    decision = till.meter.admit(order("acme", 1000))
    till.flush()
    page = cli.ok("explain", str(decision.id)).out
    assert "acme: openai/gpt-4o-mini is not allowed by the policy default." in page
    assert "refused by      default" in page


@pytest.mark.parametrize(
    ("id", "code"), [("0198c0de-0000-7000-8000-000000000000", 1), ("nonsense", 2), ("abcdefab", 2), ("d_", 2)]
)
def test_an_id_that_is_not_there_is_no_crash(cli: Cli, acme: Till, id: str, code: int) -> None:
    ended = cli("explain", id, "--json")
    assert (ended.code, ended.out) == (code, "")
    assert "aikit calls list" in ended.err
