"""`aikit init`: from an empty directory to a metered call."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.options import Json
from aikit.cli.output import emit_json, note
from aikit.errors import AIKitError, ConfigError, Exit

if TYPE_CHECKING:
    from aikit.cli.init_words import Screen
    from aikit.setup.model import Check, Choices, Place
    from aikit.setup.planning import Done, Plan

LONGEST_KEY = 100_000


def init(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing; what is missing ends it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    provider: Annotated[str | None, typer.Option(metavar="NAME", help="The provider to call.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Its model, instead of the cheapest.")] = None,
    database_url: Annotated[
        str | None, typer.Option(metavar="URL", help="A PostgreSQL of yours; goes to .env.")
    ] = None,
    tenant: Annotated[str, typer.Option(metavar="NAME", help="The first tenant.")] = "default",
    cap_usd: Annotated[
        str | None, typer.Option(metavar="USD", help="What it may spend a day; 5.00 if it has no cap.")
    ] = None,
    key_stdin: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="Read this key from stdin, and keep it in .env.")
    ] = None,
    no_agent: Annotated[bool, typer.Option("--no-agent", help="No model helps.")] = False,
    agent_cap_usd: Annotated[
        str | None, typer.Option(metavar="USD", help="What the model that helps may spend; 0.25.")
    ] = None,
    simulator: Annotated[
        bool, typer.Option("--simulator", help="The simulated provider: no key, no bill, no meaning.")
    ] = False,
    folder: Annotated[Path | None, typer.Option(metavar="DIR", help="Set up this folder.")] = None,
    json: Json = False,
) -> None:
    """Set up a project: files, key, database, a safe cap, and one metered call.

    It looks around, shows a plan, and asks once. What is there is kept; run again, it goes on where it stopped.
    """
    from aikit.cli.init_words import Screen
    from aikit.setup.model import Choices
    from aikit.setup.place import open_place

    choices = Choices(
        provider, model, database_url, tenant, cap_usd or "5.00", cap_stated=cap_usd is not None, simulator=simulator
    )
    _check(choices, folder)
    if agent_cap_usd is not None:
        from aikit.setup.agent.metering import cap_of

        cap_of(agent_cap_usd)
    place = open_place(folder, choices)
    if key_stdin is not None:
        _take_key(place, key_stdin)
    from aikit.cli.init_asking import can_ask

    asking = can_ask() and not no_input and not dry_run
    screen = Screen(json=json)
    try:
        with ExitStack() as stack:
            _Run(place, screen, stack, yes, asking, dry_run, json, no_agent or no_input, agent_cap_usd).run()
    except (KeyboardInterrupt, EOFError):
        note("Interrupted. What was done so far stays; `aikit init` goes on from there.")
        raise typer.Exit(Exit.INTERRUPTED) from None


class _Run:
    """One run: look, plan, agree, apply."""

    def __init__(self, place: Place, screen: Screen, stack: ExitStack, yes: bool, asking: bool, dry_run: bool,
                 json: bool, no_agent: bool, agent_cap_usd: str | None) -> None:  # fmt: skip
        self.place, self.screen, self.stack = place, screen, stack
        self.yes, self.asking, self.dry_run, self.json, self.no_agent = yes, asking, dry_run, json, no_agent
        self.agent_cap_usd = agent_cap_usd
        self.done: list[Done] = []

    def run(self) -> None:
        self.screen.line("aikit init · looking around (nothing is written yet)", "bold")
        plan = self._look()
        if self.asking and self._ask_for_what_is_missing(plan):
            plan = self._look()
        self.screen.plan(plan)
        if self._nothing_can_be_done(plan) or self.dry_run:
            self._end(plan, self._stopped(plan))
        elif plan.to_apply:
            if self._agree(plan):
                self._end(plan, self._apply(plan))
            else:
                self._led()
        else:
            self.screen.line("All is set up; there was nothing to do.")
            self._end(plan, None)

    def _look(self) -> Plan:
        from aikit.setup.planning import detect, settle_on_provider

        self._have_simulator()
        with self.screen.working("looking around"):
            plan = detect(self.place)
            if settle_on_provider(self.place, plan):
                plan = detect(self.place)
        return plan

    def _have_simulator(self) -> None:
        """It runs while we do, if it is what will be called, and does not run already. Nothing is written for it."""
        from aikit.setup.place import SIMULATOR, chosen
        from aikit.setup.simulated import port_of, standing_in

        choices = self.place.choices
        try:
            provider = chosen(self.place)
            if not (choices.simulator or (provider and provider.name == SIMULATOR)):
                return
            configured = port_of(self.place.settings)
        except AIKitError:
            return  # the plan says what is wrong
        if "simulator.port" in choices.settings:
            return
        url = self.stack.enter_context(standing_in(configured))
        choices.simulator = True
        choices.settings["simulator.port"] = url.rsplit(":", 1)[1]

    def _ask_for_what_is_missing(self, plan: Plan) -> bool:
        """Ask for a key where there is none, or where the provider refused it. True: something was answered."""
        from aikit.cli.init_asking import REFUSED, ask_for_key, ask_for_provider

        if self.place.choices.simulator:
            return False
        keys = plan.found("keys")
        if keys is not None and keys.exit is Exit.CREDENTIALS and keys.state == "missing":
            if self.place.choices.keys:
                return False
            if self.place.choices.provider is not None:
                return ask_for_key(self.place, self.place.settings.provider(self.place.choices.provider))
            ask_for_provider(self.place)
            return True
        stop = plan.stop
        if stop is None or stop.check.facts.get("problem") not in REFUSED:
            return False
        provider = self.place.settings.provider(stop.step.name.removeprefix("reach:"))
        if provider.api_key_env is None or self.place.environ.get(provider.api_key_env):
            return False  # the environment goes before .env: another key there would not be used
        note(f"✗ {stop.check.why}")
        return ask_for_key(self.place, provider)

    def _nothing_can_be_done(self, plan: Plan) -> bool:
        return self._missing_key(plan) is not None or (plan.stop is not None and not plan.to_apply)

    def _missing_key(self, plan: Plan) -> Check | None:
        """Without any key nothing else is begun."""
        keys = plan.found("keys")
        unset = keys is not None and keys.state == "missing" and not self.place.choices.keys
        return keys if unset else None

    def _stopped(self, plan: Plan) -> Check | None:
        stop = plan.stop
        return self._missing_key(plan) or (stop.check if stop else None)

    def _led(self) -> None:
        """Let a model lead, then go on with what is left of the plan, without it."""
        from aikit.cli.init_end import lead

        lead(self.place, self.yes, self.agent_cap_usd)
        self._again()

    def _again(self) -> None:
        self.no_agent = True
        self.place.reload()
        self.done.clear()
        self.run()

    def _agree(self, plan: Plan) -> bool:
        """False: a model shall lead. Whoever wants neither ends it."""
        from aikit.cli.init_asking import agree
        from aikit.cli.init_end import can_lead

        count = len(plan.to_apply)
        if not self.yes:
            if not self.asking:
                raise ConfigError(
                    "Nothing was changed: there is nobody to ask.",
                    remedy="Add --yes to do it without asking. --dry-run only shows what would be done.",
                )
            agent = not self.no_agent and can_lead(self.place)
            answer = agree(f"Apply {'this step' if count == 1 else f'these {count} steps'}?", agent=agent)
            if answer == "agent":
                return False
            if answer == "no":
                note("Nothing was changed.")
                raise typer.Exit(Exit.NO)
        self.place.choices.gitignore = True  # the plan has said so, if there is anything to it
        return True

    def _apply(self, plan: Plan) -> Check | None:
        """Returns what failed."""
        from aikit.setup.planning import apply

        steps = apply(plan, self.place)
        while True:
            with self.screen.working("at work"):
                done = next(steps, None)
            if done is None:
                return None
            self.done.append(done)
            if done.step.name != "summary":
                self.screen.done(done)
            if not done.check.ok and not done.minor:
                return done.check

    def _end(self, plan: Plan, failed: Check | None) -> None:
        from aikit.cli.init_end import data, offer

        if self.json:
            emit_json("init", *data(self.place, plan, self.done, failed, self.dry_run))
        if failed is None and not self.dry_run and not self.json:
            from aikit.setup.steps import named

            summary = named("summary", self.place)
            assert summary is not None
            self.screen.next(tuple(summary.describe(self.place)))
        if self.asking and not self.json:
            led = offer(self.place, failed, agent=not self.no_agent, yes=self.yes, agent_cap_usd=self.agent_cap_usd)
            if led and failed is not None:
                self._again()
                return
        if failed is not None:
            raise _Failed(failed)


class _Failed(AIKitError):
    """What a step came to, as the error of the command."""

    def __init__(self, check: Check) -> None:
        super().__init__(check.why if check.why.endswith(".") else f"{check.why}.", remedy=check.remedy)
        self.exit = check.exit


def _check(choices: Choices, folder: Path | None) -> None:
    """Raises ConfigError for what can't be used."""
    from aikit.money import parse_usd
    from aikit.types import check_tag

    try:
        check_tag("tenant", choices.tenant)
        parse_usd(choices.cap_usd)
    except ValueError as error:
        raise ConfigError(f"{error}.", remedy="See aikit init --help.") from None
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"{folder} is no folder.", remedy=f"Make it first: mkdir -p {folder}")


