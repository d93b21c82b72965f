"""What Enter opens: a page about one thing, read anew when it is asked for. Each module reads one kind of thing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aikit.console.model import Snapshot, Tab
    from aikit.database.connect import Database
    from aikit.page import Page


class Details:
    """Looks things up one by one. `evals` and `prompts` are the folders of the application, None where it has none.

    Nothing in a page can move a cursor: of texts of users, models and providers control characters are replaced.
    """

    def __init__(
        self, database: Database, *, nano_per_credit: int, evals: Path | None = None, prompts: Path | None = None
    ) -> None:
        self._database = database
        self._nano_per_credit = nano_per_credit
        self._evals = evals
        self._prompts = prompts

    def page(self, tab: Tab, key: str, snapshot: Snapshot) -> Page:
        """About the thing that the row of this key in the table of a tab stands for, or an item that opens a page.

        Raises AIKitError with a remedy when it is not there any more, or can't be read.
        """
        from aikit.console.details.words import harmless

        return harmless(self._page(tab, key, snapshot))

    def compare_prompts(self, first: str, second: str) -> Page:
        """Two versions of a prompt, `summarize@v6` and `summarize@v7`. Raises AIKitError for one that isn't there."""
        from aikit.console.details.comparing import comparison
        from aikit.console.details.words import harmless

        return harmless(comparison(self._database, self._prompts, first, second))

    def _page(self, tab: Tab, key: str, snapshot: Snapshot) -> Page:
        from aikit.console.model import Tab

        match tab:
            case Tab.OVERVIEW:
                from aikit.console.details.overview import overview_page

                return overview_page(self._database, key, snapshot)
            case Tab.CALLS:
                from aikit.console.details.call import call_page

                return call_page(self._database, key, self._nano_per_credit)
            case Tab.LIMITS:
                from aikit.console.details.limit import limit_page

                return limit_page(self._database, key, self._nano_per_credit)
            case Tab.BREAKERS:
                from aikit.console.details.breaker import breaker_page

                return breaker_page(self._database, key)
            case Tab.PROMPTS:
                from aikit.console.details.prompt import prompt_page

                return prompt_page(self._database, self._prompts, key, snapshot)
            case Tab.EVALS:
                from aikit.console.details.run import run_page

                return run_page(self._evals, key)
            case Tab.AUDIT:
                from aikit.console.details.audit import audit_page

                return audit_page(self._database, key, self._nano_per_credit)
