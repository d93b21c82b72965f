"""What is plotted beside tables: the means of scorers run by run, and the labels of a time axis. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from aikit.console.model import EvalsPage, Plot

MOST = 6
"""So many lines can be told apart."""
LABELS = 5


class Series(NamedTuple):
    """A scorer of a suite: its means, the earliest run first."""

    name: str
    values: tuple[float, ...]


def score_series(page: EvalsPage) -> tuple[Series, ...]:
    """The scorers whose means are shares, by suite; of runs that have scored nothing there is no point."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for row in reversed(page.rows):
        for scorer, mean in row.scores:
            if mean is not None:
                found[f"{row.suite} {scorer}"].append(mean)
    shares = [Series(name, tuple(values)) for name, values in found.items() if all(0 <= v <= 1 for v in values)]
    return tuple(shares[:MOST])


def time_labels(plot: Plot) -> list[tuple[int, str]]:
    """Which points are labelled, and how: clock times (UTC) below a day, dates beyond."""
    last = len(plot.points) - 1
    if last < 0:
        return []
    places = sorted({round(last * part / (LABELS - 1)) for part in range(LABELS)})
    form = "%b %d" if plot.step >= 86400 else "%H:%M"
    return [(place, plot.points[place].at.strftime(form)) for place in places]
