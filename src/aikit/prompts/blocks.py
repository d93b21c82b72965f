"""Splits the body of a prompt at its role tags, before anything is rendered: so no input can ever make one.

Jinja's own lexer finds the tags, so that what looks like one in a comment, a string or a raw block is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jinja2 import TemplateSyntaxError

from aikit.errors import PromptInvalid
from aikit.prompts.model import Block
from aikit.prompts.sandbox import SANDBOX

ROLES = ("system", "user", "assistant")
MOST_BLOCKS = 100
MOST_TOKENS = 30_000
HOW = 'Begin each message with a line like {% role "user" %}.'
_OPENS = {"if", "for"}
_CLOSES = {"endif", "endfor"}


Token = tuple[int, str, str, int]
"""The line, the kind, the text and the position of one of Jinja's tokens."""


class Tag(NamedTuple):
    """A `{% … %}` of a body: its tokens without white space, where it begins and ends, and its line."""

    words: tuple[tuple[str, str], ...]
    start: int
    end: int
    line: int


def split_blocks(body: str, *, first_line: int = 1, where: str = "the prompt") -> tuple[Block, ...]:
    """The blocks of a body, white space around each left out. `first_line` is where the body begins in its file.

    Raises PromptInvalid that names line and remedy.
    """
    tokens = list(_tokens(body, first_line, where))
    tags = list(_roles(tokens, where))
    before = tags[0][1].start if tags else len(body)
    for line, kind, value, at in tokens:
        if at < before and value.strip() and not kind.startswith("comment"):
            blank = value[: len(value) - len(value.lstrip())].count("\n")
            raise _wrong(where, line + blank, "text stands before the first role", HOW)
    if not tags:
        raise _wrong(where, first_line, "there is no message", HOW)
    if len(tags) > MOST_BLOCKS:
        raise _wrong(where, tags[MOST_BLOCKS][1].line, f"there are more than {MOST_BLOCKS} messages", "Write fewer.")
    ends = [tag.start for _, tag in tags[1:]] + [len(body)]
    parts = zip(tags, ends, strict=True)
    return tuple(_block(role, tag, body[tag.end : end], first_line, body) for (role, tag), end in parts)


def _block(role: str, tag: Tag, text: str, first_line: int, body: str) -> Block:
    blank = len(text) - len(text.lstrip())
    line = first_line + body[: tag.end + blank].count("\n") if text.strip() else tag.line
    return Block(role, text.strip(), line)


def _roles(tokens: Iterable[Token], where: str) -> Iterator[tuple[str, Tag]]:
    """The role tags and their roles."""
    open_tags: list[tuple[str, int]] = []
    for tag in _tags(tokens):
        name = tag.words[0][1] if tag.words else ""
        if name in _OPENS:
            open_tags.append((name, tag.line))
        elif name in _CLOSES and open_tags:
            open_tags.pop()
        elif name == "endrole":
            raise _wrong(where, tag.line, "there is no {% endrole %}", "A message ends where the next one begins.")
        elif name == "role":
            if open_tags:
                outer, line = open_tags[-1]
                what = f"a role stands inside of the {{% {outer} %}} of line {line}"
                raise _wrong(where, tag.line, what, "Put the condition or the loop inside of the message.")
            yield _role(tag, where), tag


def _role(tag: Tag, where: str) -> str:
    if len(tag.words) != 2 or tag.words[1][0] != "string":
        what = "a role is not a text in quotes; it is fixed, and never comes from an input"
        raise _wrong(where, tag.line, what, 'Write {% role "system" %}, {% role "user" %} or {% role "assistant" %}.')
    role = tag.words[1][1][1:-1]
    if role not in ROLES:
        raise _wrong(where, tag.line, f"there is no role {role[:40]!r}", f"There are {', '.join(ROLES)}.")
    return role


def _tags(tokens: Iterable[Token]) -> Iterator[Tag]:
    words: list[tuple[str, str]] = []
    start = line = 0
    for found, kind, value, at in tokens:
        if kind == "block_begin":
            words, start, line = [], at, found
        elif kind == "block_end":
            yield Tag(tuple(words), start, at + len(value), line)
        elif kind != "whitespace":
            words.append((kind, value))


def _tokens(body: str, first_line: int, where: str) -> Iterator[Token]:
    """The lexer gives no positions, but what it leaves out is blank."""
    at = 0
    try:
        for number, (line, kind, value) in enumerate(SANDBOX.lexer.tokeniter(body, None)):
            if number > MOST_TOKENS:
                what = f"it has more than {MOST_TOKENS:,} words in tags"
                raise _wrong(where, first_line + line - 1, what, "Pass what is data as an input.")
            at = body.index(value, at)
            yield first_line + line - 1, kind, value, at
            at += len(value)
    except TemplateSyntaxError as error:
        line, what = first_line + error.lineno - 1, error.message or "a syntax error"
        raise _wrong(where, line, what, "Correct that line.") from None


def _wrong(where: str, line: int, what: str, remedy: str) -> PromptInvalid:
    return PromptInvalid(
        f"{where} line {line}: {what.rstrip('.')}.", facts={"file": where, "line": line}, remedy=remedy
    )
