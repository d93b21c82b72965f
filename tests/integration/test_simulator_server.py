"""The simulated provider's server: its control endpoints, bad requests, many at once, its start and its end."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys

import httpx2
import openai
import pytest

from aikit.errors import ConfigError
from aikit.sim import Simulator, serve
from support.sdks import Sdks, billed, chat_request, says

pytest_plugins = ["support.simulator"]


def test_every_response_says_that_it_is_simulated(simulator: Simulator) -> None:
    for method, path in [("GET", "/healthz"), ("GET", "/v1/models"), ("POST", "/v1/messages"), ("GET", "/nowhere")]:
        assert httpx2.request(method, simulator.url + path).headers["x-simulated"] == "aikit-sim"
    with socket.create_connection(address(simulator)) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        assert b"x-simulated: aikit-sim" in raw.recv(1000)


def test_the_control_endpoints_set_faults_and_show_the_books(simulator: Simulator) -> None:
    with httpx2.Client(base_url=simulator.url) as http:
        assert http.get("/healthz").json()["status"] == "ok"
        fault = {"model": "m", "status": 500, "count": 1}
        assert http.post("/sim/faults", json=fault).json()["faults"][0]["model"] == "m"
        ask = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        failed, worked = (http.post("/v1/chat/completions", json=ask) for _ in range(2))
        assert (failed.status_code, worked.status_code) == (500, 200)
        told = http.get("/sim/served").json()
        assert [one["id"] for one in told["requests"]] == [failed.headers["x-sim-id"], worked.headers["x-sim-id"]]
        assert told == simulator.served()
        wrong = http.post("/sim/faults", json={"explode": True})
        assert wrong.status_code == 400
        assert "no such fault: explode" in wrong.json()["error"]["message"]
        http.post("/sim/faults", json={"hang": True})
        assert http.delete("/sim/faults").json() == {"faults": []}
        http.post("/sim/reset")
        assert http.get("/sim/served").json()["totals"]["requests"] == 0


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/messages"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"model": "m"}', b"\xff", b"[" * 100_000])
def test_an_unusable_body_is_a_400(simulator: Simulator, path: str, body: bytes) -> None:
    reply = httpx2.post(simulator.url + path, content=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["message"]


def test_a_wish_that_the_api_cannot_fulfil_is_a_400_with_the_reason(sdks: Sdks) -> None:
    with pytest.raises(openai.BadRequestError, match="reports no cache_write_1h"):
        sdks.openai.chat.completions.create(**chat_request(says({"usage": {"cache_write_1h": 1}})))


async def test_many_concurrent_streams_are_all_finished_and_all_counted(simulator: Simulator) -> None:
    body = chat_request(says({"usage": {"input": 1, "output": 5}})) | {"stream": True}
    limits = httpx2.Limits(max_connections=100)
    async with httpx2.AsyncClient(base_url=simulator.url, limits=limits, timeout=60) as http:
        replies = await asyncio.gather(*(http.post("/v1/chat/completions", json=body) for _ in range(300)))
    assert all(reply.text.endswith("data: [DONE]\n\n") for reply in replies)
    assert billed(simulator) == {"input": 300, "output": 1500}


def test_stopping_hangs_up_on_clients_and_ends_the_thread() -> None:
    sim = Simulator().start()
    with socket.create_connection(address(sim)) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")
        sim.stop()
        assert client.recv(1) == b""
    assert sim.served()["in_flight"] == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address(sim))


def test_any_address_but_loopback_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1 only, not on 0\.0\.0\.0"):
        serve(host="0.0.0.0")


def test_a_port_that_is_taken_is_a_clear_error(simulator: Simulator) -> None:
    _, port = address(simulator)
    with pytest.raises(ConfigError, match="can't be had"):
        Simulator(port=port).start()


def test_the_command_says_that_it_is_not_real_and_where_it_is_and_ends_with_130() -> None:
    command = [sys.executable, "-c", "import typer; from aikit.cli.sim import sim; typer.run(sim)", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            ready = json.loads(process.stdout.readline())["data"]
            assert ready["pid"] == process.pid
            assert httpx2.get(f"{ready['url']}/healthz").json()["simulated"] is True
        finally:
            process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=10)
    assert process.returncode == 130
    assert rest == ""
    assert said.startswith(f"Simulated provider (not a real one) on {ready['url']}\n")
    assert "Traceback" not in said


def address(sim: Simulator) -> tuple[str, int]:
    host, _, port = sim.url.removeprefix("http://").partition(":")
    return host, int(port)
