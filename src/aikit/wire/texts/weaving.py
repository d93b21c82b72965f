"""What the streams of all APIs share: texts in pieces, calls that wait until they are whole, and the order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from aikit.types.guards import Place
from aikit.wire.sse import EVENT_LIMIT
from aikit.wire.texts.model import Channel, Checks, Event, Sort, Stopped
from aikit.wire.texts.walk import arguments

Make = Callable[[str], Event]


def _unmade(text: str) -> Event:
    raise LookupError("a text that no event has told of yet")


class Flow:
    """One text that comes in pieces. `make` words a piece of it as an event of its own."""

    def __init__(self, checks: Checks, place: Place, at: str, sort: Sort) -> None:
        self._checks = checks
        self._channel: Channel = checks.channel(place, at, sort)
        self._of = (place, at, sort)
        self._raw: list[str] = []
        self._given: list[str] = []
        self._waiting: list[str] = []
        self._held = self._length = self._released = 0
        self._beside: deque[tuple[int, list[Any]]] = deque()
        self.altered = False
        self.fed_in = 0
        """The event that the last piece was in."""
        self.over = False
        self.make: Make = _unmade

    def feed(self, piece: str, make: Make, beside: list[Any] | None = None) -> str:
        """What may be handed on now. `beside` is what is told of this piece alone: the odds of its tokens."""
        self.make = make
        self._length += len(piece)
        if self._length <= EVENT_LIMIT:
            self._raw.append(piece)
        if beside:
            self._beside.append((self._length, beside))
        self._waiting.append(piece)
        self._held += len(piece)
        if self._held > EVENT_LIMIT:
            self._checks.oversize(*self._of[:2])
        return self._pass(lambda: self._channel.feed(piece))

    def flush(self) -> str:
        """The text is at its end. Where it is told again it is known by now."""
        self.over = True
        rest = self._pass(self._channel.flush)
        self.altered = self.altered or self._held > 0
        if self._length <= EVENT_LIMIT:
            place, _, sort = self._of
            self._checks.known(place, "".join(self._raw), "".join(self._given), sort)
        return rest

    def beside(self) -> list[Any]:
        """What is told of the tokens that were handed on; nothing any more once the text was altered."""
        found: list[Any] = []
        while self._beside and (self.altered or self._beside[0][0] <= self._released):
            _, told = self._beside.popleft()
            if not self.altered:
                found += told
        return found

    def _pass(self, step: Callable[[], str]) -> str:
        try:
            given = step()
        except Stopped as stop:
            self.over = True
            if stop.released:
                stop.events.append(self.make(stop.released))
            raise
        if given:
            self._follow(given)
        return given

    def _follow(self, given: str) -> None:
        """Compares what is handed on with what came."""
        if self._length <= EVENT_LIMIT:
            self._given.append(given)
        waiting = "".join(self._waiting)
        if not self.altered and waiting.startswith(given):
            self._released += len(given)
        else:
            self.altered = True
        rest = waiting[len(given) :]
        self._waiting, self._held = [rest] if rest else [], len(rest)


class Call:
    """The arguments of one tool call, in as many events as they come in."""

    def __init__(self, at: str, *, json: bool) -> None:
        self.at = at
        self.json = json
        self.slots: list[tuple[Event, dict[str, Any], str]] = []

    @property
    def text(self) -> str:
        return "".join(holder[key] for _, holder, key in self.slots)

    def checked(self, checks: Checks) -> str:
        if self.json:
            return arguments(self.text, Place.TOOL_ARGUMENTS, self.at, checks)
        return checks.check(Place.TOOL_ARGUMENTS, self.at, self.text, Sort.ASIDE)

    def rewrite(self, text: str, *, drop: bool) -> None:
        """All of it into the first event; the others say nothing, or are dropped."""
        for number, (event, holder, key) in enumerate(self.slots):
            holder[key] = "" if number else text
            event.changed = True
            event.dropped = event.dropped or (drop and number > 0)


class Weaving:
    """Gives events on in their order, once all that is before them may be. Pure.

    `drops`: the events of a call carry nothing else, so that they need not be there.
    """

    drops = True

    def __init__(self, checks: Checks) -> None:
        self.checks = checks
        self.flows: dict[Any, Flow] = {}
        self.calls: dict[Any, Call] = {}
        self._ready: list[Event] = []
        self._queue: list[Event] = []
        self._queued = 0
        self._event = self._since = 0
        """The number of the event at hand, and of the one with which calls began to wait."""
        self._fed: list[tuple[Flow, dict[Any, Any], Any]] = []
        """The texts of the event at hand, as far as they may be handed on."""

    def see(self, event: Event) -> list[Event]:
        """The next event; what may be handed on now. Raises Stopped."""
        self._event += 1
        return self._give(lambda: self.step(event))

    def end(self) -> list[Event]:
        """There are no more events; the rest. Raises Stopped."""
        return self._give(self.finish)

    def step(self, event: Event) -> None:
        """Take an event and `emit` it, or not."""
        raise NotImplementedError

    def _give(self, step: Callable[[], None]) -> list[Event]:
        """Does it, and gives what is ready. After a block that is what was ready before it, and what of the blocked
        text may still be handed on, if its turn has come."""
        self._fed.clear()
        try:
            step()
        except Stopped as stop:
            before = self._since if self.calls else self._event
            self._end_others(before)
            told = [one for one in self._fed if not self.calls or one[0].fed_in < before]
            self._ready += [flow.make(holder[field]) for flow, holder, field in told if holder[field]]
            if not self.calls:
                self._ready += stop.events
            stop.events[:] = self._take()
            raise
        return self._take()

    def _end_others(self, before: int) -> None:
        """Texts that were told before what is blocked end here, too, and what was held back of them is as whole as it
        gets.
        """
        for flow in self.flows.values():
            if not flow.over and flow.fed_in < before:
                try:
                    rest = flow.flush()
                    self._ready += [flow.make(rest)] if rest else []
                except Stopped as stop:
                    self._ready += stop.events

    def feed(
        self, event: Event, holder: dict[Any, Any], field: Any, flow: Flow, make: Make, beside: list[Any] | None = None
    ) -> str:
        """A piece of a text, where it stands in an event; only what may be handed on of it stays there."""
        text, holder[field] = holder[field], ""
        self._fed.append((flow, holder, field))
        flow.fed_in = self._event
        given = holder[field] = flow.feed(text, make, beside)
        event.changed = event.changed or given != text
        return given

    def rest(self, holder: dict[Any, Any], field: Any, flow: Flow) -> str:
        """The end of a text, where it stands in the event at hand."""
        holder[field] += (rest := flow.flush())
        self._fed.append((flow, holder, field))
        return rest

    def emit(self, event: Event) -> None:
        """The next event, behind all that waits for a call."""
        if not self.calls:
            self._ready.append(event)
            return
        self._queue.append(event)
        self._queued += len(event.raw)
        if self._queued > EVENT_LIMIT:
            self.checks.oversize(Place.TOOL_ARGUMENTS, next(iter(self.calls.values())).at)

    def at_once(self, event: Event) -> None:
        """An event that says nothing but that the stream is alive."""
        self._ready.append(event)

    def _take(self) -> list[Event]:
        ready = [event for event in self._ready if not event.dropped]
        self._ready.clear()
        return ready

    def flow(self, key: Any, place: Place, at: str, sort: Sort) -> Flow:
        flow = self.flows.get(key)
        if flow is None:
            flow = self.flows[key] = Flow(self.checks, place, at, sort)
        return flow

    def close(self, which: Callable[[Any], bool]) -> None:
        """These texts are at their end: what was held back of them comes in events of its own, and before the calls
        that wait, if all of it did.
        """
        for key in [key for key in self.flows if which(key)]:
            flow = self.flows[key]
            rest = flow.flush()
            if rest and flow.fed_in < self._since:
                self._ready.append(flow.make(rest))
            elif rest:
                self.emit(flow.make(rest))
            del self.flows[key]

    def wait(self, key: Any, at: str, event: Event, holder: dict[str, Any], field: str, *, json: bool = True) -> None:
        """This piece of a call's arguments, and all after it, waits until the call is `settle`d. `json`: they may be
        JSON in a string."""
        if not self.calls:
            self._since = self._event
        call = self.calls.get(key)
        if call is None:
            call = self.calls[key] = Call(at, json=json)
        call.slots.append((event, holder, field))

    def settle(self, which: Callable[[Any], bool]) -> None:
        """These calls are whole: checked, they and what waited for them are ready."""
        done = [key for key in self.calls if which(key)]
        for key in done:
            call = self.calls[key]
            checked = call.checked(self.checks)
            if checked != call.text:
                call.rewrite(checked, drop=self.drops)
        for key in done:
            del self.calls[key]
        if done and not self.calls:
            self._ready += self._queue
            self._queue.clear()
            self._queued = 0

    def finish(self) -> None:
        """The stream is at its end: all texts and calls are as whole as they will be."""
        self.close(lambda key: True)
        self.settle(lambda key: True)


def changes(event: Event, checks: Checks, step: Callable[[], object]) -> bool:
    """Takes a step that checks texts in an event; says whether it changed one."""
    before = checks.altered
    step()
    changed = checks.altered != before
    event.changed = event.changed or changed
    return changed
