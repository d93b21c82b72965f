"""Finds a version of a prompt: as it was published, or in a file. Nowhere else is the text of a prompt kept."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from aikit.console.details.words import gone
from aikit.errors import AIKitError, PromptError
from aikit.ledger.prompts import Published, list_published
from aikit.ledger.reading import Readable
from aikit.prompts.folder import PromptFolder, PromptFolders
from aikit.prompts.model import Prompt
from aikit.prompts.reading import read_prompt
from aikit.prompts.refs import parse_version
from aikit.prompts.shipped import shipped, with_shipped


class Version(NamedTuple):
    """A version of a prompt, and where it is from. `published` None: it is only in a file. `prompt` None: it is
    published, but this version of aikit can't read it; `wrong` says why.
    """

    prompt: Prompt | None
    published: Published | None
    whence: str
    wrong: str = ""


def split_id(id: str) -> tuple[str, int]:
    """The name and the version of `summarize@v3`. Raises AIKitError for anything else."""
    name, _, rest = id.rpartition("@")
    version = parse_version(rest)
    if not name or version is None:
        raise gone(f"{id[:80]} is no version of a prompt.", "Versions are called summarize@v3.")
    return name, version


def find_version(database: Readable, prompts: Path | None, name: str, version: int) -> Version | None:
    """A version as it was published, else as it is in a file of the application or of the kit; None: it is kept
    nowhere.
    """
    published = next((one for one in list_published(database, name) if one.version == version), None)
    if published is not None:
        try:
            return Version(read_prompt(published.source, name, version), published, "published")
        except PromptError as error:
            return Version(None, published, "published", error.message)
    folders = PromptFolders([shipped()]) if prompts is None else with_shipped(prompts)
    try:
        own = folders.of(name)
        return _in_file(own, name, version)
    except PromptError:
        return None


def must_find(database: Readable, prompts: Path | None, id: str) -> Prompt:
    """The same for a version that has to be there. Raises AIKitError."""
    name, version = split_id(id)
    found = find_version(database, prompts, name, version)
    if found is None:
        raise _kept_nowhere(id)
    if found.prompt is None:
        raise gone(f"{id[:80]} can't be read: {found.wrong}", "Use the version of aikit that published it.")
    return found.prompt


def _in_file(own: PromptFolder, name: str, version: int) -> Version:
    """Raises PromptError for a file that is not there or can't be used."""
    locked = own.lock().find(name, version) is not None
    found = own.find(name, version) if locked else own.draft(name, version)
    return Version(found, None, f"{own.shown(name, version)}, {'locked' if locked else 'a draft'}")


def _kept_nowhere(id: str) -> AIKitError:
    name = id.rpartition("@")[0]
    return gone(
        f"What {id[:80]} says is not kept: it is not published, and in no file here.",
        f"Publish it where its file is: aikit prompt publish {name[:80]}.",
    )
