"""The terminal's side of the set-up agent: its words are set apart from ours, so that none can pass for ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikit.cli.init_asking import Terminal, can_ask
from aikit.cli.output import console, note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aikit.setup.agent.model import Outcome
    from aikit.setup.agent.person import Ui
    from aikit.setup.agent.situation import StepsOf
    from aikit.setup.model import Place, Step

MARGIN = "agent │ "
NARROWEST = 20


class AgentTerminal(Terminal):
    """Speaks on stderr and reads from stdin. `interactive`: both are terminals, unless it is said otherwise."""

    def __init__(self, *, interactive: bool | None = None) -> None:
        self.interactive = can_ask() if interactive is None else interactive

    def say(self, text: str) -> None:
        """Plain text in a margin; long lines are broken, so that the margin is before each of them."""
        from rich.text import Text

        out = console(stderr=True)
        width = max(NARROWEST, out.width - len(MARGIN) - 1)
        for line in text.split("\n"):
            for part in Text(line).wrap(out, width) or [Text("")]:
                note(f"{MARGIN}{part.plain}".rstrip())


def lead(
    place: Place,
    steps: Sequence[Step] | StepsOf | None = None,
    ui: Ui | None = None,
    *,
    yes: bool = False,
    cap_usd: str | None = None,
) -> Outcome:
    """Let a model lead through the steps (all of the place's, if none are given) at this terminal.

    Raises ConfigError for a cap that is none.
    """
    from aikit.setup.agent import session
    from aikit.setup.steps import steps_of

    return session.lead(place, steps or steps_of, ui or AgentTerminal(), yes=yes, cap_usd=cap_usd)
