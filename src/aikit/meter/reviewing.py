"""Reviews breakers: tells other processes what this one has seen, and moves those that ought to move, in one order."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import psycopg

from aikit.breaker.machine import lapsed, probed, reviewed
from aikit.breaker.model import Breaker, Key, Probe, Reason, State
from aikit.breaker.outcomes import Sighting, together
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
from aikit.meter.watch import Watch

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


def review(connection: psycopg.Connection[Any], watch: Watch, now: datetime) -> list[tuple[Breaker, Breaker]]:
    """Move the breakers that what was seen concerns. Returns each as it was and as it is. Raises psycopg.Error."""
    due, watch.due = watch.due, {}
    keys = sorted(due)
    columns = ([key[0] for key in keys], [key[1] for key in keys])
    moves = []
    with connection.transaction():
        report(connection, watch, keys)
        connection.execute(NEW_BREAKERS, columns)
        breakers = {found.key: found for found in map(_breaker, connection.execute(LOCK_BREAKERS, columns))}
        sightings = _sightings(connection, columns)
        for key in keys:
            was = breakers[key]
            moved = lapsed(was, now)
            for attempt, outcome, wait in due[key]:
                asked = None if wait is None else datetime.fromtimestamp(now.timestamp() + wait, now.tzinfo)
                moved = probed(moved, attempt, outcome, now, asked)
            moved = reviewed(moved, together(sightings.get(key, ()), moved.since, now), now)
            if moved != was:
                moves.append((was, moved))
        for was, moved in moves:
            _write(connection, was, moved, now)
        if moves:
            connection.execute(MOVED)
    for was, moved in moves:
        if was.state is not moved.state:
            log.warning("breaker %s: %s → %s (%s)", moved.name, was.state, moved.state, moved.reason)
    return moves


def _write(connection: psycopg.Connection[Any], was: Breaker, moved: Breaker, now: datetime) -> None:
    probes = [probe.attempt for probe in moved.probes]
    leases = [probe.until for probe in moved.probes]
    row = (moved.state, moved.since, moved.until, moved.reason, moved.trips, moved.successes, probes, leases)
    connection.execute(WRITE_BREAKER, (*row, *moved.key))
    if was.state is not moved.state:
        connection.execute(MOVES, (now, *moved.key, was.state, moved.state, moved.reason, moved.until, None, None))


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
    connection: psycopg.Connection[Any], columns: tuple[list[str], list[str]]
) -> Mapping[Key, list[Sighting]]:
    found: dict[Key, list[Sighting]] = {}
    for provider, model, body in connection.execute(SIGHTINGS, columns):
        counts, fine_at, failed_at, quota_at, retry_at = body
        seen = Sighting(tuple(map(tuple, counts)), fine_at, tuple(failed_at), quota_at, retry_at)
        found.setdefault((provider, model), []).append(seen)
    return found
