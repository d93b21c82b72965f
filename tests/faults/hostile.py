"""Callers that mean harm, or are broken: raw sockets that say what no client should, too much, too slowly, or nothing.

`scripts/soak serve` lets them loose on a server for as long as it is told; the test does so for a few seconds.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from aikit.database import embedded
from aikit.database.connect import Database
from aikit.ledger.opening import migrate
from aikit.sim import Simulator
from aikit.sim.api import Ask
from support.kits import Books, write_config
from support.sdks import CHAT_MODEL, chat_request, says
from support.serve_process import ServeProcess, a_key, serve_process, until

MEGABYTE = 1024 * 1024
PATH = "/v1/chat/completions"
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
MAY_BE = {100, 200, 400, 401, 402, 403, 404, 405, 408, 413, 415, 422, 429, 431, 503}
"""What such callers may hear; of our own faults there is none."""
OPTIONS = ("--head-seconds", "2", "--body-seconds", "2", "--take-seconds", "2", "--max-bodies-mb", "64")
LARGE = 50 * MEGABYTE


@dataclass
class Target:
    """Where to send, and in whose name."""

    port: int
    secret: str
    heard: Counter[int] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def connection(self, *, receive: int | None = None) -> Iterator[socket.socket]:
        with socket.socket() as made:
            if receive is not None:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
            made.settimeout(10)
            made.connect(("127.0.0.1", self.port))
            yield made

    def head(self, *more: str, method: str = "POST", path: str = PATH) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {self.secret}", *more]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def hear(self, made: socket.socket, seconds: float = 5.0) -> bytes:
        """All that comes until the server hangs up, or nothing more does."""
        made.settimeout(seconds)
        said = b""
        with suppress(OSError):
            while piece := made.recv(65536):
                said += piece
                if len(said) > 4 * MEGABYTE or _whole(said):
                    break
        with self.lock:
            self.heard.update(int(status) for status in STATUS.findall(said))
        return said

    def send(self, *pieces: bytes) -> bytes:
        """Say this on a new connection, and hear what comes."""
        with self.connection() as made:
            with suppress(OSError):
                for piece in pieces:
                    made.sendall(piece)
            return self.hear(made)


def _whole(said: bytes) -> bool:
    head, end, body = said.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return bool(end) and length is not None and len(body) >= int(length[1])


MUCH = "Say much."


def much(ask: Ask) -> str | None:
    """What the simulator says where it is to say much: more than all buffers on the way take."""
    return ("x" * 5000 + " ") * 1800 if ask.last_user_text == MUCH else None


def body_of(text: str = "Hello.", **more: object) -> bytes:
    return json.dumps(chat_request(text) | {"max_completion_tokens": 50} | more).encode()


def whole(to: Target, body: bytes) -> bytes:
    return to.head(f"Content-Length: {len(body)}") + body


Attack = Callable[[Target, random.Random], object]


def no_http(to: Target, chance: random.Random) -> None:
    lines = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(200),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[::bad HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%ff%fe%00%0d%0a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/models/../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST " + PATH.encode() + b" HTTP/1.1\nHost: x\n\n",
        b"GET / HTTP/1.1\r\n Folded: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nNo colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nA\x00b: \x00\r\n\r\n",
        b"\r\n" * 5000,
        chance.randbytes(chance.randrange(1, 3000)),
    ]
    to.send(chance.choice(lines))


def mutated(to: Target, chance: random.Random) -> None:
    said = bytearray(whole(to, body_of()))
    for _ in range(chance.randrange(1, 12)):
        at = chance.randrange(len(said))
        match chance.randrange(3):
            case 0:
                said[at] = chance.randrange(256)
            case 1:
                del said[at : at + chance.randrange(1, 9)]
            case _:
                said[at:at] = chance.randbytes(chance.randrange(1, 9))
    with to.connection() as made:
        made.sendall(bytes(said))
        made.shutdown(socket.SHUT_WR)
        to.hear(made)


def bad_chunks(to: Target, chance: random.Random) -> None:
    body = body_of()
    right = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    chunks = [
        b"ZZ\r\nabc\r\n0\r\n\r\n",
        b"-5\r\nabc\r\n0\r\n\r\n",
        b"FFFFFFFFFFFFFFFFFFFF\r\nabc",
        b"5\r\nabcdefgh\r\n0\r\n\r\n",
        b"%x;%b\r\n%b\r\n0\r\n\r\n" % (len(body), b"x" * 5000, body),
        right[: chance.randrange(len(right))],
        right[:-2] + b"Trailer: " + b"y" * 70_000 + b"\r\n\r\n",
        b"1\r\n{\r\n" * 3000,
    ]
    to.send(to.head("Transfer-Encoding: chunked"), chance.choice(chunks))


def wrong_lengths(to: Target, chance: random.Random) -> None:
    body = body_of()
    size = len(body)
    stated = [
        f"Content-Length: {size - 10}",
        f"Content-Length: {size + 100}",
        "Content-Length: -1",
        "Content-Length: 1e3",
        "Content-Length: 99999999999999999999999",
        f"Content-Length: {size}\r\nContent-Length: {size + 1}",
        f"Content-Length: {size}\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
        "Content-Length: +5",
    ]
    with to.connection() as made:
        with suppress(OSError):
            made.sendall(to.head(chance.choice(stated)) + body)
            if chance.random() < 0.5:
                made.shutdown(socket.SHUT_WR)
        to.hear(made)


def slow_head(to: Target, chance: random.Random) -> None:
    """A byte now and then, until the server has had enough: which it must."""
    _trickle(to, to.head(f"X-Long: {'x' * 1000}"))


def slow_body(to: Target, chance: random.Random) -> None:
    body = body_of("x" * 1000)
    _trickle(to, body, to.head(f"Content-Length: {len(body)}"))


def _trickle(to: Target, said: bytes, first: bytes = b"") -> None:
    begun = time.monotonic()
    with to.connection() as made, suppress(OSError):
        made.sendall(first)
        for byte in said:
            made.sendall(bytes([byte]))
            made.settimeout(0.25)
            with suppress(TimeoutError):
                answer = made.recv(4096)
                to.heard.update(int(status) for status in STATUS.findall(answer))
                return
            assert time.monotonic() < begun + 30, "a slow caller is let go on"


def half_closed(to: Target, chance: random.Random) -> None:
    text = says({"text": "word " * 20, "chunk_delay": 0.01})
    with to.connection() as made:
        made.sendall(whole(to, body_of(text, stream=chance.random() < 0.5)))
        made.shutdown(chance.choice([socket.SHUT_WR, socket.SHUT_RD]))
        to.hear(made)


def leaves(to: Target, chance: random.Random) -> None:
    """In the middle of a stream, by a reset."""
    with to.connection() as made:
        made.sendall(whole(to, body_of(says({"text": "word " * 40, "chunk_delay": 0.01}), stream=True)))
        time.sleep(chance.random() * 0.2)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def stops_reading(to: Target, chance: random.Random) -> None:
    """A stream far larger than all buffers, of which nothing is read."""
    with to.connection(receive=2048) as made:
        made.sendall(whole(to, body_of(MUCH, stream=True, max_completion_tokens=2000)))
        time.sleep(3 + chance.random() * 2)


def too_large(to: Target, chance: random.Random) -> None:
    """Fifty megabytes, stated or in chunks; whether the server says so or hangs up, it does not keep them."""
    stated = chance.random() < 0.5
    piece = b"x" * 65536
    with to.connection() as made, suppress(OSError):
        made.sendall(to.head(f"Content-Length: {LARGE}" if stated else "Transfer-Encoding: chunked"))
        sent = 0
        while sent < LARGE:
            made.sendall(piece if stated else b"10000\r\n" + piece + b"\r\n")
            sent += len(piece)
            made.settimeout(0.0001)
            with suppress(TimeoutError, BlockingIOError):
                answer = made.recv(4096)
                to.heard.update(int(status) for status in STATUS.findall(answer))
                return
            made.settimeout(10)


def header_bomb(to: Target, chance: random.Random) -> None:
    bombs = [
        to.head(*[f"X-{n}: y" for n in range(5000)]),
        to.head("X-Long: " + "y" * MEGABYTE),
        b"GET /" + b"a" * MEGABYTE + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        to.head(f"Cookie: {'c' * 60_000}"),
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 500_000,
    ]
    to.send(chance.choice(bombs))


def bad_bodies(to: Target, chance: random.Random) -> None:
    bodies = [
        b"\xff\xfe{}",
        b"{" * 100_000,
        b'{"model":"m","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"m","x":' + b"9" * 100_000 + b"}",
        b'{"model":"\\ud800","messages":[]}',
        body_of()[:-1],
        b"null",
        b"[]",
        b'"' + b"a" * 10_000,
        b'{"model":1,"messages":{}}',
        b'{"model":"' + b"m" * 100_000 + b'","messages":[]}',
        b'{"a":1,' * 1000,
        b"{}" * 1000,
        json.dumps({"model": CHAT_MODEL, "messages": [{"role": "user", "content": "x"}] * 20_000}).encode(),
        json.dumps({"model": CHAT_MODEL, "messages": "no", "stream": "yes"}).encode(),
        json.dumps({"model": CHAT_MODEL, "max_tokens": -1e308, "messages": []}).encode(),
    ]
    paths = [PATH, "/v1/messages", "/v1/responses", "/v1/embeddings", "/v1beta/models/gemini-2.5-flash:generateContent"]
    body = chance.choice(bodies)
    to.send(to.head(f"Content-Length: {len(body)}", path=chance.choice(paths)) + body)


def pipelined(to: Target, chance: random.Random) -> None:
    line = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    call = whole(to, body_of(says({"text": "word " * 20, "chunk_delay": 0.005}), stream=True))
    to.send(
        chance.choice([line * 300 + b"garbage\r\n\r\n", call * 5 + b"\x00\x01", call + line * 50, line + call[:200]])
    )


def dropped(to: Target, chance: random.Random) -> None:
    for _ in range(50):
        with to.connection():
            pass


ATTACKS: tuple[Attack, ...] = (
    no_http,
    mutated,
    bad_chunks,
    wrong_lengths,
    slow_head,
    slow_body,
    half_closed,
    leaves,
    stops_reading,
    too_large,
    header_bomb,
    bad_bodies,
    pipelined,
    dropped,
)


@dataclass
class Report:
    """What came of it. `faults` must be empty."""

    seed: int
    seconds: float = 0
    attacks: dict[str, int] = field(default_factory=dict)
    heard: dict[int, int] = field(default_factory=dict)
    megabytes: tuple[int, int] = (0, 0)
    """Resident: before, and at most."""
    files: tuple[int, int] = (0, 0)
    threads: tuple[int, int] = (0, 0)
    """Before and after."""
    answered_meanwhile: int = 0
    faults: list[str] = field(default_factory=list)


def resident(pid: int) -> int:
    """In megabytes."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) // 1024


