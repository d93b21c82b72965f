"""What `aikit init` shows: the plan as rows, then each step as it is done, then what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aikit.cli.output import console, visible
from aikit.setup.model import Check, State

if TYPE_CHECKING:
    from rich.console import Console

    from aikit.setup.model import Row
    from aikit.setup.planning import Done, Plan, Planned

TICK, CROSS, ODD = "✓", "✗", "!"
STYLES = {TICK: "green", CROSS: "bold red", ODD: "yellow"}
SOURCED = {"environment", ".env", "typed", "aikit.toml", "--database-url"}
"""Sources that are worth a word; that a default is one is no news."""


class Screen:
    """Writes to stdout, or with `--json` to stderr: then stdout is for the object alone."""

    def __init__(self, *, json: bool) -> None:
        self._out: Console = console(stderr=json)
        self._width = 0

    @property
    def live(self) -> bool:
        return self._out.is_terminal

    def line(self, text: str = "", style: str = "") -> None:
        from rich.text import Text

        self._out.print(Text(visible(text), style), soft_wrap=True)

    def plan(self, plan: Plan) -> None:
        """Every row: what, value, source, and what will be done."""
        rows = list(_rows(plan))
        names, values = (max((len(row[part]) for row in rows), default=0) for part in (1, 2))
        for glyph, name, value, will in rows:
            self._glyphed(glyph, f"{name:<{names}}  {value:<{min(values, 46)}}  {will}".rstrip(), indent="  ")

    def done(self, done: Done) -> None:
        """What came of one step."""
        glyph = CROSS if not done.check.ok else ODD if done.check.state is State.WARNING else TICK
        if not done.check.ok and not done.minor:
            self._glyphed(glyph, done.step.title, indent="  ")  # the error says why, and what to do
            return
        took = f" · {_duration(done.seconds)}" if done.seconds is not None else ""
        self._glyphed(glyph, f"{done.step.title:<22} {done.check.why}{took}", indent="  ")

    def next(self, rows: tuple[Row, ...]) -> None:
        """The next commands."""
        width = max(len(row.what) for row in rows)
        self.line("Next:")
        for row in rows:
            self.line(f"  {row.what:<{width}}  {row.value}")

    def working(self, text: str) -> Any:
        """A sign of life while something lasts; nothing of it stays."""
        from contextlib import nullcontext

        return self._out.status(visible(text)) if self.live else nullcontext()

    def _glyphed(self, glyph: str, text: str, indent: str) -> None:
        from rich.text import Text

        shown = Text(f"{indent}{glyph} {visible(text)}")
        shown.stylize(STYLES.get(glyph, ""), len(indent), len(indent) + 1)
        self._out.print(shown, soft_wrap=True)


def plan_data(planned: Planned) -> dict[str, Any]:
    """A step of the plan, as JSON has it."""
    rows = [{"what": row.what, "value": row.value, "source": row.source or None, "will": row.will or None}
            for row in planned.rows]  # fmt: skip
    return {**_step(planned.step.name, planned.step.title, planned.check), "rows": rows}


def done_data(done: Done) -> dict[str, Any]:
    """What came of a step, as JSON has it. `seconds` null: nothing had to be done."""
    seconds = None if done.seconds is None else round(done.seconds, 3)
    return {**_step(done.step.name, done.step.title, done.check), "seconds": seconds}


def _step(name: str, title: str, check: Check) -> dict[str, Any]:
    return {
        "step": name,
        "title": title,
        "state": check.state.value,
        "why": check.why,
        "remedy": check.remedy if check.state is not State.OK else None,
        "facts": dict(check.facts),
    }


def _rows(plan: Plan) -> Iterator[tuple[str, str, str, str]]:
    """Glyph, what, value with its source, and what will be done."""
    stop = plan.stop
    for planned in plan.steps:
        if planned.step.name == "summary" or (planned is not stop and _after(plan, planned)):
            continue
        if planned.check.state is State.BROKEN:
            if planned is stop:
                yield CROSS, planned.step.title, "", ""  # the error says why, and what to do
            else:
                yield CROSS, planned.step.title, planned.check.why, f"→ {planned.check.remedy}"
            continue
        if planned.step.name.startswith("reach:") and planned.check.ok:
            yield TICK, planned.step.title, planned.check.why, ""
            continue
        for row in planned.rows:
            source = f" ({row.source})" if row.source in SOURCED or row.source.startswith("DATABASE_URL") else ""
            glyph = ODD if planned.check.state is State.WARNING and not row.will else " " if row.will else TICK
            glyph = " " if row.value == "missing" else glyph
            yield glyph, row.what, f"{row.value}{source}", row.will


def _after(plan: Plan, planned: Planned) -> bool:
    """Whether this comes after the one that everything stops at."""
    return plan.stop is not None and plan.steps.index(planned) > plan.steps.index(plan.stop)


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
