"""Whether the books agree: counters, holds, the spool, and how much of the last day is known only roughly."""

from __future__ import annotations

from aikit.errors import Exit
from aikit.ledger.verify import verify
from aikit.meter.spool import MAX_BYTES, spool_folder
from aikit.meter.spooled import Spooled, look
from aikit.money import format_usd
from aikit.setup.doctor.model import broken, fine, warning
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Check

NEARLY_FULL = 0.8
"""Of what a spool takes."""
MANY_ESTIMATED = 0.05
"""Of the calls of a day."""
COUNTERS = """
    WITH listed AS (
        SELECT h.tenant, s.subject, h.nano, h.tokens, h.output_tokens, h.admitted_at
        FROM aikit.holds h CROSS JOIN unnest(h.subjects) AS s (subject)
    ), pending AS (
        SELECT c.tenant, c.subject, c.name, sum(CASE c.metric
            WHEN 'credits' THEN h.nano WHEN 'tokens' THEN h.tokens
            WHEN 'input_tokens' THEN h.tokens - h.output_tokens WHEN 'output_tokens' THEN h.output_tokens
            ELSE 1 END) AS held
        FROM aikit.counts c JOIN listed h ON h.tenant = c.tenant AND h.subject = c.subject
        WHERE h.admitted_at >= c.window_start AND h.admitted_at < c.window_start + CASE c."window"
            WHEN 'minute' THEN interval '1 minute' WHEN 'hour' THEN interval '1 hour' ELSE interval '1000 years' END
        GROUP BY 1, 2, 3
    )
    SELECT count(*), count(*) FILTER (WHERE c.held <> coalesce(p.held, 0)), count(*) FILTER (WHERE c.used < 0),
           min(c.tenant || ', ' || c.name) FILTER (WHERE c.held <> coalesce(p.held, 0) OR c.used < 0)
    FROM aikit.counts c LEFT JOIN pending p USING (tenant, subject, name)"""
"""What each counter says is held, against the holds: one statement, so both at one instant."""
HOLDS = """
    SELECT count(*), count(*) FILTER (WHERE expires_at < now() - interval '1 minute'),
           coalesce(sum(coalesce(presumed, nano)) FILTER (WHERE expires_at < now() - interval '1 minute'), 0)::bigint
    FROM aikit.holds"""
"""Every open kit looks for expired ones each half minute; what is there for longer nobody looks after."""
LAST_DAY = """
    SELECT coalesce(sum(calls), 0)::bigint, coalesce(sum(estimated), 0)::bigint, coalesce(sum(unpriced), 0)::bigint
    FROM aikit.rollups WHERE hour >= date_trunc('hour', now(), 'UTC') - interval '23 hours'"""


def balance(patient: Patient) -> Check:
    """Whether the counters agree with the holds; thoroughly, whether all of the ledger agrees."""
    if patient.thorough:
        return _verified(patient)
    with patient.line() as connection:
        row = connection.execute(COUNTERS).fetchone()
    assert row is not None
    counters, differing, negative, first = row
    if differing or negative:
        return broken(
            f"{max(differing, negative)} of {counters:,} counters don't agree with the holds, the first of {first}",
            "Run `aikit ledger verify`: it says which, and by how much.",
            Exit.NO,
            counters=counters,
            differing=differing,
            negative=negative,
        )
    return fine(
        f"{counters:,} counter{'' if counters == 1 else 's'} agree with the holds; --thorough verifies every entry",
        counters=counters,
    )


def _verified(patient: Patient) -> Check:
    with patient.turn() as database:
        found = verify(database)
    facts = {"entries": found.entries, "findings": len(found.findings), "unexplained_nano": found.unexplained_nano}
    if found.ok:
        return fine(f"{found.entries:,} entries = counters = rollups", **facts)
    first = found.findings[0]
    return broken(
        f"{len(found.findings)} findings, the first {first.kind} of {first.tenant or 'no tenant'}: {first.what}",
        "Run `aikit ledger verify`: it has all of them.",
        Exit.NO,
        **facts,
    )


