"""Snapshots of the console, the same ones every time, and a source that gives them: the operator's night of the story.

`snapshot(Tab.CALLS)` is a rich page of that tab, `hostile` puts texts into it that terminals don't like, and `empty`
is a ledger in which nothing has happened yet. `Scripted` gives snapshots and raises errors in an order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from threading import Lock
from typing import Any
from uuid import UUID

from aikit.breaker.model import Breaker, Probe, Reason, Seen, State
from aikit.console.filtering import parse
from aikit.console.model import (
    AuditPage,
    BreakersPage,
    Budget,
    CallsPage,
    EvalRow,
    EvalsPage,
    Header,
    LimitsPage,
    NamedMove,
    Overview,
    OverviewRow,
    Page,
    Period,
    Plot,
    Point,
    PromptRow,
    PromptsPage,
    Query,
    Snapshot,
    Tab,
)
from aikit.evals.model import Status
from aikit.ledger.audit import AuditRow
from aikit.ledger.breakers import BreakerRow, Move
from aikit.ledger.calls import CallRow
from aikit.ledger.calls import State as CallState
from aikit.ledger.limits import LimitRow
from aikit.ledger.prompt_labels import Move as LabelMove
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.policy.record import to_body
from aikit.types import Action, Metric, Window

NOW = datetime(2026, 11, 21, 3, 11, 42, tzinfo=UTC)
CENT = 10_000_000
DOLLAR = 100 * CENT

MARKUP = "[bold]acme"
LONG = "claude-" + "x" * 2_993
"""A model's name of 3,000 characters."""
CONTROLS = "ev\x1b[2Jil\r\n\ttab\x07\x9b31m"
BIDI = "user\u202egnp.exe\u2066\u200f"
WIDE = "漢字テナント"
EMOJI = "team-👩‍🚀🇨🇭"
HOSTILE = (MARKUP, LONG, CONTROLS, BIDI, WIDE, EMOJI)


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


def snapshot(
    tab: Tab = Tab.OVERVIEW,
    *,
    period: Period = Period.TODAY,
    filter: str = "",
    at: datetime = NOW,
    page: Page | None = None,
    header: Header | None = None,
    hostile: bool = False,
) -> Snapshot:
    """What one tick reads: of this tab, with a page of it that has something of everything."""
    query = Query(tab, period, parse(filter))
    return Snapshot(at, query, header or a_header(hostile=hostile), page or a_page(tab, hostile=hostile), took_ms=12)


def empty(tab: Tab = Tab.OVERVIEW, *, filter: str = "") -> Snapshot:
    """Nothing has happened: no call, no cap, no prompt, no eval, no change."""
    pages: dict[Tab, Page] = {
        Tab.OVERVIEW: Overview((), 0, NOW.replace(hour=0, minute=0, second=0), Fraction(1), Plot(60, ()), ()),
        Tab.CALLS: CallsPage((), 20_000 if filter else None),
        Tab.LIMITS: LimitsPage((), 0),
        Tab.BREAKERS: BreakersPage((), ()),
        Tab.PROMPTS: PromptsPage((), 0, (), NOW.replace(hour=0, minute=0, second=0), Fraction(1)),
        Tab.EVALS: EvalsPage((), None),
        Tab.AUDIT: AuditPage((), 5_000 if filter else None),
    }
    nothing = Header(
        database="demo@localhost",
        environment=None,
        spent=0,
        rate=None,
        budget=None,
        calls=0,
        refused=0,
        failed=0,
        estimated=0,
        unpriced=0,
        in_flight=0,
        held=0,
        spooled=None,
        open_breakers=0,
    )
    return snapshot(tab, filter=filter, page=pages[tab], header=nothing)


def a_header(*, hostile: bool = False, **changes: Any) -> Header:
    found = Header(
        database="prod@db1",
        environment="prod",
        spent=4120 * CENT,
        rate=980 * CENT,
        budget=Budget(
            window="day",
            spent=4120 * CENT,
            cap=6000 * CENT,
            soft_cap=5000 * CENT,
            tenants=2,
            uncapped=1,
            reached_at=NOW.replace(hour=5, minute=6, second=7),
            by=BIDI if hostile else "acme",
        ),
        calls=1_204,
        refused=318,
        failed=14,
        estimated=3,
        unpriced=0,
        in_flight=14,
        held=31 * CENT,
        spooled=0,
        open_breakers=1,
    )
    return replace(found, **({"database": f"prod@{CONTROLS}"} if hostile else {}) | changes)


