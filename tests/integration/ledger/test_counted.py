"""What a subject has used is counted by the database as by the meter, whatever the subject, metric and window."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from aikit.database.connect import Database
from aikit.ledger.verify import verify
from aikit.meter.counters import PLACE, Counters, reserves, slot_kind, spends
from aikit.policy.model import slot_name
from aikit.policy.subject import Subject
from aikit.policy.windows import SLIDING, bounds
from aikit.types import USAGE_CLASSES, Call, Ending, Entry, Hold, Metric, Order, Tags, Usage, Window, new_id

BEGIN = datetime(2026, 3, 10, 6, 0, tzinfo=UTC)
USERS, FEATURES, ENVIRONMENTS = ("u1", "u2", None), ("chat", "draw", None), ("dev", "prod")
SUBJECTS = [
    Subject(),
    Subject(user="u1"),
    Subject(user=""),
    Subject(feature="chat"),
    Subject(environment="dev"),
    Subject("prod", "", "u2"),
    Subject("dev", "chat", ""),
]
SLOTS = [
    (Window.MINUTE, "UTC", 0),
    (Window.HOUR, "UTC", 0),
    (Window.DAY, "UTC", 0),
    (Window.DAY, "Asia/Kathmandu", 7),  # starts at 01:15 UTC
    (Window.MONTH, "Europe/Zurich", 4),
    (Window.TOTAL, "UTC", 0),
]
WHO = "tenant, attempt, call, user_id, feature, environment, provider, model, api, stream"
USAGE = ", ".join(USAGE_CLASSES)


@pytest.fixture
def connection(ledger: Database) -> Iterator[psycopg.Connection[Any]]:
    with ledger.connect(role="test") as connection:
        yield connection


def a_time(rng: random.Random, hours: int) -> datetime:
    """Some time in the hours after BEGIN; often exactly at a full minute or hour."""
    time = BEGIN + timedelta(microseconds=rng.randrange(hours * 3_600_000_000))
    exact = rng.random()
    if exact < 0.2:
        return time.replace(second=0, microsecond=0)
    return time.replace(minute=0, second=0, microsecond=0) if exact < 0.3 else time


def an_attempt(rng: random.Random, tenant: str, at: datetime) -> Hold:
    """Held at `at` by the database's clock; made by a process whose own clock is up to nine minutes off."""
    made = at + timedelta(seconds=rng.uniform(-540, 540))
    attempt = UUID(int=int(made.timestamp() * 1000) << 80 | new_id().int & (1 << 80) - 1)
    tags = Tags(tenant, rng.choice(USERS), rng.choice(FEATURES), rng.choice(ENVIRONMENTS))
    call = Call(new_id(), tags, "openai", "gpt-4o-mini", "openai.chat")
    output = rng.randrange(1000)
    return Hold(Order(attempt, call, rng.randrange(1, 10**9), output + rng.randrange(1000), None, output), (), at)


def an_ending(rng: random.Random, hold: Hold) -> Entry:
    """Settled with a usage, presumed without one, or voided."""
    match rng.randrange(4):
        case 0:
            return Entry(hold, Ending.VOIDED, 0)
        case 1:
            return Entry(hold, Ending.PRESUMED_SPENT, hold.order.nano, estimated=True)
        case _:
            usage = Usage(*[rng.randrange(100) for _ in USAGE_CLASSES])
            return Entry(hold, Ending.SETTLED, rng.randrange(10**9), usage, estimated=True)


def who(hold: Hold) -> tuple[Any, ...]:
    order, tags = hold.order, hold.order.call.tags
    model = order.call.provider, order.call.model, order.call.api, False
    return (tags.tenant, order.attempt, order.call.id, tags.user, tags.feature, tags.environment, *model)


