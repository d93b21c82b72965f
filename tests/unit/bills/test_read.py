"""Reading exports: every format, exact money, and errors that say where."""

from __future__ import annotations

import gzip
import json
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aikit.bills.cells import BillUnreadable
from aikit.bills.compare import compare, nano
from aikit.bills.read import read_bill
from aikit.bills.sides import MEASURES, Bill
from aikit.types import TOKEN_CLASSES
from unit.bills import samples

FIRST, SECOND, THIRD = date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 3)


def read(text: str, **options: str) -> Bill:
    return read_bill("bill.csv", text.encode(), **options)


def amounts(bill: Bill) -> dict[tuple[date, str | None], int]:
    keys = {(line.day, line.model) for line in bill.lines if line.usd is not None}
    return {
        key: nano(line.usd for line in bill.lines if (line.day, line.model) == key and line.usd is not None)
        for key in keys
    }


@pytest.mark.parametrize(
    ("text", "provider", "kind"),
    [
        (samples.OPENAI_COSTS, "openai", "cost"),
        (samples.OPENAI_COSTS_API, "openai", "cost"),
        (samples.OPENAI_USAGE, "openai", "usage"),
        (samples.OPENAI_USAGE_API, "openai", "usage"),
        (samples.OPENAI_ACTIVITY, "openai", "usage"),
        (samples.ANTHROPIC_COSTS, "anthropic", "cost"),
        (samples.ANTHROPIC_COST_REPORT, "anthropic", "cost"),
        (samples.ANTHROPIC_USAGE, "anthropic", "usage"),
        (samples.ANTHROPIC_USAGE_REPORT, "anthropic", "usage"),
    ],
)
def test_an_export_is_recognised_by_its_columns_and_has_no_unknown_ones(text: str, provider: str, kind: str) -> None:
    bill = read(text)
    assert (bill.provider, bill.kind) == (provider, kind)
    assert not [note for note in bill.notes if "ignored" in note]


def test_openai_costs_are_exact_and_by_model() -> None:
    bill = read(samples.OPENAI_COSTS)
    assert amounts(bill) == {
        (FIRST, "gpt-4o-mini-2024-07-18"): 42_159_500,
        (SECOND, "gpt-image-1"): 0,
        (SECOND, "web search tool calls"): 10_000_000,
    }
    assert bill.days == {FIRST, SECOND, THIRD}, "a day without spending is covered"
    assert bill.rounding == 0


def test_openai_costs_that_are_not_by_line_item_name_no_model() -> None:
    bill = read(samples.OPENAI_DAYS)
    assert amounts(bill) == {(FIRST, None): 895_874_000}
    assert bill.days == {FIRST, SECOND}


def test_costs_of_openais_api_keep_what_did_not_pass_through_here_apart() -> None:
    assert amounts(read(samples.OPENAI_COSTS_API)) == {
        (FIRST, "gpt-4o-mini-2024-07-18"): 4_500,
        (FIRST, "evals | gpt-4o-mini-2024-07-18"): 60_000_000,
    }


def test_openai_usage_takes_cached_input_out_of_the_input() -> None:
    line, empty = read(samples.OPENAI_USAGE).lines
    assert (line.day, line.model) == (FIRST, "gpt-4o-2024-08-06")
    assert line.tokens == {"input": 53_440, "cache_read": 5_760, "output": 10_646}
    assert (empty.day, empty.model, empty.tokens) == (SECOND, None, {})
    (from_api,) = read(samples.OPENAI_USAGE_API).lines
    assert from_api.tokens == {"input": 200, "cache_read": 800, "output": 500}


def test_the_older_activity_export_has_input_in_one_sum() -> None:
    (line,) = read(samples.OPENAI_ACTIVITY).lines
    assert (line.day, line.model, line.tokens) == (FIRST, "gpt-4o-2024-08-06", {"all_input": 1200, "output": 350})


def test_anthropic_costs_are_to_the_cent_a_line_and_name_what_is_no_model() -> None:
    bill = read(samples.ANTHROPIC_COSTS)
    assert amounts(bill) == {(FIRST, "Claude Haiku 4.5"): 220_000_000, (SECOND, "web_search"): 70_000_000}
    assert bill.rounding == 5_000_000
    assert read(samples.ANTHROPIC_COSTS.replace("0.19,", "0.191,", 1)).rounding == 0


def test_anthropic_usage_is_by_class_whatever_the_hour() -> None:
    first, second = read(samples.ANTHROPIC_USAGE).lines
    assert first.day == second.day == FIRST
    assert first.tokens == {
        "input": 1_124_832,
        "cache_write_5m": 10,
        "cache_write_1h": 20,
        "cache_read": 30,
        "output": 254_558,
    }


