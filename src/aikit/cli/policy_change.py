"""`aikit policy apply`, `rollback` and `remove`: change what is in force, once the difference was seen and agreed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.options import Json
from aikit.cli.output import emit_json, line, note, visible
from aikit.cli.policy_diff import changes_data, note_loosening, of_file, show, totals
from aikit.cli.policy_file import File
from aikit.errors import ConfigError, Exit

if TYPE_CHECKING:
    from aikit.cli.books import Books
    from aikit.ledger.policies import PolicySet
    from aikit.policy.changes import Change
    from aikit.policy.model import Policy

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept in the history.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]


def apply(file: File, yes: Yes = False, reason: Reason = None, dry_run: DryRun = False, json: Json = False) -> None:
    """Put the policies of a file in force, after showing what changes.

    All of it at once, from the very next call of every process. They replace those of the file before. Policies that
    were set by hand stay, unless the file has one of that name.
    """
    from aikit.cli.books import open_books
    from aikit.ledger import policies

    books = open_books()
    changes, wanted, in_force = of_file(books, file)
    taken_over = _taken_over(wanted, in_force)
    if not json:
        show(changes, books)
    for name in taken_over:
        note(f"{name} was set by hand; from now on the file has it.")
    if dry_run or not (changes or taken_over):
        _tell("policy.apply", books, in_force.version, changes, False, json)
        return
    note_loosening(changes)
    _agree(changes, books, yes, json, f"Apply this to version {in_force.version}?")
    applied = policies.apply(books.database, wanted, why=reason, expected_version=in_force.version)
    _tell("policy.apply", books, applied.version, applied.changes, True, json)


def rollback(
    version: Annotated[int, typer.Argument(min=1, help="The version to go back to; `aikit policy history` has them.")],
    yes: Yes = False,
    reason: Reason = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Go back to the policies of an earlier version.

    They come into force again as a new version: all of them, those that were set by hand, too. Tenants, and who is on
    which plan, stay as they are.
    """
    from aikit.cli.books import open_books
    from aikit.ledger import policies

    books = open_books()
    in_force = policies.read_policies(books.database)
    changes = policies.plan_rollback(books.database, version)
    if not json:
        show(changes, books)
    if dry_run or not changes:
        _tell("policy.rollback", books, in_force.version, changes, False, json)
        return
    note_loosening(changes)
    _agree(changes, books, yes, json, f"Go back from version {in_force.version} to what version {version} had?")
    applied = policies.rollback(books.database, version, why=reason, expected_version=in_force.version)
    _tell("policy.rollback", books, applied.version, applied.changes, True, json)


def remove(
    name: Annotated[str, typer.Argument(help="The policy, as `aikit policy show` names it.")],
    yes: Yes = False,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Remove a policy that was set by hand.

    One that a file has is removed by applying the file without it.
    """
    from aikit.cli.books import open_books
    from aikit.cli.policy_show import named
    from aikit.ledger.policies import read_policies, remove_policy
    from aikit.policy.changes import compare

    books = open_books()
    in_force = read_policies(books.database)
    found = named(in_force, name)
    if not found.by_hand:
        raise ConfigError(
            f"The policy {name!r} comes from a file.",
            remedy="Take it out of the file, and apply that: aikit policy apply FILE.",
        )
    changes = compare([found.policy], [])
    if not json:
        show(changes, books)
    _agree(changes, books, yes, json, "Remove it?")
    removed = remove_policy(books.database, found.policy.name, why=reason)
    version = read_policies(books.database).version
    _tell("policy.remove", books, version, changes if removed else (), removed, json)
    if not removed:
        raise typer.Exit(Exit.NO)


def _agree(changes: Sequence[Change], books: Books, yes: bool, json: bool, question: str) -> None:
    """Ask, unless that was settled by --yes. Raises ConfigError where nobody can be asked, Exit for a no."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError(
            "Nothing was changed: there is no terminal to ask on.",
            remedy="Add --yes to do it without asking. `aikit policy diff` only shows what would change.",
        )
    if json:
        _note_changes(changes, books)
    if not typer.confirm(visible(question), err=True):
        note("Nothing was changed.")
        raise typer.Exit(Exit.NO)


def _note_changes(changes: Sequence[Change], books: Books) -> None:
    from aikit.policy.changes import words

    for change in changes:
        for text in words(change, books.nano_per_credit):
            note(text)


def _tell(name: str, books: Books, version: int, changes: Sequence[Change], done: bool, json: bool) -> None:
    """What came of it."""
    if json:
        data: dict[str, Any] = {"version": version, "applied": done, "changes": changes_data(changes, books)}
        emit_json(name, data, totals(changes))
    elif done:
        line(f"version {version} is in force")
    elif not changes:
        line(f"nothing to change: version {version} stays in force")
    else:
        note(f"Nothing was changed: version {version} stays in force.")


def _taken_over(wanted: Sequence[Policy], in_force: PolicySet) -> list[str]:
    """The policies that were set by hand and that a file now has."""
    names = {policy.name for policy in wanted}
    return [stored.policy.name for stored in in_force.policies if stored.by_hand and stored.policy.name in names]
