"""`aikit calls`: single attempts, the newest first; and everything about one call."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aikit.cli.group import group
from aikit.cli.options import Json, OfFeature, OfTenant, OfUser, Since, read_moment
from aikit.cli.output import UNKNOWN, console, emit_json, note, table, when
from aikit.errors import ConfigError, Exit
from aikit.money import credits, format_usd, usd_string

if TYPE_CHECKING:
    from uuid import UUID

    from aikit.cli.books import Books
    from aikit.ledger.calls import CallRow

app = group("Single calls: list them, show one.")

OfModel = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Only this model, or provider/model.")]
OfPrompt = Annotated[
    str | None, typer.Option("--prompt", metavar="NAME[@vN]", help="Only those made with this prompt.")
]
OfEnding = Annotated[
    Literal["settled", "voided", "presumed_spent"] | None, typer.Option("--ending", help="Only those that ended so.")
]
Refused = Annotated[bool | None, typer.Option("--refused/--sent", help="Only those refused, or only those sent.")]
OfCode = Annotated[
    str | None, typer.Option("--code", metavar="REASON_CODE", help="Only those decided so, such as ALLOWED_SOFT_CAP.")
]
WouldRefuse = Annotated[
    bool, typer.Option("--would-refuse", help="Only those that a limit with --warn would have refused.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")]

ALLOWED = "ALLOWED"
"""The reason code of nothing special."""
SHORT = 8
"""Characters at the end of an id, which are random, that a list on a terminal shows in place of the 36."""
SEARCHED = 1_000
"""A shortened id is looked for among so many of the newest attempts."""


@app.command("list")
def list_(
    tenant: OfTenant = None,
    user: OfUser = None,
    feature: OfFeature = None,
    model: OfModel = None,
    prompt: OfPrompt = None,
    ending: OfEnding = None,
    refused: Refused = None,
    code: OfCode = None,
    would_refuse: WouldRefuse = False,
    since: Since = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """The newest attempts: settled, refused or still running."""
    start = read_moment("--since", since)
    from aikit.cli.archived import note_pruned
    from aikit.cli.books import open_books
    from aikit.ledger.calls import list_calls

    books = open_books()
    rows = list_calls(
        books.database,
        tenant=tenant,
        user=user,
        feature=feature,
        model=model,
        prompt=prompt,
        ending=ending,
        refused=refused,
        code=code,
        would_refuse=would_refuse or None,
        since=start,
        limit=limit,
    )
    if json:
        emit_json("calls.list", [call_row(row, books.nano_per_credit) for row in rows], {"calls": len(rows)})
    elif rows:
        _print(rows)
    if not rows:
        filters = (tenant, user, feature, model, prompt, ending, refused, code, would_refuse or None, since)
        note("No calls yet." if all(one is None for one in filters) else "No such calls.")
    note_pruned(books.database, start)


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="The id of an attempt or call, or the end of it that a list shows.")],
    json: Json = False,
) -> None:
    """Everything about one call: each attempt, what it was decided on, its usage, and its price."""
    from aikit.cli.archived import note_archives
    from aikit.cli.books import open_books
    from aikit.cli.call import call_data, print_call
    from aikit.ledger.calls import get_call

    books = open_books()
    wanted = full_id(books, id)
    found = get_call(books.database, wanted)
    if found is None:
        if not note_archives(books.database, wanted):
            note(f"The ledger has no call {id}. `aikit calls list` shows those that there are.")
        raise typer.Exit(Exit.NO)
    if json:
        emit_json("calls.show", call_data(found, books.nano_per_credit))
    else:
        print_call(found)


def full_id(books: Books, text: str) -> UUID:
    """The id that a text is, or that one of the newest attempts ends in. Raises ConfigError if there is none."""
    from uuid import UUID

    try:
        return UUID(text)
    except ValueError:
        pass
    ending = text.strip().lower().replace("-", "")
    if len(ending) < 4 or not set(ending) <= set("0123456789abcdef"):
        raise ConfigError(f"{text!r} is not the id of a call.", remedy="`aikit calls list` shows ids.")
    from aikit.ledger.calls import list_calls

    newest = list_calls(books.database, limit=SEARCHED)
    found = {row.attempt for row in newest if row.attempt.hex.endswith(ending)}
    if len(found) == 1:
        return found.pop()
    how_many = f"{len(found)} of" if found else "none of"
    raise ConfigError(
        f"{how_many.capitalize()} the newest {len(newest):,} calls have ids that end in {ending}.",
        remedy="Give the whole id; `aikit calls list --json` has it.",
    )


def _print(rows: list[CallRow]) -> None:
    from aikit.cli.layout import Column

    columns: list[str | Column] = [
        "Id",
        "Time (UTC)",
        "Tenant",
        Column("User", drop=4),
        Column("Feature", drop=3),
        "Model",
        "State",
        Column("Tokens", drop=1),
        "Cost",
        Column("Took", drop=2),
    ]
    for_people = console().is_terminal
    table("Calls, the newest first", columns, [_cells(row, for_people) for row in rows])


def _cells(row: CallRow, for_people: bool) -> list[str]:
    return [
        row.attempt.hex[-SHORT:] if for_people else str(row.attempt),
        shown_time(row.at, for_people),
        row.tenant or UNKNOWN,
        row.user or UNKNOWN,
        row.feature or UNKNOWN,
        row.model if for_people else f"{row.provider}/{row.model}",
        _state(row),
        UNKNOWN if row.tokens is None else f"{row.tokens:,}",
        format_usd(row.nano),
        UNKNOWN if row.duration_ms is None else f"{row.duration_ms:,} ms",
    ]


def _state(row: CallRow) -> str:
    """`settled`, or with why: `refused: NO_POLICY`, `settled: estimated`, `settled: would be MINUTE_REQUEST_…`."""
    code = None if row.reason_code == ALLOWED else row.reason_code
    observed = f"would be {row.would_refuse}" if row.would_refuse else None
    marks = (code, row.error, "estimated" if row.estimated else None, observed, "corrected" if row.corrected else None)
    found = f"{row.findings} found" if row.findings else None
    why = [mark for mark in (*marks, found) if mark]
    return f"{row.state}: {', '.join(why)}" if why else str(row.state)


def shown_time(at: datetime, for_people: bool) -> str:
    """For people, today's without the date and others without the seconds."""
    if not for_people:
        return when(at)
    return f"{at:%H:%M:%S}" if at.date() == datetime.now(UTC).date() else f"{at:%m-%d %H:%M}"


def call_row(row: CallRow, nano_per_credit: int) -> dict[str, Any]:
    """An attempt as JSON has it."""
    return {
        "id": row.attempt,
        "call": row.call,
        "at": row.at,
        "tenant": row.tenant or None,
        "user": row.user,
        "feature": row.feature,
        "environment": row.environment,
        "provider": row.provider,
        "model": row.model,
        "api": row.api,
        "state": row.state,
        "reason_code": row.reason_code,
        "would_refuse": row.would_refuse,
        "error": row.error,
        "status": row.status,
        "estimated": row.estimated,
        "corrected": row.corrected,
        "tokens": row.tokens,
        "cost_usd": None if row.nano is None else usd_string(row.nano),
        "credits": None if row.nano is None else credits(row.nano, nano_per_credit),
        "bound_usd": None if row.bound_nano is None else usd_string(row.bound_nano),
        "duration_ms": row.duration_ms,
        "prompt": row.prompt,
        "findings": row.findings,
    }
