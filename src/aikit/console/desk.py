"""Where the console looks things up one by one, and changes them."""

from __future__ import annotations

from typing import Literal, Protocol

from aikit.console.model import Snapshot, Tab
from aikit.ledger.breakers import BreakerRow
from aikit.ledger.limits import LimitRow
from aikit.page import Page

Kind = Literal["trip", "close", "reset"]


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

    def move_breaker(self, row: BreakerRow, kind: Kind, why: str) -> str: ...

    def rollback_told(self, name: str, label: str) -> tuple[tuple[str, ...], int]:
        """What rolling it back would come to, in lines, and the version that it points to now."""
        ...

    def roll_back(self, name: str, label: str, seen: int, why: str) -> str: ...