def write(connection: psycopg.Connection[Any], holds: list[Hold], entries: list[Entry]) -> None:
    """Put pending holds and entries into the ledger, and the rollups of all entries that are in it."""
    with connection.cursor() as cursor:
        cursor.executemany(
            f"""INSERT INTO aikit.holds ({WHO}, nano, tokens, output_tokens, subjects, limits, policy_version,
                                         admitted_at, expires_at)
                VALUES ({", ".join(["%s"] * 13)}, '{{}}', '[]', 1, %s, now() + interval '1 hour')""",
            [(*who(h), h.order.nano, h.order.tokens, h.order.output_tokens, h.admitted_at) for h in holds],
        )
        cursor.executemany(
            f"""INSERT INTO aikit.entries ({WHO}, ending, estimated, nano, {USAGE}, held_nano, held_tokens, held_output,
                                           limits, policy_version, admitted_at)
                VALUES ({", ".join(["%s"] * (16 + len(USAGE_CLASSES)))}, '[]', 1, %s)""",
            [entry_row(entry) for entry in entries],
        )
        classes = ", ".join([f"coalesce(sum({name}), 0)" for name in USAGE_CLASSES])
        cursor.execute("DELETE FROM aikit.rollups")
        cursor.execute(
            f"""INSERT INTO aikit.rollups
                SELECT tenant, date_trunc('hour', admitted_at), environment, coalesce(user_id, ''),
                       coalesce(feature, ''), provider, model, count(*), 0, count(*) FILTER (WHERE ending = 'voided'),
                       count(*) FILTER (WHERE estimated), count(*), sum(nano), {classes},
                       coalesce(sum(held_tokens - held_output) FILTER (WHERE input IS NULL AND nano > 0), 0),
                       coalesce(sum(held_output) FILTER (WHERE input IS NULL AND nano > 0), 0)
                FROM aikit.entries GROUP BY 1, 2, 3, 4, 5, 6, 7"""
        )


def entry_row(entry: Entry) -> tuple[Any, ...]:
    order = entry.hold.order
    usage = entry.usage.counts() if entry.usage else (None,) * len(USAGE_CLASSES)
    held = order.nano, order.tokens, order.output_tokens
    return (*who(entry.hold), entry.ending.value, entry.estimated, entry.nano, *usage, *held, entry.hold.admitted_at)


def counted(
    connection: psycopg.Connection[Any], tenant: str, subject: Subject, metric: Metric, since: datetime, until: Any
) -> int:
    arguments = (tenant, subject.environment, subject.feature, subject.user, metric.value, since, until)
    row = connection.execute("SELECT aikit.counted(%s, %s, %s, %s, %s, %s, %s)", arguments).fetchone()
    assert row is not None
    return int(row[0])


def open_slot(
    connection: psycopg.Connection[Any], tenant: str, subject: Subject, name: str, start: datetime
) -> tuple[int, ...]:
    """Open a slot as the meter does; its window's start, used, held and previous."""
    metric, _, window = name.partition("/")
    sliding = SLIDING.get(Window(window.partition("@")[0]))
    connection.execute(
        "SELECT aikit.open_counter(%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (tenant, subject.key, *subject, name, metric, start, start - sliding if sliding else None),
    )
    return slot(connection, tenant, subject, name)


def slot(connection: psycopg.Connection[Any], tenant: str, subject: Subject, name: str) -> tuple[int, ...]:
    row = connection.execute(
        """SELECT extract(epoch FROM window_start)::bigint, used, held, previous FROM aikit.counts
           WHERE tenant = %s AND subject = %s AND name = %s""",
        (tenant, subject.key, name),
    ).fetchone()
    assert row is not None
    return tuple(map(int, row))


def test_what_is_counted_between_two_minutes_is_the_sum_of_its_attempts(
    ledger: Database, connection: psycopg.Connection[Any]
) -> None:
    rng = random.Random(1)
    entries = [an_ending(rng, an_attempt(rng, "acme", a_time(rng, 5))) for _ in range(400)]
    others = [an_ending(rng, an_attempt(rng, "beta", a_time(rng, 5))) for _ in range(50)]
    write(connection, [an_attempt(rng, "acme", a_time(rng, 5)) for _ in range(20)], [*entries, *others])
    nonzero = 0
    for _ in range(300):
        subject, metric = rng.choice(SUBJECTS), rng.choice(list(Metric))
        since = a_time(rng, 5).replace(second=0, microsecond=0)
        until = rng.choice([None, since + timedelta(minutes=rng.randrange(200))])
        expected = sum(
            spends(entry)[PLACE[metric]]
            for entry in entries
            if subject.covers(entry.hold.order.call.tags)
            and since <= entry.hold.admitted_at
            and (until is None or entry.hold.admitted_at < until)
        )
        assert counted(connection, "acme", subject, metric, since, until) == expected, (subject, metric, since, until)
        nonzero += expected > 0
    assert nonzero > 100
    assert not [finding for finding in verify(ledger).findings if finding.kind.startswith("rollup")]


