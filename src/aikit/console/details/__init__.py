"""What Enter opens: a page about one thing, read anew when it is asked for. Each module reads one kind of thing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlalchemy as sa

    from aikit.console.model import Snapshot, Tab
    from aikit.database.connect import Database
    from aikit.page import Page


class Details:
    """Looks things up one by one. `evals` and `prompts` are the folders of the application, None where it has none.

    Each page is read in one transaction that no slow database can hold up for long. Nothing in a page can move a
    cursor: of texts of users, models and providers control characters are replaced. For several threads at once.
    """

    def __init__(
        self, database: Database, *, nano_per_credit: int, evals: Path | None = None, prompts: Path | None = None
    ) -> None:
        self._database = database
        self._nano_per_credit = nano_per_credit
        self._evals = evals
        self._prompts = prompts

    def page(self, tab: Tab, key: str, snapshot: Snapshot) -> Page:
        """About the thing that the row of this key in the table of a tab stands for, or that an item of its page opens.

        Raises AIKitError with a remedy when it is not there any more, or can't be read.
        """
        from aikit.console.model import Tab

        if tab is Tab.EVALS:
            from aikit.console.details.run import run_page
            from aikit.console.details.words import harmless

            return harmless(run_page(self._evals, key))
        return self._read(lambda connection: self._page(connection, tab, key, snapshot))

    def compare_prompts(self, first: str, second: str) -> Page:
        """Two versions of a prompt, `summarize@v6` and `summarize@v7`. Raises AIKitError for one that isn't there."""
        from aikit.console.details.comparing import comparison

        return self._read(lambda connection: comparison(connection, self._prompts, first, second))

    def _read(self, page: Callable[[sa.Connection], Page]) -> Page:
        from aikit.console.details.words import harmless
        from aikit.console.reading.line import Line

        line = Line(self._database)
        try:
            with line.tick() as tick:
                return harmless(page(tick.connection))
        finally:
            line.close()

    def _page(self, connection: sa.Connection, tab: Tab, key: str, snapshot: Snapshot) -> Page:
        from aikit.console.model import Tab

        match tab:
            case Tab.OVERVIEW:
                from aikit.console.details.overview import overview_page, tab_of

                if (opened := tab_of(key)) is not Tab.OVERVIEW:
                    return self._page(connection, opened, key, snapshot)
                return overview_page(connection, key, snapshot)
            case Tab.CALLS:
                from aikit.console.details.call import call_page

                return call_page(connection, key, self._nano_per_credit)
            case Tab.LIMITS:
                from aikit.console.details.limit import limit_page

                return limit_page(connection, key, self._nano_per_credit)
            case Tab.BREAKERS:
                from aikit.console.details.breaker import breaker_page

                return breaker_page(connection, key)
            case Tab.PROMPTS:
                from aikit.console.details.prompt import prompt_page

                return prompt_page(connection, self._prompts, key, snapshot)
            case _:
                from aikit.console.details.audit import audit_page

                return audit_page(connection, key, self._nano_per_credit)
