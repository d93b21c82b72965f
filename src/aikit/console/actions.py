"""What the console may change with --allow-actions: a limit, a breaker, a label. All of it is audited.

Whoever decides has looked at a row: if it is not like that any more, nothing is done, and the error says how it is now.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

from aikit.console.bounded import bounded
from aikit.console.breaker_words import state_word
from aikit.console.details.words import utc, when
from aikit.console.words import Style, visible
from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.breakers import BreakerRow, force_breaker, reset_breaker
from aikit.ledger.limit_stated import change_stated
from aikit.ledger.limits import LimitRow
from aikit.ledger.prompt_labels import rollback, way_back
from aikit.ledger.tenants import ANCHORS, check_limit
from aikit.money import parse_usd
from aikit.policy.changes import Counted, limit_name
from aikit.policy.model import Scope, StatedLimit
from aikit.policy.words import amount
from aikit.types import Action, Metric, Window

Kind = Literal["trip", "close", "reset"]
FOLLOWED = timedelta(seconds=5)
"""After so long a label that was moved is followed by every process that reaches the ledger."""
SIZES = {"": 1, "k": 10**3, "m": 10**6}
COUNT = re.compile(r"(\d{1,3}(?:,\d{3})+|\d{1,15})(\.\d{1,6})?([km]?)", re.IGNORECASE | re.ASCII)
PLAIN = Style()


class Wanted(NamedTuple):
    """What a limit is to be; amounts in the metric's unit, for credits nano-USD."""

    cap: int
    soft_cap: int | None
    window: Window


def wanted(row: LimitRow, *, cap: str | None, soft_cap: str | None, window: str | None) -> Wanted:
    """What was typed for a limit. None leaves a field as it is; a soft cap of "" removes it.

    Raises ConfigError for what can't be, and for what changes nothing.
    """
    found = Wanted(
        row.cap if cap is None else _amount("cap", cap, row.metric),
        row.soft_cap if soft_cap is None else _amount("soft cap", soft_cap, row.metric) if soft_cap.strip() else None,
        row.window if window is None else _window(window),
    )
    check_limit(StatedLimit(row.metric, found.window, found.cap, found.soft_cap, row.action))
    if found == (row.cap, row.soft_cap, row.window):
        raise ConfigError("Nothing would change.", remedy="Type another cap, soft cap or window.")
    return found


def proposed(row: LimitRow, *, cap: str | None, soft_cap: str | None, window: str | None) -> tuple[str, ...]:
    """What a change would come to, in lines: before and after, whom it touches, and what it does at once.

    Raises ConfigError for what can't be. Does no I/O: whether a file manages the policy is found out when it is done.
    """
    after = wanted(row, cap=cap, soft_cap=soft_cap, window=window)
    lines = [f"{row.tenant} · {_change(row, after)}"]
    if row.source == f"tenant:{row.tenant}":
        lines.append(f"Stated by the policy {row.source}: it touches {row.tenant} and nobody else.")
    else:
        lines.append(f"Stated by the policy {row.source}: it touches everyone whom that is for, not only {row.tenant}.")
    if after.window is not row.window:
        lines.append("What has been used in the new window counts from the start, as the ledger has it.")
    elif row.used is not None and row.held is not None and row.window is not Window.CALL:
        lines += _at_once(row, after.cap, row.used + row.held)
    return tuple(lines)


def change_limit(
    database: Database, row: LimitRow, *, cap: str | None, soft_cap: str | None, window: str | None, why: str
) -> str:
    """Change a limit where it is stated, whichever policy that is; in force on the next call of every process.

    Amounts are as a person types them: dollars for credits, else counts such as 250k or 1.5M. Raises ConfigError for
    what can't be, for a limit that has changed since (LIMIT_CHANGED), and for a policy that a file manages
    (POLICY_OF_FILE).
    """
    after = wanted(row, cap=cap, soft_cap=soft_cap, window=window)
    with bounded(database) as books:
        found, _ = change_stated(books, row, lambda limit: _changed(limit, after), why=why.strip() or None)
    touched = _touched(found.stored.policy.scope)
    return f"{row.source} · {_change(row, after)}. It touches {touched}, from the next call on."


def move_breaker(database: Database, row: BreakerRow, kind: Kind, *, lasting: timedelta | None = None, why: str) -> str:
    """Force a breaker open or closed, for a time or until it is reset; or leave it to its own rules again.

    Raises ConfigError for a time out of bounds, and for a breaker that is no longer as in the row (BREAKER_MOVED).
    """
    key, seen, reason = row.breaker.key, row.breaker.state, why.strip() or None
    with bounded(database) as books:
        if kind == "reset":
            was, after = reset_breaker(books, key, why=reason, seen=seen)
        else:
            was, after = force_breaker(books, key, open=kind == "trip", lasting=lasting, why=reason, seen=seen)
    until = f" until {utc(after.until)}" if after.until else ""
    before, now = [state_word(state, PLAIN)[0] for state in (was.state, after.state)]
    return f"{visible(after.name)} · {before} → {now}{until}, from the next call on."


