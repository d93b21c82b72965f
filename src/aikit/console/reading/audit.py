"""The newest changes; with a filter, those of the newest 20,000 that it lets through."""

from __future__ import annotations

from dataclasses import fields

import sqlalchemy as sa

from aikit.console.filtering import Filter
from aikit.console.model import MOST_ROWS, AuditPage
from aikit.console.reading.line import Tick
from aikit.console.reading.terms import Fields, conditions
from aikit.ledger.audit import AuditRow, list_audit
from aikit.ledger.tables import audit

AMONG = 20_000
FIELDS: Fields = {
    "tenant": audit.c.tenant,
    "who": audit.c.who,
    "action": audit.c.action,
    "subject": audit.c.subject,
    "why": audit.c.why,
}


def read_audit(tick: Tick, wanted: Filter) -> AuditPage:
    """The rows of the audit are numbered without a gap, so the newest are those with the highest numbers."""
    if not wanted:
        return AuditPage(tuple(list_audit(tick.connection, limit=MOST_ROWS)), None)
    last = sa.select(sa.func.coalesce(sa.func.max(audit.c.seq), 0)).scalar_subquery()
    query = (
        sa.select(*[audit.c[field.name] for field in fields(AuditRow)])
        .where(audit.c.seq > last - AMONG, *conditions(wanted, FIELDS))
        .order_by(audit.c.seq.desc())
        .limit(MOST_ROWS)
    )
    rows = tuple([AuditRow(**row._asdict()) for row in tick.connection.execute(query)])
    newest = tick.connection.execute(sa.select(last)).scalar_one()
    return AuditPage(rows, min(AMONG, newest))
