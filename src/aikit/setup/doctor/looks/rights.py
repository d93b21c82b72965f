"""What the role may do: all that calls need, and, at best, nothing with which it could change what is on record."""

from __future__ import annotations

from aikit.errors import Exit
from aikit.ledger.isolated import looked_at
from aikit.setup.doctor.model import broken, fine, warning
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Check

NEEDED = """
    SELECT c.relname, p.right_
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL unnest(CASE
        WHEN c.relkind = 'v' THEN ARRAY['SELECT']
        WHEN c.relname IN ('entries', 'refusals', 'prices', 'breaker_moves', 'prompt_versions', 'prompt_moves', 'audit')
            THEN ARRAY['SELECT', 'INSERT']
        WHEN c.relname IN ('holds', 'idempotency_keys', 'sightings', 'repeats')
            THEN ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']
        WHEN c.relname IN ('counters', 'rollups', 'breakers', 'state', 'key_minutes')
            THEN ARRAY['SELECT', 'INSERT', 'UPDATE']
        ELSE ARRAY['SELECT'] END) p (right_)
    WHERE n.nspname = 'aikit' AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
      AND NOT (c.relname = 'state' AND p.right_ = 'INSERT')
      AND NOT has_table_privilege(c.oid, p.right_)
    ORDER BY 1, 2"""
"""The rights on tables that are lacking. Partitions are written through their tables."""
USAGE = "SELECT has_schema_privilege('aikit', 'USAGE')"
POWERS = """
    SELECT r.rolsuper, (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                        WHERE n.nspname = 'aikit' AND c.relkind IN ('r', 'p') AND pg_has_role(c.relowner, 'MEMBER')),
           has_parameter_privilege('session_replication_role', 'SET')
    FROM pg_roles r WHERE r.rolname = current_user"""
DISABLED = """
    SELECT c.relname, t.tgname
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'aikit' AND t.tgname IN ('append_only', 'no_truncate') AND t.tgenabled IN ('D', 'R')
    ORDER BY 1, 2"""
GRANTS = (
    "GRANT USAGE ON SCHEMA aikit TO {role}; "
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA aikit TO {role}; "
    "REVOKE UPDATE, DELETE ON aikit.entries, aikit.refusals, aikit.prices FROM {role}"
)
SHOWN = 4


def rights(patient: Patient) -> Check:
    """Whether the role may do what calls need."""
    with patient.line() as connection:
        role = connection.execute("SELECT quote_ident(current_user)").fetchone()
        usage = connection.execute(USAGE).fetchone()
        assert role is not None and usage is not None
        lacking = [f"{right} on {table}" for table, right in connection.execute(NEEDED)]
    if not usage[0]:
        lacking.insert(0, "USAGE on the schema")
    if not lacking:
        return fine(f"{role[0]} may do all that calls need", role=role[0])
    shown = ", ".join(lacking[:SHOWN]) + (f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else "")
    return broken(
        f"{role[0]} lacks {shown}",
        f"As the owner of the schema: `psql \"$OWNER_URL\" -c '{GRANTS.format(role=role[0])}'`",
        Exit.DATABASE,
        role=role[0],
        lacking=lacking,
    )


def append_only(patient: Patient) -> Check:
    """Whether what is on record is safe from the role itself."""
    with patient.line() as connection:
        powers = connection.execute(POWERS).fetchone()
        disabled = [f"{trigger} on {table}" for table, trigger in connection.execute(DISABLED)]
    assert powers is not None
    superuser, owned, replication = powers
    if disabled:
        tables = sorted({each.rpartition(" ")[2] for each in disabled})
        enable = "; ".join(f"ALTER TABLE aikit.{table} ENABLE TRIGGER USER" for table in tables)
        return broken(
            f"triggers are switched off: {', '.join(disabled)}: what is on record can be changed",
            f"As the owner of the schema: `psql \"$OWNER_URL\" -c '{enable}'`, then `aikit ledger verify`.",
            Exit.NO,
            disabled=disabled,
        )
    can = [
        what
        for what, true in (
            ("is a superuser", superuser),
            (f"owns {owned} tables", owned),
            ("may set session_replication_role", replication and not superuser),
        )
        if true
    ]
    if can and not patient.database.embedded:
        return warning(
            f"the role {' and '.join(can)}, so it could switch off the triggers that keep entries as they were written",
            'Let the application use a role of its own that owns nothing: `psql "$OWNER_URL" -c '
            f"'CREATE ROLE app LOGIN; {GRANTS.format(role='app')}'`",
            can=can,
        )
    return fine(
        "entries can't be changed; the role owns them, as on every embedded server"
        if can
        else "entries can't be changed",
        can=can,
    )


def isolation(patient: Patient) -> Check:
    """Whether there is a role that sees one tenant alone, which `aikit serve` reads by."""
    with patient.line() as connection:
        found = looked_at(connection)
    if found.ready:
        return fine(f"{found.role} sees one tenant alone", role=found.role)
    exposed = f"may do more than it should, as everybody may, with {', '.join(found.exposed[:SHOWN])}"
    return warning(
        f"the role {found.role}, by which `aikit serve` reads for a tenant, "
        f"{exposed if found.exposed else 'is not there'}",
        f"An administrator runs, in this database: `{' '.join(found.statements)}`",
        role=found.role,
        exposed=list(found.exposed),
        statements=list(found.statements),
    )
