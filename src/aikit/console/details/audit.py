"""A change in full: what was before and what after, by whom and why, and the hash that seals it."""

from __future__ import annotations

from aikit.console.details.changes import in_full
from aikit.console.details.words import UNKNOWN, gone, utc
from aikit.ledger.audit import AuditRow, get_audit
from aikit.ledger.reading import Readable
from aikit.page import Item, Page, Section


def audit_page(database: Readable, key: str, nano_per_credit: int) -> Page:
    """`key` is the number of the change. Raises AIKitError if there is none."""
    row = get_audit(database, int(key)) if key.isdecimal() and len(key) < 19 else None
    if row is None:
        raise gone(f"There is no change {key[:40]}.", "`aikit audit verify` tells whether some were removed.")
    return told(row, nano_per_credit)


def told(row: AuditRow, nano_per_credit: int) -> Page:
    """The page of a change."""
    version = [Item("policy version", f"{row.policy_version:,}")] if row.policy_version is not None else []
    tenant = [Item("tenant", row.tenant)] if row.tenant else []
    facts = (
        Item("at", utc(row.at)),
        Item("who", row.who),
        Item("why", row.why or UNKNOWN),
        Item("action", row.action),
        Item("of", row.subject),
        *tenant,
        *version,
        Item("hash", row.hash, ("It seals this change and all before it: aikit audit verify.",)),
    )
    lines = tuple(in_full(row, nano_per_credit)) or (f"  {UNKNOWN}",)
    return Page(
        f"Change {row.seq:,}: {row.action} {row.subject}",
        (),
        (Section("What was done", facts), Section("Before (-) and after (+)", marked=lines)),
    )