@pytest.mark.parametrize("since", [BEGIN, BEGIN.replace(minute=17), datetime(1970, 1, 1, tzinfo=UTC)], ids=str)
def test_nothing_is_counted_where_nothing_was_used(connection: psycopg.Connection[Any], since: datetime) -> None:
    for until in (None, since, since + timedelta(minutes=1), since + timedelta(days=1)):
        assert counted(connection, "acme", Subject(), Metric.CREDITS, since, until) == 0


def test_correcting_entries_are_amounts_and_tokens_but_no_requests(connection: psycopg.Connection[Any]) -> None:
    rng = random.Random(2)
    hold = an_attempt(rng, "acme", BEGIN + timedelta(minutes=10))
    write(connection, [], [Entry(hold, Ending.PRESUMED_SPENT, 500)])
    values = ", ".join(["%s"] * len(USAGE_CLASSES))
    for input, nano in ((None, -100), (7, 30)):
        connection.execute(
            f"""INSERT INTO aikit.entries ({WHO}, seq, ending, estimated, nano, {USAGE}, held_nano, held_tokens,
                                           held_output, limits, policy_version, admitted_at)
                SELECT {WHO}, max(seq) OVER () + 1, ending, false, %s, {values}, held_nano, held_tokens, held_output,
                       limits, policy_version, admitted_at
                FROM aikit.entries ORDER BY seq DESC LIMIT 1""",
            (nano, input, *[None if input is None else 0 for _ in USAGE_CLASSES[1:]]),
        )
    minute = BEGIN + timedelta(minutes=10), BEGIN + timedelta(minutes=11)
    found = {metric: counted(connection, "acme", Subject(), metric, *minute) for metric in Metric}
    assert found == {
        Metric.CREDITS: 430,
        Metric.TOKENS: hold.order.tokens + 7,
        Metric.INPUT_TOKENS: hold.order.tokens - hold.order.output_tokens + 7,
        Metric.OUTPUT_TOKENS: hold.order.output_tokens,
        Metric.REQUESTS: 1,
        Metric.CONCURRENCY: 0,
    }


@pytest.mark.parametrize("seed", range(6))
def test_a_slot_that_is_opened_late_is_as_if_it_had_been_there_all_along(
    ledger: Database, connection: psycopg.Connection[Any], seed: int
) -> None:
    rng = random.Random(seed)
    hours = rng.choice([1, 2, 30])
    admissions = [an_attempt(rng, "acme", a_time(rng, hours)) for _ in range(150)]
    endings = {
        hold: hold.admitted_at + timedelta(seconds=rng.expovariate(1 / 300))
        for hold in admissions
        if rng.random() < 0.9
    }
    end = max(hold.admitted_at for hold in admissions)
    ended = {hold: an_ending(rng, hold) for hold, at in endings.items() if at <= end}
    kept = {subject: watched(subject, admissions, endings, ended, end) for subject in SUBJECTS}
    write(connection, [hold for hold in admissions if hold not in ended], list(ended.values()))
    for subject, counters in kept.items():
        for name, counter in counters.slots.items():
            start = datetime.fromtimestamp(counter.start, UTC)
            expected = (counter.start, counter.used, counter.held, counter.previous)
            assert open_slot(connection, "acme", subject, name, start) == expected, (subject, name)
    counters_found = [f for f in verify(ledger).findings if f.kind.startswith(("counter", "hold"))]
    assert counters_found == []


