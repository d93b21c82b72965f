"""Who calls which model: the dearest first, with how long it takes, how much of its cap is used, and its breaker."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from aikit.breaker.model import State
from aikit.console.filtering import Filter
from aikit.console.model import MOST_ROWS, Overview, OverviewRow, Plot
from aikit.console.reading.caps import Caps, nearest
from aikit.console.reading.line import Tick
from aikit.console.reading.sums import Sums
from aikit.console.reading.sweep import COUNTS, NANO, UNPRICED, Counts, Key
from aikit.console.reading.took import Took
from aikit.ledger.breakers import BreakerRow
from aikit.ledger.latencies import Latency
from aikit.ledger.limits import standing
from aikit.policy.subject import subject_of
from aikit.types import Limit

BY = ("tenant", "feature", "provider", "model")
GRAVITY = (State.FORCED_OPEN, State.OPEN, State.HALF_OPEN, State.FORCED_CLOSED, State.CLOSED)
"""The worse comes first."""


class Share(NamedTuple):
    """How much of a cap is gone, of which one in words, and where its soft cap is."""

    share: Fraction
    of: str
    soft: Fraction | None


def read_overview(
    tick: Tick, *, sums: Sums, wanted: Filter, plot: Plot, caps: Caps, took: Took, breakers: Sequence[BreakerRow]
) -> Overview:
    """`sums` are those of the period, by `BY`."""
    found, total = sums.dearest(wanted, MOST_ROWS)
    keys = [key for key, _ in found]
    latencies = took.of(tick, keys, sums.since)
    shares = _shares(tick, caps, keys)
    states = {row.breaker.key: row.breaker.state for row in breakers}
    return Overview(
        rows=tuple([_row(key, counts, latencies.get(key), shares.get(key), states) for key, counts in found]),
        total=total,
        since=sums.since,
        read=sums.read,
        plot=plot,
        breakers=tuple([row for row in breakers if row.breaker.state is not State.CLOSED]),
    )


def _row(
    key: Key, counts: Counts, took: Latency | None, share: Share | None, states: dict[tuple[str, str], State]
) -> OverviewRow:
    tenant, feature, provider, model = key
    amounts = {name: count for name, count in zip(COUNTS, counts, strict=True) if name != "nano"}
    return OverviewRow(
        tenant,
        feature,
        provider,
        model,
        **amounts,
        nano=priced(counts),
        p50_ms=took.p50_ms if took else None,
        p95_ms=took.p95_ms if took else None,
        share=share and share.share,
        share_of=share and share.of,
        soft_share=share and share.soft,
        breaker=worse(states.get((provider, model)), states.get((provider, ""))),
    )


def priced(counts: Counts) -> int | None:
    """None where none of the calls had a price."""
    return None if counts[UNPRICED] and counts[UNPRICED] == counts[0] and not counts[NANO] else counts[NANO]


def worse(*states: State | None) -> State:
    """That of the model, or of the provider as a whole."""
    return min([state for state in states if state is not None], key=GRAVITY.index, default=State.CLOSED)


def _shares(tick: Tick, caps: Caps, keys: Sequence[Key]) -> dict[Key, Share]:
    """Of the caps that the calls of each key count for, the one that is nearest."""
    by_key = {key: nearest(caps.limits.get(key[0], ()), key[1]) for key in keys}
    wanted = list(dict.fromkeys([(key[0], limit) for key, limits in by_key.items() for limit in limits]))
    stands = dict(zip(wanted, caps.standings(tick, wanted), strict=True))
    found: dict[Key, Share] = {}
    for key, limits in by_key.items():
        shares = [
            _share(limit, sum(standing(limit, slot, tick.now)))
            for limit in limits
            if (slot := stands[key[0], limit]) is not None
        ]
        if shares:
            found[key] = max(shares, key=lambda share: share.share)
    return found


def _share(limit: Limit, gone: int) -> Share:
    words = subject_of(limit.subject).words
    of = f"{limit.window.value}, {words}" if words else limit.window.value
    soft = None if limit.soft_cap is None or not limit.cap else Fraction(limit.soft_cap, limit.cap)
    return Share(Fraction(gone, limit.cap) if limit.cap else Fraction(1), of, soft)
