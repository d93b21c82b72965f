"""How single things are said: a value with its unit, a bound, what a gate found, and what a run was."""

from __future__ import annotations

from math import floor, log10

from aikit.errors import Exit
from aikit.evals.figures import apart, counted
from aikit.evals.model import GateResult, Mode, Rule, Run, Status
from aikit.evals.reporting.escaping import one_line, short
from aikit.evals.reporting.outcome import Outcome
from aikit.money import format_usd

UNKNOWN = "—"
GLYPHS = {Status.PASS: "✓", Status.WARN: "!", Status.FAIL: "✗", Status.INCONCLUSIVE: "?"}
"""Beside a word and a colour, never instead of them."""
MODES = {
    Mode.REPLAY: "replayed",
    Mode.RECORD: "recorded",
    Mode.REFRESH: "recorded anew",
    Mode.LIVE: "live",
}
LISTED = 3
"""Cases that are named in a line."""


def value(number: float | None, unit: str = "") -> str:
    """`0.71`, `$0.0012`, `1.20 s`; unknown is a dash."""
    return UNKNOWN if number is None else with_unit(digits(number), unit)


def digits(number: float) -> str:
    """Two decimals, and as many as two significant digits take for what is smaller than a hundredth."""
    small = 0 < abs(number) < 0.01
    return f"{number + 0.0:.{1 - floor(log10(abs(number))) if small else 2}f}"


def with_unit(text: str, unit: str) -> str:
    match unit:
        case "USD":
            return f"-${text[1:]}" if text.startswith("-") else f"${text}"
        case "":
            return text
        case _:
            return f"{text} {unit}"


def signed(number: float | None, unit: str = "") -> str:
    """A change, with its sign."""
    if number is None:
        return UNKNOWN
    text = with_unit(digits(number), unit)
    return text if text.startswith("-") else f"+{text}"


def interval(bounds: tuple[float, float] | None) -> str:
    return UNKNOWN if bounds is None else f"[{signed(bounds[0])}, {signed(bounds[1])}]"


def change(result: GateResult, *, lower: bool) -> float | None:
    """Candidate minus baseline."""
    return None if result.drop is None else result.drop if lower else 0 - result.drop


def bounds(result: GateResult, unit: str, *, lower: bool) -> str:
    """What the gate asks for: `>= 0.80, drop <= 0.05`."""
    allowed = result.gate.max_drop
    drop = [] if allowed is None else [f"{fall(lower)} <= {value(allowed, unit)}"]
    return ", ".join([*filter(None, [absolute(result, unit)]), *drop]) or UNKNOWN


def absolute(result: GateResult, unit: str) -> str:
    """What it asks for whatever the baseline is: `>= 0.80`; nothing, if that is nothing."""
    signs = {">=": result.gate.min, "<=": result.gate.max}
    return ", ".join(f"{sign} {value(bound, unit)}" for sign, bound in signs.items() if bound is not None)


def fall(lower: bool) -> str:
    """What getting worse is called."""
    return "rise" if lower else "drop"


def gate_line(outcome: Outcome, result: GateResult) -> str:
    """One gate: its scorer, what was found, and what was asked for: `faithfulness 0.71 gate >= 0.80`."""
    unit, lower = outcome.units.get(result.scorer, ""), result.scorer in outcome.lower
    if result.status is Status.INCONCLUSIVE or result.rule is Rule.COVERAGE:
        return f"{result.scorer} {value(result.mean, unit)} undecided: {one_line(result.why)}"
    if result.status is Status.WARN:
        return f"{result.scorer} {value(result.mean, unit)} {one_line(result.why)}"
    if result.rule is Rule.CRITICAL:
        return f"{result.scorer} {value(result.mean, unit)} {_critical(outcome, result)}"
    absolute = [] if result.rule is Rule.REGRESSION else _absolute(result, unit)
    fallen = [] if result.rule is Rule.MINIMUM else _fallen(result, unit, fall(lower))
    found = absolute or [" ".join([value(result.mean, unit), *fallen])]
    return f"{result.scorer} {', '.join([*found, *(fallen if absolute else [])])}"


def _absolute(result: GateResult, unit: str) -> list[str]:
    """The broken bound; both, if none is."""
    mean, gate = result.mean, result.gate
    if mean is None:
        return []
    said = []
    if gate.min is not None and (result.status is not Status.FAIL or mean < gate.min):
        said.append(_compared(mean, ">=", gate.min, unit))
    if gate.max is not None and (result.status is not Status.FAIL or mean > gate.max):
        said.append(_compared(mean, "<=", gate.max, unit))
    return said


def _compared(mean: float, sign: str, bound: float, unit: str) -> str:
    found, asked = _apart(mean, bound)
    return f"{with_unit(found, unit)} gate {sign} {with_unit(asked, unit)}"


def _fallen(result: GateResult, unit: str, word: str) -> list[str]:
    if result.drop is None or result.gate.max_drop is None:
        return []
    found, asked = _apart(result.drop, result.gate.max_drop)
    return [f"{word} {with_unit(found, unit)} gate <= {with_unit(asked, unit)}"]


def _apart(one: float, other: float) -> tuple[str, str]:
    """With as many digits as it takes; small amounts (dollars) have significant ones."""
    if all(number == 0 or abs(number) >= 0.005 for number in (one, other)):
        return apart(one, other)
    first, second = digits(one), digits(other)
    return (first, second) if first != second or one == other else apart(one, other)


def _critical(outcome: Outcome, result: GateResult) -> str:
    """Which critical cases fail now is in what the gate says; how many, in the verdict."""
    names = outcome.verdict.newly_failing
    return f"critical failing {len(names)} gate <= 0: {cases(names)}" if names else one_line(result.why)


def cases(names: tuple[str, ...]) -> str:
    """Some of them by name."""
    more = len(names) - LISTED
    said = ", ".join(short(name) for name in names[:LISTED])
    return said if more <= 0 else f"{said} and {more} more"


def summary(outcome: Outcome) -> str:
    """`summarize@v3 against v2 · 24 cases × 3 trials · replayed, $0.00`."""
    run, (before, _) = outcome.run, outcome.sides
    against = f" against {before}" if outcome.baseline else ", no baseline yet"
    named = run.prompt.id if run.prompt else run.target or run.suite
    return f"{short(named)}{against} · {size(run)} · {how(run)}"


def size(run: Run) -> str:
    trials = f" × {counted(run.trials, 'trial')}" if run.trials != 1 else ""
    return f"{counted(len(run.cases), 'case')}{trials}"


def how(run: Run) -> str:
    """Where the answers come from, and what that cost."""
    made = "simulated, " if run.simulated else ""
    return f"{made}{MODES[run.mode]}, {format_usd(run.spent_nano)}"


def ending(failed: int, code: Exit, *, gate: bool) -> str:
    """The last line of a suite that failed."""
    said = counted(failed, "regression")
    return f"{said} — exit {code.value}. Build blocked." if gate else f"{said} — not gated: --gate makes it exit 1."
