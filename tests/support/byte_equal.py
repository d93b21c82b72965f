"""What went over the wire directly, and through the server: the same bytes, but for what is documented."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aikit.sim import Simulator
from support.kits import Books, write_config
from support.postgres import create_database, drop_database
from support.replaying import OWN, Came, Replaying, replaying
from support.serve_process import ServeProcess, a_key, serve_process
from support.tool_answers import TOOL_ANSWERS

KEYS = frozenset({"authorization", "x-api-key", "x-goog-api-key"})
ADDED = frozenset({"x-content-type-options", "referrer-policy", "cache-control", "date"})
"""What the server's answers carry beside x-aikit-… and x-ratelimit-…."""


@dataclass(frozen=True)
class World:
    """A provider, and the server in front of it: `secret` is acme's key, `broke` that of a tenant with nothing left."""

    provider: Replaying
    simulator: Simulator
    server: ServeProcess
    books: Books
    secret: str
    broke: str


@contextmanager
def a_world(folder: Path, postgres_server: str, template: str, *arguments: str) -> Iterator[World]:
    """With these arguments to `aikit serve`."""
    dsn = create_database(postgres_server, template)
    books = Books(dsn)
    books.limit()
    books.limit("broke", usd="0")
    secret, broke = a_key(dsn), a_key(dsn, tenant="broke")
    with Simulator() as simulator, replaying(simulator) as provider:
        for case, (body, stream) in TOOL_ANSWERS.items():
            provider.put(case, body, stream=stream)
        with serve_process(write_config(folder, provider.url, dsn), *arguments) as server:
            yield World(provider, simulator, server, books, secret, broke)
    drop_database(dsn)


def assert_same_answer(direct: Mapping[str, Any], served: Mapping[str, Any]) -> None:
    """Two exchanges: `status`, `headers` as pairs, and `body` as text of any kind."""
    assert served["status"] == direct["status"]
    assert served["body"] == direct["body"], (_text(direct["body"]), _text(served["body"]))
    before, after = dict(direct["headers"]), dict(served["headers"])
    for name, value in before.items():
        if name not in OWN and name != "date":
            assert after.get(name) == value, name
    more = {name for name in after.keys() - before.keys() if not name.startswith(("x-aikit-", "x-ratelimit-"))}
    assert more <= ADDED | OWN, more


def assert_same_request(direct: Came, served: Came, *, written_in: Iterable[str] = ()) -> None:
    """What reached the provider; `written_in` are fields of the body that the server adds."""
    assert served.line == direct.line
    if written_in:
        mine = json.loads(served.body)
        assert {mine.pop(name) is not None for name in written_in} == {True}
        assert mine == json.loads(direct.body)
    else:
        assert served.body == direct.body
    own = OWN | KEYS
    assert {n: v for n, v in served.headers.items() if n not in own} == {
        n: v for n, v in direct.headers.items() if n not in own
    }


def _text(body: Any) -> Any:
    try:
        return base64.b64decode(body).decode()
    except ValueError:
        return body
