"""The sign-flip test against scipy's; false alarms, power and coverage by simulation."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from aikit.evals import statistics
from aikit.evals.statistics import DRAWS, EXACT, LEVEL, holm, paired, smallest_drop, smallest_p

UNITS = (1, 3, 1000)
"""Scores are multiples of one, of a third (three trials), of a thousandth."""


def by_scipy(differences: Sequence[float], draws: float = numpy.inf, alternative: str = "less") -> float:
    return float(
        stats.permutation_test(
            (numpy.array(differences),),
            lambda sample, axis: numpy.mean(sample, axis=axis),
            permutation_type="samples",
            alternative=alternative,
            n_resamples=draws,
            vectorized=True,
            rng=7,
        ).pvalue
    )


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=10), st.sampled_from(UNITS))
def test_p_is_scipys_whatever_ties_and_zeros_there_are(numbers: list[int], unit: int) -> None:
    """scipy is given whole numbers: of thirds, it does not see that some sums are equal."""
    assert paired([number / unit for number in numbers]).p == pytest.approx(by_scipy(numbers), abs=1e-12)


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=8), st.sampled_from(UNITS))
def test_where_less_is_better_p_is_scipys_of_the_other_side(numbers: list[int], unit: int) -> None:
    found = paired([number / unit for number in numbers], lower_is_better=True).p
    assert found == pytest.approx(by_scipy(numbers, alternative="greater"), abs=1e-12)


def drawn(cases: int, unit: int | None) -> list[float]:
    """Differences; as whole numbers of a unit, or as they come."""
    draw = random.Random(cases)
    return [draw.gauss(0, 0.2) if unit is None else float(draw.randint(-2, 2)) for _ in range(cases)]


@pytest.mark.parametrize("unit", [*UNITS, None])
@pytest.mark.parametrize("cases", [13, 16])
def test_p_of_sixteen_cases_is_exact(cases: int, unit: int | None) -> None:
    differences = drawn(cases, unit)
    found = paired([difference / (unit or 1) for difference in differences]).p
    assert found == pytest.approx(by_scipy(differences), abs=1e-12)
    assert (found * 2**cases).is_integer()


@pytest.mark.parametrize("unit", [*UNITS, None])
@pytest.mark.parametrize("cases", [17, 40, 203])
def test_p_of_more_cases_is_scipys_but_for_chance(cases: int, unit: int | None) -> None:
    differences = drawn(cases, unit)
    wanted = by_scipy(differences, DRAWS)
    found = paired([difference / (unit or 1) for difference in differences]).p
    assert 0.01 < wanted < 0.99
    assert abs(found - wanted) < 4 * (2 * wanted * (1 - wanted) / DRAWS) ** 0.5


def test_p_by_chance_is_the_exact_one_where_that_is_known() -> None:
    """Cases that did not change count for nothing, so ten others tell what p is, among two hundred."""
    changed = [-0.4, -0.35, -0.3, -0.25, -0.2, -0.1, -0.05, 0.1, 0.15, 0.3]
    exact = paired(changed).p
    assert 0.02 < exact < 0.3
    found = paired(changed + [0.0] * 190).p
    assert abs(found - exact) < 4 * (exact * (1 - exact) / DRAWS) ** 0.5


def test_p_is_never_zero_and_no_difference_is_no_evidence() -> None:
    assert paired([-1.0] * 200).p == pytest.approx(1 / (DRAWS + 1)) == smallest_p(200)
    assert paired([-1.0] * 7).p == 2**-7 == smallest_p(7)
    assert paired([0.0] * 7).p == paired([0.0] * 200).p == 1.0
    with pytest.raises(ValueError, match="No differences"):
        paired([])


thousandths = st.integers(-1000, 1000).map(lambda number: number / 1000)


@given(st.lists(thousandths, min_size=1, max_size=24), st.data())
def test_a_better_score_never_lowers_p(differences: list[float], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(differences) - 1))
    better = list(differences)
    better[at] += data.draw(st.floats(0, 1))
    assert paired(better).p >= paired(differences).p


@given(st.lists(thousandths, min_size=1, max_size=20))
def test_an_interval_below_zero_is_a_drop_that_the_test_sees_too(differences: list[float]) -> None:
    found = paired(differences)
    if found.interval is None:
        assert len(differences) < 6
        return
    low, high = found.interval
    assert low <= high
    assert low - 1e-9 <= found.mean <= high + 1e-9
    if high < -1e-9:
        assert found.p <= 0.025
    if low > 1e-9:
        assert paired(differences, lower_is_better=True).p <= 0.025


def test_two_thousand_cases_take_a_fraction_of_a_second() -> None:
    draw = random.Random(5)
    differences = [draw.gauss(-0.01, 0.2) for _ in range(2_000)]
    begun = time.process_time()
    first = paired(differences)
    assert time.process_time() - begun < 2
    assert paired(differences) == first


def by_the_book(ps: list[float]) -> list[float]:
    """Holm's adjusted p: the largest, over the p no larger than it, of p times the number of p no smaller in rank."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    return [
        max(min(1.0, (len(ps) - rank) * ps[other]) for rank, other in enumerate(order[: order.index(position) + 1]))
        for position in range(len(ps))
    ]


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_as_defined(ps: list[float]) -> None:
    named = {f"g{number}": p for number, p in enumerate(ps)}
    assert list(holm(named).values()) == pytest.approx(by_the_book(ps))
    assert list(holm(named)) == list(named)


