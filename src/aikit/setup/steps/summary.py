"""What to do next, once all is set up."""

from __future__ import annotations

from aikit.setup.model import Check, Place, Row
from aikit.setup.place import SIMULATOR, chosen
from aikit.setup.simulated import PORT, port_of
from aikit.setup.steps.base import Looking, ok


class Summary(Looking):
    """The next three commands. There is nothing to be done about it."""

    name = "summary"
    title = "next"
    needs = ("call",)

    def look(self, place: Place) -> Check:
        return ok("", next=[command for command, _ in next_commands(place)])

    def describe(self, place: Place) -> list[Row]:
        return [Row(command, what) for command, what in next_commands(place)]


def next_commands(place: Place) -> list[tuple[str, str]]:
    """Three commands, each with what it is for."""
    provider = chosen(place)
    simulated = provider is not None and provider.name == SIMULATOR
    port = port_of(place.settings) or PORT
    first = (f"aikit sim --port {port}", "start the simulated provider again") if simulated else None
    return [
        *([first] if first else []),
        ("aikit spend", "what was spent, and on what"),
        ("aikit calls list", "the calls one by one"),
        ("aikit policy diff policies.toml", "after an edit: what would change; then `aikit policy apply`"),
    ][:3]
