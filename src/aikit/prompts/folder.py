"""A folder of prompts, `NAME/vN.prompt`: a locked version is what was locked, or it is not loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from aikit.errors import PromptChanged, PromptError, PromptInvalid, PromptNotFound
from aikit.prompts.lock import FILE, Lock, Locked, read_lock
from aikit.prompts.model import Prompt, Ref
from aikit.prompts.reading import LARGEST, read_prompt
from aikit.prompts.refs import CANDIDATE, check_name, closest, parse_ref, parse_version

SUFFIX = ".prompt"
LARGEST_LOCK = 20_000_000


class Stray(NamedTuple):
    """Something in the folder that is no prompt, though it looks like one."""

    path: Path
    what: str


class PromptFolder:
    """Reads prompts from files. What was verified once is kept, since it never changes; drafts are read each time."""

    def __init__(self, path: Path, only: frozenset[str] | None = None) -> None:
        """`only` are the names of those that are read; None: all."""
        self.path = path
        self._only = only
        self._verified: dict[tuple[str, int], Prompt] = {}
        self._lock: tuple[tuple[int, int], Lock] | None = None

    def names(self) -> list[str]:
        """The prompts that there are files of."""
        return sorted({name for name, _, _ in self._files()})

    def versions(self, name: str) -> list[int]:
        """The versions that there are files of, ascending."""
        return sorted(version for found, version, _ in self._files(name) if found == name)

    def strays(self) -> list[Stray]:
        """Files that nobody will find: their names are none of versions, or their folders none of prompts."""
        found = []
        for path in sorted(self.path.glob(f"*/*{SUFFIX}")) + sorted(self.path.glob(f"*{SUFFIX}")):
            if path.parent == self.path:
                found.append(Stray(path, "it is in no folder of a prompt"))
            elif parse_version(path.stem) is None:
                found.append(Stray(path, "a version's file is called v1.prompt, v2.prompt …"))
            elif not _is_name(path.parent.name):
                found.append(Stray(path, "its folder has no name of a prompt"))
        return found

    def file(self, name: str, version: int) -> Path:
        """Where a version is, or would be."""
        return self.path / name / f"v{version}{SUFFIX}"

    def lock_file(self) -> Path:
        return self.path / FILE

    def lock_text(self) -> str:
        """The text of the lock, empty if there is none. Raises PromptInvalid for what is no text."""
        try:
            data = self.lock_file().read_bytes()
            if len(data) > LARGEST_LOCK:
                raise PromptInvalid(f"{FILE} has more than {LARGEST_LOCK:,} bytes.", remedy="Is it a lock?")
            return data.decode("utf-8")
        except FileNotFoundError:
            return ""
        except NotADirectoryError:
            raise PromptInvalid(f"{self.path} is no folder.", remedy="Name a folder as `[prompts] folder`.") from None
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise PromptInvalid(
                f"{FILE} can't be read: {why}.", remedy=f"Restore it: git checkout -- {self.shown_lock}."
            ) from None

    def lock(self) -> Lock:
        """What the lock says; read again when it has changed."""
        try:
            state = self.lock_file().stat()
            stamp = (state.st_mtime_ns, state.st_size)
        except OSError:
            stamp = (0, 0)
        if self._lock is None or self._lock[0] != stamp:
            self._lock = (stamp, read_lock(self.lock_text()))
        return self._lock[1]

    def load(self, ref: Ref | str) -> Prompt:
        """`NAME@vN`, locked and verified, or `NAME@candidate`.

        Raises PromptNotFound, PromptChanged, and PromptInvalid for a file that can't be used.
        """
        wanted = parse_ref(ref) if isinstance(ref, str) else ref
        if wanted.version is None:
            if wanted.label != CANDIDATE:
                raise PromptNotFound(
                    f"Where {wanted} points to is not in files: labels are in the database.",
                    facts={"prompt": wanted.name, "label": wanted.label},
                    remedy=f"Name a version ({wanted.name}@v1), or {wanted.name}@{CANDIDATE} for the newest file.",
                )
            found = self.newest(wanted.name)
        else:
            found = self.find(wanted.name, wanted.version)
        if found is None:
            raise self._not_found(wanted)
        return found

    def find(self, name: str, version: int) -> Prompt | None:
        """A locked version, verified; None if there is neither a file nor a line of it.

        Raises PromptNotFound for a draft and for a file that is gone, PromptChanged, PromptInvalid.
        """
        if (known := self._verified.get((name, version))) is not None:
            return known
        if self._only is not None and name not in self._only:
            return None
        locked = self.lock().find(name, version)
        data = self._data(name, version)
        if locked is None and data is None:
            return None
        if locked is None:
            raise PromptNotFound(
                f"{name}@v{version} is a draft: it is not locked.",
                facts={"prompt": f"{name}@v{version}"},
                remedy=f"`aikit prompt lock {name}` locks it; until then it is {name}@{CANDIDATE}, in evals and dev.",
            )
        if data is None:
            raise PromptNotFound(
                f"{locked.id} is locked, but its file is gone.",
                facts={"prompt": locked.id, "sha256": locked.sha256},
                remedy=f"Restore it: git checkout -- {self.shown(name, version)}.",
            )
        self._verified[name, version] = found = self._verify(locked, data)
        return found

    def candidate(self, name: str) -> Prompt:
        """The newest version, locked or not. Raises PromptNotFound, PromptChanged, PromptInvalid."""
        return self.load(Ref(name, label=CANDIDATE))

    def newest(self, name: str) -> Prompt | None:
        """The same, but None if there is none."""
        versions = self.versions(name)
        if not versions:
            return None
        if self.lock().find(name, versions[-1]):
            return self.find(name, versions[-1])
        return self.draft(name, versions[-1])

    def draft(self, name: str, version: int) -> Prompt:
        """A file as it is now, whatever the lock says. Raises PromptNotFound, PromptInvalid."""
        data = self._data(name, version)
        if data is None:
            raise self._not_found(Ref(name, version=version))
        return read_prompt(data, name, version, where=self.shown(name, version))

    @property
    def shown_lock(self) -> str:
        """The lock's name for people, likewise."""
        return f"{self.path.name}/{FILE}"

    def shown(self, name: str, version: int) -> str:
        """A file's name for people, without where the folder is."""
        return f"{self.path.name}/{name}/v{version}{SUFFIX}"

    def _verify(self, locked: Locked, data: bytes) -> Prompt:
        found = read_prompt(data, locked.name, locked.version, where=self.shown(locked.name, locked.version))
        if found.sha256 != locked.sha256:
            raise changed(locked, found.sha256, self.shown(locked.name, locked.version))
        return found

    def _data(self, name: str, version: int) -> bytes | None:
        check_name(name)
        try:
            with self.file(name, version).open("rb") as file:
                return file.read(LARGEST + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise PromptInvalid(
                f"{self.shown(name, version)} can't be read: {error.strerror}.", remedy="Check the file's rights."
            ) from None

    def _files(self, name: str = "*") -> Iterator[tuple[str, int, Path]]:
        if name != "*":
            check_name(name)
        for path in self.path.glob(f"{name}/v*{SUFFIX}"):
            version = parse_version(path.stem)
            found = path.parent.name
            if version is not None and _is_name(found) and (self._only is None or found in self._only):
                yield found, version, path

    def _not_found(self, ref: Ref) -> PromptNotFound:
        versions, names = self.versions(ref.name), self.names()
        if versions:
            known = f"There is {', '.join(f'v{version}' for version in versions[-10:])}."
        else:
            known = closest(ref.name, names).strip() or (
                f"There is {', '.join(names[:20])}." if names else f"`aikit prompt new {ref.name}` begins one."
            )
        return PromptNotFound(
            f"There is no prompt {ref} in {self.path.name}/.", facts={"prompt": str(ref)}, remedy=known
        )


class PromptFolders:
    """Several folders as one: a name belongs to the first that has it, with all of its versions."""

    def __init__(self, folders: Sequence[PromptFolder]) -> None:
        self.folders = tuple(folders)

    def names(self) -> list[str]:
        return sorted({name for folder in self.folders for name in folder.names()})

    def of(self, name: str) -> PromptFolder:
        """The folder that a name belongs to; the first one if none has it."""
        return next((folder for folder in self.folders if _has(folder, name)), self.folders[0])

    def find(self, name: str, version: int) -> Prompt | None:
        return self.of(name).find(name, version)

    def newest(self, name: str) -> Prompt | None:
        return self.of(name).newest(name)

    def load(self, ref: Ref | str) -> Prompt:
        wanted = parse_ref(ref) if isinstance(ref, str) else ref
        return self.of(wanted.name).load(wanted)


def changed(locked: Locked, sha256: str, shown: str) -> PromptChanged:
    """The error for a file that is not what was locked."""
    return PromptChanged(
        f"{shown} is not what was locked as {locked.id}.",
        facts={"prompt": locked.id, "locked": locked.sha256, "found": sha256},
        remedy=f"A version never changes: restore it (git checkout -- {shown}), and make the change in a new version "
        f"(aikit prompt new {locked.name}).",
    )


def _has(folder: PromptFolder, name: str) -> bool:
    return bool(folder.lock().of(name)) or bool(folder.versions(name))


def _is_name(text: str) -> bool:
    try:
        return bool(check_name(text))
    except PromptError:
        return False
