"""Which breakers stand in the way just now."""

from __future__ import annotations

from aikit.breaker.model import State
from aikit.errors import Exit
from aikit.ledger.breakers import list_breakers
from aikit.setup.doctor.model import broken, fine, warning
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Check

STRANGE = (State.HALF_OPEN, State.FORCED_OPEN, State.FORCED_CLOSED)


def breakers(patient: Patient) -> Check:
    """Whether a provider or a model is left alone."""
    with patient.turn() as database:
        found = list_breakers(database)
    states = {row.breaker.name: str(row.breaker.state) for row in found if row.breaker.state is not State.CLOSED}
    facts = {"breakers": len(found), "not_closed": states}
    for row in found:
        if row.breaker.state is State.OPEN:
            left = f" for another {row.left.total_seconds():,.0f} s" if row.left is not None else ""
            return broken(
                f"{row.breaker.name} is open{left} ({row.breaker.reason}): calls to it are refused",
                f"Once it is well: `aikit breaker reset {row.breaker.name}`; `aikit breaker show {row.breaker.name}` "
                "says what was seen.",
                Exit.STOPPED,
                **facts,
            )
    for row in found:
        if row.breaker.state in STRANGE:
            by = f", by {row.forced_by.who}" if row.forced_by else ""
            return warning(
                f"{row.breaker.name} is {str(row.breaker.state).replace('_', ' ')}{by}",
                f"Run `aikit breaker show {row.breaker.name}`; `aikit breaker reset {row.breaker.name}` ends it.",
                **facts,
            )
    return fine(f"all {len(found)} closed" if found else "none has ever opened", **facts)
