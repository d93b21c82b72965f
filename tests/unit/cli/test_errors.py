"""How failures end: words on stderr, nothing on stdout, and the exit code that says the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import psycopg
import pytest
import typer

from aikit.cli.errors import run
from aikit.errors import AIKitError, ConfigError, DatabaseUnavailable, Exit, SpendCapExceeded


def raises(error: BaseException) -> Callable[..., NoReturn]:
    def command(**_: Any) -> NoReturn:
        raise error

    return command


def told(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = run(raises(error))
    written = capsys.readouterr()
    assert written.out == ""
    return code, written.err


def test_an_error_says_what_happened_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    error = ConfigError("aikit.toml is not TOML.", remedy="Correct line 3.")
    assert told(error, capsys) == (Exit.USAGE, "error: aikit.toml is not TOML.\n→ Correct line 3.\n")


def test_a_fact_is_told_unless_the_message_has_said_it(capsys: pytest.CaptureFixture[str]) -> None:
    error = AIKitError(
        "The server in /data did not start.", facts={"path": "/data", "log_file": "/log", "pids": [1, 2]}
    )
    assert told(error, capsys)[1].splitlines()[1:] == ["  log file: /log", "  pids: 1, 2"]


def test_a_list_that_the_message_has_told_is_not_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    problems = ["policies.toml line 2, default.x: is wrong.", "policies.toml line 3, default.y: is wrong."]
    error = ConfigError("\n".join(["policies.toml has 2 problems:", *problems]), facts={"problems": problems})
    assert told(error, capsys)[1].splitlines() == [
        "error: policies.toml has 2 problems:",
        *[f"  {problem}" for problem in problems],
    ]
    assert told(ConfigError("Wrong.", facts={"problems": problems, "known": []}), capsys)[1].splitlines()[1:] == [
        f"  problems: {', '.join(problems)}"
    ]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AIKitError("x"), Exit.NO),
        (DatabaseUnavailable("x"), Exit.DATABASE),
        (SpendCapExceeded("x"), Exit.STOPPED),
        (typer.BadParameter("x"), Exit.USAGE),
        (psycopg.OperationalError("gone\nDETAIL"), Exit.DATABASE),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (typer.Abort(), Exit.INTERRUPTED),
        (RuntimeError("x"), Exit.NO),
    ],
)
def test_every_kind_of_failure_has_its_exit_code(
    error: BaseException, code: Exit, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(error, capsys)[0] == code


def test_an_error_inside_sqlalchemy_is_the_databases(capsys: pytest.CaptureFixture[str]) -> None:
    from sqlalchemy.exc import ProgrammingError

    cause = psycopg.errors.UndefinedTable('relation "x" does not exist')
    code, said = told(ProgrammingError("SELECT secret FROM x", {"password": "hunter2"}, cause), capsys)
    assert code == Exit.DATABASE
    assert 'relation "x" does not exist' in said
    assert "hunter2" not in said
    assert "SELECT" not in said


def test_an_unexpected_error_shows_its_type_and_no_values(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIKIT_TRACEBACK", raising=False)
    code, said = told(ValueError("postgresql://u:hunter2@h/d"), capsys)
    assert code == Exit.NO
    assert "ValueError" in said
    assert "AIKIT_TRACEBACK=1" in said
    assert "hunter2" not in said


def test_the_traceback_is_there_for_who_asks_and_has_no_locals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(**_: Any) -> None:
        secret = "".join(["hun", "ter2"])
        raise RuntimeError(len(secret))

    monkeypatch.setenv("AIKIT_TRACEBACK", "1")
    assert run(command) == Exit.NO
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "in command" in said
    assert "hunter2" not in said


def test_hostile_text_in_an_error_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(ConfigError("[red]x[/] \x1b[2J is not known.\nIt is\tnot."), capsys)[1]
    assert said == "error: [red]x[/] \ufffd[2J is not known.\n  It is\ufffdnot.\n"


def test_an_exit_code_is_passed_on_and_a_result_is_none() -> None:
    assert run(lambda **_: 3) == 3
    assert run(lambda **_: None) == 0
    assert run(lambda **_: "done") == 0
