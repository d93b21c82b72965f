"""The plot: spend as bars and calls as a line over time, or the scores of evals; one line where there is no room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from aikit.console.model import EvalsPage, Overview, Page, Plot
from aikit.console.series import Series, score_series, time_labels
from aikit.console.words import Style, sparkline, visible
from aikit.money import NANO_PER_USD, format_usd
from aikit.tui.polling import in_thread

TALL = 26
"""Lines that the terminal must have for axes; below it is a line of blocks."""
NARROW = 60
COLOURS = ("blue+", "orange+", "green+", "magenta+", "cyan+", "red+")
LEGEND = ("blue", "yellow", "green", "magenta", "cyan", "red")
"""The same, as Textual names them."""


class PlotPane(Container):
    """Shown on the tabs that have a plot."""

    def __init__(self, *, style: Style, id: str | None = None) -> None:
        super().__init__(id=id)
        self._style = style
        self._shown: tuple[Any, bool, object] | None = None
        self._axes: Any = None

    def compose(self) -> ComposeResult:
        yield Static(id="sparks")

    def show(self, page: Page | None) -> None:
        """Draw what the page has to plot; nothing if that has not changed."""
        wanted = page.plot if isinstance(page, Overview) else score_series(page) if isinstance(page, EvalsPage) else ()
        if isinstance(wanted, Plot) and not wanted.points:
            wanted = ()
        self.display = bool(wanted)
        size = self.app.size
        axes = size.height >= TALL and size.width >= NARROW and not self._style.ascii
        if not wanted or (wanted, axes, size) == self._shown:
            return
        self._shown = wanted, axes, size
        self.set_class(axes, "-axes")
        self.set_class(axes and not isinstance(wanted, Plot), "-legend")
        if axes and self._axes is None:
            self.call_after_refresh(self._mount_axes)
        elif axes:
            self._draw(wanted)
        else:
            self.query_one("#sparks", Static).update(Content(_line(wanted, size.width - 2, self._style)))

    async def _mount_axes(self) -> None:
        """Once the figures are on the screen: the library takes longer to import than those take to be drawn."""
        made = await in_thread(_plotext)
        if self._axes is None and self.is_attached:
            self._axes = made(id="axes")
            await self.mount(self._axes)
            if self._shown is not None and self._shown[1]:
                self._draw(self._shown[0])

    def _draw(self, wanted: Plot | Sequence[Series]) -> None:
        plt = self._axes.plt
        plt.clear_figure()
        if isinstance(wanted, Plot):
            _spend(plt, wanted)
        else:
            _scores(plt, wanted)
            self.query_one("#sparks", Static).update(_legend(wanted))
        self._axes.refresh()


def _plotext() -> Callable[..., Any]:
    from textual_plotext import PlotextPlot

    return PlotextPlot


def _spend(plt: Any, plot: Plot) -> None:
    nano = [point.nano or 0 for point in plot.points]
    known = [index for index, point in enumerate(plot.points) if point.calls is not None]
    calls = [plot.points[index].calls or 0 for index in known]
    count, most, busiest = len(nano), max([*nano, 1]), max([*calls, 1])
    plt.bar(range(count), [amount / NANO_PER_USD for amount in nano], width=0.3, color=COLOURS[0], yside="left")
    plt.plot(known, calls, marker="braille", color=COLOURS[1], yside="right")
    plt.xlim(-0.5, count - 0.5)
    plt.ylim(0, most / NANO_PER_USD, yside="left")
    plt.ylim(0, busiest, yside="right")
    spend, counts = sorted({0, most // 2, most}), sorted({0, busiest // 2, busiest})
    plt.yticks([n / NANO_PER_USD for n in spend], [format_usd(n) if n else "$0" for n in spend], yside="left")
    plt.yticks(counts, [f"{n:,}" for n in counts], yside="right")
    marks = time_labels(plot)
    plt.xticks([index for index, _ in marks], [label for _, label in marks])
    plt.title(_title(plot))


def _title(plot: Plot) -> str:
    step = {60: "minute", 3600: "hour", 86400: "day"}.get(plot.step, f"{plot.step} s")
    unread = sum(point.nano is None for point in plot.points)
    return f"spend (bars) and calls (line) per {step}" + (f", {unread} not read yet" if unread else "")


def _scores(plt: Any, wanted: Sequence[Series]) -> None:
    for series, colour in zip(wanted, COLOURS, strict=False):
        places = list(range(len(series.values)))
        plt.plot(places, list(series.values), marker="braille", color=colour)
        if len(places) == 1:
            plt.scatter(places, list(series.values), color=colour)
    plt.ylim(0, max([1.0, *[value for series in wanted for value in series.values]]))
    plt.xticks([])
    plt.yticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.50", "0.75", "1"])


def _legend(wanted: Sequence[Series]) -> Content:
    """Which line is which, where no line can be below it."""
    content = Content("mean scores, run by run")
    for series, colour in zip(wanted, LEGEND, strict=False):
        content = content.append_text("   ━ ", f"ansi_bright_{colour}").append(visible(series.name))
    return content


def _line(wanted: Plot | Sequence[Series], width: int, style: Style) -> str:
    if isinstance(wanted, Plot):
        lead = "spend "
        return lead + sparkline([point.nano for point in wanted.points][-(width - len(lead)) :], style)
    first = wanted[0]
    lead = f"{visible(first.name)[:20]} "
    return lead + sparkline([round(value * 1000) for value in first.values][-(width - len(lead)) :], style)
