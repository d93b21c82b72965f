"""AK001: clients of SDKs that the kit has not made and is not handed, and the module `openai` used as one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from aikit.lint.calls import Call
from aikit.lint.expressions import Expressions
from aikit.lint.known import CLIENTS, MAKERS, MODULE_CALLS, MODULE_SETTINGS, WRAPPABLE
from aikit.lint.values import Class, Kit, KitCall, Made, Path, Result, Text, Value, Values

if TYPE_CHECKING:
    from aikit.lint.checks.looking import Looking

BOTO = frozenset(
    {
        "boto3.client",
        "boto3.Session().client",
        "boto3.session.Session().client",
        "aioboto3.Session().client",
        "aiobotocore.session.get_session().create_client",
    }
)
NO_WRAP = (
    "The kit has no client for it: call a model of it that the kit knows, over a server that speaks the OpenAI API."
)


def client_name(name: str) -> str | None:
    """The name of an SDK's client class as it is called, if that is what a full name stands for."""
    package, _, last = name.rpartition(".")
    if not package or ".types" in package or "()" in package:
        return None
    for known, classes in CLIENTS.items():
        if last in classes and (package == known or package.startswith(f"{known}.")):
            return f"{known}.{last}"
    return None


def made_of(value: Value) -> str | None:
    """The client that a call of this makes: an SDK's, or one derived from it here."""
    if isinstance(value, Path):
        return client_name(value.name)
    if isinstance(value, Class):
        return next((found for base in value.bases if (found := client_name(base))), None)
    return None


def call(looking: Looking, call: Call, walk: Expressions) -> Values | None:
    for value in call.what:
        if isinstance(value, Path):
            if value.name in MAKERS:
                return _made_later(looking, call, walk)
            _module(looking, value.name, call, walk)
            if value.name in BOTO:
                _bedrock(looking, call, walk)
            if value.name in ("typing.cast", "typing_extensions.cast") and len(call.arguments) > 1:
                return call.arguments[1]
        if isinstance(value, KitCall) and value.method == "wrap":
            hand_over(call.argument(0, "client"))
    _by_default(looking, call, walk)
    made = [name for value in call.what if (name := made_of(value))]
    return (_make(looking, made[0], call.node, walk),) if made else None


def hand_over(values: Values) -> None:
    """The kit is handed these: what of them is a client is metered from now on."""
    for value in values:
        if isinstance(value, Made):
            value.metered = True
        elif isinstance(value, Result):
            value.function.wraps += 1


def assigned(looking: Looking, node: ast.Attribute, of: Values, walk: Expressions) -> None:
    if node.attr in MODULE_SETTINGS and Path("openai") in of:
        looking.note(
            walk, node, "AK001", f"openai.{node.attr} sets up the client that the module openai makes for itself."
        )


def finish(looking: Looking, walk: Expressions) -> None:
    """When all is read, what was made and is not handed to the kit anywhere."""
    for function in walk.functions:
        if function.wraps and function.wraps >= function.calls:
            for made in function.returns:
                made.metered = True
    for made in looking.made:
        if not (made.metered or made.told):
            walk.statement = made.statement
            remedy = "" if made.name.startswith(WRAPPABLE) else NO_WRAP
            looking.note(walk, made.node, "AK001", f"{made.name}(…) makes a client that is not metered.", remedy)


def _make(looking: Looking, name: str, node: ast.AST, walk: Expressions) -> Made:
    made = Made(name, node, walk.statement)
    looking.made.append(made)
    return made


def _made_later(looking: Looking, call: Call, walk: Expressions) -> Values | None:
    """`partial(OpenAI, …)` makes a client when it is called, `partial(kit.complete, …)` calls the kit."""
    first = call.arguments[0] if call.arguments else ()
    for value in first:
        if (name := made_of(value)) is not None:
            return (_make(looking, name, call.node, walk),)
        if isinstance(value, KitCall):
            return (KitCall(value.method, value.tenant or call.given("tenant") or call.spread),)
        if isinstance(value, Kit):
            return (value,)
    return first or None


def _by_default(looking: Looking, call: Call, walk: Expressions) -> None:
    """`field(default_factory=OpenAI)`."""
    for value in call.keywords.get("default_factory", ()):
        if (name := made_of(value)) is not None:
            _make(looking, name, call.node, walk)


def _module(looking: Looking, name: str, call: Call, walk: Expressions) -> None:
    parts = name.split(".")
    if parts[0] == "openai" and len(parts) > 2 and parts[1] in MODULE_CALLS and "()" not in name:
        looking.note(walk, call.node, "AK001", f"{name}(…) calls OpenAI by a client that the module makes for itself.")


def _bedrock(looking: Looking, call: Call, walk: Expressions) -> None:
    for value in call.argument(0, "service_name"):
        if isinstance(value, Text) and value.text.startswith("bedrock") and "runtime" in value.text:
            looking.note(walk, call.node, "AK001", f"A client of {value.text} is not metered.", NO_WRAP)
