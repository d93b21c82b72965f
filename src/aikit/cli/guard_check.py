"""`aikit guard check`: try guards on a text, without a call and without recording anything."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aikit.cli.options import Json
from aikit.cli.output import UNKNOWN, emit_json, gap, line, note, table
from aikit.cli.policy_page import heading
from aikit.errors import ConfigError, Exit

if TYPE_CHECKING:
    from aikit.guards.trial import Found, Trial
    from aikit.policy.model import Caller
    from aikit.types import GuardRule, Place

LARGEST = 10_000_000
"""Bytes of a text that are read."""
DONE = {"allow": "Passes", "flag": "Flagged", "redact": "Redacted", "block": "Blocked"}


def check(
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="The text; - reads it from stdin.", show_default=False)
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", metavar="PATH", help="The text is in this file.")] = None,
    guard: Annotated[
        list[str] | None,
        typer.Option(
            "--guard", metavar="NAME", help="A guard, as it is if nothing is stated, or pii = { … }. Repeatable."
        ),
    ] = None,
    place: Annotated[
        Literal["input", "output", "tool_arguments", "tool_results"],
        typer.Option("--place", help="Where the text would stand."),
    ] = "input",
    policies: Annotated[
        str | None, typer.Option("--policies", metavar="FILE", help="The guards that this policy file states.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="NAME", help="The guards that apply to this tenant.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="NAME", help="The user it names.")] = None,
    feature: Annotated[str | None, typer.Option("--feature", metavar="NAME", help="The feature it names.")] = None,
    environment: Annotated[
        Literal["dev", "staging", "prod"] | None,
        typer.Option("--environment", help="Where it is made; the configured one if left out."),
    ] = None,
    plan: Annotated[
        str | None, typer.Option("--plan", metavar="NAME", help="With --policies: the plan of the tenant.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Show what was found, too.")] = False,
    json: Json = False,
) -> None:
    """What guards find in a text, and what of it would pass.

    The guards are those that you name, those of a policy file, or those that are in force for a caller. Exits 1 if the
    text would be blocked. Positions are counted in characters, from 0. Only --tenant without --policies needs a
    database.
    """
    from aikit.types import Place as TextPlace

    given = _read(text, file)
    at = TextPlace(place)
    if guard:
        if policies is not None or tenant is not None:
            raise ConfigError(
                "It is not clear which guards to try.", remedy="Give --guard, or --policies, or --tenant."
            )
        rules = _named(guard, at)
    elif policies is not None:
        rules = _of_file(policies, tenant, user, feature, environment, plan)
    elif tenant is not None:
        rules = _in_force(tenant, user, feature, environment)
    else:
        raise ConfigError(
            "Which guards are to be tried?",
            remedy="Name some (--guard pii), a policy file (--policies policies.toml), or a caller (--tenant acme).",
        )
    rules = _that_can_be_tried(rules, at)
    from aikit.guards.trial import try_guards

    trial = try_guards(rules, at, given)
    if json:
        found = [_data(one, given, show) for one in trial.found]
        data = {
            "place": place,
            "action": str(trial.action),
            "blocked": trial.text is None,
            "guards": [_rule_data(r) for r in rules],
        }
        emit_json("guard.check", {**data, "found": found, "text": trial.text}, {"findings": len(found)})
    else:
        _print(trial, given, show)
    if trial.text is None:
        raise typer.Exit(Exit.NO)


def _read(text: str | None, file: Path | None) -> str:
    """The text to be tried. Raises ConfigError."""
    if (text is None) == (file is None):
        raise ConfigError("It is not clear what to check.", remedy="Give a text, - for stdin, or --file PATH.")
    if text not in (None, "-"):
        return str(text)
    where = "stdin" if file is None else file.name
    try:
        if file is None:
            found = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with file.open("rb") as opened:
                found = opened.read(LARGEST + 1)
        if len(found) > LARGEST:
            raise ConfigError(f"{where} has more than {LARGEST:,} bytes.", remedy="Check a part of it.")
        return found.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{where} is not UTF-8.", remedy="Convert it to UTF-8.") from None
    except OSError as error:
        raise ConfigError(
            f"{file} can't be read: {error.strerror}.", remedy="Check its path and permissions."
        ) from None


def _named(guards: list[str], place: Place) -> list[GuardRule]:
    """Guards by name, or as a policy file states them. Raises ConfigError."""
    from aikit.cli.guard_list import check_known
    from aikit.cli.policy_file import USUAL_CREDIT, parse
    from aikit.policy.model import Caller
    from aikit.policy.resolve import resolve

    for each in guards:
        if "=" not in each and not each.startswith("custom."):
            check_known(each)
    stated = [each if "=" in each else f'{each} = {{ on = ["{place}"] }}' for each in guards]
    found = parse("[default.guards]\n" + "\n".join(stated), "--guard", USUAL_CREDIT)
    return list(resolve(found, Caller("")).guards)


def _of_file(
    file: str, tenant: str | None, user: str | None, feature: str | None, environment: str | None, plan: str | None
) -> list[GuardRule]:
    from aikit.cli.policy_file import USUAL_CREDIT, parse, read_text
    from aikit.policy.model import Caller
    from aikit.policy.resolve import resolve

    caller = Caller(tenant or "", user, feature, environment or _environment(), plan)
    return list(resolve(parse(*read_text(file), USUAL_CREDIT), caller).guards)


def _in_force(tenant: str, user: str | None, feature: str | None, environment: str | None) -> list[GuardRule]:
    from aikit.cli.books import open_books
    from aikit.cli.policy_explain import caller_of
    from aikit.ledger.policies import read_policies
    from aikit.ledger.reading import check_tags
    from aikit.policy.resolve import resolve

    check_tags(tenant=tenant, user=user, feature=feature)
    books = open_books()
    found = read_policies(books.database)
    caller: Caller = caller_of(books, tenant, user, feature, environment or _environment(), found.version)
    return list(resolve([stored.policy for stored in found.policies], caller).guards)


def _environment() -> str:
    from aikit.config import load

    return load().environment


def _that_can_be_tried(rules: list[GuardRule], place: Place) -> list[GuardRule]:
    """Without guards that look elsewhere, and those of which nothing can be known here, which is said."""
    from aikit.guards.custom import installed

    tried = []
    for rule in rules:
        if place not in rule.places:
            continue
        if rule.guard == "canary":
            note("canary is not tried: it looks for a token that is in the request of a call.")
        elif rule.guard.startswith("custom.") and installed(rule.guard.removeprefix("custom.")) is None:
            note(f"{rule.guard} is not tried: no installed package offers it, the application makes it known.")
        else:
            tried.append(rule)
    if not tried:
        note(f"No guard that can be tried here looks at {place}.")
    return tried


def _print(trial: Trial, given: str, show: bool) -> None:
    heading(_summary(trial))
    if trial.found:
        columns = ["Guard", "Kind", "Action", "At", "Length", *(["Text"] if show else [])]
        gap()
        table("Found", columns, [_cells(one, given, show) for one in trial.found])
    if trial.text is not None and trial.found:
        gap()
        heading("What passes")
        for written in trial.text.split("\n"):
            line(written)


def _summary(trial: Trial) -> str:
    if not trial.found:
        return "Nothing found: it passes as it is"
    acted = [one.guard for one in trial.found if one.action is trial.action] or [trial.found[-1].guard]
    return f"{DONE[trial.action]} by {', '.join(dict.fromkeys(acted))}"


def _cells(one: Found, given: str, show: bool) -> list[str]:
    at, length = [UNKNOWN if number is None else f"{number:,}" for number in (one.start, one.length)]
    return [one.guard, one.kind, one.action, at, length, *([_part(one, given) or UNKNOWN] if show else [])]


def _part(one: Found, given: str) -> str | None:
    if one.start is None or one.length is None:
        return None
    return given[one.start : one.start + one.length]


def _data(one: Found, given: str, show: bool) -> dict[str, Any]:
    found = {"guard": one.guard, "kind": one.kind, "action": str(one.action), "start": one.start, "length": one.length}
    return found | ({"text": _part(one, given)} if show else {})


def _rule_data(rule: GuardRule) -> dict[str, Any]:
    from aikit.policy.guards import rule_data

    return rule_data(rule)
