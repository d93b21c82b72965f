"""Callers of all kinds at a steady rate: whole and streamed answers, refusals, errors, streams that are left.

Usage: python serve_mixed.py URL SECONDS RATE USERS GOOD_SECRET POOR_SECRET. Each call is in the name of the next user.
First every user calls once, as fast as it goes, which is over when it prints a JSON object; then the rate holds for so
many seconds. It prints another at the end: what was called and what was answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import urlsplit

import uvloop

CALLERS = 32
FEATURES = 50
POOR_USERS = 100
"""Of the tenant that may spend nothing: its users are others, and are not to become more with every call."""
CALLS_A_CONNECTION = 100
CHAT, MESSAGES, EVALUATE = "/v1/chat/completions", "/v1/messages", "/v1/evaluate"


@dataclass(frozen=True)
class Kind:
    """One kind of call, how many of a hundred are of it, and what may be answered."""

    name: str
    of_hundred: int
    may_be: tuple[int, ...]
    path: str = CHAT
    model: str = "gpt-4o-mini"
    stream: bool = False
    leave: bool = False
    secret: str = "good"
    wish: dict[str, Any] | None = None


KINDS = (
    Kind("whole", 50, (200,)),
    Kind("streamed", 25, (200,), stream=True),
    Kind("of another API", 5, (200,), MESSAGES, "claude-sonnet-4-5"),
    Kind("left in the middle", 3, (200,), stream=True, leave=True, wish={"text": "word " * 40, "chunk_delay": 0.01}),
    Kind("asked without dispatch", 3, (200,), EVALUATE),
    Kind("over its cap", 5, (402,), secret="poor"),
    Kind("with a wrong key", 3, (401,), secret="wrong"),
    Kind("of an unknown price", 2, (403,), model="nobody-knows-it"),
    Kind("refused by the provider", 2, (400,), wish={"status": 400}),
    Kind("failed by the provider", 2, (500, 503), model="gpt-4o", wish={"status": 500}),
)


class Broken(Exception):
    """An answer that is none."""


class Mix:
    def __init__(self, url: str, seconds: float, rate: float, users: int, secrets: dict[str, str]) -> None:
        self._parts, self._secrets, self._users = urlsplit(url), secrets, users
        self._kinds, self._chance = self._forever(), Random(1)
        self._seconds, self._rate = seconds, rate
        self._began, self._due, self._paced = 0.0, users, False
        self.made, self.answered, self.wrong = 0, Counter[str](), Counter[str]()

    async def sweep(self) -> float:
        """Every user calls once. Returns how many seconds that took."""
        self._began = time.perf_counter()
        await asyncio.gather(*[self._caller() for _ in range(CALLERS)])
        return time.perf_counter() - self._began

    def _forever(self) -> Iterator[Kind]:
        """Kinds in a hundred's order, which is made anew each time."""
        hundred = [kind for kind in KINDS for _ in range(kind.of_hundred)]
        while True:
            self._chance.shuffle(hundred)
            yield from hundred

    async def run(self) -> dict[str, Any]:
        """The rate holds."""
        self.answered.clear()
        self.made, self._due, self._paced = 0, int(self._seconds * self._rate), True
        self._began = time.perf_counter()
        await asyncio.gather(*[self._caller() for _ in range(CALLERS)])
        lasted = time.perf_counter() - self._began
        return {
            "calls": self.made,
            "rate": self.made / lasted,
            "answered": dict(sorted(self.answered.items())),
            "wrong": dict(self.wrong),
        }

    async def _caller(self) -> None:
        """One connection after the other: the next call is whichever is due."""
        while self.made < self._due:
            reader, writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
            try:
                for _ in range(CALLS_A_CONNECTION):
                    if self.made >= self._due:
                        break
                    number, kind = self.made, next(self._kinds) if self._paced else KINDS[0]
                    self.made += 1
                    if self._paced:
                        await asyncio.sleep(self._began + number / self._rate - time.perf_counter())
                    if not await self._call(kind, number, reader, writer):
                        break
            except (OSError, asyncio.IncompleteReadError, Broken) as error:
                self.wrong[f"{type(error).__name__}"] += 1
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    async def _call(self, kind: Kind, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection may be used again."""
        writer.write(self._request(kind, number))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        self.answered[f"{kind.name}: {status}"] += 1
        if status not in kind.may_be:
            self.wrong[f"{kind.name}: {status}"] += 1
        if b"content-length:" in head:
            await reader.readexactly(int(head.partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0]))
            return b"connection: close" not in head
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
            if kind.leave:
                return False
        await reader.readexactly(2)
        return True

    def _request(self, kind: Kind, number: int) -> bytes:
        text = "Say in one sentence what a ledger is." + (f" [[sim: {json.dumps(kind.wish)}]]" if kind.wish else "")
        body: dict[str, Any] = {"model": kind.model, "messages": [{"role": "user", "content": text}]}
        if kind.path == EVALUATE:
            body = {"model": kind.model, "input_tokens": 10, "output_tokens": 20}
        elif kind.path == MESSAGES:
            body["max_tokens"] = 40
        else:
            body |= {"max_completion_tokens": 40} | ({"stream": True} if kind.stream else {})
        said = json.dumps(body).encode()
        lines = [
            f"POST {kind.path} HTTP/1.1",
            f"host: {self._parts.netloc}",
            f"authorization: Bearer {self._secrets[kind.secret]}",
            f"x-aikit-user: user-{number % (POOR_USERS if kind.secret == 'poor' else self._users)}",
            f"x-aikit-feature: feature-{number % FEATURES}",
            "content-type: application/json",
            f"content-length: {len(said)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + said


async def main() -> None:
    url, seconds, rate, users, good, poor = sys.argv[1:]
    secrets = {"good": good, "poor": poor, "wrong": "aik_test_" + "A" * 43}
    mix = Mix(url, float(seconds), float(rate), int(users), secrets)
    print(json.dumps({"swept": await mix.sweep()}), flush=True)
    print(json.dumps(await mix.run()))


if __name__ == "__main__":
    uvloop.run(main())
