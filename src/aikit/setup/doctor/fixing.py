"""What the doctor may mend: only what takes nothing away. Each says what it did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from aikit import expiring
from aikit.errors import AIKitError
from aikit.ledger.opening import prepare
from aikit.meter.months import AHEAD
from aikit.meter.opening import open_meter
from aikit.meter.prices import PriceRow
from aikit.meter.spool import spool_folder
from aikit.meter.spooled import look
from aikit.money import format_usd
from aikit.setup.doctor.model import Finding
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Check, State
from aikit.setup.steps.base import Looking
from aikit.setup.steps.database import DatabaseStep
from aikit.setup.steps.files import Files
from aikit.setup.steps.migrations import Migrations
from aikit.setup.steps.tenant import Tenant

Heard = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Fix:
    """`asks` is the question that is asked before; None: it is done without. `do` returns what it did."""

    exam: str
    do: Callable[[Patient, Heard], str]
    asks: str | None = None
    only_missing: bool = False


@dataclass(frozen=True, slots=True)
class Fixed:
    """What was done about an exam; `problem` is why it could not be."""

    exam: str
    did: str = ""
    problem: AIKitError | None = None


def fixes_for(findings: Iterable[Finding]) -> Iterator[Fix]:
    """Those that there are for what was found, in their order."""
    wrong = {one.exam.id: one.check for one in findings if one.check and (one.failed or one.warns)}
    for fix in FIXES:
        check = wrong.get(fix.exam)
        if check is not None and (not fix.only_missing or _is_missing(check)):
            yield fix


def apply(fix: Fix, patient: Patient, heard: Heard) -> Fixed:
    """Do it. What goes wrong is in the answer."""
    try:
        return Fixed(fix.exam, fix.do(patient, heard))
    except AIKitError as error:
        return Fixed(fix.exam, problem=error)
    finally:
        patient.forget()


def _is_missing(check: Check) -> bool:
    """Files and tenants that are not there are a warning, for one can do without."""
    return check.state is State.MISSING or bool(check.facts.get("missing")) or check.facts.get("tenants") == 0


def _step(step: Looking, did: str) -> Callable[[Patient, Heard], str]:
    def do(patient: Patient, heard: Heard) -> str:
        step.apply(patient.place, heard)
        return did

    return do


def _months(patient: Patient, heard: Heard) -> str:
    with patient.line(reads=False) as connection:
        connection.execute(AHEAD)
    return "made the tables of this month and the next"


def _expire(patient: Patient, heard: Heard) -> str:
    heard("ending holds")
    with patient.turn() as database:
        done = expiring.expire(database)
    amounts = [nano for each in done.presumed.values() for nano in each]
    return f"presumed {len(amounts):,} expired hold{'' if len(amounts) == 1 else 's'} spent, {format_usd(sum(amounts))}"


def _post(patient: Patient, heard: Heard) -> str:
    """Adopt what no living process owns, and post it."""
    heard("posting what was spooled")
    settings = patient.settings
    with patient.turn() as database:
        prepare(database)
        folder = spool_folder(database, settings.data_dir)
        before = look(folder).endings
        meter = open_meter(database, settings.data_dir, _no_price)
        try:
            meter.flush()
        finally:
            meter.close()
    posted = max(0, before - look(folder).endings)
    return f"posted {posted:,} ending{'' if posted == 1 else 's'} from the spool"


def _no_price(price_id: str) -> PriceRow:
    """A line of the spool brings its prices, if they were not on record when it was written."""
    raise LookupError(price_id)


FIXES = (
    Fix("settings/files", _step(Files(), "wrote the project files that were not there"), only_missing=True),
    Fix("database/reach", _step(DatabaseStep(), "made and started the embedded PostgreSQL"), only_missing=True),
    Fix("database/schema", _step(Migrations(), "upgraded the schema"), "Upgrade the schema of the ledger?"),
    Fix("database/months", _months),
    Fix("books/holds", _expire),
    Fix("books/spool", _post),
    Fix(
        "policies/tenants",
        _step(Tenant(), 'added the tenant "default" with a cap of $5.00 a day'),
        'Add a tenant "default" that may spend $5.00 a day?',
        only_missing=True,
    ),
)
"""In the order in which one makes the next possible."""
