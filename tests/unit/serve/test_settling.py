"""A report as an ending, and whether two of them say the same."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from aikit.errors import RequestInvalid
from aikit.ledger.held import RERATED, Held
from aikit.pricing.price import Price
from aikit.pricing.rates import Rate, complete
from aikit.serve.control.settling import Report, cost_of, ending_of, same, voiding
from aikit.types import Call, Ending, Entry, Health, Hold, Order, Tags, Usage, new_id

PRICE = Price("openai", "m", "test", "1", complete({"input": Rate(Decimal(1)), "output": Rate(Decimal(2))}))
ORDER = Order(new_id(), Call(new_id(), Tags("acme", environment="dev"), "openai", "m", "evaluate"), 5_000, 10)
HELD = Held(Hold(ORDER, (), datetime.now(UTC)), "ALLOWED", PRICE, datetime.now(UTC))


def report(**said: object) -> Report:
    return Report.model_validate({"hold": ORDER.attempt, **said})


def test_usage_is_charged_at_the_price_of_the_hold() -> None:
    entry = ending_of(HELD, report(usage={"input": 3, "output": 2}, status=200))
    assert (entry.ending, entry.nano, entry.estimated, entry.health) == (Ending.SETTLED, 7_000, False, Health.OK)


def test_what_is_not_known_is_charged_at_the_hold_and_an_error_is_not_charged() -> None:
    unknown = ending_of(HELD, report(status=200))
    assert (unknown.ending, unknown.nano, unknown.estimated) == (Ending.SETTLED, 5_000, True)
    failed = ending_of(HELD, report(status=503))
    assert (failed.ending, failed.nano, failed.health) == (Ending.VOIDED, 0, Health.FAILED)
    assert ending_of(HELD, report(status=429)).ending is Ending.VOIDED
    assert ending_of(HELD, report(status=503, usage={"input": 1})).nano == 1_000


def test_a_class_without_a_price_is_charged_at_the_hold() -> None:
    entry = ending_of(HELD, report(usage={"searches": 1}))
    assert (entry.nano, entry.estimated, entry.usage) == (5_000, True, Usage(searches=1))


def test_nonsense_is_refused() -> None:
    with pytest.raises(RequestInvalid):
        cost_of(PRICE, Usage(input=10**12, output=10**12))


def test_two_endings_are_the_same_if_they_say_the_same() -> None:
    one = ending_of(HELD, report(usage={"input": 3}, duration_ms=5))
    assert same(one, one._replace(nano=1))
    for other in (report(usage={"input": 4}, duration_ms=5), report(usage={"input": 3}), report(duration_ms=5)):
        assert not same(one, ending_of(HELD, other))
    assert not same(voiding(HELD, None), voiding(HELD, "another reason"))


def test_what_put_right_a_presumption_is_how_it_ended_and_what_a_person_did_is_not() -> None:
    presumed = Entry(HELD.hold, Ending.PRESUMED_SPENT, 5_000, error="expired")
    truth = Entry(HELD.hold, Ending.SETTLED, -2_000, Usage(input=3))
    by_hand = Entry(HELD.hold, Ending.SETTLED, -1_000, error="corrected")
    rerated = Entry(HELD.hold, Ending.SETTLED, 10, error=RERATED)

    def ended(*lines: Entry) -> Entry | None:
        return Held(HELD.hold, "ALLOWED", PRICE, None, lines).ended

    assert ended() is None
    assert ended(presumed) is presumed and ended(presumed, truth) is truth
    assert ended(presumed, by_hand) is presumed and ended(truth, rerated) is truth
    assert ended(presumed, truth, by_hand) is truth
    assert Held(HELD.hold, "ALLOWED", PRICE, None, (presumed, truth)).nano == 3_000
