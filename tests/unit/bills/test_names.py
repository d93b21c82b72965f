"""Which names mean the same model."""

from __future__ import annotations

import pytest

from aikit.bills.names import Family, canonical, families, undated

NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini-2024-07-18"),
        ("GPT-4o mini", "gpt-4o-mini"),
        ("ft:gpt-4o-2024-08-06:acme::abc", "ft-gpt-4o-2024-08-06"),
        ("Claude Haiku 4.5", "claude-haiku-4-5"),
        ("Claude 3.5 Sonnet 2024-10-22", "claude-sonnet-3-5-20241022"),
        ("claude-3-5-sonnet-20241022", "claude-sonnet-3-5-20241022"),
        ("Claude 3 Haiku", "claude-haiku-3"),
        ("claude-3-haiku-20240307", "claude-haiku-3-20240307"),
        ("Claude Opus 5", "claude-opus-5"),
    ],
)
def test_a_name_has_one_spelling(name: str, meant: str) -> None:
    assert canonical(name) == meant


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-sonnet-3-5-latest", "claude-sonnet-3-5"),
        ("gpt-3.5-turbo-0125", "gpt-3.5-turbo"),
        ("gpt-5-mini", "gpt-5-mini"),
        ("gpt-4-32k", "gpt-4-32k"),
    ],
)
def test_the_date_of_a_snapshot_is_no_part_of_the_model(name: str, base: str) -> None:
    assert undated(name) == base


def test_a_dated_snapshot_on_the_bill_is_the_model_that_was_asked_for() -> None:
    (family,) = families({"gpt-4o-mini": NONE}, ["gpt-4o-mini-2024-07-18"])
    assert family == Family(("gpt-4o-mini",), ("gpt-4o-mini-2024-07-18",))
    assert (family.label, family.mapped) == ("gpt-4o-mini", True)


def test_a_family_of_models_is_not_mistaken_for_one_of_them() -> None:
    found = families({"gpt-4o": NONE, "gpt-4o-mini": NONE, "gpt-5": NONE}, ["gpt-4o-mini-2024-07-18", "gpt-5"])
    assert found == [
        Family(("gpt-4o",), ()),
        Family(("gpt-4o-mini",), ("gpt-4o-mini-2024-07-18",)),
        Family(("gpt-5",), ("gpt-5",)),
    ]


def test_the_same_names_need_no_mapping() -> None:
    (family,) = families({"gpt-5": NONE}, ["gpt-5"])
    assert not family.mapped


def test_a_console_name_is_the_dated_model_of_the_ledger() -> None:
    (family,) = families({"claude-haiku-4-5-20251001": NONE}, ["Claude Haiku 4.5"])
    assert family.mapped


def test_two_snapshots_are_two_models_if_both_sides_date_them() -> None:
    bill = ["gpt-4o-2024-05-13", "gpt-4o-2024-08-06"]
    assert families(dict.fromkeys(bill, NONE), bill) == [Family((name,), (name,)) for name in bill]
    assert families({"gpt-4o-2024-05-13": NONE}, ["gpt-4o-2024-08-06"]) == [
        Family(("gpt-4o-2024-05-13",), ()),
        Family((), ("gpt-4o-2024-08-06",)),
    ]


def test_what_the_provider_said_it_served_beats_the_look_of_a_name() -> None:
    served = {"chatgpt-latest": frozenset({"gpt-5.4-2026-03-05"}), "gpt-5.4": frozenset({"gpt-5.4-2026-04-01"})}
    assert families(served, ["gpt-5.4-2026-03-05", "gpt-5.4-2026-04-01"]) == [
        Family(("chatgpt-latest",), ("gpt-5.4-2026-03-05",)),
        Family(("gpt-5.4",), ("gpt-5.4-2026-04-01",)),
    ]


def test_models_that_were_billed_under_one_name_are_compared_together() -> None:
    served = {"gpt-4o": frozenset({"gpt-4o-2024-08-06"}), "gpt-4o-2024-08-06": NONE}
    assert families(served, ["gpt-4o-2024-08-06"]) == [Family(("gpt-4o", "gpt-4o-2024-08-06"), ("gpt-4o-2024-08-06",))]


def test_an_undated_model_that_nobody_said_was_served_joins_its_snapshot() -> None:
    (family,) = families({"gpt-4o": NONE, "gpt-4o-2024-08-06": NONE}, ["gpt-4o-2024-08-06"])
    assert family.ours == ("gpt-4o", "gpt-4o-2024-08-06")