def watched(
    subject: Subject, admissions: list[Hold], endings: dict[Hold, datetime], ended: dict[Hold, Entry], end: datetime
) -> Counters:
    """The counters of a subject as a meter would have kept them from the first attempt on, rolled on to `end`."""
    names = {
        slot_name(metric, window, zone, anchor): (window, zone, anchor)
        for metric in Metric
        for window, zone, anchor in SLOTS
    }
    counters = Counters(0, list(names), [0] * 4 * len(names))

    def roll(now: datetime) -> None:
        for name, (window, zone, anchor) in names.items():
            start = int(bounds(window, now, zone, anchor)[0].timestamp())
            if counters.slots[name].start < start:
                counters.slots[name].roll(start, slot_kind(name)[1])

    mine = [hold for hold in admissions if subject.covers(hold.order.call.tags)]
    events = [(hold.admitted_at, 0, hold) for hold in mine]
    events += [(endings[hold], 1, hold) for hold in mine if hold in ended]
    for at, settled, hold in sorted(events, key=lambda event: event[:2]):
        if settled:
            counters.settle(hold.admitted_at.timestamp(), reserves(hold.order), spends(ended[hold]))
        else:
            roll(at)
            counters.hold(reserves(hold.order))
    roll(end)
    return counters


def test_pending_holds_list_a_subject_once_however_many_of_its_slots_are_opened(
    connection: psycopg.Connection[Any],
) -> None:
    rng = random.Random(3)
    holds = [an_attempt(rng, "acme", BEGIN) for _ in range(30)]
    write(connection, holds, [])
    for subject in (Subject(user="u1"), Subject()):
        for name in ("requests/minute", "credits/total", "requests/minute"):
            open_slot(connection, "acme", subject, name, BEGIN)
    query = "SELECT attempt, subjects, generation FROM aikit.holds"
    found = {attempt: (subjects, generation) for attempt, subjects, generation in connection.execute(query)}
    for hold in holds:
        of_u1 = hold.order.call.tags.user == "u1"
        assert found[hold.order.attempt] == ((["user=u1", ""], 2) if of_u1 else ([""], 1))
    assert slot(connection, "acme", Subject(), "requests/minute") == (int(BEGIN.timestamp()), 0, 30, 0)


def test_a_slot_that_is_open_stays_as_it_is(connection: psycopg.Connection[Any]) -> None:
    rng = random.Random(4)
    before = open_slot(connection, "acme", Subject(), "requests/hour", BEGIN)
    write(connection, [an_attempt(rng, "acme", BEGIN)], [])
    assert open_slot(connection, "acme", Subject(), "requests/hour", BEGIN + timedelta(hours=1)) == before
    query = "SELECT names, revision FROM aikit.counters"
    assert connection.execute(query).fetchall() == [(["requests/hour"], 1)]


def test_the_window_before_has_its_own_pending_holds(connection: psycopg.Connection[Any]) -> None:
    rng = random.Random(5)
    times = [BEGIN - timedelta(minutes=61), BEGIN - timedelta(minutes=60), BEGIN - timedelta(microseconds=1), BEGIN]
    write(connection, [an_attempt(rng, "acme", at) for at in times], [])
    start = int(BEGIN.timestamp())
    assert open_slot(connection, "acme", Subject(), "requests/hour", BEGIN) == (start, 0, 1, 2)
    assert open_slot(connection, "acme", Subject(), "concurrency/total", datetime(1970, 1, 1, tzinfo=UTC))[2] == 4


def test_an_id_of_a_moment_is_below_all_that_are_made_then(connection: psycopg.Connection[Any]) -> None:
    moment = datetime(2026, 3, 10, 6, 17, 5, 123_000, tzinfo=UTC)
    ((smallest, first, last),) = connection.execute(
        "SELECT aikit.id_at(%s), aikit.id_at('-infinity'), aikit.id_at('infinity')", (moment,)
    ).fetchall()
    assert smallest == UUID(int=int(moment.timestamp() * 1000) << 80)
    assert (first, last) == (UUID(int=0), UUID(int=(2**48 - 1) << 80))
