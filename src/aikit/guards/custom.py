"""Guards of the application's own: a function of a text, called on parts of it that the text alone decides."""

from __future__ import annotations

from importlib.metadata import entry_points

from aikit.guards.flow import Buffer, Ending, Flow, Out
from aikit.guards.matches import CustomGuard, Match
from aikit.guards.stages import CRASHED, Acting, act
from aikit.types.guards import GuardAction, Place

GROUP = "aikit.guards"
SMALLEST_BLOCK = 512


def installed(name: str) -> CustomGuard | None:
    """The guard that an installed package offers by this name, as an entry point of the group `aikit.guards`.

    Raises whatever loading it raises.
    """
    for point in entry_points(group=GROUP, name=name):
        guard: CustomGuard = point.load()
        return guard
    return None


class Blocks:
    """Calls a custom guard on one block of the text after the other, each with a window of text before and after it.

    Blocks begin at multiples of their size, so that what the guard is shown does not depend on the pieces the text
    came in. A guard without a window is called once, with the whole text.
    """

    def __init__(self, guard: CustomGuard, place: Place, acting: Acting) -> None:
        self._guard = guard
        self._place = place
        self._acting = acting
        window = getattr(guard, "window", None)
        self._window = window if isinstance(window, int) and window > 0 else 0
        self._size = max(self._window, SMALLEST_BLOCK) if self._window else None
        self._buffer = Buffer(2 * self._window)
        self._next = 0
        "Where in the buffer the block begins that comes next."
        self._found: list[Match] = []

    def feed(self, flow: Flow) -> Flow:
        self._buffer.add(flow)
        out = Out()
        while (end := self._end_of_block(flow.ending)) is not None:
            try:
                self._found += self._call(end)
            except Exception:
                blocked = act(self._acting, self._buffer, self._found, self._next, out)
                if blocked:
                    return out.flow(blocked)
                if self._acting.action in (GuardAction.BLOCK, GuardAction.REDACT):
                    return out.flow(Ending((self._acting.finding(CRASHED),)))
                out.mark(self._acting.finding(CRASHED))
            self._next = end
        blocked = act(self._acting, self._buffer, self._found, self._next, out)
        if blocked:
            return out.flow(blocked)
        gone = self._buffer.forget()
        self._next -= gone
        self._found = [match._replace(start=match.start - gone, end=match.end - gone) for match in self._found]
        return out.flow(flow.ending)

    def _end_of_block(self, ending: Ending | None) -> int | None:
        """Where the next block ends, if all that the guard is to see of it is there."""
        length = len(self._buffer.text)
        if self._size is not None and self._next + self._size + self._window <= length:
            return self._next + self._size
        if ending is None or self._next >= length:
            return None
        return length if self._size is None else min(self._next + self._size, length)

    def _call(self, end: int) -> list[Match]:
        first = max(0, self._next - self._window)
        shown = self._buffer.text[first : end + self._window]
        found = []
        for start, stop, kind, value in self._guard(shown, self._place):
            if not 0 <= start < stop <= len(shown):
                raise ValueError("a match is outside of the text")
            match = Match(first + start, first + stop, str(kind)[:60], str(value))
            if self._next <= match.start < end:
                found.append(match)
        return found
