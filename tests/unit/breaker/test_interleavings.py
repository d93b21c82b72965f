"""Whatever several processes do in whatever order, and whatever the clock and an operator do: a breaker keeps its word.

The model beside it knows what happened, and nothing of how a breaker remembers it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aikit.breaker.model import TUNING, Breaker, Key, Reason, State
from aikit.breaker.outcomes import STEP
from aikit.types import Health, Hold, new_id
from support.breakers import MODEL, PROVIDER, Process, Shared

BAD = (Health.FAILED, Health.QUOTA)
OPENED = (Reason.QUOTA, Reason.CONSECUTIVE_FAILURES, Reason.FAILURE_RATE, Reason.SLOW_CALLS)
WINDOW = TUNING.window.total_seconds()


class Happened(NamedTuple):
    """What a process learned of the model."""

    at: datetime
    outcome: Health


class Flight(NamedTuple):
    """An attempt that was admitted; as a probe, or freely."""

    process: int
    hold: Hold
    probe: bool


class Interleavings(RuleBasedStateMachine):
    """Processes that ask, end, report and die; time that passes; an operator."""

    @initialize(processes=st.integers(1, 4), probes=st.integers(1, 3), key=st.sampled_from([MODEL, PROVIDER]))
    def begin(self, processes: int, probes: int, key: Key) -> None:
        self.shared = Shared()
        self.key = key
        self.tuning = TUNING._replace(probes=probes)
        self.processes = [Process(self.shared, self.tuning) for _ in range(processes)]
        self.flights: list[Flight] = []
        self.past: list[Happened] = []
        self.trips = 0
        self.for_ever = False

    @rule(choice=st.integers(0, 99))
    def ask(self, choice: int) -> None:
        process = choice % len(self.processes)
        before = self._breaker()
        decision = self.processes[process].ask(self._a_model())
        if decision.hold is None:
            assert before.state not in (State.CLOSED, State.FORCED_CLOSED)
            wait = decision.retry_after
            forever = before.state is State.FORCED_OPEN and before.until is None
            assert (wait is None) == forever and (wait is None or wait > 0)
            return
        assert not self._is_shut(before)
        probe = before.state not in (State.CLOSED, State.FORCED_CLOSED)
        self.flights.append(Flight(process, decision.hold, probe))

    @precondition(lambda self: self.flights)
    @rule(choice=st.integers(0, 99), health=st.sampled_from(Health), wait=st.none() | st.floats(0.5, 10_000))
    def end(self, choice: int, health: Health, wait: float | None) -> None:
        flight = self.flights.pop(choice % len(self.flights))
        before = self._breaker()
        asked = wait if health in BAD else None
        if self.key == MODEL and health is Health.QUOTA:
            health = Health.FAILED  # an empty account is not the model's fault, and says nothing about it
        self._end(self.processes[flight.process], flight.hold, health, asked)
        if health is not Health.NEUTRAL:
            self.past.append(Happened(self.shared.now, health))
        self._check_the_move(before, self._breaker(), health, asked)

    @rule(choice=st.integers(0, 99), times=st.sampled_from([1, 5, 12]), bad=st.booleans())
    def call_several_times(self, choice: int, times: int, bad: bool) -> None:
        """A number of calls one after the other, as they come in numbers."""
        for _ in range(times):
            self.shared.pass_time(0.01)
            before = len(self.flights)
            self.ask(choice)
            if len(self.flights) > before:
                self.end(before, Health.FAILED if bad else Health.OK, None)

    @rule(choices=st.lists(st.integers(0, 99), min_size=1, max_size=5))
    def ask_at_once(self, choices: list[int]) -> None:
        for choice in choices:
            self.ask(choice)

    @rule()
    def wait_until_it_is_over(self) -> None:
        """Until an opening or a lease is."""
        breaker, now = self._breaker(), self.shared.now
        ends = [breaker.until, *[probe.until for probe in breaker.probes]]
        left = [(end - now).total_seconds() for end in ends if end is not None and end > now]
        self.shared.pass_time(min(left, default=0))

    @precondition(lambda self: self._breaker().state in (State.OPEN, State.HALF_OPEN))
    @rule(choice=st.integers(0, 99), health=st.sampled_from(Health))
    def end_a_probe(self, choice: int, health: Health) -> None:
        probes = [n for n, flight in enumerate(self.flights) if flight.probe]
        if probes:
            self.end(probes[choice % len(probes)], health, None)

    @rule(choice=st.integers(0, 99), outcomes=st.lists(st.sampled_from(Health), min_size=1, max_size=4))
    def probe_again_and_again(self, choice: int, outcomes: list[Health]) -> None:
        for outcome in outcomes:
            self.wait_until_it_is_over()
            before = len(self.flights)
            self.ask(choice)
            if len(self.flights) > before:
                self.end(before, outcome, None)

    @rule(choice=st.integers(0, 99))
    def report(self, choice: int) -> None:
        self.processes[choice % len(self.processes)].report()

    @rule(choice=st.integers(0, 99))
    def die(self, choice: int) -> None:
        process = choice % len(self.processes)
        self.flights = [flight for flight in self.flights if flight.process != process]
        self.processes[process] = Process(self.shared, self.tuning)

    @rule(seconds=st.sampled_from([0.001, 1, 4, 14, 16, 31, 59, 61, 301, 4_000]))
    def pass_time(self, seconds: float) -> None:
        self.shared.pass_time(seconds)

    @rule(state=st.sampled_from([State.FORCED_OPEN, State.FORCED_CLOSED]), seconds=st.none() | st.integers(1, 600))
    def force(self, state: State, seconds: int | None) -> None:
        self.shared.force(state, seconds, self.key)
        self.for_ever = seconds is None
        self._forget()

    @rule()
    def reset(self) -> None:
        self.shared.reset(self.key)
        self._forget()

    @invariant()
    def no_more_probes_are_under_way_than_allowed(self) -> None:
        now, breaker = self.shared.now, self._breaker()
        if breaker.state in (State.OPEN, State.HALF_OPEN):
            fresh = [one for one in self.flights if one.probe and now < one.hold.admitted_at + self.tuning.probe_lease]
            known = {probe.attempt for probe in breaker.probes}
            assert sum(one.hold.order.attempt in known for one in fresh) == len(fresh) <= self.tuning.probes
        live = [probe for probe in breaker.probes if probe.until > now]
        assert len(live) <= self.tuning.probes

    @invariant()
    def what_is_open_has_an_end(self) -> None:
        breaker = self._breaker()
        if breaker.state is State.OPEN:
            assert breaker.until is not None
            assert breaker.until - breaker.since <= max(TUNING.retry_after_longest, TUNING.quota_open)

    def teardown(self) -> None:
        if not hasattr(self, "shared"):
            return
        if self._breaker().state is State.FORCED_OPEN and self.for_ever:
            self.shared.reset(self.key)
        self.shared.pass_time(7_200)
        process = Process(self.shared, self.tuning)
        for _ in range(TUNING.successes):
            hold = process.ask(self._a_model()).hold
            assert hold is not None, self._breaker()
            self.shared.pass_time(1)
            self._end(process, hold, Health.OK, None)
        assert self._breaker().state in (State.CLOSED, State.FORCED_CLOSED)

    def _breaker(self) -> Breaker:
        return self.shared.breaker(self.key)

    def _a_model(self) -> str:
        """Always another if it is about the provider as a whole, so that no breaker of a model stands in the way."""
        return MODEL[1] if self.key == MODEL else str(new_id())

    def _end(self, process: Process, hold: Hold, health: Health, wait: float | None) -> None:
        """One that never got an answer says something about the provider as a whole."""
        process.end(hold, health, wait, status=500 if self.key == MODEL else None)

    def _is_shut(self, breaker: Breaker) -> bool:
        return breaker.state in (State.OPEN, State.FORCED_OPEN) and (
            breaker.until is None or self.shared.now < breaker.until
        )

    def _check_the_move(self, before: Breaker, after: Breaker, health: Health, wait: float | None) -> None:
        if health is Health.NEUTRAL and before.state is not State.FORCED_CLOSED:
            assert after._replace(probes=before.probes, revision=before.revision) == before
        if after.state is State.OPEN and before.state is not State.OPEN:
            assert health in (*BAD, Health.SLOW)
            if health is Health.QUOTA:
                assert after.reason is Reason.QUOTA and after.until == self.shared.now + TUNING.quota_open
                self.trips += 1
                return
            self._check_the_time(after, wait)
            if before.state is not State.HALF_OPEN:
                assert after.reason in OPENED and self._ought_to_open(before), after
            self.trips += 1
        if after.state is State.CLOSED and before.state is State.HALF_OPEN:
            assert health in (Health.OK, Health.SLOW)
            self._forget()

    def _check_the_time(self, after: Breaker, wait: float | None) -> None:
        """As long as the provider asks, or twice as long as the last time."""
        assert after.until is not None
        lasting = after.until - self.shared.now
        own = min(timedelta(seconds=15) * 2**self.trips, timedelta(minutes=5))
        if wait is not None and after.reason is Reason.PROBE_FAILED:
            assert lasting == min(timedelta(seconds=wait), timedelta(hours=1))
        elif after.reason in (Reason.PROBE_FAILED, Reason.SLOW_CALLS) and self.trips:
            assert lasting == own
        else:  # another process may have been asked to wait, too
            assert lasting == own or lasting <= timedelta(hours=1)

    def _ought_to_open(self, before: Breaker) -> bool:
        """What happened since it was closed, as far as any process knows, is enough. Reports may be late by a call."""
        now = self.shared.now
        since = max(before.since, now - timedelta(seconds=WINDOW + STEP))
        if before.state is State.FORCED_CLOSED and before.until is not None:
            since = max(since, before.until)
        known = [one.outcome for one in self.past if one.at >= since]
        failed = sum(one is Health.FAILED for one in known)
        slow = sum(one is Health.SLOW for one in known)
        return failed >= TUNING.consecutive or failed + slow >= TUNING.least_calls // 2

    def _forget(self) -> None:
        """It was closed, or a person decided: what was a probe is a call like any other."""
        self.trips = 0
        self.flights = [flight._replace(probe=False) for flight in self.flights]


Interleavings.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestInterleavings = Interleavings.TestCase
