"""Reviews breakers: tells other processes what this one has seen, and moves those that ought to move, in one order."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import psycopg

from aikit.breaker.model import TUNING, Breaker, Key, Probe, Reason, State, Tuning
from aikit.breaker.outcomes import Sighting, read_sighting
from aikit.meter.queries import (
    BREAKERS,
    FORGET_SIGHTINGS,
    LOCK_BREAKERS,
    MOVED,
    MOVES,
    NEW_BREAKERS,
    SIGHTED,
    SIGHTINGS,
    WRITE_BREAKER,
)
from aikit.meter.watch import Ended, Watch, moved

log = logging.getLogger("aikit.breaker")

Row = tuple[Any, ...]


def read_breakers(connection: psycopg.Connection[Any]) -> dict[Key, Breaker]:
    """All of them. Raises psycopg.Error."""
    return {breaker.key: breaker for breaker in map(_breaker, connection.execute(BREAKERS))}


def report(connection: psycopg.Connection[Any], watch: Watch, keys: Iterable[Key]) -> None:
    """Let the other processes know what this one has seen. Raises psycopg.Error."""
    listed = sorted(set(keys) & watch.sightings.keys())
    if listed:
        bodies = [json.dumps(watch.sightings[key]) for key in listed]
        providers, models = [key[0] for key in listed], [key[1] for key in listed]
        connection.execute(SIGHTED, (watch.process, providers, models, bodies))
    watch.unreported.difference_update(listed)


def forget_sightings(connection: psycopg.Connection[Any]) -> None:
    """Remove what processes have seen that are no more."""
    connection.execute(FORGET_SIGHTINGS)


def review(
    connection: psycopg.Connection[Any], watch: Watch, now: datetime, tuning: Tuning = TUNING
) -> list[tuple[Breaker, Breaker]]:
    """Move the breakers that what was seen concerns. Returns each as it was and as it is.

    Raises psycopg.Error; what failed for want of the database is due still.
    """
    due, watch.due = watch.due, {}
    try:
        moves = _review(connection, watch, due, now, tuning)
    except psycopg.OperationalError:
        watch.due = due
        raise
    for was, after in moves:
        if was.state is not after.state:
            log.warning("breaker %s: %s → %s (%s)", after.name, was.state, after.state, after.reason)
    return moves


def _review(
    connection: psycopg.Connection[Any], watch: Watch, due: Mapping[Key, list[Ended]], now: datetime, tuning: Tuning
) -> list[tuple[Breaker, Breaker]]:
    keys = sorted(due)
    columns = ([key[0] for key in keys], [key[1] for key in keys])
    moves = []
    with connection.transaction():
        report(connection, watch, keys)
        connection.execute(NEW_BREAKERS, columns)
        breakers = {found.key: found for found in map(_breaker, connection.execute(LOCK_BREAKERS, columns))}
        sightings = _sightings(connection, columns, tuning)
        for key in keys:
            was = breakers[key]
            after = moved(was, due[key], sightings.get(key, ()), now, tuning)
            if after != was:
                moves.append((was, after))
        for was, after in moves:
            _write(connection, was, after, now)
        if moves:
            connection.execute(MOVED)
    return moves


def _write(connection: psycopg.Connection[Any], was: Breaker, after: Breaker, now: datetime) -> None:
    probes = [probe.attempt for probe in after.probes]
    leases = [probe.until for probe in after.probes]
    row = (after.state, after.since, after.until, after.reason, after.trips, after.successes, probes, leases)
    connection.execute(WRITE_BREAKER, (*row, *after.key))
    if was.state is not after.state:
        connection.execute(MOVES, (now, *after.key, was.state, after.state, after.reason, after.until, None, None))


def _breaker(row: Row) -> Breaker:
    provider, model, state, since, until, reason, trips, successes, probes, leases, revision = row
    return Breaker(
        provider,
        model,
        State(state),
        since,
        until,
        None if reason is None else Reason(reason),
        trips,
        successes,
        tuple(map(Probe, probes, leases)),
        revision,
    )


def _sightings(
    connection: psycopg.Connection[Any], columns: tuple[list[str], list[str]], tuning: Tuning
) -> Mapping[Key, list[Sighting]]:
    found: dict[Key, list[Sighting]] = {}
    for provider, model, body in connection.execute(SIGHTINGS, (*columns, tuning.window)):
        found.setdefault((provider, model), []).append(read_sighting(body))
    return found
