"""Makes all exams at once, each in a thread of its own and within a bound; one that hangs has found just that."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence

from aikit.errors import AIKitError, Exit
from aikit.setup.doctor.model import Exam, Finding, broken
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Check

BOUND = 10.0
"""Seconds that an exam may take."""
WHOLE = 13.0
"""Seconds that all of them may take together; one that has to wait for others gets what is left."""
THOROUGH = 600.0
"""Both of them, when everything is to be verified."""

TRACEBACK = "AIKIT_TRACEBACK"
"""Set to anything, an exam that crashes shows where."""

Heard = Callable[[Finding], None]


def examine(
    patient: Patient,
    exams: Sequence[Exam],
    heard: Heard = lambda _: None,
    *,
    bound: float = BOUND,
    whole: float = WHOLE,
) -> list[Finding]:
    """What they found, in their order. `heard` is told of each as it is done, in this thread."""
    if patient.thorough:
        bound = whole = THOROUGH
    visit = _Visit(patient, exams)
    visit.start()
    end = time.monotonic() + whole
    told: set[str] = set()
    while len(told) < len(exams):
        new = visit.next(told, bound, end)
        for finding in new:
            told.add(finding.exam.id)
            heard(finding)
    return visit.findings()


class _Visit:
    """The exams under way. What an exam finds after it was given up on is not heard."""

    def __init__(self, patient: Patient, exams: Sequence[Exam]) -> None:
        self._patient = patient
        self._exams = {exam.id: exam for exam in exams}
        self._found: dict[str, Finding] = {}
        self._began: dict[str, float] = {}
        self._changed = threading.Condition()

    def start(self) -> None:
        with self._changed:
            self._begin()

    def findings(self) -> list[Finding]:
        with self._changed:
            return [self._found[id] for id in self._exams]

    def next(self, told: set[str], bound: float, end: float) -> list[Finding]:
        """Those that are new; waits for the first, and gives up on what takes too long."""
        with self._changed:
            while True:
                new = [finding for id, finding in self._found.items() if id not in told]
                if new:
                    return new
                running = {id: began for id, began in self._began.items() if id not in self._found}
                due = min([min(began + bound, end) for began in running.values()], default=end)
                if time.monotonic() >= due:
                    self._give_up(running, bound, end)
                else:
                    self._changed.wait(due - time.monotonic())

    def _give_up(self, running: dict[str, float], bound: float, end: float) -> None:
        now = time.monotonic()
        for id, began in running.items():
            if now >= min(began + bound, end):
                self._found[id] = Finding(self._exams[id], _hangs(now - began), now - began)
        self._begin()

    def _begin(self) -> None:
        """Start what has all that it needs; leave out what will never have it."""
        settled = False
        while not settled:
            settled = True
            for id, exam in self._exams.items():
                if id in self._found or id in self._began:
                    continue
                needs = [need for need in exam.needs if need in self._exams]
                lacking = next((need for need in needs if self._is_lacking(need)), None)
                if lacking is not None:
                    self._found[id] = Finding(exam, None, waits_for=lacking)
                    settled = False
                elif all(need in self._found for need in needs):
                    self._began[id] = time.monotonic()
                    threading.Thread(target=self._make, args=(exam,), name=f"aikit-doctor-{id}", daemon=True).start()

    def _is_lacking(self, need: str) -> bool:
        finding = self._found.get(need)
        return finding is not None and (finding.check is None or finding.failed)

    def _make(self, exam: Exam) -> None:
        check = looked(exam, self._patient)
        with self._changed:
            self._found.setdefault(exam.id, Finding(exam, check, time.monotonic() - self._began[exam.id]))
            self._begin()
            self._changed.notify_all()


def looked(exam: Exam, patient: Patient) -> Check:
    """What an exam finds; what it raises is a finding, too, and has no text in it that may be a secret."""
    try:
        return exam.look(patient)
    except AIKitError as error:
        return broken(error.message, error.remedy or "Run `aikit db status`.", error.exit)
    except Exception as error:
        if patient.place.environ.get(TRACEBACK):
            _show(error)
        kind = getattr(error, "sqlstate", None) or type(error).__name__
        return broken(f"it could not be looked at: {kind}", f"Run `AIKIT_TRACEBACK=1 aikit doctor --only {exam.id}`.")


def _show(error: Exception) -> None:
    """Where it was raised, without what it says: that may be a secret."""
    sys.stderr.write(f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}")


def _hangs(seconds: float) -> Check:
    return broken(
        f"did not answer in {seconds:.0f} s",
        "Try again; if it stays so, look at what it has to do with: the network, the disk, the database.",
        Exit.INCONCLUSIVE,
    )
