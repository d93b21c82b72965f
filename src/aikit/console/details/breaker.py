"""A breaker in full: how it stands, what was seen within the window, who forced it, and how it came here."""

from __future__ import annotations

from aikit.breaker.model import TUNING, State
from aikit.console.breaker_words import breaker_word, move_word, reason_word, state_word
from aikit.console.details.words import UNKNOWN, count, utc, when
from aikit.console.words import Style, lasting
from aikit.ledger.breakers import BreakerRow, Move, get_breaker, list_moves
from aikit.ledger.reading import Readable
from aikit.page import Item, Page, Section

MOVES = 50
"""So many of its last moves are shown."""
PLAIN = Style()


def breaker_page(database: Readable, name: str) -> Page:
    """`name` is `provider/model`, or the provider. One that nobody has heard of is closed, and said to be so."""
    provider, _, model = name.partition("/")
    key = provider, model
    return told(get_breaker(database, key), list_moves(database, key, limit=MOVES))


def told(row: BreakerRow, moves: list[Move]) -> Page:
    """The page of a breaker and its last moves, the newest first."""
    history = tuple([_move(move) for move in moves]) or (Item("none", "it has always been closed"),)
    more = f", the last {MOVES}" if len(moves) == MOVES else ""
    return Page(
        f"{row.breaker.name}: {breaker_word(row, PLAIN)[0]}",
        (_effect(row.breaker.state),),
        (
            Section("State", tuple(_state(row))),
            Section(f"Seen in the last {lasting(TUNING.window)}, by all processes", tuple(_seen(row))),
            *_forced(row),
            Section(f"Moves{more}", history),
        ),
    )


def _effect(state: State) -> str:
    """What it does to calls."""
    return {
        State.CLOSED: "Calls pass.",
        State.OPEN: "Calls are refused with BREAKER_OPEN, or go to another model of their route.",
        State.HALF_OPEN: "A probe at a time is let through to see whether it is back; all other calls are refused.",
        State.FORCED_OPEN: "A person has forced it open: calls are refused, whatever the provider does.",
        State.FORCED_CLOSED: "A person has forced it closed: calls pass, however many fail.",
    }[state]


def _state(row: BreakerRow) -> list[Item]:
    breaker = row.breaker
    items = [
        Item("state", breaker_word(row, PLAIN)[0]),
        Item("why", reason_word(row, PLAIN)),
        Item("since", utc(breaker.since) if breaker.reason else UNKNOWN),
    ]
    if breaker.until is not None and row.left is not None:
        name = "next probe" if breaker.state is State.OPEN else "forced until"
        items.append(Item(name, f"{utc(breaker.until)} · in {lasting(row.left)}"))
    elif breaker.state in (State.FORCED_OPEN, State.FORCED_CLOSED):
        items.append(Item("forced until", "it is reset"))
    if breaker.state is State.HALF_OPEN:
        went = f"{breaker.successes:,} of {TUNING.successes:,} went well"
        items.append(Item("probes", f"{row.under_way:,} under way, {went}"))
    if breaker.trips:
        items.append(Item("opened", f"{breaker.trips:,} times in a row" if breaker.trips > 1 else "once"))
    return items


def _seen(row: BreakerRow) -> list[Item]:
    seen = row.seen
    share = f" ({seen.failed * 100 // seen.calls}%)" if seen.calls else ""
    return [
        Item("calls", count(seen.calls)),
        Item("failed", f"{count(seen.failed)}{share}"),
        Item("failed in a row", count(seen.run)),
        Item("slow", count(seen.slow)),
    ]


def _forced(row: BreakerRow) -> list[Section]:
    by = row.forced_by
    if by is None:
        return []
    items = (Item("who", by.who or UNKNOWN), Item("when", utc(by.at)), Item("why", by.why or UNKNOWN))
    return [Section("Forced by", items)]


def _move(move: Move) -> Item:
    until = f" until {utc(move.until)}" if move.until else ""
    was, now = [state_word(State(state), PLAIN)[0] for state in (move.was, move.state)]
    return Item(when(move.at), f"{was} → {now}{until}", (move_word(move, PLAIN),))
