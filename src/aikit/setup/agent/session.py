"""A session with the agent from end to end: what leads, in whose name, with which words; and what is said about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aikit.errors import AIKitError, PromptNotFound
from aikit.money import format_usd
from aikit.prompts.model import Rendered
from aikit.prompts.rendering import render
from aikit.prompts.shipped import shipped
from aikit.setup.agent.acting import Toolbox
from aikit.setup.agent.bounds import Bounds
from aikit.setup.agent.caps import Caps, LedgerCaps
from aikit.setup.agent.line import Line, leading
from aikit.setup.agent.loop import Keep, Loop
from aikit.setup.agent.metering import TENANT, cap_of, open_metered, settle_in
from aikit.setup.agent.model import End, Outcome
from aikit.setup.agent.person import Person, Ui
from aikit.setup.agent.redacting import Redactor
from aikit.setup.agent.situation import StepsOf, looked_at_all, situation
from aikit.setup.agent.transcript import Transcript
from aikit.setup.model import Place, Step

if TYPE_CHECKING:
    from aikit.config import Provider
    from aikit.kit import AIKit

PROMPT, VERSION = "setup_agent", 2
LABELLED = f"{PROMPT}@production"


def lead(
    place: Place,
    steps: Sequence[Step] | StepsOf,
    ui: Ui,
    *,
    yes: bool = False,
    cap_usd: str | None = None,
    bounds: Bounds | None = None,
    caps: Caps | None = None,
) -> Outcome:
    """Let a model lead through the steps. Whatever goes wrong is said, and is an outcome: the plan can take over.

    `steps` may be a function, for steps that depend on what is set. `yes`: what the tools allow needs no confirmation.
    `cap_usd`: what the agent may spend, $0.25 if None. Raises ConfigError for a cap that is none.
    """
    cap, redactor = cap_of(cap_usd), Redactor()
    redactor.learn_place(place)
    bounds = bounds or Bounds(cap)
    person = Person(ui, redactor, yes=yes, waiting=bounds.waiting)
    session = Session(
        place, steps if callable(steps) else lambda _: steps, person, redactor, bounds, caps or LedgerCaps(place)
    )
    outcome = session.run(cap, stated=cap_usd is not None)
    if outcome.transcript is not None:
        person.note(f"Spent {format_usd(outcome.spent_nano)}. What was said is in {outcome.transcript}.")
    if outcome.end is not End.DONE:
        person.note(f"{_sentence(outcome.why)} The plan without an agent goes on from here.")
    elif outcome.open:
        person.note(f"Not in order yet: {', '.join(outcome.open)}.")
    return outcome


@dataclass(frozen=True, slots=True)
class Session:
    """What a session is made of."""

    place: Place
    steps_of: StepsOf
    person: Person
    redactor: Redactor
    bounds: Bounds
    caps: Caps

    def run(self, cap: int, *, stated: bool) -> Outcome:
        """Open the ledger, and lead. What can't be opened is an outcome, too."""
        try:
            provider, model = leading(self.place)
            kit, instead = open_metered(self.place)
        except AIKitError as error:
            return self._none(error.message)
        except Exception as error:  # a broken project must not keep the plan from mending it
            return self._none(f"{type(error).__name__} at opening the ledger")
        with kit:
            if instead:
                self.person.note(f"The agent's calls are metered in the embedded database: {instead}")
            try:
                self.bounds.money_nano = settle_in(kit.database, cap, stated=stated)
                return self._led(kit, provider, model)
            except AIKitError as error:
                return self._none(error.message)

    def _led(self, kit: AIKit, provider: Provider, model: str) -> Outcome:
        steps = self.steps_of(self.place)
        told = situation(self.place, steps, looked_at_all(steps, self.place), self.redactor)
        rendered = _prompt(kit, {"situation": told})
        line = Line(kit, provider, model, rendered, lambda cost: self.bounds.spend(cost.nano, cost.tokens))
        transcript = _transcript(self.place, self.redactor)
        self.person.note(
            f"{line.name} leads, as the tenant {TENANT}, for {format_usd(self.bounds.money_nano)} at most. "
            "It sees how the steps stand and what you type, never keys or files. Enter goes on, q leaves."
        )
        try:
            outcome = self._talk(line, rendered, transcript.keep if transcript else _nowhere)
        finally:
            line.close()
            if transcript is not None:
                transcript.close()
        return replace(outcome, transcript=transcript.path if transcript else None, open=self._open(outcome))

    def _talk(self, line: Line, rendered: Rendered, keep: Keep) -> Outcome:
        keep("begin", model=line.name, prompt=rendered.id.id, steps=[step.name for step in self.steps_of(self.place)])
        toolbox = Toolbox(self.place, self.steps_of, self.person, self.redactor, self.caps)
        loop = Loop(line, toolbox, self.person, self.redactor, self.bounds, keep)
        return loop.run([turn["content"] for turn in rendered.turns])

    def _open(self, outcome: Outcome) -> tuple[str, ...]:
        """What is not in order, looked at by ourselves: the model's word is not enough."""
        if outcome.end is not End.DONE:
            return ()
        found = looked_at_all(self.steps_of(self.place), self.place)
        return tuple(name for name, check in found.items() if not check.ok)

    def _none(self, why: str) -> Outcome:
        return Outcome(End.FELL_BACK, f"No agent: {self.redactor.clean(why)}", self.bounds.spent_nano)


def _prompt(kit: AIKit, inputs: dict[str, object]) -> Rendered:
    """The one that the label points to, if there is one that takes these inputs; else the one that ships."""
    try:
        return render(kit.registry.get(LABELLED), inputs)
    except AIKitError:
        prompt = shipped().find(PROMPT, VERSION)
    if prompt is None:
        raise PromptNotFound(f"{PROMPT}@v{VERSION} does not ship with this aikit.")
    return render(prompt, inputs)


def _transcript(place: Place, redactor: Redactor) -> Transcript | None:
    """None where there is no place for one: that is no reason not to help."""
    try:
        return Transcript(place.settings.data_dir, redactor)
    except OSError:
        return None


def _nowhere(kind: str, **what: object) -> None:
    pass


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
