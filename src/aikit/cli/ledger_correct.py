"""`aikit ledger correct`: lets an attempt have cost another amount, by a further entry."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.options import Json
from aikit.cli.output import emit_json, facts, line, note
from aikit.money import usd_string

if TYPE_CHECKING:
    from aikit.corrections import Corrected
    from aikit.ledger.charged import Charged
    from aikit.types import Usage

Attempt = Annotated[str, typer.Argument(help="The attempt, or a call with just one: the id, or the end of it.")]
Usd = Annotated[
    str | None, typer.Option("--usd", metavar="AMOUNT", help="What it cost in all, in dollars, such as 0.0123.")
]
Used = Annotated[
    str | None,
    typer.Option(
        "--usage", metavar="CLASSES", help="What it used, such as input=120,output=300, where that is not known yet."
    ),
]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the audit.", show_default=False)]
Who = Annotated[
    str | None, typer.Option("--who", metavar="NAME", help="Who says so.", show_default="AIKIT_ACTOR, else user@host")
]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]

MOST_TOKENS = 10**12
"""No attempt uses more of a class."""


def correct(
    attempt: Attempt,
    reason: Why,
    usd: Usd = None,
    usage: Used = None,
    who: Who = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Say what an attempt really cost in all. The difference is posted as a further entry; nothing is edited.

    A usage is charged at the price of the attempt, and its tokens count. It works on corrected attempts, too.
    """
    nano, used = _stated(usd, usage)
    if not reason.strip():
        raise typer.BadParameter("must not be empty", param_hint="--reason")
    from aikit import corrections
    from aikit.cli.agreeing import agree
    from aikit.cli.books import open_books
    from aikit.cli.calls import full_id
    from aikit.ledger.charged import charged

    books = open_books()
    found = charged(books.database, full_id(books, attempt))
    amount = corrections.to_correct(found, nano=nano, usage=used)
    if not json:
        _show(found, amount, used)
    if amount == found.nano and used is None:
        done = corrections.Corrected(found.attempt, found.tenant, amount, amount, posted=False)
    else:
        agree(f"Let {found.attempt} have cost ${usd_string(amount)} in all?", yes=yes)
        done = corrections.correct(books.database, found.attempt, nano=nano, usage=used, why=reason, who=who)
    if json:
        emit_json("ledger.correct", _data(done, found, used))
    elif not done.posted:
        note("There is nothing to correct: that is what it was charged.")
    else:
        line(f"corrected: ${usd_string(done.before)} → ${usd_string(done.after)}")


def _stated(usd: str | None, usage: str | None) -> tuple[int | None, Usage | None]:
    """What the options say. Raises BadParameter, which exits 2, for what can't be read and unless there is one."""
    if (usd is None) == (usage is None):
        raise typer.BadParameter("give one of the two", param_hint="--usd or --usage")
    return (None, read_usage(usage)) if usage is not None else (_amount(usd or ""), None)


def _amount(text: str) -> int:
    from aikit.money import parse_usd

    try:
        return parse_usd(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--usd") from None


def read_usage(text: str) -> Usage:
    """`input=120,output=300`. Raises BadParameter for anything but whole numbers of known classes, each once."""
    from aikit.types import USAGE_CLASSES, Usage

    counts: dict[str, int] = {}
    for part in text.split(","):
        name, equals, count = (piece.strip() for piece in part.partition("="))
        if name not in USAGE_CLASSES:
            close = get_close_matches(name, USAGE_CLASSES, n=1)
            known = f"did you mean {close[0]}?" if close else f"the classes are {', '.join(USAGE_CLASSES)}"
            raise typer.BadParameter(f"there is no usage class {name!r}; {known}", param_hint="--usage")
        if name in counts:
            raise typer.BadParameter(f"{name} is given twice", param_hint="--usage")
        if not equals or not (count.isascii() and count.isdecimal()) or len(count) > 13 or int(count) > MOST_TOKENS:
            raise typer.BadParameter(
                f"{name} needs a whole number from 0 to {MOST_TOKENS:,}, such as {name}=120", param_hint="--usage"
            )
        counts[name] = int(count)
    return Usage(**counts)


def _show(found: Charged, amount: int, usage: Usage | None) -> None:
    """What it was charged so far, what it will have been charged, and the difference."""
    entries = f", in {found.entries} entries" if found.entries > 1 else ""
    said = {} if usage is None else {name: count for name, count in usage.classes().items() if count}
    used = ", ".join(f"{count:,} {name}" for name, count in said.items()) or "nothing"
    facts(
        f"Attempt {found.attempt}",
        [
            ("Tenant", found.tenant),
            ("Model", f"{found.provider}/{found.model}"),
            *([("Used", used)] if usage is not None else []),
            ("Charged so far", f"${usd_string(found.nano)}{entries}"),
            ("To be charged", f"${usd_string(amount)}"),
            ("Difference", difference(amount - found.nano)),
        ],
    )


def difference(nano: int) -> str:
    """With its sign: `+$0.003`, `-$0.003`, `$0`."""
    sign = "+" if nano > 0 else "-" if nano < 0 else ""
    return f"{sign}${usd_string(abs(nano))}"


def _data(done: Corrected, found: Charged, usage: Usage | None) -> dict[str, Any]:
    return {
        "id": done.attempt,
        "call": found.call,
        "tenant": done.tenant,
        "provider": found.provider,
        "model": found.model,
        "before_usd": usd_string(done.before),
        "after_usd": usd_string(done.after),
        "difference_usd": usd_string(done.after - done.before),
        "tokens": None if usage is None else usage.classes(),
        "posted": done.posted,
    }
