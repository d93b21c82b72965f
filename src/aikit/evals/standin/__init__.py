"""A stand-in for a model: it answers the kit's own prompts by rules, and always says the same to the same.

It is there so that recordings can be made without a key. They show that everything works, and nothing of a model. What
it does follows from what a prompt says, not from what the prompt is called.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from aikit.evals.standin import claims, judge, summary, verdict


class Asked(Protocol):
    """What is used of a request to the simulator."""

    @property
    def prompt(self) -> str: ...

    @property
    def last_user_text(self) -> str: ...


def answering(ask: Asked) -> str | None:
    """The answer to a request that was made with one of the kit's prompts; None for any other, or if it is garbled."""
    told = ask.prompt.removesuffix(ask.last_user_text)
    for asked, answer in _KINDS:
        if asked.search(told):
            try:
                return answer(told, ask.last_user_text)
            except ValueError:
                return None
    return None


_KINDS: tuple[tuple[re.Pattern[str], Callable[[str, str], str]], ...] = tuple(
    [(kind.ASKED, kind.answer) for kind in (claims, verdict, judge, summary)]
)
"""What tells a kind of prompt by what it says, and what answers it, given that and the user's message."""
