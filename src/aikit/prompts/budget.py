"""What one rendering may use: steps, and characters. All that a template does is paid for before it is done."""

from __future__ import annotations

from typing import Any

STEPS = 1_000_000
"""Of a rendering: about one for each part of an expression each time it is worked out, and one for 25 characters."""
CHARACTERS = 1_000_000
"""Of all messages together, and of any text on the way to them."""
CHARACTERS_PER_STEP = 25
DEEPEST = 40
"""Levels of a value that is gone through."""


class Exceeded(Exception):
    """A template wants to do more than a rendering may."""


class Budget:
    """What is left. One for each rendering; never shared."""

    __slots__ = ("left", "written")

    def __init__(self) -> None:
        self.left = STEPS
        self.written = 0

    def spend(self, steps: int) -> None:
        """Raises Exceeded."""
        self.left -= steps
        if self.left < 0:
            raise Exceeded(f"it takes more than {STEPS:,} steps")

    def text(self, characters: int) -> None:
        """Pay for a text that is about to be made, or read. Raises Exceeded."""
        if characters > CHARACTERS:
            raise Exceeded(f"a text of {characters:,} characters; at most {CHARACTERS:,} are made")
        self.spend(characters // CHARACTERS_PER_STEP + 1)

    def write(self, characters: int) -> None:
        """Count what goes into a message. Raises Exceeded."""
        self.written += characters
        if self.written > CHARACTERS:
            raise Exceeded(f"its messages have more than {CHARACTERS:,} characters")

    def walk(self, value: Any) -> None:
        """Pay for going through a value, however often a part of it is in it. Raises Exceeded."""
        todo = [(value, 0)]
        while todo:
            found, depth = todo.pop()
            if depth > DEEPEST:
                raise Exceeded(f"a value is nested more than {DEEPEST} deep")
            self.spend(len(found) // CHARACTERS_PER_STEP + 1 if isinstance(found, str) else 1)
            if isinstance(found, dict):
                self.spend(len(found))
                todo.extend((inner, depth + 1) for inner in found.values())
            elif isinstance(found, list):
                self.spend(len(found))
                todo.extend((inner, depth + 1) for inner in found)
