"""The audit: every change that a person made, in a chain. Each row's hash seals the row and all that came before it.

An edited, removed or reordered row does not fit its hash; rows cut off at the end are missed by the count that
`aikit.state` keeps. Whoever can rewrite all of that can rewrite the chain: keep the head elsewhere and compare.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.locks import AUDITING
from aikit.ledger.reading import Readable, aware, check_tags, reading
from aikit.ledger.tables import audit, state

AT_ONCE = 2_000
TEXT_LENGTH = 1_000


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A change. `before` and `after` are JSON; None: it was not there, or is not any more."""

    seq: int
    at: datetime
    who: str
    action: str
    subject: str
    tenant: str | None
    before: Any
    after: Any
    why: str | None
    policy_version: int | None
    hash: str


@dataclass(frozen=True, slots=True)
class AuditVerification:
    """What the chain says: how many rows, its head as `seq:hash`, and a sentence for everything that is wrong."""

    rows: int
    head: str
    findings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.findings


def actor() -> str:
    """Who acts, if nobody says: AIKIT_ACTOR, else user@host."""
    named = os.environ.get("AIKIT_ACTOR", "").strip()
    if named:
        return named[:TEXT_LENGTH]
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def record(
    connection: sa.Connection,
    *,
    who: str | None,
    action: str,
    subject: str,
    tenant: str | None = None,
    before: Any = None,
    after: Any = None,
    why: str | None = None,
    policy_version: int | None = None,
) -> None:
    """Add a row, in the transaction of the change itself. Raises ConfigError for a name or a reason out of bounds."""
    who = _checked("who", who or actor())
    why = _checked("why", why) if why else None
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(*AUDITING)))
    seq, sealed, at = connection.execute(
        sa.select(state.c.audit_seq, state.c.audit_hash, sa.func.clock_timestamp())
    ).one()
    row = {
        "seq": seq + 1,
        "at": at,
        "who": who,
        "action": action,
        "subject": subject,
        "tenant": tenant,
        "before": before,
        "after": after,
        "why": why,
        "policy_version": policy_version,
    }
    row["hash"] = seal(sealed, row)
    nothing = {name: sa.null() for name in ("before", "after") if row[name] is None}
    connection.execute(sa.insert(audit).values(**(row | nothing)))
    connection.execute(sa.update(state).values(audit_seq=seq + 1, audit_hash=row["hash"]))


def seal(sealed: str, row: dict[str, Any]) -> str:
    """SHA-256, in hexadecimal, of the hash before and the row as canonical JSON."""
    told = {name: value for name, value in row.items() if name != "hash"}
    told["at"] = row["at"].astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{sealed}\n{text}".encode()).hexdigest()


def list_audit(
    database: Readable,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    who: str | None = None,
    action: str | None = None,
    tenant: str | None = None,
    subject: str | None = None,
    limit: int = 50,
) -> list[AuditRow]:
    """The newest changes, the newest first. `action` may be the beginning of one, such as `policy`; `subject` is what
    was changed, such as the name of a policy.

    Raises ConfigError for a limit below 1, a time without a time zone, or an unusable tenant.
    """
    check_tags(tenant=tenant)
    if limit < 1:
        raise ConfigError(f"A list of {limit} changes can't be shown.", remedy="Ask for at least 1.")
    query = sa.select(*_columns()).order_by(audit.c.seq.desc()).limit(limit)
    if since is not None:
        query = query.where(audit.c.at >= aware("since", since))
    if until is not None:
        query = query.where(audit.c.at < aware("until", until))
    if who is not None:
        query = query.where(audit.c.who == who)
    if action is not None:
        query = query.where(audit.c.action.startswith(action, autoescape=True))
    if tenant is not None:
        query = query.where(audit.c.tenant == tenant)
    if subject is not None:
        query = query.where(audit.c.subject == subject)
    with reading(database) as connection:
        return [AuditRow(**row._asdict()) for row in connection.execute(query)]


def get_audit(database: Readable, seq: int) -> AuditRow | None:
    """One change by its number."""
    with reading(database) as connection:
        row = connection.execute(sa.select(*_columns()).where(audit.c.seq == seq)).first()
        return None if row is None else AuditRow(**row._asdict())


def verify_audit(database: Database, *, head: str | None = None) -> AuditVerification:
    """Check the whole chain, and that it holds `head`, a `seq:hash` that was noted before.

    Raises ConfigError for a head that is none.
    """
    noted = _noted(head)
    with reading(database) as connection:
        expected, sealed = connection.execute(sa.select(state.c.audit_seq, state.c.audit_hash)).one()
        chain = _Chain(noted)
        for row in _rows(connection):
            chain.add(row)
    findings = chain.findings
    if chain.seq != expected:
        findings.append(f"the chain ends at {chain.seq}; {expected} changes have been recorded")
    elif chain.hash != sealed:
        findings.append(f"the hash of row {chain.seq}, the last, is not the one that was recorded")
    if noted is not None and not chain.holds_noted:
        findings.append(f"row {noted[0]} is not the one whose hash was noted: history was rewritten")
    return AuditVerification(chain.rows, f"{chain.seq}:{chain.hash}", tuple(findings))


class _Chain:
    """Follows the rows; after a break it goes on from the row as it stands, so that one edit is one finding."""

    def __init__(self, noted: tuple[int, str] | None) -> None:
        self.rows = 0
        self.seq = 0
        self.hash = ""
        self.noted = noted
        self.holds_noted = noted == (0, "")
        self.findings: list[str] = []

    def add(self, row: dict[str, Any]) -> None:
        self.rows += 1
        if row["seq"] != self.seq + 1:
            self.findings.append(f"after row {self.seq} comes row {row['seq']}: what was between is missing")
        elif seal(self.hash, row) != row["hash"]:
            self.findings.append(f"row {row['seq']} ({row['action']} {row['subject']}) is not what was recorded")
        self.seq, self.hash = row["seq"], row["hash"]
        self.holds_noted = self.holds_noted or (self.seq, self.hash) == self.noted


def _rows(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    streaming = connection.execution_options(stream_results=True, yield_per=AT_ONCE)
    for row in streaming.execute(sa.select(*_columns()).order_by(audit.c.seq)):
        yield row._asdict()


def _columns() -> list[sa.Column[Any]]:
    return [audit.c[field.name] for field in fields(AuditRow)]


def _noted(head: str | None) -> tuple[int, str] | None:
    if head is None:
        return None
    seq, _, sealed = head.partition(":")
    if not seq.isdecimal() or (len(sealed) != 64 and (seq, sealed) != ("0", "")):
        raise ConfigError(
            f"{head[:80]!r} is no head of the audit.", remedy="Give it as `aikit audit verify` prints it."
        )
    return int(seq), sealed


def _checked(name: str, text: str) -> str:
    if len(text) > TEXT_LENGTH or not text.isprintable() or not text.strip():
        raise ConfigError(
            f"{name} must be 1 to {TEXT_LENGTH:,} characters that can be printed.", remedy="Give a shorter, plain text."
        )
    return text
