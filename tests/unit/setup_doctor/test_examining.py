"""Exams are made at once, each within its bound, and in an order that needs allow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aikit.config import load
from aikit.errors import DatabaseUnavailable, Exit
from aikit.setup.doctor.examining import BOUND, WHOLE, examine
from aikit.setup.doctor.exams import chosen, exams_for
from aikit.setup.doctor.model import Exam, Finding, Look, broken, fine, missing, warning
from aikit.setup.doctor.patient import Patient
from aikit.setup.doctor.report import data, exit_of, state_of, totals
from aikit.setup.model import Check, Choices, Place


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(Place(tmp_path, {}, Choices(), lambda folder, environ: load(environ=environ, folder=folder)))


def exam(name: str, look: Look, *needs: str) -> Exam:
    return Exam("g", name, look, tuple(f"g/{need}" for need in needs))


def finds(check: Check) -> Look:
    return lambda _: check


WELL, BAD = fine("well"), broken("bad", "mend it", Exit.DATABASE)


def test_exams_that_need_nothing_of_each_other_are_made_at_once(patient: Patient) -> None:
    together = threading.Barrier(5)

    def look(_: Patient) -> Check:
        together.wait(10)
        return WELL

    found = examine(patient, [exam(str(n), look) for n in range(5)])
    assert [finding.exam.name for finding in found] == list("01234")
    assert all(finding.check is WELL for finding in found)


def test_an_exam_waits_for_what_it_needs(patient: Patient) -> None:
    order: list[str] = []

    def noting(name: str) -> Look:
        def look(_: Patient) -> Check:
            order.append(name)
            return WELL

        return look

    examine(patient, [exam("b", noting("b"), "a"), exam("c", noting("c"), "a", "b"), exam("a", noting("a"))])
    assert order == ["a", "b", "c"]


def test_an_exam_whose_need_fails_is_not_made_and_says_so(patient: Patient) -> None:
    def never(_: Patient) -> Check:
        raise AssertionError("it was made")

    exams = [exam("a", finds(BAD)), exam("b", never, "a"), exam("c", never, "a", "b"), exam("d", finds(WELL))]
    found = examine(patient, exams)
    assert [state_of(finding) for finding in found] == ["failed", "unknown", "unknown", "ok"]
    assert found[1].waits_for == "g/a"


def test_a_warning_is_no_reason_not_to_go_on(patient: Patient) -> None:
    found = examine(patient, [exam("a", finds(warning("hm", "do it"))), exam("b", finds(WELL), "a")])
    assert found[1].check is WELL


def test_one_that_hangs_is_a_finding_and_holds_nobody_up(patient: Patient) -> None:
    over = threading.Event()

    def hang(_: Patient) -> Check:
        over.wait(30)
        return WELL

    began = time.monotonic()
    exams = [exam("a", hang), exam("b", finds(WELL)), exam("c", finds(WELL), "a")]
    found = examine(patient, exams, bound=0.3, whole=5)
    over.set()
    assert time.monotonic() - began < 4
    first = found[0].check
    assert first is not None and first.why.startswith("did not answer in") and first.exit is Exit.INCONCLUSIVE
    assert [state_of(finding) for finding in found] == ["failed", "ok", "unknown"]


def test_all_of_them_hanging_one_after_the_other_take_no_longer_than_the_whole(patient: Patient) -> None:
    over = threading.Event()

    def slow(_: Patient) -> Check:
        over.wait(0.5)
        return WELL

    began = time.monotonic()
    exams = [exam("a", slow), exam("b", slow, "a"), exam("c", slow, "b"), exam("d", slow, "c")]
    found = examine(patient, exams, bound=5, whole=1.2)
    assert time.monotonic() - began < 2
    assert [state_of(finding) for finding in found] == ["ok", "ok", "failed", "unknown"]


def test_the_bounds_add_up_to_less_than_fifteen_seconds() -> None:
    assert BOUND == 10 and WHOLE < 14.5


def test_each_finding_is_heard_once(patient: Patient) -> None:
    heard: list[str] = []
    exams = [exam(str(n), finds(WELL if n % 2 else BAD), *([str(n - 2)] if n > 1 else [])) for n in range(8)]
    examine(patient, exams, lambda finding: heard.append(finding.exam.name))
    assert sorted(heard) == list("01234567")


def test_what_an_exam_raises_is_what_it_found(patient: Patient) -> None:
    def away(_: Patient) -> Check:
        raise DatabaseUnavailable("It is away.", remedy="Start it.")

    def crash(_: Patient) -> Check:
        raise ValueError("sk-canary-in-a-text")

    found = examine(patient, [exam("a", away), exam("b", crash)])
    first, second = [finding.check for finding in found]
    assert first == broken("It is away.", "Start it.", Exit.DATABASE)
    assert second is not None and "ValueError" in second.why
    assert "canary" not in str(second)


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ([WELL], Exit.OK),
        ([warning("hm", "do it")], Exit.OK),
        ([WELL, broken("x", "y", Exit.STOPPED), BAD], Exit.STOPPED),
        ([missing("x", "y", Exit.CREDENTIALS), BAD], Exit.CREDENTIALS),
        ([broken("x", "y", Exit.OK)], Exit.NO),
    ],
)
def test_the_exit_code_is_that_of_the_first_that_fails(checks: list[Check], code: Exit) -> None:
    findings = [Finding(exam(str(n), finds(check)), check) for n, check in enumerate(checks)]
    assert exit_of(findings) == code
    assert totals(findings)["exit"] == code


def test_what_was_not_looked_at_is_unknown_and_not_well(patient: Patient) -> None:
    findings = [Finding(exam("a", finds(WELL)), None, waits_for="g/b")]
    assert data(findings)["checks"][0]["state"] == "unknown"
    assert totals(findings) == {"ok": 0, "warning": 0, "failed": 0, "unknown": 1, "exit": 0}


def test_an_exam_that_crashes_shows_where_and_not_what_it_said(
    patient: Patient, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(_: Patient) -> Check:
        raise ValueError("sk-canary-in-a-text")

    patient.place.environ["AIKIT_TRACEBACK"] = "1"
    found = examine(patient, [exam("a", crash)])[0].check
    assert found is not None and "AIKIT_TRACEBACK=1 aikit doctor --only g/a" in found.remedy
    said = capsys.readouterr().err
    assert (
        "ValueError" in said
        and "in crash" in said
        and "sk-canary-in-a-text" not in said.replace('raise ValueError("sk-canary-in-a-text")', "")
    )


def test_whatever_an_exam_needs_is_an_exam_above_it(patient: Patient) -> None:
    above: set[str] = set()
    for each in exams_for(patient):
        assert set(each.needs) <= above, each.id
        above.add(each.id)


@pytest.mark.parametrize("wanted", ["database", "canaries/spend", "prices"])
def test_what_is_chosen_brings_what_it_needs_and_nothing_else(patient: Patient, wanted: str) -> None:
    exams = chosen(exams_for(patient), [wanted])
    picked = {each.id for each in exams if wanted in (each.group, each.id)}
    assert picked
    assert {each.id for each in exams} == picked | {need for each in exams for need in each.needs}


Makes = Callable[[], Check]


@pytest.mark.parametrize("make", [lambda: fine("x", a=1), lambda: warning("x", "y"), lambda: broken("x", "y")])
def test_what_fails_always_says_what_to_do(make: Makes) -> None:
    found = make()
    assert found.ok or found.remedy
