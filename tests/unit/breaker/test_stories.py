"""What a breaker does, told as stories: calls one after the other, and how it stands at the end."""

from __future__ import annotations

import re

import pytest

from aikit.breaker.machine import lapsed
from aikit.breaker.model import TUNING, Breaker, State
from aikit.types import Health
from support.breakers import MODEL, PROVIDER, Process, Shared

HEALTH = {"ok": Health.OK, "slow": Health.SLOW, "fails": Health.FAILED, "quota": Health.QUOTA, "left": Health.NEUTRAL}
STEP = re.compile(
    r"(?:(\d+)×)?(ok|slow|fails|quota|left|refused|lost|unreachable)(?:\((\d+)\))?|\+(\d+)s|(force \S+|reset)"
)

STORIES = {
    "five failures in a row open it for 15 seconds": ("5×fails", "open 15s consecutive_failures"),
    "four don't": ("4×fails", "closed"),
    "a success breaks the row": ("4×fails ok 4×fails", "closed"),
    "a slow success breaks it, too": ("4×fails slow 4×fails", "closed"),
    "callers who leave don't break it": ("4×fails 20×left fails", "open 15s consecutive_failures"),
    "callers who leave never open it": ("50×left", "closed"),
    "failures more than a minute apart are no row": ("4×fails +61s fails", "closed"),
    "half of ten calls failing opens it": (5 * "ok fails ", "open 15s failure_rate"),
    "half of eight says nothing yet": (4 * "ok fails ", "closed"),
    "four of ten failing don't": ("6×ok 4×fails", "closed"),
    "eight slow ones of ten open it": ("2×ok 8×slow", "open 15s slow_calls"),
    "seven of ten don't": ("3×ok 7×slow", "closed"),
    "slow ones of long ago don't count": ("9×slow +70s slow", "closed"),
    "while it is open, calls are refused": ("5×fails +14s 3×refused", "open 1s consecutive_failures"),
    "then one probe is let through": ("5×fails +15s ok", "half_open recovering"),
    "two probes that go well close it": ("5×fails +15s 2×ok", "closed recovered"),
    "one that fails opens it for twice as long": ("5×fails +15s ok fails", "open 30s probe_failed"),
    "and so on, up to five minutes": (
        "5×fails +15s fails +30s fails +60s fails +120s fails +240s fails +300s fails",
        "open 300s probe_failed",
    ),
    "once closed, it begins anew at 15 seconds": (
        "5×fails +15s fails +30s 2×ok 5×fails",
        "open 15s consecutive_failures",
    ),
    "failures from before it closed don't count again": ("5×fails +15s 2×ok 4×fails", "closed recovered"),
    "a prober that leaves makes room for another": ("5×fails +15s left ok", "half_open recovering"),
    "a prober that is never heard of makes room after a minute": (
        "5×fails +15s lost refused +59s refused +1s ok",
        "half_open recovering",
    ),
    "the provider's own Retry-After is kept": ("4×fails fails(7)", "open 7s consecutive_failures"),
    "so it is when a probe fails": ("5×fails +15s fails(40)", "open 40s probe_failed"),
    "but it is no longer than an hour": ("5×fails(86400)", "open 3600s consecutive_failures"),
    "what a provider asked for before it answered well is past": (
        "fails(1800) ok 5×fails",
        "open 15s consecutive_failures",
    ),
    "slow probes of what was slow open it again": ("10×slow +15s slow", "open 30s slow_calls"),
    "slow probes of what failed close it": ("5×fails +15s 2×slow", "closed recovered"),
    "forced open, it refuses for ever": ("force open +86400s refused", "forced_open operator"),
    "forced open for a time, it probes when that is over": (
        "force open:60 +59s refused +1s ok",
        "half_open recovering",
    ),
    "forced closed, it lets everything pass": ("force closed 50×fails", "forced_closed operator"),
    "forced closed for a time, it then opens by its own rules": (
        "force closed:60 50×fails +60s 5×fails",
        "open 15s consecutive_failures",
    ),
    "of failures while it was forced closed nothing stays": (
        "force closed:60 50×fails +60s 4×fails",
        "closed operator",
    ),
    "reset, it is as if it had never been open": ("5×fails reset 4×fails", "closed operator"),
}


@pytest.mark.parametrize(("story", "end"), STORIES.values(), ids=STORIES)
def test_of_one_process(story: str, end: str) -> None:
    shared = Shared()
    tell(story, shared, Process(shared))
    assert standing(shared) == end


