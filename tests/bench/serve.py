"""What the server costs: one worker before the simulated provider, plain chat completions, durable metering on.

    scripts/bench serve [--only CALLERS] [--beside litellm] [--ask QUESTION] [--json]

Everything is on the same machine: the callers, the server, the simulated provider and PostgreSQL, each in processes of
their own. In turn, round after round: the provider directly, the same application as a bare pass-through, the server
as it is, and the LiteLLM proxy if asked for. Beside rates and latencies, which are those of the whole machine, it tells
how much processor time each took for a call. There are three questions:

saturated   1, 16, 64 and 256 callers that ask again as soon as they are answered, and a provider that answers at once:
            how many calls a second. Latencies are those of a queue here: whoever has fewer calls/s has longer ones.
waiting     16 callers that ask again as soon as they are answered, and a provider that takes 50 ms, then 200 ms, give
            or take a half: what is added to an answer.
steady      300 calls a second over 16 connections, due at even distances, and a provider that answers at once: what is
            added to an answer, with what it waited for a connection.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from harness import a_ledger, add_tenants, commit_microseconds, report
from sdk import a_simulator
from serve_litellm import SETTINGS, NotThere, a_litellm_proxy, cached, environment
from serve_ways import SECONDS, Way, a_server, assert_alike, measured

from aikit.ledger.keys import create_key

CALLERS = (1, 16, 64, 256)
BESIDE_CALLERS = (1, 16, 64)
"""More would wait for longer than a round takes."""
CONNECTIONS = 16
DELAYS = (0.05, 0.2)
RATE = 300.0
AT = ("p50", "p95", "p99")
QUESTIONS = ("saturated", "waiting", "steady")
AIMS = {"p50": " (aim: at most 3)", "p95": "", "p99": " (aim: at most 15)"}

Figures = dict[str, float | int | str]
Rounds = dict[str, list[dict[str, Any]]]
Measure = Callable[[Way], dict[str, Any]]


def in_turn(ways: dict[str, Way], rounds: int, measure: Measure) -> Rounds:
    taken: Rounds = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(measure(way))
    return taken


def middle(rounds: list[dict[str, Any]], name: str) -> float:
    return statistics.median(one[name] for one in rounds)


def ratio(of: list[dict[str, Any]], to: list[dict[str, Any]]) -> float:
    """The middle of the ratios of rates, each of two neighbours."""
    return statistics.median(one["rate"] / other["rate"] for one, other in zip(of, to, strict=True))


def added(of: list[dict[str, Any]], direct: list[dict[str, Any]], at: str) -> float:
    """The middle of the differences of latencies, each of two neighbours. In ms."""
    return statistics.median(one[at] - other[at] for one, other in zip(of, direct, strict=True))


def saturated(ways: dict[str, Way], secret: str, callers: int, rounds: int) -> Figures:
    taken = in_turn(ways, rounds, lambda way: measured(way, secret, callers))
    who = f"{callers} callers, saturated" if callers > 1 else "1 caller, saturated"
    figures: Figures = {f"{who}, {name}: calls/s": middle(found, "rate") for name, found in taken.items()}
    for name, found in taken.items():
        if name != "metered":
            aim = " (aim: at least 15)" if name == "litellm" else ""
            figures[f"{who}: metered / {name}{aim}"] = ratio(taken["metered"], found)
        if name != "direct":
            figures |= {f"{who}, {name}: added over direct, {at}, ms": added(found, taken["direct"], at) for at in AT}
            figures[f"{who}, {name}: processor time a call, µs"] = middle(found, "processor")
    return figures


def waiting(ways: dict[str, Way], secret: str, delay: float, rounds: int) -> Figures:
    taken = in_turn(ways, rounds, lambda way: measured(way, secret, CONNECTIONS, delay=delay))
    who = f"{CONNECTIONS} connections, provider takes {delay * 1000:g} ms"
    return {f"{who}, direct: beyond that, {at}, ms": middle(taken["direct"], at) for at in AT} | _added(taken, who)


def steady(ways: dict[str, Way], secret: str, rounds: int) -> Figures:
    taken = in_turn(ways, rounds, lambda way: measured(way, secret, CONNECTIONS, rate=RATE))
    who = f"{CONNECTIONS} connections, {RATE:g} calls/s are due"
    return {f"{who}, direct: {at}, ms": middle(taken["direct"], at) for at in AT} | _added(taken, who)


def _added(taken: Rounds, who: str) -> Figures:
    figures: Figures = {}
    for name, found in taken.items():
        figures[f"{who}, {name}: calls/s"] = middle(found, "rate")
        if name != "direct":
            aims = AIMS if name == "metered" else dict.fromkeys(AT, "")
            figures |= {f"{who}, {name}: added, {at}, ms{aims[at]}": added(found, taken["direct"], at) for at in AT}
    return figures


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=int, metavar="CALLERS", help="saturated, with so many callers, and nothing else")
    parser.add_argument("--ask", action="append", choices=QUESTIONS, help="only this question; repeatable")
    parser.add_argument("--beside", choices=["litellm"], help="measure the LiteLLM proxy, too")
    parser.add_argument("--cache", type=Path, default=cached(), metavar="DIR", help="where what is beside is installed")
    parser.add_argument("--rounds", type=int, default=3, help=f"of {SECONDS:g} s for each way (default: 3)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    questions = ["saturated"] if chosen.only else chosen.ask or QUESTIONS
    figures: Figures = {}
    if chosen.beside:
        try:
            figures["LiteLLM"] = f"{environment(chosen.cache)['litellm']}: {SETTINGS}"
        except NotThere as error:
            print(error, file=sys.stderr)
            return 1
    with a_ledger() as database, a_simulator() as provider, tempfile.TemporaryDirectory() as folder, ExitStack() as up:
        add_tenants(database, ["acme"], [{"metric": "credits", "window": "month"}])
        secret = create_key(database, tenant="acme", environment="dev", rights=["complete"]).secret
        config = Path(folder) / "aikit.toml"
        config.write_text(
            f"[database]\nurl = {json.dumps(database.conninfo)}\ndata_dir = {json.dumps(folder)}\n"
            f'[providers.openai]\nbase_url = "{provider}/v1"\n'
        )
        figures["single-row UPDATE commit, µs"] = commit_microseconds(database)
        ways = {"direct": Way(provider, os.getpid())}
        ways |= {mode: up.enter_context(a_server(mode, config)) for mode in ("bare", "metered")}
        if chosen.beside:
            try:
                ways["litellm"] = up.enter_context(a_litellm_proxy(chosen.cache, provider))
            except NotThere as error:
                print(error, file=sys.stderr)
                return 1
        assert_alike(ways, secret)
        for way in ways.values():
            measured(way, secret, 16, 1.0)
        figures["runnable processes on this machine, last minute, at first"] = os.getloadavg()[0]
        if "saturated" in questions:
            for callers in [chosen.only] if chosen.only else BESIDE_CALLERS if chosen.beside else CALLERS:
                figures |= saturated(ways, secret, callers, chosen.rounds)
        if "waiting" in questions:
            for delay in DELAYS:
                figures |= waiting(ways, secret, delay, chosen.rounds)
        if "steady" in questions:
            figures |= steady(ways, secret, chosen.rounds)
        report("serve", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
