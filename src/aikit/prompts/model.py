"""A prompt: what one version of it is, what it renders to, and how it is referred to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aikit.types import PromptId


class Ref(NamedTuple):
    """A reference: `summarize@v3` has a version, `summarize@production` a label."""

    name: str
    version: int | None = None
    label: str | None = None

    def __str__(self) -> str:
        return f"{self.name}@{self.label if self.version is None else f'v{self.version}'}"


class Block(NamedTuple):
    """A part of a prompt's body: the template of one message. `line` is where it begins in its file, from 1."""

    role: str
    template: str
    line: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """One version of a prompt; its content never changes.

    `source` is the whole file with LF line ends, `sha256` its hash in hexadecimal. `inputs` and `output` are JSON
    Schemas. `model` is `provider/model` or `routes.NAME`; `parameters` are those of `AIKit.complete` (`max_tokens`,
    `temperature`), `extra` included.
    """

    name: str
    version: int
    sha256: str
    source: str
    description: str
    blocks: tuple[Block, ...]
    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] | None = None
    tags: tuple[str, ...] = ()

    @property
    def id(self) -> PromptId:
        return PromptId(f"{self.name}@v{self.version}", self.sha256)


class RenderedMessage(NamedTuple):
    """One message. Roles: system, user, assistant."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt filled in, ready for `AIKit.complete` or for any client.

    For a client of an SDK pass `headers` along as its `extra_headers`: they say which version was used, and are never
    sent on.
    """

    prompt: Prompt
    parts: tuple[RenderedMessage, ...]

    @property
    def id(self) -> PromptId:
        return self.prompt.id

    @property
    def messages(self) -> list[dict[str, str]]:
        """All messages as the OpenAI APIs take them, the system's included."""
        return [{"role": part.role, "content": part.text} for part in self.parts]

    @property
    def system(self) -> str | None:
        """The system messages as one text; None if there are none."""
        return "\n\n".join([part.text for part in self.parts if part.role == "system"]) or None

    @property
    def turns(self) -> list[dict[str, str]]:
        """The messages without the system's, as the Anthropic API takes them beside `system`."""
        return [message for message in self.messages if message["role"] != "system"]

    @property
    def headers(self) -> dict[str, str]:
        """Our request header that names the version."""
        return {PROMPT_HEADER: f"{self.id.id} {self.id.sha256}"}


PROMPT_HEADER = "x-aikit-prompt"
