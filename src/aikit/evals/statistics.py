"""Is it worse, or is it noise? The sign-flip test of paired differences, its interval, and what it could see at all."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from math import sqrt
from operator import add
from statistics import NormalDist, fmean, stdev
from typing import NamedTuple

LEVEL = 0.05
"""How often a gate may say that something is worse when nothing has changed."""
EXACT = 16
"""Up to as many cases every pattern of signs is looked at; above, as many as `DRAWS` by chance."""
DRAWS = 20_000
"""So many that p, where it is 0.05, is off by 0.0015 (one standard error)."""
FEW = 10
"""A suite with fewer cases is underpowered, whatever its figures say."""
POWER = 0.80

_SEED = 0x5EED
_UNIT = 2**40
_NORMAL = NormalDist()


class Paired(NamedTuple):
    """What the differences of `n` cases come to (candidate minus baseline, in the scorer's unit).

    `p` is how often the candidate would look as bad if the signs of the differences were chance. `interval` is the
    95 % interval of the mean difference; None where there are too few cases (under 6) for one.
    """

    n: int
    mean: float
    p: float
    interval: tuple[float, float] | None


class _Subsets(NamedTuple):
    """Of each subset of the cases that is looked at: what its differences add up to, and how many they are."""

    totals: list[int]
    sizes: list[int]


def paired(differences: Sequence[float], *, lower_is_better: bool = False) -> Paired:
    """The one-sided sign-flip permutation test, and the interval of all shifts that it would not reject either way.

    Flipping the signs of some cases leaves a mean no better than it is if and only if the mean of those cases is not
    below zero. So p is a share of subsets, and the interval is made of their means.
    Raises ValueError if there is no difference.
    """
    if not differences:
        raise ValueError("No differences to test.")
    units = [round(difference * _UNIT) for difference in differences]
    subsets = _all(units) if len(units) <= EXACT else _some(units)
    tied = len(units)  # rounding to units parts what is equal by less than a unit a case
    if lower_is_better:
        no_worse = sum(total <= tied for total in subsets.totals)
    else:
        no_worse = sum(total >= -tied for total in subsets.totals)
    means = sorted(total / size for total, size in zip(*subsets, strict=True) if size)
    return Paired(len(units), fmean(differences), no_worse / len(subsets.totals), _middle(means))


def _middle(means: Sequence[float]) -> tuple[float, float] | None:
    """The means of subsets cut the line into pieces; the true shift is as likely to be in one as in any other."""
    cut = (len(means) + 1) // 40
    return (means[cut - 1] / _UNIT, means[-cut] / _UNIT) if cut else None


def _all(units: Sequence[int]) -> _Subsets:
    totals, sizes = [0], [0]
    for unit in units:
        totals += [total + unit for total in totals]
        sizes += [size + 1 for size in sizes]
    return _Subsets(totals, sizes)


def _some(units: Sequence[int]) -> _Subsets:
    """The empty subset, which is what was observed, and subsets by chance: the same ones for the same number of cases.

    Eight cases at a time: a random byte says which of them are in, and a table what they add up to. A table is done
    with before the next one is made, so that 10,000 cases take ten times as long as 1,000, and not thirty.
    """
    width, there = -(-len(units) // 8), 2 ** len(units) - 1
    drawn = random.Random(_SEED).randbytes(width * DRAWS)
    totals = [0] * DRAWS
    for eight in range(width):
        table = _all([*units[eight * 8 : eight * 8 + 8], *[0] * 8][:8]).totals
        totals = list(map(add, totals, map(table.__getitem__, drawn[eight::width])))
    chosen = (int.from_bytes(drawn[start : start + width], "little") for start in range(0, len(drawn), width))
    return _Subsets([0, *totals], [0, *((bits & there).bit_count() for bits in chosen)])


def holm(ps: Mapping[str, float]) -> dict[str, float]:
    """Holm's adjusted p values: comparing each with a level keeps the chance of even one false alarm below it."""
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, (name, p) in enumerate(sorted(ps.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, (len(ps) - rank) * p))
        adjusted[name] = highest
    return {name: adjusted[name] for name in ps}


def smallest_p(cases: int) -> float:
    """No p of so many cases can be smaller."""
    return 2.0**-cases if cases <= EXACT else 1 / (DRAWS + 1)


def smallest_drop(differences: Sequence[float], *, gates: int = 1) -> float | None:
    """The true drop that the test would show with a power of 80 %, as the strictest of `gates` tests after Holm.

    From the spread of the differences; None where they have none (fewer than two, or all alike), as then nobody knows.
    """
    freedom = len(differences) - 1
    spread = stdev(differences) if freedom else 0.0
    if spread <= 1 / _UNIT:
        return None
    return (_quantile(1 - LEVEL / gates, freedom) + _quantile(POWER, freedom)) * spread / sqrt(len(differences))


def _quantile(share: float, freedom: int) -> float:
    """Of Student's t, by the Cornish-Fisher expansion: within 1 % from 5 degrees of freedom on."""
    z = _NORMAL.inv_cdf(share)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
