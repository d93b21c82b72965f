"""What is taken for a kit: what makes one, what is annotated as one, and what is called like one."""

from __future__ import annotations

import ast

from aikit.lint.values import Kit, Path, Values

KIT_TYPES = frozenset({"AIKit", "AsyncAIKit"})
KIT_NAMES = frozenset({"kit", "_kit", "ai_kit", "_ai_kit", "async_kit", "_async_kit", "my_kit"})
KIT_METHODS = frozenset({"openai", "anthropic", "gemini", "wrap", "complete", "stream", "prompt"})


def is_kit_type(name: str) -> bool:
    """Whether a full name is that of AIKit or AsyncAIKit."""
    root, _, last = name.rpartition(".")
    return last in KIT_TYPES and root.partition(".")[0] == "aikit"


def makes_kit(name: str) -> bool:
    """Whether a call of this gives a kit."""
    return is_kit_type(name.removesuffix(".open"))


def looks_like_a_kit(node: ast.expr, values: Values) -> bool:
    """It is a kit, or is called like one and is nothing else that is known."""
    if any(isinstance(value, Kit) for value in values):
        return True
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    if name not in KIT_NAMES:
        return False
    return all(isinstance(value, Path) and _may_be_a_kit(value.name) for value in values)


def _may_be_a_kit(name: str) -> bool:
    """Imported from somewhere, or what a function such as `get_kit` gives; not a module, and not another's class."""
    last = name.rpartition(".")[2]
    return "." in name.strip(".") and (not last.endswith("()") or ("kit" in last and last.islower()))
