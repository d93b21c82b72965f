"""The details below the first lines."""

from __future__ import annotations

from aikit.evals.model import GateRule
from aikit.evals.reporting.rows import compare_command, detectable_line, gate_table, p_text, worst_line
from aikit.evals.reporting.words import digits, interval, signed, summary, value
from support.eval_reports import failing, hostile, outcome_of, passing

SPREAD = [0.70 + 0.012 * number for number in range(12)]


def test_the_table_says_baseline_candidate_change_interval_p_gate_and_result() -> None:
    table = gate_table(outcome_of({"faithfulness": SPREAD, "length": 0.99}))
    assert table.columns == ("scorer", "v2", "v3", "change", "95 %", "p", "gate", "result")
    assert table.rows[0][:4] == ("faithfulness", "0.88", "0.77", "-0.11")
    assert table.rows[0][6:] == (">= 0.80, drop <= 0.05", "✗ FAIL")
    assert table.rows[1][3] == "+0.02"
    assert table.rows[1][7] == "✓ pass"


def test_the_title_says_what_was_run_and_what_it_cost() -> None:
    assert summary(failing()) == "summarize@v3 against v2 · 12 cases · replayed, $0.00"


def test_the_worst_cases_come_first_and_few_of_them() -> None:
    outcome = outcome_of({"faithfulness": SPREAD, "length": 0.99})
    assert worst_line(outcome) == "worst cases: c00 (0.88 → 0.70), c01 (0.88 → 0.71), c02 (0.88 → 0.72) …"
    assert worst_line(passing()) == ""


def test_scorers_are_named_where_several_became_worse() -> None:
    assert "c00 (faithfulness 0.88 → 0.71)" in worst_line(outcome_of({"faithfulness": 0.71, "length": 0.80}))


def test_ids_of_three_thousand_characters_are_shortened() -> None:
    assert len(worst_line(hostile())) < 400


def test_what_the_suite_could_have_seen_is_stated_in_the_scorers_unit() -> None:
    assert detectable_line(passing()) == ""
    costs = [0.002 + 0.0001 * number for number in range(12)]
    outcome = outcome_of({"cost": costs}, gates={"cost": GateRule(max_drop=0.01)}, before={"cost": 0.002}, use="cost")
    assert detectable_line(outcome) == "smallest rise this suite can detect: $0.00028"


def test_the_command_to_compare_names_versions_where_they_differ() -> None:
    assert compare_command(failing()) == "aikit eval compare summarize@v2 summarize@v3 --suite summarize"
    assert compare_command(outcome_of({"faithfulness": 0.9, "length": 0.9}, before=None)) == ""


def test_numbers_have_two_decimals_and_small_ones_two_digits() -> None:
    assert [digits(number) for number in (0, 1, 0.714, 0.0123, 0.00123, 0.0000127, -0.0)] == [
        "0.00", "1.00", "0.71", "0.01", "0.0012", "0.000013", "0.00",
    ]  # fmt: skip
    assert value(None) == "—"
    assert value(1.234, "s") == "1.23 s"
    assert (signed(0.02), signed(-0.17), signed(-0.0001, "USD")) == ("+0.02", "-0.17", "-$0.00010")
    assert interval((-0.24, 0.0)) == "[-0.24, +0.00]"
    assert [p_text(p) for p in (0.00001, 0.0004, 0.034, 0.83)] == ["<0.0001", "0.0004", "0.034", "0.83"]
