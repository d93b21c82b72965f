"""What the server costs: one worker before the simulated provider, plain chat completions, durable metering on.

Everything is on the same machine: the callers, the server, the simulated provider and PostgreSQL, each in processes of
their own. In turn for 1, 16, 64 and 256 callers: the provider directly, the same application as a bare pass-through,
and the server as it is. `--only CALLERS` measures one load.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import a_ledger, add_tenants, commit_microseconds, report
from sdk import a_simulator

from aikit.ledger.keys import create_key

CALLERS = (1, 16, 64, 256)
SECONDS = 3.0
ROUNDS = 3
HERE = Path(__file__).parent


@contextmanager
def a_server(mode: str, config: Path) -> Iterator[str]:
    command = [sys.executable, str(HERE / "serve_server.py"), mode, str(config)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
        process.wait(30)
    finally:
        process.kill()
        process.wait()


def measured(url: str, secret: str, callers: int, seconds: float = SECONDS) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "serve_load.py"), url, secret, str(callers), str(seconds)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert not found["failed"], found
    return found


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
            ways = {"direct": provider, "bare": bare, "metered": metered}
            for way in ways.values():
                measured(f"{way}/v1/chat/completions", secret, 16, 1.0)
            for callers in loads:
                taken: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
                for _ in range(ROUNDS):
                    for name, way in ways.items():
                        taken[name].append(measured(f"{way}/v1/chat/completions", secret, callers))
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
                }
        report("serve", figures)


if __name__ == "__main__":
    main()
