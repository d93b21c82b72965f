"""Breakers as a person sees and moves them. A move is in force on the next call of every process, and on the record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on, insert

from aikit.breaker.machine import at_work, closed, forced, live
from aikit.breaker.model import TUNING, Breaker, Key, Probe, Reason, Seen, State
from aikit.breaker.outcomes import Sighting, read_sighting, together
from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger import audit
from aikit.ledger.reading import Readable, database_time, reading
from aikit.ledger.tables import breaker_moves, breakers, sightings, state

NAME_LENGTH = 200
EVER = datetime.fromtimestamp(0, UTC)
LONGEST = timedelta(days=365)
COLUMNS = ("provider", "model", "state", "since", "until", "reason", "trips", "successes", "probes", "leases")


@dataclass(frozen=True, slots=True)
class Move:
    """From which state to which, since when, until when, and why; by whom, if a person did it."""

    at: datetime
    was: str
    state: str
    reason: str | None
    until: datetime | None
    who: str | None
    why: str | None


@dataclass(frozen=True, slots=True)
class BreakerRow:
    """A breaker as it works at `now`, and what all processes have seen within the last minute.

    `forced_by` is the move that forced it, if one did.
    """

    breaker: Breaker
    now: datetime
    seen: Seen
    forced_by: Move | None = None

    @property
    def under_way(self) -> int:
        """Probes whose outcome is awaited."""
        return len(live(self.breaker, self.now))

    @property
    def left(self) -> timedelta | None:
        """For how long it stays as it is; None if nobody knows."""
        return None if self.breaker.until is None else self.breaker.until - self.now


def parse_name(name: str) -> Key:
    """`openai/gpt-5-mini`, or `openai` for the provider as a whole. Raises ConfigError for anything else."""
    provider, slash, model = name.partition("/")
    if provider and bool(slash) == bool(model) and len(name) <= NAME_LENGTH and name.isprintable() and " " not in name:
        return provider, model
    raise ConfigError(
        f"{name[:80]!r} is not the name of a breaker.",
        remedy="Write PROVIDER/MODEL, such as openai/gpt-5-mini, or PROVIDER for all of its models.",
    )


def list_breakers(database: Readable) -> list[BreakerRow]:
    """Those that have ever moved, and whatever was called within the last minute; by name."""
    with reading(database) as connection:
        now = database_time(connection)
        known = {row.key: row for row in map(_breaker, connection.execute(sa.select(*_columns())))}
        seen = _seen(connection, now)
        forcing = _last_forced(connection)
    rows = []
    for key in sorted(known.keys() | seen.keys()):
        breaker = at_work(known.get(key) or _never_moved(key), now)
        by = forcing.get(key) if breaker.state in (State.FORCED_OPEN, State.FORCED_CLOSED) else None
        rows.append(BreakerRow(breaker, now, seen.get(key, Seen()), by))
    return rows


def get_breaker(database: Readable, key: Key) -> BreakerRow:
    """One of them; one that nobody has heard of is closed."""
    known = {row.breaker.key: row for row in list_breakers(database)}
    if key in known:
        return known[key]
    with reading(database) as connection:
        return BreakerRow(_never_moved(key), database_time(connection), Seen())


def list_moves(database: Readable, key: Key, *, limit: int = 10) -> list[Move]:
    """Its last moves, the newest first."""
    query = sa.select(*_move_columns()).where(_of(breaker_moves, key)).order_by(breaker_moves.c.seq.desc()).limit(limit)
    with reading(database) as connection:
        return [Move(*row) for row in connection.execute(query)]


def force_breaker(
    database: Database,
    key: Key,
    *,
    open: bool,
    lasting: timedelta | None = None,
    who: str | None = None,
    why: str | None = None,
    seen: State | None = None,
) -> tuple[Breaker, Breaker]:
    """Force it open or closed, for a time or until it is reset. Returns it as it was and as it is.

    Raises ConfigError for a time of less than a second or more than a year, an unusable `who` or `why`, or a breaker
    that is no longer as it was `seen` (BREAKER_MOVED).
    """
    if lasting is not None and not timedelta(seconds=1) <= lasting <= LONGEST:
        raise ConfigError(
            f"A breaker can't be forced for {lasting.total_seconds():,.0f} seconds.",
            remedy="Give a time from 1s to 365d, or none: then it stays so until it is reset.",
        )
    wanted = State.FORCED_OPEN if open else State.FORCED_CLOSED
    action = "breaker.open" if open else "breaker.close"
    return _move(database, key, action, who, why, seen, lambda breaker, now: forced(breaker, wanted, now, lasting))


def reset_breaker(
    database: Database, key: Key, *, who: str | None = None, why: str | None = None, seen: State | None = None
) -> tuple[Breaker, Breaker]:
    """Close it, as if it had never been open nor forced. Returns it as it was and as it is.

    Raises ConfigError, as `force_breaker` does.
    """
    action = "breaker.reset"
    return _move(database, key, action, who, why, seen, lambda breaker, now: closed(breaker, now, Reason.OPERATOR))


def _move(
    database: Database,
    key: Key,
    action: str,
    who: str | None,
    why: str | None,
    seen: State | None,
    move: Callable[[Breaker, datetime], Breaker],
) -> tuple[Breaker, Breaker]:
    """In the order in which meters lock: the breaker, then the state that tells every process of it."""
    who = who or audit.actor()
    with database.engine().begin() as connection:
        new = {"provider": key[0], "model": key[1], "state": State.CLOSED, "since": EVER, "probes": [], "leases": []}
        connection.execute(insert(breakers).values(**new, trips=0, successes=0, revision=0).on_conflict_do_nothing())
        row = connection.execute(sa.select(*_columns()).where(_of(breakers, key)).with_for_update()).one()
        now = database_time(connection)
        stored = _breaker(row)
        was, after = at_work(stored, now), move(stored, now)
        if seen not in (None, was.state):
            raise ConfigError(
                f"{was.name} is {str(was.state).replace('_', ' ')} by now, no longer {str(seen).replace('_', ' ')}.",
                code="BREAKER_MOVED",
                retryable=True,
                remedy="Look at it again, then decide.",
            )
        values = {name: getattr(after, name) for name in ("state", "since", "until", "reason", "trips", "successes")}
        connection.execute(
            sa.update(breakers)
            .where(_of(breakers, key))
            .values(**values, probes=[], leases=[], revision=breakers.c.revision + 1)
        )
        told = {"at": now, "provider": key[0], "model": key[1], "was": stored.state, "state": after.state}
        connection.execute(
            sa.insert(breaker_moves).values(**told, reason=after.reason, until=after.until, who=who, why=why or None)
        )
        subject = f"breaker:{after.name}"
        audit.record(
            connection, who=who, action=action, subject=subject, before=_told(was), after=_told(after), why=why
        )
        connection.execute(sa.update(state).values(breaker_version=state.c.breaker_version + 1))
    return was, after


def _told(breaker: Breaker) -> dict[str, Any]:
    """As the audit has it."""
    until = breaker.until and breaker.until.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"state": str(breaker.state), "reason": breaker.reason and str(breaker.reason), "until": until}


def _seen(connection: sa.Connection, now: datetime) -> dict[Key, Seen]:
    """What was seen of what was called within the last minute."""
    query = sa.select(sightings.c.provider, sightings.c.model, sightings.c.body).where(
        sightings.c.at > now - 2 * TUNING.window
    )
    known: dict[Key, list[Sighting]] = {}
    for provider, model, body in connection.execute(query):
        known.setdefault((provider, model), []).append(read_sighting(body))
    found = {key: together(each, EVER, now) for key, each in known.items()}
    return {key: seen for key, seen in found.items() if seen.calls}


def _last_forced(connection: sa.Connection) -> dict[Key, Move]:
    """Who last moved each breaker that is forced."""
    moves = breaker_moves.c
    is_forced = breakers.c.state.in_([State.FORCED_OPEN, State.FORCED_CLOSED])
    forced_ones = sa.select(breakers.c.provider, breakers.c.model).where(is_forced)
    query = (
        sa.select(moves.provider, moves.model, *_move_columns())
        .ext(distinct_on(moves.provider, moves.model))
        .where(moves.who.is_not(None), sa.tuple_(moves.provider, moves.model).in_(forced_ones))
        .order_by(moves.provider, moves.model, moves.seq.desc())
    )
    return {(provider, model): Move(*move) for provider, model, *move in connection.execute(query)}


def _never_moved(key: Key) -> Breaker:
    return Breaker(*key, State.CLOSED, EVER)


def _breaker(row: Sequence[Any]) -> Breaker:
    provider, model, stands, since, until, reason, trips, successes, probes, leases = row
    known: list[tuple[UUID, datetime]] = list(zip(probes, leases, strict=True))
    return Breaker(
        provider,
        model,
        State(stands),
        since,
        until,
        reason and Reason(reason),
        trips,
        successes,
        tuple(Probe(*each) for each in known),
    )


def _columns() -> list[sa.Column[Any]]:
    return [breakers.c[name] for name in COLUMNS]


def _move_columns() -> list[sa.Column[Any]]:
    return [breaker_moves.c[name] for name in Move.__dataclass_fields__]


def _of(table: sa.Table, key: Key) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.provider == key[0], table.c.model == key[1])