def test_a_quota_opens_the_provider_as_a_whole_for_half_an_hour() -> None:
    shared = Shared()
    tell("quota refused +1799s refused +1s ok ok", shared, Process(shared))
    assert (shared.breaker(PROVIDER).state, shared.breaker().state) == (State.CLOSED, State.CLOSED)
    assert [after.state for _, after in shared.moves if after.key == PROVIDER][:2] == [State.OPEN, State.HALF_OPEN]


def test_a_provider_that_can_not_be_reached_is_open_for_every_model_of_it() -> None:
    shared = Shared()
    tell("5×unreachable", shared, Process(shared))
    assert (shared.breaker(PROVIDER).state, shared.breaker(MODEL).state) == (State.OPEN, State.OPEN)
    tell("+15s 2×ok", shared, Process(shared))
    assert (shared.breaker(PROVIDER).state, shared.breaker(MODEL).state) == (State.CLOSED, State.CLOSED)


def test_a_provider_that_answers_with_errors_is_there() -> None:
    shared = Shared()
    tell("5×fails", shared, Process(shared))
    assert shared.breaker(PROVIDER).state is State.CLOSED


def test_a_probe_that_takes_longer_than_its_lease_counts_all_the_same() -> None:
    shared = Shared()
    process = Process(shared)
    tell("5×fails +15s", shared, process)
    for _ in range(TUNING.successes):
        hold = process.ask().hold
        assert hold is not None
        shared.pass_time(90)
        process.end(hold, Health.OK, status=200)
    assert shared.breaker().state is State.CLOSED


def test_what_was_sent_before_it_opened_is_no_probe() -> None:
    shared = Shared()
    process = Process(shared)
    early = process.ask().hold
    assert early is not None
    tell("5×fails +15s lost", shared, process)
    before = shared.breaker()
    process.end(early, Health.OK, status=200)
    assert shared.breaker() == before


def test_a_probe_that_is_under_way_when_another_opens_it_again_still_counts_as_one() -> None:
    shared = Shared()
    process = Process(shared, TUNING._replace(probes=2))
    tell("5×fails +15s", shared, process)
    first, second = process.ask().hold, process.ask().hold
    assert first is not None and second is not None
    process.end(first, Health.FAILED)
    shared.pass_time(30)
    assert process.ask().hold is not None
    assert process.ask().hold is None
    process.end(second, Health.NEUTRAL)
    assert process.ask().hold is not None


def test_switched_off_it_refuses_only_what_a_person_has_forced_open() -> None:
    shared = Shared()
    off = Process(shared, TUNING._replace(enabled=False))
    tell("20×fails", shared, off)
    assert shared.breakers == {}
    tell("5×fails refused", shared, Process(shared))
    tell("20×ok", shared, off)
    assert shared.breaker().state is State.OPEN
    shared.force(State.FORCED_OPEN, 60)
    tell("refused +60s 5×ok", shared, off)
    assert shared.breaker().state is State.FORCED_OPEN


def tell(story: str, shared: Shared, process: Process) -> None:
    assert STEP.sub("", story).strip() == "", "a word of the story is not understood"
    for times, what, wait, seconds, order in STEP.findall(story):
        if seconds:
            shared.pass_time(int(seconds))
        elif order:
            command(order, shared)
        for _ in range(int(times or 1) if what else 0):
            call(process, what, float(wait) if wait else None)


def command(order: str, shared: Shared) -> None:
    if order == "reset":
        shared.reset()
        return
    state, _, seconds = order.removeprefix("force ").partition(":")
    shared.force(State(f"forced_{state}"), float(seconds) if seconds else None)


def call(process: Process, what: str, wait: float | None) -> None:
    process.shared.pass_time(0.001)
    hold = process.ask().hold
    assert (hold is None) == (what == "refused"), what
    if hold is None or what == "lost":
        return
    status = None if what == "unreachable" else 200 if what in ("ok", "slow") else 500
    process.end(hold, HEALTH.get(what, Health.FAILED), wait, status)


def standing(shared: Shared) -> str:
    """`open 15s probe_failed`."""
    breaker: Breaker = lapsed(shared.breaker(), shared.now)
    left = f"{(breaker.until - shared.now).total_seconds():.0f}s" if breaker.until else ""
    reason = "recovering" if breaker.state is State.HALF_OPEN else breaker.reason or ""
    return " ".join(filter(None, [breaker.state, left, reason]))
