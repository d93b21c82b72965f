"""From an empty directory to a metered call at a real terminal; where it fails, its remedy is followed and works."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from aikit.database.connect import Database
from integration.setup.conftest import BAD, GOOD, Project
from support.doorman import Doorman
from support.postgres import create_database, drop_database
from support.terminal import left

ENTER = ""


def spent(database: str) -> list[tuple[str, int]]:
    """The models that were paid for, with how often."""
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT provider || '/' || model, count(*) FROM aikit.entries GROUP BY 1 ORDER BY 1")
        return [(str(name), int(number)) for name, number in found]


def test_without_any_key_the_simulator_is_offered_by_its_name(project: Project) -> None:
    with project.at_terminal("init", "--no-agent") as terminal:
        terminal.wait_for("looking around (nothing is written yet)")
        terminal.wait_for("the simulated provider: no key, no bill")
        terminal.wait_for("Number")
        assert project.tree() == {}
        terminal.type(ENTER)
        terminal.wait_for("will ask simulator, which is simulated")
        terminal.wait_for("Apply these")
        assert project.tree() == {}
        terminal.type(ENTER)
        terminal.wait_for("Enter opens the console, q ends")
        terminal.type(ENTER)
        terminal.wait_for("live 2s")
        terminal.wait_for("aikit-init")
        terminal.type("q")
        assert terminal.end() == 0, terminal.shown
        assert "✓ one metered call" in terminal.shown
        assert "simulated" in terminal.shown.split("✓ one metered call")[1]
        assert "aikit sim --port" in terminal.shown.split("Next:")[1]
    assert project.run("ledger", "verify").stdout.startswith("entries 1 ")
    rows = json.loads(project.run("spend", "--by", "feature", "--json").stdout)["data"]
    assert [(row["feature"], row["calls"]) for row in rows] == [("aikit-init", 1)]
    assert {
        "aikit.toml",
        "policies.toml",
        "prompts/prompts.lock",
        ".github/workflows/aikit.yml",
    } <= project.tree().keys()
    assert ".env" not in project.tree()


def test_with_a_key_typed_at_the_hidden_prompt_a_call_is_metered(openai: Project, database: str) -> None:
    with openai.at_terminal("init", "--no-agent", DATABASE_URL=database) as terminal:
        terminal.wait_for("openai (asks for OPENAI_API_KEY)")
        terminal.wait_for("Number")
        terminal.type("1")
        terminal.wait_for("it is not shown")
        terminal.type(GOOD)
        terminal.wait_for(f"✓ OPENAI_API_KEY set …{GOOD[-4:]}")
        terminal.wait_for("will write it to .env")
        terminal.wait_for("Apply these")
        assert ".env" not in openai.tree()
        terminal.type("y")
        assert left(terminal) == 0, terminal.shown
        assert GOOD not in terminal.shown
        assert "10 requests/min per user" in terminal.shown
    assert (openai.folder / ".env").read_text() == f"OPENAI_API_KEY={GOOD}\n"
    assert stat.S_IMODE((openai.folder / ".env").stat().st_mode) == 0o600
    assert spent(database) == [("openai/gpt-4o-mini", 1)]
    assert openai.run("ledger", "verify", DATABASE_URL=database).returncode == 0


def test_a_wrong_key_is_told_at_once_and_another_one_can_be_typed(openai: Project, database: str) -> None:
    with openai.at_terminal("init", "--no-agent", DATABASE_URL=database) as terminal:
        terminal.wait_for("Number")
        terminal.type("1")
        terminal.wait_for("it is not shown")
        terminal.type(BAD)
        terminal.wait_for("✗ openai answered 401 (invalid_api_key): it does not accept OPENAI_API_KEY.")
        terminal.wait_for("it is not shown")
        terminal.type(GOOD)
        terminal.wait_for("Apply these")
        terminal.type("y")
        assert left(terminal) == 0, terminal.shown
        assert BAD not in terminal.shown and GOOD not in terminal.shown
    assert spent(database) == [("openai/gpt-4o-mini", 1)]


def test_a_wrong_key_in_env_is_asked_for_anew(openai: Project, database: str) -> None:
    openai.write(".env", f"# ours\nOPENAI_API_KEY={BAD} # from Ann\nOTHER=1\n")
    with openai.at_terminal("init", "--no-agent", DATABASE_URL=database) as terminal:
        terminal.wait_for("openai answered 401")
        terminal.wait_for("it is not shown")
        terminal.type(GOOD)
        terminal.wait_for("Apply these")
        terminal.type("y")
        assert left(terminal) == 0, terminal.shown
    assert (openai.folder / ".env").read_text() == f"# ours\nOPENAI_API_KEY={GOOD} # from Ann\nOTHER=1\n"


def test_a_wrong_key_in_a_script_ends_in_a_remedy_that_works(openai: Project, database: str) -> None:
    openai.write(".env", f"OPENAI_API_KEY={BAD}\n")
    failed = openai.run("init", "--yes", DATABASE_URL=database)
    assert failed.returncode == 4
    remedy = re.search(r"aikit (init --key-stdin OPENAI_API_KEY)", failed.stderr)
    assert remedy, failed.stderr
    mended = openai.run(*remedy[1].split(), "--yes", stdin=f"{GOOD}\n", DATABASE_URL=database)
    assert mended.returncode == 0, mended.stderr
    assert spent(database) == [("openai/gpt-4o-mini", 1)]


def test_without_a_key_and_without_anybody_to_ask_it_says_what_is_missing(openai: Project, database: str) -> None:
    for options in (["--no-input"], ["--yes"], ["--yes", "--no-input"], ["--dry-run"]):
        ended = openai.run("init", *options, DATABASE_URL=database)
        assert ended.returncode == 4, options
        assert "aikit init --key-stdin OPENAI_API_KEY" in ended.stderr and "--simulator" in ended.stderr
    assert list(openai.tree()) == ["aikit.toml"]


def test_with_a_key_but_without_a_yes_nothing_is_done_and_it_exits_2(openai: Project, database: str) -> None:
    ended = openai.run("init", "--no-input", DATABASE_URL=database, OPENAI_API_KEY=GOOD)
    assert ended.returncode == 2
    assert "Add --yes" in ended.stderr
    assert list(openai.tree()) == ["aikit.toml"]


def test_a_no_changes_nothing(openai: Project, database: str) -> None:
    with openai.at_terminal("init", "--no-agent", DATABASE_URL=database, OPENAI_API_KEY=GOOD) as terminal:
        terminal.wait_for("Apply these")
        terminal.type("n")
        assert terminal.end() == 1
        assert "Nothing was changed." in terminal.shown
    assert list(openai.tree()) == ["aikit.toml"]


def test_a_database_that_is_down_is_told_and_its_remedy_works(openai: Project, database: str) -> None:
    down = "postgresql://app:canary-pw-55aaQx@127.0.0.1:9/nothing"
    failed = openai.run("init", "--yes", OPENAI_API_KEY=GOOD, DATABASE_URL=down)
    assert failed.returncode == 7
    assert "can't be reached" in failed.stderr and "canary-pw" not in failed.stdout + failed.stderr
    assert "aikit init --database-url URL" in failed.stderr
    mended = openai.run("init", "--yes", "--database-url", database, OPENAI_API_KEY=GOOD)
    assert mended.returncode == 0, mended.stderr
    assert (openai.folder / ".env").stat().st_mode & 0o777 == 0o600
    assert spent(database) == [("openai/gpt-4o-mini", 1)]
    assert openai.run("db", "status").returncode == 0  # the URL is kept


def test_a_schema_that_is_behind_is_upgraded_after_asking(openai: Project, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA aikit")
    openai.environ["DATABASE_URL"] = database
    _upgrade_to(database, "0007")
    with openai.at_terminal("init", "--no-agent", OPENAI_API_KEY=GOOD) as terminal:
        terminal.wait_for("behind: 0007")
        terminal.wait_for("will upgrade it to")
        terminal.wait_for("Apply these")
        assert "0007" in openai.run("db", "status").stdout
        terminal.type("y")
        assert left(terminal) == 0, terminal.shown
    assert openai.run("db", "status").returncode == 0


def _upgrade_to(dsn: str, revision: str) -> None:
    from alembic import command

    from aikit.ledger import schema

    with Database(dsn, False, "test").engine().connect() as connection, connection.begin():
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.fixture
def role(postgres_server: str, database: str) -> Iterator[str]:
    """The DSN of a role that may do nothing but connect."""
    name = f"app_{conninfo_to_dict(database)['dbname']}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'canary-pw-55aaQx'")
    yield make_conninfo(database, user=name, password="canary-pw-55aaQx")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {name} CASCADE")
        connection.execute(f"DROP ROLE {name}")


def test_a_role_without_rights_is_told_the_grant_that_it_needs(openai: Project, database: str, role: str) -> None:
    failed = openai.run("init", "--yes", OPENAI_API_KEY=GOOD, DATABASE_URL=role)
    assert failed.returncode == 7
    grant = re.search(r"GRANT CREATE ON DATABASE .*;", failed.stderr)
    assert grant, failed.stderr
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(grant[0])
    mended = openai.run("init", "--yes", OPENAI_API_KEY=GOOD, DATABASE_URL=role)
    assert mended.returncode == 0, mended.stderr
    assert spent(database) == [("openai/gpt-4o-mini", 1)]


def test_a_role_without_the_schemas_rights_is_told_the_grants(
    openai: Project, postgres_server: str, ledger_template: str
) -> None:
    dsn = create_database(postgres_server, ledger_template)
    name = f"app_{conninfo_to_dict(dsn)['dbname']}"
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {name} LOGIN")
            url = make_conninfo(dsn, user=name)
            failed = openai.run("init", "--yes", OPENAI_API_KEY=GOOD, DATABASE_URL=url)
            assert failed.returncode == 7
            grants = re.search(r"(GRANT USAGE ON SCHEMA aikit .*;)", failed.stderr)
            assert grants, failed.stderr
            connection.execute(grants[1])
        mended = openai.run("init", "--yes", OPENAI_API_KEY=GOOD, DATABASE_URL=url)
        assert mended.returncode == 0, mended.stderr
    finally:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"DROP OWNED BY {name} CASCADE")
            connection.execute(f"DROP ROLE {name}")
        drop_database(dsn)


def test_a_provider_that_lists_nothing_with_a_price_says_how_to_state_one(
    openai: Project, door: Doorman, database: str
) -> None:
    openai.write("aikit.toml", f'[providers.mine]\nkind = "openai"\nbase_url = "{door.url}/v1"\napi_key_env = "MINE"\n')
    failed = openai.run("init", "--yes", MINE=GOOD, DATABASE_URL=database)
    assert failed.returncode == 2
    assert '[prices."mine/MODEL"]' in failed.stderr
    with (openai.folder / "aikit.toml").open("a") as file:
        file.write('[prices."mine/gpt-4o-mini"]\ninput = "0.15"\noutput = "0.60"\n')
    mended = openai.run("init", "--yes", "--model", "gpt-4o-mini", MINE=GOOD, DATABASE_URL=database)
    assert mended.returncode == 0, mended.stderr
    assert spent(database) == [("mine/gpt-4o-mini", 1)]


def test_a_dry_run_writes_and_starts_nothing(project: Project) -> None:
    before = sorted(project.folder.parent.rglob("*"))
    ended = project.run("init", "--dry-run", "--simulator")
    assert ended.returncode == 0, ended.stderr
    assert "will create aikit.toml" in ended.stdout and "which is simulated" in ended.stdout
    assert sorted(project.folder.parent.rglob("*")) == before


def test_json_has_plan_and_result_and_stdout_nothing_else(openai: Project, database: str) -> None:
    ended = openai.run("init", "--yes", "--json", DATABASE_URL=database, OPENAI_API_KEY=GOOD)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert list(found) == ["schema", "as_of", "data", "totals"] and found["schema"] == "aikit.init/1"
    assert [step["step"] for step in found["data"]["plan"]] == [
        "files", "keys", "reach:openai", "database", "migrations", "tenant", "call", "summary"
    ]  # fmt: skip
    assert found["totals"]["applied"] == 4
    assert 0 < float(found["totals"]["cost_usd"]) < 0.01
    assert found["data"]["failed"] is None


def test_json_tells_what_failed(openai: Project, database: str) -> None:
    ended = openai.run("init", "--yes", "--json", DATABASE_URL=database, OPENAI_API_KEY=BAD)
    failed = json.loads(ended.stdout)["data"]["failed"]
    assert ended.returncode == failed["exit"] == 4
    assert failed["remedy"].endswith("aikit init --key-stdin OPENAI_API_KEY")


def test_of_two_providers_the_one_that_works_is_called(openai: Project, door: Doorman, database: str) -> None:
    with (openai.folder / "aikit.toml").open("a") as file:
        file.write(f'[providers.anthropic]\nbase_url = "{door.url}"\n')
    keys = {"OPENAI_API_KEY": BAD, "ANTHROPIC_API_KEY": GOOD}
    ended = openai.run("init", "--yes", DATABASE_URL=database, **keys)
    assert ended.returncode == 0, ended.stderr
    assert "✗ openai reachable" in ended.stdout and "✓ anthropic reachable" in ended.stdout
    assert [name.split("/")[0] for name, _ in spent(database)] == ["anthropic"]


def test_a_provider_that_is_not_configured_is_refused(openai: Project, database: str) -> None:
    ended = openai.run("init", "--yes", "--provider", "nobody", DATABASE_URL=database, OPENAI_API_KEY=GOOD)
    assert ended.returncode == 2 and "no provider named 'nobody'" in ended.stderr


def test_at_the_end_the_agent_is_offered_and_can_be_left_out(openai: Project, database: str) -> None:
    environ = {"DATABASE_URL": database, "OPENAI_API_KEY": GOOD}
    with openai.at_terminal("init", **environ) as terminal:
        terminal.wait_for("Apply these")
        terminal.type("y")
        terminal.wait_for("Next:")
        terminal.wait_for("a asks the set-up agent")
        terminal.type(ENTER)
        assert left(terminal) == 0, terminal.shown
    assert len(spent(database)) == 1


def test_after_the_simulator_a_real_provider_takes_over(openai: Project, database: str) -> None:
    first = openai.run("init", "--yes", "--simulator", DATABASE_URL=database)
    assert first.returncode == 0, first.stderr
    with openai.at_terminal("init", "--no-agent", "--provider", "openai", DATABASE_URL=database) as terminal:
        terminal.wait_for("OPENAI_API_KEY (it is not shown")
        terminal.type(GOOD)
        terminal.wait_for("Apply these 2 steps")
        terminal.type("y")
        assert left(terminal) == 0, terminal.shown
    assert [name.split("/")[0] for name, _ in spent(database)] == ["openai", "simulator"]
    again = openai.run("init", "--yes", DATABASE_URL=database)
    assert again.returncode == 0 and "All is set up" in again.stdout
    assert "simulator reachable" not in again.stdout