def holds(patient: Patient) -> Check:
    """Whether holds have expired that nobody has presumed spent."""
    with patient.line() as connection:
        row = connection.execute(HOLDS).fetchone()
    assert row is not None
    pending, expired, nano = row
    facts = {"holds": pending, "expired": expired, "expired_nano": nano}
    if expired:
        many = expired > 1
        return broken(
            f"{expired:,} hold{'s have' if many else ' has'} expired over {format_usd(nano)}, and nobody presumed "
            f"{'them' if many else 'it'} spent: no kit is open",
            "Run `aikit ledger expire`.",
            Exit.NO,
            **facts,
        )
    return fine(f"{pending:,} in flight, none expired", **facts)


def spool(patient: Patient) -> Check:
    """Whether endings wait on disk, and for whom."""
    found = look(spool_folder(patient.named, patient.settings.data_dir))
    left = [file for file in found.files if not file.owned]
    facts = {
        "folder": str(found.folder),
        "endings": found.endings,
        "ownerless": sum(file.endings for file in left),
        "nano": found.nano,
        "set_aside": sum(aside.lines for aside in found.aside),
    }
    unreadable = next((file for file in found.files if file.problem), None)
    if unreadable is not None:
        return broken(
            f"{unreadable.name} can't be read: {unreadable.problem}",
            f"Let this user read it: `sudo chown -R $(id -u) {found.folder}`, then `aikit ledger spool --post`.",
            Exit.NO,
            **facts,
        )
    full = next((file for file in found.files if file.size > NEARLY_FULL * MAX_BYTES), None)
    if full is not None:
        return broken(
            f"{full.name} has {full.size / 1e6:,.0f} of {MAX_BYTES / 1e6:,.0f} MB: when it is full, endings are lost "
            "until their holds expire",
            "Bring the database back, then run `aikit ledger spool --post`.",
            Exit.NO,
            **facts,
        )
    if any(file.endings or file.unread for file in left):
        return broken(
            f"{_endings(found, left=True)} of a process that is gone",
            "Run `aikit ledger spool --post`.",
            Exit.NO,
            **facts,
        )
    if found.endings:
        return warning(
            f"{_endings(found, left=False)}: a process posts them when the database is back",
            "Run `aikit ledger spool` to see them.",
            **facts,
        )
    if found.aside:
        return warning(
            f"{facts['set_aside']:,} lines were set aside, which the ledger does not take",
            f"Look at them in {found.folder}, and run `aikit ledger correct --help`.",
            **facts,
        )
    return fine("empty", **facts)


def estimates(patient: Patient) -> Check:
    """How much of the last day is an estimate, or without a price."""
    with patient.line() as connection:
        row = connection.execute(LAST_DAY).fetchone()
    assert row is not None
    calls, estimated, unpriced = row
    facts = {"calls": calls, "estimated": estimated, "unpriced": unpriced}
    if unpriced:
        return warning(
            f"{unpriced:,} of {calls:,} calls of the last day have no price",
            "Run `aikit spend --by model --since 24h` to see which models; price them under [prices] in aikit.toml.",
            **facts,
        )
    if calls and estimated > MANY_ESTIMATED * calls:
        return warning(
            f"{estimated:,} of {calls:,} calls of the last day are estimates: nobody learnt what they cost",
            "Run `aikit spend --by model --since 24h` to see where.",
            **facts,
        )
    return fine(
        f"{calls:,} calls in the last day, {estimated:,} of them estimated, {unpriced:,} without a price", **facts
    )


def _endings(found: Spooled, *, left: bool) -> str:
    files = [file for file in found.files if file.owned is not left]
    number, nano = sum(file.endings for file in files), sum(file.nano for file in files)
    return f"{number:,} ending{'' if number == 1 else 's'} over {format_usd(nano)} wait{'s' if number == 1 else ''}"
