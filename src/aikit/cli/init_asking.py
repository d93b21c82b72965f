"""What `aikit init` asks a person: which provider, its key at a hidden prompt, and whether to go on."""

from __future__ import annotations

import getpass
import sys
import warnings
from typing import TYPE_CHECKING, Literal

import typer

from aikit.cli.output import note, visible
from aikit.errors import ConfigError
from aikit.setup.secrets import cleaned, misgivings, shown

if TYPE_CHECKING:
    from aikit.config import Provider
    from aikit.setup.model import Place

ANSWERS: dict[str, Literal["yes", "no", "agent"]] = {
    **dict.fromkeys(("", "y", "yes"), "yes"),
    **dict.fromkeys(("n", "no"), "no"),
    "a": "agent",
}
TRIES = 3
REFUSED = ("401", "403", "key")
"""Problems with a provider that another key may end."""
SIMULATED = "the simulated provider: no key, no bill, made-up answers"


class Terminal:
    """The person at the terminal; the agent speaks with them through it, too."""

    interactive = True

    def say(self, text: str) -> None:
        for line in text.splitlines():
            note(f"agent │ {line}")

    def note(self, text: str) -> None:
        for line in text.splitlines():
            note(line)

    def read(self, prompt: str) -> str:
        sys.stderr.write(f"{visible(prompt)} ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\r\n")

    def read_hidden(self, prompt: str) -> str:
        """Raises EOFError, and ConfigError if the terminal would show what is typed."""
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            try:
                return getpass.getpass(f"{visible(prompt)} ", stream=sys.stderr)
            except getpass.GetPassWarning:
                raise ConfigError(
                    "This terminal would show what is typed, so no key was asked for.",
                    remedy="Give it on stdin: aikit init --yes --key-stdin NAME < FILE",
                ) from None


def can_ask() -> bool:
    """Whether somebody is there who can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def agree(question: str, *, agent: bool = False) -> Literal["yes", "no", "agent"]:
    """Whether to do it; or, where a model can lead, whether it shall."""
    if not agent:
        return "yes" if typer.confirm(visible(question), default=True, err=True) else "no"
    while True:
        answer = Terminal().read(f"{question} [Y/n, a: the set-up agent leads]:").strip().casefold()
        if answer in ANSWERS:
            return ANSWERS[answer]
        note("  y, n or a.")


def ask_for_provider(place: Place) -> None:
    """Ask which provider to use and, at a hidden prompt, for its key; or let the simulator stand in."""
    providers = [each for each in place.settings.providers.values() if each.api_key_env]
    if place.choices.provider is not None:
        providers = [each for each in providers if each.name == place.choices.provider]
    note("No provider has a key here. Which one shall be used?")
    for number, provider in enumerate(providers, 1):
        note(f"  {number}  {provider.name} (asks for {provider.api_key_env})")
    note(f"  {len(providers) + 1}  {SIMULATED}")
    chosen = _number("Number", len(providers) + 1)
    if chosen > len(providers) or not ask_for_key(place, providers[chosen - 1]):
        place.choices.simulator, place.choices.provider = True, None


def ask_for_key(place: Place, provider: Provider) -> bool:
    """Ask for the key until the provider takes it, three times at most; the last one is kept. False: none was given."""
    from aikit.setup.steps import named

    variable = provider.api_key_env
    assert variable is not None
    for left in reversed(range(TRIES)):
        key = cleaned(Terminal().read_hidden(f"{variable} (it is not shown; Enter for none):"))
        if not key:
            place.choices.keys.pop(variable, None)
            place.reload()
            return False
        if doubt := misgivings(variable, provider.kind if provider.native else "", key):
            note(f"  ! {doubt}")
        place.choices.keys[variable], place.choices.provider = key, provider.name
        place.reload()
        reach = named(f"reach:{provider.name}", place)
        assert reach is not None
        found = reach.check(place)
        if found.ok:
            note(f"  ✓ {variable} {shown(key)}: {found.why}")
            return True
        note(f"  ✗ {found.why}")
        if found.facts.get("problem") not in REFUSED or not left:
            return True
    return True


def _number(question: str, last: int) -> int:
    while True:
        typed = typer.prompt(f"{question} [1-{last}]", default=str(last), show_default=True, err=True)
        if typed.strip().isdecimal() and 1 <= int(typed) <= last:
            return int(typed)
        note(f"  A number from 1 to {last}.")
