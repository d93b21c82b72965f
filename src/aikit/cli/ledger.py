"""`aikit ledger`: check the books."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from aikit.cli.group import group
from aikit.cli.ledger_correct import correct
from aikit.cli.ledger_expire import expire
from aikit.cli.ledger_export import export
from aikit.cli.ledger_reconcile import reconcile
from aikit.cli.ledger_rerate import rerate
from aikit.cli.ledger_spool import spool
from aikit.cli.options import Json
from aikit.cli.output import UNKNOWN, emit_json, line, note, progress, table
from aikit.errors import Exit
from aikit.money import format_usd, usd_string

if TYPE_CHECKING:
    from aikit.ledger.verify import Finding, Verification

app = group("Check the books to the nano-dollar.")

SHOWN = 50
"""Findings that are shown to a person; JSON has them all."""


@app.command()
def verify(json: Json = False) -> None:
    """Whether entries, counters, holds, rollups and prices agree. Exits 1 and says where if they don't.

    It reads the whole ledger, at one instant, while it is in use.
    """
    from aikit.cli.books import open_books
    from aikit.ledger import verify as verifying

    database = open_books().database
    with progress("Verifying the ledger"):
        found = verifying.verify(database)
    if json:
        emit_json("ledger.verify", _data(found), {"findings": len(found.findings)})
    else:
        line(summary(found))
        _print_findings(found.findings)
    if not found.ok:
        raise typer.Exit(Exit.NO)


def summary(found: Verification) -> str:
    """`entries 1,204 = counters = rollups · holds 14 open, 0 expired · presumed 3 ($0.0041) · 0 … unexplained`."""
    kinds = {finding.kind.partition("_")[0] for finding in found.findings}
    agree = [f"{'≠' if name in kinds else '='} {name}s" for name in ("counter", "rollup")]
    parts = [
        " ".join([f"entries {found.entries:,}", *([f"+ {found.pruned:,} pruned"] if found.pruned else []), *agree]),
        f"holds {found.holds:,} open, {found.expired_holds:,} expired",
        f"presumed {found.presumed:,} ({format_usd(found.presumed_nano)})",
        f"{found.unexplained_nano:,} nano-dollars unexplained",
    ]
    return " · ".join(parts)


def _print_findings(findings: list[Finding]) -> None:
    if not findings:
        return
    table("Findings", ["Finding", "Tenant", "What", "Expected", "Found"], [_cells(one) for one in findings[:SHOWN]])
    if len(findings) > SHOWN:
        note(f"{len(findings) - SHOWN:,} more findings; `aikit ledger verify --json` has them all.")


def _cells(finding: Finding) -> list[str]:
    amounts = [_amount(amount, finding.money) for amount in (finding.expected, finding.found)]
    return [finding.kind, finding.tenant or UNKNOWN, finding.what, *amounts]


def _amount(amount: int | None, money: bool) -> str:
    if amount is None:
        return UNKNOWN
    return f"${usd_string(amount)}" if money else f"{amount:,}"


def _data(found: Verification) -> dict[str, Any]:
    return {
        "ok": found.ok,
        "entries": found.entries,
        "pruned_entries": found.pruned,
        "counters": found.counters,
        "rollups": found.rollups,
        "refusals": found.refusals,
        "holds": found.holds,
        "expired_holds": found.expired_holds,
        "presumed": found.presumed,
        "presumed_usd": usd_string(found.presumed_nano),
        "unexplained_usd": usd_string(found.unexplained_nano),
        "findings": [_finding_data(finding) for finding in found.findings],
    }


def _finding_data(finding: Finding) -> dict[str, Any]:
    """Amounts of money are in the fields ending `_usd`, counts in the others."""
    data: dict[str, Any] = {"kind": finding.kind, "tenant": finding.tenant or None, "what": finding.what}
    for name, amount in (("expected", finding.expected), ("found", finding.found)):
        data[name] = None if finding.money else amount
        data[f"{name}_usd"] = usd_string(amount) if finding.money and amount is not None else None
    return data


app.command()(reconcile)
app.command()(export)
app.command()(spool)
app.command()(correct)
app.command()(rerate)
app.command()(expire)
