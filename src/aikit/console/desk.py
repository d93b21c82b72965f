"""Where the console looks things up one by one, and changes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aikit.console.details import Details

if TYPE_CHECKING:
    from datetime import timedelta

    from aikit.console.actions import Kind, Way
    from aikit.console.model import Snapshot, Tab
    from aikit.database.connect import Database
    from aikit.ledger.breakers import BreakerRow
    from aikit.ledger.limits import LimitRow
    from aikit.page import Page


class Desk(Protocol):
    """All of it raises AIKitError with a remedy. What changes something says in a sentence what it did."""

    def page(self, tab: Tab, key: str, snapshot: Snapshot) -> Page:
        """About the thing that a row of this key stands for."""
        ...

    def compare_prompts(self, first: str, second: str) -> Page: ...

    def proposed(self, row: LimitRow, cap: str, soft_cap: str, window: str) -> tuple[str, ...]:
        """What a change would come to; does no I/O."""
        ...

    def change_limit(self, row: LimitRow, *, cap: str, soft_cap: str, window: str, why: str) -> str: ...

    def move_breaker(self, row: BreakerRow, kind: Kind, *, lasting: timedelta | None, why: str) -> str:
        """`lasting` None: until somebody resets it."""
        ...

    def rollback_way(self, name: str, label: str) -> Way:
        """From where to where a rollback would take it."""
        ...

    def roll_back(self, name: str, label: str, way: Way, why: str) -> str: ...


class LedgerDesk:
    """The desk of a ledger. `evals` and `prompts` are the project's folders, None where there are none."""

    def __init__(self, database: Database, *, nano_per_credit: int, evals: Path | None, prompts: Path | None) -> None:
        self._database = database
        self._details = Details(database, nano_per_credit=nano_per_credit, evals=evals, prompts=prompts)

    def page(self, tab: Tab, key: str, snapshot: Snapshot) -> Page:
        return self._details.page(tab, key, snapshot)

    def compare_prompts(self, first: str, second: str) -> Page:
        return self._details.compare_prompts(first, second)

    def proposed(self, row: LimitRow, cap: str, soft_cap: str, window: str) -> tuple[str, ...]:
        from aikit.console import actions

        return actions.proposed(row, cap=cap, soft_cap=soft_cap, window=window)

    def change_limit(self, row: LimitRow, *, cap: str, soft_cap: str, window: str, why: str) -> str:
        from aikit.console import actions

        return actions.change_limit(self._database, row, cap=cap, soft_cap=soft_cap, window=window, why=why)

    def move_breaker(self, row: BreakerRow, kind: Kind, *, lasting: timedelta | None, why: str) -> str:
        from aikit.console import actions

        return actions.move_breaker(self._database, row, kind, lasting=lasting, why=why)

    def rollback_way(self, name: str, label: str) -> Way:
        from aikit.console import actions

        return actions.rollback_target(self._database, name, label)

    def roll_back(self, name: str, label: str, way: Way, why: str) -> str:
        from aikit.console import actions

        return actions.rollback_prompt(self._database, name, label, why=why, seen=way)
