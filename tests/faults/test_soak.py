"""A short soak; `scripts/soak` is the long one."""

from __future__ import annotations

import argparse

from faults.soak import soak


def test_a_few_kills_at_random_moments_lose_nothing_and_charge_nothing_twice() -> None:
    report = soak(argparse.Namespace(kills=6, seconds=4.0, processes=2, threads=3, seed=20261121))
    assert report.right, report
    assert report.kills == 6
    assert report.answered > 10
