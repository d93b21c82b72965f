"""`aikit serve` as a process: workers, draining, signals, TLS, a ledger that goes away, and what is never shown."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from aikit.database.connect import Database
from aikit.ledger.keys import list_keys, revoke_key
from aikit.sim import Simulator
from support.kits import KEYS, Books, write_config
from support.proxy import Proxy
from support.reckoning import assert_books_right, expire_all
from support.sdks import chat_request, says
from support.serve_process import ServeProcess, a_key, serve_process, until

PATH = "/v1/chat/completions"
CANARY = "the-canary-in-the-body"


@pytest.fixture
def config(tmp_path: Path, simulator: Simulator, books: Books) -> Path:
    return write_config(tmp_path, simulator.url, books.dsn)


@pytest.fixture
def secret(books: Books) -> str:
    return a_key(books.dsn)


@pytest.fixture
def server(config: Path) -> Iterator[ServeProcess]:
    with serve_process(config) as running:
        yield running


def ask(server: ServeProcess, secret: str, text: str = "Hello.", **headers: str) -> httpx2.Response:
    headers = {"authorization": f"Bearer {secret}"} | headers
    return httpx2.post(server.url + PATH, json=chat_request(text), headers=headers, timeout=60, verify=False)


def slow(pieces: int, seconds: float) -> str:
    """A prompt whose answer has this many pieces, each after this many seconds."""
    return says({"text": "word " * pieces, "chunk_delay": seconds})


class Streamed(threading.Thread):
    """A caller in the middle of a stream."""

    def __init__(self, server: ServeProcess, secret: str, text: str) -> None:
        super().__init__(daemon=True)
        self._request = server.url + PATH, secret, text
        self.begun = threading.Event()
        self.text = ""
        self.failure: Exception | None = None
        self.start()
        assert self.begun.wait(30), self.failure

    def run(self) -> None:
        url, secret, text = self._request
        body = chat_request(text) | {"stream": True}
        try:
            with httpx2.stream(
                "POST", url, json=body, headers={"authorization": f"Bearer {secret}"}, timeout=60, verify=False
            ) as answer:
                assert answer.status_code == 200, answer.read()
                for piece in answer.iter_text():
                    self.text += piece
                    self.begun.set()
        except httpx2.HTTPError as error:
            self.failure = error
        self.begun.set()


def test_a_stream_under_way_at_sigterm_is_finished_and_settled(server: ServeProcess, secret: str, books: Books) -> None:
    stream = Streamed(server, secret, slow(20, 0.1))
    server.terminate()
    until(lambda: _refused(server.port))
    assert server.process.poll() is None

    stream.join(30)
    assert stream.failure is None
    assert stream.text.rstrip().endswith("data: [DONE]")
    assert server.ended() == 0
    books.assert_balanced()
    entry = books.entry()
    assert (entry["ending"], entry["estimated"]) == ("settled", False)


def test_a_stream_longer_than_the_time_to_drain_is_cut_and_settled(config: Path, secret: str, books: Books) -> None:
    with serve_process(config, "--drain-seconds", "1", environ={"AIKIT_DRAIN_SECONDS": "1"}) as server:
        stream = Streamed(server, secret, slow(60, 1.0))
        server.terminate()
        assert server.ended(20) == 0
        stream.join(30)

    assert stream.failure is not None
    books.assert_balanced()
    entry = books.entry()
    assert (entry["ending"], entry["estimated"]) == ("settled", True)
    assert "Traceback" not in server.err


def test_a_caller_who_leaves_is_noticed_though_more_of_its_requests_wait(
    config: Path, secret: str, books: Books, simulator: Simulator
) -> None:
    body = json.dumps(chat_request(slow(60, 0.3)) | {"stream": True}).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Length: {len(body)}\r\n\r\n"
    with serve_process(config, environ={"AIKIT_DRAIN_SECONDS": "1"}) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as caller:
            caller.sendall(head.encode() + body + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
            assert caller.recv(1000).startswith(b"HTTP/1.1 200")
        books.wait_until_settled(seconds=9)
    books.assert_balanced()
    assert simulator.served()["requests"][-1]["ending"] == "left"


def _refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_it_listens_on_loopback_only(server: ServeProcess) -> None:
    assert server.url.startswith("http://127.0.0.1:")
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line]
    assert [one.partition(":")[0] for one in listening if int(one.rpartition(":")[2], 16) == server.port] == [
        "0100007F"
    ]


def test_a_port_in_use_is_a_usage_error_in_one_sentence(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with serve_process(config, "--port", port, wait=False) as server:
            assert server.ended() == 2
    assert server.out == ""
    assert f"127.0.0.1:{port} can't be listened on: Address already in use" in server.err
    assert "Traceback" not in server.err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_ends_it_as_interrupted(config: Path, workers: str) -> None:
    with serve_process(config, "--workers", workers) as server:
        began = time.monotonic()
        os.killpg(server.pid, signal.SIGINT)  # a terminal tells all processes of the group
        assert server.ended() == 130
        assert time.monotonic() - began < 20, "nothing was under way: nothing had to be waited for"
        assert "Traceback" not in server.err


def test_it_listens_on_an_address_of_ipv6(config: Path) -> None:
    with serve_process(config, "--host", "::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert server.get("/healthz").status_code == 200


def test_a_worker_that_dies_while_the_ledger_is_away_is_replaced_when_it_is_back(
    tmp_path: Path, simulator: Simulator, books: Books, secret: str
) -> None:
    with Proxy(books.dsn) as way:
        config = write_config(tmp_path, simulator.url, way.dsn)
        with serve_process(config, "--workers", "2") as server:
            until(lambda: _serving(books) == 2)
            way.cut()
            first = server.workers()[0]
            os.kill(first, signal.SIGKILL)
            until(lambda: "The server can't start" in server.err, lambda: server.err)
            assert server.status("/healthz") == 200
            way.restore()
            until(lambda: _serving(books) == 2, lambda: server.err)
            until(lambda: ask(server, secret).status_code == 200)
            server.terminate()
            assert server.ended() == 0


def test_two_workers_serve_and_one_that_is_killed_is_replaced(
    config: Path, secret: str, books: Books, simulator: Simulator
) -> None:
    with serve_process(config, "--workers", "2") as server:
        until(lambda: len(server.workers()) == 2)
        until(lambda: _serving(books) == 2, lambda: server.err)
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: ask(server, secret).status_code, range(64)))
        assert set(answers) == {200}
        until(lambda: books.holds() == 0)

        first, second = server.workers()
        os.kill(first, signal.SIGKILL)
        until(lambda: len(set(server.workers()) - {first, second}) == 1, lambda: server.err)
        until(lambda: _serving(books) == 2, lambda: server.err)
        assert ask(server, secret).status_code == 200
        assert f"The worker {first} is gone (killed by SIGKILL); another takes its place." in server.err

        workers = server.workers()
        server.terminate()
        assert server.ended() == 0
        assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    books.assert_balanced()
    assert len(books.entries()) == simulator.served()["totals"]["requests"] == 65
    assert "Traceback" not in server.err


def test_workers_end_when_the_process_that_started_them_is_killed(config: Path, books: Books) -> None:
    with serve_process(config, "--workers", "2") as server:
        until(lambda: _serving(books) == 2)
        workers = server.workers()
        server.process.kill()
        server.process.wait()
        until(lambda: not [pid for pid in workers if _runs(pid)])
    assert _refused(server.port)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _serving(books: Books) -> int:
    """How many processes have a meter on the ledger."""
    (row,) = books.rows(
        "SELECT count(DISTINCT application_name || pid) AS n FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name LIKE '%%meter%%'"
    )
    return int(row["n"])


def test_a_revoked_key_is_refused_on_the_next_request_by_every_worker(config: Path, books: Books, secret: str) -> None:
    with serve_process(config, "--workers", "2") as server:
        until(lambda: _serving(books) == 2)
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: ask(server, secret).status_code, range(24))) == {200}
            database = Database(books.dsn, False, "test")
            (key,) = list_keys(database)
            assert revoke_key(database, key.id)
            assert set(pool.map(lambda _: ask(server, secret).status_code, range(24))) == {401}


def test_while_the_ledger_is_away_calls_and_readiness_are_503_and_then_all_is_well_again(
    tmp_path: Path, simulator: Simulator, books: Books, secret: str
) -> None:
    with Proxy(books.dsn) as way, serve_process(write_config(tmp_path, simulator.url, way.dsn)) as server:
        assert ask(server, secret).status_code == 200
        way.cut()
        until(lambda: server.status("/readyz") == 503)
        told = server.get("/readyz")
        assert told.json()["checks"]["ledger"] == "it can't be reached"
        assert told.headers["retry-after"]
        refused = ask(server, secret)
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "METERING_UNAVAILABLE"
        assert refused.headers["retry-after"] == "1"
        assert server.status("/healthz") == 200
        assert simulator.served()["totals"]["requests"] == 1

        way.restore()
        until(lambda: server.status("/readyz") == 200)
        until(lambda: ask(server, secret).status_code == 200)
        server.terminate()
        assert server.ended() == 0
    books.assert_balanced()
    assert "Traceback" not in server.err


def test_a_ledger_that_says_nothing_makes_it_not_ready_soon(
    tmp_path: Path, simulator: Simulator, books: Books, secret: str
) -> None:
    with Proxy(books.dsn) as way, serve_process(write_config(tmp_path, simulator.url, way.dsn)) as server:
        way.stall()
        begun = time.monotonic()
        until(lambda: server.status("/readyz") == 503)
        assert ask(server, secret).status_code == 503
        assert server.status("/healthz") == 200
        assert time.monotonic() - begun < 30
        way.restore()
        until(lambda: ask(server, secret).status_code == 200, lambda: server.err)
        assert server.status("/readyz") == 200


def test_a_server_killed_in_the_middle_leaves_holds_that_expire_and_books_that_are_right(
    server: ServeProcess, secret: str, books: Books
) -> None:
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            try:
                ask(server, secret, slow(5, 0.02))
            except httpx2.HTTPError:
                return

    callers = [threading.Thread(target=call) for _ in range(16)]
    streams = [Streamed(server, secret, slow(50, 0.2)) for _ in range(8)]
    for caller in callers:
        caller.start()
    until(lambda: len(books.entries()) > 20)
    server.process.kill()
    server.process.wait()
    stop.set()
    for one in (*callers, *streams):
        one.join(30)

    assert books.holds() >= len(streams)
    expire_all(books)
    assert_books_right(books)
    assert len([entry for entry in books.entries() if entry["ending"] == "presumed_spent"]) >= len(streams)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def test_it_speaks_tls_with_a_certificate(config: Path, secret: str, certificate: tuple[Path, Path]) -> None:
    with serve_process(config, "--tls-certificate", str(certificate[0]), "--tls-key", str(certificate[1])) as server:
        assert server.url.startswith("https://")
        trusting = ssl.create_default_context(cafile=str(certificate[0]))
        with httpx2.Client(verify=trusting) as client:
            answer = client.post(
                server.url + PATH, json=chat_request("Hello."), headers={"authorization": f"Bearer {secret}"}
            )
        assert answer.status_code == 200
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(server.url + "/healthz")
        with pytest.raises(httpx2.HTTPError):
            httpx2.get(server.url.replace("https", "http") + "/healthz")


@pytest.mark.parametrize("given", [["--tls-certificate", "CERT"], ["--tls-key", "KEY"]])
def test_tls_needs_both_files(config: Path, certificate: tuple[Path, Path], given: list[str]) -> None:
    named = [one.replace("CERT", str(certificate[0])).replace("KEY", str(certificate[1])) for one in given]
    with serve_process(config, *named, wait=False) as server:
        assert server.ended() == 2
    assert "TLS needs a certificate and its key" in server.err


def test_files_that_are_no_certificate_are_a_usage_error(config: Path, certificate: tuple[Path, Path]) -> None:
    certificate[0].write_text("nonsense")
    with serve_process(
        config, "--tls-certificate", str(certificate[0]), "--tls-key", str(certificate[1]), wait=False
    ) as server:
        assert server.ended() == 2
    assert "Traceback" not in server.err


def test_every_answer_has_the_headers_of_safety_and_none_of_cors(server: ServeProcess, secret: str) -> None:
    origin = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answers = [
        server.get("/healthz", **origin),
        server.get("/nothing/here", **origin),
        server.get("/v1/models", secret, **origin),
        server.get("/v1/models", **origin),
        ask(server, secret, **origin),
        ask(server, "aik_live_" + "A" * 43, **origin),
        httpx2.options(server.url + PATH, headers=origin),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 200, 401, 200, 401, 405]
    assert answers[-1].headers["allow"] == "POST"
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff", answer.request.url
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "server" not in answer.headers


@pytest.mark.parametrize("trusted", [True, False])
def test_forwarded_headers_are_believed_of_a_trusted_proxy_only(trusted: bool) -> None:
    from aikit.serve.model import ServeOptions
    from aikit.serve.running import config_of

    seen: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(scope))

    config = config_of(ServeOptions(trusted_proxies=("10.0.0.1",) if trusted else ()))
    config.app, config.factory = application, False
    config.load()
    for client in ("10.0.0.1", "10.0.0.2"):
        headers = [(b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-proto", b"https")]
        scope = {"type": "http", "client": (client, 1), "scheme": "http", "headers": headers}
        asyncio.run(config.loaded_app(scope, None, None))  # type: ignore[arg-type]
    believed = ("203.0.113.9", "https") if trusted else ("10.0.0.1", "http")
    assert [(one["client"][0], one["scheme"]) for one in seen] == [believed, ("10.0.0.2", "http")]


def test_no_secret_is_in_any_output_or_statement(config: Path, secret: str, books: Books, simulator: Simulator) -> None:
    """Not after answers, refusals, faults of the provider, requests that are no HTTP, and a drain that cuts off."""
    with serve_process(config, "--drain-seconds", "1", environ={"AIKIT_DRAIN_SECONDS": "1"}) as server:
        ask(server, secret, CANARY)
        ask(server, secret, f"{CANARY} " + says({"status": 500}))
        ask(server, secret, f"{CANARY} " + says({"close_before_response": True}))
        ask(server, secret, f"{CANARY} " + says({"malformed_chunk": 0}))
        ask(server, secret[:-1] + "A", CANARY)
        server.get(f"/v1beta/models?key={secret}")
        server.get(f"/{secret}")
        httpx2.post(server.url + PATH, content=f"{CANARY}{{", headers={"authorization": f"Bearer {secret}"})
        with socket.create_connection(("127.0.0.1", server.port)) as caller:
            caller.sendall(f"{CANARY} {secret}\r\n\r\n".encode())
            assert caller.recv(100).startswith(b"HTTP/1.1 400")
        stream = Streamed(server, secret, f"{CANARY} " + slow(60, 1.0))
        statements = json.dumps(books.rows("SELECT query, application_name FROM pg_stat_activity"), default=str)
        server.terminate()
        assert server.ended(20) == 0
        stream.join(30)
    shown = server.out + server.err + statements
    for hidden in (secret, secret[9:30], CANARY, *KEYS.values()):
        assert hidden not in shown


def test_files_left_open_and_threads_do_not_grow_with_calls(server: ServeProcess, secret: str) -> None:
    def held() -> tuple[int, int]:
        process = Path(f"/proc/{server.pid}")
        return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))

    def calls() -> None:
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: ask(server, secret).status_code, range(80))) == {200}

    calls()
    time.sleep(0.5)
    before = held()
    for _ in range(3):
        calls()
    until(lambda: held()[0] <= before[0] + 8 and held()[1] <= before[1] + 4, held, seconds=20)


def test_any_worker_tells_the_metrics_of_all(tmp_path: Path, simulator: Simulator, books: Books, secret: str) -> None:
    config = write_config(tmp_path, simulator.url, books.dsn, "[signals.prometheus]")
    operator = a_key(books.dsn, "admin", tenant=None)
    with serve_process(config, "--workers", "2") as server:
        until(lambda: _serving(books) == 2)
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: ask(server, secret).status_code, range(24))) == {200}

        def counted() -> set[float]:
            told = [server.get("/metrics", operator) for _ in range(6)]
            assert {one.status_code for one in told} == {200}, told[0].text
            return {_sum(one.text, "aikit_calls_total") for one in told}

        until(lambda: counted() == {24.0}, counted)
        assert server.get("/metrics", secret).status_code == 403
        assert server.get("/metrics").status_code == 401


def _sum(metrics: str, name: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in metrics.splitlines() if line.startswith(name + "{"))
