"""What the model is told of the place: steps and how they stand, settings, providers. No files, facts or secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from aikit.errors import AIKitError
from aikit.money import usd_string
from aikit.setup.agent.allowed import SETTINGS
from aikit.setup.agent.caps import MOST_NANO, tenants
from aikit.setup.agent.redacting import Redactor
from aikit.setup.agent.wording import plain
from aikit.setup.model import Check, Place, State, Step
from aikit.setup.planning import at_once

LONGEST_WHY = 1_000
UNANSWERED = Check(State.BROKEN, "It did not answer in time.", "Check the network, then look again.")
StepsOf = Callable[[Place], Sequence[Step]]
"""The steps as they are for a place now."""


def looked_at(step: Step, place: Place) -> Check:
    """How a step stands; one that fails at looking is broken, whatever its contract says."""
    try:
        return step.check(place)
    except AIKitError as error:
        return Check(State.BROKEN, error.message, error.remedy)
    except Exception as error:
        return Check(State.BROKEN, f"It could not be checked ({type(error).__name__}).")


def looked_at_all(steps: Sequence[Step], place: Place) -> dict[str, Check]:
    """How all of them stand, by name; looked at beside one another."""
    found = at_once([partial(looked_at, step, place) for step in steps])
    return {step.name: check or UNANSWERED for step, check in zip(steps, found, strict=True)}


def told(check: Check, redactor: Redactor) -> dict[str, str]:
    """A check as the model may see it."""
    return {
        "state": str(check.state),
        "why": plain(redactor.clean(check.why), LONGEST_WHY),
        "remedy": plain(redactor.clean(check.remedy), LONGEST_WHY),
    }


def situation(place: Place, steps: Sequence[Step], checks: Mapping[str, Check], redactor: Redactor) -> dict[str, Any]:
    """As JSON. Raises ConfigError if the settings can't be read."""
    settings = place.settings
    return {
        "steps": [
            {"step": step.name, "title": step.title, "needs": list(step.needs), **told(checks[step.name], redactor)}
            for step in steps
        ],
        "settings": [{"setting": name, "takes": setting.takes} for name, setting in SETTINGS.items()],
        "providers": [
            {
                "provider": redactor.clean(name),
                "kind": provider.kind,
                "key": "not needed" if provider.api_key_env is None else "set" if provider.api_key else "not set",
                "key_variable": provider.api_key_env,
                "model": redactor.clean(provider.model) if provider.model else None,
            }
            for name, provider in settings.providers.items()
        ],
        "routes": [redactor.clean(name) for name in settings.routes],
        "caps": {
            "tenants": list(tenants(place)),
            "most_usd": {str(window): usd_string(nano) for window, nano in MOST_NANO.items()},
        },
    }
