"""`aikit guard`, and guards in what the commands of policies and plans show."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from aikit.types import Ending, Entry, Finding, GuardAction, Place, PromptId, Refusal
from integration.cli.conftest import Cli
from support.ledger import MINI, SOME, Till, order

POLICIES = """
[default]
uncapped = true
guards = { secrets = "block", pii = { action = "redact", kinds = ["email", "card"] } }
[plans.pro]
entitlements = ["ai_access"]
guards.secrets = "redact"
[tenants.acme.guards]
pii = "off"
injection = { action = "flag", on = ["input"] }
[features.mail]
guards.pii = "flag"
guards.custom.tone = { action = "block", on = ["output"] }
"""
MAIL = "Mail ann@example.com about 4242 4242 4242 4242"
KEY = "sk-proj-" + "a1B2c3D4" * 6


@pytest.fixture
def acme(cli: Cli) -> Cli:
    """With these policies in force, and a tenant."""
    (cli.folder / "policies.toml").write_text(POLICIES, encoding="utf-8")
    cli.ok("policy", "apply", "policies.toml", "--yes")
    cli.ok("tenant", "add", "acme")
    cli.ok("tenant", "add", "globex")
    return cli


@pytest.fixture
def alone(open_cli: Any) -> Cli:
    """Without a database that could be reached."""
    cli: Cli = open_cli(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    (cli.folder / "policies.toml").write_text(POLICIES, encoding="utf-8")
    return cli


def test_guards_are_listed_with_what_they_do_if_nothing_is_stated(alone: Cli) -> None:
    page = alone.ok("guard", "list").out
    assert "pii           flag    everything" in page
    assert "canary        block   output, tool_arguments" in page
    rows = {row["guard"]: row for row in alone.data("guard", "list")}
    assert {kind["kind"] for kind in rows["pii"]["kinds"]} >= {"email", "iban", "ssn"}
    assert rows["max_length"]["options"][0] == {
        "option": "characters",
        "type": "integer",
        "about": "The longest text.",
        "usual": None,
        "required": True,
        "choices": None,
        "minimum": 1,
        "maximum": None,
    }
    assert "custom" not in rows


def test_one_guard_is_shown_with_its_kinds_and_options(alone: Cli) -> None:
    page = alone.ok("guard", "list", "pii").out
    assert "regions      Countries whose national way" in page
    assert "nl.bsn            Dutch citizen number (only if `kinds` names it)" in page
    ended = alone("guard", "list", "pi")
    assert (ended.code, ended.err) == (2, "error: There is no built-in guard 'pi'.\n→ Did you mean pii?\n")


def test_a_named_guard_is_tried_without_a_database_and_shows_no_value(alone: Cli) -> None:
    ended = alone.ok("guard", "check", MAIL, "--guard", "pii")
    assert ended.out.splitlines() == [
        "Flagged by pii",
        "",
        "Found",
        "Guard  Kind   Action  At  Length",
        "pii    email  flag     5      15",
        "pii    card   flag    27      19",
        "",
        "What passes",
        MAIL,
    ]
    assert "ann@example.com\n" in alone.ok("guard", "check", MAIL, "--guard", "pii", "--show").out


def test_a_guard_can_be_stated_as_in_a_policy_file(alone: Cli) -> None:
    data = alone.data("guard", "check", MAIL, "--guard", 'pii = { action = "redact", kinds = ["card"] }')
    assert data["text"] == "Mail ann@example.com about [CARD_1]"
    assert (data["action"], data["blocked"], data["place"]) == ("redact", False, "input")
    assert data["found"] == [{"guard": "pii", "kind": "card", "action": "redact", "start": 27, "length": 19}]


def test_a_text_that_is_blocked_exits_1_and_is_not_shown(alone: Cli) -> None:
    ended = alone("guard", "check", f"It is {KEY}", "--guard", 'secrets = "block"')
    assert ended.code == 1
    assert ended.out.startswith("Blocked by secrets\n")
    assert KEY not in ended.out and "What passes" not in ended.out
    ended = alone("guard", "check", f"It is {KEY}", "--guard", 'secrets = "block"', "--json")
    data = ended.json("aikit.guard.check/1")["data"]
    assert (ended.code, data["blocked"], data["text"]) == (1, True, None)
    assert "text" not in data["found"][0]


def test_a_text_in_which_nothing_is_found_says_so(alone: Cli) -> None:
    assert alone.ok("guard", "check", "hello", "--guard", "pii").out == "Nothing found: it passes as it is\n"


def test_the_text_comes_from_a_file_or_stdin(alone: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    (alone.folder / "mail.txt").write_text("Dear Ann,\nann@example.com\n", encoding="utf-8")
    page = alone.ok("guard", "check", "--file", "mail.txt", "--guard", 'pii = "redact"').out
    assert page.endswith("What passes\nDear Ann,\n[EMAIL_1]\n\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"bob@example.com")))
    assert alone.data("guard", "check", "-", "--guard", 'pii = "redact"')["text"] == "[EMAIL_1]"
    (alone.folder / "latin.txt").write_bytes(b"\xe9")
    for given, told in [
        (["--file", "latin.txt"], "latin.txt is not UTF-8."),
        (["--file", "none.txt"], "none.txt can't be read: No such file or directory."),
        (["hi", "--file", "mail.txt"], "It is not clear what to check."),
        ([], "It is not clear what to check."),
    ]:
        ended = alone("guard", "check", *given, "--guard", "pii")
        assert (ended.code, ended.err.splitlines()[0]) == (2, f"error: {told}")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--guard", "pi"], "There is no built-in guard 'pi'."),
        (["--guard", "max_length"], "default.guards.max_length.characters: is missing."),
        (["--guard", "json_schema"], 'json_schema.on[0]: is "input"'),
        (["--guard", "pii", "--tenant", "acme"], "It is not clear which guards to try."),
        ([], "Which guards are to be tried?"),
    ],
)
def test_what_can_not_be_tried_is_told(alone: Cli, given: list[str], told: str) -> None:
    ended = alone("guard", "check", "hi", *given)
    assert ended.code == 2
    assert told in ended.err


def test_a_file_is_checked_with_its_guards(alone: Cli) -> None:
    ended = alone.ok("policy", "check", "policies.toml")
    assert ended.out == "policies.toml: valid, 4 policies with 0 limits and 7 guards\n"


def test_the_guards_of_a_policy_file_are_tried_for_any_caller(alone: Cli) -> None:
    check = ("guard", "check", MAIL, "--policies", "policies.toml")
    assert alone.data(*check)["text"] == "Mail [EMAIL_1] about [CARD_1]"
    assert alone.data(*check, "--tenant", "acme")["text"] == MAIL
    flagged = alone.data(*check, "--tenant", "acme", "--feature", "mail")
    assert (flagged["action"], [one["source"] for one in flagged["guards"] if one["guard"] == "pii"]) == (
        "flag",
        ["feature:mail"],
    )
    key = ("guard", "check", KEY, "--policies", "policies.toml")
    assert alone(*key).code == 1
    assert alone.data(*key, "--plan", "pro")["text"] == "[OPENAI_KEY_1]"


def test_what_can_not_be_known_here_is_left_out_and_said(alone: Cli) -> None:
    ended = alone.ok("guard", "check", "hi", "--policies", "policies.toml", "--feature", "mail", "--place", "output")
    assert "custom.tone is not tried: no installed package offers it" in ended.err
    ended = alone.ok("guard", "check", "hi", "--guard", "canary", "--place", "output")
    assert ended.err.splitlines() == [
        "canary is not tried: it looks for a token that is in the request of a call.",
        "No guard that can be tried here looks at output.",
    ]


def test_a_guard_that_an_installed_package_offers_is_listed_and_tried(
    alone: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tone_of_voice.py").write_text(
        "def tone(text, place):\n    return [(0, 3, 'rude', '')] if text.startswith('Oi ') else []\n", encoding="utf-8"
    )
    info = tmp_path / "tone_of_voice-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tone-of-voice\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[aikit.guards]\ntone = tone_of_voice:tone\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    (row,) = [row for row in alone.data("guard", "list") if row["guard"] == "custom.tone"]
    assert row == {"guard": "custom.tone", "about": None, "object": "tone_of_voice:tone", "package": "tone-of-voice"}
    assert "custom.tone  tone-of-voice  tone_of_voice:tone" in alone.ok("guard", "list").out
    data = alone.data("guard", "check", "Oi you", "--guard", 'custom.tone = "redact"')
    assert data["text"] == "[TONE_RUDE_1]you"
    monkeypatch.delitem(sys.modules, "tone_of_voice")


def test_the_guards_in_force_for_a_caller_are_tried(acme: Cli) -> None:
    assert acme.data("guard", "check", MAIL, "--tenant", "globex")["text"] == "Mail [EMAIL_1] about [CARD_1]"
    assert acme.data("guard", "check", MAIL, "--tenant", "acme")["text"] == MAIL
    assert acme("guard", "check", KEY, "--tenant", "acme").code == 1
    acme.ok("tenant", "plan", "acme", "pro")
    assert acme.data("guard", "check", KEY, "--tenant", "acme")["text"] == "[OPENAI_KEY_1]"
    ended = acme("guard", "check", "hi", "--tenant", "nobody")
    assert (ended.code, "The tenant 'nobody' is not known" in ended.err) == (2, True)


def test_policies_show_and_explain_guards(acme: Cli) -> None:
    assert "guards" in acme.ok("policy", "show").out
    page = acme.ok("policy", "show", "tenant:acme").out
    assert "Guards\n  injection  flag on input\n  pii        off\n" in page
    shown = acme.data("policy", "show", "default")
    assert shown["guards"] == {"pii": {"action": "redact", "kinds": ["card", "email"]}, "secrets": "block"}
    assert 'guards.custom.tone = { action = "block", on = ["output"] }' in acme.ok("policy", "show", "--toml").out
    page = acme.ok("policy", "explain", "--tenant", "acme", "--feature", "mail").out
    assert "flag · feature:mail" in page
    assert "not off of tenant:acme: tenant:acme is less specific than feature:mail" in page
    assert "not redact (kinds card, email) of default: default is less specific than feature:mail" in page
    traced = {one["guard"]: one for one in acme.data("policy", "explain", "--tenant", "acme")["guards"]}
    assert (traced["pii"]["action"], traced["pii"]["on"], traced["secrets"]["policy"]) == ("off", None, "default")
    plan = acme.ok("plan", "show", "pro").out
    assert "pii redact (default), secrets redact (plan:pro)" in plan
    assert [one["guard"] for one in acme.data("plan", "show", "pro")["guards"]] == ["pii", "secrets"]


def test_a_change_that_switches_a_guard_off_is_pointed_out(acme: Cli) -> None:
    (acme.folder / "new.toml").write_text(POLICIES.replace('secrets = "block"', 'secrets = "flag"'), encoding="utf-8")
    ended = acme("policy", "diff", "new.toml")
    assert (ended.code, ended.out) == (1, "~ default  guards.secrets: block → flag\n")
    ended = acme.ok("policy", "apply", "new.toml", "--yes")
    assert "More will pass than now by default." in ended.err
    assert "guards.secrets: block → flag" in acme.ok("audit", "list").out


def test_a_mistake_in_a_file_changes_nothing(acme: Cli) -> None:
    (acme.folder / "bad.toml").write_text(POLICIES.replace('"email"', '"emial"'), encoding="utf-8")
    ended = acme("policy", "apply", "bad.toml", "--yes")
    assert ended.code == 2
    assert 'bad.toml line 4, default.guards.pii.kinds[0]: is "emial".\n→ Did you mean email?' in ended.err


EMAIL = Finding("pii", "email", Place.INPUT, GuardAction.REDACT, "messages/0/content", "0123456789abcdef", 2)
RUDE = Finding("custom.tone", "rude", Place.OUTPUT, GuardAction.FLAG, "choices/0", "fedcba9876543210")
LEAK = Finding("secrets", "openai_key", Place.INPUT, GuardAction.BLOCK, "messages/0/content", "00000000ffffffff")


@pytest.fixture
def found(cli: Cli, till: Till) -> Cli:
    """One call in which something was found on the way in and out, and one that was refused for a key."""
    cli.ok("tenant", "add", "acme", "--uncapped")
    sent = order("acme", 10**6, feature="mail")
    sent = sent._replace(findings=(EMAIL,), call=sent.call._replace(prompt=PromptId("reply@v2", "0" * 64)))
    decision = till.meter.admit(sent)
    assert decision.hold is not None, decision.reason_code
    till.end(Entry(decision.hold, Ending.SETTLED, MINI.cost(SOME), SOME, status=200, findings=(RUDE,)))
    till.meter.refuse(Refusal(order("acme", 0)._replace(findings=(LEAK,)), "GUARD_BLOCKED"))
    till.flush()
    return cli


def test_findings_are_counted_by_guard_place_and_action(found: Cli) -> None:
    lines = found.ok("guard", "findings").out.splitlines()
    assert lines[0].startswith("Findings by guard since 20")
    assert [line.split() for line in lines[1:]] == [
        [
            "Guard",
            "Findings",
            "Calls",
            "Blocked",
            "Redacted",
            "Flagged",
            "Input",
            "Output",
            "Tool",
            "arguments",
            "Tool",
            "results",
        ],
        ["pii", "2", "1", "0", "1", "0", "2", "0", "0", "0"],
        ["custom.tone", "1", "1", "0", "0", "1", "0", "1", "0", "0"],
        ["secrets", "1", "1", "1", "0", "0", "1", "0", "0", "0"],
        ["Total", "4", "2", "1", "1", "1", "3", "1", "0", "0"],
    ]
    envelope = found.ok("guard", "findings", "--json").json("aikit.guard.findings/1")
    assert envelope["data"][0] == {
        "guard": "pii",
        "findings": 2,
        "calls": 1,
        "calls_by_action": {"allow": 0, "flag": 0, "redact": 1, "block": 0},
        "places": {"input": {"redact": 2}},
    }
    assert (envelope["totals"]["findings"], envelope["totals"]["calls"]) == (4, 2)


def test_findings_are_counted_by_other_things_and_narrowed(found: Cli) -> None:
    assert [(row["prompt"], row["findings"]) for row in found.data("guard", "findings", "--by", "prompt")] == [
        ("reply@v2", 3),
        (None, 1),
    ]
    kinds = found.data("guard", "findings", "--by", "kind", "--guard", "secrets")
    assert [row["kind"] for row in kinds] == ["secrets/openai_key"]
    ended = found.ok("guard", "findings", "--tenant", "globex")
    assert ended.out == ""
    assert ended.err.startswith("No guard found anything since 20")
    assert found("guard", "findings", "--since", "soon").code == 2
