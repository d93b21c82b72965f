"""AK002: an HTTP library is sent to a provider's host."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from aikit.lint.calls import Call
from aikit.lint.expressions import Expressions
from aikit.lint.hosts import provider_in
from aikit.lint.known import FAKE_TRANSPORTS, HTTP_CALLS, HTTP_CLIENTS, TAKES_A_HOST, VERBS
from aikit.lint.values import Path, Text, Values

if TYPE_CHECKING:
    from aikit.lint.checks.looking import Looking

URLS = frozenset(
    {"httpx.URL", "httpx2.URL", "yarl.URL", "urllib.parse.urljoin", "urllib.parse.quote", "str", "furl.furl"}
)
"""What gives the URL that it is given first."""
FALLBACKS = frozenset({"os.getenv", "os.environ.get"})
"""What gives its second argument, if there is nothing better."""
_LIKE_A_CLIENT = re.compile(r"(^|_)(session|client|http|https|conn|connection|requests)s?$")
_FAKE = re.compile(r"mock|fake|stub|respx|test")


def call(looking: Looking, call: Call, walk: Expressions) -> Values | None:
    """Answers for what hands on a URL that it was given."""
    for value in call.what:
        if not isinstance(value, Path):
            continue
        if value.name in URLS:
            return call.argument(0, "url")
        if value.name in FALLBACKS:
            return call.argument(1, "default")
        if value.name == "functools.partial" and call.arguments:
            for target in call.arguments[0]:
                if isinstance(target, Path) and _sends(target.name):
                    _look(looking, call, walk, call.arguments[1:3])
        elif value.name in HTTP_CLIENTS:
            if not _fake_transport(call):
                _look(looking, call, walk, call.arguments[:1], host=value.name in TAKES_A_HOST)
        elif _sends(value.name):
            _look(looking, call, walk, call.arguments[:2])
    if not call.what and _by_its_name(call.target):
        _look(looking, call, walk, call.arguments[:2])
    return None


def _sends(name: str) -> bool:
    """Whether a call of this sends a request: a function of a library, or a method of its client."""
    if name in HTTP_CALLS:
        return True
    made, _, verb = name.rpartition("().")
    return made in HTTP_CLIENTS and (verb in VERBS or verb in ("build_request", "urlopen"))


def _by_its_name(target: ast.expr) -> bool:
    """`self.session.post(…)`, where nobody knows what it is but by its name."""
    if not isinstance(target, ast.Attribute) or target.attr not in VERBS:
        return False
    owner = target.value
    name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
    return bool(_LIKE_A_CLIENT.search(name.lower())) and not _FAKE.search(name.lower())


def _fake_transport(call: Call) -> bool:
    """A transport that reaches no network, or the kit's own."""
    return any(
        isinstance(value, Path) and value.name.removesuffix("()").rpartition(".")[2] in FAKE_TRANSPORTS
        for value in (*call.keywords.get("transport", ()), *call.keywords.get("mounts", ()))
    )


def _look(looking: Looking, call: Call, walk: Expressions, given: list[Values], *, host: bool = False) -> None:
    named = [call.keywords[name] for name in ("url", "base_url", "host", "uri") if name in call.keywords]
    for values in (*given, *named):
        for value in values:
            if isinstance(value, Text) and (found := _host(value, looking, bare=host)) is not None:
                where, whose = found
                looking.note(walk, call.node, "AK002", f"A request to {where} ({whose}) goes past the kit.")
                return


def _host(value: Text, looking: Looking, *, bare: bool) -> tuple[str, str] | None:
    url = f"https://{value.text}" if bare and "://" not in value.text else value.text
    if not value.whole and url.endswith("://"):
        return None
    return provider_in(url, looking.project.hosts)
