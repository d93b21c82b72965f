"""The formats of exports that are read, each recognised by its columns.

Where the column names come from. The results of OpenAI's usage and costs API are as the types of the `openai` package
say (`openai.types.admin.organization`), those of Anthropic's Admin API as its reference says. No provider documents
its CSV files: their columns are as public programs and reports that read such files show them, of 2024 to 2026. The
older `activity` export of OpenAI could not be confirmed as a file; its names are those of the API that it came from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from aikit.bills.cells import BillUnreadable, Row
from aikit.bills.sides import Kind, Line

STARTS = ("start_time_iso", "start_time")
ENDS = ("end_time_iso", "end_time")
OPENAI_OTHERS = (
    "object project_id project_name user_id user_email user_name api_key_id api_key_name api_key_redacted api_source "
    "organization_id organization_name"
)
CONSOLE_OTHERS = (
    "workspace workspace_id api_key api_key_id api_key_status usage_type context_window inference_geo speed "
    "service_tier account_id service_account_id"
)


@dataclass(frozen=True, slots=True)
class Format:
    """One format. `needed` has a tuple for each column it must have: any of those names will do."""

    name: str
    provider: str
    kind: Kind
    needed: tuple[tuple[str, ...], ...]
    known: frozenset[str]
    """Columns that are read, or that are known to say nothing that is compared."""
    read: Callable[[Row], Line]
    to_the_cent: bool = False
    """Its amounts are rounded to the cent, line by line, if all of them have two decimals at most."""

    def missing(self, columns: Collection[str]) -> list[str]:
        """What a file with these columns lacks."""
        return [" or ".join(names) for names in self.needed if not any(name in columns for name in names)]


def openai_costs(row: Row) -> Line:
    day, item = row.one_day(STARTS, ENDS), row.text("line_item") or None
    if not row.text("amount_value") and item is None:
        return Line(day)
    _in_dollars(row, "amount_currency")
    return Line(day, item and _without_token_kind(item), row.usd("amount_value"))


def openai_usage(row: Row) -> Line:
    day = row.one_day(STARTS, ENDS)
    if not row.text("input_tokens", "output_tokens", "model"):
        return Line(day)
    cached = row.count("input_cached_tokens")
    tokens = {
        "input": _rest(row, "input_tokens", "input_cached_tokens"),
        "cache_read": cached,
        "output": row.count("output_tokens"),
    }
    return Line(day, row.text("model") or None, tokens=tokens)


def openai_activity(row: Row) -> Line:
    day = row.day("date", "timestamp", "aggregation_timestamp")
    tokens = {"all_input": row.count("n_context_tokens_total"), "output": row.count("n_generated_tokens_total")}
    return Line(day, row.text("model", "snapshot_id") or None, tokens=tokens)


def anthropic_costs(row: Row) -> Line:
    return Line(row.day("usage_date_utc"), _anthropic_item(row), row.usd("cost_usd"))


def anthropic_usage(row: Row) -> Line:
    tokens = {
        "input": row.count("usage_input_tokens_no_cache"),
        "cache_write_5m": row.count("usage_input_tokens_cache_write_5m"),
        "cache_write_1h": row.count("usage_input_tokens_cache_write_1h"),
        "cache_read": row.count("usage_input_tokens_cache_read"),
        "output": row.count("usage_output_tokens"),
    }
    return Line(row.day("usage_date_utc"), row.text("model_version", "model") or None, tokens=tokens)


def anthropic_cost_report(row: Row) -> Line:
    """Amounts of the Admin API are in cents."""
    day = row.one_day(("starting_at",), ("ending_at",))
    if not row.text("amount"):
        return Line(day)
    _in_dollars(row, "currency")
    return Line(day, _anthropic_item(row), row.cents("amount"))


def anthropic_usage_report(row: Row) -> Line:
    day = row.one_day(("starting_at",), ("ending_at",))
    if not row.text("uncached_input_tokens", "output_tokens"):
        return Line(day)
    tokens = {
        "input": row.count("uncached_input_tokens"),
        "cache_write_5m": row.count("cache_creation_ephemeral_5m_input_tokens"),
        "cache_write_1h": row.count("cache_creation_ephemeral_1h_input_tokens"),
        "cache_read": row.count("cache_read_input_tokens"),
        "output": row.count("output_tokens"),
    }
    return Line(day, row.text("model") or None, tokens=tokens)


def _anthropic_item(row: Row) -> str | None:
    """The model; what is not billed by the model has the kind of cost for a name."""
    return row.text("model", "description", "cost_type") or None


def _without_token_kind(item: str) -> str:
    """`gpt-4o-mini-2024-07-18, cached input` and `gpt-image-1 text, output` → the model; other items stay as they are.

    Lines of other surfaces (`evals | gpt-4o, input`) keep the surface in their name: they did not pass through here.
    """
    name, comma, _ = item.partition(",")
    if not comma:
        return re.sub(r" (cached input|input|output)$", "", item)
    for modality in (" text", " audio", " image"):
        name = name.removesuffix(modality)
    return name.strip()


def _rest(row: Row, whole: str, part: str) -> int:
    rest = row.count(whole) - row.count(part)
    if rest < 0:
        raise row.unreadable(part, f"at most {whole}")
    return rest


def _in_dollars(row: Row, column: str) -> None:
    currency = row.text(column)
    if currency.lower() not in ("", "usd"):
        raise BillUnreadable(
            f"{row.where}, {row.at}, column {column}: the amount is in {currency[:20]}.",
            facts={"file": row.where, "at": row.at, "column": column},
            remedy="The ledger is in US dollars, and nothing is converted: export it in USD.",
        )


def _known(*columns: str) -> frozenset[str]:
    return frozenset(" ".join(columns).split())


FORMATS = (
    Format(
        "OpenAI costs",
        "openai",
        "cost",
        (("amount_value",), STARTS),
        _known(*STARTS, *ENDS, "amount_value amount_currency line_item quantity quantity_unit", OPENAI_OTHERS),
        openai_costs,
    ),
    Format(
        "OpenAI usage",
        "openai",
        "usage",
        (("input_tokens",), ("num_model_requests",), STARTS),
        _known(
            *STARTS,
            *ENDS,
            "num_model_requests model batch service_tier input_tokens output_tokens input_cached_tokens",
            "input_uncached_tokens input_text_tokens output_text_tokens input_cached_text_tokens input_audio_tokens",
            "input_cached_audio_tokens output_audio_tokens input_image_tokens input_cached_image_tokens",
            "output_image_tokens input_cache_write_tokens input_cache_write_30m_tokens input_cache_write_12h_tokens",
            OPENAI_OTHERS,
        ),
        openai_usage,
    ),
    Format(
        "OpenAI activity",
        "openai",
        "usage",
        (
            ("n_context_tokens_total",),
            ("n_generated_tokens_total",),
            ("date", "timestamp", "aggregation_timestamp"),
            ("model", "snapshot_id"),
        ),
        _known(
            "date timestamp aggregation_timestamp model snapshot_id n_context_tokens_total n_generated_tokens_total",
            "n_requests num_requests n_context n_generated operation n_cached_context_tokens_total",
            OPENAI_OTHERS,
        ),
        openai_activity,
    ),
    Format(
        "Anthropic costs",
        "anthropic",
        "cost",
        (("usage_date_utc",), ("cost_usd",)),
        _known("usage_date_utc model token_type cost_usd list_price_usd cost_type description", CONSOLE_OTHERS),
        anthropic_costs,
        to_the_cent=True,
    ),
    Format(
        "Anthropic usage",
        "anthropic",
        "usage",
        (("usage_date_utc",), ("usage_input_tokens_no_cache",), ("usage_output_tokens",)),
        _known(
            "usage_date_utc model model_version usage_input_tokens_no_cache usage_input_tokens_cache_write_5m",
            "usage_input_tokens_cache_write_1h usage_input_tokens_cache_read usage_output_tokens web_search_count",
            CONSOLE_OTHERS,
        ),
        anthropic_usage,
    ),
    Format(
        "Anthropic cost report",
        "anthropic",
        "cost",
        (("starting_at",), ("amount",), ("currency",)),
        _known("starting_at ending_at amount currency model description cost_type token_type", CONSOLE_OTHERS),
        anthropic_cost_report,
    ),
    Format(
        "Anthropic usage report",
        "anthropic",
        "usage",
        (("starting_at",), ("uncached_input_tokens",), ("output_tokens",)),
        _known(
            "starting_at ending_at model uncached_input_tokens cache_creation_ephemeral_5m_input_tokens",
            "cache_creation_ephemeral_1h_input_tokens cache_read_input_tokens output_tokens",
            "server_tool_use_web_search_requests",
            CONSOLE_OTHERS,
        ),
        anthropic_usage_report,
    ),
)
