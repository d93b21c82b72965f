"""What processes let through of a key's minute, over any order of what they ask: never more than the minute has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aikit.serve.permits import Allowed, Permits, Taken, Use


class Ledger:
    """As `aikit.take_requests`."""

    def __init__(self) -> None:
        self.minute = 0
        self.used = 0

    def take(self, use: Use, now: int) -> Taken:
        minute = max(self.minute, now)
        used = 0 if self.minute < minute else self.used
        free = max(use.most - used, 0)
        granted = min(free, max(use.wanted, min((use.most + 19) // 20, free // 8)))
        if granted:
            self.minute, self.used = minute, used + granted
        return Taken(use.key, granted, minute, 30.0)


def ask(permits: Permits, ledger: Ledger, wanted: int, most: int, now: int) -> Allowed:
    uses = [Use("k", wanted, most, now)]
    taken = {use.key: ledger.take(use, now) for use in permits.lacking(uses)}
    return permits.use(uses, taken, 30.0)["k"]


STEPS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40), st.integers(0, 1)), max_size=60)


@given(most=st.integers(1, 200), steps=STEPS)
def test_no_order_of_requests_lets_more_through_than_a_minute_has(most: int, steps: list[tuple[int, int, int]]) -> None:
    ledger, processes, now = Ledger(), [Permits() for _ in range(4)], 1
    through = {1: 0}
    for process, wanted, later in steps:
        now += later
        through.setdefault(now, 0)
        through[now] += ask(processes[process], ledger, wanted, most, now).requests
    assert all(count <= most for count in through.values())


@given(most=st.integers(1, 500), wanted=st.lists(st.integers(1, 30), min_size=1, max_size=80))
def test_one_process_alone_can_use_all_of_its_minute(most: int, wanted: list[int]) -> None:
    ledger, permits = Ledger(), Permits()
    through = sum(ask(permits, ledger, each, most, 1).requests for each in wanted)
    assert through == min(most, sum(wanted))


def test_once_the_minute_is_used_up_the_ledger_is_not_asked_again_before_the_next() -> None:
    ledger, permits = Ledger(), Permits()
    assert ask(permits, ledger, 5, 3, 1).requests == 3
    assert permits.lacking([Use("k", 1, 3, 1)]) == []
    assert permits.lacking([Use("k", 1, 3, 2)]) == [Use("k", 1, 3, 2)]


def test_what_is_lacking_is_sorted_so_that_all_lock_in_one_order() -> None:
    uses = [Use(key, 1, 10, 1) for key in ("c", "a", "b")]
    assert [use.key for use in Permits().lacking(uses)] == ["a", "b", "c"]


def test_what_was_taken_ahead_is_used_before_more_is_taken() -> None:
    ledger, permits = Ledger(), Permits()
    assert ask(permits, ledger, 1, 200, 1).requests == 1
    assert ledger.used == 10
    for _ in range(9):
        assert permits.lacking([Use("k", 1, 200, 1)]) == []
        assert ask(permits, ledger, 1, 200, 1).requests == 1
    assert permits.lacking([Use("k", 1, 200, 1)]) == [Use("k", 1, 200, 1)]
