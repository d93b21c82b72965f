"""What `aikit top` was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from aikit.console.model import Period, Tab


@dataclass(frozen=True, slots=True)
class Options:
    """None: as it was when the console was last left. `interval` is in seconds."""

    tab: Tab | None = None
    period: Period | None = None
    filter: str | None = None
    interval: float = 2.0
    actions: bool = False
    ascii: bool = False
    theme: str | None = None
