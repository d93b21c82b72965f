"""`aikit doctor`: whether everything works that a metered call stands on, and what mends what does not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from aikit.cli.options import Json
from aikit.cli.output import emit_json, note, progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aikit.setup.doctor.fixing import Fix, Fixed
    from aikit.setup.doctor.model import Finding
    from aikit.setup.doctor.patient import Patient

Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="GROUP[/NAME]", help="Only these, and what they need. Repeatable."),
]
Repair = Annotated[bool, typer.Option("--fix", help="Mend what can be mended without taking anything away.")]
Yes = Annotated[bool, typer.Option("--yes", help="With --fix: don't ask.")]
Thorough = Annotated[bool, typer.Option("--thorough", help="Verify every entry of the ledger, too.")]
Ascii = Annotated[bool, typer.Option("--ascii", help="Marks in letters, for terminals without others.")]


def doctor(
    only: Only = None,
    fix: Repair = False,
    yes: Yes = False,
    thorough: Thorough = False,
    ascii: Ascii = False,
    json: Json = False,
) -> None:
    """Whether all works that a metered call stands on: settings, database, books, prices, prompts, providers.

    Canary calls go through everything but a provider, in a transaction that is rolled back. Exits with the code of the
    first check that fails; warnings exit 0. It changes nothing, unless --fix is given.
    """
    from aikit.cli.doctor_words import show
    from aikit.setup.doctor.exams import chosen, exams_for
    from aikit.setup.doctor.opening import open_patient
    from aikit.setup.doctor.report import data, exit_of, totals

    patient = open_patient(thorough=thorough)
    chosen(exams_for(patient), only or ())
    findings = _examined(patient, only or ())
    fixed: list[Fixed] = []
    if fix:
        findings, fixed = _mended(patient, findings, only or (), yes=yes)
    if json:
        emit_json("doctor", data(findings, fixed), totals(findings))
    else:
        show(findings, marks_in_letters=ascii or not _speaks_unicode())
    if code := exit_of(findings):
        raise typer.Exit(code)


def _examined(patient: Patient, only: Sequence[str]) -> list[Finding]:
    from aikit.setup.doctor.examining import examine
    from aikit.setup.doctor.exams import chosen, exams_for

    exams = chosen(exams_for(patient), only)
    with progress("Looking", len(exams)) as advance:
        return examine(patient, exams, lambda _: advance(1))


def _mended(
    patient: Patient, findings: list[Finding], only: Sequence[str], *, yes: bool
) -> tuple[list[Finding], list[Fixed]]:
    """What is mended may let more be seen: so it is looked again each time, until nothing more can be mended."""
    from aikit.setup.doctor.fixing import apply, fixes_for

    done: dict[str, Fixed] = {}
    declined: set[str] = set()
    while True:
        fix = next((one for one in fixes_for(findings) if one.exam not in done.keys() | declined), None)
        if fix is None:
            return findings, list(done.values())
        if not _agreed(fix, yes=yes):
            declined.add(fix.exam)
            continue
        with progress("Mending"):
            fixed = done[fix.exam] = apply(fix, patient, lambda text: None)
        note(f"{fix.exam}: {fixed.did or f'could not be mended: {fixed.problem}'}")
        findings = _examined(patient, only)


def _agreed(fix: Fix, *, yes: bool) -> bool:
    if fix.asks is None or yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        note(f"{fix.exam}: left alone, as there is no terminal to ask on. Add --yes to do it without asking.")
        return False
    return typer.confirm(fix.asks, err=True)


def _speaks_unicode() -> bool:
    try:
        "✓✗→".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
