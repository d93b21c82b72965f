"""Rules against runaways on the command line: what they are, what they found, what they would have refused."""

from __future__ import annotations

import pytest

from aikit.types import Decision
from integration.cli.conftest import Cli
from support.ledger import Till, order

RULES = """
[default]
loops = {{ identical = 2, seconds = 30, action = "{action}" }}
velocity = {{ times = 5, floor_usd = "0.01", each = "user", action = "{action}" }}
[plans.pro]
entitlements = ["ai_access"]
loops = "off"
[tenants.acme]
limits = [{{ cap_usd = "10", window = "month" }}]
"""


def asked(cli: Cli, till: Till, action: str = "block") -> list[Decision]:
    """Three identical calls of ann's, then one that is dear."""
    (cli.folder / "policies.toml").write_text(RULES.format(action=action), encoding="utf-8")
    cli.ok("policy", "apply", "policies.toml", "--yes")
    cli.ok("tenant", "add", "acme")
    orders = [order("acme", nano, user="ann", feature="chat") for nano in (1_000_000, 1_000_000, 1_000_000, 20_000_000)]
    found = [till.meter.admit(one._replace(fingerprint=f"{one.nano}")) for one in orders]
    till.flush()
    return found


def test_a_loop_is_explained_by_how_often_it_was_there_and_since_when(cli: Cli, till: Till) -> None:
    *_, loop, _ = asked(cli, till)
    page = cli.ok("explain", str(loop.id)).out
    lines = page.splitlines()
    assert lines[0] == "Refused: LOOP_DETECTED"
    assert lines[1] == "acme: 3 identical requests in 30 s look like a loop; 2 are allowed (default)."
    assert lines[2].startswith("→ Find what repeats it.")
    assert "2 identical requests in 30 s · counts the whole tenant · default" in page
    assert "2 before it since 20" in page
    assert "→ refused it" in page
    assert lines[-1].endswith("the same answer.")
    data = cli.data("explain", str(loop.id))
    found = {one["rule"]: one for one in data["runaway"]}
    assert (found["loops"]["seen"], found["loops"]["role"], found["velocity"]["role"]) == (2, "refused it", None)
    assert data["retry_after"] == 30


def test_a_burst_is_explained_by_the_minute_and_the_hour(cli: Cli, till: Till) -> None:
    *_, burst = asked(cli, till)
    page = cli.ok("explain", str(burst.id)).out
    assert page.startswith("Refused: VELOCITY_EXCEEDED\nacme (user ann): $0.002 went in the last minute, and this")
    assert "$0.002 in the last minute, $0.002 in the last hour; $0.01 a minute are allowed" in page
    assert "VELOCITY_EXCEEDED" in cli.ok("calls", "list").out
    shown = cli.data("calls", "show", str(burst.id))["attempts"][0]["runaway"]
    assert [one["minute_usd"] for one in shown] == ["0.002"]
    assert "velocity/minute default" in cli.ok("calls", "show", str(burst.id)).out


def test_what_they_would_have_refused_is_observed(cli: Cli, till: Till) -> None:
    found = asked(cli, till, "warn")
    assert all(decision.allowed for decision in found)
    rows = {row["reason_code"]: row for row in cli.data("policy", "observed")}
    assert {(code, row["metric"], row["window"], row["calls"]) for code, row in rows.items()} == {
        ("LOOP_DETECTED", "loops", "30 s", 1),
        ("VELOCITY_EXCEEDED", "velocity", "minute", 1),
    }
    assert "loops/30 s" in cli.ok("policy", "observed").out
    page = cli.ok("explain", str(found[2].id)).out
    assert "A rule against runaways that only warns would have refused it: LOOP_DETECTED." in page
    assert "→ would have refused it, but only warns" in page


@pytest.mark.parametrize("json", [False, True])
def test_policies_show_them(cli: Cli, till: Till, json: bool) -> None:
    asked(cli, till)
    if json:
        shown = cli.data("policy", "show", "default")
        assert shown["loops"] == {"identical": 2, "seconds": 30}
        assert shown["velocity"] == {"times": 5, "floor_usd": "0.01", "each": "user"}
        plan = cli.data("plan", "show", "pro")
        assert (plan["loops"], plan["velocity"]) == (None, {"times": 5, "floor_usd": "0.01"})
        return
    assert "2 identical requests in 30 s" in cli.ok("policy", "show", "default").out
    assert "loops = { identical = 2, seconds = 30 }" in cli.ok("policy", "show", "--toml").out
    page = cli.ok("policy", "explain", "--tenant", "acme", "--user", "ann").out
    assert "5 × the hour's rate, $0.01 a minute anyway, each user · default" in page
    plan = cli.ok("plan", "show", "pro").out
    assert "off (plan:pro)" in plan
    assert "5 × the hour's rate, $0.01 a minute anyway (default)" in plan