def test_amounts_of_anthropics_cost_api_are_cents() -> None:
    bill = read(samples.ANTHROPIC_COST_REPORT)
    assert [line.usd for line in bill.lines] == [Decimal("1.2345000001"), Decimal("0.01"), None]
    assert [line.model for line in bill.lines] == ["claude-haiku-4-5-20251001", "Code Execution Usage", None]
    assert bill.days == {FIRST, SECOND}


def test_a_page_with_more_after_it_is_said_to_be_incomplete() -> None:
    bill = read(samples.ANTHROPIC_USAGE_REPORT)
    assert bill.lines[0].tokens == {
        "input": 1500,
        "cache_write_5m": 500,
        "cache_write_1h": 1000,
        "cache_read": 200,
        "output": 50,
    }
    assert bill.notes == ("bill.csv: it ends where another page follows (has_more is true).",)


def test_byte_order_mark_crlf_tabs_gzip_and_blank_lines_make_no_difference() -> None:
    plain = read(samples.OPENAI_COSTS)
    for data in (
        b"\xef\xbb\xbf" + samples.OPENAI_COSTS.encode(),
        samples.OPENAI_COSTS.replace("\n", "\r\n").encode(),
        samples.OPENAI_COSTS.replace("\n", "\n\n").encode(),
        gzip.compress(samples.OPENAI_COSTS.encode()),
    ):
        assert read_bill("bill.csv", data).lines == plain.lines
    assert read(samples.OPENAI_ACTIVITY.replace(",", "\t")).lines == read(samples.OPENAI_ACTIVITY).lines


def test_columns_that_are_not_known_are_ignored_with_a_note() -> None:
    text = samples.OPENAI_ACTIVITY.replace("n_requests", "mood").replace("date", "date", 1)
    assert read(text).notes == ("bill.csv: ignored mood.",)


def test_what_a_file_is_can_be_said() -> None:
    assert read(samples.OPENAI_COSTS, provider="openai", kind="cost").kind == "cost"
    with pytest.raises(BillUnreadable, match="no export that is known here"):
        read(samples.OPENAI_COSTS, provider="anthropic")


def test_ten_thousand_rows_are_read() -> None:
    rows = [f"2026-11-01,gpt-4o-2024-08-06,1,{i},{i}" for i in range(10_000)]
    bill = read(samples.csv_of("date model n_requests n_context_tokens_total n_generated_tokens_total", *rows))
    assert sum(line.tokens["output"] for line in bill.lines) == 49_995_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "bill.csv is empty"),
        ("\n \n", "bill.csv is empty"),
        (",,\n", "bill.csv has no head"),
        ("a,b\n1,2\n", "bill.csv is no export that is known here: its columns are a, b."),
        (samples.OPENAI_COSTS.splitlines()[0], "bill.csv has no rows"),
        (
            samples.OPENAI_COSTS.replace("amount_value", "value"),
            "line 1: a column is missing to be OpenAI costs: amount_",
        ),
        (
            samples.OPENAI_COSTS.replace("0.012,usd", "0.012,eur"),
            "line 4, column amount_currency: the amount is in eur",
        ),
        (samples.OPENAI_COSTS.replace("1.2e-05", "cheap"), "line 3, column amount_value: 'cheap' is not an amount"),
        (samples.OPENAI_COSTS.replace("1.2e-05", "nan"), "line 3, column amount_value: 'nan' is not an amount"),
        (samples.OPENAI_COSTS.replace("1.2e-05", "1e-4000"), "line 3, column amount_value: '1e-4000' is not an amount"),
        (samples.OPENAI_COSTS.replace("1.2e-05", ""), "line 3, column amount_value: '' is not an amount"),
        (samples.OPENAI_COSTS.replace(",web search", ",,web search"), "line 6: has 11 columns, and the head 10"),
        (
            samples.OPENAI_COSTS.replace("2026-11-04T", "2026-12-04T"),
            "line 7: covers 2026-11-03T00:00:00+00:00 to 2026-12",
        ),
        (samples.OPENAI_COSTS + '"never closed', "line 8: is not CSV"),
        (
            samples.OPENAI_ACTIVITY.replace("2026-11-01", "01.11.2026"),
            "line 2, column date: '01.11.2026' is not a date",
        ),
        (
            samples.OPENAI_ACTIVITY.replace("2026-11-01", "0001-01-01"),
            "line 2, column date: '0001-01-01' is not a date or time",
        ),
        (samples.OPENAI_USAGE_API.replace("1793577600", "9" * 5000), "result 1, column end_time: '999"),
        (samples.OPENAI_COSTS_API.replace("0.06", "1e9999999999999999999"), "result 2, column amount_value: '1e9999"),
        (
            samples.OPENAI_ACTIVITY.replace("1200", "12.5"),
            "line 2, column n_context_tokens_total: '12.5' is not a number",
        ),
        (samples.OPENAI_ACTIVITY.replace("1200", "-1"), "line 2, column n_context_tokens_total: '-1' is not a number"),
        (samples.OPENAI_ACTIVITY.replace("n_requests", "model"), "line 1: column 'model' is there twice"),
        (samples.OPENAI_USAGE.replace("5760.0", "99999999"), "column input_cached_tokens: '99999999' is not at most"),
        (samples.ANTHROPIC_COST_REPORT.replace("USD", "EUR"), "result 1, column currency: the amount is in EUR"),
        ('{"error": "no"}', "is JSON, but no page of a usage or cost API"),
        ('{"data": [{"results": [1]}]}', "is JSON, but no page of a usage or cost API"),
        ('{"data": ', "bill.csv is not JSON"),
    ],
)
def test_what_cannot_be_read_is_said_with_file_line_and_column(text: str, said: str) -> None:
    with pytest.raises(BillUnreadable) as caught:
        read(text)
    assert said in caught.value.message
    assert caught.value.message.startswith("bill.csv")
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("data", "said"),
    [("Grüße".encode("latin-1"), "not text in UTF-8"), (b"\x1f\x8b\x08broken", "damaged gzip")],
)
def test_what_is_no_text_is_said(data: bytes, said: str) -> None:
    with pytest.raises(BillUnreadable, match=said):
        read_bill("bill.csv", data)


