"""The prompts of a process: `summarize@v3` from files or the ledger, `summarize@production` by where the label points.

Where labels point to is read again after 2 s in the background, and after 4 s before anybody is answered: so a rollback
takes effect in every process within 5 s. With the ledger away, what was known last holds. What a label points to is
read together with the label, so that it is there when the ledger is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aikit.config import Settings
from aikit.database.connect import Database
from aikit.errors import DatabaseUnavailable, PromptChanged, PromptError, PromptInvalid, PromptNotFound
from aikit.ledger.following import Follower
from aikit.ledger.prompt_line import Content, Key, Labels, Pointer, PromptLine
from aikit.prompts.model import Prompt, Ref
from aikit.prompts.refs import CANDIDATE, HOW, closest, parse_ref
from aikit.types import Environment

if TYPE_CHECKING:
    from aikit.prompts.folder import PromptFolders


class Files(Protocol):
    """Where prompts are read from files: the application's folder, and what ships with aikit."""

    def find(self, name: str, version: int) -> Prompt | None:
        """A locked version of the application, its hash verified; None if there is none. Raises PromptError."""

    def shipped(self, name: str, version: int) -> Prompt | None:
        """A version of a prompt that is the kit's own, of which the application has no file."""

    def newest(self, name: str) -> Prompt | None:
        """The newest version, locked or not; None if there is none. Raises PromptError."""


class FilesOf:
    """An application's folder, and the kit's own prompts. What reads them is loaded with the first: it takes 50 ms."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, name: str, version: int) -> Prompt | None:
        own = self._all.folders[0]
        return own.find(name, version) if self._all.of(name) is own else None

    def shipped(self, name: str, version: int) -> Prompt | None:
        own = self._all.folders[0]
        return None if self._all.of(name) is own else self._all.find(name, version)

    def newest(self, name: str) -> Prompt | None:
        return self._all.newest(name)

    @cached_property
    def _all(self) -> PromptFolders:
        from aikit.prompts.shipped import with_shipped

        return with_shipped(self._folder)


class Ledger(Protocol):
    """Where labels and published versions are read. Each method raises DatabaseUnavailable."""

    def labels(self, seen: int | None) -> Labels | None:
        """Where all labels point to; None if that is as it was after the move `seen`."""

    def published(self, name: str, version: int) -> Content | None:
        """A published version; None if there is none."""

    def close(self) -> None:
        """Hang up."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where labels pointed to when they were last read, and the prompts of those that are in use here."""

    seq: int
    pointers: dict[Key, Pointer]
    prompts: dict[Key, Prompt]


