"""The processes of a demo: started together, told together, read when they are done, ended when it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from aikit.demo import worker
from aikit.errors import AIKitError

KEYS = {"OPENAI_API_KEY": "simulated", "ANTHROPIC_API_KEY": "simulated", "GEMINI_API_KEY": "simulated"}
FOREIGN = (
    "AIKIT_",
    "DATABASE_",
    "OPENAI_",
    "ANTHROPIC_",
    "GEMINI_",
    "GOOGLE_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
)
"""How variables begin that carry a key, or lead to a database, a provider or a proxy that is not the demo's."""


class DemoFailed(AIKitError):
    """The demo could not be played to its end."""

    code = "DEMO_FAILED"


class Member:
    """One process."""

    def __init__(self, sdks: Sequence[str], log: Path) -> None:
        self._sdks = sdks
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", worker.__name__, *sdks],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment(os.environ),
                start_new_session=True,
            )

    def tell(self, job: worker.Job) -> None:
        """Give it its job, whether or not it is ready for it."""
        self._write(json.dumps(asdict(job)) + "\n")

    def wait(self) -> None:
        """Wait until it is ready to begin. Raises DemoFailed if it has ended instead."""
        if self._read() != worker.READY:
            raise self._failed()

    def begin(self) -> None:
        """Let it begin."""
        self._write(worker.GO)

    @property
    def done(self) -> bool:
        return self._process.poll() is not None

    def report(self) -> worker.Report:
        """What it did. Raises DemoFailed if it does not say."""
        try:
            return worker.Report(**json.loads(self._read()))
        except ValueError:
            raise self._failed() from None

    def end(self) -> None:
        """End it, if it has not ended."""
        self._process.kill()
        self._process.communicate()

    def _write(self, line: str) -> None:
        assert self._process.stdin
        with suppress(BrokenPipeError):  # it has ended, which is seen when it is waited for
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()

    def _failed(self) -> DemoFailed:
        self.end()
        said = self._log.read_text(errors="replace").strip().splitlines()
        return DemoFailed(
            f"The process that calls through {' and '.join(self._sdks)} ended early: {said[-1] if said else 'killed'}.",
            remedy="Check the installation: scripts/test.",
        )


@contextmanager
def crew(roster: Sequence[Sequence[str]], directory: Path) -> Iterator[list[Member]]:
    """Processes for these SDKs, getting ready; all have ended when this ends."""
    with ExitStack() as stack:
        members = []
        for number, sdks in enumerate(roster, 1):
            members.append(Member(sdks, directory / f"process-{number}.log"))
            stack.callback(members[-1].end)
        yield members


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the processes are to know of the user's environment: no key, provider, proxy or database but the demo's."""
    return {name: value for name, value in environ.items() if not name.upper().startswith(FOREIGN)} | KEYS
