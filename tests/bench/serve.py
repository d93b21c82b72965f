"""What the server costs: one worker before the simulated provider, plain chat completions, durable metering on.

Everything is on the same machine: the callers, the server, the simulated provider and PostgreSQL, each in processes of
their own. In turn for 1, 16, 64 and 256 callers: the provider directly, the same application as a bare pass-through,
and the server as it is. `--only CALLERS` measures one load. Beside rates and latencies, which are those of the whole
machine, it tells how much processor time the server took for a call.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import a_ledger, add_tenants, commit_microseconds, report
from sdk import a_simulator

from aikit.ledger.keys import create_key

CALLERS = (1, 16, 64, 256)
SECONDS = 3.0
ROUNDS = 3
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Way:
    """Something that answers: where, and its process."""

    url: str
    process: int

    def processor(self) -> float:
        """Seconds of processor time that it has taken."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def a_server(mode: str, config: Path) -> Iterator[Way]:
    command = [sys.executable, str(HERE / "serve_server.py"), mode, str(config)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdin is not None
        yield Way(process.stdout.readline().strip(), process.pid)
        process.stdin.close()
        process.wait(30)
    finally:
        process.kill()
        process.wait()


def measured(way: Way, secret: str, callers: int, seconds: float = SECONDS) -> dict[str, Any]:
    url = f"{way.url}/v1/chat/completions"
    command = [sys.executable, str(HERE / "serve_load.py"), url, secret, str(callers), str(seconds)]
    before = way.processor()
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert not found["failed"], found
    return found | {"processor": (way.processor() - before) / found["calls"] * 1e6}


def middle(rounds: list[dict[str, Any]], name: str) -> float:
    return statistics.median(one[name] for one in rounds)


def main() -> None:
    loads = [int(sys.argv[sys.argv.index("--only") + 1])] if "--only" in sys.argv else CALLERS
    with a_ledger() as database, a_simulator() as provider, tempfile.TemporaryDirectory() as folder:
        add_tenants(database, ["acme"], [{"metric": "credits", "window": "month"}])
        secret = create_key(database, tenant="acme", environment="dev", rights=["complete"]).secret
        config = Path(folder) / "aikit.toml"
        config.write_text(
            f"[database]\nurl = {json.dumps(database.conninfo)}\ndata_dir = {json.dumps(folder)}\n"
            f'[providers.openai]\nbase_url = "{provider}/v1"\n'
        )
        figures: dict[str, float | int | str] = {"single-row UPDATE commit, µs": commit_microseconds(database)}
        with a_server("metered", config) as metered, a_server("bare", config) as bare:
            ways = {"direct": Way(provider, os.getpid()), "bare": bare, "metered": metered}
            for way in ways.values():
                measured(way, secret, 16, 1.0)
            for callers in loads:
                taken: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
                for _ in range(ROUNDS):
                    for name, way in ways.items():
                        taken[name].append(measured(way, secret, callers))
                who = f"{callers} callers" if callers > 1 else "1 caller"
                for name, rounds in taken.items():
                    figures[f"{who}, {name}: calls/s"] = middle(rounds, "rate")
                direct, bare_rounds, own = taken["direct"], taken["bare"], taken["metered"]
                figures |= {
                    f"{who}: metered / bare pass-through": middle(own, "rate") / middle(bare_rounds, "rate"),
                    f"{who}: metered / direct": middle(own, "rate") / middle(direct, "rate"),
                    **{
                        f"{who}: added over direct, {at}, ms": middle(own, at) - middle(direct, at)
                        for at in ("p50", "p95", "p99")
                    },
                    f"{who}: added over bare, p50, ms": middle(own, "p50") - middle(bare_rounds, "p50"),
                    f"{who}, bare: processor time a call, µs": middle(bare_rounds, "processor"),
                    f"{who}, metered: processor time a call, µs": middle(own, "processor"),
                }
        report("serve", figures)


if __name__ == "__main__":
    main()
