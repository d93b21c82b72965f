"""The steps of the set-up, in their order. `steps_of` has those for a place: with its providers."""

from __future__ import annotations

from aikit.config import BUILT_IN
from aikit.errors import AIKitError
from aikit.setup.model import Place, Step
from aikit.setup.place import SIMULATOR, chosen, of_interest
from aikit.setup.steps.call import Call
from aikit.setup.steps.database import DatabaseStep
from aikit.setup.steps.files import Files
from aikit.setup.steps.keys import Keys
from aikit.setup.steps.migrations import Migrations
from aikit.setup.steps.reach import Reach
from aikit.setup.steps.summary import Summary
from aikit.setup.steps.tenant import Tenant

__all__ = ["STEPS", "named", "steps_of"]


def _ordered(providers: list[str], called: str | None) -> tuple[Step, ...]:
    reached = [Reach(provider) for provider in providers]
    return (Files(), Keys(), *reached, DatabaseStep(), Migrations(), Tenant(), Call(called), Summary())


STEPS: tuple[Step, ...] = _ordered([*BUILT_IN], None)
"""All steps, with the providers that need no configuration."""


def steps_of(place: Place) -> tuple[Step, ...]:
    """The steps for this place, with those providers that have a key, need none, or were chosen.

    Where the settings can't be read, they are those of `STEPS`, and their checks say why.
    """
    try:
        providers = [provider.name for provider in of_interest(place)]
        if place.choices.simulator and SIMULATOR not in providers:
            providers.append(SIMULATOR)
        provider = chosen(place)
    except AIKitError:
        return STEPS
    called = provider.name if provider else SIMULATOR if place.choices.simulator else None
    return _ordered(providers, called)


def named(name: str, place: Place) -> Step | None:
    """The step of this name, for this place; None if there is none."""
    return next((step for step in steps_of(place) if step.name == name), None)
