"""What the console changes, after somebody has typed the name of it: limits, breakers, labels of prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from aikit.console.model import BreakersPage, LimitsPage, PromptsPage, Tab
from aikit.console.row_keys import limit_key
from aikit.console.words import visible
from aikit.errors import AIKitError
from aikit.ledger.limits import LimitRow
from aikit.tui.asking import Confirm, EditLimit, Force
from aikit.tui.polling import in_thread
from aikit.tui.view import View

if TYPE_CHECKING:
    from datetime import timedelta

    from aikit.console.actions import Kind
    from aikit.ledger.breakers import BreakerRow

DOES = {
    "trip": "Force the breaker {} open: nothing is sent to it.",
    "close": "Force the breaker {} closed: calls are sent to it whatever becomes of them.",
    "reset": "Reset the breaker {}: it is closed, and judged anew by what happens from now on.",
}
ROLLED = "production"


class Acting(View):
    """The part of the console that changes things. Nothing is changed before its name was typed."""

    def action_edit(self) -> None:
        row, snapshot = self.chosen(), self.snapshot
        if row is None or snapshot is None or not isinstance(snapshot.page, LimitsPage):
            return
        limit = next((each for each in snapshot.page.rows if limit_key(each) == row.key), None)
        if limit is not None:
            self.push_screen(EditLimit(limit, self.desk.proposed, ascii=self.options.ascii), self._edited(limit))

    def _edited(self, limit: LimitRow) -> Callable[[tuple[str, str, str, str] | None], None]:
        def edited(given: tuple[str, str, str, str] | None) -> None:
            if given is not None:
                cap, soft_cap, window, why = given
                self._do(lambda: self.desk.change_limit(limit, cap=cap, soft_cap=soft_cap, window=window, why=why))

        return edited

    def action_trip(self) -> None:
        self._move("trip")

    def action_close(self) -> None:
        self._move("close")

    def action_reset(self) -> None:
        self._move("reset")

    def _move(self, kind: Kind) -> None:
        row, snapshot = self.chosen(), self.snapshot
        if row is None or snapshot is None or not isinstance(snapshot.page, BreakersPage):
            return
        seen = next((each for each in snapshot.page.rows if each.breaker.name == row.key), None)
        if seen is None:
            return
        name = seen.breaker.name
        lines = [DOES[kind].format(name), f"Now it is {seen.breaker.state}."]
        if kind == "reset":
            self._confirm(lines, name, lambda why: self.desk.move_breaker(seen, kind, lasting=None, why=why))
        else:
            self.push_screen(Force(lines, name, ascii=self.options.ascii), self._forced(seen, kind))

    def _forced(self, seen: BreakerRow, kind: Kind) -> Callable[[tuple[timedelta | None, str] | None], None]:
        def forced(given: tuple[timedelta | None, str] | None) -> None:
            if given is not None:
                lasting, why = given
                self._do(lambda: self.desk.move_breaker(seen, kind, lasting=lasting, why=why))

        return forced

    def action_rollback(self) -> None:
        row, snapshot = self.chosen(), self.snapshot
        if row is None or snapshot is None or not isinstance(snapshot.page, PromptsPage):
            return
        version = next((each for each in snapshot.page.rows if each.id == row.key), None)
        if version is not None:
            label = version.labels[0] if version.labels else ROLLED
            self.run_worker(self._roll_back(version.name, label), exclusive=True, group="page")

    async def _roll_back(self, name: str, label: str) -> None:
        try:
            way = await in_thread(lambda: self.desk.rollback_way(name, label))
        except AIKitError as error:
            self.tell(error)
            return
        if self.tab is not Tab.PROMPTS or self.busy:
            return
        from aikit.console.actions import rollback_told

        lines = rollback_told(way, name, label)
        self._confirm(lines, f"{name}@{label}", lambda why: self.desk.roll_back(name, label, way, why))

    def _confirm(self, lines: Iterable[str], name: str, act: Callable[[str], str]) -> None:
        def agreed(why: str | None) -> None:
            if why is not None:
                self._do(lambda: act(why))

        self.push_screen(Confirm(lines, name, ascii=self.options.ascii), agreed)

    def _do(self, act: Callable[[], str]) -> None:
        self.run_worker(self._done(act), group="act")

    async def _done(self, act: Callable[[], str]) -> None:
        """Say what was done, as soon as it is; then look again."""
        try:
            said = await in_thread(act)
        except AIKitError as error:
            self.tell(error)
        else:
            self.notify(visible(said), markup=False, timeout=6)
        self.poller.nudge()
