"""`aikit audit`: every change that a person made, and whether the record of it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.group import group
from aikit.cli.options import Json, OfTenant, Since, Until, read_moment
from aikit.cli.output import UNKNOWN, console, emit_json, facts, gap, line, note, progress, table, when
from aikit.errors import Exit

if TYPE_CHECKING:
    from aikit.ledger.audit import AuditRow, AuditVerification

app = group("Who changed what, when and why; and whether that record is whole.")

Who = Annotated[str | None, typer.Option("--who", metavar="NAME", help="Only what this person or program did.")]
OfAction = Annotated[
    str | None, typer.Option("--action", metavar="NAME", help="Only this action, or those that begin so: policy.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")]


@app.command("list")
def list_(
    since: Since = None,
    until: Until = None,
    who: Who = None,
    action: OfAction = None,
    tenant: OfTenant = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """The newest changes of policies, limits, plans and tenants, one line each."""
    start, end = read_moment("--since", since), read_moment("--until", until)
    from aikit.cli.books import open_books
    from aikit.ledger.audit import list_audit

    books = open_books()
    rows = list_audit(books.database, since=start, until=end, who=who, action=action, tenant=tenant, limit=limit)
    if json:
        emit_json("audit.list", [change_data(row) for row in rows], {"changes": len(rows)})
    elif rows:
        _print(rows, books.nano_per_credit)
    if not rows:
        note("No such changes." if any((since, until, who, action, tenant)) else "Nothing has been changed yet.")


@app.command()
def show(
    seq: Annotated[int, typer.Argument(min=1, metavar="SEQ", help="The number of the change, as a list has it.")],
    json: Json = False,
) -> None:
    """One change in full: what was before, and what after."""
    from aikit.cli.books import open_books
    from aikit.ledger.audit import get_audit

    books = open_books()
    row = get_audit(books.database, seq)
    if row is None:
        note(f"There is no change {seq}. `aikit audit list` shows those that there are.")
        raise typer.Exit(Exit.NO)
    if json:
        emit_json("audit.show", change_data(row))
        return
    from aikit.cli.audit_words import in_full
    from aikit.cli.policy_page import changes

    facts(f"Change {row.seq}", _facts(row))
    gap()
    changes(in_full(row, books.nano_per_credit))


@app.command()
def verify(
    head: Annotated[
        str | None, typer.Option("--head", metavar="SEQ:HASH", help="A head noted before: is that change still in it?")
    ] = None,
    json: Json = False,
) -> None:
    """Whether a change was edited, removed or put elsewhere. Exits 1 and says which if so.

    Keep the head that it prints where nobody who can write to the database can change it, and give it here later:
    that tells a record that was rewritten as a whole.
    """
    from aikit.cli.books import open_books
    from aikit.ledger.audit import verify_audit

    database = open_books().database
    with progress("Verifying the audit"):
        found = verify_audit(database, head=head)
    if json:
        data = {"ok": found.ok, "rows": found.rows, "head": found.head, "findings": list(found.findings)}
        emit_json("audit.verify", data, {"findings": len(found.findings)})
    else:
        _print_verification(found)
    if not found.ok:
        raise typer.Exit(Exit.NO)


def _print_verification(found: AuditVerification) -> None:
    wrong = _count(len(found.findings), "finding")
    line(f"{_count(found.rows, 'change')} · {'as they were recorded' if found.ok else wrong}")
    line(f"head {found.head}")
    for finding in found.findings:
        line(f"- {finding}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _print(rows: list[AuditRow], nano_per_credit: int) -> None:
    from aikit.cli.audit_words import short
    from aikit.cli.calls import shown_time
    from aikit.cli.layout import Column

    columns: list[str | Column] = ["Seq", "Time (UTC)", "Who", "Action", "Of", "Change", Column("Why", 1)]
    for_people = console().is_terminal
    cells = [
        [
            f"{row.seq}",
            shown_time(row.at, for_people),
            row.who,
            row.action,
            row.subject,
            short(row, nano_per_credit) or UNKNOWN,
            row.why or UNKNOWN,
        ]
        for row in rows
    ]
    table("Changes, the newest first", columns, cells)


def _facts(row: AuditRow) -> list[tuple[str, str]]:
    version = [("Policy version", f"{row.policy_version}")] if row.policy_version is not None else []
    return [
        ("Time", f"{when(row.at)} UTC"),
        ("Who", row.who),
        ("Action", row.action),
        ("Of", row.subject),
        ("Why", row.why or UNKNOWN),
        *version,
        ("Hash", row.hash),
    ]


def change_data(row: AuditRow) -> dict[str, Any]:
    """A change as JSON has it."""
    return {
        "seq": row.seq,
        "at": row.at,
        "who": row.who,
        "action": row.action,
        "subject": row.subject,
        "tenant": row.tenant,
        "before": _in_dollars(row.before),
        "after": _in_dollars(row.after),
        "why": row.why,
        "policy_version": row.policy_version,
        "hash": row.hash,
    }


def _in_dollars(side: Any) -> Any:
    """What was or is, with the limits of a policy as JSON has them everywhere: money in dollars."""
    from aikit.cli.policy_words import in_dollars

    if not isinstance(side, dict) or "limits" not in side:
        return side
    return side | {"limits": [in_dollars(limit) for limit in side["limits"]]}