class Way(NamedTuple):
    """A label points to version `seen`, and a rollback takes it to version `target`."""

    seen: int
    target: int


def rollback_target(database: Database, name: str, label: str) -> Way:
    """Where a rollback would take a label. Raises PromptNotFound if there is nothing to go back to."""
    with bounded(database) as books:
        return Way(*way_back(books, name, label))


def rollback_told(way: Way, name: str, label: str) -> tuple[str, ...]:
    """What a rollback would come to, in lines."""
    return (
        f"{name}@{label} · v{way.seen} → v{way.target}",
        f"Every process that renders {name}@{label} uses v{way.target} within {FOLLOWED.seconds} s; no eval is asked.",
    )


def rollback_prompt(database: Database, name: str, label: str, *, why: str, seen: Way | int | None = None) -> str:
    """Point a label back to where it came from.

    Raises PromptNotFound if there is nothing to go back to, ConfigError if it no longer points to what was seen
    (LABEL_MOVED).
    """
    version, to = (seen.seen, seen.target) if isinstance(seen, Way) else (seen, None)
    with bounded(database) as books:
        move = rollback(books, name, label, to=to, why=why.strip() or None, seen=version)
    return f"{name}@{label} · v{move.was} → v{move.version}, in all processes by {when(move.at + FOLLOWED)} UTC."


def _changed(limit: StatedLimit, after: Wanted) -> StatedLimit:
    """A window that starts otherwise starts at its beginning: an hour of the day is no day of the month."""
    changed = replace(limit, cap=after.cap, soft_cap=after.soft_cap, window=after.window)
    if after.window is limit.window:
        return changed
    return replace(changed, anchor=0, zone=limit.zone if after.window in ANCHORS else "UTC")


def _change(row: LimitRow, after: Wanted) -> str:
    """`credits/month: $25.00 → $40.00, soft cap $20.00 → none, month → week`."""
    parts = []
    if after.cap != row.cap:
        parts.append(f"{amount(row.cap, row.metric)} → {amount(after.cap, row.metric)}")
    if after.soft_cap != row.soft_cap:
        sides = ["none" if side is None else amount(side, row.metric) for side in (row.soft_cap, after.soft_cap)]
        parts.append(f"soft cap {' → '.join(sides)}")
    if after.window is not row.window:
        parts.append(f"{row.window} → {after.window}")
    return f"{limit_name(Counted(row.metric, row.window, row.action, None))}: {', '.join(parts)}"


def _at_once(row: LimitRow, cap: int, counted: int) -> list[str]:
    """What the next call meets, where that is not what it meets now."""
    verb = "is refused" if row.action is Action.BLOCK else "is marked"
    resets = f" until {utc(row.resets_at)}" if row.resets_at else ""
    if counted >= cap and counted < row.cap:
        return [f"{amount(counted, row.metric)} of it is used or held: what counts for it {verb}{resets}."]
    if counted >= row.cap and counted < cap:
        return [f"{amount(cap - counted, row.metric)} of it is left then: calls pass again."]
    return []


def _touched(scope: Scope) -> str:
    """Whom a policy is for, in words."""
    named = {
        "tenant": scope.tenant,
        "the user": scope.user,
        "the feature": scope.feature,
        "everyone on the plan": scope.plan,
        "the environment": scope.environment,
    }
    parts = [f"{name} {value}" for name, value in named.items() if value is not None]
    return ", ".join(parts) or "every tenant that nothing more specific is stated for"


def _amount(field: str, text: str, metric: Metric) -> int:
    if metric is Metric.CREDITS:
        try:
            return parse_usd(text)
        except ValueError:
            raise _not(field, text, "an amount in dollars", "Type it like 25 or 0.50.") from None
    found = COUNT.fullmatch(text.strip())
    if found is None:
        raise _not(field, text, "a count", "Type it like 250, 250k or 1.5M.")
    whole, part, size = found.groups()
    number = Decimal(whole.replace(",", "") + (part or "")) * SIZES[size.lower()]
    if number != int(number):
        raise _not(field, text, "a whole number", "Type it like 250, 250k or 1.5M.")
    return int(number)


def _window(text: str) -> Window:
    named = text.strip().lower()
    if named not in set(Window):
        raise _not("window", text, "a window", f"Choose one of {', '.join(Window)}.")
    return Window(named)


def _not(field: str, text: str, what: str, remedy: str) -> ConfigError:
    shown = visible(text.strip())[:40]
    return ConfigError(f"The {field} {shown!r} is not {what}." if shown else f"The {field} is missing.", remedy=remedy)
