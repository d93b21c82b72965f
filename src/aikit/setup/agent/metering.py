"""In whose name the agent calls, and in which ledger: a tenant of its own with a small cap."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from aikit.errors import ConfigError, DatabaseError
from aikit.money import NANO_PER_USD, format_usd, parse_usd
from aikit.setup.model import Place
from aikit.types import Action, Metric, Window

if TYPE_CHECKING:
    from aikit.database.connect import Database
    from aikit.kit import AIKit

TENANT = "setup"
FEATURE = "setup_agent"
WHO = "aikit init"
DEFAULT_CAP_USD = "0.25"
MOST_CAP_NANO = 5 * NANO_PER_USD


class Metered(NamedTuple):
    """An open kit, and why its ledger is not the project's, if it is another one."""

    kit: AIKit
    instead: str = ""


def cap_of(stated: str | None) -> int:
    """What the agent may spend, in nano-USD; without a word about it, $0.25. Raises ConfigError for what is no cap."""
    try:
        cap = parse_usd(DEFAULT_CAP_USD if stated is None else stated)
    except ValueError as error:
        raise ConfigError(f"The agent's cap is {error}.", remedy="State dollars: --agent-cap-usd 0.25.") from None
    if not 0 < cap <= MOST_CAP_NANO:
        raise ConfigError(
            f"The agent's cap is {format_usd(cap)}.",
            remedy=f"It must be above 0, and {format_usd(MOST_CAP_NANO)} at most: --agent-cap-usd 0.25.",
        )
    return cap


def open_metered(place: Place) -> Metered:
    """The kit over the project's database; where that can't be used yet, over the embedded one. Raises AIKitError."""
    from aikit.kit import AIKit

    settings = place.settings
    try:
        return Metered(AIKit.open(settings))
    except DatabaseError as error:
        if settings.database_url is None:
            raise
        return Metered(AIKit.open(replace(settings, database_url=None)), error.message)


def settle_in(database: Database, cap_nano: int, *, stated: bool) -> int:
    """Make the agent's tenant known with this cap a day; one that is there stays unless this one was `stated`.

    Returns the cap that is in force, in nano-USD. Raises AIKitError.
    """
    from aikit.ledger.limits import list_limits
    from aikit.ledger.tenants import add_tenant, set_limit
    from aikit.policy.model import StatedLimit

    add_tenant(database, TENANT, who=WHO, why="the set-up agent is metered like everything else")
    caps = [
        limit.cap
        for limit in list_limits(database, TENANT)
        if limit.metric is Metric.CREDITS and limit.window is Window.DAY and limit.action is Action.BLOCK
        and limit.source == f"tenant:{TENANT}"
    ]  # fmt: skip
    if caps and not stated:
        return min(cap_nano, *caps)
    set_limit(database, TENANT, StatedLimit(Metric.CREDITS, Window.DAY, cap=cap_nano), who=WHO, why="the agent's cap")
    return cap_nano
