"""Tells the other processes which requests are there over and over in this one, and hears it of them."""

from __future__ import annotations

import json
from typing import Any

import psycopg

from aikit.meter.queries import FORGET_REPEATS, REPEATED, REPEATS
from aikit.meter.repeats import Told


def tell(connection: psycopg.Connection[Any], process: object, told: list[Told]) -> list[tuple[Any, Any]]:
    """Write what this process has seen, and read what the others have of the same requests. Raises psycopg.Error."""
    tenants, subjects, prints = ([one.key[place] for one in told] for place in range(3))
    columns = (tenants, subjects, prints)
    bodies, until = [json.dumps(one.buckets) for one in told], [one.until for one in told]
    connection.execute(REPEATED, (process, *columns, bodies, until))
    found = connection.execute(REPEATS, (*columns, process))
    return [((tenant, subject, print), body) for tenant, subject, print, body in found]


def forget(connection: psycopg.Connection[Any]) -> None:
    """Remove what is of no use any more."""
    connection.execute(FORGET_REPEATS)
