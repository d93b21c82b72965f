"""What runs through the stages of a text: a piece of it, the findings at their positions, and how it ends.

Findings travel with the text so that their order, and which of them stand before a block, is a matter of the text
alone and never of the pieces it came in.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from aikit.types.guards import Finding


class Ending(NamedTuple):
    """The text is at its end: its own, or because a guard blocked what follows."""

    blocked: tuple[Finding, ...] = ()


class Flow(NamedTuple):
    """A piece of text; `marks` are findings and the offset in `text` where each stands, in order."""

    text: str
    marks: tuple[tuple[int, Finding], ...] = ()
    ending: Ending | None = None


class Stage(Protocol):
    """One guard at one text. Takes pieces, gives what is decided; after a flow with an ending it is not asked again.

    What comes out, joined, is a function of what went in, joined.
    """

    def feed(self, flow: Flow, /) -> Flow: ...


class Out:
    """A flow in the making."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._marks: list[tuple[int, Finding]] = []
        self._length = 0

    def text(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._length += len(text)

    def mark(self, finding: Finding) -> None:
        self._marks.append((self._length, finding))

    def flow(self, ending: Ending | None) -> Flow:
        return Flow("".join(self._parts), tuple(self._marks), ending)


class Buffer:
    """Text that a stage holds, with the findings that stand in it, and some text before it that is gone already."""

    def __init__(self, behind: int) -> None:
        self._behind = behind
        self.text = ""
        self.start = 0
        "Where in `text` what is held begins."
        self._marks: list[tuple[int, Finding]] = []

    def __len__(self) -> int:
        return len(self.text) - self.start

    def add(self, flow: Flow) -> None:
        if flow.marks:
            self._marks += [(len(self.text) + offset, finding) for offset, finding in flow.marks]
        self.text = self.text + flow.text if self.text else flow.text

    def release(self, upto: int, out: Out, instead: str | None = None) -> None:
        """Hands on the text up to a position, or what stands there instead of it, with the findings in it.

        A finding that stands at `upto` goes with the text before it, but comes after what replaces that text: it may
        arrive later than the text does, and must not be told apart by that.
        """
        at = self.start
        last = upto if instead is None else upto - 1
        while self._marks and self._marks[0][0] <= last:
            offset, finding = self._marks.pop(0)
            if instead is None:
                out.text(self.text[at:offset])
                at = offset
            out.mark(finding)
        out.text(self.text[at:upto] if instead is None else instead)
        self.start = upto

    def forget(self) -> int:
        """Drops what no detector looks at any more; by how much positions have moved."""
        gone = self.start - self._behind
        if gone <= 0:
            return 0
        self.text = self.text[gone:]
        self.start -= gone
        if self._marks:
            self._marks = [(offset - gone, finding) for offset, finding in self._marks]
        return gone
