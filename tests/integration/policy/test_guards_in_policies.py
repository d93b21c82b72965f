"""Guards that policies state, end to end: who is guarded by what, and what callers get of it, whole and streamed."""

from __future__ import annotations

from typing import Any

import openai
import pytest

import aikit
from aikit.config import Settings
from aikit.guards.matches import Match
from aikit.kit import AIKit
from aikit.sim import Simulator
from aikit.types import Place
from support.kits import Books
from support.sdks import says

BASE = '[tenants.acme]\nlimits = [{ cap_usd = "1000", window = "month" }]\n'
REDACT = 'pii = { action = "redact", kinds = ["email"], on = ["input"] }'
MAIL = says({"text": "I will write to ann@example.com at once."})
"""The simulated model repeats what it was sent, so its answer shows what that was."""
SENT_REDACTED = "I will write to [EMAIL_1] at once."
AS_IT_WAS = "I will write to ann@example.com at once."
MODELS = ("openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash")


def answer(kit: AIKit, text: str = MAIL, *, model: str = MODELS[0], streamed: bool = False, **tags: Any) -> str:
    if streamed:
        return "".join(kit.stream(text, model=model, tenant="acme", max_tokens=100, **tags))
    return kit.complete(text, model=model, tenant="acme", max_tokens=100, **tags).text


def findings(books: Books) -> list[tuple[str, str, str, str]]:
    """Of all attempts, the newest last: guard, kind, place and action."""
    found = books.rows(
        "SELECT findings FROM (SELECT attempt, findings FROM aikit.entries UNION ALL "
        "SELECT attempt, findings FROM aikit.refusals) _ WHERE findings IS NOT NULL ORDER BY attempt"
    )
    return [(one["guard"], one["kind"], one["place"], one["action"]) for row in found for one in row["findings"]]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", MODELS)
def test_what_is_redacted_does_not_reach_the_model_and_is_restored_if_asked(
    settings: Settings, books: Books, model: str, streamed: bool
) -> None:
    restoring = REDACT.replace('"redact"', '"redact", restore = true')
    books.policy(f"{BASE}guards.{REDACT}\n[features.mail]\nguards.{restoring}")
    with AIKit.open(settings) as kit:
        assert answer(kit, model=model, streamed=streamed) == SENT_REDACTED
        assert answer(kit, model=model, streamed=streamed, feature="mail") == AS_IT_WAS
        kit.flush()
    assert findings(books) == [("pii", "email", "input", "redact")] * 2
    assert "ann@example.com" not in str(books.rows("SELECT * FROM aikit.entries"))
    books.assert_balanced()


def test_a_guard_holds_for_whom_its_policy_is_and_off_holds_for_a_more_specific_one(
    settings: Settings, books: Books
) -> None:
    books.policy(f"{BASE}guards.{REDACT}\n[users.ann]\nguards.pii = 'off'\n[features.chat]\nguards.pii = 'flag'")
    with AIKit.open(settings) as kit:
        assert answer(kit) == SENT_REDACTED
        assert answer(kit, user="ann") == AS_IT_WAS
        assert answer(kit, user="bob", feature="chat") == AS_IT_WAS
        assert answer(kit, user="ann", feature="chat") == AS_IT_WAS
        assert answer(kit, user="bob") == SENT_REDACTED
        kit.flush()
    assert [action for *_, action in findings(books)] == ["redact", "flag", "flag", "redact"]


def test_a_change_of_guards_holds_from_the_very_next_call(settings: Settings, books: Books) -> None:
    books.policy(BASE)
    with AIKit.open(settings) as kit:
        assert answer(kit) == AS_IT_WAS
        books.policy(f"{BASE}guards.{REDACT}")
        assert answer(kit) == SENT_REDACTED
        books.policy(f"{BASE}guards.pii = 'block'")
        with pytest.raises(aikit.AIKitError) as caught:
            answer(kit)
        books.policy(BASE)
        assert answer(kit) == AS_IT_WAS
        kit.flush()
    assert (caught.value.code, caught.value.status) == ("GUARD_BLOCKED", 422)
    assert "ann@example.com" not in f"{caught.value} {caught.value.facts}"
    books.assert_balanced()


def test_a_blocked_request_is_not_sent_costs_nothing_and_is_not_tried_again(
    settings: Settings, books: Books, simulator: Simulator
) -> None:
    books.policy(f"{BASE}guards.pii = 'block'")
    with AIKit.open(settings) as kit:
        client = kit.openai(tenant="acme", max_retries=2)
        with pytest.raises(openai.UnprocessableEntityError) as caught:
            client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": MAIL}])
        kit.flush()
    assert caught.value.code == "GUARD_BLOCKED"
    assert simulator.served()["totals"]["requests"] == 0
    assert [row["reason_code"] for row in books.rows("SELECT reason_code FROM aikit.refusals")] == ["GUARD_BLOCKED"]
    assert findings(books) == [("pii", "email", "input", "block")]
    books.assert_balanced()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_guard_of_the_application_looks_where_its_policy_says(
    settings: Settings, books: Books, streamed: bool
) -> None:
    def tone(text: str, place: Place) -> list[Match]:
        return [Match(text.index("stupid"), text.index("stupid") + 6, "rude")] if "stupid" in text else []

    books.policy(f"{BASE}guards.custom.tone = {{ action = 'redact', on = ['output'] }}")
    with AIKit.open(settings) as kit:
        kit.guard("tone", tone)
        text = says({"text": "What a stupid question."})
        assert answer(kit, text, streamed=streamed) == "What a [TONE_RUDE_1] question."
        kit.flush()
    assert findings(books) == [("custom.tone", "rude", "output", "redact")]


def test_a_guard_that_nobody_knows_lets_nothing_pass_if_it_should_block(settings: Settings, books: Books) -> None:
    books.policy(f"{BASE}guards.custom.tone = 'block'")
    with AIKit.open(settings) as kit:
        with pytest.raises(aikit.AIKitError) as caught:
            answer(kit)
        kit.flush()
    assert caught.value.code == "GUARD_BLOCKED"
    assert findings(books) == [("custom.tone", "crashed", "input", "block")]


def test_a_stored_guard_that_this_version_does_not_know_stops_calls(
    settings: Settings, books: Books, simulator: Simulator
) -> None:
    """Else what a newer version guards would pass unguarded through an older one."""
    books.policy(BASE)
    with AIKit.open(settings) as kit:
        assert answer(kit) == AS_IT_WAS
        kit.flush()
        books.tell(
            "INSERT INTO aikit.policies SELECT 'default', NULL, "
            """'{"name": "default", "scope": {}, "guards": {"toxins": "block"}}', false, policy_version + 1 """
            "FROM aikit.state"
        )
        books.tell("UPDATE aikit.state SET policy_version = policy_version + 1")
        with pytest.raises(aikit.AIKitError):
            answer(kit)
    assert simulator.served()["totals"]["requests"] == 1