def a_page(tab: Tab, *, hostile: bool = False) -> Page:
    return {
        Tab.OVERVIEW: overview,
        Tab.CALLS: calls,
        Tab.LIMITS: limits,
        Tab.BREAKERS: breakers,
        Tab.PROMPTS: prompts,
        Tab.EVALS: evals,
        Tab.AUDIT: audit,
    }[tab](hostile=hostile)


def overview(*, hostile: bool = False) -> Overview:
    rows = [
        overview_row("acme", "summarize", "anthropic", "haiku", nano=2210 * CENT, share=Fraction(995, 1000)),
        overview_row(
            "acme", "chat", "openai", "gpt-5-mini", calls=240, refused=0, failed=3, input=1_200_000, cached=0,
            output=88_000, nano=902 * CENT, share=Fraction(31, 100), breaker=State.HALF_OPEN,
        ),
        overview_row(
            "globex", "extract", "gemini", "flash", calls=96, refused=0, failed=11, input=310_000, cached=0,
            output=12_000, nano=44 * CENT, estimated=3, share=Fraction(24, 1000), soft=None, breaker=State.OPEN,
        ),
        overview_row(
            "new-team", "", "openai", "gpt-6", calls=3, refused=0, failed=0, input=12_000, cached=0, output=1_000,
            nano=None, unpriced=3, p50=None, p95=None, share=None, soft=None,
        ),
    ]  # fmt: skip
    if hostile:
        rows = [overview_row(text, text, "openai", text, nano=n * CENT) for n, text in enumerate(HOSTILE)]
    return Overview(
        rows=tuple(rows),
        total=len(rows) + 12,
        since=NOW.replace(hour=0, minute=0, second=0),
        read=Fraction(1),
        plot=plot(),
        breakers=breakers(hostile=hostile).rows[1:],
    )


def overview_row(
    tenant: str,
    feature: str,
    provider: str,
    model: str,
    *,
    calls: int = 812,
    refused: int = 318,
    failed: int = 4,
    input: int = 9_100_000,
    cached: int = 8_400_000,
    output: int = 210_000,
    nano: int | None = 2210 * CENT,
    estimated: int = 0,
    unpriced: int = 0,
    p50: int | None = 410,
    p95: int | None = 2_400,
    share: Fraction | None = Fraction(1, 2),
    soft: Fraction | None = Fraction(4, 5),
    breaker: State = State.CLOSED,
) -> OverviewRow:
    return OverviewRow(
        tenant, feature, provider, model, calls, refused, failed, input, cached, output, nano, estimated, unpriced,
        p50, p95, share, None if share is None else "credits/day, tenant", None if share is None else soft, breaker,
    )  # fmt: skip


