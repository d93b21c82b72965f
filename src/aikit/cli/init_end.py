"""How `aikit init` ends: its JSON, and what is offered next to a person at the terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aikit.cli.init_words import done_data, plan_data
from aikit.cli.output import note

if TYPE_CHECKING:
    from aikit.setup.model import Check, Place
    from aikit.setup.planning import Done, Plan

CONSOLE = "top"


def data(
    place: Place, plan: Plan, done: Sequence[Done], failed: Check | None, dry_run: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Data and totals. Keys are only told as set or not."""
    problem = failed and {"why": failed.why, "remedy": failed.remedy, "exit": int(failed.exit)}
    summary = plan.found("summary")
    found = {
        "folder": str(place.folder),
        "dry_run": dry_run,
        "provider": place.choices.provider,
        "simulated": place.choices.simulator,
        "plan": [plan_data(planned) for planned in plan.steps],
        "done": [done_data(one) for one in done],
        "failed": problem,
        "next": list(summary.facts.get("next", ())) if summary and failed is None else [],
    }
    spent = sum((Decimal(cost) for one in done if one.seconds and (cost := one.check.facts.get("cost_usd"))), Decimal())
    applied = sum(one.seconds is not None and one.check.ok for one in done)
    return found, {"steps": len(plan.steps), "applied": applied, "cost_usd": f"{spent:f}"}


def offer(
    place: Place, failed: Check | None, *, agent: bool, yes: bool = False, agent_cap_usd: str | None = None
) -> bool:
    """The set-up agent, where a provider works; and the console, where there is one and all went well. Whether the
    agent has led.
    """
    from aikit.cli.init_asking import Terminal
    from aikit.setup.place import config_file

    helper = agent and can_lead(place)
    console = _console() if failed is None else None
    if not helper and console is None:
        return False
    parts = [f"a asks the set-up agent (it may spend {_agents_cap(agent_cap_usd)})"] if helper else []
    parts.append("Enter opens the console, q ends" if console is not None else "Enter ends")
    if failed is not None:
        note(f"✗ {failed.why}")
    answer = Terminal().read(f"{', '.join(parts)}:").strip().casefold()
    if helper and answer == "a":
        lead(place, yes, agent_cap_usd)
        return True
    if console is not None and not answer:
        os.environ["AIKIT_CONFIG"] = str(config_file(place))
        console([])
    return False


def lead(place: Place, yes: bool, cap_usd: str | None) -> None:
    """Let a model lead, within what code allows."""
    from aikit.cli.init_agent import lead as begin

    begin(place, yes=yes, cap_usd=cap_usd)


def _agents_cap(stated: str | None) -> str:
    from aikit.money import format_usd
    from aikit.setup.agent.metering import cap_of

    return format_usd(cap_of(stated))


def can_lead(place: Place) -> bool:
    """Whether a real provider is there to ask."""
    from aikit.errors import AIKitError
    from aikit.setup.place import SIMULATOR, chosen
    from aikit.setup.steps import named

    try:
        provider = chosen(place)
    except AIKitError:
        return False
    if provider is None or provider.name == SIMULATOR or not provider.configured:
        return False
    reach = named(f"reach:{provider.name}", place)
    return reach is not None and reach.check(place).ok


def _console() -> Any:
    """The command `aikit top`, if this aikit has it."""
    from aikit.cli.app import COMMANDS
    from aikit.cli.group import load

    entry = next((entry for entry in COMMANDS if entry.name == CONSOLE), None)
    return entry and load(entry)