def test_measures_of_a_provider_share_no_class_and_miss_none() -> None:
    for provider, measures in MEASURES.items():
        classes = [name for measure, names in measures.items() if measure != "all_input" for name in names]
        assert sorted(classes) == sorted(TOKEN_CLASSES), provider


money = st.decimals(min_value="-1000000", max_value="1000000", places=None, allow_nan=False, allow_infinity=False)


@given(st.lists(money, min_size=1, max_size=30))
def test_a_sum_of_amounts_is_exact_and_rounded_once(usd: list[Decimal]) -> None:
    exact = sum((Fraction(amount) for amount in usd), Fraction(0)) * 10**9
    assert nano(usd) == round(exact)


@given(st.lists(st.integers(-(10**18), 10**18), min_size=1, max_size=20), st.booleans())
def test_an_amount_survives_the_file_to_the_nano(whole: list[int], scientific: bool) -> None:
    written = [f"{value}e-9" if scientific else f"{Decimal(value).scaleb(-9):f}" for value in whole]
    rows = [f'{samples.FIRST},{text},usd,"gpt-5, input",,,' for text in written]
    bill = read(samples.csv_of(samples.OPENAI_COST_HEAD, *rows))
    assert nano(line.usd for line in bill.lines if line.usd is not None) == sum(whole)


def test_an_amount_of_forty_digits_keeps_them_all() -> None:
    digits = "1234567.8901234567890123456789012345678901"
    report = read(samples.ANTHROPIC_COST_REPORT.replace("123.45000001", digits))
    assert str(report.lines[0].usd) == "12345.678901234567890123456789012345678901"
    assert str(read(samples.OPENAI_COSTS.replace("1.2e-05", digits)).lines[1].usd) == digits


@given(st.integers(-(10**15), 10**15))
def test_cents_of_the_api_survive_the_file_to_the_nano(value: int) -> None:
    page = json.loads(samples.ANTHROPIC_COST_REPORT)
    page["data"][0]["results"][0]["amount"] = str(Decimal(value).scaleb(-7))
    line = read(json.dumps(page)).lines[0]
    assert line.usd is not None
    assert nano([line.usd]) == value


ALL = [
    getattr(samples, name) for name in dir(samples) if name.startswith(("OPENAI_", "ANTHROPIC_")) and "HEAD" not in name
]
CELLS = [
    "",
    "-1",
    "nan",
    "sNaN",
    "1e999999999",
    "1e-999999999",
    "9" * 5000,
    "²",
    "0001-01-01",
    "9999-12-31",
    "\x00",
    '"',
]


@settings(deadline=None)
@given(st.sampled_from(ALL), st.data())
def test_a_damaged_export_is_read_or_refused_but_never_crashes(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    damaged = text[:start] + data.draw(st.sampled_from(CELLS) | st.text(max_size=10)) + text[end:]
    try:
        bill = read_bill("bill.csv", damaged.encode("utf-8", "surrogatepass"))
    except BillUnreadable as error:
        assert error.message.startswith("bill.csv")
    else:
        compare([bill], [], by="day,model", tolerance=0)
