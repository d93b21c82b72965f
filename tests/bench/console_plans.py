"""How PostgreSQL answers what the console asks: the plan of each statement, and whether one reads a whole table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import sqlalchemy as sa

from aikit.database.connect import Database

LEDGER = re.compile(r"(entries|refusals)(_\w+)?|rollups|holds")
"""The tables that grow with the calls."""
MANY = 1_000
"""Rows of a table that it would be wrong to read in full."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement as SQLAlchemy gave it to the driver, and for whom."""

    case: str
    statement: str
    parameters: Any


@dataclass(frozen=True, slots=True)
class Explained:
    """What the server did. `read_whole` names the tables of the ledger that were read from one end to the other."""

    asked: Asked
    ms: float
    plan: dict[str, Any]
    read_whole: tuple[str, ...]

    @property
    def brief(self) -> str:
        return " ".join(self.asked.statement.split())[:110]

    def to_json(self) -> dict[str, Any]:
        told = {"case": self.asked.case, "ms": round(self.ms, 1), "read_whole": self.read_whole}
        return {"bench": "console plan", **told, "statement": " ".join(self.asked.statement.split())}


@contextmanager
def statements(case: str, into: dict[str, Asked]) -> Iterator[None]:
    """Take down what is asked meanwhile, once for each text; the first case that asks it names it."""

    def heard(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            into.setdefault(statement, Asked(case, statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", heard)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", heard)


def explain(database: Database, asked: Iterator[Asked] | list[Asked], settings: Mapping[str, str]) -> list[Explained]:
    """Ask each twice again, under these settings, and be told how the quicker one was answered. The slowest first."""
    found = []
    with database.connect(role="explain") as connection:
        connection.prepare_threshold = None
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        rows = dict(connection.execute("SELECT relname, reltuples FROM pg_class WHERE relkind = 'r'").fetchall())
        for one in asked:
            plan = min([_plan(connection, one) for _ in range(2)], key=lambda plan: float(plan["Execution Time"]))
            whole = whole_reads(plan["Plan"], lambda table: rows.get(table, 0) > MANY)
            found.append(Explained(one, plan["Execution Time"], plan["Plan"], whole))
    return sorted(found, key=lambda one: -one.ms)


def _plan(connection: psycopg.Connection[Any], asked: Asked) -> dict[str, Any]:
    statement = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {asked.statement}"
    row = connection.execute(statement, asked.parameters).fetchone()
    assert row is not None
    plan: dict[str, Any] = row[0][0]
    return plan


def whole_reads(plan: Mapping[str, Any], counts: Callable[[str], bool] = lambda _: True) -> tuple[str, ...]:
    """The tables of the ledger that are read in full, of those that count."""
    tables = [str(node["Relation Name"]) for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
    return tuple([table for table in tables if LEDGER.fullmatch(table) and counts(table)])


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def picture(plan: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """The plan as lines; parts that were never run are left out."""
    if plan.get("Actual Loops") == 0:
        return
    where = " ".join([str(plan[key]) for key in ("Relation Name", "Index Name") if key in plan])
    loops = f" × {plan['Actual Loops']:,.0f}" if plan["Actual Loops"] > 1 else ""
    blocks = plan.get("Shared Hit Blocks", 0) + plan.get("Shared Read Blocks", 0)
    removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
    filtered = f", {removed:,.0f} filtered" if removed else ""
    yield (
        f"{'  ' * depth}{plan['Node Type']} {where}: {plan['Actual Rows']:,.0f} rows{loops} "
        f"(planned {plan['Plan Rows']:,}), {plan['Actual Total Time']:,.1f} ms, {blocks:,} blocks{filtered}"
    )
    for part in plan.get("Plans", ()):
        yield from picture(part, depth + 1)
