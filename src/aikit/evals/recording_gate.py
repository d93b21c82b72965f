"""What a gate said of a prompt's content goes on the record: `aikit prompt promote` accepts no other content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from aikit.config import Settings
from aikit.errors import AIKitError
from aikit.evals.model import Mode, Run, Status, Verdict
from aikit.money import usd_string
from aikit.prompts.model import Prompt

if TYPE_CHECKING:
    from aikit.database.connect import Database

_PASSED = {Status.PASS: True, Status.WARN: True, Status.FAIL: False}


def counts(verdict: Verdict) -> bool:
    """Whether a verdict says something of its prompt that others may rely on: it was decided, and not by answers that
    the simulator has just made. A replay counts whatever it was recorded with: recordings are reviewed like code.
    """
    run = verdict.run
    made_up = run.simulated and run.mode is not Mode.REPLAY
    return run.prompt is not None and verdict.status in _PASSED and not run.interrupted and not made_up


def remember(settings: Settings, verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """Put those that count on the record of the configured database, or of the embedded one if it was ever started.

    What people should know of it, a sentence each: a build without a database, or that can't reach it, is decided all
    the same.
    """
    counting = [verdict for verdict in verdicts if counts(verdict)]
    if not counting:
        return ()
    if settings.database_url is None and not (settings.data_dir / "postgres").is_dir():
        return (f"No database is configured: that {_of(counting)} is not on the record.",)
    from aikit.database.connect import open_database
    from aikit.ledger.opening import prepare

    try:
        database = open_database(settings)
        prepare(database)
        for verdict in counting:
            record(database, verdict)
    except AIKitError as error:
        return (f"That {_of(counting)} is not on the record. {error}",)
    return ()


def _of(verdicts: list[Verdict]) -> str:
    said = [
        f"{verdict.run.prompt.id} {'passed' if _PASSED[verdict.status] else 'failed'} {verdict.run.suite}"
        for verdict in verdicts
        if verdict.run.prompt
    ]
    return " and ".join(said)


def record(database: Database, verdict: Verdict, who: str | None = None) -> bool:
    """Put it on the record, for exactly this content. False: it does not count, and nothing was recorded.

    Raises DatabaseError.
    """
    prompt = verdict.run.prompt
    if prompt is None or not counts(verdict):
        return False
    from aikit.ledger.prompt_gates import record_gate

    name, _, version = prompt.id.rpartition("@v")
    content = Prompt(name, int(version), prompt.sha256, "", "", ())
    record_gate(database, content, verdict.run.suite, passed=_PASSED[verdict.status], facts=facts_of(verdict), who=who)
    return True


def facts_of(verdict: Verdict) -> dict[str, Any]:
    """What is kept of the run beside its verdict."""
    run = verdict.run
    return {
        "run": run.id,
        "status": verdict.status.value,
        "mode": run.mode.value,
        "model": run.model,
        "cases": len(run.cases),
        "trials": run.trials,
        "scored_share": verdict.scored_share,
        "gates": {gate.scorer: _gate(gate.status, gate.mean) for gate in verdict.gates},
        "cost_usd": _cost(run),
        "simulated": run.simulated,
    }


def _gate(status: Status, mean: float | None) -> dict[str, Any]:
    return {"status": status.value, "mean": mean}


def _cost(run: Run) -> str | None:
    """What its answers have cost when they were made."""
    paid = [trial.nano for trial in run.results]
    return None if None in paid else usd_string(sum(nano for nano in paid if nano is not None))