class Registry:
    """Finds prompts by reference. For several threads at once; a fork reads anew over a connection of its own."""

    def __init__(self, ledger: Ledger, files: Files, *, candidates: bool = False) -> None:
        """`candidates`: whether `@candidate` is allowed."""
        self._files = files
        self._candidates = candidates
        self._ledger = ledger
        self._follower = Follower(self._read, "labels of prompts")
        self._snapshot: Snapshot | None = None
        self._in_use: set[Key] = set()
        self._published: dict[tuple[str, int, str], Prompt] = {}
        self._versions: dict[tuple[str, int], Prompt] = {}

    def get(self, ref: str) -> Prompt:
        """The prompt of a reference; may wait for the ledger, a second at most where it has an answer already.

        Raises PromptInvalid for what is no reference, PromptNotFound, PromptChanged if its content is not what was
        locked or published, PromptError for a candidate outside of dev and evals, DatabaseUnavailable if the ledger is
        away and was not asked before.
        """
        name, version, label = parsed(ref)
        if version is not None:
            return self._versions.get((name, version)) or self._version(name, version)
        if label == CANDIDATE:
            return self._candidate(name)
        assert label is not None
        self._follower.follow()
        found = self._snapshot and self._snapshot.prompts.get((name, label))
        return found or self._first((name, label))

    def at_hand(self, ref: str) -> Prompt | None:
        """The same if it can be had without waiting for anything, else None. Raises PromptInvalid."""
        name, version, label = parsed(ref)
        if version is not None:
            return self._versions.get((name, version))
        if label is None or label == CANDIDATE or not self._follower.follow(wait=False) or self._snapshot is None:
            return None
        return self._snapshot.prompts.get((name, label))

    def close(self) -> None:
        """Hang up on the ledger."""
        self._ledger.close()

    def _read(self) -> None:
        """Where labels point to now, and what is there: in the follower's thread."""
        known = self._snapshot
        labels = self._ledger.labels(known.seq if known else None)
        if labels is not None:
            prompts = {}
            for key in list(self._in_use):
                pointer = labels.pointers.get(key)
                content = pointer and self._prefetched(key, pointer)
                if content:
                    prompts[key] = content
            self._snapshot = Snapshot(labels.seq, labels.pointers, prompts)

    def _prefetched(self, key: Key, pointer: Pointer) -> Prompt | None:
        """None for content that must not be used: whoever asks for it is told why."""
        try:
            return self._content(key[0], pointer)
        except PromptError:
            return None

    def _first(self, key: Key) -> Prompt:
        """What a label points to that was not used here before."""
        name, label = key
        snapshot = self._snapshot
        if snapshot is None:
            raise DatabaseUnavailable(
                f"Where {name}@{label} points to is not known, and the ledger is away: {self._follower.failure}.",
                facts={"prompt": name, "label": label},
                remedy=f"Try again when it is back; a version needs no ledger if its file is there: {name}@v1.",
            )
        pointer = snapshot.pointers.get(key)
        if pointer is None:
            raise _no_label(name, label, snapshot)
        self._in_use.add(key)
        found = snapshot.prompts[key] = self._content(name, pointer)
        return found

    def _content(self, name: str, pointer: Pointer) -> Prompt:
        """The published content: from a file that has it, else from the ledger."""
        version, sha256 = pointer
        known = self._published.get((name, version, sha256))
        if known is None:
            known = self._on_file(name, version, sha256) or self._from_ledger(name, version)
            if known is None or known.sha256 != sha256:
                raise PromptChanged(
                    f"What is published as {name}@v{version} is not what its label was moved to.",
                    facts={"prompt": f"{name}@v{version}", "sha256": sha256, "found": known and known.sha256},
                    remedy="Somebody has changed the ledger by hand. Move the label to another version.",
                )
            self._published[name, version, sha256] = known
        return known

    def _on_file(self, name: str, version: int, sha256: str) -> Prompt | None:
        """A file with another content, or one that can't be used, is not asked for."""
        try:
            found = self._files.find(name, version) or self._files.shipped(name, version)
        except PromptError:
            return None
        return found if found is not None and found.sha256 == sha256 else None

    def _from_ledger(self, name: str, version: int) -> Prompt | None:
        from aikit.prompts.reading import hash_of, read_prompt

        content = self._ledger.published(name, version)
        if content is None:
            return None
        found = hash_of(content.source)
        if found != content.sha256:
            raise PromptChanged(
                f"The text of {name}@v{version} in the ledger is not the one that was published.",
                facts={"prompt": f"{name}@v{version}", "sha256": content.sha256, "found": found},
                remedy="Somebody has changed the ledger by hand. Publish it as a new version from its file.",
            )
        return read_prompt(content.source, name, version)

    def _version(self, name: str, version: int) -> Prompt:
        """Of no file of the application: the published one, before ours, which may be called the same."""
        found = self._files.find(name, version)
        if found is None:
            shipped = self._files.shipped(name, version)
            try:
                found = self._from_ledger(name, version) or shipped
            except DatabaseUnavailable:
                if shipped is None:
                    raise
                return shipped
        if found is None:
            raise PromptNotFound(
                f"There is no {name}@v{version}, neither as a file nor published.",
                facts={"name": name, "version": version},
                remedy="`aikit prompt list` has what there is.",
            )
        self._versions[name, version] = found
        return found

    def _candidate(self, name: str) -> Prompt:
        if not self._candidates:
            raise PromptError(
                f"{name}@{CANDIDATE} is for evals and the environment dev.",
                code="CANDIDATE_NOT_ALLOWED",
                facts={"name": name},
                remedy=f"Name a version ({name}@v3) or a label that is moved on purpose ({name}@production).",
            )
        found = self._files.newest(name)
        if found is None:
            raise PromptNotFound(
                f"There is no file of a prompt {name}.",
                facts={"name": name},
                remedy="`aikit prompt list` has what there is.",
            )
        return found


def parsed(ref: str) -> Ref:
    """The reference that a text is. Raises PromptInvalid."""
    if not isinstance(ref, str):
        raise PromptInvalid(f"A prompt is named by a text, not by {type(ref).__name__}.", remedy=HOW)
    return _parsed(ref)


@lru_cache(maxsize=4096)
def _parsed(ref: str) -> Ref:
    return parse_ref(ref)


def _no_label(name: str, label: str, snapshot: Snapshot) -> PromptNotFound:
    labels = sorted(found for prompt, found in snapshot.pointers if prompt == name)
    if labels:
        return PromptNotFound(
            f"{name} has no label {label}.{closest(label, labels)}",
            facts={"name": name, "label": label, "labels": labels},
            remedy=f"It has {', '.join(labels)}; `aikit prompt promote {name}@vN {label}` makes this one.",
        )
    return PromptNotFound(
        f"{name} has no labels.",
        facts={"name": name, "label": label, "labels": []},
        remedy=f"Make one: `aikit prompt publish {name}`, then `aikit prompt promote {name}@vN {label}`.",
    )


def open_registry(settings: Settings, database: Database, *, candidates: bool = False) -> Registry:
    """The registry of a kit: the application's folder, what is published, then what ships with aikit.

    `@candidate` is for the environment dev, and for evals, which ask for it.
    """
    allowed = candidates or settings.environment == Environment.DEV
    return Registry(PromptLine(database), FilesOf(settings.prompts_folder), candidates=allowed)
