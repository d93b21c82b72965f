"""Play the demo: processes start, the stage is set, all call until the cap refuses each, and the books are read."""

from __future__ import annotations

from aikit.demo.crew import crew
from aikit.demo.janitor import directory
from aikit.demo.outcome import Audience, Outcome, Plan
from aikit.demo.sdks import roster


def play(plan: Plan, audience: Audience) -> Outcome:
    """Play it and clean up. Raises DemoFailed, or EmbeddedFailed if there is no PostgreSQL to be had."""
    with directory(keep=plan.keep) as at, crew(roster(plan.processes), at) as members:
        from aikit.demo.performance import perform  # takes a second, in which the processes import their SDKs

        return perform(plan, members, at, audience)
