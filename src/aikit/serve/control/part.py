"""The control plane as a part of the server: its endpoints, and what gives back what they hold."""

from __future__ import annotations

from aikit.serve.control.decisions import Decisions
from aikit.serve.control.evaluate import Evaluate
from aikit.serve.control.holds import Holds
from aikit.serve.control.keys import Keys
from aikit.serve.control.ledger import Ledger
from aikit.serve.control.policies import Policies
from aikit.serve.control.shared import Shared
from aikit.serve.control.spending import Reads
from aikit.serve.control.usage import Reporting
from aikit.serve.endpoints import Endpoint
from aikit.serve.model import Service
from aikit.serve.routes import Route


class Control:
    """Answers on the paths of the control plane. `close` it when no request runs any more."""

    def __init__(self, service: Service) -> None:
        self._ledger = Ledger(service.kit)
        reporting = Reporting(self._ledger)
        self.endpoints: tuple[Endpoint, ...] = (
            *Evaluate(self._ledger).endpoints,
            *reporting.endpoints,
            *Holds(self._ledger, reporting).endpoints,
            *Reads(self._ledger).endpoints,
            *Decisions(self._ledger).endpoints,
            *Shared(self._ledger).endpoints,
            *Keys(self._ledger).endpoints,
            *Policies(self._ledger).endpoints,
        )

    @property
    def routes(self) -> tuple[Route, ...]:
        return tuple([endpoint.route for endpoint in self.endpoints])

    async def close(self) -> None:
        """Have nothing more done."""
        await self._ledger.close()