def held(pid: int) -> tuple[int, int]:
    """Open files and threads."""
    process = Path(f"/proc/{pid}")
    return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))


class Watch(threading.Thread):
    """Looks at the server's memory, and calls it as anybody does."""

    def __init__(self, server: ServeProcess, secret: str) -> None:
        super().__init__(daemon=True)
        self._server, self._secret = server, secret
        self.most = resident(server.pid)
        self.answered = 0
        self.other: Counter[int] = Counter()
        self._over = threading.Event()

    def end(self) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        with httpx2.Client(base_url=self._server.url, timeout=60, verify=False) as client:
            while not self._over.wait(0.05):
                self.most = max(self.most, resident(self._server.pid))
                signed = {"authorization": f"Bearer {self._secret}", "content-type": "application/json"}
                answer = client.post(PATH, content=body_of(), headers=signed)
                self.answered += answer.status_code == 200
                self.other[answer.status_code] += answer.status_code != 200


def attack(server: ServeProcess, books: Books, *, seconds: float, threads: int, seed: int) -> Report:
    """Let them loose for so long, and look at what is left of the server when they have gone."""
    report = Report(seed, seconds)
    target = Target(server.port, a_key(books.dsn))
    made: Counter[str] = Counter()
    _warm_up(server, target.secret, 2 * threads)
    calm(server, books)
    warm = held(server.pid)
    watch = Watch(server, target.secret)
    before = watch.most
    watch.start()
    until_then = time.monotonic() + seconds

    def go_on(number: int) -> None:
        chance = random.Random(f"{seed}-{number}")
        turn = number
        while time.monotonic() < until_then:
            one = ATTACKS[turn % len(ATTACKS)]
            turn += 1
            with suppress(ConnectionError, TimeoutError, BrokenPipeError):
                one(target, chance)
            with target.lock:
                made[one.__name__] += 1

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(go_on, number) for number in range(threads)]:
            done.result()
    watch.end()
    calm(server, books)
    report.attacks, report.heard = dict(made), dict(sorted(target.heard.items()))
    report.megabytes, report.answered_meanwhile = (before, watch.most), watch.answered
    after = held(server.pid)
    report.files, report.threads = (warm[0], after[0]), (warm[1], after[1])
    report.faults = _faults(report, watch, server)
    return report


