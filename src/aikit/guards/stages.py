"""The stages that a text goes through: a scan for matches, a limit of its length, and a check of the whole of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from aikit.guards.flow import Buffer, Ending, Flow, Out
from aikit.guards.matches import Eyes, Match, covered, grouped
from aikit.types.guards import Finding, GuardAction

CRASHED = "crashed"


class Acting(Protocol):
    """What a rule does with what was found, at one text."""

    @property
    def action(self) -> GuardAction: ...

    def finding(self, kind: str, value: str = "") -> Finding:
        """`value` is the normal form of what was found; there may be none."""
        ...

    def instead(self, group: Sequence[Match], text: str) -> str:
        """What stands in a text in place of what was found and is redacted."""
        ...


class Scan:
    """Looks for matches, and releases text as soon as no match can begin in it any more."""

    def __init__(self, eyes: Eyes, acting: Acting) -> None:
        self._eyes = eyes
        self._acting = acting
        self._buffer = Buffer(eyes.behind)
        self._resume = [0] * len(eyes.seekers)
        self._found: list[Match] = []

    def feed(self, flow: Flow) -> Flow:
        self._buffer.add(flow)
        text = self._buffer.text
        decided = len(text) if flow.ending else self._eyes.undecided(text, self._buffer.start)
        self._look(decided)
        out = Out()
        blocked = act(self._acting, self._buffer, self._found, decided, out)
        if blocked:
            return out.flow(blocked)
        gone = self._buffer.forget()
        if gone:
            self._resume = [position - gone for position in self._resume]
            self._found = [match._replace(start=match.start - gone, end=match.end - gone) for match in self._found]
        return out.flow(flow.ending)

    def _look(self, decided: int) -> None:
        """Collects the matches that start before a position; from there on each detector goes on the next time."""
        text = self._buffer.text
        for number, seeker in enumerate(self._eyes.seekers):
            position = self._resume[number]
            while position < decided:
                match = seeker.seek(text, position)
                if match is None or match.start >= decided:
                    position = decided
                    break
                self._found.append(match)
                position = max(match.end, match.start + 1)
            self._resume[number] = position


def act(acting: Acting, buffer: Buffer, found: list[Match], decided: int, out: Out) -> Ending | None:
    """Releases what is decided, redacted where it has to be, and takes what was dealt with from `found`."""
    text = buffer.text
    upto = decided
    kept: list[Match] = []
    for group in grouped(found):
        start, end = covered(group)
        if end > decided:
            upto = min(upto, start)
            kept += group
            continue
        buffer.release(start, out)
        findings = [acting.finding(match.kind, match.value or text[match.start : match.end]) for match in group]
        if acting.action is GuardAction.BLOCK:
            return Ending(tuple(findings))
        for finding in findings:
            out.mark(finding)
        if acting.action is GuardAction.REDACT:
            buffer.release(end, out, acting.instead(group, text[start:end]))
    buffer.release(upto, out)
    found[:] = kept
    return None


class Limit:
    """Lets so many characters through."""

    def __init__(self, characters: int, acting: Acting) -> None:
        self._left = characters
        self._acting = acting
        self._over = False

    def feed(self, flow: Flow) -> Flow:
        if self._over:
            return flow if self._acting.action is not GuardAction.REDACT else _only_marks(flow)
        if len(flow.text) <= self._left:
            self._left -= len(flow.text)
            return flow
        self._over = True
        finding = self._acting.finding("length")
        before = tuple(mark for mark in flow.marks if mark[0] <= self._left)
        after = flow.marks[len(before) :]
        if self._acting.action is GuardAction.BLOCK:
            return Flow(flow.text[: self._left], before, Ending((finding,)))
        mark = (self._left, finding)
        if self._acting.action is GuardAction.REDACT:
            return Flow(
                flow.text[: self._left], (*before, mark, *((self._left, late) for _, late in after)), flow.ending
            )
        return Flow(flow.text, (*before, mark, *after), flow.ending)


def _only_marks(flow: Flow) -> Flow:
    return Flow("", tuple((0, finding) for _, finding in flow.marks), flow.ending)


class Verdict(NamedTuple):
    """What a check of a whole text came to: kinds of what was found, the text that replaces it (None: none does), and
    whether a rule that blocks blocks it."""

    found: Sequence[str] = ()
    text: str | None = None
    blocks: bool = True


class Whole:
    """Holds a text to its end, and judges it then. An empty text is none, and one cut off by a block is not judged:
    it is not released either where the guard blocks or redacts."""

    def __init__(self, judge: Callable[[str], Verdict], acting: Acting) -> None:
        self._judge = judge
        self._acting = acting
        self._pieces: list[Flow] = []

    def feed(self, flow: Flow) -> Flow:
        self._pieces.append(flow)
        if flow.ending is None:
            return Flow("")
        text = "".join(piece.text for piece in self._pieces)
        if flow.ending.blocked:
            verdict = Verdict(text="" if self._acting.action in (GuardAction.BLOCK, GuardAction.REDACT) else None)
        else:
            verdict = self._judge(text) if text else Verdict()
        findings = [self._acting.finding(kind) for kind in verdict.found]
        if findings and verdict.blocks and self._acting.action is GuardAction.BLOCK:
            return Flow("", (), Ending(tuple(findings)))
        marks = [(0, finding) for finding in findings]
        marks += [(0, finding) for piece in self._pieces for _, finding in piece.marks]
        return Flow(text if verdict.text is None else verdict.text, tuple(marks), flow.ending)
