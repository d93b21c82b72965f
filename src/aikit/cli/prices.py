"""`aikit prices`: list, show, compare and check the prices that calls are billed at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.group import group
from aikit.cli.options import Json
from aikit.cli.output import console, emit_json, note, table
from aikit.errors import Exit

if TYPE_CHECKING:
    from aikit.pricing import PriceBook

app = group("The prices that calls are billed at.")

Model = Annotated[str, typer.Argument(help="provider/model, or a model of OpenAI, Anthropic or Gemini.")]
Models = Annotated[list[str], typer.Argument(help="provider/model, or models of OpenAI, Anthropic or Gemini.")]


@app.command("list")
def list_(
    provider: Annotated[str | None, typer.Option(help="Only this provider's models.")] = None,
    json: Json = False,
) -> None:
    """Every model with a known price, in USD per million tokens."""
    from aikit.pricing import views

    book = _book()
    rows = views.list_rows(book.models(provider))
    if json:
        emit_json("prices.list", rows, {"models": len(rows)})
    elif rows:
        columns = ["Provider", "Model", "Input $", "Cached $", "Output $", "Window", "Source"]
        table("Prices per million tokens", columns, [_list_cells(row) for row in rows])
    if not rows:
        note(f"No price is known for provider {provider!r}. `aikit prices list` shows those that are.")
        raise typer.Exit(Exit.NO)


@app.command()
def show(
    model: Model,
    at: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A day in the past or future (UTC).")
    ] = None,
    tier: Annotated[str | None, typer.Option(help="A service tier, such as batch, flex or priority.")] = None,
    json: Json = False,
) -> None:
    """One model's price: rates by usage class, tiers, context window, source and history."""
    from aikit.pricing import views

    book, moment = _book(), _moment(at)
    named = views.look_up(book, model, at=moment, service_tier=tier)
    if named is None:
        _explain_unknown(book, model, moment, tier)
        raise typer.Exit(Exit.NO)
    data = views.show(book, named, at=moment, service_tier=tier)
    if json:
        emit_json("prices.show", data)
    else:
        _print_price(data)


@app.command()
def compare(
    models: Models,
    input: Annotated[int, typer.Option(min=0, help="Plain input tokens.")] = 1000,
    output: Annotated[int, typer.Option(min=0, help="Output tokens.")] = 500,
    cache_read: Annotated[int, typer.Option(min=0, help="Cached input tokens, beside the plain ones.")] = 0,
    json: Json = False,
) -> None:
    """What the same usage costs with several models, cheapest first."""
    from aikit.pricing import views
    from aikit.types import Usage

    book, moment = _book(), datetime.now(UTC)
    usage = Usage(input=input, output=output, cache_read=cache_read)
    rows = views.compare_rows(book, models, usage, at=moment)
    if json:
        emit_json("prices.compare", rows, {"tokens": usage.classes()})
    else:
        title = f"{input:,} input, {cache_read:,} cached and {output:,} output tokens"
        table(title, ["Model", "Cost $", "Source"], [_compare_cells(row) for row in rows])
    unknown = [row["asked"] for row in rows if row["cost_usd"] is None]
    for name in unknown:
        _explain_unknown(book, name, moment)
    if unknown:
        raise typer.Exit(Exit.NO)


@app.command()
def check(
    max_age_days: Annotated[
        int | None, typer.Option(min=0, help="Fail if no published price has changed for longer than this.")
    ] = None,
    json: Json = False,
) -> None:
    """Whether the price data and the overrides in aikit.toml can be used."""
    from aikit.config import load
    from aikit.pricing import views

    data = views.check(load().prices, at=datetime.now(UTC), max_age_days=max_age_days)
    if json:
        emit_json("prices.check", data)
    else:
        _print_check(data)
    for problem in data["problems"]:
        note(problem)
    if data["problems"]:
        raise typer.Exit(Exit.NO)


def _book() -> PriceBook:
    from aikit.config import load
    from aikit.pricing import PriceBook, parse_overrides

    return PriceBook(parse_overrides(load().prices))


def _moment(day: datetime | None) -> datetime:
    """The start of that UTC day, or now."""
    return day.replace(tzinfo=UTC) if day else datetime.now(UTC)


def _explain_unknown(book: PriceBook, name: str, moment: datetime, tier: str | None = None) -> None:
    from aikit.pricing import views

    if tier and views.look_up(book, name, at=moment):
        note(f"{name} has no known price for the service tier {tier!r}.")
        return
    note(f"The cost of {name} is not known.")
    close = [found for found in views.suggestions(book, name, at=moment) if found != name]
    if close:
        note(f"Did you mean {', '.join(close)}?")
    note(f'Or set its price in aikit.toml: [prices."{name if "/" in name else "provider/" + name}"].')


def _list_cells(row: dict[str, Any]) -> list[str]:
    mark = "+" if row["tiered"] else ""
    rates = [f"{row[name]}{mark}" if row[name] is not None else "—" for name in _RATES]
    return [row["provider"], row["model"], *rates, _window(row["context_window"]), row["source"]]


_RATES = ("input_usd", "cache_read_usd", "output_usd")


def _compare_cells(row: dict[str, Any]) -> list[str]:
    name = f"{row['provider']}/{row['model']}" if row["provider"] else row["asked"]
    return [name, row["cost_usd"] or "—", row["source"] or "—"]


def _window(tokens: int | None) -> str:
    return f"{tokens:,}" if tokens else "—"


def _print_price(data: dict[str, Any]) -> None:
    rates = [
        [
            rate["class"],
            rate["base_usd"],
            "million tokens" if rate["per"] == 1_000_000 else "thousand",
            "; ".join(f"{tier['price_usd']} above {tier['above_input_tokens']:,}" for tier in rate["tiers"]) or "—",
        ]
        for rate in data["rates"]
    ]
    tier = f", {data['service_tier']} tier" if data["service_tier"] else ""
    table(f"{data['provider']}/{data['model']}{tier}", ["Class", "Price $", "Per", "For large input $ (tokens)"], rates)
    facts = [
        ("Context window", _window(data["context_window"])),
        ("Source", f"{data['source']} {data['version']}"),
        ("Valid from", data["as_of"] or "the beginning"),
        ("Price id", data["price_id"]),
    ]
    for name, value in facts:
        console().print(f"{name}: {value}", markup=False, highlight=False)
    if len(data["history"]) > 1:
        _print_series("Over time", "From", data["history"])
    if data["daily"]:
        _print_series("Within the day (UTC)", "From", data["daily"])


def _print_series(title: str, first: str, rows: list[dict[str, Any]]) -> None:
    cells = [[row["from"] or "the beginning", row["input_usd"] or "—", row["output_usd"] or "—"] for row in rows]
    table(title, [first, "Input $", "Output $"], cells)


def _print_check(data: dict[str, Any]) -> None:
    age = f", at most {data['age_days_at_most']} days old" if data["age_days_at_most"] is not None else ""
    line = f"genai-prices {data['version']}{age}: {data['priced_models']:,} models with a known price."
    console().print(line, markup=False, highlight=False)
    if data["overrides"]:
        cells = [
            [row["key"], row["from"] or "—", row["input_usd"], row["output_usd"] or "—"] for row in data["overrides"]
        ]
        table("Overrides", ["Model", "From", "Input $", "Output $"], cells)
    if data["shadows"]:
        names = ("model", "class", "published_usd", "override_usd", "difference_usd")
        cells = [[row[name] or "—" for name in names] for row in data["shadows"]]
        table(
            "Published prices that overrides hide",
            ["Model", "Class", "Published $", "Override $", "Dearer by $"],
            cells,
        )
