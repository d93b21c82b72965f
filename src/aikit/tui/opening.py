"""What Enter opens: a page about the thing under the cursor; and two versions of a prompt side by side."""

from __future__ import annotations

from aikit.console.model import Snapshot, Tab
from aikit.errors import AIKitError
from aikit.tui.grid import Grid
from aikit.tui.polling import in_thread
from aikit.tui.screens import Leaf
from aikit.tui.view import View

PAGE = "page"


class Opening(View):
    """The part of the console that looks things up."""

    def action_open(self) -> None:
        if self.grid.cursor is not None:
            self._open(self.tab, self.grid.cursor.key, self.grid.cursor.copied)

    def on_grid_chosen(self, message: Grid.Chosen) -> None:
        self._open(self.tab, message.row.key, message.row.copied)

    def _open(self, tab: Tab, key: str, copied: str) -> None:
        snapshot = self.snapshot
        if snapshot is not None:
            self.run_worker(self._show_page(tab, key, copied, snapshot), exclusive=True, group=PAGE)

    def stop_opening(self) -> bool:
        """Open nothing of what is being looked up. False: nothing is."""
        return bool(self.workers.cancel_group(self, PAGE))

    async def _show_page(self, tab: Tab, key: str, copied: str, snapshot: Snapshot) -> None:
        try:
            page = await in_thread(lambda: self.desk.page(tab, key, snapshot))
        except AIKitError as error:
            self.tell(error)
            return
        if self.tab is not tab or self.busy:
            return

        def opened(further: str | None) -> None:
            if further:
                self._open(tab, further, copied)

        await self.push_screen(Leaf(page, copied, ascii=self.options.ascii), opened)

    def action_diff(self) -> None:
        """Mark a version, then compare it with another."""
        row = self.grid.cursor
        if row is None:
            return
        if self.marked is None or self.marked == row.key:
            self.marked = None if self.marked == row.key else row.key
            self.draw()
            return
        first, self.marked = self.marked, None
        self.draw()
        self.run_worker(self._show_diff(first, row.key), exclusive=True, group=PAGE)

    async def _show_diff(self, first: str, second: str) -> None:
        try:
            older, newer = older_first(first, second)
            page = await in_thread(lambda: self.desk.compare_prompts(older, newer))
        except AIKitError as error:
            self.tell(error)
            return
        if self.tab is not Tab.PROMPTS or self.busy:
            return
        await self.push_screen(Leaf(page, second, ascii=self.options.ascii))


def older_first(one: str, other: str) -> tuple[str, str]:
    """Two versions of a prompt in their order, whichever was marked first; those of two prompts as they are."""
    (name, _, version), (other_name, _, other_version) = one.rpartition("@v"), other.rpartition("@v")
    turned = name == other_name and int(version) > int(other_version)
    return (other, one) if turned else (one, other)
