"""Guards in policies: as a file states them, as they are stored, written back and compared."""

from __future__ import annotations

from typing import Any

import pytest

from aikit.errors import ConfigError
from aikit.guards.catalogue import CATALOGUE
from aikit.policy.changes import FieldChange, compare, words
from aikit.policy.file import json_schema, read_policies
from aikit.policy.file.guards import in_words
from aikit.policy.file.writing import write_policies
from aikit.policy.guards import lets_more_pass, options_of
from aikit.policy.model import Caller, Policy, Scope, StatedGuard
from aikit.policy.record import from_body, to_body
from aikit.policy.resolve import resolve
from aikit.types import GuardAction, Place

CREDIT = 100_000
FALCON = """
[default.guards]
secrets = "block"
unicode = "redact"
injection = "flag"
banned_terms = { action = "block", terms = ["Project Falcon"] }
json_schema = { action = "block", repair = true, schema = '{"type": "object"}' }
custom.toxicity = { action = "flag", on = ["output"] }
[default.guards.pii]
action = "redact"
restore = true
kinds = ["phone", "email"]
regions = ["US", "GB"]
on = ["tool_results", "input"]
[tenants.acme.guards]
pii = "off"
"""


def read(text: str) -> dict[str, Policy]:
    return {one.name: one for one in read_policies(text, where="policies.toml", nano_per_credit=CREDIT)}


def guard(stated: str) -> StatedGuard:
    """The one guard of this line."""
    (found,) = read(f"[default.guards]\n{stated}")["default"].guards
    return found


def test_a_file_states_them() -> None:
    found = read(FALCON)
    assert found["default"].guards == (
        StatedGuard("banned_terms", GuardAction.BLOCK, None, '{"terms":["Project Falcon"]}'),
        StatedGuard("custom.toxicity", GuardAction.FLAG, (Place.OUTPUT,)),
        StatedGuard("injection", GuardAction.FLAG),
        StatedGuard("json_schema", GuardAction.BLOCK, None, '{"repair":true,"schema":{"type":"object"}}'),
        StatedGuard(
            "pii",
            GuardAction.REDACT,
            (Place.INPUT, Place.TOOL_RESULTS),
            '{"kinds":["email","phone"],"regions":["GB","US"],"restore":true}',
        ),
        StatedGuard("secrets", GuardAction.BLOCK),
        StatedGuard("unicode", GuardAction.REDACT),
    )
    assert found["tenant:acme"].guards == (StatedGuard("pii", "off"),)


@pytest.mark.parametrize("info", CATALOGUE, ids=lambda info: str(info.name))
def test_what_is_left_out_is_as_the_catalogue_has_it(info: Any) -> None:
    name = "custom.tone" if info.name == "custom" else info.name
    needed = {"characters": "characters = 9", "terms": 'terms = ["x"]'}
    required = ", ".join([needed[option.name] for option in info.options if option.required])
    stated = guard(f"{name} = {{ {required} }}")
    assert (stated.action, stated.places) == (info.action, None)
    (rule,) = resolve([Policy("default", Scope(), guards=(stated,))], Caller("acme")).guards
    assert (rule.guard, rule.places) == (name, info.places)


def test_alike_is_equal_whatever_the_order_and_repetition() -> None:
    one = guard('pii = { kinds = ["email", "card", "email"], on = ["output", "input"] }')
    assert one == guard('pii = { on = ["input", "output"], kinds = ["card", "email"] }')
    assert guard('json_schema = { schema = \'{"type": "object", "title": "A"}\' }') == guard(
        'json_schema = { schema = { title = "A", type = "object" } }'
    )


def test_every_way_to_write_a_guard_is_the_same() -> None:
    inline = read('[default]\nguards = { secrets = "block", custom = { tone = "flag" } }')
    dotted = read('[default]\nguards.secrets = "block"\nguards.custom.tone = "flag"')
    headed = read('[default]\n[default.guards]\nsecrets = "block"\n[default.guards.custom]\ntone = "flag"')
    assert inline == dotted == headed


