"""What guards cost a thousand characters, whole and streamed; with --quality how well they tell things apart."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import median_microseconds

from aikit.guards.catalogue import BY_NAME
from aikit.guards.screening import Screening
from aikit.types.guards import GuardAction, GuardRule, Place
from support import guard_quality, guard_samples

TARGET = 1000
"Microseconds a thousand characters for pii, secrets and unicode together."
OPTIONS: dict[str, dict[str, Any]] = {
    "banned_terms": {"terms": ["project falcon", "do not share", "internal only"]},
    "urls": {"allow": ["example.com"]},
    "max_length": {"characters": 10**6},
}
ALONE = ("unicode", "secrets", "pii", "urls", "banned_terms", "injection", "canary", "max_length")
JOINT = ("unicode", "secrets", "pii")
LENGTH = 8000


def texts() -> dict[str, str]:
    """Texts of the same length: without anything to find, full of it, code, JSON, and prose with other letters."""
    draw = random.Random(5)
    prose = " ".join(draw.choice(guard_samples.PROSE[:5]) for _ in range(200))
    dense = " ".join(make(draw) for _ in range(40) for make in guard_samples.PII.values())
    code = Path(__file__).read_text() * 3
    rows = [{"id": n, "at": f"2026-03-{n % 28 + 1:02}T10:00:00Z", "total": n * 1.5, "paid": True} for n in range(200)]
    texts = {"prose": prose, "dense": dense, "code": code, "json": json.dumps(rows, indent=1)}
    texts["markdown"] = " ".join("\n\n".join(guard_samples.PROSE) for _ in range(20)).replace("e ", "é ")
    return {name: text[:LENGTH] for name, text in texts.items()}


def rule(guard: str) -> GuardRule:
    """A guard that redacts if it can."""
    action = GuardAction.REDACT if GuardAction.REDACT in BY_NAME[guard].actions else GuardAction.FLAG
    return GuardRule(guard, action, tuple(Place), json.dumps(OPTIONS.get(guard, {})))


def screen(guards: tuple[str, ...], text: str, piece: int | None) -> Callable[[], object]:
    rules = [rule(guard) for guard in guards]

    def whole() -> object:
        return Screening(rules, secret=b"s", canary="kestrel-93af-77b1").check(Place.OUTPUT, "", text)

    def streamed() -> object:
        channel = Screening(rules, secret=b"s", canary="kestrel-93af-77b1").channel(Place.OUTPUT, "")
        for at in range(0, len(text), piece or 1):
            channel.feed(text[at : at + (piece or 1)])
        return channel.flush()

    return streamed if piece else whole


def cost(guards: tuple[str, ...], text: str, piece: int | None = None) -> float:
    return median_microseconds(screen(guards, text, piece), 7) / len(text) * 1000


def speed(as_json: bool) -> None:
    samples = texts()
    rows = [(guard, (guard,), None) for guard in ALONE]
    rows += [("unicode + secrets + pii", JOINT, None), ("the same, 20 characters a piece", JOINT, 20)]
    rows += [("all, whole", ALONE, None), ("all, 20 characters a piece", ALONE, 20)]
    if not as_json:
        print(f"{'µs per 1,000 characters':34}" + "".join(f"{name:>10}" for name in samples))
    for title, guards, piece in rows:
        costs = {name: round(cost(guards, text, piece), 1) for name, text in samples.items()}
        if as_json:
            print(json.dumps({"bench": "guards", "guards": title, "us_per_1000_characters": costs}))
        else:
            print(f"{title:34}" + "".join(f"{value:>10.1f}" for value in costs.values()))
    if not as_json:
        print(f"The aim for unicode + secrets + pii is at most {TARGET} on ordinary text.")


def quality() -> None:
    """The tables of docs/reference/guards.md."""
    table("guard", "kind", "planted", "found", "missed", "wrong", "precision", "recall")
    named = [(row.kind, row) for row in guard_quality.all_figures()]
    for name, row in [*named, *guard_quality.phones_elsewhere(300, 11)]:
        figures = (row.planted, row.found, row.missed, row.wrong, f"{row.precision:.3f}", f"{row.recall:.3f}")
        line(row.guard, name, *figures)
    rows = guard_quality.injections()
    print()
    table("family of attacks", "attacks", "found", "recall")
    for row in rows:
        line(row.kind, row.planted, row.found, f"{row.recall:.2f}")
    found, planted = sum(row.found for row in rows), sum(row.planted for row in rows)
    line("all", planted, found, f"{found / planted:.2f}")
    harmless = len(guard_quality.UNSEEN.harmless)
    print(f"\nOf {harmless} harmless texts {rows[0].wrong} are found: precision {found / (found + rows[0].wrong):.2f}.")


def table(*names: str) -> None:
    line(*names)
    line(*("---" for _ in names))


def line(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    if "--quality" in sys.argv:
        quality()
    else:
        speed("--json" in sys.argv)
