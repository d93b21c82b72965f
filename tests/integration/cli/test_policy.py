"""`aikit policy`: policies as a file, with a diff, a history, and an explanation."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aikit.cli import policy_change
from aikit.database.connect import Database
from aikit.ledger.policies import put_policy
from aikit.policy.file import json_schema
from aikit.policy.file.example import TEMPLATE
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.types import Metric, Window
from integration.cli.conftest import SCRIPT, Cli
from support.ledger import Till

FREE = """
[plans.free]
entitlements = ["ai_access"]
limits = [{ cap_usd = "5.00", soft_cap_usd = "4.00", window = "month" }]
"""
DEFAULT = """
[default]
max_output_tokens = 2048
limits = [{ metric = "requests", window = "minute", cap = 10, each = "user" }]
"""
BY_HAND = Policy("tenant:acme", Scope(tenant="acme"), limits=(StatedLimit(Metric.CREDITS, Window.DAY, 2_000_000_000),))


def written(cli: Cli, text: str, name: str = "policies.toml") -> str:
    (cli.folder / name).write_text(text, encoding="utf-8")
    return name


def applied(cli: Cli, text: str) -> None:
    cli.ok("policy", "apply", written(cli, text), "--yes")


def version(cli: Cli) -> int:
    return int(cli("policy", "show", "--json").json("aikit.policy.show/1")["totals"]["version"])


def names(cli: Cli, *options: str) -> list[str]:
    return [row["name"] for row in cli.data("policy", "show", *options)]


def test_the_file_to_begin_with_is_valid_and_names_the_schema_beside_it(cli: Cli) -> None:
    assert cli.ok("policy", "init").out == "policies.toml: written, and policies.schema.json\n"
    assert (cli.folder / "policies.toml").read_text(encoding="utf-8") == TEMPLATE
    assert json.loads((cli.folder / "policies.schema.json").read_text(encoding="utf-8")) == json_schema()
    assert cli.ok("policy", "check", "policies.toml").out == "policies.toml: valid, 4 policies with 10 limits\n"


def test_a_file_that_is_there_is_never_overwritten(cli: Cli) -> None:
    written(cli, "mine")
    ended = cli("policy", "init")
    assert (ended.code, ended.out) == (2, "")
    assert "policies.toml is there already" in ended.err
    assert (cli.folder / "policies.toml").read_text(encoding="utf-8") == "mine"
    assert cli.data("policy", "init", "--file", "other.toml") == {
        "file": "other.toml",
        "schema": "policies.schema.json",
        "schema_written": True,
    }


def test_the_schema_is_printed_as_it_is_or_in_the_envelope(cli: Cli) -> None:
    assert json.loads(cli.ok("policy", "schema").out) == json_schema()
    assert cli.data("policy", "schema") == json_schema()


def test_caps_in_credits_are_checked_at_the_usual_rate_and_that_is_said(cli: Cli) -> None:
    name = written(cli, '[default]\nlimits = [{ cap = 100, window = "day" }]\n')
    assert "$0.0001 a credit" in cli.ok("policy", "check", name).err
    assert cli("policy", "check", name, "--json").json("aikit.policy.check/1")["data"] == {
        "file": "policies.toml",
        "valid": True,
        "policies": 1,
        "limits": 1,
        "guards": 0,
        "nano_usd_per_credit": 100_000,
    }
    assert cli.ok("policy", "check", written(cli, FREE)).err == ""


def test_a_check_needs_no_database(cli: Cli) -> None:
    elsewhere = Cli(cli.folder, {**cli.environ, "DATABASE_URL": "postgresql://nowhere.invalid/x"})
    assert elsewhere("policy", "check", written(cli, FREE)).code == 0


def test_every_problem_of_a_file_is_told_once_with_line_and_field(cli: Cli) -> None:
    name = written(cli, "[default]\nmax_output_tokens = 0\nclamp = 1\nlimts = []\n")
    ended = cli("policy", "check", name)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("line 2, default.max_output_tokens") == 1
    assert ended.err.count("line 3, default.clamp") == 1
    assert ended.err.count("Did you mean limits?") == 1


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf" + FREE.encode(), FREE.replace("\n", "\r\n").encode()])
def test_what_editors_on_windows_write_is_read(cli: Cli, content: bytes) -> None:
    (cli.folder / "policies.toml").write_bytes(content)
    assert cli.data("policy", "check", "policies.toml")["policies"] == 1


def test_what_is_no_file_of_text_exits_2_and_says_why(cli: Cli) -> None:
    (cli.folder / "latin.toml").write_bytes(b"[default]\n# \xe9\n")
    for name, why in (
        ("missing.toml", "No such file"),
        (".", "directory"),
        ("latin.toml", "line 2 is not UTF-8"),
        ("a\x00b", "can't be read"),
    ):
        ended = cli("policy", "apply", name, "--yes")
        assert (ended.code, ended.out) == (2, "")
        assert why in ended.err


def test_applying_shows_the_difference_and_makes_a_version(cli: Cli) -> None:
    before = version(cli)
    ended = cli.ok("policy", "apply", written(cli, FREE), "--yes", "--reason", "to try it")
    assert ended.out.splitlines() == [
        "+ plans.free  entitlements: ai_access",
        "+ plans.free  credits/month: $5.00 (50,000 credits), soft cap $4.00",
        f"version {before + 1} is in force",
    ]
    again = cli.ok("policy", "apply", "policies.toml")
    assert again.out == f"nothing to change: version {before + 1} stays in force\n"
    newest = cli.data("policy", "history")[0]
    assert (newest["version"], newest["why"], newest["summary"]) == (before + 1, "to try it", ["policy.add plan:free"])
    assert "to try it" in cli.ok("policy", "history").out


def test_applying_in_json_has_both_sides_and_says_what_loosens(cli: Cli) -> None:
    applied(cli, FREE)
    name = written(cli, FREE.replace("5.00", "6.00"))
    envelope = cli("policy", "apply", name, "--yes", "--json").json("aikit.policy.apply/1")
    assert envelope["totals"] == {"added": 0, "changed": 1, "removed": 0}
    assert envelope["data"]["applied"] is True
    (change,) = envelope["data"]["changes"]
    assert (change["policy"], change["kind"], change["loosens"]) == ("plan:free", "changed", True)
    assert change["words"] == ["~ plans.free  credits/month: $5.00 → $6.00 (50,000 → 60,000 credits)"]
    caps = [[limit["cap_usd"] for limit in change[side]["limits"]] for side in ("before", "after")]
    assert caps == [["5"], ["6"]]


def test_that_more_will_pass_is_not_overlooked(cli: Cli) -> None:
    applied(cli, FREE)
    loosened = cli.ok("policy", "apply", written(cli, FREE.replace("5.00", "6.00")), "--yes")
    assert loosened.err == "More will pass than now by plan:free.\n"
    assert cli.ok("policy", "apply", written(cli, FREE), "--yes").err == ""


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_without_a_terminal_to_ask_on_nothing_is_changed(cli: Cli, options: list[str]) -> None:
    ended = cli("policy", "apply", written(cli, FREE), *options)
    assert ended.code == 2
    assert "→ Add --yes" in ended.err
    assert names(cli) == []


def test_a_dry_run_changes_nothing_and_exits_0(cli: Cli) -> None:
    ended = cli.ok("policy", "apply", written(cli, FREE), "--dry-run")
    assert "+ plans.free  entitlements: ai_access" in ended.out
    assert "stays in force" in ended.err
    assert names(cli) == []


def test_a_file_with_an_error_changes_nothing(cli: Cli) -> None:
    applied(cli, FREE)
    before = version(cli)
    ended = cli("policy", "apply", written(cli, FREE + DEFAULT.replace("2048", '"2048"')), "--yes")
    assert (ended.code, ended.out) == (2, "")
    assert "line 7, default.max_output_tokens" in ended.err
    assert (version(cli), names(cli)) == (before, ["plan:free"])


def test_a_file_is_read_from_stdin(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FREE.encode())))
    cli.ok("policy", "apply", "-", "--yes")
    assert names(cli) == ["plan:free"]


def test_a_change_that_somebody_made_meanwhile_is_not_overwritten(
    cli: Cli, ledger: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied(cli, FREE)

    def meanwhile(*_: Any) -> None:
        put_policy(ledger, BY_HAND)

    monkeypatch.setattr(policy_change, "_agree", meanwhile)
    ended = cli("policy", "apply", written(cli, FREE + DEFAULT), "--yes")
    assert ended.code == 2
    assert "no longer at" in ended.err
    assert names(cli) == ["plan:free", "tenant:acme"]


@pytest.mark.parametrize(("answer", "code", "found"), [("n\n", 1, []), ("y\n", 0, ["plan:free"])])
def test_on_a_terminal_it_asks_once(cli: Cli, answer: str, code: int, found: list[str]) -> None:
    written(cli, FREE)
    ours, theirs = pty.openpty()
    try:
        asking = subprocess.Popen(
            [str(SCRIPT), "policy", "apply", "policies.toml"],
            cwd=cli.folder,
            env=dict(cli.environ),
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
        )
        os.write(ours, answer.encode())
        out, _ = asking.communicate(timeout=120)
        told = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert asking.returncode == code
    assert told.count("[y/N]") == 1
    assert out.decode().startswith("+ plans.free  entitlements: ai_access\n")
    assert names(cli) == found


def test_a_policy_set_by_hand_stays_until_a_file_has_one_of_its_name(cli: Cli, ledger: Database) -> None:
    put_policy(ledger, BY_HAND)
    applied(cli, FREE)
    assert names(cli) == ["plan:free", "tenant:acme"]
    own = written(cli, FREE + '[tenants.acme]\nlimits = [{ cap_usd = "2.00", window = "day" }]\n')
    assert cli.ok("policy", "apply", own, "--yes").err == "tenant:acme was set by hand; from now on the file has it.\n"
    assert [row["set_by"] for row in cli.data("policy", "show")] == ["file", "file"]
    applied(cli, FREE)
    assert names(cli) == ["plan:free"]


def test_a_difference_exits_1_and_none_exits_0(cli: Cli) -> None:
    name = written(cli, FREE)
    ended = cli("policy", "diff", name, "--json")
    assert (ended.code, ended.json("aikit.policy.diff/1")["totals"]["added"]) == (1, 1)
    assert names(cli) == []
    applied(cli, FREE)
    assert cli.ok("policy", "diff", name).out == "nothing differs\n"


def test_two_versions_are_compared(cli: Cli) -> None:
    applied(cli, FREE)
    first = version(cli)
    applied(cli, FREE.replace("5.00", "6.00"))
    applied(cli, FREE.replace("5.00", "7.00"))
    since = cli("policy", "diff", "--version", str(first))
    until = cli("policy", "diff", "--version", str(first), "--against", str(first + 1))
    assert (since.code, until.code) == (1, 1)
    assert "$5.00 → $7.00" in since.out
    assert "$5.00 → $6.00" in until.out
    assert cli("policy", "diff", "--version", "99").code == 2


@pytest.mark.parametrize("arguments", [[], ["--against", "1"], ["policies.toml", "--version", "1"]])
def test_it_must_be_clear_what_to_compare(cli: Cli, arguments: list[str]) -> None:
    ended = cli("policy", "diff", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "--version N --against M" in ended.err


def test_a_policy_is_shown_by_its_name_or_its_heading(cli: Cli) -> None:
    applied(cli, FREE + DEFAULT)
    page = cli.ok("policy", "show", "plan:free").out
    assert "credits/month  $5.00, soft cap $4.00" in page
    assert cli.ok("policy", "show", "plans.free").out == page
    lines = cli.ok("policy", "show").out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["default", "plan:free"]
    (default, free) = cli.data("policy", "show")
    assert default["limits"] == [
        {
            "metric": "requests",
            "window": "minute",
            "cap": 10,
            "soft_cap": None,
            "action": "block",
            "each": "user",
            "time_zone": None,
            "anchor": None,
        }
    ]
    assert (free["limits"][0]["cap_usd"], free["limits"][0]["anchor"], free["set_by"]) == ("5", 1, "file")
    missing = cli("policy", "show", "plan:fre")
    assert missing.code == 2
    assert "Did you mean plan:free?" in missing.err


def test_policies_written_as_a_file_change_nothing_when_applied(cli: Cli) -> None:
    applied(cli, TEMPLATE)
    toml = cli.ok("policy", "show", "--toml").out
    assert cli.ok("policy", "diff", written(cli, toml, "again.toml")).out == "nothing differs\n"
    assert cli("policy", "show", "--toml", "--json").code == 2


def test_an_earlier_version_can_be_shown_and_comes_back(cli: Cli) -> None:
    applied(cli, FREE)
    first = version(cli)
    applied(cli, DEFAULT)
    assert names(cli, "--version", str(first)) == ["plan:free"]
    ended = cli.ok("policy", "rollback", str(first), "--yes", "--reason", "too strict")
    assert "- default  max_output_tokens: 2,048" in ended.out
    assert ended.out.endswith(f"version {first + 2} is in force\n")
    assert names(cli) == ["plan:free"]
    assert cli.data("policy", "history")[0]["why"] == "too strict"
    assert cli.ok("policy", "rollback", str(first)).out.startswith("nothing to change")
    assert cli("policy", "rollback", "99", "--yes").code == 2


def test_a_policy_set_by_hand_is_removed_and_one_of_a_file_is_not(cli: Cli, ledger: Database) -> None:
    applied(cli, FREE)
    put_policy(ledger, BY_HAND)
    assert "- tenants.acme  credits/day: $2.00" in cli.ok("policy", "remove", "tenant:acme", "--yes").out
    assert names(cli) == ["plan:free"]
    for name, why in (("plan:free", "comes from a file"), ("tenant:acme", "has no policy 'tenant:acme'")):
        ended = cli("policy", "remove", name, "--yes")
        assert ended.code == 2
        assert why in ended.err


def test_a_ledger_without_policies_says_how_to_begin(cli: Cli) -> None:
    for command in ("show", "history"):
        ended = cli.ok("policy", command)
        assert ended.out == ""
        assert "aikit policy init" in ended.err


@pytest.fixture
def acme(cli: Cli, till: Till) -> Till:
    """acme is on the plan free, under a default with a limit on each user."""
    applied(cli, FREE + DEFAULT + '[users.ann]\nlimits = [{ metric = "requests", window = "minute", cap = 3 }]\n')
    cli.ok("tenant", "add", "acme", "--plan", "free")
    return till


def test_what_applies_is_explained_with_who_decided_it(cli: Cli, acme: Till) -> None:
    acme.spend(user="ann")
    acme.flush()
    lines = cli.ok("policy", "explain", "--tenant", "acme", "--user", "ann", "--environment", "prod").out.splitlines()
    page = "\n".join(lines)
    assert lines[0] == "Allowed, within the limits below"
    assert "$5.00, soft cap $4.00 · counts the whole tenant · plan:free" in page
    assert "used $0.00039 · held $0.00 · left $4.99961 · resets 20" in page
    assert "3 · counts user ann · user:ann" in page
    assert "not 10 of default: default is less specific than user:ann" in page
    assert "max_output_tokens      2,048 · default" in page


def test_an_explanation_in_json_has_exact_amounts_and_what_was_overruled(cli: Cli, acme: Till) -> None:
    acme.admit(user="ann")
    data = cli.data("policy", "explain", "--tenant", "acme", "--user", "ann")
    assert (data["refused"], data["caller"]["plan"], data["caller"]["environment"]) == (None, "free", "dev")
    credits, requests = data["limits"]
    assert (credits["cap_usd"], credits["soft_cap_usd"], credits["held_usd"]) == ("5", "4", "0.001")
    assert (requests["cap"], requests["held"], requests["policy"]) == (3, 1, "user:ann")
    assert [(lost["cap"], lost["policy"]) for lost in requests["overruled"]] == [(10, "default")]
    assert data["fields"]["max_output_tokens"]["policy"] == "default"
    past = cli.data("policy", "explain", "--tenant", "acme", "--user", "ann", "--version", str(version(cli)))
    assert past["limits"][0]["held_usd"] is None


@pytest.mark.parametrize(
    ("policy", "options", "code", "why"),
    [
        (
            'models = { deny = ["openai/*"] }',
            ["--model", "openai/gpt-5-mini"],
            "MODEL_NOT_ALLOWED",
            "denied by default",
        ),
        ('models = { allow = ["x/y"] }', ["--model", "openai/gpt-5-mini"], "MODEL_NOT_ALLOWED", "not among those"),
        ("", ["--model", "openai/none-such"], "PRICE_UNKNOWN", "no known price"),
        ('requires = ["extra"]', [], "ENTITLEMENT_REQUIRED", "extra"),
    ],
)
def test_what_refuses_every_call_is_told_first(cli: Cli, policy: str, options: list[str], code: str, why: str) -> None:
    cli.ok("tenant", "add", "acme")
    applied(cli, f'[default]\n{policy}\nlimits = [{{ cap_usd = "1.00", window = "day" }}]\n')
    ended = cli.ok("policy", "explain", "--tenant", "acme", *options)
    assert ended.out.startswith(f"Refused: {code}\n")
    assert why in ended.out.splitlines()[1]
    assert cli.data("policy", "explain", "--tenant", "acme", *options)["refused"] == code


def test_a_tenant_without_any_limit_is_refused_and_one_without_a_name_too(cli: Cli) -> None:
    cli.ok("tenant", "add", "acme")
    assert cli.ok("policy", "explain", "--tenant", "acme").out.startswith("Refused: NO_POLICY\n")
    unknown = cli("policy", "explain", "--tenant", "globex")
    assert (unknown.code, unknown.out) == (2, "")
    assert "aikit tenant add globex" in unknown.err
    assert cli("policy", "explain", "--tenant", " ").code == 2
    assert cli("policy", "explain", "--tenant", "acme", "--model", "gpt-5-mini").code == 2


def test_a_model_that_may_be_used_has_its_price(cli: Cli, acme: Till) -> None:
    data = cli.data("policy", "explain", "--tenant", "acme", "--model", "openai/gpt-4o-mini")
    assert (data["refused"], data["output_1000_usd"]) == (None, "0.0006")


def test_what_would_have_been_refused_is_told_for_every_limit_that_only_warns(cli: Cli, till: Till) -> None:
    applied(
        cli,
        '[tenants.acme]\nlimits = [\n  { cap_usd = "5.00", window = "month" },\n'
        '  { cap_usd = "0.0005", window = "day", action = "warn" },\n'
        '  { metric = "requests", window = "day", cap = 1, action = "warn" },\n]\n',
    )
    for tenant in ("acme", "globex"):
        cli.ok("tenant", "add", tenant)
    till.spend(user="ann")
    till.flush()
    till.spend(user="bob")
    till.flush()
    till.admit(user="bob")
    envelope = cli("policy", "observed", "--json").json("aikit.policy.observed/1")
    assert [
        (row["tenant"], row["reason_code"], row["limit_source"], row["calls"], row["users"], row["running"])
        for row in envelope["data"]
    ] == [
        ("acme", "DAILY_BUDGET_EXCEEDED", "tenant:acme", 3, 2, 1),
        ("acme", "DAILY_REQUEST_LIMIT_EXCEEDED", "tenant:acme", 2, 1, 1),
    ]
    assert (envelope["totals"]["calls"], envelope["totals"]["cost_usd"]) == (3, "0.00078")
    ended = cli.ok("policy", "observed")
    assert ended.out.splitlines()[2].split()[:3] == ["acme", "credits/day", "tenant:acme"]
    assert ended.err.startswith("2 of these calls are still running")
    assert cli.ok("policy", "observed", "--tenant", "globex").err.startswith("Nothing would have been refused")
    assert cli("policy", "observed", "--since", "2999-01-01", "--json").json("aikit.policy.observed/1")["data"] == []
    assert cli("policy", "observed", "--since", "soon").code == 2


def test_commands_without_a_database_say_so(cli: Cli, tmp_path: Path) -> None:
    written(cli, FREE)
    elsewhere = Cli(cli.folder, {**cli.environ, "DATABASE_URL": f"postgresql:///x?host={tmp_path}"})
    for arguments in (["show"], ["apply", "policies.toml", "--yes"], ["history"]):
        assert elsewhere("policy", *arguments).code == 7
