"""What a scorer is, and what it may use: the case, the answer, and a context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aikit.evals.model import Case, ModelAnswer, Models, Score
from aikit.prompts.model import Prompt, Ref


class Prompts(Protocol):
    """Where judges' prompts are found: `PromptFolder`, `PromptFolders` (`shipped.with_shipped`)."""

    def load(self, ref: Ref | str) -> Prompt:
        """Raises PromptError."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a scorer may use. `answer` is all that is known of the call; None if nothing is. It names no model where a
    target of one's own answered.

    `trial` counts from 0: a judge is asked anew for each trial.
    """

    models: Models
    prompts: Prompts
    answer: ModelAnswer | None = None
    trial: int = 0


class Unscored(Exception):
    """There is no score, and why; its text is for people."""


class Worthless(Exception):
    """The answer does not have what is looked at, such as a field of its JSON: it scores 0, and the text says why."""


class Scorer(Protocol):
    """Looks at one answer. For several trials at once."""

    async def score(self, case: Case, output: str, context: Context) -> Score:
        """Raises Worthless, which is a score, and Unscored or whatever else goes wrong, which is an error."""


Options = Mapping[str, Any]