def _warm_up(server: ServeProcess, secret: str, callers: int) -> None:
    """So many at once: their connections to the provider are kept for a while."""
    signed = {"authorization": f"Bearer {secret}"}
    body = chat_request(says({"delay": 0.5}))

    def call(_: int) -> int:
        return httpx2.post(server.url + PATH, json=body, headers=signed, timeout=60, verify=False).status_code

    with ThreadPoolExecutor(callers) as pool:
        assert set(pool.map(call, range(callers))) == {200}


def calm(server: ServeProcess, books: Books) -> None:
    """Wait until it answers, nothing is held, and no connection is left."""
    secret = a_key(books.dsn)
    signed = {"authorization": f"Bearer {secret}"}
    answer = httpx2.post(server.url + PATH, json=chat_request("Hello."), headers=signed, timeout=60, verify=False)
    assert answer.status_code == 200, (answer.status_code, answer.text, server.err)
    until(lambda: books.holds() == 0, lambda: f"{books.holds()} holds are left")
    until(lambda: _connections(server.port) == 0, lambda: f"{_connections(server.port)} connections are left")


def _connections(port: int) -> int:
    """Established, on the server's side."""
    wanted = f":{port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(wanted) and line[3] in ("01", "08") for line in lines)


def _faults(report: Report, watch: Watch, server: ServeProcess) -> list[str]:
    found = [f"status {status}, {times} times" for status, times in report.heard.items() if status not in MAY_BE]
    found += [f"a caller heard {status}, {n} times" for status, n in watch.other.items() if n and status != 503]
    if report.megabytes[1] - report.megabytes[0] >= 100:
        found.append(f"memory grew from {report.megabytes[0]} to {report.megabytes[1]} MB")
    if report.files[1] > report.files[0] + 16:
        found.append(f"files left open: {report.files}")
    if report.threads[1] > report.threads[0] + 8:
        found.append(f"threads left: {report.threads}")
    if not report.answered_meanwhile:
        found.append("nobody else was answered meanwhile")
    return found + [f"in the log: {line}" for line in server.err.splitlines() if "ERROR" in line or "Traceback" in line]


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/soak serve", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="how long (default: 300)")
    parser.add_argument("--threads", type=int, default=32, help="attackers at once (default: 32)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Simulator(answering=much) as simulator:
        folder = Path(name)
        dsn = embedded.ensure(folder / "postgres")
        try:
            migrate(Database(dsn, True, "soak"))
            books = Books(dsn)
            books.limit()
            with serve_process(write_config(folder, simulator.url, dsn), *OPTIONS) as server:
                report = attack(server, books, seconds=chosen.seconds, threads=chosen.threads, seed=chosen.seed)
                server.terminate()
                if server.ended() != 0:
                    report.faults.append("it did not end well")
            books.assert_balanced()
        finally:
            embedded.stop(folder / "postgres")
    print(json.dumps(report.__dict__, indent=2))
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
