"""What `aikit demo` shows when all is done: the refusal, the spending, the books, and what to type next."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from aikit.cli.ledger import summary
from aikit.cli.output import console, facts, line, note, table
from aikit.demo.outcome import TENANT, Outcome
from aikit.ledger.reports import SpendRow
from aikit.money import usd, usd_string
from aikit.types import INPUT_CLASSES, OUTPUT_CLASSES

ELSEWHERE = ("DATABASE_URL", "AIKIT_DATA_DIR", "AIKIT_ENV")
"""What goes before a configuration file, and would lead away from the demo's database."""


def print_report(outcome: Outcome) -> None:
    """For people, on stdout."""
    out = console()
    line("")
    out.print("402 Payment Required, before anything is sent: what the next call is told", style="bold")
    out.print(json.dumps(outcome.body, indent=2), soft_wrap=True)
    line("")
    facts(
        "What the SDKs raise for it, at once",
        [(sdk, f"{refusal['exception']}  {refusal['status']}") for sdk, refusal in sorted(outcome.refusals.items())],
    )
    line("")
    table(
        f"What {TENANT} spent, in simulated dollars",
        ["Model", "Calls", "Refused", "Input", "Output", "Cost"],
        [_cells(row.key, row) for row in outcome.spend.rows],
        _cells("Total", outcome.spend.totals),
    )
    line("")
    facts(_headline(outcome), _books(outcome))
    line("")
    out.print("aikit ledger verify", style="bold")
    line(f"  {summary(outcome.verification)}")


def as_json(outcome: Outcome) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data and the totals of the JSON object."""
    plan, end, verified = outcome.plan, outcome.end, outcome.verification
    data = {
        "simulated": True,
        "problems": outcome.problems,
        "tenant": TENANT,
        "cap_usd": usd_string(plan.cap),
        "used_usd": usd_string(end.used),
        "held_usd": usd_string(end.held),
        "peak_usd": usd_string(outcome.peak),
        "overshoot_usd": usd_string(outcome.overshoot),
        "admitted": end.calls,
        "refused": end.refused,
        "retried": outcome.retried,
        "processes": plan.processes,
        "callers": plan.callers,
        "callers_stopped": outcome.stopped,
        "seconds": round(outcome.seconds, 1),
        "refusal": outcome.body,
        "sdks": outcome.refusals,
        "models": [
            {"model": row.key, "calls": row.calls, "refused": row.refused, "cost_usd": usd_string(row.nano)}
            for row in outcome.spend.rows
        ],
        "provider": {"requests": outcome.served, "tokens": outcome.billed},
        "ledger": {
            "verified": verified.ok,
            "unexplained_usd": usd_string(verified.unexplained_nano),
            "entries": verified.entries,
            "tokens": outcome.entered,
        },
        "kept": str(outcome.kept) if outcome.kept else None,
    }
    return data, {"calls": end.calls, "refused": end.refused, "cost_usd": usd_string(outcome.spend.totals.nano)}


def say_what_next(outcome: Outcome) -> None:
    """On stderr: three commands to type."""
    aikit, python = _typed("aikit"), _typed("python")
    if outcome.kept:
        foreign = "".join(f" {name}=" for name in ELSEWHERE if os.environ.get(name))
        head = "The database is still there. Look around in it,"
        commands = [
            f"export AIKIT_CONFIG={shlex.quote(str(outcome.kept))}{foreign}",
            f"{aikit} calls list",
            f"{aikit} ledger verify",
        ]
        last = f"and remove it:\n  {aikit} db stop && rm -r {shlex.quote(str(outcome.kept.parent))}"
    else:
        head = "Next, for a ledger that stays:"
        call = f'print(aikit.AIKit.open().complete("Hello", tenant="{TENANT}").text)'
        commands = [
            f"{aikit} tenant add {TENANT}",
            f"{aikit} limit set --tenant {TENANT} --window month --usd 25",
            f"{python} -c 'import aikit; {call}'",
        ]
        last = "The last one needs a key in OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY."
    for text in ("", head, *(f"  {command}" for command in commands), *last.split("\n")):
        note(text)


def _cells(name: str, row: SpendRow) -> list[str]:
    tokens = [sum(row.tokens[kind] for kind in kinds) for kinds in (INPUT_CLASSES, OUTPUT_CLASSES)]
    return [name, *[f"{count:,}" for count in (row.calls, row.refused, *tokens)], f"${usd(row.nano):.4f}"]


def _headline(outcome: Outcome) -> str:
    if outcome.overshoot:
        return f"Overshoot ${usd_string(outcome.overshoot)}"
    return "Overshoot $0.00: what was used and held never passed the cap, at any instant"


def _books(outcome: Outcome) -> list[tuple[str, str]]:
    plan, end = outcome.plan, outcome.end
    billed, entered = sum(outcome.billed.values()), sum(outcome.entered.values())
    return [
        ("cap", f"${usd(plan.cap):.9f}"),
        ("peak", f"${usd(outcome.peak):.9f}, used and held for calls in flight"),
        ("used", f"${usd(end.used):.9f}"),
        ("overshoot", f"{outcome.overshoot:,} nano-dollars"),
        ("admitted", f"{end.calls:,} calls of {plan.callers} callers in {plan.processes} processes"),
        ("refused", f"{end.refused:,}, of them {outcome.retried:,} tried again because calls were still in flight"),
        ("provider", f"saw {outcome.served:,} requests, billed {billed:,} tokens; the ledger has {entered:,}"),
    ]


def _typed(program: str) -> str:
    """How to type a program of this installation: by its name if that finds it, or else by its path from here."""
    here = Path(sys.executable).parent
    found = shutil.which(program)
    if found and Path(found).parent == here:
        return program
    path = here / program
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))
