"""`aikit policy show` and `history`: the policies of a version, and how they came about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.options import Json
from aikit.cli.output import emit_json, line, note, table, when
from aikit.cli.policy_page import Item, heading, section
from aikit.errors import ConfigError

if TYPE_CHECKING:
    from aikit.cli.books import Books
    from aikit.ledger.policies import PolicySet, StoredPolicy, VersionRow
    from aikit.policy.model import Policy

FIELDS = (
    "description",
    "priority",
    "entitlements",
    "requires",
    "allow",
    "deny",
    "max_output_tokens",
    "default_output_tokens",
    "max_prompt_characters",
    "unpriced",
    "clamp",
    "lease",
    "presume",
    "on_ledger_failure",
    "uncapped",
    "loops",
    "velocity",
)
"""In the order in which they are shown; limits and guards come after them."""
SUMMARY = 6
"""Lines of what a version did that a list shows."""


def show(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One policy in full, like plan:free.", show_default=False)
    ] = None,
    version: Annotated[
        int | None, typer.Option("--version", min=1, metavar="N", help="As of this version, not the newest.")
    ] = None,
    toml: Annotated[bool, typer.Option("--toml", help="As a policy file.")] = False,
    json: Json = False,
) -> None:
    """The policies in force, or one of them in full."""
    if toml and json:
        raise ConfigError("It can't be TOML and JSON at once.", remedy="Give one of --toml and --json.")
    from aikit.cli.books import open_books
    from aikit.ledger.policies import read_policies

    books = open_books()
    found = read_policies(books.database, version=version)
    shown = found.policies if name is None else (named(found, name),)
    if json:
        rows = [_data(stored) for stored in shown]
        emit_json("policy.show", rows[0] if name else rows, {"version": found.version, "policies": len(rows)})
    elif toml:
        _print_toml(shown, books)
    elif name is not None:
        _print_one(shown[0], found.version)
    elif shown:
        columns = ["Policy", "Limits", "States", "Version", "Set"]
        table(f"Policies of version {found.version}", columns, [_cells(stored) for stored in shown])
    else:
        note(f"Version {found.version} has no policies. Begin with a file: aikit policy init")


def history(
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many versions at most.")] = 20,
    json: Json = False,
) -> None:
    """Who changed what, when and why, the newest first."""
    from aikit.cli.books import open_books
    from aikit.ledger import policies

    rows = policies.history(open_books().database, limit)
    if json:
        data = [
            {"version": row.version, "at": row.at, "who": row.who, "why": row.why, "summary": list(row.summary)}
            for row in rows
        ]
        emit_json("policy.history", data, {"versions": len(rows)})
        return
    for row in rows:
        _print_version(row)
    if not rows:
        note("No policy, plan or tenant has been changed yet. Begin with a file: aikit policy init")


def named(found: PolicySet, name: str) -> StoredPolicy:
    """The policy with this name, or with this heading in a file (plans.free). Raises ConfigError if there is none."""
    from aikit.policy.file.writing import heading as heading_of

    for stored in found.policies:
        if stored.policy.name == name:
            return stored
    for stored in found.policies:
        if heading_of(stored.policy) == name:
            return stored
    known = [stored.policy.name for stored in found.policies]
    raise ConfigError(
        f"Version {found.version} has no policy {name!r}.",
        code="POLICY_UNKNOWN",
        remedy=_nearest(name, known),
    )


def _nearest(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else "`aikit policy show` lists those that there are."


def _cells(stored: StoredPolicy) -> list[str]:
    policy = stored.policy
    states = ", ".join([field for field in (*FIELDS, "guards") if _states(policy, field) and field != "description"])
    return [policy.name, f"{len(policy.limits)}", states or "—", f"{stored.since}", _origin(stored)]


def _print_one(stored: StoredPolicy, version: int) -> None:
    from aikit.cli.policy_words import cap_words, field_words, limit_title
    from aikit.policy.file.guards import in_words

    policy = stored.policy
    facts = [
        Item("for", policy.scope.label if any(policy.scope) else "every call"),
        Item("set", f"{_origin(stored)}, in force since version {stored.since}; this is version {version}"),
    ]
    fields = [Item(name, field_words(name, getattr(policy, name))) for name in FIELDS if _states(policy, name)]
    limits = [Item(limit_title(limit), cap_words(limit)) for limit in policy.limits]
    section(policy.name, facts)
    if fields:
        section("States", fields)
    if limits:
        section("Limits", limits)
    if policy.guards:
        section("Guards", [Item(stated.guard, in_words(stated)) for stated in policy.guards])


def _print_toml(shown: tuple[StoredPolicy, ...], books: Books) -> None:
    from aikit.policy.file.writing import write_policies

    text = write_policies([stored.policy for stored in shown], nano_per_credit=books.nano_per_credit)
    for written in text.split("\n")[:-1]:
        line(written)
    by_hand = [stored.policy.name for stored in shown if stored.by_hand]
    if by_hand:
        note(f"Set by hand, and no longer once a file with them is applied: {', '.join(by_hand)}.")


def _print_version(row: VersionRow) -> None:
    heading(f"version {row.version} · {when(row.at)} UTC · {row.who}{f' · {row.why}' if row.why else ''}")
    for text in row.summary[:SUMMARY]:
        line(f"  {text}")
    if len(row.summary) > SUMMARY:
        whole = f"aikit policy diff --version {row.version - 1} --against {row.version}"
        line(f"  and {len(row.summary) - SUMMARY:,} more: {whole}")


def _data(stored: StoredPolicy) -> dict[str, Any]:
    from aikit.cli.policy_words import policy_data

    return {**policy_data(stored.policy), "set_by": "hand" if stored.by_hand else "file", "since": stored.since}


def _states(policy: Policy, field: str) -> bool:
    value = getattr(policy, field)
    return bool(value) if field in ("priority", "guards") else value is not None


def _origin(stored: StoredPolicy) -> str:
    return "by hand" if stored.by_hand else "by a file"