def _take_key(place: Place, variable: str) -> None:
    """Raises ConfigError if stdin has no key, or no provider has such a variable."""
    from aikit.setup.place import DATABASE_URL
    from aikit.setup.secrets import cleaned, misgivings

    named = {each.api_key_env: each for each in place.settings.providers.values() if each.api_key_env}
    if variable not in named and variable != DATABASE_URL:
        raise ConfigError(
            f"No provider's key is called {variable!r:.60}.",
            remedy=f"It may be {', '.join(named)} or {DATABASE_URL}; another provider is added to aikit.toml first.",
        )
    if sys.stdin.isatty():
        from aikit.cli.init_asking import Terminal

        key = cleaned(Terminal().read_hidden(f"{variable} (it is not shown):"))
    else:
        key = cleaned(os.fdopen(os.dup(sys.stdin.fileno()), "rb").read(LONGEST_KEY).decode(errors="replace"))
    if not key:
        raise ConfigError(f"There was no {variable} on stdin.", remedy="aikit init --yes --key-stdin NAME < FILE")
    if variable == DATABASE_URL:
        place.choices.database_url = key
    else:
        provider: Any = named[variable]
        if doubt := misgivings(variable, provider.kind if provider.native else "", key):
            note(f"! {doubt}")
        place.choices.keys[variable] = key
    place.reload()
