"""What a Gemini request can cost beyond the bytes of its text: media, stored content, tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aikit.errors import RequestInvalid
from aikit.wire.body import blocks, dig, objects
from aikit.wire.bounding import INCLUDED_SEARCHES, TOOL_TEMPLATE_TOKENS, Tally
from aikit.wire.gemini_usage import billed_by_request, generation_of

IMAGE_TOKENS = 2_240
"""The most that one image costs since Gemini 3 ("Media resolution": ultra high)."""

TILED_IMAGE_TOKENS = 45_000
"""The most that one image costs before Gemini 3: 258 for each 768-pixel tile ("Understand and count tokens"), for up
to 10,000 × 10,000 pixels, which is 170 tiles. No largest size is documented."""

_CONTENT = frozenset(
    {"contents", "parts", "systemInstruction", "system_instruction", "functionResponse", "function_response"}
)
_RUN_BY_THE_CALLER = frozenset({"functionDeclarations", "function_declarations"})
SCHEMAS = ("responseSchema", "response_schema", "responseJsonSchema", "response_json_schema")
_SEARCHING = ("search", "maps")


def one_of(fields: Mapping[str, Any], camel: str, snake: str) -> Any:
    """The value of a field that may be spelled either way. Raises RequestInvalid if it is given both ways."""
    if camel in fields and snake in fields:
        raise RequestInvalid(
            f"The field {camel} is given twice, once as {snake}.",
            facts={"field": camel},
            remedy="Give it once.",
        )
    return fields.get(camel, fields.get(snake))


def weigh(fields: Mapping[str, Any], config: Mapping[str, Any], model: str, tally: Tally) -> None:
    """Tally the whole request."""
    if fields.get("tools") or any(config.get(name) for name in SCHEMAS):
        tally.templates = TOOL_TEMPLATE_TOKENS
    for tool in objects(fields.get("tools")):
        weigh_tools(tool, model, tally)
    if one_of(fields, "cachedContent", "cached_content"):
        anything_stored(tally)
    for block in blocks(fields, _CONTENT):
        weigh_part(block, model, tally)
    wanted = one_of(config, "responseModalities", "response_modalities")
    modalities = {str(name).upper() for name in wanted} if isinstance(wanted, list) else set()
    if "IMAGE" in modalities or "image" in model or "banana" in model:
        tally.output_classes.add("output_image")
    if "AUDIO" in modalities or "-tts" in model:
        tally.output_classes.add("output_audio")


def weigh_tools(tool: Mapping[str, Any], model: str, tally: Tally) -> None:
    """One entry of `tools`: each key but the caller's functions is something that the server runs."""
    for name in tool:
        if name in _RUN_BY_THE_CALLER:
            continue
        tally.open_ended = True
        if any(word in name.lower() for word in _SEARCHING):
            tally.searches = 1 if billed_by_request(model) else INCLUDED_SEARCHES


def weigh_part(part: Mapping[str, Any], model: str, tally: Tally) -> None:
    """One part of a content."""
    if part.get("fileData") or part.get("file_data"):
        anything_stored(tally)
    blob = part.get("inlineData") or part.get("inline_data")
    if not isinstance(blob, dict):
        return
    media = str(dig(blob, "mimeType") or dig(blob, "mime_type") or "").lower()
    data = blob.get("data")
    payload = len(data) if isinstance(data, str) and data.isascii() else 0
    if media.startswith("image/"):
        newer = (generation_of(model) or 0) >= 3
        tally.image(IMAGE_TOKENS if newer else TILED_IMAGE_TOKENS, payload)
    elif media.startswith("audio/"):
        tally.input_classes |= {"input_audio", "cache_read_audio"}
    elif not media.startswith("text/"):
        anything_stored(tally)
        tally.document(payload)


def anything_stored(tally: Tally) -> None:
    """Content that is not in the request, of any modality."""
    tally.open_ended = True
    tally.input_classes |= {"input_audio", "input_image", "cache_read_audio"}
