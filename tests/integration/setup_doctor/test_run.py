"""`aikit doctor` as a person or a build runs it: what it shows, how it exits, how long it takes, what it mends."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

import aikit.setup.doctor
from aikit.cli.app import command
from aikit.cli.errors import run
from aikit.database import embedded
from aikit.database.connect import Database
from aikit.ledger.verify import verify
from aikit.ledger.version import HEAD
from aikit.meter import workers
from aikit.meter.spool import Spool, spool_folder
from aikit.sim import Simulator
from aikit.types import Ending, Entry
from integration.setup_doctor.conftest import Doctor, OpenDoctor, Visit
from support.attempts import set_policy
from support.embedded import remove
from support.ledger import SOME, Till, price_row, rows, tell
from support.proxy import Proxy
from support.terminal import Terminal

SECRET = "sk-canary-0123456789abcdefghijklmnopqrstuv"
COMMAND = re.compile(r"`(aikit [^`]+)`")


@pytest.fixture
def doctor(open_doctor: OpenDoctor, ledger: Database) -> Doctor:
    """On a fresh ledger, with no provider."""
    return open_doctor(DATABASE_URL=ledger.conninfo)


@pytest.fixture
def well(open_doctor: OpenDoctor, ledger: Database, simulator: Simulator) -> Doctor:
    """On a project where nothing is missing."""
    set_policy(ledger, "acme", limits=[{"metric": "credits", "window": "day", "cap": 10**12}])
    doctor = open_doctor(DATABASE_URL=ledger.conninfo, OPENAI_API_KEY=SECRET)
    (doctor.folder / "aikit.toml").write_text(f'[providers.openai]\nbase_url = "{simulator.url}/v1"\n')
    return doctor


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as listener:
        yield listener.getsockname()[1]


def test_a_project_that_is_well_exits_0_in_under_three_seconds(well: Doctor) -> None:
    quickest = 60.0
    for _ in range(4):  # other tests may keep the machine busy
        began = time.monotonic()
        visit = well()
        quickest = min(quickest, time.monotonic() - began)
        assert visit.code == 0, visit.out
        assert "[✗]" not in visit.out and " failed" not in visit.out
        assert visit.err == ""
        if quickest < 3:
            return
    raise AssertionError(f"the quickest of four took {quickest:.1f} s")


def test_a_run_changes_nothing(well: Doctor, ledger: Database) -> None:
    before = set(well.folder.parent.rglob("*"))
    counts = [rows(ledger, f"SELECT count(*) FROM aikit.{name}") for name in ("entries", "holds", "audit", "tenants")]
    well()
    assert counts == [
        rows(ledger, f"SELECT count(*) FROM aikit.{name}") for name in ("entries", "holds", "audit", "tenants")
    ]
    assert set(well.folder.parent.rglob("*")) == before


def test_an_empty_folder_is_told_how_to_begin(open_doctor: OpenDoctor) -> None:
    visit = open_doctor()()
    assert visit.code == 4, "no key is the first that fails"
    assert visit.out.splitlines()[-1] == "Nothing is set up here yet. Begin with `aikit init`."
    assert "not looked at before database/reach is well: " in visit.out


def test_a_file_that_can_not_be_read_is_told_and_the_rest_is_left_out(open_doctor: OpenDoctor) -> None:
    doctor = open_doctor()
    (doctor.folder / "aikit.toml").write_text("environment = prod")
    visit = doctor("--json")
    assert visit.code == 2
    assert visit.check("settings/readable")["state"] == "failed"
    assert {row["state"] for row in visit.data["checks"]} == {"failed", "unknown", "ok"}


@pytest.mark.parametrize(
    ("only", "code"), [(["database/schema"], 7), (["prices"], 0), (["books", "database"], 7), (["database/disk"], 0)]
)
def test_the_exit_code_is_that_of_what_was_asked_for(
    doctor: Doctor, ledger: Database, only: list[str], code: int
) -> None:
    tell(ledger, "UPDATE aikit.schema_version SET version_num = '0001'")
    assert doctor(*[word for name in only for word in ("--only", name)]).code == code


def test_what_the_doctor_does_not_know_exits_2_and_names_what_there_is(doctor: Doctor) -> None:
    visit = doctor("--only", "databse")
    assert (visit.code, visit.out) == (2, "")
    assert "database" in visit.err


def test_json_has_a_row_for_each_check_with_its_facts(well: Doctor) -> None:
    visit = well("--json")
    assert visit.code == 0 and visit.data["healthy"] is True
    spend = visit.check("canaries/spend")
    assert spend["facts"] == {"cost_nano": 18_000} and spend["state"] == "ok" and spend["remedy"] is None
    assert all(row["remedy"] for row in visit.data["checks"] if row["state"] in ("failed", "warning"))


def test_letters_take_the_place_of_marks(doctor: Doctor) -> None:
    visit = doctor("--ascii")
    assert visit.out.isascii()
    assert "[ok]   reach" in visit.out and "[FAIL] keys" in visit.out and "-> " in visit.out


def test_a_database_that_is_away_leaves_what_needs_none(open_doctor: OpenDoctor) -> None:
    visit = open_doctor(DATABASE_URL=f"postgresql://app:{SECRET}@127.0.0.1:1/shop", OPENAI_API_KEY=SECRET)("--json")
    assert visit.check("database/reach")["exit"] == 7
    assert visit.check("canaries/spend") | {"state": "unknown", "waits_for": "database/reach"} == visit.check(
        "canaries/spend"
    )
    assert visit.check("prices/models")["state"] == "ok"
    assert SECRET not in visit.out + visit.err


def test_when_everything_hangs_it_is_over_in_under_fifteen_seconds(open_doctor: OpenDoctor, silent: int) -> None:
    dsn = make_conninfo(host="127.0.0.1", port=silent, dbname="shop", user="app")
    doctor = open_doctor(DATABASE_URL=dsn, OPENAI_API_KEY=SECRET, ANTHROPIC_API_KEY=SECRET)
    (doctor.folder / "aikit.toml").write_text(
        f'[providers.openai]\nbase_url = "http://127.0.0.1:{silent}/v1"\n'
        f'[providers.anthropic]\nbase_url = "http://127.0.0.1:{silent}"\n'
    )
    began = time.monotonic()
    visit = doctor("--json")
    assert time.monotonic() - began < 15
    assert visit.code == 7
    assert [visit.check(f"providers/{name}")["exit"] for name in ("openai", "anthropic")] == [5, 5]


def test_a_database_that_falls_silent_in_the_middle_is_over_in_under_fifteen_seconds(
    open_doctor: OpenDoctor, ledger: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(ledger.conninfo) as proxy:
        from aikit.setup.doctor.looks import database

        speed = database.speed

        def stalled(*arguments: object) -> object:
            proxy.stall()
            return speed(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(database, "speed", stalled)
        began = time.monotonic()
        visit = open_doctor(DATABASE_URL=proxy.dsn)("--json", "--only", "database", "--only", "books")
        took = time.monotonic() - began
    assert took < 15
    assert visit.code == 7
    failed = [row for row in visit.data["checks"] if row["state"] == "failed"]
    assert failed and all(row["remedy"] for row in failed)


def test_no_secret_is_in_any_output_of_any_run(
    open_doctor: OpenDoctor, well: Doctor, ledger: Database, silent: int
) -> None:
    secrets = {
        "OPENAI_API_KEY": SECRET,
        "AIKIT_ENCRYPTION_KEY": "x" * 43 + "=",
        "AIKIT_WEBHOOK_SECRET": f"whsec_{SECRET}",
        "AIKIT_WEBHOOK_URL": f"https://example.com/{SECRET}",
        "AIKIT_APIKEY": SECRET,
    }
    urls = [
        ledger.conninfo,
        f"postgresql://app:{SECRET}@127.0.0.1:1/shop",
        f"postgresql://app:{SECRET}@127.0.0.1:{silent}/shop",
        f"postgresql://app:{SECRET}@[broken/shop",
        f"host=127.0.0.1 port=1 password={SECRET} nonsense={SECRET}",
    ]
    (well.folder / ".env").write_text(f"SOME_KEY={SECRET}\nAIKIT_TYPO={SECRET}\n")
    for url in urls:
        doctor = open_doctor(**secrets, DATABASE_URL=url, AIKIT_TRACEBACK="1")
        few = ["--only", "settings", "--only", "database"]
        for options in (["--json"], ["--fix", "--yes", *few], few):
            visit = doctor(*options)
            assert SECRET not in visit.out + visit.err, (url.replace(SECRET, "…"), options)
            assert "x" * 43 not in visit.out + visit.err


def commands_in(visit: Visit) -> set[str]:
    remedies = [row["remedy"] or "" for row in visit.data["checks"]]
    whole = {remedy for remedy in remedies if remedy.startswith("aikit ") and "`" not in remedy}
    return whole | {found for remedy in remedies for found in COMMAND.findall(remedy)}


def parses(line: str) -> bool:
    """Whether there is such a command, and it has these options."""
    words = line.partition(" ")[2].split(" ")
    return run(lambda **standalone: command([*words, "--help"], prog_name="aikit", **standalone)) == 0


def test_every_command_that_the_doctor_names_is_one_that_there_is() -> None:
    folder = Path(aikit.setup.doctor.__file__).parent
    texts = [path.read_text("utf-8") for path in folder.rglob("*.py")]
    named = {found for text in texts for found in COMMAND.findall(text) if "\n" not in found}
    assert len(named) > 15
    for line in sorted(named):
        assert parses(re.sub(r"\{[^}]*\}", "1", line)), line


def test_every_remedy_of_a_broken_project_can_be_run(open_doctor: OpenDoctor, ledger: Database) -> None:
    tell(ledger, "UPDATE aikit.schema_version SET version_num = '0001'")
    named = commands_in(open_doctor()("--json")) | commands_in(open_doctor(DATABASE_URL=ledger.conninfo)("--json"))
    assert {"aikit init", "aikit db upgrade"} <= named
    for line in named:
        assert parses(line), line


class TestFix:
    """What `--fix` mends, and what it leaves alone."""

    @pytest.fixture(autouse=True)
    def nobody_else_looks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(workers, "EXPIRE_EVERY", 3600.0)

    @pytest.fixture
    def acme(self, ledger: Database) -> None:
        set_policy(ledger, "acme", limits=[{"metric": "credits", "window": "day", "cap": 10**12}])

    @pytest.mark.usefixtures("acme")
    def test_expired_holds_are_presumed_spent(self, doctor: Doctor, ledger: Database, till: Till) -> None:
        till.admit()
        tell(ledger, "UPDATE aikit.holds SET expires_at = now() - interval '2 minutes'")
        assert doctor("--only", "books").code == 1
        visit = doctor("--only", "books", "--fix")
        assert visit.code == 0, visit.out
        assert "books/holds: presumed 1 expired hold spent, $0.001" in visit.err
        assert rows(ledger, "SELECT count(*) FROM aikit.holds") == [(0,)]
        assert verify(ledger).ok

    @pytest.mark.usefixtures("acme")
    def test_what_a_dead_process_left_in_the_spool_is_posted(
        self, doctor: Doctor, ledger: Database, till: Till
    ) -> None:
        spool = Spool(spool_folder(ledger, Path(doctor.environ["AIKIT_DATA_DIR"])), price_row)
        spool.append([Entry(till.admit(), Ending.SETTLED, 390_000, SOME, status=200)])
        spool.release()
        visit = doctor("--only", "books/spool", "--fix", "--json")
        assert visit.code == 0, visit.out
        assert visit.data["fixed"] == [
            {"check": "books/spool", "did": "posted 1 ending from the spool", "problem": None}
        ]
        assert rows(ledger, "SELECT nano FROM aikit.entries") == [(390_000,)]

    def test_a_schema_is_upgraded_after_a_yes_and_not_without(self, open_doctor: OpenDoctor, database: str) -> None:
        doctor = open_doctor(DATABASE_URL=database)
        asked = doctor("--only", "database/schema", "--fix")
        assert asked.code == 7 and "left alone, as there is no terminal to ask on" in asked.err
        mended = doctor("--only", "database/schema", "--fix", "--yes")
        assert mended.code == 0 and "upgraded the schema" in mended.err
        assert f"{HEAD}, up to date" in mended.out

    def test_the_tables_of_the_coming_month_are_made(self, doctor: Doctor, ledger: Database) -> None:
        parts = rows(ledger, "SELECT part FROM aikit.parts WHERE since > now() AND part NOT LIKE '%%2100%%'")
        tell(ledger, *[f"DROP TABLE aikit.{part}" for (part,) in parts])
        assert "[!] months" in doctor("--only", "database/months").out
        assert "[✓] months" in doctor("--only", "database/months", "--fix").out

    def test_a_whole_project_is_made_from_nothing(self, open_doctor: OpenDoctor, database: str) -> None:
        doctor = open_doctor(DATABASE_URL=database, OPENAI_API_KEY=SECRET)
        visit = doctor("--fix", "--yes", "--only", "settings", "--only", "policies", "--only", "canaries")
        assert visit.code == 0, visit.out + visit.err
        assert (doctor.folder / "aikit.toml").is_file()
        assert "[✓] spend" in visit.out and 'added the tenant "default"' in visit.err

    def test_what_can_not_be_mended_is_told_and_exits_as_before(self, open_doctor: OpenDoctor) -> None:
        visit = open_doctor(DATABASE_URL="postgresql://app@127.0.0.1:1/shop")("--fix", "--yes", "--only", "database")
        assert visit.code == 7
        assert "[✗] reach" in visit.out

    def test_nothing_is_taken_away(self, well: Doctor, ledger: Database) -> None:
        """Neither a file that is there, nor a breaker that somebody forced, nor a trigger that is off."""
        (well.folder / "prompts").mkdir()
        written = (well.folder / "aikit.toml").read_text()
        tell(
            ledger,
            "INSERT INTO aikit.breakers (provider, model, state, since) VALUES ('openai', 'x', 'forced_open', now())",
            "ALTER TABLE aikit.entries DISABLE TRIGGER append_only",
        )
        visit = well("--fix", "--yes", "--json")
        assert visit.code == 1
        assert visit.data["fixed"] == []
        assert (well.folder / "aikit.toml").read_text() == written
        assert rows(ledger, "SELECT state FROM aikit.breakers") == [("forced_open",)]


@pytest.fixture
def embedded_doctor(open_doctor: OpenDoctor, tmp_path: Path) -> Iterator[Doctor]:
    """With no URL, and a data directory of its own."""
    yield open_doctor(AIKIT_DATA_DIR=str(tmp_path / "own"), OPENAI_API_KEY=SECRET)
    remove(tmp_path / "own" / "postgres")


def test_the_embedded_server_is_made_when_it_is_mended_and_started_when_it_is_looked_at(
    embedded_doctor: Doctor,
) -> None:
    root = Path(embedded_doctor.environ["AIKIT_DATA_DIR"]) / "postgres"
    assert embedded_doctor("--only", "database").code == 7
    assert not root.exists()
    made = embedded_doctor("--only", "database", "--only", "canaries", "--fix", "--yes")
    assert made.code == 0, made.out + made.err
    assert "made and started the embedded PostgreSQL" in made.err and "upgraded the schema" in made.err
    assert "[✓] append-only   entries can't be changed; the role owns them, as on every embedded server" in made.out
    assert embedded.stop(root)
    assert embedded_doctor("--only", "canaries").code == 0
    assert embedded.status(root).running


@pytest.mark.parametrize(("answer", "code"), [("n", 7), ("y", 0)])
def test_at_a_terminal_it_asks_before_the_schema_is_upgraded(
    open_doctor: OpenDoctor, database: str, answer: str, code: int
) -> None:
    doctor = open_doctor(DATABASE_URL=database)
    asked = ("doctor", "--fix", "--only", "database/schema")
    with Terminal(*asked, folder=doctor.folder, environ=doctor.environ) as terminal:
        terminal.wait_for("Upgrade the schema of the ledger? [y/N]")
        terminal.type(answer)
        assert terminal.end() == code
        assert ("[✓] schema" in terminal.shown) is (answer == "y")


def test_ctrl_c_ends_it_at_once(open_doctor: OpenDoctor, silent: int) -> None:
    dsn = make_conninfo(host="127.0.0.1", port=silent, dbname="shop", user="app")
    doctor = open_doctor(DATABASE_URL=dsn)
    with Terminal("doctor", folder=doctor.folder, environ=doctor.environ) as terminal:
        terminal.wait_for("Looking")
        terminal.interrupt()
        began = time.monotonic()
        assert terminal.end() == 130
        assert time.monotonic() - began < 3
        assert "Traceback" not in terminal.shown
