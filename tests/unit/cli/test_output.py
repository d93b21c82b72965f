"""What is written where, and that nothing hostile gets through."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from aikit.cli import output


def test_json_is_one_object_on_one_line_with_its_schema_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit_json("spend", [{"tenant": "acme"}], {"calls": 1})
    written = capsys.readouterr()
    assert written.err == ""
    assert written.out.count("\n") == 1
    envelope = json.loads(written.out)
    assert list(envelope) == ["schema", "as_of", "data", "totals"]
    assert (envelope["schema"], envelope["data"]) == ("aikit.spend/1", [{"tenant": "acme"}])
    age = datetime.now(UTC) - datetime.strptime(envelope["as_of"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert timedelta(0) <= age < timedelta(minutes=1)


def test_times_in_json_are_in_utc_and_ids_are_strings(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 11, 1, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    output.emit_json("x", {"at": at, "id": UUID(int=7)})
    data = json.loads(capsys.readouterr().out)["data"]
    assert data == {"at": "2026-11-01T10:00:00.000005Z", "id": "00000000-0000-0000-0000-000000000007"}


def test_money_that_nobody_made_a_string_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="Decimal"):
        output.emit_json("x", {"cost_usd": Decimal("0.1")})


def test_a_table_shows_markup_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    output.table("Tenants [red]", ["Tenant", "Cost"], [["[bold]x[/]", "$1.00"], ["[/nothing]", "—"]])
    assert capsys.readouterr().out.splitlines() == [
        "Tenants [red]",
        "Tenant       Cost",
        "[bold]x[/]  $1.00",
        "[/nothing]      —",
    ]


HOSTILE = "a\x1b[31mred\x07\r\nnew\u202eline\x00\x9b2J\ud800"


def test_no_control_character_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(HOSTILE, ["Error"], [[HOSTILE]], [HOSTILE])
    output.facts(HOSTILE, [("Error", HOSTILE)])
    output.line(HOSTILE)
    output.note(HOSTILE)
    written = capsys.readouterr()
    for stream in (written.out, written.err):
        assert all(line.isprintable() for line in stream.split("\n"))
        assert "red" in stream


def test_notes_are_for_people_and_not_data(capsys: pytest.CaptureFixture[str]) -> None:
    output.note("careful")
    assert capsys.readouterr() == ("", "careful\n")


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress("Working", total=2) as advance:
        advance(1)
    assert capsys.readouterr() == ("", "")


def test_no_color_counts_only_when_it_says_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    assert not output.console().no_color
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.console().no_color


def test_a_time_for_people_is_in_utc() -> None:
    assert output.when(datetime(2026, 11, 1, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))) == "2026-10-31 23:02:03"
    assert output.when(None) == "—"
