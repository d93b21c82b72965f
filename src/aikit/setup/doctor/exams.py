"""All exams, in the order in which they are shown; the exit code is that of the first that fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aikit.errors import AIKitError, ConfigError
from aikit.setup.doctor.canaries import looks as canaries
from aikit.setup.doctor.looks import (
    books,
    database,
    evals,
    policies,
    prices,
    project,
    prompts,
    providers,
    rights,
    server,
    settings,
)
from aikit.setup.doctor.model import Exam
from aikit.setup.doctor.patient import Patient
from aikit.setup.place import of_interest
from aikit.setup.steps.keys import Keys
from aikit.setup.steps.reach import Reach

SETTINGS = ("settings/readable",)
REACHED = (*SETTINGS, "database/reach")
READY = (*REACHED, "database/schema", "database/rights")
ALIVE = (*READY, "database/writable")


def exams_for(patient: Patient) -> list[Exam]:
    """Those for this place: one for each of its providers among them."""
    return [
        Exam("settings", "readable", settings.readable),
        Exam("settings", "variables", settings.variables, SETTINGS),
        Exam("settings", "files", project.files, SETTINGS),
        Exam("settings", "keys", project.of_step(Keys()), SETTINGS),
        Exam("settings", "private", settings.private, SETTINGS),
        Exam("database", "reach", database.reach, SETTINGS),
        Exam("database", "speed", database.speed, REACHED),
        Exam("database", "schema", database.schema, REACHED),
        Exam("database", "rights", rights.rights, (*REACHED, "database/schema")),
        Exam("database", "append-only", rights.append_only, (*REACHED, "database/schema")),
        Exam("database", "isolation", rights.isolation, READY),
        Exam("database", "writable", database.writable, REACHED),
        Exam("database", "clock", database.clock, REACHED),
        Exam("database", "connections", server.connections, REACHED),
        Exam("database", "months", server.months, READY),
        Exam("database", "transactions", server.transactions, REACHED),
        Exam("database", "session", server.session, REACHED),
        Exam("database", "disk", server.disk, SETTINGS),
        Exam("books", "balance", books.balance, READY),
        Exam("books", "holds", books.holds, READY),
        Exam("books", "spool", books.spool, SETTINGS),
        Exam("books", "estimates", books.estimates, READY),
        Exam("canaries", "spend", canaries.spend, ALIVE),
        Exam("canaries", "denied", canaries.denied, ALIVE),
        Exam("canaries", "breaker", canaries.breaker, ALIVE),
        Exam("canaries", "guard", canaries.guard, ALIVE),
        Exam("canaries", "idempotency", canaries.idempotency, ALIVE),
        Exam("canaries", "immutable", canaries.immutable, ALIVE),
        Exam("prices", "age", prices.age),
        Exam("prices", "models", prices.models, SETTINGS),
        Exam("prices", "overrides", prices.overrides, SETTINGS),
        Exam("prompts", "lock", prompts.lock, SETTINGS),
        Exam("prompts", "labels", prompts.labels, READY),
        Exam("evals", "suites", evals.suites, SETTINGS),
        Exam("evals", "recordings", evals.recordings, (*SETTINGS, "evals/suites")),
        Exam("evals", "baselines", evals.baselines, (*SETTINGS, "evals/suites")),
        *_reached(patient),
        Exam("providers", "breakers", providers.breakers, READY),
        Exam("policies", "stored", policies.stored, READY),
        Exam("policies", "tenants", policies.tenants, READY),
        Exam("policies", "guards", policies.guards, READY),
    ]


def chosen(exams: Sequence[Exam], wanted: Sequence[str]) -> list[Exam]:
    """Those of these groups and ids, and what they need; all without any. Raises ConfigError for an unknown one."""
    if not wanted:
        return list(exams)
    names = {exam.group for exam in exams} | {exam.id for exam in exams}
    for name in wanted:
        if name not in names:
            groups = ", ".join(dict.fromkeys(exam.group for exam in exams))
            raise ConfigError(
                f"The doctor looks at nothing called {name[:80]!r}.",
                facts={"only": name[:80]},
                remedy=f"Name a group ({groups}), or one of it: database/schema.",
            )
    picked = {exam.id for exam in exams if exam.group in wanted or exam.id in wanted}
    needed = {need for exam in exams if exam.id in picked for need in exam.needs}
    return [exam for exam in exams if exam.id in picked | needed]


def _reached(patient: Patient) -> Iterator[Exam]:
    try:
        names = [provider.name for provider in of_interest(patient.place)]
    except AIKitError:
        return
    for name in names:
        yield Exam("providers", name, project.of_step(Reach(name)), SETTINGS)