def test_holm_on_a_worked_example() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02}
    )


@pytest.mark.parametrize(("cases", "gates"), [(6, 1), (10, 1), (20, 1), (20, 4), (50, 2)])
def test_the_smallest_drop_is_students(cases: int, gates: int) -> None:
    draw = random.Random(cases)
    differences = [draw.gauss(0, 0.2) for _ in range(cases)]
    wanted = sum(stats.t.ppf([1 - LEVEL / gates, 0.8], cases - 1)) * stats.sem(differences)
    assert smallest_drop(differences, gates=gates) == pytest.approx(wanted, rel=0.01)


def test_the_smallest_drop_of_differences_that_are_all_alike_is_unknown() -> None:
    assert smallest_drop([0.25]) is None
    assert smallest_drop([0.0] * 30) is None
    assert smallest_drop([1 / 3 - 2 / 3, 2 / 3 - 1] * 10) is None


NOISE = 0.15
"""Of one trial: the standard deviation of its score around the case's own."""
SIZES = {(10, 1): 0.20, (20, 3): 0.10, (50, 3): 0.05}
"""The sizes of suites that are looked at (cases, trials), and the drop that each has to see."""
RUNS = 1_000
Numbers = NDArray[numpy.float64]
Noise = Callable[[numpy.random.Generator, int, int, float], Numbers]


def continuous(draw: numpy.random.Generator, cases: int, trials: int, drop: float) -> Numbers:
    """Differences of trial means, a row a run, with the noise of both sides."""
    before, after = draw.normal(0, NOISE / trials**0.5, (2, RUNS, cases))
    return after - before - drop


def pass_or_not(draw: numpy.random.Generator, cases: int, trials: int, drop: float) -> Numbers:
    """The same of a scorer that says 0 or 1: each case passes at a rate of its own, four in five of all."""
    rates = draw.beta(4, 1, (RUNS, cases))
    return (draw.binomial(trials, rates * (1 - drop / 0.8)) - draw.binomial(trials, rates)) / trials


class Found(NamedTuple):
    """Of each run: p, and the interval."""

    p: Numbers
    low: Numbers
    high: Numbers


