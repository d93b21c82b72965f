"""What an Anthropic request can cost beyond the bytes of its text: media, caches, tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aikit.errors import RequestInvalid
from aikit.wire.body import RequestBody, blocks, dig, objects
from aikit.wire.bounding import INCLUDED_SEARCHES, TOOL_TEMPLATE_TOKENS, Tally

IMAGE_TOKENS = 4_784
"""The most that one image costs ("Vision": 4,784 at high resolution, about 1,600 on older models)."""

DEFINED_TOOL_TOKENS = 1_000
"""For a tool that Anthropic defines and the caller runs. Documented: computer use 735, text editor 700, bash 245."""

TOOLSET_TOKENS = 10_000
"""For a whole toolset (browser, computer), whose some twenty tools have no published figure."""

_CONTENT = frozenset({"messages", "content", "source"})
_RUN_BY_THE_CALLER = ("bash_", "text_editor_", "computer_", "browser_", "memory_")
STORED = ("container", "mcp_servers", "thread", "context_management", "compaction")


def weigh(body: RequestBody, tally: Tally) -> None:
    """Tally the whole request. Writes `max_uses` into a web search tool that names none."""
    fields = body.fields
    if body.mentions(b"cache_control"):
        tally.input_classes.add("cache_write_5m")
        if body.mentions(b'"1h"'):
            tally.input_classes.add("cache_write_1h")
    if fields.get("tools") or fields.get("output_config") or fields.get("output_format"):
        tally.templates = TOOL_TEMPLATE_TOKENS
    if any(fields.get(name) for name in STORED):
        tally.open_ended = True
    for tool in objects(fields.get("tools")):
        weigh_tool(body, tool, tally)
    for block in blocks(fields.get("messages"), _CONTENT):
        weigh_block(body, block, tally)


def weigh_tool(body: RequestBody, tool: dict[str, Any], tally: Tally) -> None:
    """One tool: the caller's own is all in its bytes, Anthropic's has a definition or a server of its own."""
    kind = tool.get("type")
    if kind is None or kind == "custom":
        return
    kind = str(kind)
    if kind.startswith("advisor"):
        raise RequestInvalid(
            "The advisor tool can't be metered: another model advises and is billed at its own price.",
            facts={"field": "tools", "value": kind[:40]},
            remedy="Send the request without it.",
        )
    if kind.startswith(_RUN_BY_THE_CALLER):
        tally.templates += TOOLSET_TOKENS if "toolset" in kind else DEFINED_TOOL_TOKENS
        return
    tally.open_ended = True
    if kind.startswith("web_search"):
        limit = body.limit("max_uses", tool)
        if limit is None:
            body.write("max_uses", INCLUDED_SEARCHES, tool, label="tools.web_search.max_uses")
        tally.searches += limit or INCLUDED_SEARCHES


def weigh_block(body: RequestBody, block: Mapping[str, Any], tally: Tally) -> None:
    """One message or content block."""
    match block.get("type"):
        case "image":
            tally.image(IMAGE_TOKENS, inline_bytes(block))
        case "document":
            if dig(block, "source", "type") not in ("text", "content"):
                tally.document(inline_bytes(block))
        case "container_upload":
            tally.open_ended = True
        case "tool_addition":
            definition = dig(block, "tool", "definition")
            tally.templates = max(tally.templates, TOOL_TEMPLATE_TOKENS)
            if isinstance(definition, dict):
                weigh_tool(body, definition, tally)


def inline_bytes(block: Mapping[str, Any]) -> int:
    """How long a block's base64 data is; 0 if it has none."""
    source = block.get("source")
    data = dig(source, "data")
    return len(data) if dig(source, "type") == "base64" and isinstance(data, str) and data.isascii() else 0
