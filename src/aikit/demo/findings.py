"""What a demo's ledger says when all is done, asked of its rows and of the provider's own books, not of the callers."""

from __future__ import annotations

from typing import Any

import psycopg

from aikit.demo.outcome import Moment
from aikit.types import USAGE_CLASSES

STANDING = """
    SELECT calls, refused, coalesce(used, 0), coalesce(held, 0)
    FROM (
        SELECT coalesce(sum(calls), 0)::bigint AS calls, coalesce(sum(refused), 0)::bigint AS refused
        FROM aikit.rollups WHERE tenant = %(tenant)s
    ) attempts
    LEFT JOIN (
        SELECT used, held FROM aikit.counts WHERE tenant = %(tenant)s LIMIT 1
    ) counter ON true
"""
PEAK = """
    SELECT coalesce(max((state ->> place)::bigint + (state ->> place + 1)::bigint + greatest(held_nano, nano)), 0)
    FROM aikit.entries, json_array_elements(limits) state,
         LATERAL (SELECT CASE json_array_length(state) WHEN 6 THEN 4 ELSE 8 END) used (place)
    WHERE tenant = %(tenant)s AND seq = 0
"""
"""Each entry carries what was used and held just before it was admitted, and only an admission raises that sum
(or a provider that bills above its hold): so the largest sum after an admission is the largest there ever was."""
USED = f"""
    SELECT {", ".join(f"coalesce(sum({name}), 0)::bigint" for name in USAGE_CLASSES)}
    FROM aikit.entries WHERE tenant = %(tenant)s
"""


def moment(connection: psycopg.Connection[Any], tenant: str) -> Moment:
    """How the tenant stands now."""
    return Moment(*_row(connection, STANDING, tenant))


def peak(connection: psycopg.Connection[Any], tenant: str) -> int:
    """The most nano-USD that the tenant ever had used and held at once."""
    return _row(connection, PEAK, tenant)[0]


def tokens(connection: psycopg.Connection[Any], tenant: str) -> dict[str, int]:
    """What the ledger has of each usage class; classes that were not used are left out."""
    counts = dict(zip(USAGE_CLASSES, _row(connection, USED, tenant), strict=True))
    return {name: number for name, number in counts.items() if number}


def _row(connection: psycopg.Connection[Any], query: str, tenant: str) -> tuple[int, ...]:
    row = connection.execute(query.encode(), {"tenant": tenant}).fetchone()
    assert row is not None
    return tuple(row)
