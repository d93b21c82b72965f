"""What streams cost that stand still: one worker of `aikit serve`, and ten thousand callers who wait.

    scripts/soak streams [--streams N] [--idle SECONDS] [--json]

Each stream has begun: its caller has read the first event. Then nothing comes for a minute; others are answered
meanwhile. Then all end, and all of it once more. Each stream needs two open files of the server's process: where it
may not open so many, as many are held as can be, and the memory of all is reckoned from that. Exit 1 if a stream
breaks, the books are not settled, memory is above 1 GB or greater the second time.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import a_ledger, report

from support.kits import Books, write_config
from support.serve_process import ServeProcess, a_key, serve_process, until

HERE = Path(__file__).parent
MEGABYTE = 1024 * 1024
MOST = 1024 * MEGABYTE
SPARE = 200
"""Files that the server needs beside those of streams."""
ASKED = 200
CALM = 3.0
"""Seconds before memory is looked at."""
GROWTH = 1.05
"""How much more memory the second time may take: what an allocator makes of it."""


@dataclass
class Told:
    """A process that is told what to do, a line at a time."""

    process: subprocess.Popen[str]

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def asked(self, line: str) -> dict[str, Any]:
        self.tell(line)
        answer: dict[str, Any] = json.loads(self.said())
        return answer


@contextmanager
def told(script: str, *arguments: str) -> Iterator[Told]:
    command = [sys.executable, str(HERE / script), *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Told(process)
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Memory:
    """Of a process, in bytes."""

    resident: int
    proportional: int
    """Without what it shares with others, but for its part of that."""

    @classmethod
    def of(cls, pid: int) -> Memory:
        told = Path(f"/proc/{pid}/smaps_rollup").read_text()
        resident, proportional = (re.search(rf"^{name}:\s+(\d+) kB", told, re.M) for name in ("Rss", "Pss"))
        assert resident and proportional
        return cls(int(resident[1]) * 1024, int(proportional[1]) * 1024)


def processor(pid: int) -> float:
    """Seconds of processor time that it has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


class Round:
    """All streams opened, held and ended once."""

    def __init__(self, server: ServeProcess, holders: Told, provider: Told, idle: float) -> None:
        self._server, self._holders, self._provider, self._idle = server, holders, provider, idle
        self.figures: dict[str, float | int | str] = {}
        self.faults: list[str] = []

    def run(self, stages: list[int]) -> Memory:
        """Returns the memory with all of them open."""
        empty = self._look(0)
        full = empty
        for held in stages:
            opened = self._holders.asked(f"hold {held}")
            self._wrong(opened["failed"], f"streams did not begin, heard was {opened['complaints']}")
            self.figures[f"{held:,} streams: until all had begun, s"] = opened["seconds"]
            time.sleep(min(CALM, self._idle))
            full = self._look(held)
            self.figures[f"{held:,} streams: resident memory a stream, KB"] = (
                (full.resident - empty.resident) / held / 1024
            )
        before = processor(self._server.pid)
        time.sleep(self._idle)
        used = (processor(self._server.pid) - before) / max(self._idle, 1)
        self.figures[f"{stages[-1]:,} streams, idle: processor time, % of a core"] = used * 100
        full = self._look(stages[-1], " after a while")
        self._provider.tell("end")
        ends = self._holders.asked("ended")
        self.figures[f"{stages[-1]:,} streams: until all had their end, s"] = ends["seconds"]
        self._wrong(ends["broken"], "streams broke off")
        return full

    def _look(self, held: int, when: str = "") -> Memory:
        asked = self._holders.asked(f"ask {ASKED}")
        self._wrong(asked["failed"], f"other calls failed, heard was {asked['complaints']}")
        memory = Memory.of(self._server.pid)
        self.figures |= {
            f"{held:,} streams{when}: resident, MB": memory.resident / MEGABYTE,
            f"{held:,} streams{when}: proportional, MB": memory.proportional / MEGABYTE,
            f"{held:,} streams{when}: another call, p50, ms": asked["p50"],
            f"{held:,} streams{when}: another call, p99, ms": asked["p99"],
        }
        return memory

    def _wrong(self, many: float, what: str) -> None:
        if many:
            self.faults.append(f"{many:g} {what}")


def measure(wanted: int, idle: float) -> tuple[dict[str, float | int | str], list[str]]:
    may_open = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = min(wanted, (may_open - SPARE) // 2)
    stages = [*(stage for stage in (2500, 5000) if stage < most), most]
    figures: dict[str, float | int | str] = {"open files that a process may have": may_open}
    with a_ledger() as database, tempfile.TemporaryDirectory() as folder, told("serve_held.py") as provider:
        books = Books(database.conninfo)
        books.limit()
        config = write_config(Path(folder), provider.said(), database.conninfo)
        options = ("--max-running", str(wanted + 100), "--max-waiting", "1000")
        with (
            serve_process(config, *options) as server,
            told("serve_holders.py", server.url, a_key(database.conninfo)) as holders,
        ):
            first, second = (Round(server, holders, provider, idle) for _ in range(2))
            holders.asked(f"ask {ASKED}")
            once = first.run(stages)
            _settled(books)
            twice = second.run(stages[-1:])
            _settled(books)
            time.sleep(min(CALM, idle))
            after = Memory.of(server.pid)
            server.terminate()
            ended = server.ended()
        books.assert_balanced()
        faults = [*first.faults, *second.faults, *(["the server did not end well"] if ended else [])]
        empty = float(first.figures["0 streams: resident, MB"]) * MEGABYTE
        all_of = empty + (once.resident - empty) / most * wanted
        again = {f"again, {name}": value for name, value in second.figures.items() if "a stream" not in name}
        figures |= first.figures | again
        figures["all over: resident, MB"] = after.resident / MEGABYTE
        how = "" if most == wanted else f" (reckoned from {most:,})"
        figures[f"{wanted:,} streams{how}: resident, MB (aim: at most 1,024)"] = all_of / MEGABYTE
        figures["again / first time: resident"] = twice.resident / once.resident
        if all_of > MOST:
            faults.append("more than 1 GB")
        if twice.resident > once.resident * GROWTH:
            faults.append("the second time takes more memory than the first")
        return figures, faults


def _settled(books: Books) -> None:
    until(lambda: books.holds() == 0, lambda: f"{books.holds()} holds are left")


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/soak streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=10_000, help="how many (default: 10,000)")
    parser.add_argument("--idle", type=float, default=60, help="seconds that they stand still (default: 60)")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    figures, faults = measure(chosen.streams, chosen.idle)
    report("streams", figures)
    for fault in faults:
        print(f"Not so: {fault}.", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
