"""A stand-in for a model that answers the kit's own prompts the way one might, by rules that always say the same.

It is there so that recordings can be made without a key: it shows that everything works, and nothing of a model. What
it does follows from what the prompt says, not from what it is called.
"""

from __future__ import annotations

from typing import Protocol


class Asked(Protocol):
    """What is used of a request to the simulator."""

    @property
    def prompt(self) -> str: ...

    @property
    def last_user_text(self) -> str: ...


def answering(ask: Asked) -> str | None:
    """The answer to a request that is made with one of the prompts; None for any other."""
    return None
