"""How many characters of text a prompt has: all that a model reads as text, not media, signatures, ids or markers.

Every request is counted, so this is written for speed: exact classes, since that is all that JSON is parsed into, and
lists that grow while they are gone through.
"""

from __future__ import annotations

from typing import Any

_MEDIA = {"image_url", "video_url", "audio_url", "input_audio", "inlineData", "inline_data"}
_FILES = {"file_data", "file_id", "file_url", "fileData"}
_OPAQUE = {"signature", "thoughtSignature", "thought_signature", "encrypted_content", "encrypted_index"}
_MARKERS = {"role", "type", "id", "call_id", "tool_call_id", "tool_use_id", "status", "cache_control", "media_type"}
_SOMETIMES = {"data", "result"}
NOT_TEXT = frozenset(_MEDIA | _FILES | _OPAQUE | _MARKERS | _SOMETIMES)
FREE = frozenset({"args", "arguments", "env", "input", "input_schema", "parameters", "response"})
"""Objects under these have keys of the caller's own choice."""


def prose(*contents: Any) -> int:
    """The characters of messages, instructions and the like. An unknown field counts as text."""
    count = 0
    chosen: list[Any] = []
    items = list(contents)
    for item in items:
        if item.__class__ is dict:
            if len(item) == 2 and ("role" in item or "type" in item):  # nearly all are; it halves the time
                value = item.get("content") or item.get("text")
                if value.__class__ is str:
                    count += len(value)
                    continue
                if value.__class__ is list:
                    items.extend(value)
                    continue
            for key, value in item.items():
                if key in NOT_TEXT:
                    if key in _SOMETIMES and _holds_text(key, item):
                        items.append(value)
                elif value.__class__ is str:
                    count += len(value)
                elif value.__class__ is list or value.__class__ is dict:
                    (chosen if key in FREE else items).append(value)
        elif item.__class__ is list:
            items.extend(item)
        elif item.__class__ is str:
            count += len(item)
    return count + names_and_texts(*chosen) if chosen else count


def names_and_texts(*definitions: Any) -> int:
    """The characters of all keys and strings in tools, schemas, arguments; not of numbers and punctuation."""
    count = 0
    items = list(definitions)
    for item in items:
        if item.__class__ is str:
            count += len(item)
        elif item.__class__ is dict:
            items.extend(item)
            items.extend(item.values())
        elif item.__class__ is list:
            items.extend(item)
    return count


def is_text(key: str, item: dict[str, Any]) -> bool:
    """Whether a field of an object is text, in what `prose` counts."""
    return key not in NOT_TEXT or (key in _SOMETIMES and _holds_text(key, item))


def _holds_text(key: str, item: dict[str, Any]) -> bool:
    """A plain text document has its text where other sources have base64; a made image has base64 for a result."""
    kind = item.get("type")
    return kind == "text" if key == "data" else kind != "image_generation_call"
