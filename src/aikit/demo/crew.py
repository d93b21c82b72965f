"""The processes of a demo: started together, told together, read when they are done, ended when it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from aikit.demo import stage, worker
from aikit.errors import AIKitError


class DemoFailed(AIKitError):
    """The demo could not be played to its end."""

    code = "DEMO_FAILED"


class Member:
    """One process."""

    def __init__(self, sdks: Sequence[str], log: Path) -> None:
        self._sdks = sdks
        self._log = log
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", worker.__name__, *sdks],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=stage.environment(),
                start_new_session=True,
            )

    def begin(self, job: worker.Job) -> None:
        """Wait until it is ready, and let it work. Raises DemoFailed if it has ended instead."""
        assert self.process.stdin
        if self._line() != worker.READY:
            raise self._failed()
        self.process.stdin.write(json.dumps(asdict(job)) + "\n")
        self.process.stdin.flush()

    @property
    def done(self) -> bool:
        return self.process.poll() is not None

    def report(self) -> worker.Report:
        """What it did. Raises DemoFailed if it does not say."""
        try:
            return worker.Report(**json.loads(self._line()))
        except ValueError:
            raise self._failed() from None

    def end(self) -> None:
        """End it, if it has not ended."""
        self.process.kill()
        self.process.communicate()

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()

    def _failed(self) -> DemoFailed:
        said = self._log.read_text(errors="replace").strip().splitlines()
        return DemoFailed(
            f"The process that calls with {' and '.join(self._sdks)} ended early: {said[-1] if said else 'no reason'}.",
            facts={"said": said[-20:]},
            remedy="Check the installation: run scripts/test.",
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
