"""What the guards of an attempt do with a text, beyond what streams and figures show."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from typing import Any

import pytest

from aikit.guards.build import Guarded
from aikit.guards.catalogue import ALL_ACTIONS, BY_NAME, CATALOGUE, EVERYWHERE, ORDER, defaults
from aikit.guards.flow import Ending, Flow
from aikit.guards.matches import Match
from aikit.guards.screening import MOST_FINDINGS, Blocked, Doing, Screening
from aikit.types.guards import Finding, GuardAction, GuardRule, Place

ALLOW, FLAG, REDACT, BLOCK = ALL_ACTIONS
SECRET = b"of this database"


def rule(guard: str, action: GuardAction, *places: Place, **options: Any) -> GuardRule:
    return GuardRule(guard, action, places or tuple(Place), json.dumps(options, sort_keys=True))


def screening(*rules: GuardRule, **facts: Any) -> Screening:
    return Screening(rules, secret=SECRET, **facts)


def kinds(made: Screening) -> list[tuple[str, str, int]]:
    return [(found.guard, found.kind, found.times) for found in made.findings]


def test_a_finding_has_a_keyed_hash_of_the_normal_form_and_nothing_of_the_text() -> None:
    made = screening(rule("pii", FLAG))
    assert made.check(Place.INPUT, "messages/0/content", "Write to Jo@Example.com") == "Write to Jo@Example.com"
    (found,) = made.findings
    expected = hmac.new(SECRET, b"jo@example.com", hashlib.sha256).hexdigest()[:16]
    assert found == Finding("pii", "email", Place.INPUT, FLAG, "messages/0/content", expected, 1)


def test_one_card_written_in_two_ways_is_one_finding_twice() -> None:
    made = screening(rule("pii", FLAG))
    made.check(Place.INPUT, "a", "4111 1111 1111 1111, 4111-1111-1111-1111.")
    assert kinds(made) == [("pii", "card", 2)]


def test_findings_beyond_a_hundred_are_counted() -> None:
    made = screening(rule("pii", ALLOW))
    made.check(Place.INPUT, "a", " ".join(f"jo{n}@example.com" for n in range(130)))
    assert len(made.findings) == MOST_FINDINGS + 1
    assert made.findings[-1][:2] == ("pii", "more")
    assert made.findings[-1].times == 30


def test_a_block_releases_what_stands_before_it() -> None:
    made = screening(rule("secrets", BLOCK), rule("pii", REDACT))
    with pytest.raises(Blocked) as blocked:
        made.check(Place.OUTPUT, "a", "Jo is jo@example.com, the key sk-ant-api03-" + "aB3dE" * 12 + " and more")
    assert blocked.value.released == "Jo is [EMAIL_1], the key "
    assert [found.kind for found in blocked.value.findings] == ["anthropic_key"]
    assert kinds(made) == [("pii", "email", 1), ("secrets", "anthropic_key", 1)]


def test_a_blocked_channel_stays_blocked_and_releases_nothing_more() -> None:
    channel = screening(rule("banned_terms", BLOCK, terms=["falcon"])).channel(Place.OUTPUT, "a")
    with pytest.raises(Blocked):
        channel.feed("the falcon flies")
    with pytest.raises(Blocked) as again:
        channel.feed("and flies")
    assert again.value.released == ""


def test_overlapping_matches_leave_nothing_of_either() -> None:
    made = screening(rule("banned_terms", REDACT, terms=["red apple", "apple pie"]))
    assert made.check(Place.INPUT, "a", "a red apple pie!") == "a [TERM_1]!"


def test_text_is_released_as_soon_as_nothing_can_begin_in_it() -> None:
    channel = screening(rule("pii", REDACT), rule("secrets", REDACT), rule("unicode", REDACT)).channel(
        Place.OUTPUT, "a"
    )
    assert channel.feed("Good morning. My address is jo@exam") == "Good morning. My address is "
    assert channel.feed("ple.com, and") == "[EMAIL_1], "
    assert channel.flush() == "and"


def test_an_open_key_block_is_held_until_its_end() -> None:
    channel = screening(rule("secrets", REDACT)).channel(Place.OUTPUT, "a")
    assert channel.feed("Here: -----BEGIN RSA PRIVATE KEY-----\n") == "Here: "
    assert channel.feed("MIIEpAIBAAKCAQEA7bq\nabc def ") == ""
    assert channel.feed("\n-----END RSA PRIVATE KEY-----\nDone. ") == "[PRIVATE_KEY_1]\nDone. "


def test_the_same_value_gets_the_same_placeholder_in_all_texts_and_none_that_is_taken() -> None:
    made = screening(rule("pii", REDACT), taken=lambda placeholder: placeholder == "[EMAIL_1]")
    assert made.check(Place.INPUT, "a", "a@example.com b@example.com") == "[EMAIL_2] [EMAIL_3]"
    assert made.check(Place.TOOL_RESULTS, "b", "b@example.com") == "[EMAIL_3]"


def test_what_was_redacted_on_the_way_in_is_restored_on_the_way_out() -> None:
    made = screening(rule("pii", REDACT, restore=True))
    made.check(Place.INPUT, "a", "jo@example.com")
    assert made.check(Place.OUTPUT, "a", "To [EMAIL_1], not x@example.com or [EMAIL_9]") == (
        "To jo@example.com, not [EMAIL_2] or [EMAIL_9]"
    )
    channel = made.channel(Place.TOOL_ARGUMENTS, "a")
    assert [channel.feed(piece) for piece in ("to [EM", "AIL_", "1", "] ")] == ["to ", "", "", "jo@example.com "]
    assert made.restore(Place.OUTPUT, "[EMAIL_1]") == "jo@example.com"


def test_nothing_is_restored_or_kept_unless_the_rule_says_so() -> None:
    made = screening(rule("pii", REDACT))
    made.check(Place.INPUT, "a", "jo@example.com")
    assert made.check(Place.OUTPUT, "a", "[EMAIL_1]") == "[EMAIL_1]"
    assert not made._placeholders.originals
    assert "jo@example.com" not in repr(vars(made._placeholders))


def test_nothing_is_restored_where_another_rule_redacts_it() -> None:
    made = screening(rule("pii", REDACT, Place.INPUT, restore=True), rule("pii", REDACT, Place.OUTPUT))
    made.check(Place.INPUT, "a", "jo@example.com")
    assert made.check(Place.OUTPUT, "a", "[EMAIL_1]") == "[EMAIL_1]"
    assert made.check(Place.TOOL_ARGUMENTS, "a", "[EMAIL_1]") == "jo@example.com"


def test_nothing_is_restored_in_what_is_sent() -> None:
    made = screening(rule("pii", REDACT, restore=True))
    made.check(Place.INPUT, "a", "jo@example.com")
    assert made.check(Place.TOOL_RESULTS, "a", "[EMAIL_1]") == "[EMAIL_1]"


def test_places_without_a_rule_need_not_be_shown() -> None:
    made = screening(rule("pii", FLAG, Place.INPUT))
    assert made.applies(Place.INPUT)
    assert not made.applies(Place.OUTPUT)
    assert made.check(Place.OUTPUT, "a", "jo@example.com") == "jo@example.com"
    assert screening(rule("pii", REDACT, Place.INPUT, restore=True)).applies(Place.OUTPUT)


def test_invisible_characters_hide_nothing_from_the_guards_after_them() -> None:
    made = screening(rule("unicode", REDACT), rule("banned_terms", REDACT, terms=["falcon"]))
    assert made.check(Place.INPUT, "a", "fal\u200bcon and \U000e0041\U000e0042 👨‍👩‍👧") == "[TERM_1] and  👨‍👩‍👧"
    assert sorted(kinds(made)) == [("banned_terms", "term", 1), ("unicode", "invisible", 1), ("unicode", "tags", 1)]


@pytest.mark.parametrize(("action", "expected"), [(ALLOW, "123456"), (FLAG, "123456"), (REDACT, "1234"), (BLOCK, None)])
def test_a_long_text_is_told_cut_or_blocked(action: GuardAction, expected: str | None) -> None:
    made = screening(rule("max_length", action, characters=4))
    assert made.check(Place.INPUT, "a", "1234") == "1234"
    assert not made.findings
    if expected is None:
        with pytest.raises(Blocked) as blocked:
            made.check(Place.INPUT, "a", "123456")
        assert blocked.value.released == "1234"
    else:
        assert made.check(Place.INPUT, "a", "123456") == expected
    assert made.findings == [Finding("max_length", "length", Place.INPUT, action, "a", "", 1)]


DISGUISES = (
    "kestrel-93af-77b1",
    "KESTREL 93AF 77B1",
    "k.e.s.t.r.e.l.9.3.a.f.7.7.b.1",
    "kestrel93af77b1"[::-1],
    b"kestrel-93af-77b1".hex(),
    "eGtlc3RyZWwtOTNhZi03N2IxeQ==",
    "a2VzdHJlbC05M2FmLTc3YjE=",
)


@pytest.mark.parametrize("said", DISGUISES)
def test_the_canary_is_known_in_its_disguises(said: str) -> None:
    made = screening(rule("canary", BLOCK), canary="kestrel-93af-77b1")
    with pytest.raises(Blocked):
        made.check(Place.OUTPUT, "a", f"My secret is {said}, keep it.")


def test_without_a_canary_there_is_nothing_to_find_and_a_short_one_is_a_crash() -> None:
    assert screening(rule("canary", BLOCK)).check(Place.OUTPUT, "a", "text") == "text"
    with pytest.raises(Blocked, match="crashed"):
        screening(rule("canary", BLOCK), canary="ab").check(Place.OUTPUT, "a", "text")


PERSON = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}


@pytest.mark.parametrize(
    ("text", "kind"), [("no", "not_json"), ('{"name": 1}', "mismatch"), ("NaN", "not_json"), ("[" * 9999, "not_json")]
)
def test_output_that_is_not_of_the_schema_is_blocked_and_none_of_it_released(text: str, kind: str) -> None:
    made = screening(rule("json_schema", BLOCK, schema=PERSON))
    with pytest.raises(Blocked) as blocked:
        made.check(Place.OUTPUT, "a", text)
    assert blocked.value.released == ""
    assert [found.kind for found in blocked.value.findings] == [kind]


def test_output_is_held_to_the_schema_of_the_prompt_unless_another_is_stated() -> None:
    made = screening(rule("json_schema", FLAG), schema=PERSON)
    made.check(Place.OUTPUT, "a", '{"name": "Jo"}')
    assert not made.findings
    made.check(Place.OUTPUT, "a", "{}")
    assert [found.kind for found in made.findings] == ["mismatch"]


@pytest.mark.parametrize("action", [REDACT, BLOCK])
@pytest.mark.parametrize(
    "text",
    [
        'Here it is:\n```json\n{"name": "Jo"}\n```\nAnything else?',
        'Sure [as asked]: {"name": "Jo"}. Done.',
        '```\n{"name": "Jo"}',
    ],
)
def test_json_is_freed_of_what_stands_around_it(action: GuardAction, text: str) -> None:
    made = screening(rule("json_schema", action, repair=True, schema=PERSON))
    assert made.check(Place.OUTPUT, "a", text) == '{"name": "Jo"}'
    assert [found.kind for found in made.findings] == ["repaired"]


def test_a_schema_that_refers_to_the_network_is_not_fetched() -> None:
    made = screening(rule("json_schema", BLOCK, schema={"$ref": "http://127.0.0.1:9/schema.json"}))
    with pytest.raises(Blocked, match="crashed"):
        made.check(Place.OUTPUT, "a", "{}")


def test_of_json_that_a_block_cuts_off_nothing_is_released() -> None:
    made = screening(rule("secrets", BLOCK), rule("json_schema", BLOCK))
    with pytest.raises(Blocked) as blocked:
        made.check(Place.OUTPUT, "a", '{"name": "Jo", "key": "sk-ant-api03-' + "aB3dE" * 12 + '"}')
    assert blocked.value.released == ""
    assert [found.kind for found in blocked.value.findings] == ["anthropic_key"]


URLS = {
    "https://www.example.com/a": True,
    "https://example.com/a": False,
    "https://docs.ok.org": False,
    "https://ok.org:443/x?y=1": True,
    "HTTPS://OK.ORG": True,
    "https://ok.org.": True,
    "https://ok.org@evil.org/": False,
    "https://me@ok.org/": True,
    "https://evil.org\\@ok.org/": False,
    "https://ok.org.evil.org": False,
    "https://evil.org/ok.org": False,
    "https://evil.org#ok.org": False,
    "http:\\\\evil.org": False,
    "https:evil.org": False,
    "https://2130706433/": False,
    "https://[2001:db8::1]/": False,
    "https://оk.org": False,
    "https://ｏk.org": True,
    "https://%6fk.org": True,
    "https://bücher.example": True,
    "https://xn--bcher-kva.example": True,
}


@pytest.mark.parametrize("url", URLS)
def test_an_address_is_judged_by_the_host_that_a_browser_would_ask(url: str) -> None:
    made = screening(rule("urls", FLAG, allow=["ok.org", "*.example.com", "bücher.example"]))
    made.check(Place.OUTPUT, "a", f"See {url} now")
    assert (not made.findings) is URLS[url]


@pytest.mark.parametrize(
    ("text", "expected", "kind"),
    [
        ("![a](https://evil.org/?q=1)", "![a]([IMAGE_1])", "image"),
        ("[a](//evil.org/?q=1 'title')", "[a]([LINK_1] 'title')", "link"),
        ('<img width="1" src="https://evil.org/p.png">', '<img width="1" src="[IMAGE_1]">', "image"),
        ("<a href=https://evil.org>x</a>", "<a href=[LINK_1]>x</a>", "link"),
        ("see www.evil.org.", "see [URL_1].", "url"),
    ],
)
def test_the_address_is_replaced_and_its_surroundings_stay(text: str, expected: str, kind: str) -> None:
    made = screening(rule("urls", REDACT))
    assert made.check(Place.OUTPUT, "a", text) == expected
    assert [found.kind for found in made.findings] == [kind]


def test_terms_are_found_as_whole_words_whatever_their_case() -> None:
    made = screening(rule("banned_terms", REDACT, terms=["Straße", "c++", "foo bar"]))
    assert made.check(Place.INPUT, "a", "STRASSE, Straßen, C++! foo\n bar, foobar") == (
        "[TERM_1], Straßen, [TERM_2]! [TERM_3], foobar"
    )


def _broken(text: str, place: Place) -> Iterable[Match]:
    raise RuntimeError("jo@example.com")


def _outside(text: str, place: Place) -> Iterable[Match]:
    return [Match(0, len(text) + 1, "x")]


@pytest.mark.parametrize("guard", [_broken, _outside])
@pytest.mark.parametrize("action", [BLOCK, REDACT])
def test_a_guard_that_crashes_blocks_if_it_would_have_changed_something(guard: Any, action: GuardAction) -> None:
    made = screening(rule("custom.mine", action), custom={"mine": guard})
    with pytest.raises(Blocked) as blocked:
        made.check(Place.INPUT, "a", "some text")
    assert blocked.value.released == ""
    assert blocked.value.findings == (Finding("custom.mine", "crashed", Place.INPUT, action, "a"),)


@pytest.mark.parametrize("action", [ALLOW, FLAG])
def test_a_guard_that_crashes_is_told_of_if_it_would_have_changed_nothing(action: GuardAction) -> None:
    made = screening(rule("custom.mine", action), custom={"mine": _broken})
    assert made.check(Place.INPUT, "a", "some text") == "some text"
    assert kinds(made) == [("custom.mine", "crashed", 1)]


def test_a_custom_guard_that_nobody_registered_counts_as_crashed() -> None:
    with pytest.raises(Blocked, match="crashed"):
        screening(rule("custom.nobody", BLOCK)).check(Place.INPUT, "a", "some text")


def test_a_guard_that_this_version_does_not_know_counts_as_crashed() -> None:
    with pytest.raises(Blocked, match="crashed"):
        screening(rule("of_tomorrow", BLOCK)).check(Place.INPUT, "a", "some text")


def test_a_custom_guard_redacts_under_its_own_name() -> None:
    def codes(text: str, place: Place) -> Iterable[Match]:
        return [Match(at, at + 6, "code") for at in range(len(text) - 5) if text.startswith("HR-", at)]

    made = screening(rule("custom.hr", REDACT), custom={"hr": codes})
    assert made.check(Place.INPUT, "a", "case HR-123 closed") == "case [HR_CODE_1] closed"


def test_the_catalogue_is_consistent() -> None:
    assert len(set(ORDER)) == len(CATALOGUE) == len(BY_NAME)
    for guard in CATALOGUE:
        assert guard.action in guard.actions
        assert set(guard.places) <= set(guard.possible_places)
        assert len({kind.name for kind in guard.kinds}) == len(guard.kinds)
        assert not {kind.name for kind in guard.kinds} & {kind.name for kind in EVERYWHERE}
        for option in guard.options:
            assert option.default is None or option.type != "texts" or isinstance(option.default, list)
            assert not option.choices or set(option.default) <= set(option.choices)
            assert defaults(guard.name)[option.name] == option.default


class _BreaksLater:
    """A stage that holds all it is given, and fails at a question mark."""

    def feed(self, flow: Flow, /) -> Flow:
        if "?" in flow.text:
            raise RuntimeError(flow.text)
        return Flow("")


@pytest.mark.parametrize("action", ALL_ACTIONS)
def test_a_stage_that_fails_in_the_middle_of_a_text_loses_nothing_or_releases_nothing(action: GuardAction) -> None:
    upstream = Finding("unicode", "bidi", Place.OUTPUT, FLAG)
    crashed = Finding("pii", "crashed", Place.OUTPUT, action, "a")
    made = screening(rule("pii", action))
    stage = Guarded(_BreaksLater(), Doing(made, made._rules[0], Place.OUTPUT, "a"))
    assert stage.feed(Flow("held ", ((2, upstream),))) == Flow("")
    out = stage.feed(Flow("and?"))
    if action in (BLOCK, REDACT):
        assert out == Flow("", (), Ending((crashed,)))
    else:
        assert out == Flow("held and?", ((0, crashed), (0, upstream)))
        assert stage.feed(Flow(" more?", (), Ending())) == Flow(" more?", (), Ending())
