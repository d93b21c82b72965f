"""How often a request was there before: exactly in one process, and never too many times of several."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aikit.meter import repeats
from aikit.meter.repeats import Repetitions
from aikit.types import LoopRule, Order
from support.attempts import NOW, order

RULE = LoopRule(20, 60, "default")
gaps = st.floats(0, 30).map(lambda seconds: round(seconds, 3))
prints = st.sampled_from("abc")


def asks(fingerprint: str = "a", tenant: str = "acme") -> Order:
    return order(tenant)._replace(fingerprint=fingerprint)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_it_counts_what_was_there_before_within_the_window_and_says_since_when() -> None:
    counts = Repetitions()
    seen = [counts.see(asks(), RULE, after(at)) for at in (0, 1, 59, 60, 61, 200)]
    assert [one.seen for one in seen] == [0, 1, 2, 2, 2, 0]  # what is 60 seconds old is out
    assert [one.first_at for one in seen] == [None, NOW, NOW, after(1), after(59), None]


def test_tenants_and_what_is_counted_together_are_apart() -> None:
    counts = Repetitions()
    chat, search = RULE._replace(subject="feature=chat"), RULE._replace(subject="feature=search")
    for tenant, rule in (("acme", chat), ("acme", search), ("globex", chat), ("acme", RULE)):
        assert [counts.see(asks(tenant=tenant), rule, NOW).seen for _ in range(3)] == [0, 1, 2]


@given(st.lists(st.tuples(gaps, prints, st.booleans()), max_size=60), st.integers(1, 90))
def test_it_counts_as_if_all_times_were_kept(sequence: list[tuple[float, str, bool]], seconds: int) -> None:
    """Whatever else is asked in between, and though some are decided again on the way."""
    counts, rule = Repetitions(), RULE._replace(seconds=seconds)
    times: dict[str, list[datetime]] = {}
    at = 0.0
    for gap, fingerprint, again in sequence:
        at += gap
        asked, now = asks(fingerprint), after(at)
        before = [then for then in times.get(fingerprint, ()) if then.timestamp() > now.timestamp() - seconds]
        found = counts.see(asked, rule, now)
        assert (found.seen, found.first_at) == (len(before), before[0] if before else None)
        if again:
            assert counts.see(asked, rule, after(at + 0.5)) == found
        times.setdefault(fingerprint, []).append(now)


@given(st.lists(prints, max_size=40).flatmap(lambda asked: st.tuples(st.just(asked), st.permutations(asked))))
def test_the_order_in_which_different_requests_come_does_not_matter(orders: tuple[list[str], list[str]]) -> None:
    def most(asked: list[str]) -> dict[str, int]:
        counts = Repetitions()
        return {fingerprint: counts.see(asks(fingerprint), RULE, NOW).seen for fingerprint in asked}

    assert most(orders[0]) == most(orders[1])


def test_a_count_can_be_taken_back() -> None:
    counts = Repetitions()
    first, second = asks(), asks()
    counts.see(first, RULE, NOW)
    counts.see(second, RULE, after(1))
    counts.unsee(first.attempt)
    counts.unsee(first.attempt)
    found = counts.see(asks(), RULE, after(2))
    assert (found.seen, found.first_at) == (1, after(1))


def test_an_order_that_is_decided_again_by_another_rule_is_counted_once() -> None:
    counts = Repetitions()
    asked = asks()
    counts.see(asked, RULE, NOW)
    stricter = RULE._replace(identical=2)
    assert counts.see(asked, stricter, NOW) == (stricter, 0, None)
    assert counts.see(asks(), stricter, NOW).seen == 1


def test_a_clock_that_is_set_back_leaves_no_loop_behind() -> None:
    counts = Repetitions()
    for _ in range(30):
        counts.see(asks(), RULE, after(3600))
    assert counts.see(asks(), RULE, NOW).seen == 0


def test_it_remembers_so_many_requests_and_forgets_the_oldest(monkeypatch) -> None:
    monkeypatch.setattr(repeats, "MOST_REQUESTS", 3)
    counts = Repetitions()
    for fingerprint in "abac":
        counts.see(asks(fingerprint), RULE, NOW)
    counts.see(asks("d"), RULE, NOW)  # b goes: it has not been there for longest
    assert [counts.see(asks(fingerprint), RULE, NOW).seen for fingerprint in "acd"] == [2, 1, 1]
    assert counts.see(asks("b"), RULE, NOW).seen == 0


def test_a_long_loop_is_counted_as_the_times_that_are_remembered(monkeypatch) -> None:
    monkeypatch.setattr(repeats, "MOST_TIMES", 25)
    counts = Repetitions()
    assert [counts.see(asks(), RULE, NOW).seen for _ in range(40)] == [*range(25), *[25] * 15]


def test_only_what_is_there_three_times_is_told() -> None:
    counts = Repetitions()
    for fingerprint, times in (("a", 2), ("b", 3), ("c", 4)):
        for _ in range(times):
            counts.see(asks(fingerprint), RULE, NOW)
    second = int(NOW.timestamp())
    told = counts.tell(NOW)
    assert [(one.key, one.buckets) for one in told] == [
        (("acme", "", "b"), [(second, 3)]),
        (("acme", "", "c"), [(second, 4)]),
    ]
    assert counts.tell(NOW) == []


@dataclass
class World:
    """Several processes, and the table that they tell each other by."""

    processes: list[Repetitions]
    table: dict[tuple[int, tuple[str, str, str]], list[tuple[int, int]]] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)

    def ask(self, process: int, at: float) -> int:
        seen = self.processes[process].see(asks(), RULE, after(at)).seen
        self.times.append(at)
        return seen

    def tell(self, process: int, at: float) -> None:
        counts = self.processes[process]
        told = counts.tell(after(at))
        self.table.update({(process, one.key): list(one.buckets) for one in told})
        keys = {one.key for one in told}
        heard = [(key, body) for (other, key), body in self.table.items() if other != process and key in keys]
        counts.hear(told, heard)


@given(st.lists(st.tuples(gaps, st.integers(0, 2), st.booleans()), max_size=60))
def test_several_processes_never_count_more_than_there_was(steps: list[tuple[float, int, bool]]) -> None:
    world = World([Repetitions() for _ in range(3)])
    at = 0.0
    for gap, process, telling in steps:
        at += gap
        there = [then for then in world.times if after(then).timestamp() > after(at).timestamp() - RULE.seconds]
        assert world.ask(process, at) <= len(there)
        if telling:
            world.tell(process, at)


@given(st.integers(2, 6), st.integers(3, 20))
def test_what_all_have_told_everyone_counts(processes: int, times: int) -> None:
    world = World([Repetitions() for _ in range(processes)])
    for number in range(processes * times):
        world.ask(number % processes, number * 0.01)
    for at in (2, 3):  # all tell, then all hear what the others have told
        for process in range(processes):
            world.ask(process, at)
            world.tell(process, at)
    first = world.processes[0]
    assert first.see(asks(), RULE, after(4)).seen == len(world.times) - (processes - 1)  # told after it had heard
