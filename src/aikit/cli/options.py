"""The options that several commands share, and how their text is read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from aikit.cli.moments import moment

Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="2026-11-01, 24h, 7d, today, week, month … (UTC)."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="As --since; the time itself is left out.")]
OfTenant = Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="Only this tenant.")]
OfUser = Annotated[str | None, typer.Option("--user", metavar="NAME", help="Only this user.")]
OfFeature = Annotated[str | None, typer.Option("--feature", metavar="NAME", help="Only this feature.")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the audit.")]


def read_moment(option: str, text: str | None) -> datetime | None:
    """The time that an option names. Raises BadParameter, which exits 2, for what is none."""
    if text is None:
        return None
    try:
        return moment(text, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
