"""A real browser, driven over its DevTools protocol: it opens a page, presses keys, and tells what it asked for."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from support.tmux import program

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--remote-debugging-port=0", "--window-size=1200,800",
)  # fmt: skip
SECONDS = 60.0
LOOK = 0.05
KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), "Backspace": (8, ""), "ArrowDown": (40, "")}
FIND_TERMINAL = """
Object.defineProperty(Object.prototype, "fitAddon", {configurable: true, set(value) {
    Object.defineProperty(this, "fitAddon", {value, writable: true});
    window.shown = this.terminal;
}});
"""
"""The page keeps its terminal to itself; what gets this attribute first is who has it."""
READ = """
(() => {
    const buffer = window.shown.buffer.active, lines = [];
    for (let y = 0; y < window.shown.rows; y++)
        lines.push(buffer.getLine(buffer.baseY + y).translateToString(true));
    return lines.join("\\n");
})()
"""


class Tab:
    """A page in the browser, with a terminal in it."""

    def __init__(self, send: Callable[..., Any], target: str) -> None:
        self._send, self.target = send, target
        self.asked: list[str] = []
        """The addresses of everything that the page asked for."""
        self.complaints: list[str] = []
        """What went wrong in it."""

    async def evaluate(self, script: str) -> Any:
        answer = await self._send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def screen(self) -> str:
        """What the terminal shows; nothing until it is there."""
        return str(await self.evaluate(f"window.shown ? {READ.strip()} : ''"))

    async def wait_for(self, *wanted: str) -> str:
        """Wait until the terminal shows all of these; returns what it shows."""
        deadline = time.monotonic() + SECONDS
        while True:
            screen = await self.screen()
            if all(each in screen for each in wanted):
                return screen
            assert time.monotonic() < deadline, f"{wanted} not shown, but {self.complaints}\n{screen}"
            await asyncio.sleep(LOOK)

    async def wait_until_gone(self, text: str) -> None:
        """Wait until the terminal shows this no more."""
        async with asyncio.timeout(SECONDS):
            while text in await self.screen():
                await asyncio.sleep(LOOK)

    async def wait_until(self, script: str) -> None:
        """Wait until this is true in the page."""
        async with asyncio.timeout(SECONDS):
            while not await self.evaluate(script):
                await asyncio.sleep(LOOK)

    async def press(self, *keys: str) -> None:
        """Characters, or keys by the names that browsers have for them."""
        for key in keys:
            code, text = KEYS[key] if key in KEYS else (ord(key.upper()), key)
            shared = {"key": key, "windowsVirtualKeyCode": code, "text": text}
            await self._send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **shared)
            await self._send("Input.dispatchKeyEvent", type="keyUp", **shared)

    async def picture(self) -> str:
        """A PNG of the page, in base64."""
        return str((await self._send("Page.captureScreenshot"))["data"])

    async def close(self) -> None:
        await self._send("Page.close")

    def heard(self, method: str, told: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.asked.append(told["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.asked.append(told["url"])
        elif method == "Network.loadingFailed":
            self.complaints.append(told["errorText"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"]))


class Browser:
    """Speaks the protocol over the browser's one socket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tabs: dict[str, Tab] = {}

    async def open(self, url: str) -> Tab:
        """A tab with this page; returns when it has begun to load."""
        target = (await self._send("Target.createTarget", url="about:blank"))["targetId"]
        session = (await self._send("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]

        async def send(method: str, **given: Any) -> dict[str, Any]:
            return await self._send(method, session=session, **given)

        tab = self._tabs[session] = Tab(send, target)
        for domain in ("Page", "Runtime", "Network"):
            await send(f"{domain}.enable")
        await send("Page.addScriptToEvaluateOnNewDocument", source=FIND_TERMINAL)
        await send("Page.navigate", url=url)
        return tab

    async def _send(self, method: str, session: str | None = None, **given: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        named = {"sessionId": session} if session else {}
        await self._socket.send_json({"id": number, "method": method, "params": given, **named})
        return await asyncio.wait_for(answer, SECONDS)

    async def listen(self) -> None:
        async for message in self._socket:
            told = message.json()
            if waiting := self._waiting.pop(told.get("id"), None):
                if "error" in told:
                    waiting.set_exception(AssertionError(str(told["error"])))
                else:
                    waiting.set_result(told["result"])
            elif tab := self._tabs.get(told.get("sessionId", "")):
                tab.heard(told["method"], told["params"])


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Browser]:
    """A headless Chromium with a profile of its own in this folder; gone when this ends."""
    profile = folder / "profile"
    command = [program("chromium"), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        address = await _address(process, profile / "DevToolsActivePort", folder / "chromium.log")
        async with aiohttp.ClientSession() as http, http.ws_connect(address, max_msg_size=0) as socket:
            found = Browser(socket)
            listening = asyncio.create_task(found.listen())
            yield found
            listening.cancel()
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, 10)
        if process.poll() is None:
            process.kill()
            process.wait()


async def _address(process: subprocess.Popen[bytes], file: Path, log: Path) -> str:
    """Where the browser listens, which it writes into a file once it does."""
    deadline = time.monotonic() + SECONDS
    while not (file.exists() and len(lines := file.read_text().split("\n")) > 1):
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < deadline, "the browser does not listen"
        await asyncio.sleep(LOOK)
    return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
