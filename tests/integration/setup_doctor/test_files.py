"""What the doctor finds in files: settings, prompts, evals, prices; and of providers, over real sockets."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from aikit.config import load
from aikit.errors import Exit
from aikit.setup.doctor.exams import exams_for
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Check, State
from aikit.sim import Simulator
from integration.prompts.conftest import write_folder
from integration.setup_doctor.conftest import OpenPatient, made
from support.eval_projects import GOOD, EvalProject

CANARY = "sk-canary-0123456789abcdefghijklmnopqrstuv"


@pytest.fixture
def patient(open_patient: OpenPatient) -> Patient:
    return open_patient()


def wrote(patient: Patient, text: str) -> None:
    (patient.place.folder / "aikit.toml").write_text(text, "utf-8")
    patient.forget()


def test_every_value_is_there_with_its_source_and_no_secret(open_patient: OpenPatient) -> None:
    patient = open_patient(f"postgresql://app:{CANARY}@127.0.0.1:1/shop", OPENAI_API_KEY=CANARY)
    wrote(patient, f'[breaker]\nconsecutive = 7\n[prices."openai/x"]\ninput = "1"\noutput = "1"\n[providers.own]\n'
          f'kind = "openai"\nbase_url = "http://app:{CANARY}@127.0.0.1:1/v1"\n')  # fmt: skip
    found = made(patient, "settings/readable")
    assert found.state is State.OK
    values = found.facts["values"]
    assert values["breaker.consecutive"] == {"value": 7, "source": "aikit.toml"}
    assert values["breaker.probes"] == {"value": 1, "source": "default"}
    assert values["database.url"] == {"value": "set", "source": "DATABASE_URL (environment)"}
    assert values["providers.openai.key"]["value"] == "set"
    assert values["providers.own.base_url"]["value"] == "http://127.0.0.1:1/v1"
    assert CANARY not in str(found)


def test_keys_that_others_could_read_are_told_of_and_what_is_said_mends_it(patient: Patient) -> None:
    folder = patient.place.folder
    assert made(patient, "settings/private").why == "no .env here"
    env = folder / ".env"
    env.write_text(f"OPENAI_API_KEY={CANARY}\n")
    env.chmod(0o644)

    def found() -> Check:
        patient.forget()
        return made(patient, "settings/private")

    def follow(remedy: str) -> None:
        subprocess.run(remedy.removeprefix("Run: ").removesuffix("; then make new keys."), shell=True, check=True)

    assert (found().state, found().why) == (State.WARNING, "others on this machine may read .env (mode 644)")
    follow(found().remedy)
    assert found().why == ".env is for you alone to read, and not in git"
    subprocess.run(["git", "init", "--quiet", "."], cwd=folder, check=True)
    assert found().state is State.WARNING
    assert "does not ignore .env" in found().why
    subprocess.run(["git", "add", ".env"], cwd=folder, check=True)
    assert (found().state, found().exit) == (State.BROKEN, Exit.NO)
    assert found().remedy.endswith("; then make new keys.")
    follow(found().remedy)
    assert found().state is State.OK
    assert CANARY not in str(found())


def test_settings_that_can_not_be_read_are_a_failure(patient: Patient) -> None:
    wrote(patient, "environment = prod\n")
    found = made(patient, "settings/readable")
    assert (found.state, found.exit) == (State.BROKEN, Exit.USAGE)
    assert "aikit.toml" in found.why and found.remedy


@pytest.mark.parametrize(
    ("name", "meant"),
    [("AIKIT_ENVIROMENT", "AIKIT_ENV"), ("AIKIT_DATADIR", "AIKIT_DATA_DIR"), ("DATABASE_ULR", "DATABASE_URL")],
)
@pytest.mark.parametrize("where", ["environment", ".env"])
def test_a_variable_that_nobody_reads_is_a_warning(
    open_patient: OpenPatient, name: str, meant: str, where: str
) -> None:
    patient = open_patient(**({name: CANARY} if where == "environment" else {}))
    if where == ".env":
        (patient.place.folder / ".env").write_text(f"{name}={CANARY}\n")
    found = made(patient, "settings/variables")
    assert found.state is State.WARNING
    assert name in found.why and f"Did you mean {meant}?" in found.remedy
    assert CANARY not in str(found)


def test_variables_that_are_read_are_no_warning(open_patient: OpenPatient) -> None:
    found = made(open_patient("postgresql:///x", AIKIT_ENV="prod", HOME="/"), "settings/variables")
    assert (found.state, found.facts["set"]) == (State.OK, ["AIKIT_DATA_DIR", "AIKIT_ENV", "DATABASE_URL"])


def test_no_configuration_is_a_warning_that_says_how_to_begin(patient: Patient) -> None:
    found = made(patient, "settings/files")
    assert found.state is State.WARNING and found.remedy == "Run `aikit init`."
    wrote(patient, "")
    assert made(patient, "settings/files").state is State.OK


def test_a_configuration_of_another_name_is_no_lack(patient: Patient, tmp_path: Path) -> None:
    named = tmp_path / "prod.toml"
    named.write_text("")
    patient.place.load = lambda folder, environ: load(named, environ)
    patient.forget()
    assert made(patient, "settings/files").state is State.OK


def test_no_key_is_a_failure_and_no_key_is_shown(open_patient: OpenPatient) -> None:
    found = made(open_patient(), "settings/keys")
    assert found.exit is Exit.CREDENTIALS and "aikit init" in found.remedy
    assert CANARY not in str(made(open_patient(OPENAI_API_KEY=CANARY), "settings/keys"))


def test_a_model_without_a_price_is_a_failure(open_patient: OpenPatient) -> None:
    patient = open_patient(OPENAI_API_KEY=CANARY)
    assert made(patient, "prices/models").state is State.OK
    wrote(patient, '[providers.openai]\nmodel = "gpt-99"\n')
    found = made(patient, "prices/models")
    assert found.state is State.BROKEN and "openai/gpt-99" in found.why and '[prices."openai/gpt-99"]' in found.remedy


def test_a_route_to_a_model_without_a_price_is_a_failure(open_patient: OpenPatient) -> None:
    patient = open_patient(OPENAI_API_KEY=CANARY)
    wrote(patient, '[routes]\nchat = ["openai/gpt-98", "anthropic/claude-99"]\n')
    found = made(patient, "prices/models")
    assert found.facts["lacking"] == ["openai/gpt-98"], "one that has no key is not called"


def test_overrides_that_are_broken_are_a_failure(patient: Patient) -> None:
    wrote(patient, '[prices."openai/gpt-99"]\ninput = "dear"\noutput = "1"\n')
    found = made(patient, "prices/overrides")
    assert (found.state, found.exit) == (State.BROKEN, Exit.USAGE)
    assert "aikit prices check" in found.remedy


def test_old_prices_are_a_warning(patient: Patient) -> None:
    assert made(patient, "prices/age").state is State.OK
    fresh = patient.clock
    patient.clock = lambda: fresh() + timedelta(days=400)
    found = made(patient, "prices/age")
    assert found.state is State.WARNING and "genai-prices" in found.remedy


def test_a_lock_that_was_tampered_with_is_a_failure(patient: Patient) -> None:
    assert made(patient, "prompts/lock").state is State.OK
    folder = write_folder(patient.place.folder / "prompts", 1, 2)
    assert made(patient, "prompts/lock").facts["locked"] == 2
    path = folder / "summarize" / "v1.prompt"
    path.write_text(path.read_text().replace("Summarize", "Summarise"))
    found = made(patient, "prompts/lock")
    assert found.state is State.BROKEN and "PROMPT_CHANGED" in found.why and "aikit prompt check" in found.remedy


@pytest.fixture
def project(patient: Patient) -> EvalProject:
    made_of = EvalProject(patient.place.folder)
    made_of.prompt(1)
    made_of.suite(cases=3)
    made_of.record([GOOD] * 3)
    return made_of


def test_evals_that_are_whole_are_well_but_for_the_baseline(patient: Patient, project: EvalProject) -> None:
    assert made(patient, "evals/suites").why == "answers: 3 cases"
    assert made(patient, "evals/recordings").why == "3 answers"
    found = made(patient, "evals/baselines")
    assert found.state is State.WARNING and "aikit eval bless answers" in found.remedy


def test_a_suite_that_can_not_be_read_is_a_failure(patient: Patient, project: EvalProject) -> None:
    (project.evals / "answers.eval.yaml").write_text("prompt: [\n")
    found = made(patient, "evals/suites")
    assert (found.state, found.exit) == (State.BROKEN, Exit.USAGE)


def test_a_broken_recording_is_a_failure(patient: Patient, project: EvalProject) -> None:
    path = project.evals / "recordings" / "answers.jsonl"
    path.write_text(path.read_text() + "{not json\n")
    found = made(patient, "evals/recordings")
    assert found.state is State.BROKEN and "answers.jsonl" in found.why
    assert "`aikit eval answers --refresh`" in found.remedy


def test_recordings_that_do_not_match_their_suite_are_a_warning(patient: Patient, project: EvalProject) -> None:
    project.suite(cases=5)
    found = made(patient, "evals/recordings")
    assert found.state is State.WARNING and found.facts["not_recorded"] == {"answers": 2}
    assert "`aikit eval answers --record`" in found.remedy


def test_recordings_of_a_suite_that_is_gone_are_a_warning(patient: Patient, project: EvalProject) -> None:
    old = project.evals / "recordings" / "answers.jsonl"
    (project.evals / "recordings" / "gone.jsonl").write_text(old.read_text())
    assert made(patient, "evals/recordings").facts["orphans"] == ["gone"]


def test_a_baseline_that_can_not_be_read_is_a_failure(patient: Patient, project: EvalProject) -> None:
    (project.evals / "baselines").mkdir()
    (project.evals / "baselines" / "answers.json").write_text("{}")
    found = made(patient, "evals/baselines")
    assert found.state is State.BROKEN and "git checkout" in found.remedy


def test_each_provider_that_is_configured_is_reached(open_patient: OpenPatient, simulator: Simulator) -> None:
    patient = open_patient(OPENAI_API_KEY=CANARY)
    wrote(patient, f'[providers.openai]\nbase_url = "{simulator.url}/v1"\n')
    assert [exam.name for exam in exams_for(patient) if exam.group == "providers"] == ["openai", "breakers"]
    assert made(patient, "providers/openai").state is State.OK


def test_a_provider_that_can_not_be_reached_is_a_failure(open_patient: OpenPatient) -> None:
    patient = open_patient(OPENAI_API_KEY=CANARY)
    wrote(patient, '[providers.openai]\nbase_url = "http://127.0.0.1:1/v1"\n')
    found = made(patient, "providers/openai")
    assert (found.state, found.exit) == (State.BROKEN, Exit.UNREACHABLE)
    assert CANARY not in str(found)
