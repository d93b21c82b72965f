"""Whether prompts are what was locked, and labels point to what was published."""

from __future__ import annotations

from aikit.errors import Exit, PromptError
from aikit.prompts.base import find_base
from aikit.prompts.folder import PromptFolder
from aikit.prompts.reading import hash_of, read_prompt
from aikit.prompts.verifying import check_folder
from aikit.setup.doctor.model import broken, fine, warning
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Check

LABELS = """
    SELECT l.name, l.label, l.version, l.sha256, v.sha256, v.source
    FROM aikit.prompt_labels l LEFT JOIN aikit.prompt_versions v ON v.name = l.name AND v.version = l.version
    ORDER BY 1, 2"""


def lock(patient: Patient) -> Check:
    """Whether files, lock and the lock's past agree."""
    path = patient.settings.prompts_folder
    if not path.is_dir():
        return fine(f"there is no folder {path.name}/, so nothing is locked", folder=str(path), locked=0)
    found = check_folder(PromptFolder(path), find_base(path, environ=patient.place.environ))
    facts = {
        "folder": str(path),
        "locked": found.locked,
        "drafts": list(found.drafts),
        "problems": [problem._asdict() for problem in found.problems],
    }
    if found.problems:
        first, more = found.problems[0], len(found.problems) - 1
        others = f" (and {more} more)" if more else ""
        return broken(
            f"{first.code}: {first.message.rstrip('.')}{others}",
            f"{first.remedy} `aikit prompt check` has all of it.",
            Exit.NO,
            **facts,
        )
    said = f"{found.locked} locked in {path.name}/, compared with {found.compared_with}"
    if found.warnings:
        return warning(f"{said}; {found.warnings[0].rstrip('.')}", "Run `aikit prompt check`.", **facts)
    return fine(said, **facts)


def labels(patient: Patient) -> Check:
    """Whether each label points to a version that was published, and that is still what it was."""
    with patient.line() as connection:
        found = connection.execute(LABELS).fetchall()
    wrong = []
    for name, label, version, wanted, published, source in found:
        if what := _wrong(f"{name}@v{version}", label, wanted, published, source):
            wrong.append((what, name, label))
    facts = {"labels": [f"{row[0]}@{row[1]}" for row in found], "problems": [what for what, _, _ in wrong]}
    if wrong:
        what, name, label = wrong[0]
        return broken(
            what,
            f"Publish a version that can be used, and point {label} to it: `aikit prompt publish {name}`, then "
            f"`aikit prompt promote {name}@v1 {label}` with its number.",
            Exit.NO,
            **facts,
        )
    return fine(f"{len(found)} point to what was published" if found else "there are none", **facts)


def _wrong(version: str, label: str, wanted: str, published: str | None, source: str) -> str | None:
    """What is wrong with what a label points to."""
    if published is None:
        return f"{label} points to {version}, which was never published"
    if published != wanted or hash_of(source) != published:
        return f"what is published as {version} is not what {label} was moved to"
    try:
        name, _, number = version.partition("@v")
        read_prompt(source, name, int(number))
    except PromptError as error:
        return f"{version}, to which {label} points, can't be used: {error.message.rstrip('.')}"
    return None