def plot(points: int = 60) -> Plot:
    """A quiet hour, and a retry loop in its last quarter."""
    steps = []
    for n in range(points):
        busy = max(0, n - points * 3 // 4)
        nano = (1 + n % 5 + busy * busy) * CENT
        known = n != 3
        at = NOW.replace(second=0) - timedelta(minutes=points - 1 - n)
        steps.append(Point(at, nano if known else None, 5 + n % 5 + busy * 3 if known else None, busy * 2))
    return Plot(60, tuple(steps))


def calls(*, hostile: bool = False) -> CallsPage:
    rows = [
        call(1, state=CallState.REFUSED, code="DAILY_BUDGET_EXCEEDED", nano=None, tokens=None, took=None),
        call(2, state=CallState.RUNNING, nano=None, tokens=None, took=None, provider="openai", model="gpt-5-mini"),
        call(3, code="ALLOWED_SOFT_CAP", user="u-17"),
        call(4, estimated=True, tenant="globex", feature="extract", provider="gemini", model="flash", prompt=None),
        call(5, state=CallState.VOIDED, nano=0, tokens=0, error="OVERLOADED", status=529),
        call(6, state=CallState.PRESUMED_SPENT, error="TIMEOUT", status=None, tokens=None, nano=7 * CENT),
        call(7, would_refuse="MINUTE_REQUEST_LIMIT_EXCEEDED", findings=2, corrected=True),
        call(8, tenant="", feature=None, state=CallState.REFUSED, code="TENANT_REQUIRED", nano=None, tokens=None),
        call(9, tenant="new-team", feature=None, model="gpt-6", nano=None, tokens=1_204, took=95_000, hours=27),
    ]
    if hostile:
        rows = [
            call(n, tenant=text, user=text, feature=text, provider=text, model=text, error=text, prompt=text)
            for n, text in enumerate(HOSTILE, 1)
        ]
    return CallsPage(tuple(rows), None)


def call_id(number: int) -> UUID:
    return UUID(f"019aa4d6-7f2{number % 16:x}-7c31-9e54-{0x00C0FFEE0000 + number:012x}")


def call(
    number: int,
    *,
    tenant: str = "acme",
    user: str | None = None,
    feature: str | None = "summarize",
    provider: str = "anthropic",
    model: str = "haiku",
    state: CallState = CallState.SETTLED,
    code: str = "ALLOWED",
    would_refuse: str | None = None,
    error: str | None = None,
    status: int | None = 200,
    estimated: bool = False,
    corrected: bool = False,
    tokens: int | None = 11_400,
    nano: int | None = 91_000,
    took: int | None = 412,
    prompt: str | None = "summarize@v7",
    findings: int = 0,
    hours: int = 0,
) -> CallRow:
    return CallRow(
        attempt=call_id(number), call=call_id(number + 1_000), at=ago(seconds=3 * number, hours=hours), tenant=tenant,
        user=user, feature=feature, environment="prod", provider=provider, model=model, api="messages", state=state,
        reason_code=code, would_refuse=would_refuse, error=error, status=status, estimated=estimated,
        corrected=corrected, tokens=tokens, nano=nano, bound_nano=2 * CENT, duration_ms=took, prompt=prompt,
        findings=findings,
    )  # fmt: skip


def limits(*, hostile: bool = False) -> LimitsPage:
    midnight = (NOW + timedelta(days=1)).replace(hour=0, minute=0, second=0)
    rows = [
        limit("acme", cap=5000 * CENT, soft=4000 * CENT, used=4963 * CENT, held=12 * CENT, resets=midnight),
        limit("acme", Metric.REQUESTS, Window.MINUTE, cap=600, used=540, held=14, resets=NOW + timedelta(seconds=18)),
        limit("acme", Metric.CONCURRENCY, Window.TOTAL, cap=20, used=0, held=14, source="default"),
        limit(
            "globex", cap=1000 * CENT, used=44 * CENT, held=0, source="plan:free", action=Action.WARN, resets=midnight
        ),
        limit(
            "globex", Metric.TOKENS, Window.HOUR, cap=2_000_000, used=322_000, held=4_000,
            counts="user u-17", source="feature:extract", resets=NOW + timedelta(minutes=48),
        ),
        limit("globex", cap=0, used=0, held=0, counts="environment dev", source="environment:dev"),
        limit("acme", window=Window.CALL, cap=1 * DOLLAR, used=0, held=0),
        limit("new-team", cap=100 * CENT, used=None, held=None, counts="each user", source="default"),
    ]  # fmt: skip
    if hostile:
        rows = [limit(text, cap=1 * DOLLAR, used=n * CENT, counts=text, source=text) for n, text in enumerate(HOSTILE)]
    return LimitsPage(tuple(rows), len(rows))


def limit(
    tenant: str,
    metric: Metric = Metric.CREDITS,
    window: Window = Window.DAY,
    *,
    cap: int,
    soft: int | None = None,
    used: int | None = 0,
    held: int | None = 0,
    action: Action = Action.BLOCK,
    source: str = "",
    counts: str = "",
    resets: datetime | None = None,
) -> LimitRow:
    left = None if used is None or held is None else max(0, cap - used - held)
    return LimitRow(
        tenant, metric, window, cap, soft, action, source or f"tenant:{tenant}", counts, used, held, left, resets, "UTC"
    )


def breakers(*, hostile: bool = False) -> BreakersPage:
    by_hand = Move(ago(minutes=9), "closed", "forced_open", "operator", None, "ops@db1", "invoices look wrong")
    opened = Move(ago(seconds=19), "closed", "open", "failure_rate", NOW + timedelta(seconds=41), None, None)
    half = Move(ago(seconds=4), "open", "half_open", "probe", None, None, None)
    rows = [
        breaker("anthropic", "haiku"),
        breaker(
            "gemini", "flash", State.OPEN, reason=Reason.FAILURE_RATE, left=41, seen=Seen(96, 60, 2, 3), trips=1
        ),
        breaker(
            "openai", "gpt-5-mini", State.HALF_OPEN, reason=Reason.PROBE_FAILED, seen=Seen(12, 7, 0, 0), trips=2,
            successes=1, probes=1,
        ),
        breaker("openai", "", State.FORCED_OPEN, reason=Reason.OPERATOR, seen=Seen(0), by=by_hand),
        breaker(
            "mistral", "small", State.FORCED_CLOSED, reason=Reason.OPERATOR, left=540, seen=Seen(3, 1, 0, 1),
            by=replace(by_hand, state="forced_closed", why=None),
        ),
    ]  # fmt: skip
    moves = [NamedMove("openai/gpt-5-mini", half), NamedMove("gemini/flash", opened), NamedMove("openai", by_hand)]
    if hostile:
        move = replace(by_hand, who=CONTROLS, why=BIDI)
        rows = [
            breaker(text, text, State.FORCED_OPEN, reason=Reason.OPERATOR, by=replace(move, why=text))
            for text in HOSTILE
        ]
        moves = [NamedMove(text, move) for text in HOSTILE]
    return BreakersPage(tuple(rows), tuple(moves))


def breaker(
    provider: str,
    model: str,
    state: State = State.CLOSED,
    *,
    reason: Reason | None = None,
    left: float | None = None,
    seen: Seen = Seen(812, 4, 0, 0),  # noqa: B008 (a frozen value)
    trips: int = 0,
    successes: int = 0,
    probes: int = 0,
    by: Move | None = None,
) -> BreakerRow:
    until = None if left is None else NOW + timedelta(seconds=left)
    under_way = tuple([Probe(call_id(900 + n), NOW + timedelta(seconds=30)) for n in range(probes)])
    found = Breaker(provider, model, state, ago(seconds=19), until, reason, trips, successes, under_way)
    return BreakerRow(found, NOW, seen, by)


def prompts(*, hostile: bool = False) -> PromptsPage:
    rows = [
        prompt("summarize", 7, labels=("production", "staging"), gate=True, published=ago(minutes=30)),
        prompt("summarize", 6, calls=0, failed=0, refused=0, nano=0, p50=None, p95=None, gate=True),
        prompt("summarize", 5, gate=False, calls=2, failed=2, nano=None, p50=88, p95=91),
        prompt("chat", 2, labels=("production",), gate=None, calls=240, failed=3, refused=0, nano=902 * CENT),
        prompt("extract", 1, sha=None, published=None, by=None, calls=96, failed=11, refused=0, nano=44 * CENT),
    ]
    moves = [label_move("summarize", 6, 7, ago(minutes=23)), label_move("summarize", 5, 6, ago(days=3))]
    if hostile:
        rows = [prompt(text, 1, by=text, labels=(text,)) for text in HOSTILE]
        moves = [label_move(text, 1, 2, NOW) for text in HOSTILE]
    return PromptsPage(tuple(rows), len(rows) + 3, tuple(moves), NOW.replace(hour=0, minute=0, second=0), Fraction(1))


def prompt(
    name: str,
    version: int,
    *,
    sha: str | None = "5e884898da28047151d0e56f8dc62927",
    published: datetime | None = NOW - timedelta(days=4),
    by: str | None = "kim@laptop",
    labels: Sequence[str] = (),
    gate: bool | None = None,
    calls: int = 812,
    failed: int = 4,
    refused: int = 318,
    nano: int | None = 2210 * CENT,
    p50: int | None = 410,
    p95: int | None = 2_400,
) -> PromptRow:
    return PromptRow(
        name, version, sha and sha * 2, published, by, tuple(labels), gate, calls, failed, refused, nano, p50, p95
    )


def label_move(name: str, was: int, version: int, at: datetime) -> LabelMove:
    return LabelMove(at, name, "production", "promote", was, version, "5e88" * 16, False, "kim@laptop", "friendlier")


def evals(*, hostile: bool = False) -> EvalsPage:
    rows = [
        eval_run("0004", Status.FAIL, (("faithfulness", 0.71), ("length", 0.99)), subject="summarize@v7"),
        eval_run("0003", Status.PASS, (("faithfulness", 0.88), ("length", 0.97)), at=ago(hours=2)),
        eval_run("0002", Status.WARN, (("faithfulness", 0.86), ("length", None)), at=ago(days=2), mode="live"),
        eval_run("0001", None, (), why="its suite is not here any more", at=ago(days=40), suite="old"),
        eval_run("0000", Status.INCONCLUSIVE, (("faithfulness", None),), at=ago(days=41), spent=0),
    ]
    if hostile:
        rows = [
            eval_run(f"{n:04}", Status.PASS, ((text, 0.5),), suite=text, subject=text, mode=text, why=text)
            for n, text in enumerate(HOSTILE)
        ]
    return EvalsPage(tuple(rows), "evals")


def eval_run(
    number: str,
    status: Status | None,
    scores: Sequence[tuple[str, float | None]],
    *,
    suite: str = "summarize",
    subject: str = "summarize@v6",
    at: datetime = NOW - timedelta(minutes=5),
    mode: str = "replay",
    why: str | None = None,
    spent: int = 3 * CENT,
) -> EvalRow:
    return EvalRow(f"20261121-0306-{number}", suite, at, subject, mode, 24, status, why, tuple(scores), spent)


def audit(*, hostile: bool = False) -> AuditPage:
    rows = [
        change(318, "breaker.open", "openai", {"state": "closed"}, {"state": "forced_open"}, why="invoices look wrong"),
        change(
            317, "prompt.promote", "summarize@production", {"version": "v6"}, {"version": "v7", "forced": False},
            who="kim@laptop", at=ago(minutes=23), why="friendlier",
        ),
        change(316, "limit.set", "tenant:acme", _policy(4000), _policy(5000), tenant="acme", at=ago(hours=5)),
        change(315, "tenant.add", "new-team", None, {"uncapped": True}, tenant="new-team", at=ago(days=1)),
        change(314, "plan.move", "globex", "free", "pro", tenant="globex", at=ago(days=2)),
        change(313, "policy.owner", "default", "by hand", "by a file", at=ago(days=90)),
    ]  # fmt: skip
    if hostile:
        rows = [
            change(n, text, text, {text: text}, {text: "new"}, who=text, why=text, tenant=text)
            for n, text in enumerate(HOSTILE, 1)
        ]
    return AuditPage(tuple(rows), None)


def _policy(cents: int) -> dict[str, Any]:
    limit = StatedLimit(Metric.CREDITS, Window.DAY, cents * CENT)
    return to_body(Policy("tenant:acme", Scope(tenant="acme"), limits=(limit,)))


def change(
    seq: int,
    action: str,
    subject: str,
    before: Any,
    after: Any,
    *,
    who: str = "ops@db1",
    tenant: str | None = None,
    at: datetime = NOW - timedelta(minutes=9),
    why: str | None = None,
) -> AuditRow:
    return AuditRow(seq, at, who, action, subject, tenant, before, after, why, None, f"{seq:064x}")


Step = Snapshot | Exception | Callable[[Query], Snapshot]


class Scripted:
    """A source that takes these steps in order: gives a snapshot as it is, raises an error, or asks a function (which
    may wait). After the last it answers every query with the rich page of its tab.

    `asked` are the queries so far; `at` is the time of the snapshots that it makes itself. Any thread may read.
    """

    def __init__(self, *steps: Step, at: datetime = NOW, hostile: bool = False) -> None:
        self.at = at
        self.hostile = hostile
        self.asked: list[Query] = []
        self.closed = False
        self._steps = list(steps)
        self._lock = Lock()

    def then(self, *steps: Step) -> None:
        """More steps, after those that are left."""
        with self._lock:
            self._steps += steps

    def read(self, query: Query) -> Snapshot:
        with self._lock:
            self.asked.append(query)
            step = self._steps.pop(0) if self._steps else None
        if isinstance(step, Exception):
            raise step
        if step is None:
            return replace(snapshot(query.tab, at=self.at, hostile=self.hostile), query=query)
        return step(query) if callable(step) else step

    def close(self) -> None:
        self.closed = True