def found_in(differences: Numbers) -> Found:
    """What `paired` finds, for all runs at once, from the same subsets; that it does is looked at for some of them."""
    cases = differences.shape[1]
    chosen = numpy.array(list(subsets_of(cases)))
    sizes = chosen.sum(axis=1)
    p, low, high = [], [], []
    for some in numpy.array_split(numpy.rint(differences * 2.0**40), 20):
        totals = some @ chosen.T
        p.append((totals >= -cases).mean(axis=1))
        means = totals[:, sizes > 0] / sizes[sizes > 0] / 2.0**40
        cut = (means.shape[1] + 1) // 40
        means.partition((cut - 1, means.shape[1] - cut), axis=1)
        low.append(means[:, cut - 1])
        high.append(means[:, -cut])
    found = Found(numpy.concatenate(p), numpy.concatenate(low), numpy.concatenate(high))
    for run in range(0, RUNS, RUNS // 5):
        one = paired(differences[run].tolist())
        assert one.p == pytest.approx(found.p[run])
        assert one.interval == pytest.approx((found.low[run], found.high[run]))
    return found


def subsets_of(cases: int) -> Iterator[list[float]]:
    """Which cases are in each subset that `paired` looks at."""
    if cases <= EXACT:
        yield from itertools.product((0.0, 1.0), repeat=cases)  # type: ignore[misc]
        return
    width = -(-cases // 8)
    drawn = random.Random(statistics._SEED).randbytes(width * DRAWS)
    yield [0.0] * cases
    for start in range(0, len(drawn), width):
        bits = int.from_bytes(drawn[start : start + width], "little")
        yield [float(bits >> case & 1) for case in range(cases)]


@pytest.mark.parametrize("noise", [continuous, pass_or_not])
@pytest.mark.parametrize("size", SIZES)
def test_without_a_change_at_most_seven_in_a_hundred_are_false_alarms(size: tuple[int, int], noise: Noise) -> None:
    differences = noise(numpy.random.default_rng(11), *size, 0.0)
    found = found_in(differences)
    alarms = (found.p < LEVEL).mean()
    held = ((found.low <= 0) & (found.high >= 0)).mean()
    print(
        f"{shown(size, noise)}, no change: false alarms {alarms:.1%}, interval holds {held:.1%}, "
        f"Student's {students(differences, 0):.1%}"
    )
    assert alarms <= 0.07
    assert held >= 0.93


@pytest.mark.parametrize(("size", "drop"), SIZES.items())
def test_a_drop_is_seen_four_times_in_five(size: tuple[int, int], drop: float) -> None:
    found = found_in(differences := continuous(numpy.random.default_rng(12), *size, drop))
    seen = found.p < LEVEL
    failed = seen & (-differences.mean(axis=1) > drop / 2)
    held = ((found.low <= -drop) & (found.high >= -drop)).mean()
    print(
        f"{shown(size, continuous)}, a drop of {drop:.2f}: seen {seen.mean():.1%}, fails a gate with max_drop "
        f"{drop / 2:.3f} {failed.mean():.1%}, interval holds {held:.1%}, Student's {students(differences, -drop):.1%}"
    )
    assert failed.mean() >= 0.80
    assert 0.93 <= held <= 0.97


@pytest.mark.parametrize("size", SIZES)
def test_the_smallest_drop_is_the_one_that_is_seen_four_times_in_five(size: tuple[int, int]) -> None:
    unchanged = continuous(numpy.random.default_rng(14), *size, 0.0)[:200]
    told = float(numpy.median([smallest_drop(run.tolist()) for run in unchanged]))
    seen = (found_in(continuous(numpy.random.default_rng(15), *size, told)).p < LEVEL).mean()
    print(f"{shown(size, continuous)}, the smallest drop {told:.3f}: seen {seen:.1%}")
    assert 0.75 <= seen <= 0.85


def test_what_scores_of_zero_and_one_can_show() -> None:
    """No bound is promised for these, but that larger suites see more."""
    shares = []
    for size in SIZES:
        found = found_in(pass_or_not(numpy.random.default_rng(13), *size, 0.10))
        shares.append((found.p < LEVEL).mean())
        print(f"{shown(size, pass_or_not)}, a drop of 0.10: seen {shares[-1]:.1%}")
    assert shares == sorted(shares)
    assert shares[-1] > 0.5


def students(differences: Numbers, true: float) -> float:
    """How often Student's interval holds the true difference: what it is weighed against."""
    with numpy.errstate(all="ignore"):
        half = stats.t.ppf(0.975, differences.shape[1] - 1) * stats.sem(differences, axis=1)
    return float((abs(differences.mean(axis=1) - true) <= half + 1e-12).mean())


def shown(size: tuple[int, int], noise: Noise) -> str:
    return f"{size[0]} cases x {size[1]}, {noise.__name__.replace('_', ' ')}"
