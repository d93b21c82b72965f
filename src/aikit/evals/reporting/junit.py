"""JUnit XML: a suite each, its gates and its cases as test cases, so that what is red there is what failed here.

A case is red only where the verdict is: a passing suite may well have a case that scores 0, which no CI system should
paint red. Its scores are in its output.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from aikit.evals.model import Rule, Run, Score, Status, Trial
from aikit.evals.reporting.block import block, failures
from aikit.evals.reporting.escaping import printable, short, shortened, xml
from aikit.evals.reporting.outcome import Outcome, Report, Stopped
from aikit.evals.reporting.words import absolute, bounds, gate_line, summary, value
from aikit.evals.scored import fails, values_of
from aikit.money import usd_string

LONGEST = 4_000
"""Characters of an answer that are shown."""


def junit(report: Report) -> bytes:
    """The file, in UTF-8."""
    whole = JUnitXml("aikit eval")
    for entry in report.entries:
        suite = TestSuite(xml(f"aikit eval {entry.suite.name}"))
        if isinstance(entry, Stopped):
            suite.add_testcase(_stopped(entry))
        else:
            _fill(suite, entry)
        whole.add_testsuite(suite)
    whole.update_statistics()  # type: ignore[no-untyped-call]
    file = io.BytesIO()
    whole.write(file)
    return file.getvalue()


def _stopped(entry: Stopped) -> TestCase:
    case = TestCase(xml(entry.subject), _class(entry.suite.name), 0.0)
    error = Error(xml(printable(entry.error.message)), entry.error.code)
    error.text = xml(printable(f"{entry.error.message}\n{entry.error.remedy}"))
    case.result = error
    return case


def _fill(suite: TestSuite, outcome: Outcome) -> None:
    run = outcome.run
    suite.timestamp = f"{run.started_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
    facts = {
        "subject": outcome.subject,
        "status": outcome.status.value,
        "run": run.id,
        "model": run.model or "",
        "mode": run.mode.value,
        "summary": summary(outcome),
        "spent_usd": usd_string(run.spent_nano),
    }
    for name, fact in facts.items():
        suite.add_property(name, xml(printable(fact)))
    suite.add_testcases([*_gates(outcome), *_cases(outcome)])


def _gates(outcome: Outcome) -> Iterator[TestCase]:
    """One each; and one for the suite where no gate says it: when cases are gone, or there is no gate at all."""
    classname = _class(outcome.suite.name)
    shared = outcome.status in (Status.FAIL, Status.INCONCLUSIVE) and all(
        result.rule is Rule.COVERAGE for result in outcome.verdict.gates
    )
    if shared:
        case = TestCase(f"gate coverage of {xml(outcome.subject)}", classname, 0.0)
        _redden(case, outcome.status, "\n".join(block(outcome, gate=True)))
        yield case
        return
    for result in outcome.verdict.gates:
        lower = result.scorer in outcome.lower
        name = f"gate {result.scorer} {bounds(result, outcome.units.get(result.scorer, ''), lower=lower)}"
        case = TestCase(xml(name), classname, 0.0)
        _redden(case, result.status, gate_line(outcome, result))
        yield case


def _redden(case: TestCase, status: Status, why: str) -> None:
    if status is Status.FAIL:
        case.result = _with_text(Failure(xml(printable(why.split("\n")[0])), "gate"), why)
    elif status is Status.INCONCLUSIVE:
        case.result = _with_text(Error(xml(printable(why.split("\n")[0])), "inconclusive"), why)
    else:
        case.system_out = xml(printable(why))


def _cases(outcome: Outcome) -> Iterator[TestCase]:
    run = outcome.run
    trials: dict[str, list[Trial]] = {case: [] for case in run.cases}
    for trial in run.results:
        trials.setdefault(trial.case, []).append(trial)
    reasons = _reasons(outcome)
    for name, tried in trials.items():
        case = TestCase(xml(short(name)), _class(outcome.suite.name), _seconds(tried))
        why = reasons.get(name, [])
        errors = [error for trial in tried for error in _errors(trial)]
        if why:
            case.result = _with_text(Failure(xml(why[0]), "case"), "\n".join(why))
        elif errors and outcome.status is Status.INCONCLUSIVE:
            case.result = _with_text(Error(xml(printable(errors[0])), "case"), "\n".join(errors))
        elif errors:
            case.result = [Skipped(xml(printable(errors[0])))]
        case.system_out = xml("\n\n".join(_told(outcome, run, trial) for trial in tried))
        yield case


def _reasons(outcome: Outcome) -> dict[str, list[str]]:
    """By case, why it is one of those that made a gate fail."""
    found: dict[str, list[str]] = {}
    failed = {result.scorer: result for result in outcome.verdict.gates if result.status is Status.FAIL}
    if not failures(outcome):
        return found
    for scorer, result in failed.items():
        spec, unit = outcome.spec(scorer), outcome.units.get(scorer, "")
        if spec is None or result.rule is Rule.COVERAGE:
            continue
        if result.rule in (Rule.MINIMUM, Rule.CRITICAL):
            for case, values in values_of(outcome.run, scorer).items():
                if fails(values, spec) and (result.rule is Rule.MINIMUM or case in outcome.verdict.newly_failing):
                    shown = ", ".join(value(one, unit) for one in values)
                    found.setdefault(case, []).append(
                        f"{scorer} {shown}, and the gate asks for {absolute(result, unit)}"
                    )
        for row in outcome.verdict.worst if result.rule is Rule.REGRESSION else ():
            if row.scorer == scorer:
                said = f"{scorer} {value(row.before, unit)} → {value(row.after, unit)}"
                found.setdefault(row.case, []).append(said)
    return found


def _errors(trial: Trial) -> list[str]:
    own = [trial.error] if trial.error else []
    return own + [f"{name}: {score.error}" for name, score in trial.scores.items() if score.error]


def _told(outcome: Outcome, run: Run, trial: Trial) -> str:
    head = f"trial {trial.trial + 1} of {run.trials}" + (" (recovered)" if trial.recovered else "")
    scores = [f"{name} {_score(score, outcome.units.get(name, ''))}" for name, score in trial.scores.items()]
    output = trial.error or trial.output
    return "\n".join([head, *map(printable, scores), shortened(output or "", LONGEST)])


def _score(score: Score, unit: str) -> str:
    if score.error:
        return f"error: {score.error}"
    return value(score.value, unit) + (f"  {score.why}" if score.why else "")


def _seconds(trials: list[Trial]) -> float:
    return sum(trial.latency_ms or 0 for trial in trials) / 1000


def _with_text(result: Failure | Error, text: str) -> Failure | Error:
    result.text = xml(printable(text))
    return result


def _class(suite: str) -> str:
    return xml(f"aikit.eval.{suite}")
