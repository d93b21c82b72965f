"""What `aikit.toml` and the folder of prompts say about a project that is looked at."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aikit.config.settings import stated
from aikit.lint.model import CONFIGURATION, TESTS, Project
from aikit.prompts.refs import closest

if TYPE_CHECKING:
    from aikit.prompts.folder import PromptFolders


def read_project(config: Path | None = None) -> tuple[Project, Path]:
    """The project of the nearest `aikit.toml`, and its folder. Only files are read: no variable, no key, no ledger.

    Raises ConfigError, and PromptInvalid for a lock that can't be read.
    """
    file, path = stated(config)
    root = (path.parent if path else Path.cwd()).absolute()
    keys, hosts = set(), set()
    for table in file.providers.values():
        if isinstance(name := table.get("api_key_env"), str):
            keys.add(name)
        if isinstance(url := table.get("base_url"), str) and (host := _host(url)) is not None:
            hosts.add(host)
    lint = file.lint
    project = Project(
        exclude=tuple(lint.exclude),
        configuration=(*CONFIGURATION, *lint.configuration),
        tests=(*TESTS, *lint.tests),
        default_tenant_ok=lint.default_tenant_ok,
        key_names=frozenset(keys),
        hosts=frozenset(hosts),
        missing=Known(root / Path(file.prompts.folder).expanduser()),
    )
    return project, root


class Known:
    """Says what is wrong with the name or the version of a prompt: it is neither locked, nor a file, nor shipped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions: dict[str, frozenset[int]] = {}

    @cached_property
    def _folders(self) -> PromptFolders:
        """What reads prompts is loaded when there is a reference to one."""
        from aikit.prompts.shipped import with_shipped

        return with_shipped(self._folder)

    def __call__(self, name: str, version: int | None) -> str | None:
        versions = self._of(name)
        if not versions:
            return f"There is no prompt {name}.{closest(name, self._folders.names())}"
        if version is not None and version not in versions:
            newest = max(versions)
            return f"There is no {name}@v{version}; the newest is {name}@v{newest}."
        return None

    def _of(self, name: str) -> frozenset[int]:
        known = self._versions.get(name)
        if known is None:
            folder = self._folders.of(name)
            locked = [line.version for line in folder.lock().of(name)]
            known = self._versions[name] = frozenset([*folder.versions(name), *locked])
        return known


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        if parts.hostname is None:
            return None
        return parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    except ValueError:
        return None
