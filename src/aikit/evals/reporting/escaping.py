"""Text from models, cases and users, made harmless for where it is shown: it is never markup and never a command."""

from __future__ import annotations

import html
import re

REPLACEMENT = "\ufffd"
SHORT = 80
"""Characters of an id in a line among other words."""
LONG = 400
"""Characters of a sentence that quotes others."""

_MARKDOWN = {ord(c): f"&#{ord(c)};" for c in "\\`*_[]<>|~&@:$#"}
_WWW = re.compile(r"(?<=www)\.", re.IGNORECASE)
_COMMAND = re.compile(r"^(\s*)::|##\[", re.MULTILINE)


def printable(text: str) -> str:
    """As it is, on as many lines, with U+FFFD for every other control character, escape and direction mark."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("".join(_shown(c) for c in line) if not line.isprintable() else line for line in lines)


def one_line(text: str, most: int = LONG) -> str:
    """On one line, and no longer than `most` characters."""
    shown = " ".join(printable(text).split("\n")).replace("\t", " ")
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def short(text: str) -> str:
    """An id, on one line, no longer than can be read."""
    return one_line(text, SHORT)


def shortened(text: str, most: int) -> str:
    """The beginning of a text of several lines, with a word about what is left out."""
    shown = printable(text)
    return shown if len(shown) <= most else f"{shown[:most]}… ({len(shown) - most:,} more characters)"


def markdown(text: str, most: int = LONG) -> str:
    """In a table or a line of Markdown: every character that could mean something is an entity."""
    return _WWW.sub("&#46;", one_line(text, most).translate(_MARKDOWN))


def code(text: str, most: int = LONG) -> str:
    """As `markdown`, set as code: there GitHub makes no mentions, references or pictures of it."""
    return f"<code>{markdown(text, most)}</code>"


def block(text: str, most: int) -> str:
    """A block of its own in Markdown that keeps its lines."""
    return f"<pre>\n{html.escape(shortened(text, most), quote=False)}\n</pre>"


def xml(text: str) -> str:
    """XML has no way to write control characters, surrogates and non-characters; the writer escapes the rest."""
    return "".join(c if _in_xml(ord(c)) else REPLACEMENT for c in text)


def annotation(text: str) -> str:
    """The message of a GitHub workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def annotation_property(text: str) -> str:
    """A property of a GitHub workflow command."""
    return annotation(text).replace(":", "%3A").replace(",", "%2C")


def no_command(text: str) -> str:
    """For a log that GitHub Actions reads commands from: nothing in it begins one."""
    return _COMMAND.sub(lambda found: f"{found[1]}: :" if found[1] is not None else "## [", text)


def _shown(character: str) -> str:
    return character if character.isprintable() or character == "\t" else REPLACEMENT


def _in_xml(point: int) -> bool:
    return (
        point in (0x9, 0xA, 0xD)
        or 0x20 <= point < 0x7F
        or 0xA0 <= point <= 0xD7FF
        or 0xE000 <= point <= 0xFFFD
        or (0x10000 <= point <= 0x10FFFF and point & 0xFFFE != 0xFFFE)
    )
