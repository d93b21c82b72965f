"""`aikit top --web` in a real browser: it shows and takes what a terminal does, and lets nobody else in."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp.client_ws import ClientWebSocketResponse

from aikit.kit import AIKit
from support.browser import Browser, browser
from support.embedded import wait_for
from support.kits import Books
from support.tmux import children

SCRIPT = Path(sys.executable).with_name("aikit")
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/([\w-]{20,})/")
STARTED = 30.0


@dataclass(frozen=True)
class Served:
    """A server that runs, and its address."""

    process: subprocess.Popen[str]
    url: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def socket(self) -> str:
        return f"{self.url.replace('http:', 'ws:')}ws?width=100&height=30"

    @property
    def consoles(self) -> list[int]:
        """The pids of the consoles that it has open."""
        return list(children(self.process.pid))


@pytest.fixture
def served(kit: AIKit, tmp_path: Path) -> Iterator[Served]:
    command = [str(SCRIPT), "top", "--web", "--port", "0", "--interval", "0.5"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    process = subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.readline()
    found = ADDRESS.search(said)
    assert found, said + process.stderr.read()
    yield Served(process, found[0])
    left = children(process.pid)
    process.kill()
    process.wait()
    process.stderr.close()
    wait_for(lambda: all(gone(pid) for pid in left))


@asynccontextmanager
async def opened(served: Served, **headers: str) -> AsyncIterator[ClientWebSocketResponse]:
    """A console, without a browser; these headers are instead of those that its page would send."""
    given = {"Origin": f"http://{served.host}"} | headers
    async with aiohttp.ClientSession() as http, http.ws_connect(served.socket, headers=given) as socket:
        yield socket


async def shown(socket: ClientWebSocketResponse, text: str) -> None:
    """Wait until this is drawn."""
    seen = b""
    async with asyncio.timeout(STARTED):
        while text.encode() not in seen:
            seen += (await socket.receive_bytes())[-60_000:]


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def wait_until_gone(pid: int) -> None:
    await asyncio.to_thread(wait_for, lambda: gone(pid))


@pytest.fixture
async def chromium(tmp_path: Path) -> AsyncIterator[Browser]:
    async with browser(tmp_path) as running:
        yield running


async def test_the_page_shows_what_the_terminal_does_and_takes_its_keys(
    served: Served, chromium: Browser, kit: AIKit, books: Books
) -> None:
    books.limit(usd="5", window="day")
    tab = await chromium.open(served.url)
    await tab.wait_for("SPEND today", "of $5.00", "read-only")
    await asyncio.to_thread(lambda: kit.complete("Hello", model="openai/gpt-4o-mini", tenant="acme", feature="chat"))
    assert kit.flush()
    await tab.wait_for("calls 1", "acme·chat")
    await tab.press("2")
    await tab.wait_for("✓ settled")
    await tab.press("Enter")
    await tab.wait_for("j/k scroll", "Limits, as it found them")
    await tab.press("Escape")
    await tab.wait_for("✓ settled")
    await tab.press(*"/model:claude", "Enter")
    await tab.wait_for("/model:claude")
    await tab.wait_until_gone("acme·chat")
    await tab.press("q")
    await asyncio.to_thread(wait_for, lambda: served.consoles == [])
    await tab.wait_until("getComputedStyle(document.querySelector('#ended')).display === 'block'")
    assert tab.complaints == []


async def test_the_page_asks_nobody_but_its_own_server(served: Served, chromium: Browser) -> None:
    tab = await chromium.open(served.url)
    await tab.wait_for("SPEND today")
    asked = [urlsplit(url) for url in tab.asked if not url.startswith("data:")]
    assert {url.netloc for url in asked} == {served.host}
    assert {"textual.js", "ws"} <= {url.path.rsplit("/", 1)[1] for url in asked}
    assert tab.complaints == []
    source = await tab.evaluate("document.documentElement.outerHTML")
    assert set(re.findall(r"\w+://[\w.:]+", source)) == {f"ws://{served.host}"}


async def test_a_closed_tab_ends_its_console_and_no_other(served: Served, chromium: Browser) -> None:
    first = await chromium.open(served.url)
    await first.wait_for("SPEND today")
    (pid,) = served.consoles
    second = await chromium.open(served.url)
    await second.wait_for("SPEND today")
    assert len(served.consoles) == 2
    await first.close()
    await wait_until_gone(pid)
    assert len(served.consoles) == 1
    await second.press("7")
    await second.wait_for("Nothing has been changed yet")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
async def test_a_signal_ends_the_server_and_its_consoles(served: Served, number: signal.Signals) -> None:
    async with opened(served) as socket:
        await shown(socket, "SPEND")
        (pid,) = served.consoles
        served.process.send_signal(number)
        code = await asyncio.to_thread(served.process.wait, 20)
        assert gone(pid)
    assert code == (130 if number is signal.SIGINT else 0)


async def test_consoles_do_not_outlive_a_server_that_is_killed(served: Served) -> None:
    async with opened(served) as socket:
        await shown(socket, "SPEND")
        (pid,) = served.consoles
        served.process.kill()
        await wait_until_gone(pid)


async def test_what_keeps_a_console_from_starting_is_shown_in_the_page(
    served: Served, chromium: Browser, books: Books
) -> None:
    books.tell("DROP SCHEMA aikit CASCADE")
    tab = await chromium.open(served.url)
    await tab.wait_for("has no schema of aikit yet", "aikit db upgrade")


async def fetched(url: str, **headers: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as response:
        return response.status, await response.text()


async def test_only_the_whole_address_leads_anywhere(served: Served) -> None:
    status, text = await fetched(served.url)
    assert (status, "aikit top" in text) == (200, True)
    for path in ("/", "/ws", "/static/js/textual.js", "/wrong-secret-of-some-length/", "/favicon.ico"):
        status, text = await fetched(f"http://{served.host}{path}")
        assert (status, "aikit top has printed" in text) == (404, True)
        assert served.url.split("/")[3] not in text


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "[::1]:{port}"]
)
async def test_another_name_for_this_machine_is_refused(served: Served, host: str) -> None:
    """A page elsewhere whose name is made to lead here sends that name."""
    port = served.host.split(":")[1]
    status, text = await fetched(served.url, Host=host.format(port=port))
    assert (status, text) == (403, "The console answers to 127.0.0.1 and localhost only.\n")


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null", "https://{host}", ""])
async def test_another_site_in_the_same_browser_gets_no_console(served: Served, origin: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        async with opened(served, Origin=origin.format(host=served.host)):
            pass
    status, _ = await fetched(served.url, Origin=origin.format(host=served.host))
    assert status == 403
    assert served.consoles == []


async def test_through_a_forwarded_port_the_page_leads_back_through_it(served: Served) -> None:
    """As with `ssh -L 9000:127.0.0.1:8411`: the browser names the port that it has opened."""
    status, page = await fetched(served.url, Host="localhost:9000")
    assert (status, "ws://localhost:9000/" in page) == (200, True)
    async with opened(served, Host="localhost:9000", Origin="http://localhost:9000") as socket:
        await shown(socket, "SPEND")


async def test_it_listens_on_loopback_only(served: Served) -> None:
    port = int(served.host.split(":")[1])
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line]
    assert f"0100007F:{port:04X}" in listening
    assert not [address for address in listening if address.endswith(f":{port:04X}") and "0100007F" not in address]


async def test_messages_that_no_page_would_send_change_nothing(served: Served) -> None:
    async with opened(served) as socket:
        await shown(socket, "SPEND")
        for text in ("", "{}", "[]", "null", '["stdin"]', '["stdin", 7]', '["resize", {"width": "x"}]', '["resize", 3]',
                     '["meta", {"type": "quit"}]', "[" * 5_000):  # fmt: skip
            await socket.send_str(text)
        await socket.send_json(["resize", {"width": 10**9, "height": -4}])
        await socket.send_json(["resize", {"width": 100, "height": 30}])
        await socket.send_bytes(b"\x00\xff")
        await socket.send_json(["stdin", "7"])
        await shown(socket, "Nothing has been changed yet")


async def test_a_port_that_is_taken_is_told(served: Served, tmp_path: Path) -> None:
    port = served.host.split(":")[1]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [str(SCRIPT), "top", "--web", "--port", port]
    ended = await asyncio.to_thread(
        lambda: subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=STARTED)
    )
    assert ended.returncode == 2
    assert f"Port {port} on 127.0.0.1 can't be had" in ended.stderr
    assert "--port" in ended.stderr
    assert ended.stdout == ""
    assert json.dumps(ended.stderr).count("Traceback") == 0
