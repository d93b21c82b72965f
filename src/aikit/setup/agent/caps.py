"""Caps that the agent may propose: lower than what is, or up to a hard maximum. More has to be typed by the person."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

from aikit.errors import AIKitError
from aikit.money import NANO_PER_USD
from aikit.setup.agent.metering import TENANT
from aikit.setup.model import Place
from aikit.types import Action, Metric, Window

WINDOWS = (Window.DAY, Window.WEEK, Window.MONTH)
MOST_A_DAY_NANO = 50 * NANO_PER_USD
MOST_NANO = {Window.DAY: MOST_A_DAY_NANO, Window.WEEK: 7 * MOST_A_DAY_NANO, Window.MONTH: 30 * MOST_A_DAY_NANO}
"""What a yes, or `--yes`, is enough for."""


class Caps(Protocol):
    """The caps of the place's ledger."""

    def current(self, tenant: str, window: Window) -> int | None:
        """The tenant's own cap on money in that window, in nano-USD; None: there is none.

        Raises AIKitError if the ledger can't be asked, or does not know the tenant.
        """

    def state(self, tenant: str, window: Window, nano: int) -> None:
        """State the cap. Raises AIKitError."""


class LedgerCaps:
    """Those in the database that the place's settings name."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def current(self, tenant: str, window: Window) -> int | None:
        from aikit.database.connect import open_database
        from aikit.ledger.limits import list_limits
        from aikit.ledger.opening import prepare
        from aikit.ledger.tenants import list_tenants

        database = open_database(self._place.settings)
        prepare(database)
        if all(row.tenant != tenant for row in list_tenants(database)):
            raise AIKitError(f"The tenant {tenant!r} is not known yet.", code="TENANT_UNKNOWN")
        caps = [
            limit.cap
            for limit in list_limits(database, tenant)
            if limit.metric is Metric.CREDITS and limit.window is window and limit.action is Action.BLOCK
            and not limit.counts
        ]  # fmt: skip
        return min(caps, default=None)

    def state(self, tenant: str, window: Window, nano: int) -> None:
        from aikit.database.connect import open_database
        from aikit.ledger.tenants import set_limit
        from aikit.policy.model import StatedLimit

        limit = StatedLimit(Metric.CREDITS, window, cap=nano)
        why = "proposed by the set-up agent, agreed to by the person"
        set_limit(open_database(self._place.settings), tenant, limit, who="aikit init", why=why)


def tenants(place: Place) -> tuple[str, ...]:
    """Those whose caps the agent may propose: the one that is set up, and that of evals; never its own."""
    found = [place.choices.tenant]
    with suppress(AIKitError):
        found.append(place.settings.evals_tenant)
    return tuple(dict.fromkeys(name for name in found if name != TENANT))


def needs_typing(window: Window, nano: int, current: int | None) -> bool:
    """Whether a yes is too little for this cap."""
    lower = current is not None and nano <= current
    return nano > MOST_NANO[window] and not lower
