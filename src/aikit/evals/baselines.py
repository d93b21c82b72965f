"""`evals/baselines/SUITE.json`: what the scores of a suite are compared with. Only `bless` writes one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from aikit.errors import BaselineInvalid
from aikit.evals.fields import Fields, prompt_stated, read_json, written_prompt
from aikit.evals.model import Mode
from aikit.evals.scored import Values
from aikit.ledger.export.files import written
from aikit.types import PromptId

SCHEMA = "aikit.eval-baseline/1"
_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Baseline:
    """The scores of a run that was blessed, without its outputs.

    `scores` are by scorer, by case, one value a trial; None is a trial without a score. `run` is the id of the run.
    `forced` says why it was blessed although it was below an absolute minimum.
    """

    suite: str
    run: str
    prompt: PromptId | None
    target: str | None
    model: str | None
    mode: Mode
    trials: int
    cases: tuple[str, ...]
    fingerprint: Mapping[str, str]
    blessed_at: datetime
    blessed_by: str
    simulated: bool
    forced: str | None = None
    scores: Mapping[str, Values] = field(default_factory=dict)

    def values(self, scorer: str) -> Values:
        """By case; nothing for a scorer that it does not have."""
        return self.scores.get(scorer, {})


def baseline_path(evals: Path, suite: str) -> Path:
    """Where the baseline of a suite is, in the folder of the evals."""
    return evals / "baselines" / f"{suite}.json"


def read_baseline(path: Path) -> Baseline | None:
    """None if there is no such file. Raises BaselineInvalid, naming the file and the field."""
    found = read_json(path, BaselineInvalid, _REMEDY)
    return None if found is None else _read(Fields(found, str(path), BaselineInvalid, _REMEDY))


_REMEDY = "Restore it (git checkout), or write it anew with `aikit eval bless`; nobody edits this file by hand."


def write_baseline(path: Path, baseline: Baseline) -> None:
    """As a whole or not at all, the same text for the same scores. Raises ConfigError when it can't be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(path) as file:
        file.write(baseline_text(baseline).encode())
    path.chmod(_MODE)


def baseline_text(baseline: Baseline) -> str:
    """JSON with one line a case and scorer, sorted, so that two baselines differ where their scores do."""
    head = {
        "schema": SCHEMA,
        "suite": baseline.suite,
        "run": baseline.run,
        "prompt": written_prompt(baseline.prompt),
        "target": baseline.target,
        "model": baseline.model,
        "mode": baseline.mode.value,
        "trials": baseline.trials,
        "blessed_at": baseline.blessed_at.isoformat(),
        "blessed_by": baseline.blessed_by,
        "simulated": baseline.simulated,
        "forced": baseline.forced,
        "fingerprint": dict(sorted(baseline.fingerprint.items())),
    }
    lines = json.dumps(head, indent=2).removesuffix("\n}")
    cases = ",\n".join(f"    {json.dumps(case)}: {_case_text(baseline, case)}" for case in sorted(baseline.cases))
    return f'{lines},\n  "cases": {{\n{cases}\n  }}\n}}\n'


def _case_text(baseline: Baseline, case: str) -> str:
    rows = [
        f"      {json.dumps(scorer)}: {json.dumps(list(values[case]), allow_nan=False)}"
        for scorer, values in sorted(baseline.scores.items())
        if case in values
    ]
    return "{\n" + ",\n".join(rows) + "\n    }" if rows else "{}"


def _read(fields: Fields) -> Baseline:
    fields.schema(SCHEMA)
    cases = fields.mapping("cases")
    trials = fields.whole("trials", least=1)
    scores: dict[str, dict[str, list[float | None]]] = {}
    for case in cases:
        row = cases.mapping(case)
        for scorer in row:
            scores.setdefault(scorer, {})[case] = row.values(scorer, trials)
    baseline = Baseline(
        suite=fields.text("suite"),
        run=fields.text("run"),
        prompt=prompt_stated(fields, "prompt"),
        target=fields.text_or_none("target"),
        model=fields.text_or_none("model"),
        mode=fields.one_of("mode", Mode),
        trials=trials,
        cases=tuple(cases),
        fingerprint=fields.texts("fingerprint"),
        blessed_at=fields.moment("blessed_at"),
        blessed_by=fields.text("blessed_by"),
        simulated=fields.truth("simulated"),
        forced=fields.text_or_none("forced"),
        scores=scores,
    )
    fields.nothing_else()
    return baseline
