"""What may be said about a key: where it is, how it ends, whether it looks like one of its provider. Never the key."""

from __future__ import annotations

import re
from typing import NamedTuple

SHORTEST = 12
"""Of a shorter one no character is shown: four would be too much of it."""
SHOWN = 4


class Form(NamedTuple):
    """How the keys of a provider look."""

    whose: str
    pattern: re.Pattern[str]


FORMS = {
    "anthropic": Form("Anthropic", re.compile(r"sk-ant-[\w-]{8,}")),
    "openai": Form("OpenAI", re.compile(r"sk-(?!ant-)[\w-]{16,}")),
    "gemini": Form("Google", re.compile(r"AIza[\w-]{30,}|AQ\.[\w-]{20,}")),
}


def ending(key: str) -> str:
    """`…f3Qa`: enough to tell two keys apart. Nothing of one that is short."""
    return f"…{key[-SHOWN:]}" if len(key) >= SHORTEST and key[-SHOWN:].isprintable() else ""


def shown(key: str) -> str:
    """`set …f3Qa`"""
    return f"set {ending(key)}".rstrip()


def cleaned(typed: str) -> str:
    """A key as it was pasted, without the line's end and blanks around it."""
    return typed.strip()


def misgivings(variable: str, kind: str, key: str) -> str:
    """Why this is hardly a key of that kind of provider; "" if it may be one. Nothing of it is in the answer."""
    if not key:
        return f"{variable} is empty."
    if any(letter.isspace() for letter in key):
        return f"{variable} has a blank or a line's end in it, which no key has."
    if not key.isascii() or not key.isprintable():
        return f"{variable} has characters that no key has."
    if key[0] in "\"'`<":
        return f"{variable} begins with {key[0]}: was it copied with what was around it?"
    if kind not in FORMS or FORMS[kind].pattern.fullmatch(key):
        return ""
    other = next((form.whose for name, form in FORMS.items() if name != kind and form.pattern.fullmatch(key)), None)
    if other is not None:
        return f"{variable} looks like a key of {other}, not of {FORMS[kind].whose}."
    return f"{variable} does not look like a key of {FORMS[kind].whose}."
