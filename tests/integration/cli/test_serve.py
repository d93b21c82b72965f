"""`aikit serve` where nothing is configured: an embedded ledger, a tenant with a cap, and a key that is shown once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx2

from aikit.database import embedded
from aikit.database.connect import Database
from aikit.ledger.keys import list_keys
from aikit.sim import Simulator
from support.kits import KEYS
from support.sdks import chat_request
from support.serve_process import serve_process, until


def write(folder: Path, simulator: Simulator, more: str = "") -> Path:
    file = folder / "aikit.toml"
    file.write_text(
        f'[database]\ndata_dir = "{folder / "data"}"\n{more}[providers.openai]\nbase_url = "{simulator.url}/v1"\n'
    )
    return file


def test_the_first_start_prints_a_key_alone_on_stdout_and_the_second_none(tmp_path: Path, simulator: Simulator) -> None:
    config = write(tmp_path, simulator)
    try:
        with serve_process(config) as server:
            assert server.url.startswith("http://127.0.0.1:")
            (secret,) = server.out.splitlines()
            assert secret.startswith("aik_test_")
            assert secret not in server.err
            assert "The tenant default may spend $5.00 a day" in server.err
            answer = httpx2.post(
                f"{server.url}/v1/chat/completions",
                json=chat_request("Hello."),
                headers={"authorization": f"Bearer {secret}"},
                timeout=60,
            )
            assert answer.status_code == 200
            assert answer.headers["x-aikit-cost-usd"]
            assert server.get("/metrics", secret).status_code == 403
            server.terminate()
            assert server.ended() == 0
        with serve_process(config) as server:
            assert server.out == ""
            assert server.get("/v1/models", secret).status_code == 200
    finally:
        embedded.stop(tmp_path / "data" / "postgres")


def test_servers_that_start_at_once_print_one_key(tmp_path: Path, simulator: Simulator, ledger: Database) -> None:
    config = write(tmp_path, simulator, f'url = "{ledger.conninfo}"\n')
    with ExitStack() as stack:
        servers = [stack.enter_context(serve_process(config, wait=False)) for _ in range(3)]
        until(lambda: all("aikit serve on" in server.err for server in servers))
        until(lambda: any(server.out for server in servers))
        for server in servers:
            server.terminate()
            assert server.ended() == 0
        assert sorted(len(server.out.splitlines()) for server in servers) == [0, 0, 1]
    assert len(list_keys(ledger)) == 1


def test_a_first_start_that_finds_its_port_taken_makes_no_key(
    tmp_path: Path, simulator: Simulator, ledger: Database
) -> None:
    config = write(tmp_path, simulator, f'url = "{ledger.conninfo}"\n')
    with ExitStack() as stack:
        taken = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = str(taken.getsockname()[1])
        server = stack.enter_context(serve_process(config, "--port", port, wait=False))
        assert server.ended() == 2
        assert server.out == ""
    assert list_keys(ledger, all=True) == []


def test_doctor_finds_nothing_wrong_with_a_ledger_that_is_served(
    tmp_path: Path, simulator: Simulator, ledger: Database
) -> None:
    config = write(tmp_path, simulator, f'url = "{ledger.conninfo}"\n')

    def failed() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "aikit", "doctor", "--json"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AIKIT_CONFIG": str(config), **KEYS},
        )
        checks = json.loads(done.stdout)["data"]["checks"]
        assert len(checks) > 20
        return [one["check"] for one in checks if one["state"] not in ("ok", "warning")]

    before = failed()
    with serve_process(config) as server:
        assert server.out
        assert set(failed()) <= set(before)


def test_a_ledger_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    config = tmp_path / "aikit.toml"
    config.write_text(f'[database]\nurl = "postgresql://127.0.0.1:1/none"\ndata_dir = "{tmp_path}"\n')
    with serve_process(config, wait=False) as server:
        assert server.ended() == 7
    assert server.out == ""
    assert "Traceback" not in server.err
    assert "can't be reached" in server.err


def test_options_out_of_bounds_are_a_usage_error(tmp_path: Path, simulator: Simulator) -> None:
    for arguments in (["--workers", "0"], ["--drain-seconds", "0"], ["--max-body-mb", "9999"]):
        with serve_process(write(tmp_path, simulator), *arguments, wait=False) as server:
            assert server.ended() == 2
            assert server.out == ""
