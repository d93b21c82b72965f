"""`aikit policy diff`: what a file would change, or what differs between two versions; and how that is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.options import Json
from aikit.cli.output import emit_json, line, note
from aikit.cli.policy_page import changes as print_changes
from aikit.errors import ConfigError, Exit

if TYPE_CHECKING:
    from aikit.cli.books import Books
    from aikit.ledger.policies import PolicySet
    from aikit.policy.changes import Change
    from aikit.policy.model import Policy


def diff(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="A policy file; - reads it from stdin.", show_default=False)
    ] = None,
    version: Annotated[
        int | None, typer.Option("--version", min=1, metavar="N", help="From this version, instead of a file.")
    ] = None,
    against: Annotated[
        int | None, typer.Option("--against", min=1, metavar="M", help="To this version; what is in force if left out.")
    ] = None,
    json: Json = False,
) -> None:
    """What a file would change, or what differs between versions.

    Exits 1 if anything differs. With --version 3: what has changed since then; with --against 5: until then.
    """
    if (file is None) == (version is None) or (version is None and against is not None):
        raise ConfigError(
            "It is not clear what to compare.",
            remedy="Give a file, or --version N, or --version N --against M.",
        )
    from aikit.cli.books import open_books

    books = open_books()
    found = of_file(books, file)[0] if file is not None else _of_versions(books, version, against)
    if json:
        emit_json("policy.diff", changes_data(found, books), totals(found))
    else:
        show(found, books)
        if not found:
            line("nothing differs")
    if found:
        raise typer.Exit(Exit.NO)


def of_file(books: Books, file: str) -> tuple[tuple[Change, ...], tuple[Policy, ...], PolicySet]:
    """What applying a file would change, the policies in it, and those in force. Raises ConfigError."""
    from aikit.cli.policy_file import parse, read_text
    from aikit.ledger.policies import plan_change, read_policies

    wanted = parse(*read_text(file), books.nano_per_credit)
    in_force = read_policies(books.database)
    return plan_change(books.database, wanted), wanted, in_force


def show(changes: Sequence[Change], books: Books) -> None:
    """The difference as people read it, a line a field."""
    from aikit.policy.changes import words

    for change in changes:
        print_changes(words(change, books.nano_per_credit))


def note_loosening(changes: Sequence[Change]) -> None:
    """Say what should not be overlooked: that more passes than before."""
    loosened = [change.name for change in changes if any(field.loosens for field in change.fields)]
    if loosened:
        note(f"More will pass than now by {', '.join(loosened)}.")


def changes_data(changes: Sequence[Change], books: Books) -> list[dict[str, Any]]:
    """The difference as JSON has it."""
    from aikit.cli.policy_words import change_data

    return [change_data(change, books.nano_per_credit) for change in changes]


def totals(changes: Sequence[Change]) -> dict[str, int]:
    """How many policies were added, changed and removed."""
    kinds = [change.kind for change in changes]
    return {kind: kinds.count(kind) for kind in ("added", "changed", "removed")}


def _of_versions(books: Books, version: int | None, against: int | None) -> tuple[Change, ...]:
    from aikit.ledger.policies import read_policies
    from aikit.policy.changes import compare

    before, after = [read_policies(books.database, version=number).policies for number in (version, against)]
    return compare([stored.policy for stored in before], [stored.policy for stored in after])
