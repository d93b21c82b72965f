"""AK004 to AK007: calls of a kit without a tenant, and references to prompts."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from aikit.errors import PromptInvalid
from aikit.lint.calls import Call
from aikit.lint.expressions import Expressions
from aikit.lint.values import KitCall, Path, text_of
from aikit.prompts.refs import CANDIDATE, parse_ref

if TYPE_CHECKING:
    from aikit.lint.checks.looking import Looking

PROMPT_CALLS = frozenset({"prompt", "get_prompt", "load_prompt", "render_prompt"})
_REFERENCE = re.compile(r"[a-z][a-z0-9_-]{0,63}@[A-Za-z0-9_.-]+")


def call(looking: Looking, call: Call, walk: Expressions) -> None:
    called = call.arguments[0] if Path("asyncio.to_thread") in call.what and call.arguments else call.what
    methods = [value for value in called if isinstance(value, KitCall)]
    if any(value.method == "prompt" for value in methods):
        if called is call.what:
            _reference(looking, call, walk)
    elif methods:
        _tenant(looking, call, methods[0], walk)
    elif _last_name(call.target) in PROMPT_CALLS:
        stated = text_of(call.arguments[0]) if call.arguments else None
        if stated is not None and _REFERENCE.fullmatch(stated):
            _reference(looking, call, walk)


def _tenant(looking: Looking, call: Call, method: KitCall, walk: Expressions) -> None:
    if looking.project.default_tenant_ok or walk.tagged or method.tenant or call.spread or call.given("tenant"):
        return
    looking.note(walk, call.node, "AK004", f"{ast.unparse(call.target)[:60]}(…) has no tenant.")


def _reference(looking: Looking, call: Call, walk: Expressions) -> None:
    """A reference that is no text of the file is left alone: the registry reads it when the code is run."""
    stated = text_of(call.arguments[0]) if call.arguments else None
    if stated is None:
        return
    node = call.node.args[0]
    try:
        ref = parse_ref(stated)
    except PromptInvalid as error:
        looking.note(walk, node, "AK006", error.message, error.remedy)
        return
    if ref.label == CANDIDATE and not looking.test:
        message = f"{stated} is the newest file, locked or not, and this is neither a test nor an eval."
        looking.note(walk, node, "AK007", message)
    if (missing := looking.project.missing(ref.name, ref.version)) is not None:
        looking.note(walk, node, "AK005", missing)


def _last_name(target: ast.expr) -> str:
    return target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""
