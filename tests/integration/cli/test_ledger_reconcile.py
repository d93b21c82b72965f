"""`aikit ledger reconcile` on a real ledger, against exports made from what it has."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aikit.database.connect import Database
from aikit.ledger.daily import daily
from aikit.meter.opening import SESSION
from aikit.meter.poster import Poster
from aikit.types import Ending, Entry, Usage
from integration.cli.conftest import Cli, Ended
from support.ledger import CLAUDE, SOME, Till, price_row, rows

COST = 390_000
"""Nano-dollars of `SOME` at the prices of gpt-4o-mini: 1,000 input and 200 cached at $0.15, 350 output at $0.60."""
SNAPSHOT = "gpt-4o-mini-2024-07-18"
CENT = 10_000_000


@pytest.fixture
def spent(cli: Cli, till: Till) -> Till:
    """acme has made three calls of gpt-4o-mini, one of them served as a snapshot, and one of another provider."""
    cli.ok("tenant", "add", "acme", "--uncapped")
    till.spend(user="ann")
    till.spend(user="bob", feature="chat")
    till.end(Entry(till.admit(), Ending.SETTLED, COST, SOME, status=200, served_model=SNAPSHOT))
    till.spend(price=CLAUDE)
    till.void(till.admit())
    till.flush()
    return till


@pytest.fixture
def today(spent: Till, ledger: Database) -> date:
    """The UTC day on which the ledger has them."""
    ((day,),) = rows(ledger, "SELECT DISTINCT (admitted_at AT TIME ZONE 'UTC')::date FROM aikit.entries")
    assert isinstance(day, date)
    return day


def costs(folder: Path, *lines: tuple[date, str, str], name: str = "cost.csv") -> str:
    """A cost export of OpenAI in the folder; returns its name."""
    text = "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id\n"
    for day, item, usd in lines:
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        end = start + timedelta(days=1)
        text += f"{int(start.timestamp())},{int(end.timestamp())},{start.isoformat()},{end.isoformat()},"
        text += f'{usd},usd,"{item}",proj_a\n'
    data = text.encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return name


def usd(nano: int) -> str:
    return f"{Decimal(nano).scaleb(-9):.30f}"


def differing(ended: Ended) -> list[dict[str, Any]]:
    return [row for row in ended.json("aikit.ledger.reconcile/1")["data"]["rows"] if not row["agrees"]]


def test_a_bill_of_the_same_amounts_agrees_to_the_nano(cli: Cli, today: date) -> None:
    lines = [(today, f"{SNAPSHOT}, {what}", usd(nano)) for what, nano in (("input", 540_001), ("output", 629_999))]
    ended = cli.ok("ledger", "reconcile", costs(cli.folder, *lines), "--tolerance", "0", "--json")
    envelope = ended.json("aikit.ledger.reconcile/1")
    assert envelope["totals"]["ours_usd"] == envelope["totals"]["theirs_usd"] == "0.00117"
    assert envelope["totals"]["difference_usd"] == "0"
    (row,) = envelope["data"]["rows"]
    assert (row["day"], row["model"], row["calls"], row["agrees"]) == (str(today), "gpt-4o-mini", 3, True)
    assert envelope["data"]["same"] == [{"provider": "openai", "ours": ["gpt-4o-mini"], "theirs": [SNAPSHOT]}]
    assert ended.err == f"Taken to be the same at openai: gpt-4o-mini = {SNAPSHOT}.\n"


def test_one_nano_more_is_a_difference_if_none_is_tolerated(cli: Cli, today: date) -> None:
    file = costs(cli.folder, (today, f"{SNAPSHOT}, input", usd(3 * COST + 1)))
    ended = cli("ledger", "reconcile", file, "--tolerance", "0", "--json")
    assert ended.code == 1
    assert [row["difference_usd"] for row in differing(ended)] == ["-0.000000001"]


def test_a_cent_more_is_shown_and_exits_1(cli: Cli, today: date) -> None:
    file = costs(cli.folder, (today, f"{SNAPSHOT}, input", usd(3 * COST + 2 * CENT)), name="cost.csv.gz")
    ended = cli("ledger", "reconcile", file)
    assert ended.code == 1
    title, head, row, total, verdict = ended.out.splitlines()[:5]
    assert title == f"The ledger and the bill, {today} to {today} (UTC)"
    assert head.split() == ["Day", "Model", "Ours", "Theirs", "Difference"]
    assert row.split() == [str(today), "gpt-4o-mini", "$0.0012", "$0.02", "-$0.02"]
    assert total.split() == ["Total", "$0.0012", "$0.02", "-$0.02"]
    assert verdict == "0 of 1 agree within $0.01. 1 does not."


def test_what_only_one_side_has_is_told_apart(cli: Cli, today: date) -> None:
    before = today - timedelta(days=1)
    file = costs(
        cli.folder,
        (today, f"{SNAPSHOT}, input", usd(3 * COST)),
        (today, "gpt-5-2025-08-07, output", "0.25"),
        (before, f"{SNAPSHOT}, input", "0.5"),
    )
    ended = cli("ledger", "reconcile", file, "--json")
    assert ended.code == 1
    assert [
        (row["day"], row["model"], row["only"], row["ours_usd"], row["theirs_usd"]) for row in differing(ended)
    ] == [
        (str(before), "gpt-4o-mini", "theirs", None, "0.5"),
        (str(today), "gpt-5-2025-08-07", "theirs", None, "0.25"),
    ]
    assert ended.json("aikit.ledger.reconcile/1")["totals"]["only_theirs_usd"] == "0.75"


def test_a_day_that_the_bill_lacks_is_ours_only(cli: Cli, today: date) -> None:
    file = costs(cli.folder, (today - timedelta(days=1), f"{SNAPSHOT}, input", "0"))
    assert cli.ok("ledger", "reconcile", file, "--tolerance", "0").out.endswith("1 of 1 agree to the nano-dollar.\n")
    until = str(today + timedelta(days=1))
    ended = cli("ledger", "reconcile", file, "--until", until, "--tolerance", "0", "--json")
    assert ended.code == 1
    assert [(row["day"], row["only"], row["ours_usd"]) for row in differing(ended)] == [(str(today), "ours", "0.00117")]


def test_by_model_and_by_day_the_sums_are_the_same(cli: Cli, today: date) -> None:
    file = costs(cli.folder, (today, f"{SNAPSHOT}, input", usd(3 * COST)))
    for by, key in (("day", {"day": str(today), "model": None}), ("model", {"day": None, "model": "gpt-4o-mini"})):
        ended = cli.ok("ledger", "reconcile", file, "--by", by, "--tolerance", "0", "--json")
        (row,) = ended.json("aikit.ledger.reconcile/1")["data"]["rows"]
        assert {name: row[name] for name in key} == key


def test_a_bill_by_day_only_is_compared_by_day(cli: Cli, today: date) -> None:
    ended = cli.ok("ledger", "reconcile", costs(cli.folder, (today, "", usd(3 * COST))), "--tolerance", "0")
    assert "The bill names no models, so days are compared." in ended.err


def test_what_is_presumed_and_estimated_is_named_as_the_likely_cause(cli: Cli, spent: Till, today: date) -> None:
    spent.presume(spent.admit(nano=40 * CENT))
    hold = spent.admit(nano=30 * CENT)
    spent.end(Entry(hold, Ending.SETTLED, 30 * CENT, None, estimated=True, status=200))
    spent.flush()
    file = costs(cli.folder, (today, f"{SNAPSHOT}, input", usd(3 * COST)))
    ended = cli("ledger", "reconcile", file)
    assert ended.code == 1
    assert [line.split() for line in ended.out.splitlines()[-2:]] == [
        ["charged", "at", "an", "upper", "bound", "(estimated)", "$0.30"],
        ["presumed", "spent", "$0.40"],
    ]
    (row,) = differing(cli("ledger", "reconcile", file, "--json"))
    assert (row["estimated_usd"], row["presumed_usd"], row["difference_usd"]) == ("0.3", "0.4", "0.7")


def test_a_usage_export_is_compared_by_tokens_and_prices_nothing(cli: Cli, today: date) -> None:
    head = "start_time_iso,model,num_model_requests,input_tokens,output_tokens,input_cached_tokens\n"
    (cli.folder / "usage.csv").write_text(f"{head}{today}T00:00:00Z,{SNAPSHOT},3,3600,1050,600\n")
    assert cli.ok("ledger", "reconcile", "usage.csv").out == "1 of 1 agree in every class of tokens.\n"
    (cli.folder / "usage.csv").write_text(f"{head}{today}T00:00:00Z,{SNAPSHOT},3,3600,1051,600\n")
    ended = cli("ledger", "reconcile", "usage.csv")
    assert ended.code == 1
    assert ended.out.splitlines()[2].split() == [str(today), "gpt-4o-mini", "output", "1,050", "1,051", "-1"]
    totals = cli("ledger", "reconcile", "usage.csv", "--json").json("aikit.ledger.reconcile/1")["totals"]
    assert totals["theirs_usd"] is totals["difference_usd"] is None


def test_tokens_stand_beside_money_where_both_exports_are_given(cli: Cli, today: date) -> None:
    file = costs(cli.folder, (today, f"{SNAPSHOT}, input", "5"))
    head = "start_time_iso,model,num_model_requests,input_tokens,output_tokens\n"
    (cli.folder / "usage.csv").write_text(f"{head}{today}T00:00:00Z,{SNAPSHOT},3,3600,9000\n")
    ended = cli("ledger", "reconcile", file, "usage.csv")
    assert ended.code == 1
    assert ended.out.splitlines()[2].split()[-2:] == ["4,650", "12,600"]


def test_exports_of_two_providers_are_compared_each_with_its_own(cli: Cli, today: date) -> None:
    (cli.folder / "claude.csv").write_text(
        f"usage_date_utc,model,token_type,cost_usd\n{today},Claude,input_no_cache,0.01\n{today},Claude,output,0.01\n"
    )
    file = costs(cli.folder, (today, f"{SNAPSHOT}, input", usd(3 * COST)))
    ended = cli.ok("ledger", "reconcile", file, "claude.csv", "--json")
    found = {row["provider"]: row for row in ended.json("aikit.ledger.reconcile/1")["data"]["rows"]}
    assert found["openai"]["difference_usd"] == "0"
    assert (found["anthropic"]["ours_usd"], found["anthropic"]["theirs_usd"]) == ("0.00885", "0.02")
    assert found["anthropic"]["rounding_usd"] == "0.01"
    assert "claude.csv rounds each of its 2 lines to the cent" in ended.err


def test_our_provider_of_another_name_is_compared_if_it_is_named(cli: Cli, today: date) -> None:
    (cli.folder / "aikit.toml").write_text(
        '[providers.azure]\nkind = "openai"\nbase_url = "https://azure.invalid/v1"\napi_key_env = "AZURE_KEY"\n'
    )
    file = costs(cli.folder, (today, "gpt-4o, input", "0.000001"))
    ended = cli.ok("ledger", "reconcile", file, "--provider", "azure", "--json")
    assert ended.json("aikit.ledger.reconcile/1")["totals"]["ours_usd"] == "0"
    both = cli.ok("ledger", "reconcile", file, "--provider", "azure", "--provider", "openai", "--json")
    assert both.json("aikit.ledger.reconcile/1")["totals"]["ours_usd"] == "0.00117"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.csv"], "nowhere.csv can't be read: No such file or directory."),
        (["bad.csv"], "bad.csv is no export that is known here: its columns are a, b."),
        (["eur.csv"], "eur.csv, line 2, column amount_currency: the amount is in eur."),
        (["cost.csv", "copy.csv"], "copy.csv and cost.csv are the same."),
        (["cost.csv", "--since", "2020-01-01", "--until", "2020-02-01"], "The files have nothing from 2020-01-01"),
        (
            ["cost.csv", "--since", "2026-01-02", "--until", "2026-01-01"],
            "The period ends (2026-01-01) before it begins",
        ),
        (["cost.csv", "--provider", "gemini"], "Exports of gemini (gemini) can't be read."),
        (["cost.csv", "--provider", "nobody"], "There is no provider named 'nobody'."),
        (["cost.csv", "--kind", "usage"], "cost.csv, line 1: a column is missing to be OpenAI usage"),
        (["cost.csv", "--tolerance", "-1"], "must be zero or more"),
    ],
)
def test_what_cannot_be_compared_exits_2_and_says_why(cli: Cli, arguments: list[str], said: str) -> None:
    for name in ("cost.csv", "copy.csv"):
        costs(cli.folder, (date(2026, 1, 1), "gpt-5, input", "1"), name=name)
    (cli.folder / "bad.csv").write_text("a,b\n1,2\n")
    (cli.folder / "eur.csv").write_text("start_time_iso,amount_value,amount_currency\n2026-01-01,1,eur\n")
    ended = cli("ledger", "reconcile", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert said in " ".join(ended.err.split())
    assert "Traceback" not in ended.err


def test_our_side_is_by_day_and_model_with_what_served_it(ledger: Database, today: date) -> None:
    (mine,) = daily(ledger, ["openai"], today, today + timedelta(days=1))
    assert (mine.day, mine.provider, mine.model, mine.calls, mine.nano) == (
        today,
        "openai",
        "gpt-4o-mini",
        3,
        3 * COST,
    )
    assert mine.tokens["input"] == 3 * SOME.input
    assert mine.served == {SNAPSHOT}
    assert daily(ledger, ["openai"], today - timedelta(days=1), today) == []
    assert {one.provider for one in daily(ledger, ["openai", "anthropic"], today, today + timedelta(days=1))} == {
        "openai",
        "anthropic",
    }


def test_what_was_presumed_and_then_corrected_is_no_doubt_any_more(ledger: Database, spent: Till, today: date) -> None:
    hold = spent.admit(nano=40 * CENT)
    with ledger.connect(role="meter") as connection:
        connection.execute(SESSION)
        assert Poster(connection, price_row, hold_seconds=900).expire(all_holds=True) == 1
    (before,) = daily(ledger, ["openai"], today, today + timedelta(days=1))
    assert (before.presumed_nano, before.nano) == (40 * CENT, 3 * COST + 40 * CENT)
    spent.settle(hold, Usage(input=1000))
    spent.flush()
    (after,) = daily(ledger, ["openai"], today, today + timedelta(days=1))
    assert (after.presumed_nano, after.estimated_nano, after.nano) == (0, 0, 3 * COST + 150_000)


def test_json_is_one_object_with_decimal_strings(cli: Cli, today: date) -> None:
    file = costs(cli.folder, (today, f"{SNAPSHOT}, input", usd(3 * COST)))
    envelope = json.loads(cli.ok("ledger", "reconcile", file, "--json").out)
    money = [value for name, value in envelope["totals"].items() if name.endswith("_usd")]
    assert money and all(isinstance(value, str) for value in money)