def test_a_file_with_several_mistakes_names_each_by_its_line() -> None:
    text = """
        [default.guards]
        secret = "block"
        pii = { kinds = ["emial", "card"], regions = ["us"] }
        [[policies]]
        scope = { feature = "chat" }
        [policies.guards]
        injection = "redact"
    """
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert caught.value.facts["problems"] == [
        "policies.toml line 3, default.guards.secret: is not a guard. Did you mean secrets?",
        'policies.toml line 4, default.guards.pii.kinds[0]: is "emial". Did you mean email?',
        'policies.toml line 4, default.guards.pii.regions[0]: is "us". Did you mean US?',
        'policies.toml line 8, policies[0].guards.injection: is "redact". injection can\'t do that. '
        "Known: off, allow, flag, block.",
    ]


def test_it_is_written_a_line_a_guard() -> None:
    text = write_policies(read(FALCON).values(), nano_per_credit=CREDIT)
    assert text.splitlines() == [
        "[default]",
        'guards.banned_terms = { action = "block", terms = ["Project Falcon"] }',
        'guards.custom.toxicity = { action = "flag", on = ["output"] }',
        'guards.injection = "flag"',
        'guards.json_schema = { action = "block", repair = true, schema = "{\\"type\\":\\"object\\"}" }',
        'guards.pii = { action = "redact", on = ["input", "tool_results"], kinds = ["email", "phone"], '
        'regions = ["GB", "US"], restore = true }',
        'guards.secrets = "block"',
        'guards.unicode = "redact"',
        "",
        "[tenants.acme]",
        'guards.pii = "off"',
    ]
    assert read(text) == read(FALCON)


def test_the_stored_form_is_as_the_file_has_it() -> None:
    body = to_body(read(FALCON)["default"])
    assert body["guards"]["secrets"] == "block"
    assert body["guards"]["custom"] == {"toxicity": {"action": "flag", "on": ["output"]}}
    assert body["guards"]["json_schema"]["schema"] == {"type": "object"}
    assert "guards" not in to_body(Policy("default", Scope()))


@pytest.mark.parametrize(
    ("guards", "told"),
    [
        ({"toxins": "block"}, "toxins is not a guard"),
        ({"pii": "hide"}, 'pii is "hide"'),
        ({"pii": {"action": "redact", "kinds": ["passport"]}}, r'pii.kinds.0 is "passport"'),
        ({"pii": {"action": "redact", "depth": 2}}, "pii.depth is not a field here"),
        ({"pii": {"action": "redact", "on": ["images"]}}, r'pii.on.0 is "images"'),
        ({"custom": {"Tone": "flag"}}, "custom.Tone can't be a guard's name"),
        (["pii"], "is an array"),
        (None, "is null"),
    ],
)
def test_a_stored_guard_that_this_version_does_not_know_is_not_passed_over(guards: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=f"The stored policy 'p' can't be read: .*{told}") as caught:
        from_body({"name": "p", "scope": {}, "guards": guards})
    assert "newer version" in caught.value.remedy


PII = "pii = { action = 'redact', kinds = ['email', 'card'], on = ['input', 'output'] }"


@pytest.mark.parametrize(
    ("before", "after", "loosens"),
    [
        ("secrets = 'block'", "secrets = 'flag'", True),
        ("secrets = 'flag'", "secrets = 'redact'", False),
        ("secrets = 'block'", "secrets = 'off'", True),
        ("secrets = 'off'", "secrets = 'flag'", False),
        ("secrets = 'off'", None, False),
        (None, "secrets = 'off'", True),
        (None, "secrets = 'block'", None),
        ("secrets = 'block'", None, None),
        (PII, PII.replace("'email', ", ""), True),
        (PII, PII.replace("'email'", "'email', 'ip'"), False),
        (PII, PII.replace("'email'", "'ip'"), True),
        (PII, PII.replace("'input', ", ""), True),
        (PII, PII.replace("'redact'", "'block'"), False),
        (PII, PII.replace("'redact'", "'block'").replace("'email', ", ""), True),
        ("pii = { regions = ['US', 'GB'] }", "pii = { regions = ['US'] }", True),
        ("pii = { private_ips = true }", "pii = {}", True),
        ("max_length = { characters = 9 }", "max_length = { characters = 10 }", True),
        ("max_length = { characters = 9 }", "max_length = { characters = 8 }", False),
        ("banned_terms = { terms = ['a', 'b'] }", "banned_terms = { terms = ['b'] }", True),
        ("urls = { allow = ['a.com'] }", "urls = { allow = ['a.com', 'b.com'] }", True),
        ("urls = { allow = ['a.com'] }", "urls = {}", False),
        ("json_schema = { schema = '{}' }", 'json_schema = { schema = \'{"type": "object"}\' }', None),
        ("json_schema = {}", "json_schema = { repair = true }", True),
        ("pii = 'redact'", "pii = { action = 'redact', restore = true }", True),
        ("injection = 'flag'", "injection = { on = ['input', 'tool_results'] }", False),
    ],
)
def test_a_change_says_whether_more_passes(before: str | None, after: str | None, loosens: bool | None) -> None:
    old, new = [None if stated is None else guard(stated) for stated in (before, after)]
    assert lets_more_pass(old, new) is loosens
    policies = [[Policy("default", Scope(), guards=(stated,) if stated else ())] for stated in (old, new)]
    (change,) = compare(*policies)
    (field,) = change.fields
    assert field == FieldChange(f"guards.{(old or new).guard}", old, new, loosens=loosens)  # type: ignore[union-attr]


def test_every_option_of_the_catalogue_has_a_direction_or_is_known_to_have_none() -> None:
    """An option that is added must be said to let more or less pass: `STRICTER` and `LOOSER`."""
    from aikit.policy.guards import LOOSER, STRICTER

    names = {option.name for info in CATALOGUE for option in info.options}
    assert names - STRICTER - LOOSER == {"schema"}
    assert not STRICTER & LOOSER


def test_differences_are_worded() -> None:
    old = read("[default.guards]\nsecrets = 'block'\npii = { action = 'redact', kinds = ['email'] }")
    new = read("[default.guards]\npii = { action = 'flag', on = ['output'] }\ncustom.tone = 'allow'\nunicode = 'off'")
    (change,) = compare(old.values(), new.values())
    assert words(change, CREDIT) == [
        "~ default  guards.custom.tone: not stated → allow",
        "~ default  guards.pii: redact (kinds email) → flag on output",
        "~ default  guards.secrets: block → not stated",
        "~ default  guards.unicode: not stated → off",
    ]
    (added,) = compare([], read("[plans.pro.guards]\nsecrets = 'block'").values())
    assert words(added, CREDIT) == ["+ plans.pro  guards.secrets: block"]


def test_long_options_are_shortened_in_words() -> None:
    terms = ", ".join([f"'term{number:03d}'" for number in range(1000)])
    assert in_words(guard(f"banned_terms = {{ terms = [{terms}] }}")).endswith("term010, term011 and 988 more)")
    schema = '{"type": "object", "description": "' + "x" * 500 + '"}'
    assert len(in_words(guard(f"json_schema = {{ schema = '{schema}' }}"))) < 120
    assert in_words(guard("pii = { private_ips = false, regions = [] }")) == "flag (no private_ips; regions none)"


def test_editors_are_told_of_every_guard_kind_and_option() -> None:
    properties = json_schema()["$defs"]["guards"]["properties"]
    assert set(properties) == {info.name for info in CATALOGUE}
    for info in CATALOGUE:
        assert properties[info.name]["description"] == info.doc
        if info.name != "custom":
            _, table = properties[info.name]["anyOf"]
            assert set(table["properties"]) == {"action", "on", *[option.name for option in info.options]}
            for option in info.options:
                if option.choices:
                    assert table["properties"][option.name]["items"]["enum"] == list(option.choices)


def test_a_schema_may_name_characters_that_it_must_not_hold() -> None:
    assert guard("""json_schema = { schema = '{"pattern": "[^\\\\u0000]"}' }""").options == (
        r'{"schema":{"pattern":"[^\\u0000]"}}'
    )
    with pytest.raises(ConfigError, match="can't be stored"):
        guard("""json_schema = { schema = '{"title": "\\ud800"}' }""")


def test_options_of_a_rule_are_canonical() -> None:
    stated = guard("banned_terms = { terms = ['b', 'a', 'Ü'], restore = true, action = 'redact' }")
    assert stated.options == '{"restore":true,"terms":["a","b","Ü"]}'
    assert options_of(stated) == {"restore": True, "terms": ["a", "b", "Ü"]}
